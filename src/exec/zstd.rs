//! Compression that the kernel undoes fastest.

use std::io::Read;
use std::path::Path;

use anyhow::Result;

use super::pinned_tools::PinnedTools;

/// As small as a second or two allows, on one processor, so that their number does not count; part of every key.
pub const ARGS: [&str; 3] = ["-q", "-19", "-T1"];

/// Compresses `from` into `to`.
///
/// # Errors
/// A file can't be read or written.
pub fn zstd(tools: &PinnedTools, from: &Path, to: &Path) -> Result<()> {
    tools.tool("zstd")?.args(ARGS).arg(from).arg("-o").arg(to).run()
}

/// Unpacks `from` while `read` takes in what comes.
///
/// # Errors
/// It is damaged, or `read` says so.
pub fn unpacked<T>(tools: &PinnedTools, from: &Path, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    tools.tool("zstd")?.args(["--decompress", "--stdout", "--quiet", "--"]).arg(from).pipe(read)
}
