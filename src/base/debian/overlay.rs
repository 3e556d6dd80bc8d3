//! Writes what a node has beside Debian's `/usr`.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use tar::{EntryType, Header};

use super::usr::folders;
use crate::node::files::{Entry, NodeFiles};

/// Writes what belongs to `/usr` below `root`.
///
/// # Errors
/// It can't be written.
pub fn write_usr(tree: &NodeFiles, root: &Path) -> Result<()> {
    for (path, item) in tree.iter().filter(|(path, _)| in_usr(path)) {
        let to = root.join(path.trim_start_matches('/'));
        folders(root, &to)?;
        match item {
            Entry::File { mode, content } => {
                fs::write(&to, content)?;
                fs::set_permissions(&to, Permissions::from_mode(*mode))?;
            }
            Entry::Link(target) => symlink(target, &to).with_context(|| format!("linking {path}"))?,
            Entry::Folder { mode } => {
                fs::create_dir(&to)?;
                fs::set_permissions(&to, Permissions::from_mode(*mode))?;
            }
        }
    }
    Ok(())
}

/// Writes everything else as the tar `out`, every folder before what is in it.
///
/// # Errors
/// It can't be written.
pub fn write_root(tree: &NodeFiles, out: &Path) -> Result<()> {
    let mut items: BTreeMap<String, &Entry> = BTreeMap::new();
    for (path, item) in tree.iter().filter(|(path, _)| !in_usr(path)) {
        let path = path.trim_start_matches('/');
        items.insert(path.to_owned(), item);
        for (end, _) in path.match_indices('/') {
            items.entry(path[..end].to_owned()).or_insert(&Entry::Folder { mode: 0o755 });
        }
    }
    let mut archive = tar::Builder::new(fs::File::create(out)?);
    for (path, item) in items {
        append(&mut archive, &path, item).with_context(|| format!("adding {path} to the root file system"))?;
    }
    Ok(archive.finish()?)
}

fn in_usr(path: &str) -> bool {
    path.starts_with("/usr/")
}

fn append(archive: &mut tar::Builder<fs::File>, path: &str, item: &Entry) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    match item {
        Entry::File { mode, content } => {
            header.set_entry_type(EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content.as_ref())?;
        }
        Entry::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            archive.append_link(&mut header, path, target)?;
        }
        Entry::Folder { mode } => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            archive.append_data(&mut header, path, std::io::empty())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::base_files;

    /// Other bytes need another version of the step that writes the base.
    #[test]
    fn the_same_files_give_the_same_archive() {
        let dir = tempfile::tempdir().unwrap();
        let mut files = NodeFiles::new();
        files.file("/etc/shadow", 0o600, *b"root:!*::\n", "test").unwrap();
        files.link("/bin", "usr/bin", "test").unwrap();
        files.folder("/tmp", 0o1777, "test").unwrap();
        let out = dir.path().join("root.tar");
        write_root(&files, &out).unwrap();
        assert_eq!(
            crate::digest::sha256_file(&out).unwrap(),
            "9c37acc547d57e35afad1de160ca5bd26f2154d203066a517d9148b8ca3945ea"
        );
    }

    #[test]
    fn the_root_archive_has_every_folder_first_and_nothing_of_usr() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("root.tar");
        write_root(&base_files::read().unwrap(), &out).unwrap();
        let mut archive = tar::Archive::new(fs::File::open(&out).unwrap());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let path = entry.unwrap().path().unwrap().to_str().unwrap().trim_end_matches('/').to_owned();
            if let Some((parent, _)) = path.rsplit_once('/') {
                assert!(seen.iter().any(|seen| seen == parent), "{path} comes before its folder");
            }
            seen.push(path);
        }
        assert!(seen.contains(&"etc/os-release".to_owned()));
        assert!(seen.contains(&"usr".to_owned()) && !seen.iter().any(|path| path.starts_with("usr/")));
    }
}
