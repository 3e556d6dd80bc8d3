//! FAT file systems that boot: mtools and syslinux.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::pinned_tools::PinnedTools;

/// The beginning of FAT's time, 1980-01-01; mtools takes an earlier one for a mistake. Part of every key.
pub const EPOCH: &str = "315532800";

/// The volume's label, part of every key.
pub const LABEL: &str = "HAB-BOOT";

/// A FAT file system to be made.
pub struct Fat<'a> {
    /// Its size in bytes.
    pub size: u64,
    /// The volume's serial number: 8 hexadecimal digits.
    pub serial: &'a str,
    /// Name and source of each file in its top folder.
    pub files: &'a [(&'a str, &'a Path)],
}

/// Makes `out` a FAT file system with syslinux to boot from it.
///
/// # Errors
/// The files do not fit, or it can't be written.
pub fn bootable(tools: &PinnedTools, fat: &Fat<'_>, out: &Path) -> Result<()> {
    fs::File::create(out)?.set_len(fat.size)?;
    let tool = |name| tools.tool(name).map(|tool| tool.env("SOURCE_DATE_EPOCH", EPOCH).env("MTOOLSRC", "/dev/null"));
    tool("mformat")?.arg("-i").arg(out).args(["-N", fat.serial, "-v", LABEL, "::"]).run()?;
    for (name, path) in fat.files {
        let copied = tool("mcopy")?.arg("-i").arg(out).arg(path).arg(format!("::{name}")).run();
        copied.with_context(|| format!("copying {name} to the boot partition"))?;
    }
    tool("syslinux")?.arg("--install").arg(out).run().context("making the boot partition bootable")
}
