//! The CD-ROM by which a machine gets its Ignition config: an ISO 9660 file system (ECMA-119) with one file in it, the same
//! bytes from the same config.
//!
//! VirtualBox' own channel, guest properties, ends at 1023 bytes (coreos/ignition#2226).

use anyhow::{Context as _, Result};

/// A logical sector.
const SECTOR: usize = 2048;

/// The volume's name.
const VOLUME: &str = "HAB";

/// The file. Linux shows it as `hab.ign` (`fs/isofs`, `map=normal`).
const FILE: &[u8] = b"HAB.IGN;1";

/// What stands in which sector; the first 16 are the system's.
const DESCRIPTOR: usize = 16;
const TERMINATOR: usize = 17;
const PATHS_LITTLE: usize = 18;
const PATHS_BIG: usize = 19;
const ROOT: usize = 20;
const DATA: usize = 21;

/// The path table with nothing but the root in it.
const PATHS_LENGTH: u32 = 10;

/// The first second of 1970, in a directory (ECMA-119, 9.1.5).
const EPOCH: [u8; 7] = [70, 1, 1, 0, 0, 0, 0];

/// The CD-ROM with this config in it.
///
/// # Errors
/// It is larger than a file can be.
pub fn config_drive(config: &[u8]) -> Result<Vec<u8>> {
    let length = u32::try_from(config.len()).context("the config is too large for a CD-ROM")?;
    let sectors = DATA + config.len().div_ceil(SECTOR);
    let mut image = vec![0; sectors * SECTOR];
    let mut put = |sector: usize, bytes: &[u8]| image[sector * SECTOR..][..bytes.len()].copy_from_slice(bytes);
    put(DESCRIPTOR, &descriptor(u32::try_from(sectors)?)?);
    put(TERMINATOR, b"\xffCD001\x01");
    let root = u32::try_from(ROOT)?;
    put(PATHS_LITTLE, &[&[1, 0], root.to_le_bytes().as_slice(), &[1, 0, 0, 0]].concat());
    put(PATHS_BIG, &[&[1, 0], root.to_be_bytes().as_slice(), &[0, 1, 0, 0]].concat());
    let whole = u32::try_from(SECTOR)?;
    put(
        ROOT,
        &[record(&[0], root, whole, true)?, record(&[1], root, whole, true)?, record(FILE, root + 1, length, false)?]
            .concat(),
    );
    put(DATA, config);
    Ok(image)
}

/// The primary volume descriptor of so many sectors (ECMA-119, 8.4).
fn descriptor(sectors: u32) -> Result<Vec<u8>> {
    /// No time is told: 16 digits and a time zone.
    const NO_TIME: &[u8] = b"0000000000000000\0";
    let root = u32::try_from(ROOT)?;
    let mut out = b"\x01CD001\x01\0".to_vec();
    out.extend(format!("{:32}{VOLUME:32}", "").bytes());
    out.extend([0; 8]);
    out.extend(both32(sectors));
    out.extend([0; 32]);
    // One volume, the first of a set of one, and its sectors' size.
    for number in [1, 1, u16::try_from(SECTOR)?] {
        out.extend(both16(number));
    }
    out.extend(both32(PATHS_LENGTH));
    // Each path table is there once.
    out.extend(u32::try_from(PATHS_LITTLE)?.to_le_bytes().into_iter().chain([0; 4]));
    out.extend(u32::try_from(PATHS_BIG)?.to_be_bytes().into_iter().chain([0; 4]));
    out.extend(record(&[0], root, u32::try_from(SECTOR)?, true)?);
    // Of the set, publisher, preparer and application, 128 each, and three files of 37: nothing is said.
    out.extend([b' '; 4 * 128 + 3 * 37]);
    // Made, changed, ends, begins.
    for _ in 0..4 {
        out.extend(NO_TIME);
    }
    out.extend([1, 0]);
    Ok(out)
}

/// A directory's record (ECMA-119, 9.1).
fn record(name: &[u8], sector: u32, length: u32, folder: bool) -> Result<Vec<u8>> {
    let mut out = vec![0, 0];
    out.extend(both32(sector));
    out.extend(both32(length));
    out.extend(EPOCH);
    out.extend([if folder { 2 } else { 0 }, 0, 0]);
    out.extend(both16(1));
    out.push(u8::try_from(name.len())?);
    out.extend(name);
    out.resize(out.len().next_multiple_of(2), 0);
    out[0] = u8::try_from(out.len())?;
    Ok(out)
}

/// A number in both orders.
fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

fn both32(number: u32) -> Vec<u8> {
    [number.to_le_bytes(), number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_same_config_gives_the_same_bytes() {
        let image = config_drive(b"{\"ignition\":{}}\n").unwrap();
        assert_eq!(image.len(), 22 * SECTOR);
        assert_eq!(image, config_drive(b"{\"ignition\":{}}\n").unwrap());
        assert_eq!(crate::digest::sha256(&image), "ad799739f4338236cd1bc0e52559339d87e3d93cb5e57bff4b0b5239c21baaea");
        // VirtualBox takes no CD-ROM of 32 KiB or less.
        assert!(config_drive(b"").unwrap().len() > 32 << 10);
    }

    #[test]
    fn another_program_finds_the_config_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let config: Vec<u8> = b"abcdefghijklmnopqrstuvwxyz".iter().copied().cycle().take(50_001).collect();
        let path = dir.path().join("n.iso");
        std::fs::write(&path, config_drive(&config).unwrap()).unwrap();
        let bsdtar = |what: &str| {
            let output = Command::new("bsdtar").arg(what).arg(&path).output().expect("libarchive-tools is needed");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let list = String::from_utf8(bsdtar("-tvf")).unwrap();
        assert_eq!(list.lines().count(), 2, "{list}");
        assert!(list.contains(" 50001 Jan  1  1970 HAB.IGN"), "{list}");
        assert!(bsdtar("-xOf") == config);
    }
}
