//! How long `hab render` takes for a lab of a thousand workers: the whole program, from its start to its exit.
//!
//! `cargo bench --bench render`; figures and the measurement of memory are in docs/performance.md.

// Outside `#[test]` functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

const LAB: &str = "\
lab: big
network: {nodes: 192.168.48.0/20, pods: 10.16.0.0/12}
nodes: {worker: {count: 1000}}
";

fn hab(lab: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_hab")).args(["render", "--quiet"]).current_dir(lab).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn remove(folder: &Path) {
    if folder.exists() {
        std::fs::remove_dir_all(folder).unwrap();
    }
}

fn render(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let lab = dir.path();
    std::fs::write(lab.join("hab.yaml"), LAB).unwrap();
    let mut group = criterion.benchmark_group("render of 1000 workers");
    group.sample_size(10).measurement_time(Duration::from_secs(15));
    group.bench_function("all new, certificates too", |bench| {
        let clear = || ["out", "private"].map(|folder| remove(&lab.join(folder)));
        bench.iter_batched(clear, |_| hab(lab), BatchSize::PerIteration);
    });
    group.bench_function("all new but the certificates", |bench| {
        bench.iter_batched(|| remove(&lab.join("out")), |()| hab(lab), BatchSize::PerIteration);
    });
    group.bench_function("nothing changed", |bench| bench.iter(|| hab(lab)));
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
