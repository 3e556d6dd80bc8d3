//! The payload, without writing one.

use super::*;
use crate::artifacts::{self, HashedFile, Program};

fn hashed(sha256: &str) -> HashedFile {
    HashedFile { path: "x".into(), sha256: sha256.into() }
}

/// All a role names, each program with one library.
fn artifacts(contents: &Contents) -> Artifacts {
    let mut artifacts = Artifacts::default();
    for (_, name) in contents.placed() {
        let libraries = BTreeMap::from([("libc.so.6".to_owned(), hashed("libc"))]);
        let check = vec!["--version".to_owned()];
        let program = Program { file: hashed(name), libraries, check, says: "v1".into() };
        artifacts.programs.insert(name.to_owned(), program);
    }
    for name in &contents.images {
        let image =
            artifacts::Image { file: hashed(name), reference: format!("r/{name}:1"), digest: "sha256:1".into() };
        artifacts.images.insert(name.clone(), image);
    }
    artifacts
}

#[test]
fn a_library_that_two_programs_need_is_there_once() {
    let contents = Contents::of(Role::Worker, &[]).unwrap();
    let sources = sources(&contents, &artifacts(&contents)).unwrap();
    assert_eq!(sources.keys().filter(|path| path.starts_with("lib/")).count(), 1);
    assert_eq!(sources["bin/kubelet"].mode, 0o755);
    assert_eq!(sources["images/pause.tar"].mode, 0o644);
    assert!(sources.contains_key("cni/bridge"));
}

#[test]
fn two_libraries_of_one_name_are_refused() {
    let contents = Contents::of(Role::Worker, &[]).unwrap();
    let mut artifacts = artifacts(&contents);
    let kubelet = artifacts.programs.get_mut("kubelet").unwrap();
    kubelet.libraries.insert("libc.so.6".into(), hashed("another"));
    let error = sources(&contents, &artifacts).err().unwrap().to_string();
    assert!(error.contains("lib/libc.so.6"), "{error}");
}
