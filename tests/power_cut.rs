//! What the cache and a lab's private folder hold after a power cut. An ext4 file system in a file is cut off by `EXT4_IOC_SHUTDOWN`, which drops
//! everything that was not flushed, as a power cut before delayed allocation would (Linux `fs/ext4/ioctl.c`).

#![allow(clippy::unwrap_used, reason = "all of this file is a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use hab::cache::{Cache, Key, KeyBuilder, Lookup};
use hab::clock::Clock;
use hab::pki::{AUTHORITIES, Pki};
use hab::plan::Plan;

/// `_IOR('X', 125, __u32)` of `include/uapi/linux/ext4.h`, with one of the two below.
const CUT: &str = "import fcntl,os,struct,sys;\
                   fcntl.ioctl(os.open(sys.argv[1],os.O_RDONLY),0x8004587D,struct.pack('I',int(sys.argv[2])))";

/// `EXT4_GOING_FLAGS_LOGFLUSH`: the journal is written, data that was not is lost.
const LOSES_DATA: &str = "1";

/// `EXT4_GOING_FLAGS_NOLOGFLUSH`: the journal is not written either, so the newest names are lost.
const LOSES_NAMES: &str = "2";

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A file system of its own, mounted until it is dropped.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(disk.mounted()).unwrap();
        let image = disk.image();
        std::fs::File::create(&image).unwrap().set_len(64 << 20).unwrap();
        run("mke2fs", &["-q", "-t", "ext4", image.to_str().unwrap()]);
        disk.mount();
        disk
    }

    fn image(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn mounted(&self) -> PathBuf {
        self.dir.path().join("mounted")
    }

    fn mount(&self) {
        // Else the journal is written every five seconds (ext4(5)), and a slow machine shows nothing.
        run("mount", &["-o", "loop,commit=300", self.image().to_str().unwrap(), self.mounted().to_str().unwrap()]);
    }

    /// The power goes, and comes back.
    fn cut(&self, how: &str) {
        run("python3", &["-c", CUT, self.mounted().to_str().unwrap(), how]);
        run("umount", &[self.mounted().to_str().unwrap()]);
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A test that failed before the file system was mounted has nothing to unmount.
        let _ = Command::new("umount").arg(self.mounted()).output();
    }
}

fn key() -> Key {
    KeyBuilder::new().add("x", "1").key()
}

/// Five megabytes in one file, and enough files to be flushed by the file system as a whole.
fn fill(entry: &Path, files: usize) {
    std::fs::write(entry.join("package.box"), vec![7; 5 << 20]).unwrap();
    for number in 0..files {
        std::fs::write(entry.join(number.to_string()), "content").unwrap();
    }
}

#[test]
#[ignore = "mounts a file system, so it needs root: ./test --boot runs it"]
fn an_entry_that_counts_survives_and_what_was_not_flushed_does_not() {
    for files in [1, 200] {
        let disk = Disk::new();
        let cache = Cache::at(disk.mounted().join("hab"));
        let made = cache.make("box", &key(), &|| (), |entry| {
            fill(entry, files);
            Ok(())
        });
        let entry = made.unwrap();
        // What this test would see if the cache did not flush: the same, written as any program writes.
        let plain = disk.mounted().join("plain");
        std::fs::create_dir(&plain).unwrap();
        fill(&plain, files);
        drop(cache);
        disk.cut(LOSES_DATA);
        let lost = std::fs::metadata(plain.join("package.box")).map_or(0, |meta| meta.len());
        assert!(lost < 5 << 20, "the power cut has lost nothing, so it shows nothing");

        let cache = Cache::at(disk.mounted().join("hab"));
        assert_eq!(cache.find("box", &key()), Lookup::Hit(entry.clone()), "{files} files");
        cache.verify(&entry).unwrap();
        assert_eq!(std::fs::read(entry.join("package.box")).unwrap(), vec![7; 5 << 20]);
    }
}

/// Every file of a folder with its bytes; none, where there is no folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let all = std::fs::read_dir(folder).into_iter().flatten().map(|file| file.unwrap().path());
    all.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Nodes trust them, and nobody can make them again.
#[test]
#[ignore = "mounts a file system, so it needs root: ./test --boot runs it"]
fn the_authorities_that_certificates_were_made_with_survive() {
    let reading = hab::config::read("hab.yaml", b"lab: demo\n", &|_| Ok(()));
    let plan = Plan::new(reading.config().unwrap()).unwrap();
    for how in [LOSES_DATA, LOSES_NAMES] {
        let disk = Disk::new();
        let private = disk.mounted().join("private");
        Pki::open(&private, &plan, Clock::system()).unwrap();
        let made = files(&private.join(AUTHORITIES));
        assert_eq!(made.len(), 8, "{:?}", made.keys());
        // What this test would see if they were not flushed: the same, written as any program writes.
        let [fresh, plain] = ["fresh", "plain"].map(|name| disk.mounted().join(name));
        std::fs::create_dir(&fresh).unwrap();
        for (path, bytes) in &made {
            std::fs::write(fresh.join(path.file_name().unwrap()), bytes).unwrap();
        }
        std::fs::rename(&fresh, &plain).unwrap();
        disk.cut(how);
        let left = files(&plain);
        assert!(left.values().all(Vec::is_empty), "the power cut has lost nothing, so it shows nothing");
        assert_eq!(left.is_empty(), how == LOSES_NAMES);
        let left = files(&private.join(AUTHORITIES));
        let sizes: Vec<_> = left.iter().map(|(path, bytes)| (path, bytes.len())).collect();
        assert!(left == made, "{how}: not what was there before: {sizes:?}");
    }
}
