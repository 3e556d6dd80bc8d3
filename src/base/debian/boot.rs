//! The boot partition and the code that finds it. BIOS, because that is what every virtual machine starts with.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use crate::cache::KeyBuilder;
use crate::embedded::text;
use crate::exec::fat::{self, Fat};
use crate::exec::pinned_tools::PinnedTools;
use crate::provider;

/// "EFI system partition" and, by the same type, the partition boot loaders look for,
/// c12a7328-f81f-11d2-ba4b-00a0c93ec93b, in the GPT's byte order.
pub const KIND: [u8; 16] =
    [0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b];

/// "Legacy BIOS bootable", bit 2 of the attributes (UEFI specification, table "Defined GPT Partition Entry"): the boot
/// code goes to the partition that has it.
pub const BOOTABLE: u64 = 1 << 2;

/// Room for kernel, initramfs and loader, which together take less than half.
const SIZE: u64 = 32 << 20;

/// The volume's serial number: "hab", 1.
const SERIAL: &str = "68616201";

/// Boot code ends before the disk's signature and partition table.
const CODE: usize = 440;

/// What stands in the menu for the provider's Ignition platform.
const PLATFORM: &str = "@PLATFORM@";

/// The boot loader's menu: the kernel's arguments.
///
/// # Errors
/// hab was built without it.
pub fn menu(provider: &provider::Facts) -> Result<String> {
    Ok(text("base/debian/syslinux.cfg")?.replace(PLATFORM, provider.ignition_platform))
}

/// Adds what decides the boot partition's bytes, next to what is in it.
pub fn key(key: KeyBuilder) -> KeyBuilder {
    key.add("boot size", SIZE.to_le_bytes()).add_all("boot", [SERIAL, fat::EPOCH, fat::LABEL])
}

/// The files of the boot partition.
pub struct Parts<'a> {
    /// The kernel.
    pub kernel: &'a Path,
    /// The initramfs.
    pub initrd: &'a Path,
    /// The boot loader's menu.
    pub menu: &'a Path,
}

/// Writes the boot partition to `out`.
///
/// # Errors
/// It does not fit or can't be written.
pub fn write(tools: &PinnedTools, parts: &Parts<'_>, out: &Path) -> Result<()> {
    let files = [("vmlinuz", parts.kernel), ("initrd", parts.initrd), ("syslinux.cfg", parts.menu)];
    fat::bootable(tools, &Fat { size: SIZE, serial: SERIAL, files: &files }, out)
}

/// Puts syslinux' boot code, out of the tools' `files`, in front of the partition table of `disk`.
///
/// # Errors
/// It is not there or too long.
pub fn write_code(files: &Path, disk: &Path) -> Result<()> {
    let code = fs::read(files.join("usr/lib/syslinux/mbr/gptmbr.bin")).context("reading the boot code")?;
    ensure!(code.len() <= CODE, "the boot code has {} bytes, more than {CODE}", code.len());
    let mut disk = fs::OpenOptions::new().write(true).open(disk)?;
    disk.seek(SeekFrom::Start(0))?;
    Ok(disk.write_all(&code)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// In the place of each program: notes what it was called with, and for which second.
    const NOTES: &str =
        "#!/bin/sh\nd=${0%/bin/*}\necho \"${0##*/} $SOURCE_DATE_EPOCH $*\" | sed \"s,$d/,,g\" >>\"$d/ran\"\n";

    /// Other commands need another version of the step that writes the base.
    #[test]
    fn the_boot_partition_is_written_by_the_same_commands() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        for name in ["mformat", "mcopy", "syslinux"] {
            fs::write(at("bin").join(name), NOTES).unwrap();
            fs::set_permissions(at("bin").join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let parts = Parts { kernel: &at("kernel"), initrd: &at("initramfs"), menu: &at("menu") };
        write(&PinnedTools::open(dir.path()), &parts, &at("out")).unwrap();
        let expected = "\
            mformat 315532800 -i out -N 68616201 -v HAB-BOOT ::\n\
            mcopy 315532800 -i out kernel ::vmlinuz\n\
            mcopy 315532800 -i out initramfs ::initrd\n\
            mcopy 315532800 -i out menu ::syslinux.cfg\n\
            syslinux 315532800 --install out\n";
        assert_eq!(fs::read_to_string(at("ran")).unwrap(), expected);
        assert_eq!(fs::metadata(at("out")).unwrap().len(), 32 << 20);
    }

    #[test]
    fn boot_code_stays_out_of_the_partition_table() {
        let dir = tempfile::tempdir().unwrap();
        let (disk, code) = (dir.path().join("disk"), dir.path().join("usr/lib/syslinux/mbr/gptmbr.bin"));
        fs::create_dir_all(code.parent().unwrap()).unwrap();
        fs::write(&code, [1; CODE]).unwrap();
        fs::write(&disk, [2; 512]).unwrap();
        write_code(dir.path(), &disk).unwrap();
        assert_eq!(fs::read(&disk).unwrap(), [[1; CODE].as_slice(), &[2; 512 - CODE]].concat());
        fs::write(&code, [1; CODE + 1]).unwrap();
        let error = write_code(dir.path(), &disk).unwrap_err().to_string();
        assert!(error.contains("441 bytes"), "{error}");
    }
}
