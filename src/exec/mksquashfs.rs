//! squashfs images that are the same bytes from the same files.

use std::path::Path;

use anyhow::Result;

use super::pinned_tools::PinnedTools;

/// Fixed owners and times and no extended attributes, so that bytes depend on the files alone (they do not depend on
/// the number of processors either); part of every key.
pub const FIXED: [&str; 9] =
    ["-noappend", "-all-root", "-no-xattrs", "-all-time", "0", "-mkfs-time", "0", "-no-progress", "-quiet"];

/// No compression inside: emulated guests would spend their time on unpacking, and the disk around it is compressed
/// on the host. The block is mksquashfs' default.
pub const STORED: [&str; 6] = ["-noI", "-noD", "-noF", "-noX", "-b", "128K"];

/// zstd level 15: higher levels cost time and save nothing.
pub const SMALL: [&str; 6] = ["-comp", "zstd", "-Xcompression-level", "15", "-b", "128K"];

/// Writes the folder `tree` as the file `out`.
///
/// # Errors
/// It can't be read or written.
pub fn pack_with(tools: &PinnedTools, tree: &Path, out: &Path, compression: &[&str]) -> Result<()> {
    tools.tool("mksquashfs")?.arg(tree).arg(out).args(FIXED).args(compression).run()
}
