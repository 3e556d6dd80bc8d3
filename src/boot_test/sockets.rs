//! The folder for packer's sockets.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::cache::{Scratch, remove_stale};

/// How the names of these folders begin. Nobody names a folder of his own so: those that no run holds are removed.
const PREFIX: &str = "hab-packer-tmp-";

/// A new folder with a short path in `parent`. packer speaks to its own parts through sockets in `TMPDIR`, whose whole path
/// may have 107 characters (unix(7), `sun_path`); in the cache's folders it has more, and packer then crashes.
pub fn sockets(parent: &Path) -> Result<Scratch> {
    // One of a killed run that can't be removed is another user's, or in nobody's way.
    let _ = remove_stale(parent, PREFIX);
    Scratch::new(parent, PREFIX).context("making a folder for packer's sockets")
}

#[cfg(test)]
mod tests {
    use fs_err as fs;

    use super::*;

    #[test]
    fn the_folders_of_killed_runs_are_removed_and_no_others() {
        let parent = tempfile::tempdir().unwrap();
        let [stale, mine, link] = ["hab-packer-tmp-x", "hab-packer", "hab-packer-tmp-y"].map(|n| parent.path().join(n));
        for folder in [&stale, &mine] {
            fs::create_dir(folder).unwrap();
            fs::write(folder.join("socket"), "").unwrap();
        }
        std::os::unix::fs::symlink(&mine, link).unwrap();
        let used = sockets(parent.path()).unwrap();
        let other = sockets(parent.path()).unwrap();
        assert!(used.path().is_dir() && mine.join("socket").is_file() && !stale.exists());
        drop((used, other));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2, "the folder and the link of somebody else");
    }
}
