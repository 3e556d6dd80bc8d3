//! The payload, without packing one.

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
    let contents = Contents::of(Role::Worker).unwrap();
    let sources = sources(&contents, &artifacts(&contents)).unwrap();
    assert_eq!(sources.keys().filter(|path| path.starts_with("lib/")).count(), 1);
    assert_eq!(sources["bin/kubelet"].mode, 0o755);
    assert_eq!(sources["images/pause.tar"].mode, 0o644);
    assert!(sources.contains_key("cni/bridge"));
}

#[test]
fn two_libraries_of_one_name_are_refused() {
    let contents = Contents::of(Role::Worker).unwrap();
    let mut artifacts = artifacts(&contents);
    let kubelet = artifacts.programs.get_mut("kubelet").unwrap();
    kubelet.libraries.insert("libc.so.6".into(), hashed("another"));
    let error = sources(&contents, &artifacts).err().unwrap().to_string();
    assert!(error.contains("lib/libc.so.6"), "{error}");
}

/// In the place of mksquashfs: lists what it is to pack.
const LISTS: &str = "#!/bin/sh
cd \"$1\" && find . | sort | while read -r path; do
    printf '%s %s\\n' \"$(stat -c %a \"$path\") $path\" \"$([ -d \"$path\" ] || cat \"$path\")\"
done >\"$2\"
";

/// Other bytes need another version of the step that writes payloads.
#[test]
fn the_same_artifacts_give_the_same_disk_and_list() {
    let dir = tempfile::tempdir().unwrap();
    let (tools, entry) = (dir.path().join("tools"), dir.path().join("entry"));
    fs::create_dir_all(tools.join("bin")).unwrap();
    fs::create_dir(&entry).unwrap();
    fs::write(tools.join("bin/mksquashfs"), LISTS).unwrap();
    fs::set_permissions(tools.join("bin/mksquashfs"), Permissions::from_mode(0o755)).unwrap();
    let contents = Contents { programs: vec!["a".into()], cni: vec!["b".into()], images: vec!["c".into()] };
    let mut artifacts = artifacts(&contents);
    let programs = artifacts.programs.values_mut();
    let files = programs.flat_map(|program| std::iter::once(&mut program.file).chain(program.libraries.values_mut()));
    for file in files.chain(artifacts.images.values_mut().map(|image| &mut image.file)) {
        file.path = dir.path().join(&file.sha256);
        fs::write(&file.path, format!("bytes of {}", file.sha256)).unwrap();
    }
    build_of(Role::Worker, &contents, &artifacts, &tools, &entry).unwrap();

    let mut names: Vec<_> = fs::read_dir(&entry).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, [LIST, DISK]);
    let disk = fs::read(entry.join(DISK)).unwrap();
    let packed = "\
        755 . \n\
        755 ./bin \n\
        755 ./bin/a bytes of a\n\
        755 ./cni \n\
        755 ./cni/b bytes of b\n\
        755 ./images \n\
        644 ./images/c.tar bytes of c\n\
        755 ./lib \n\
        755 ./lib/libc.so.6 bytes of libc\n";
    // The partition begins behind the first MiB.
    assert_eq!(String::from_utf8_lossy(&disk[1 << 20..][..packed.len()]), packed);
    let digests = [disk, fs::read(entry.join(LIST)).unwrap()].map(crate::digest::sha256);
    let expected = [
        "7f4bda0fdca415a92aa39d40608baaee56967b37cf13f14a9074eb28e69645c7",
        "eed52cc36858b10b269d3ccbd07402eeacafe9c1e43300836233897a3aaee6d4",
    ];
    assert_eq!(digests, expected);
}
