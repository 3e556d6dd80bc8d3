//! The supply with the real Go: its smallest upstream, hab's own probe, which has no dependencies and needs no network.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use hab::artifacts::go::GoBuild;
use hab::artifacts::{Catalog, Origin, built, pin, program_file, same_results};
use hab::cache::Cache;
use hab::kinds::Supply;
use hab::lock::Source;
use hab::progress::{Progress, Silent};

/// The catalog with nothing in it but the probe.
fn probe_only() -> Catalog {
    let mut catalog = Catalog::source(Supply::Source.kubernetes_versions()[0]).unwrap();
    catalog.upstreams.retain(|name, _| name == "probe");
    catalog
        .artifacts
        .retain(|_, artifact| matches!(&artifact.origin, Origin::Go { upstream, .. } if upstream == "probe"));
    catalog.images.clear();
    catalog
}

/// A cache of its own for a test, but with Go's own kept from run to run: only the first compiles Go's library.
fn cache(dir: &tempfile::TempDir) -> Cache {
    let caches = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let root = dir.path().join("hab");
    std::fs::create_dir_all(&caches).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(caches, root.join("go")).unwrap();
    Cache::at(root)
}

/// Builds the probe into a folder.
fn build(cache: &Cache, catalog: &Catalog, lock: &Source, entry: &Path) -> anyhow::Result<String> {
    std::fs::create_dir_all(entry).unwrap();
    let progress: &dyn Progress = &Silent;
    GoBuild { cache, catalog, lock, name: "probe" }.build(entry, &progress.step("probe", None))
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn probe(program: &Path, args: &[&str]) -> Output {
    Command::new(program).args(args).output().unwrap()
}

#[test]
fn the_probe_is_built_says_its_version_and_sees_what_is_there_and_what_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, catalog) = (cache(&dir), probe_only());
    let mut lock = pin(&catalog, Vec::new()).unwrap();
    let [one, two] = ["one", "two"].map(|name| dir.path().join(name));
    build(&cache, &catalog, &lock, &one).unwrap();
    let program = &program_file(&one, "hab-probe").unwrap().path;

    let check: Vec<&str> = catalog.artifacts["hab-probe"].check.iter().map(String::as_str).collect();
    let said = probe(program, &check).stdout;
    let version = &catalog.upstream("probe").unwrap().version;
    assert_eq!(String::from_utf8(said).unwrap().trim(), format!("hab-probe {version}"));

    // Port 1 is tcpmux, which nothing serves.
    let refused = probe(program, &["check", "-within", "1s", "-fetch", "http://127.0.0.1:1/"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stdout).unwrap().contains("connection refused"));

    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut serve = Command::new(program);
    serve.args(["serve", "-listen", &free.to_string()]).env("NODE_NAME", "kube-worker-01").stdin(Stdio::null());
    let _server = Server(serve.spawn().unwrap());
    let url = format!("http://{free}/");
    let seen = probe(program, &["check", "-within", "20s", "-resolve", "localhost", "-fetch", &url]);
    let seen_text = String::from_utf8(seen.stdout).unwrap();
    assert!(seen.status.success() && seen_text.contains("kube-worker-01"), "{seen_text}");

    // The same bytes again; and a lock that says otherwise is believed, not the result.
    build(&cache, &catalog, &lock, &two).unwrap();
    assert_eq!(built(&one).unwrap(), built(&two).unwrap());
    lock.built = Some(built(&one).unwrap());
    same_results(&built(&two).unwrap(), &lock).unwrap();
    lock.built.as_mut().unwrap().programs.insert("hab-probe".into(), "0".repeat(64));
    let error = same_results(&built(&two).unwrap(), &lock).unwrap_err().to_string();
    assert!(error.starts_with("hab-probe came out other than locked"), "{error}");
}

#[test]
fn a_toolchain_that_can_not_be_had_builds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, catalog) = (cache(&dir), probe_only());
    let mut lock = pin(&catalog, Vec::new()).unwrap();
    lock.go = "go1.99.99".to_owned();
    let error = format!("{:#}", build(&cache, &catalog, &lock, &dir.path().join("entry")).unwrap_err());
    assert!(error.contains("building probe") && error.contains("go1.99.99"), "{error}");
}
