//! The supply with the real Go: its smallest upstream, hab's own probe, which has no dependencies and needs no network.

// All of this file is a test, its helpers too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use hab::artifacts::{Origin, Table, build, pin, toolchain};
use hab::cache::Cache;
use hab::progress::Silent;

/// The table of the supply with nothing in it but the probe.
fn probe_only() -> Table {
    let mut table = Table::source().unwrap();
    table.upstreams.retain(|name, _| name == "probe");
    table.artifacts.retain(|_, entry| matches!(&entry.origin, Origin::Go { upstream, .. } if upstream == "probe"));
    table.images.clear();
    table
}

/// A cache of its own for a test, but with Go's cache kept from run to run: only the first compiles Go's library.
fn cache(dir: &tempfile::TempDir) -> Cache {
    let caches = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go");
    let root = dir.path().join("hab");
    std::fs::create_dir_all(&caches).unwrap();
    std::fs::create_dir(&root).unwrap();
    std::os::unix::fs::symlink(caches, root.join("go")).unwrap();
    Cache::at(root)
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
    let cache = cache(&dir);
    let table = probe_only();
    let mut lock = pin(&table, toolchain(&cache).unwrap(), Vec::new()).unwrap();
    let artifacts = build(&cache, &table, &lock, &Silent).unwrap();
    let artifact = artifacts.program("hab-probe").unwrap();
    let program = &artifact.file.path;

    let check: Vec<&str> = artifact.check.iter().map(String::as_str).collect();
    let said = probe(program, &check).stdout;
    assert_eq!(String::from_utf8(said).unwrap().trim(), artifact.says);

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

    // Built once; and a lock that says otherwise is believed, not the result.
    lock.built = Some(artifacts.built());
    assert_eq!(build(&cache, &table, &lock, &Silent).unwrap(), artifacts);
    let built = lock.built.as_mut().unwrap();
    built.programs.insert("hab-probe".into(), "0".repeat(64));
    let error = build(&cache, &table, &lock, &Silent).unwrap_err().to_string();
    assert!(error.starts_with("hab-probe came out other than locked"), "{error}");
}

#[test]
fn another_compiler_than_the_locks_builds_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = cache(&dir);
    let table = probe_only();
    let mut locked = toolchain(&cache).unwrap();
    locked.go = "go1.0".to_owned();
    let lock = pin(&table, locked, Vec::new()).unwrap();
    let error = format!("{:#}", build(&cache, &table, &lock, &Silent).unwrap_err());
    assert!(error.contains("the lock wants go1.0, this machine has go1."), "{error}");
}
