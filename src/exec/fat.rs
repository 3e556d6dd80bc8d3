//! FAT file systems that boot: mtools and syslinux.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::pinned_tools::PinnedTools;

/// The beginning of FAT's time, 1980-01-01; mtools takes an earlier one for a mistake.
const EPOCH: &str = "315532800";

/// Makes `out` a FAT file system of `size` bytes with these files in its top folder, and syslinux to boot from it.
///
/// # Errors
/// They do not fit, or it can't be written.
pub fn bootable(tools: &PinnedTools, out: &Path, size: u64, serial: &str, files: &[(&str, &Path)]) -> Result<()> {
    fs::File::create(out)?.set_len(size)?;
    let tool = |name| tools.tool(name).map(|tool| tool.env("SOURCE_DATE_EPOCH", EPOCH).env("MTOOLSRC", "/dev/null"));
    tool("mformat")?.arg("-i").arg(out).args(["-N", serial, "-v", "HAB-BOOT", "::"]).run()?;
    for (name, path) in files {
        let copied = tool("mcopy")?.arg("-i").arg(out).arg(path).arg(format!("::{name}")).run();
        copied.with_context(|| format!("copying {name} to the boot partition"))?;
    }
    tool("syslinux")?.arg("--install").arg(out).run().context("making the boot partition bootable")
}
