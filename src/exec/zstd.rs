//! Compression that the kernel undoes fastest.

use std::path::Path;

use anyhow::Result;

use super::pinned_tools::PinnedTools;

/// Compresses `from` into `to`, as small as a second or two allows.
///
/// # Errors
/// A file can't be read or written.
pub fn zstd(tools: &PinnedTools, from: &Path, to: &Path) -> Result<()> {
    tools.tool("zstd")?.args(["-q", "-19", "-T1"]).arg(from).arg("-o").arg(to).run()
}
