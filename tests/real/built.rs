//! What hab builds of Go modules, for tests that run it.

use std::path::Path;

use hab::artifacts::go::{GoBuild, Toolchain};
use hab::artifacts::{Catalog, REGISTRY};
use hab::cache::Cache;
use hab::kinds::Supply;
use hab::progress::{Progress, Silent};

/// Builds the programs of these upstreams, each into a folder of its name below `dir`; what they are made of is fetched
/// once.
pub fn build(dir: &Path, upstreams: &[&str]) {
    let modules = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let root = dir.join("hab");
    std::fs::create_dir_all(&modules).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(modules, root.join("go")).unwrap();
    let cache = Cache::at(root);
    let mut catalog = Catalog::source(Supply::Source.kubernetes_versions()[0]).unwrap();
    catalog.upstreams.extend(Catalog::beside(REGISTRY).unwrap().upstreams);
    catalog.artifacts.extend(Catalog::beside(REGISTRY).unwrap().artifacts);
    let progress: &dyn Progress = &Silent;
    for name in upstreams {
        let entry = dir.join(name);
        std::fs::create_dir(&entry).unwrap();
        let go = GoBuild { cache: &cache, catalog: &catalog, toolchain: Toolchain::Module(&catalog.go), name };
        go.build(&entry, &progress.step(name, None)).unwrap();
    }
}
