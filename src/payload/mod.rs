//! The payload disk of a role: one partition, a squashfs with all the role runs, mounted read-only at `/opt/hab`.

pub mod contents;
mod layout;
mod manifest;

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

pub use manifest::{Check, File, Image, Payload};

use self::contents as role;
use self::layout::{Source, checks, images, sources};
use crate::artifacts::Artifacts;
use crate::cache::{Cache, Inputs, Key, Made};
use crate::debian;
use crate::disk::{self, Partition};
use crate::exec::mksquashfs;
use crate::lock::Deb;
use crate::progress::Progress;
use crate::role::Role;

/// The partition's name, by which a node finds it whatever the disk is called.
pub const PARTITION: &str = "hab-payload";

/// Where a node mounts it.
pub const MOUNT: &str = "/opt/hab";

/// The disk's file in its entry.
const DISK: &str = "payload.raw";

/// [`Payload`], beside the disk.
const LIST: &str = "payload.json";

/// The payload of `role`, made of what `artifacts` has for it by the programs in the packages `tools`, or taken
/// from the cache.
///
/// # Errors
/// A part is missing, or the disk can't be written.
pub fn build(
    cache: &Cache,
    role: Role,
    artifacts: &Artifacts,
    tools: &[Deb],
    progress: &dyn Progress,
) -> Result<Payload> {
    let load = role::load(role)?;
    let sources = sources(&load, artifacts).with_context(|| format!("collecting the payload of {role}"))?;
    let (images, checks) = (images(&load, artifacts)?, checks(&load, artifacts)?);
    let key = key(role, &sources, &checks, tools);
    let what = format!("payload {role}");
    let (entry, made) = cache.get_or_make("payload", &key, |entry| {
        progress.begin(&what);
        write(cache, role, &sources, tools, entry).with_context(|| format!("writing the payload of {role}"))?;
        let files = sources.iter().map(|(path, source)| File {
            path: path.clone(),
            sha256: source.sha256.clone(),
            mode: source.mode,
        });
        let payload = Payload { disk: PathBuf::new(), files: files.collect(), images, checks };
        Ok(fs::write(entry.join(LIST), serde_json::to_vec_pretty(&payload)?)?)
    })?;
    let mut payload: Payload = serde_json::from_slice(&fs::read(entry.join(LIST))?)
        .with_context(|| format!("reading {LIST} of {}", entry.display()))?;
    payload.disk = entry.join(DISK);
    if made == Made::Now {
        let size = fs::metadata(&payload.disk)?.len() >> 20;
        progress.end(&what, &format!("{} files, {size} MiB", payload.files.len()));
    }
    Ok(payload)
}

fn key(role: Role, sources: &BTreeMap<String, Source>, checks: &[Check], tools: &[Deb]) -> Key {
    let flags = [&mksquashfs::FIXED[..], &mksquashfs::STORED[..]].concat().join(" ");
    let mut inputs = Inputs::new().add("role", role.to_string()).add("flags", flags).add("disk", disk::FORMAT);
    for deb in tools {
        inputs = inputs.add("tool", &deb.sha256);
    }
    for (path, source) in sources {
        inputs = inputs.add("path", path).add("sha256", &source.sha256).add("mode", source.mode.to_le_bytes());
    }
    for check in checks {
        inputs = inputs.add("check", &check.program).add("says", &check.says).add("argv", check.argv.join("\0"));
    }
    inputs.key()
}

/// Lays the files out, packs them, and puts the result in a partition. Only the disk stays in `entry`.
fn write(cache: &Cache, role: Role, sources: &BTreeMap<String, Source>, tools: &[Deb], entry: &Path) -> Result<()> {
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
    let (tools, _) = debian::pinned_tools(cache, tools)?;
    mksquashfs::pack_with(&tools, &tree, &squashfs, &mksquashfs::STORED)?;
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
