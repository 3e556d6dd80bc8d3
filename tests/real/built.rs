//! What hab builds of Go modules, for tests that run it.

use std::path::Path;

use hab::artifacts::Catalog;
use hab::artifacts::go::{GoBuild, Toolchain};
use hab::cache::Cache;
use hab::kinds::{PARTS, Supply};
use hab::progress::{Progress, Silent};

/// Builds the programs of these upstreams, each into a folder of its name below `dir`; what they are made of is fetched
/// once.
pub fn build(dir: &Path, upstreams: &[&str]) {
    build_some(dir, upstreams, &[]);
}

/// The same with these programs alone, unless none is named.
pub fn build_some(dir: &Path, upstreams: &[&str], programs: &[&str]) {
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let root = dir.join("hab");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(modules, root.join("go")).unwrap();
    let cache = Cache::at(root);
    let mut catalog = Catalog::of(Supply::Source, Supply::Source.kubernetes_versions()[0], PARTS).unwrap();
    catalog.artifacts.retain(|name, _| programs.is_empty() || programs.contains(&name.as_str()));
    let progress: &dyn Progress = &Silent;
    for name in upstreams {
        let entry = dir.join(name);
        std::fs::create_dir(&entry).unwrap();
        let go = GoBuild { cache: &cache, catalog: &catalog, toolchain: Toolchain::Module(&catalog.go), name };
        go.build(&entry, &progress.step(name, None)).unwrap();
    }
}
