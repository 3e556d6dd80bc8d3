//! Compression that the kernel undoes fastest.

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
