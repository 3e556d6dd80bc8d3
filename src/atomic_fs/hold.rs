//! Holds between runs of hab: flock(2) on an open file or folder, until it is closed. Not called locks: the lock is
//! `hab.lock`.

use std::io;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

/// Waits until nobody else holds the file, and holds it; `waiting` is called once if somebody does.
///
/// # Errors
/// It can't be held.
pub fn hold(file: &fs::File, waiting: impl FnOnce()) -> io::Result<()> {
    if flock(file, FlockOperation::NonBlockingLockExclusive).is_err() {
        waiting();
        flock(file, FlockOperation::LockExclusive)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn who_comes_second_says_so_and_waits() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("held");
        let first = fs::File::create(&path).unwrap();
        let mut said = false;
        hold(&first, || said = true).unwrap();
        assert!(!said);
        let (waits, waiting) = channel();
        let second = std::thread::spawn(move || {
            let file = fs::File::open(&path).unwrap();
            hold(&file, || waits.send(()).unwrap()).unwrap();
        });
        waiting.recv().unwrap();
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap();
    }
}
