//! Locks between runs of hab: on an open file, until it is closed.

use std::io;

use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

/// Waits until nobody else has the file's lock; `waiting` is called once if somebody has.
///
/// # Errors
/// It can't be locked.
pub fn lock(file: &fs::File, waiting: impl FnOnce()) -> io::Result<()> {
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
        let path = dir.path().join("lock");
        let first = fs::File::create(&path).unwrap();
        let mut said = false;
        lock(&first, || said = true).unwrap();
        assert!(!said);
        let (waits, waiting) = channel();
        let second = std::thread::spawn(move || {
            let file = fs::File::open(&path).unwrap();
            lock(&file, || waits.send(()).unwrap()).unwrap();
        });
        waiting.recv().unwrap();
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap();
    }
}
