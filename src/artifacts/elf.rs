//! Debian's programs, made to run from the payload on any base: loader and libraries come from beside them.
//!
//! Only programs are changed, never libraries: a program's `DT_RPATH` serves its libraries' needs too, unlike
//! `DT_RUNPATH` (ld.so(8)). It is done here and not by patchelf so that bytes do not depend on the host's version of it.

use anyhow::{Context, Result, anyhow, ensure};
use object::Endianness;
use object::elf::{DT_NEEDED, ET_DYN, ET_EXEC, FileHeader64, PT_INTERP};
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _};
use object_rewrite::Rewriter;

use crate::arch::Arch;

/// Where the payload's libraries are on a node.
pub const LIBRARIES: &str = "/opt/hab/lib";

/// The loader's name there. It is short so that the path fits where `/lib64/ld-linux-x86-64.so.2` stood: then the
/// program's first segment keeps its size and nothing in it has to move.
pub const LOADER: &str = "ld.so";

/// Whether these bytes are a program for a processor.
#[must_use]
pub fn is_for(elf: &[u8], arch: &Arch) -> bool {
    FileHeader64::<Endianness>::parse(elf).is_ok_and(|header| {
        header.endian().is_ok_and(|endian| {
            header.e_machine(endian) == arch.elf && [ET_EXEC, ET_DYN].contains(&header.e_type(endian))
        })
    })
}

/// Whether a program starts without a loader.
///
/// # Errors
/// It is not a 64-bit ELF file, or a damaged one.
pub fn is_static(elf: &[u8]) -> Result<bool> {
    let parse = || -> object::read::Result<bool> {
        let header = FileHeader64::<Endianness>::parse(elf)?;
        let endian = header.endian()?;
        Ok(header.program_headers(endian, elf)?.iter().all(|segment| segment.p_type(endian) != PT_INTERP))
    };
    parse().map_err(|e| anyhow!("reading an ELF file: {e}"))
}

/// The libraries that `elf`, a program or a library, itself asks for.
///
/// # Errors
/// It is not a 64-bit ELF file, or a damaged one.
pub fn needed(elf: &[u8]) -> Result<Vec<String>> {
    let parse = || -> object::read::Result<Vec<String>> {
        let header = FileHeader64::<Endianness>::parse(elf)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, elf)?;
        let Some((dynamic, link)) = sections.dynamic(endian, elf)? else { return Ok(Vec::new()) };
        let strings = sections.strings(endian, elf, link)?;
        let needed = dynamic.iter().filter(|entry| entry.tag32(endian) == Some(DT_NEEDED));
        needed.map(|entry| Ok(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned())).collect()
    };
    parse().map_err(|e| anyhow!("reading an ELF file: {e}"))
}

/// The program with the payload's loader and libraries.
///
/// # Errors
/// It is not a dynamically linked program, or has no room for the loader's path.
pub fn relocate(program: &[u8]) -> Result<Vec<u8>> {
    let mut elf = Rewriter::read(program).map_err(|e| anyhow!("reading an ELF file: {e}"))?;
    let room = elf.elf_interpreter().context("the program is not dynamically linked")?.len();
    let mut loader = format!("{LIBRARIES}/{LOADER}").into_bytes();
    ensure!(loader.len() < room, "the program has {room} bytes for its loader's path, {} are needed", loader.len() + 1);
    // The kernel reads up to the first NUL and wants the last byte to be one (fs/binfmt_elf.c).
    loader.resize(room, 0);
    let failed = |e: object_rewrite::Error| anyhow!("changing an ELF file: {e}");
    elf.elf_set_interpreter(loader).map_err(failed)?;
    elf.elf_set_runpath(LIBRARIES.into()).map_err(failed)?;
    elf.elf_use_rpath().map_err(failed)?;
    let mut bytes = Vec::with_capacity(program.len());
    elf.write(&mut bytes).map_err(|e| anyhow!("writing an ELF file: {e}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    #[test]
    fn a_program_gets_loader_and_library_path_and_keeps_its_needs() {
        // A program of the host's distribution; that hab's own kind of Debian is meant shows in the boot test.
        let own = std::fs::read("/bin/sh").unwrap();
        let moved = relocate(&own).unwrap();
        let elf = Rewriter::read(&moved).unwrap();
        let loader = elf.elf_interpreter().unwrap();
        assert!(loader.starts_with(b"/opt/hab/lib/ld.so\0") && loader.ends_with(b"\0"));
        assert_eq!(needed(&moved).unwrap(), needed(&own).unwrap());
        assert!(needed(&moved).unwrap().contains(&"libc.so.6".to_owned()));
        assert!(contains(&moved, LIBRARIES));
        assert_eq!(moved, relocate(&own).unwrap());
        assert!(!is_static(&own).unwrap());
    }

    /// Other bytes need another version of the step that relocates programs.
    #[test]
    fn the_same_program_gives_the_same_bytes() {
        let program = std::fs::read("tests/fixtures/dynamic.elf").unwrap();
        assert_eq!(
            crate::digest::sha256(relocate(&program).unwrap()),
            "7cdc755a533f5d72d6e5212ef9f7bceccb67075fafec0876bf4c418e41c8a0da"
        );
    }

    #[test]
    fn a_program_is_for_one_processor() {
        use crate::arch::TARGET;
        let mut program = std::fs::read("tests/fixtures/dynamic.elf").unwrap();
        assert!(is_for(&program, TARGET));
        // e_machine (elf(5)): 183 is aarch64; and e_type: 1 is an object file.
        program[18] = 183;
        assert!(!is_for(&program, TARGET));
        program[18] = 62;
        program[16] = 1;
        assert!(!is_for(&program, TARGET));
        for other in [&b"#!/bin/sh\n"[..], b"", b"\x7fELF"] {
            assert!(!is_for(other, TARGET));
        }
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(relocate(b"#!/bin/sh\n").is_err());
        assert!(needed(b"").is_err());
        assert!(is_static(b"").is_err());
    }
}
