//! qemu-system: runs virtual machines, and finds out whether kvm really does.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::Tool;
use crate::arch::TARGET;

/// How virtual machines run on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// Emulated by qemu: anywhere, but slow.
    Tcg,
}

impl Accelerator {
    /// The word for qemu's `-accel`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// The word for qemu's `-cpu`: what the processor has, or all that the emulation knows - but erms: told that
    /// `rep movsb` is fast, Linux clears and copies memory with it, and qemu emulates that byte by byte.
    #[must_use]
    pub const fn cpu(self) -> &'static str {
        match self {
            Self::Kvm => "host",
            Self::Tcg => "max,-erms",
        }
    }
}

/// A guest that does it needs a tenth of a second. One that hangs is given this long.
const TRIAL_SECONDS: &str = "3";

/// What the trial guest writes to `EXIT_PORT`; qemu's `isa-debug-exit` then exits with `value << 1 | 1`
/// (qemu `hw/misc/debugexit.c`).
pub const EXIT_VALUE: i32 = 0x10;
/// `isa-debug-exit`'s default port.
const EXIT_PORT: &str = "0x501";

/// Where the trial guest also writes [`EXIT_VALUE`], as 8 bytes, for one who can read its memory: the Vagrantfile.
/// Above the three page tables.
pub const RESULT_ADDRESS: u16 = 0x4000;

/// The smallest firmware qemu takes.
const ROM_SIZE: usize = 64 << 10;

/// A firmware that goes from the reset vector into 64-bit mode and there leaves through the exit port, or halts if there
/// is none. Real mode alone proves nothing: there are nested machines whose /dev/kvm runs it and stops at the first
/// 64-bit instructions.
///
/// Each part: its offset in the ROM, whose last byte is at 0xfffff (and once more just below 4 GiB), and its bytes.
const PARTS: [(usize, &[u8]); 5] = [
    // 16-bit code.
    (
        0xff00,
        &[
            0x2e, 0x66, 0x0f, 0x01, 0x16, 0x90, 0xff, // lgdt cs:[0xff90]
            0x66, 0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, 0x00, 0x00, // level 4 page table at 0x1000: [0] -> 0x2000
            0x66, 0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, 0x00, 0x00, // level 3 at 0x2000: [0] -> 0x3000
            0x66, 0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, 0x00, 0x00, // level 2 at 0x3000: [0] = the first 2 MiB
            0x66, 0xb8, 0x20, 0x00, 0x00, 0x00, 0x0f, 0x22, 0xe0, // cr4 = PAE
            0x66, 0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x22, 0xd8, // cr3 = 0x1000
            0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, 0x66, 0x31, 0xd2, // ecx = EFER, edx = 0
            0x66, 0xb8, 0x00, 0x01, 0x00, 0x00, 0x0f, 0x30, // EFER = LME
            0x66, 0xb8, 0x01, 0x00, 0x00, 0x80, 0x0f, 0x22, 0xc0, // cr0 = PG | PE
            0x66, 0xea, 0xa0, 0xff, 0x0f, 0x00, 0x08, 0x00, // jmp 8:0xfffa0
        ],
    ),
    // The descriptor table: nothing, then 64-bit code.
    (0xff80, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x9a, 0x20, 0]),
    // Its length less one, and its address.
    (0xff90, &[0x0f, 0x00, 0x80, 0xff, 0x0f, 0x00]),
    // 64-bit code.
    (
        0xffa0,
        &[
            0x66, 0xba, 0x01, 0x05, // mov dx, EXIT_PORT
            0x48, 0xb8, 0, 0, 0, 0, 0x10, 0, 0, 0, // mov rax, EXIT_VALUE << 32
            0x48, 0xc1, 0xe8, 0x20, // shr rax, 32
            0x48, 0x89, 0x04, 0x25, 0x00, 0x40, 0, 0, // mov [RESULT_ADDRESS], rax
            0xee, 0xf4, 0xeb, 0xfd, // out dx, al; hlt for ever
        ],
    ),
    // The reset vector: jmp 0xf000:0xff00.
    (0xfff0, &[0xea, 0x00, 0xff, 0x00, 0xf0]),
];

/// qemu for the guests' processor.
///
/// # Errors
/// It is not installed.
pub fn system() -> Result<Tool> {
    Tool::find(TARGET.qemu.0, TARGET.qemu.1)
}

/// The firmware of the trial guest.
#[must_use]
pub fn trial_firmware() -> Vec<u8> {
    let mut rom = vec![0; ROM_SIZE];
    for (at, bytes) in PARTS {
        rom[at..at + bytes.len()].copy_from_slice(bytes);
    }
    rom
}

/// Finds out how machines run here, by running one. `scratch` is a folder for a small file.
///
/// # Errors
/// qemu is missing, or `scratch` can't be written to.
pub fn accelerator(scratch: &Path) -> Result<Accelerator> {
    Ok(if runs(Accelerator::Kvm, scratch)? { Accelerator::Kvm } else { Accelerator::Tcg })
}

/// Does a 64-bit guest run by `accelerator`?
fn runs(accelerator: Accelerator, scratch: &Path) -> Result<bool> {
    let file = tempfile::NamedTempFile::new_in(scratch).context("making the trial guest's firmware")?;
    fs::write(file.path(), trial_firmware())?;
    let code = Tool::find("timeout", "coreutils")?
        .args(["--foreground", "--signal=KILL", TRIAL_SECONDS])
        .arg(system()?.program)
        .args(["-accel", accelerator.name(), "-cpu", accelerator.cpu(), "-m", "16"])
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
        .args(["-device", &format!("isa-debug-exit,iobase={EXIT_PORT},iosize=1")])
        .arg("-bios")
        .arg(file.path())
        .code()
        .context("running a trial guest")?;
    Ok(code == Some(EXIT_VALUE << 1 | 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trial_guest_reaches_64_bit_mode_in_the_emulation() {
        let dir = tempfile::tempdir().unwrap();
        assert!(runs(Accelerator::Tcg, dir.path()).unwrap());
    }

    #[test]
    fn whatever_the_machine_there_is_an_answer() {
        let dir = tempfile::tempdir().unwrap();
        accelerator(dir.path()).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the scratch folder is left clean");
    }
}
