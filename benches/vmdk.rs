//! How long a raw disk takes to become a stream-optimised VMDK, by hab and by qemu-img, which can use one processor.
//!
//! `cargo bench --bench vmdk`; `VMDK=/path/to/payload.raw` takes another disk than one made of hab's own program. Figures
//! are in docs/performance.md.

// Outside `#[test]` functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hab::config::Provider;

/// A disk of so many bytes, as far as hab's own program goes into it.
const SIZE: usize = 64 << 20;

fn disk(folder: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os("VMDK") {
        return path.into();
    }
    let program = std::fs::read(env!("CARGO_BIN_EXE_hab")).unwrap();
    let path = folder.join("raw");
    std::fs::write(&path, program.iter().copied().cycle().take(SIZE).collect::<Vec<_>>()).unwrap();
    path
}

fn qemu_img(raw: &Path, target: &Path) {
    let options = ["convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=streamOptimized"];
    let output = Command::new("qemu-img").args(options).arg(raw).arg(target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn vmdk(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (raw, target) = (disk(dir.path()), dir.path().join("disk.vmdk"));
    let mut group = criterion.benchmark_group("raw disk to VMDK");
    group.sample_size(10).measurement_time(Duration::from_secs(15));
    group.throughput(Throughput::Bytes(std::fs::metadata(&raw).unwrap().len()));
    let size = |who: &str| println!("{who}: {} KiB", std::fs::metadata(&target).unwrap().len() >> 10);
    let convert = hab::provider::facts(Provider::Virtualbox).convert;
    group.bench_function("hab", |bench| bench.iter(|| convert(&raw, &target).unwrap()));
    size("hab");
    group.bench_function("qemu-img", |bench| bench.iter(|| qemu_img(&raw, &target)));
    size("qemu-img");
    group.finish();
}

criterion_group!(benches, vmdk);
criterion_main!(benches);
