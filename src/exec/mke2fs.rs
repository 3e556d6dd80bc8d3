//! ext4 file systems as files.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::Tool;
use super::pinned_tools::PinnedTools;

/// What every file system is made with; part of every key. One inode for 16 KiB is mke2fs' own rule; a journal of 32 MiB is
/// plenty for a node; nothing is kept for root, since there is no one else.
pub const ARGS: [&str; 10] = ["-q", "-F", "-t", "ext4", "-i", "16384", "-J", "size=32", "-m", "0"];

/// The extended options, part of every key, too. The file is all zeros already, so neither mke2fs nor the node's kernel
/// needs to write any.
pub const EXTENDED: &str = "root_owner=0:0,assume_storage_prezeroed=1,lazy_itable_init=0,lazy_journal_init=0";

/// What makes one ext4 file system differ from another of the same content.
#[derive(Debug, Clone, Copy)]
pub struct Ext4<'a> {
    /// Its label.
    pub label: &'a str,
    /// Its UUID, which seeds the hashes of folders, too.
    pub uuid: &'a str,
    /// Its size in bytes; what is not used takes no room in the file.
    pub size: u64,
}

/// Makes `out` an ext4 file system with the content of `archive`, a tar.
///
/// # Errors
/// It does not fit or can't be written.
pub fn mke2fs(tools: &PinnedTools, conf: &Path, ext4: Ext4, archive: &Path, out: &Path) -> Result<()> {
    fs::File::create(out)?.set_len(ext4.size)?;
    let extended = format!("hash_seed={},{EXTENDED}", ext4.uuid);
    let tool = tools.tool("mke2fs")?.env("SOURCE_DATE_EPOCH", "0").env("MKE2FS_CONFIG", conf);
    tool.args(ARGS)
        .args(["-L", ext4.label, "-U", ext4.uuid, "-E", &extended, "-d"])
        .arg(archive)
        .arg(out)
        .run()
        .with_context(|| format!("making the file system {}", ext4.label))
}

/// Makes `out` an ext4 file system of `size` bytes with the content of `folder`, by the host's own mke2fs: for a node's data,
/// which are nowhere the same twice.
///
/// # Errors
/// It is not installed, the content does not fit, or it can't be written.
pub fn of_folder(folder: &Path, label: &str, size: u64, out: &Path) -> Result<()> {
    fs::File::create(out)?.set_len(size)?;
    let tool = Tool::find("mke2fs", "e2fsprogs")?.args(["-q", "-F", "-t", "ext4", "-m", "0", "-L", label]);
    tool.args(["-E", "root_owner=0:0", "-d"]).arg(folder).arg(out).run()
}
