//! xz: unpacks what was compressed with it.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use super::pinned_tools::PinnedTools;

/// Unpacks `from` into the new file `to`, which may get `most` bytes long.
///
/// # Errors
/// It is damaged or cut off, or there is more in it.
pub fn unpack(tools: &PinnedTools, from: &Path, to: &Path, most: u64) -> Result<()> {
    let mut file = fs::File::create(to)?;
    let tool = tools.tool("xz")?.args(["--decompress", "--stdout", "--threads=0", "--"]).arg(from);
    tool.pipe(|unpacked| {
        let size = std::io::copy(&mut unpacked.take(most + 1), &mut file).context("writing what xz unpacks")?;
        ensure!(size <= most, "there are more than {} MiB in {}", most >> 20, from.display());
        Ok(())
    })
}
