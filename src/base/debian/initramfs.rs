//! The initramfs: busybox, the few modules it takes to see the disk, and `init`.

use std::path::{Path, PathBuf};

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

/// What goes into it.
struct Parts<'a> {
    init: &'a str,
    busybox: &'a [u8],
    /// Names that busybox is called by.
    applets: Vec<&'a str>,
    /// The lists of modules by their names, each with the modules' files in the order in which they are loaded.
    modules: Vec<(&'a str, Vec<PathBuf>)>,
}

/// Writes the initramfs to `out`.
///
/// # Errors
/// A module is missing, or it can't be written.
pub fn write(tools: &PinnedTools, usr: &Path, taken: &Taken, out: &Path) -> Result<()> {
    let order = |(list, names)| Ok((list, modules::order(usr, &taken.release, table(names)?)?));
    let parts = Parts {
        init: text("base/debian/initramfs/init")?,
        busybox: &taken.busybox,
        applets: table("base/debian/initramfs/applets")?.collect(),
        modules: LISTS.into_iter().map(order).collect::<Result<_>>()?,
    };
    let plain = out.with_extension("cpio");
    fs::write(&plain, archive(&parts)?)?;
    zstd(tools, &plain, out).context("compressing the initramfs")
}

/// The initramfs as it is unpacked.
fn archive(parts: &Parts<'_>) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for folder in ["bin", "dev", "modules", "proc", "run", "sys", "sysroot"] {
        cpio.folder(folder);
    }
    // The kernel opens it for init's input and output: 5, 1 (Documentation/admin-guide/devices.txt).
    cpio.device("dev/console", [5, 1]);
    cpio.program("init", parts.init.as_bytes());
    cpio.program("bin/busybox", parts.busybox);
    for applet in &parts.applets {
        cpio.link(&format!("bin/{applet}"), "busybox");
    }
    for (list, modules) in &parts.modules {
        let mut order = String::new();
        for module in modules {
            let name = module.file_name().and_then(|name| name.to_str()).context("a module's name is not text")?;
            cpio.file(&format!("modules/{name}"), &fs::read(module)?);
            order.push_str(name);
            order.push('\n');
        }
        cpio.file(&format!("modules/{list}"), order.as_bytes());
    }
    Ok(cpio.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other bytes need another version of the step that writes the base.
    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, c] = ["a.ko.xz", "b.ko.xz", "c.ko.xz"].map(|name| {
            fs::write(dir.path().join(name), format!("module {name}")).unwrap();
            dir.path().join(name)
        });
        let modules = vec![("order", vec![b, a]), ("sata", vec![c])];
        let parts = Parts { init: "#!/bin/sh\n", busybox: b"busybox", applets: vec!["sh", "mount"], modules };
        assert_eq!(
            crate::digest::sha256(archive(&parts).unwrap()),
            "d5244a1c80ad8264995050bf5195d07fafb41054536194c97df6ba2b64428af2"
        );
    }
}
