//! The payload, without writing one.

use super::*;
use crate::artifacts::{Archive, Artifact, Summed};
use crate::boot_test::config as bake;
use crate::payload::contents::Load;

fn summed(sha256: &str) -> Summed {
    Summed { path: "x".into(), sha256: sha256.into() }
}

/// All a role names, each program with one library.
fn artifacts(load: &Load) -> Artifacts {
    let mut artifacts = Artifacts::default();
    for name in load.programs.iter().chain(&load.cni) {
        let libraries = BTreeMap::from([("libc.so.6".to_owned(), summed("libc"))]);
        let check = vec!["--version".to_owned()];
        let artifact = Artifact { file: summed(name), version: "v1".into(), libraries, check, says: "v1".into() };
        artifacts.programs.insert(name.clone(), artifact);
    }
    for name in &load.images {
        let archive = Archive { file: summed(name), reference: format!("r/{name}:1"), digest: "sha256:1".into() };
        artifacts.images.insert(name.clone(), archive);
    }
    artifacts
}

#[test]
fn a_library_that_two_programs_need_is_there_once() {
    let load = role::load(Role::Worker).unwrap();
    let sources = sources(&load, &artifacts(&load)).unwrap();
    assert_eq!(sources.keys().filter(|path| path.starts_with("lib/")).count(), 1);
    assert_eq!(sources["bin/kubelet"].mode, 0o755);
    assert_eq!(sources["images/pause.tar"].mode, 0o644);
    assert!(sources.contains_key("cni/bridge"));
}

#[test]
fn two_libraries_of_one_name_are_refused() {
    let load = role::load(Role::Worker).unwrap();
    let mut artifacts = artifacts(&load);
    let kubelet = artifacts.programs.get_mut("kubelet").unwrap();
    kubelet.libraries.insert("libc.so.6".into(), summed("another"));
    let error = sources(&load, &artifacts).err().unwrap().to_string();
    assert!(error.contains("lib/libc.so.6"), "{error}");
}

#[test]
fn every_file_program_and_image_is_in_the_proof() {
    let load = role::load(Role::Master).unwrap();
    let artifacts = artifacts(&load);
    let files = sources(&load, &artifacts).unwrap().into_iter();
    let payload = Payload {
        disk: PathBuf::new(),
        files: files.map(|(path, s)| File { path, sha256: s.sha256, mode: s.mode }).collect(),
        images: images(&load, &artifacts).unwrap(),
        checks: checks(&load, &artifacts).unwrap(),
    };
    let names: Vec<String> = payload.proof().iter().map(bake::Check::name).collect();
    assert_eq!(names.len(), payload.files.len() + load.programs.len() + load.cni.len() + load.images.len());
    for name in ["file:bin/kubelet", "file:images/pause.tar", "run:cni/bridge", "image:r/pause:1"] {
        assert!(names.iter().any(|n| n == name), "{name}");
    }
}

#[test]
fn a_changed_file_changes_the_key() {
    let load = role::load(Role::Etcd).unwrap();
    let mut artifacts = artifacts(&load);
    let key = |artifacts: &Artifacts| key(Role::Etcd, &sources(&load, artifacts).unwrap(), &[], &[]);
    let before = key(&artifacts);
    artifacts.programs.get_mut("etcd").unwrap().file.sha256 = "other".into();
    assert_ne!(before, key(&artifacts));
}
