//! packer: boots a role's disks from the static template with a file of variables.

use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::{Tool, arg_with_path};

/// What to say when packer is missing: Debian 12 has it, later releases do not.
const PACKAGE: &str = "packer (Debian 13 has none; hab's tests/lib/packer.sh builds it from its Go modules)";

/// What packer prints about a template's source whose builder it lacks (its `hcl2template/plugin.go`). From 1.10 on it comes
/// without any builder, and qemu's is a plugin to be installed.
const NO_BUILDER: &str = "Unknown source type qemu";

/// How the names of the sockets' folders begin. Nobody names a folder of his own so: those nobody has locked are removed.
const SOCKETS: &str = "hab-packer-tmp-";

/// packer, with `sockets` for its plugins' sockets and `scratch` for all else.
fn packer(scratch: &Path, sockets: &Path) -> Result<Tool> {
    Ok(Tool::find("packer", PACKAGE)?
        // Neither a look for updates nor anything outside these folders.
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_CACHE_DIR", scratch.join("packer-cache"))
        .env("TMPDIR", sockets)
        .dir(scratch))
}

/// A folder for packer's sockets, locked as long as it is in use.
struct Sockets {
    dir: TempDir,
    _lock: fs::File,
}

impl Sockets {
    /// A new folder with a short path in `parent`. packer speaks to its own parts through sockets in `TMPDIR`, whose whole
    /// path may have 107 characters (unix(7), `sun_path`); in the cache's folders it has more, and packer then crashes.
    fn new(parent: &Path) -> Result<Self> {
        remove_stale(parent);
        loop {
            let dir = tempfile::Builder::new()
                .prefix(SOCKETS)
                .tempdir_in(parent)
                .context("making a folder for packer's sockets")?;
            let lock = fs::File::open(dir.path()).and_then(|lock| {
                flock(&lock, FlockOperation::LockExclusive)?;
                Ok(lock)
            });
            // Another hab may have taken it for stale before it was locked.
            if dir.path().exists() {
                return Ok(Self { dir, _lock: lock.context("locking the folder for packer's sockets")? });
            }
        }
    }
}

/// Removes the sockets' folders of runs that were killed: those that nobody holds locked. One that can't be removed is
/// another user's, or in nobody's way.
fn remove_stale(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_dir
            && entry.file_name().to_string_lossy().starts_with(SOCKETS)
            && let Ok(lock) = fs::File::open(entry.path())
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Runs `packer build`, passing each line it prints to `each`.
///
/// # Errors
/// packer is missing or fails; its own success says nothing about the guest.
pub fn build(scratch: &Path, template: &Path, variables: &Path, each: impl FnMut(&str)) -> Result<()> {
    let sockets = Sockets::new(&std::env::temp_dir())?;
    let tool = packer(scratch, sockets.dir.path())?.args(["build", "-color=false"]);
    tool.arg(arg_with_path("-var-file=", variables)).arg(template).stream(each).map_err(explained)
}

/// Runs `packer validate`.
///
/// # Errors
/// packer is missing, or refuses the template.
pub fn validate(scratch: &Path, template: &Path, variables: &Path) -> Result<()> {
    let sockets = Sockets::new(&std::env::temp_dir())?;
    let tool = packer(scratch, sockets.dir.path())?.arg("validate");
    tool.arg(arg_with_path("-var-file=", variables)).arg(template).run().map_err(explained)
}

/// An error of packer's with what to do about it, where that is known.
fn explained(error: Error) -> Error {
    if error.to_string().contains(NO_BUILDER) {
        return anyhow!("packer has no qemu plugin; get it by: packer plugins install github.com/hashicorp/qemu");
    }
    error
}

#[cfg(test)]
mod tests {
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
        let used = Sockets::new(parent.path()).unwrap();
        let other = Sockets::new(parent.path()).unwrap();
        assert!(used.dir.path().is_dir() && mine.join("socket").is_file() && !stale.exists());
        drop((used, other));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2, "the folder and the link of somebody else");
    }
}
