//! The recording of a machine's console, `out/console/NODE.log`, read on as it grows.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use super::nodes_json::console_path;

/// What is read at once.
const PIECE: u64 = 256 << 10;

/// A recording, and how far it was read.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    file: fs::File,
    at: u64,
}

impl Recording {
    /// That of the machine of `node` in the lab in the folder `lab`, from its beginning. `wanted` is whether hab.yaml has it
    /// recorded: one that is there is read all the same, for a machine keeps it until its next start.
    ///
    /// # Errors
    /// There is none, or it is not this user's.
    pub fn open(lab: &Path, node: &str, wanted: bool) -> Result<Self> {
        let path = super::tidy(&lab.join(console_path(node)));
        ensure!(path.is_file() || wanted, "hab.yaml says `console: false` for {node}, so what it says is not recorded");
        ensure!(
            path.is_file(),
            "there is no {}: {node} has never run, or without a record (`console: false` in hab.yaml, HAB_CONSOLE=off)",
            path.display()
        );
        let file = fs::File::open(&path).context("a recording that libvirt began anew is root's alone")?;
        Ok(Self { path, file, at: 0 })
    }

    /// What has come since, up to 256 KiB; no bytes if nothing has. A new machine's recording is begun from its start.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read_on(&mut self) -> Result<Vec<u8>> {
        let mut bytes = self.piece()?;
        if bytes.is_empty() && self.is_replaced() {
            // Between two machines there may be none.
            if let Ok(file) = fs::File::open(&self.path) {
                (self.file, self.at) = (file, 0);
                bytes = self.piece()?;
            }
        }
        Ok(bytes)
    }

    fn piece(&mut self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(self.at))?;
        self.file.by_ref().take(PIECE).read_to_end(&mut bytes)?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }

    /// Another file has its name, or it was cut.
    fn is_replaced(&self) -> bool {
        let (Ok(own), Ok(now)) = (self.file.metadata(), fs::metadata(&self.path)) else { return false };
        (own.dev(), own.ino()) != (now.dev(), now.ino()) || now.len() < self.at
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_recording_is_read_on_also_when_another_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let refused = |wanted| Recording::open(dir.path(), "n", wanted).unwrap_err().to_string();
        assert!(refused(true).contains("n has never run, or without a record"), "{}", refused(true));
        assert!(refused(false).contains("`console: false` for n"), "{}", refused(false));
        let path = dir.path().join("out/console/n.log");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "one\n").unwrap();
        // Its machine was started before hab.yaml said otherwise.
        let mut recording = Recording::open(dir.path(), "n", false).unwrap();
        let mut next = || String::from_utf8(recording.read_on().unwrap()).unwrap();
        assert_eq!([next(), next()], ["one\n", ""]);
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"two\n").unwrap();
        assert_eq!([next(), next()], ["two\n", ""]);
        // The old one's last words come first.
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"last\n").unwrap();
        fs::rename(&path, dir.path().join("old")).unwrap();
        assert_eq!([next(), next()], ["last\n", ""]);
        fs::write(&path, "new\n").unwrap();
        assert_eq!([next(), next()], ["new\n", ""]);
        fs::write(&path, "x").unwrap();
        assert_eq!(next(), "x", "a shorter one in its place");
    }

    #[test]
    fn a_long_one_comes_in_pieces() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/console/n.log");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![b'x'; 600 << 10]).unwrap();
        let mut recording = Recording::open(dir.path(), "n", true).unwrap();
        let lengths = [(); 4].map(|()| recording.read_on().unwrap().len());
        assert_eq!(lengths, [256 << 10, 256 << 10, 88 << 10, 0]);
    }
}
