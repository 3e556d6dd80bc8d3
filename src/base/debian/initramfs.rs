//! The initramfs: busybox, the few modules it takes to see the disk, and `init`.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::cpio::Cpio;
use super::modules;
use super::usr::Taken;
use crate::embedded::{table, text};
use crate::exec::pinned_tools::PinnedTools;
use crate::exec::zstd::zstd;

/// The lists of modules that `init` loads, and the tables that they come from. No module is in both.
const LISTS: [(&str, &str); 2] = [("order", "base/debian/initramfs/modules"), ("sata", "base/debian/initramfs/sata")];

/// Writes the initramfs to `out`.
///
/// # Errors
/// A module is missing, or it can't be written.
pub fn write(tools: &PinnedTools, usr: &Path, taken: &Taken, out: &Path) -> Result<()> {
    let mut cpio = Cpio::default();
    for folder in ["bin", "dev", "modules", "proc", "run", "sys", "sysroot"] {
        cpio.folder(folder);
    }
    // The kernel opens it for init's input and output: 5, 1 (Documentation/admin-guide/devices.txt).
    cpio.device("dev/console", [5, 1]);
    cpio.program("init", text("base/debian/initramfs/init")?.as_bytes());
    cpio.program("bin/busybox", &taken.busybox);
    for applet in table("base/debian/initramfs/applets")? {
        cpio.link(&format!("bin/{applet}"), "busybox");
    }
    for (list, names) in LISTS {
        let mut order = String::new();
        for module in &modules::order(usr, &taken.release, table(names)?)? {
            let name = module.file_name().and_then(|name| name.to_str()).context("a module's name is not text")?;
            cpio.file(&format!("modules/{name}"), &fs::read(module)?);
            order.push_str(name);
            order.push('\n');
        }
        cpio.file(&format!("modules/{list}"), order.as_bytes());
    }
    let plain = out.with_extension("cpio");
    fs::write(&plain, cpio.finish())?;
    zstd(tools, &plain, out).context("compressing the initramfs")
}
