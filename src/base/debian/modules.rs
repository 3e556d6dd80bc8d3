//! The kernel modules of a node.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::embedded::table;
use crate::exec::depmod::depmod;
use crate::exec::pinned_tools::PinnedTools;

/// Where a release's modules are, below `/usr`.
#[must_use]
pub fn folder(release: &str) -> PathBuf {
    Path::new("lib/modules").join(release)
}

/// Whether a node has the file at `path` (below the release).
pub fn wanted(path: &str) -> Result<bool> {
    Ok(table("base/debian/modules")?.any(|beginning| path.starts_with(beginning)))
}

/// Writes the indexes by which modprobe finds modules in `root/usr/lib/modules`.
pub fn index(tools: &PinnedTools, root: &Path, release: &str) -> Result<()> {
    // depmod looks in lib/modules, which on a node is a link, too.
    let lib = root.join("lib");
    symlink("usr/lib", &lib).context("linking lib")?;
    depmod(tools, root, release).with_context(|| format!("indexing the modules of {release}"))?;
    fs::remove_file(&lib)?;
    for entry in fs::read_dir(root.join("usr").join(folder(release)))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            // depmod's files have the caller's umask.
            fs::set_permissions(entry.path(), Permissions::from_mode(0o644))?;
        }
    }
    Ok(())
}

/// The files of the modules `names` and of all they need, each after those it needs.
///
/// # Errors
/// There is no such module.
pub fn order(usr: &Path, release: &str, names: impl Iterator<Item = &'static str>) -> Result<Vec<PathBuf>> {
    let folder = usr.join(folder(release));
    let dependencies = fs::read_to_string(folder.join("modules.dep"))?;
    let mut order: Vec<PathBuf> = Vec::new();
    for name in names {
        let line = dependencies.lines().find(|line| is_module(line, name));
        let (file, needs) =
            line.and_then(|line| line.split_once(':')).with_context(|| format!("there is no kernel module {name}"))?;
        // modules.dep names what must be loaded first last (modules.dep(5)).
        for file in needs.split_whitespace().rev().chain([file]) {
            let file = folder.join(file);
            if !order.contains(&file) {
                order.push(file);
            }
        }
    }
    Ok(order)
}

/// Whether a line of modules.dep (`kernel/a/b.ko.xz: needed ...`) is about the module `name`.
fn is_module(line: &str, name: &str) -> bool {
    let file = line.split(':').next().unwrap_or_default();
    let file = file.rsplit('/').next().unwrap_or_default();
    file.split_once(".ko").is_some_and(|(module, _)| module == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_come_after_those_they_need() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(folder("6"));
        fs::create_dir_all(&folder).unwrap();
        let lines = "kernel/a.ko.xz: kernel/c.ko.xz kernel/b.ko.xz\nkernel/b.ko.xz:\nkernel/c.ko.xz: kernel/b.ko.xz\n";
        fs::write(folder.join("modules.dep"), lines).unwrap();
        let order = order(dir.path(), "6", ["a", "b"].into_iter()).unwrap();
        let names: Vec<_> = order.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["b.ko.xz", "c.ko.xz", "a.ko.xz"]);
        assert!(super::order(dir.path(), "6", ["d"].into_iter()).is_err());
    }

    #[test]
    fn only_modules_of_the_table_are_kept() {
        assert!(wanted("kernel/net/bridge/bridge.ko.xz").unwrap());
        assert!(wanted("modules.builtin").unwrap());
        assert!(!wanted("kernel/drivers/infiniband/core/ib_core.ko.xz").unwrap());
    }
}
