//! The payload disk of a role: one partition, a squashfs with all the role runs, mounted read-only at `/opt/hab`.

pub mod contents;
mod layout;
mod manifest;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;

pub use contents::Contents;
pub use manifest::{File, Payload};
#[cfg(test)]
pub use manifest::{ImportedImage, VersionCheck};

use self::layout::{Source, checks, images, sources};
use crate::artifacts::Artifacts;
use crate::disk::{self, Partition};
use crate::exec::mksquashfs;
use crate::exec::pinned_tools::PinnedTools;
use crate::role::Role;

/// The partition's name, by which a node finds it whatever the disk is called.
pub const PARTITION: &str = "hab-payload";

/// Where a node mounts it.
pub const MOUNT: &str = "/opt/hab";

/// The disk's file in an entry.
pub const DISK: &str = "payload.raw";

/// [`Payload`], beside the disk.
const LIST: &str = "payload.json";

/// Writes the payload of `role` into `entry`: its `contents` out of `artifacts`, packed by the programs of the entry
/// `tools`.
///
/// # Errors
/// A part is missing, or the disk can't be written.
pub fn build(role: Role, contents: &Contents, artifacts: &Artifacts, tools: &Path, entry: &Path) -> Result<String> {
    let sources = sources(contents, artifacts).with_context(|| format!("collecting the payload of {role}"))?;
    write(role, &sources, tools, entry).with_context(|| format!("writing the payload of {role}"))?;
    let files = sources.into_iter().map(|(path, source)| File { path, sha256: source.sha256, mode: source.mode });
    let payload =
        Payload { files: files.collect(), images: images(contents, artifacts)?, checks: checks(contents, artifacts)? };
    fs::write(entry.join(LIST), serde_json::to_vec_pretty(&payload)?)?;
    let size = fs::metadata(entry.join(DISK))?.len() >> 20;
    Ok(format!("{} files, {size} MiB", payload.files.len()))
}

/// Reads what the payload in `entry` holds.
///
/// # Errors
/// It can't be read.
pub fn read(entry: &Path) -> Result<Payload> {
    let path = entry.join(LIST);
    serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))
}

/// Lays the files out, packs them, and puts the result in a partition. Only the disk stays in `entry`.
fn write(role: Role, sources: &BTreeMap<String, Source>, tools: &Path, entry: &Path) -> Result<()> {
    let tree = entry.join("tree");
    folder(&tree)?;
    for (path, source) in sources {
        let to = tree.join(path);
        if let Some(parent) = to.parent()
            && !parent.is_dir()
        {
            folder(parent)?;
        }
        fs::copy(&source.from, &to)?;
        fs::set_permissions(&to, Permissions::from_mode(source.mode))?;
    }
    let squashfs = entry.join("payload.squashfs");
    mksquashfs::pack_with(&PinnedTools::open(tools), &tree, &squashfs, &mksquashfs::STORED)?;
    fs::remove_dir_all(&tree)?;
    let partition = Partition { name: PARTITION, kind: disk::LINUX, attributes: 0, content: &squashfs };
    disk::write_gpt(&entry.join(DISK), &format!("{PARTITION}-{role}"), &[partition])?;
    Ok(fs::remove_file(&squashfs)?)
}

/// A folder whose mode does not depend on the user's umask.
fn folder(path: &Path) -> Result<()> {
    fs::create_dir(path)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
}

#[cfg(test)]
mod tests;
