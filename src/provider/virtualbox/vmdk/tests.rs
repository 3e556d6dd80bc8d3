//! VMDKs, held against qemu's reading of them.

use std::fs::File;
use std::process::Command;

use super::*;

/// A disk of two and a half tables: text, noise, what stands around the end of a table, zeros that are no hole, and the
/// very last bytes.
fn disk(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("raw");
    let file = File::create(&path).unwrap();
    let grain = GRAIN as u64;
    file.set_len(1280 * grain).unwrap();
    let text: Vec<u8> = (0..GRAIN / 8).flat_map(|n| (n as u64 / 3).to_le_bytes()).collect();
    // Numbers of a linear congruential generator: nothing that deflate could make smaller.
    let noise = (0..GRAIN as u64 / 8).scan(1u64, |state, _| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(state.swap_bytes())
    });
    let noise: Vec<u8> = noise.flat_map(u64::to_le_bytes).collect();
    for (number, bytes) in [(0, &text), (5, &noise), (511, &text), (512, &text)] {
        file.write_all_at(bytes, number * grain).unwrap();
    }
    file.write_all_at(&vec![0; GRAIN], 700 * grain).unwrap();
    file.write_all_at(b"end", 1280 * grain - 3).unwrap();
    path
}

fn qemu_img(arguments: &[&str], files: &[&Path]) -> String {
    let output = Command::new("qemu-img").args(arguments).args(files).output().expect("qemu-utils is needed");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path());
    let made = |threads: usize| {
        let target = dir.path().join(threads.to_string());
        write(&raw, &target, threads).unwrap();
        std::fs::read(target).unwrap()
    };
    let one = made(1);
    for threads in [2, 3, 16] {
        assert!(made(threads) == one, "{threads} threads");
    }
    // Other bytes need another number in `OPTIONS`: else boxes of the same lock differ.
    assert_eq!(crate::digest::sha256(&one), "07fc16a9d062b42b3440c2b68ae146518865c69f8ba2096531e85a70efcc9023");
    // Noise is stored; an absent table takes no room.
    assert!(one.len() < 200_000, "{}", one.len());
}

#[test]
fn qemu_finds_the_disk_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (raw, target) = (disk(dir.path()), dir.path().join("disk.vmdk"));
    convert(&raw, &target).unwrap();
    assert_eq!(capacity(&target).unwrap(), 1280 * GRAIN as u64);
    assert!(capacity(&raw).unwrap_err().to_string().contains("is no VMDK"));
    let info = qemu_img(&["info", "--output=json"], &[&target]);
    assert!(info.contains("streamOptimized") && info.contains("\"virtual-size\": 83886080"), "{info}");
    let said = qemu_img(&["check", "-f", "vmdk"], &[&target]);
    assert!(said.contains("No errors"), "{said}");
    let compare = || qemu_img(&["compare", "-f", "raw", "-F", "vmdk"], &[&raw, &target]);
    assert!(compare().contains("identical"), "{}", compare());
    let back = dir.path().join("back");
    qemu_img(&["convert", "-f", "vmdk", "-O", "raw"], &[&target, &back]);
    assert_eq!(crate::digest::sha256_file(&back).unwrap(), crate::digest::sha256_file(&raw).unwrap());
}

#[test]
fn identifiers_follow_from_the_partition_table() {
    let dir = tempfile::tempdir().unwrap();
    let raw = disk(dir.path());
    let descriptor = |name: &str| {
        let target = dir.path().join(name);
        convert(&raw, &target).unwrap();
        let bytes = std::fs::read(target).unwrap();
        let lines = String::from_utf8_lossy(&bytes[512..2048]).into_owned();
        let lines: Vec<String> =
            lines.lines().filter(|line| line.contains("ID=") || line.contains("uuid")).map(String::from).collect();
        assert_eq!(lines.len(), 6, "{lines:?}");
        lines
    };
    let one = descriptor("one");
    File::options().write(true).open(&raw).unwrap().write_all_at(b"other", 512).unwrap();
    let other = descriptor("other");
    let differs = one.iter().zip(&other).filter(|(one, other)| one != other).count();
    assert_eq!(differs, 3, "{one:?} {other:?}");
}

#[test]
fn what_is_no_disk_or_can_not_be_written_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let raw = dir.path().join("raw");
    std::fs::write(&raw, vec![1; GRAIN + 512]).unwrap();
    let error = format!("{:#}", convert(&raw, &dir.path().join("out")).unwrap_err());
    assert!(error.contains("/raw to VMDK") && error.contains("66048"), "{error}");
    std::fs::write(&raw, vec![1; 300 * GRAIN]).unwrap();
    let error = format!("{:#}", convert(&raw, Path::new("/dev/full")).unwrap_err());
    assert!(error.contains("No space left"), "{error}");
}
