//! mkfs.erofs: file systems that are the same bytes from the same tar.

use std::path::Path;
use std::process::Stdio;

use anyhow::Result;

use super::pinned_tools::PinnedTools;

/// A layer's tar, with its whiteouts as overlayfs has them; no time, identity or order of hab's or the machine's own, and one
/// thread, so that bytes depend on the tar alone. Nothing is compressed: emulated guests would spend their time on it. Part
/// of every key. containerd's own differ has the same first four (`plugins/diff/erofs`).
pub const FIXED: [&str; 10] = [
    "--tar=f",
    "--aufs",
    "--quiet",
    "-Enoinline_data",
    "-T0",
    "--mkfs-time",
    "--sort=none",
    "--workers=1",
    "-U",
    "00000000-0000-0000-0000-000000000000",
];

/// Writes the tar that comes from `tar` as the file system `out`.
///
/// # Errors
/// It is no tar, or the file can't be written.
pub fn of_tar(tools: &PinnedTools, tar: impl Into<Stdio>, out: &Path) -> Result<()> {
    tools.tool("mkfs.erofs")?.args(FIXED).arg(out).stdin(tar).run()
}
