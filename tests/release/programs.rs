//! What is pinned of a release, and the programs that are taken out of it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use flate2::write::GzEncoder;
use hab::artifacts::release::{ReleaseBuild, resolve, unpack};
use hab::artifacts::{Catalog, GO, built, pin_releases, program_file};
use hab::cache::KeyBuilder;
use hab::digest::sha256;
use hab::download::{Size, Wanted};
use hab::kinds::Supply;
use hab::lock::{ReleaseFile, Releases};
use hab::progress::{Progress, Silent};
use tar::{EntryType, Header};

use crate::lab::{Heard, Lab, PACE};
use crate::server::Answer;

/// An ELF file that says it is a program for amd64, and no more.
fn program(text: &str) -> Vec<u8> {
    let mut bytes = std::fs::read("tests/fixtures/dynamic.elf").unwrap();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// A gzipped tar of these members.
fn archive(members: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (name, kind, bytes) in members {
        let mut header = Header::new_gnu();
        // Not `set_path`, which refuses what a test is to have refused.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        if kind.is_symlink() {
            header.set_link_name("/bin/sh").unwrap();
        }
        header.set_cksum();
        tar.append(&header, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// The catalog with nothing in it but etcd.
fn etcd_only() -> Catalog {
    let mut catalog = Catalog::of(Supply::Upstream, Supply::Upstream.kubernetes_versions()[0], &[]).unwrap();
    catalog.releases.retain(|name, _| name == "etcd");
    catalog
}

/// Takes etcd's programs out of a file with these bytes: the digests, or what is said.
fn take(lab: &Lab, catalog: &Catalog, bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let entry = entry(lab, catalog, bytes)?;
    for name in ["etcd", "etcdctl", "etcdutl"] {
        let program = program_file(entry.path(), name).unwrap();
        assert_eq!(sha256(std::fs::read(&program.path).unwrap()), program.sha256);
    }
    Ok(built(entry.path()).unwrap().programs)
}

/// The entry of etcd's programs, taken out of a file with these bytes; or what is said.
fn entry(lab: &Lab, catalog: &Catalog, bytes: &[u8]) -> Result<tempfile::TempDir, String> {
    let published = catalog.published("etcd").unwrap().remove(0);
    lab.server.has(&published.url, Answer::Bytes(bytes.to_vec()));
    let progress: &dyn Progress = &Silent;
    let step = progress.step("test", None);
    let file = ReleaseFile { url: published.url, size: bytes.len() as u64, sha256: sha256(bytes) };
    let wanted = Wanted { url: &file.url, sha256: &file.sha256, size: Size::Exactly(file.size) };
    lab.downloads(PACE).fetch(&wanted, &step).unwrap();
    let files = BTreeMap::from([("etcd".to_owned(), vec![file.clone()])]);
    let lock = Releases { files, modules: BTreeMap::new(), debs: Vec::new(), built: None };
    let entry = tempfile::tempdir().unwrap();
    let build = ReleaseBuild { cache: &lab.cache, catalog, lock: &lock, name: "etcd" };
    build.build(entry.path()).map_err(|error| format!("{error:#}"))?;
    Ok(entry)
}

/// Other bytes need another version of the step that takes published programs.
#[test]
fn the_same_release_gives_the_same_entry() {
    let (lab, mut catalog) = (Lab::new(), etcd_only());
    catalog.releases.get_mut("etcd").unwrap().version = "v1.2.3".to_owned();
    let published = catalog.published("etcd").unwrap().remove(0);
    let members: Vec<_> =
        published.programs.iter().map(|(name, member)| (member.clone().unwrap(), program(name))).collect();
    let members: Vec<_> = members.iter().map(|(name, bytes)| (name.as_str(), EntryType::Regular, &bytes[..])).collect();
    let entry = entry(&lab, &catalog, &archive(&members)).unwrap();
    let digests = ["bin/etcd", "bin/etcdctl", "bin/etcdutl", "programs.json"].map(|name| {
        let path = entry.path().join(name);
        assert!(
            !name.starts_with("bin/") || std::fs::metadata(&path).unwrap().permissions().mode() & 0o100 != 0,
            "{name}"
        );
        (name, sha256(std::fs::read(path).unwrap()))
    });
    assert_eq!(std::fs::read_dir(entry.path()).unwrap().count(), 2, "`bin` and the list");
    let whole = digests.map(|(name, digest)| format!("{name} {digest}\n")).concat();
    assert_eq!(sha256(&whole), "bff5c3ebf3d62887c8c3eb6eb48cca4c35b6b671ee32dcdff5453b8fb774f75b", "{whole}");
}

#[test]
fn programs_are_taken_out_of_an_archive_and_nothing_else_is() {
    let (lab, catalog) = (Lab::new(), etcd_only());
    let file = EntryType::Regular;
    let members: Vec<String> = {
        let published = catalog.published("etcd").unwrap().remove(0);
        ["etcd", "etcdctl", "etcdutl"].map(|name| published.programs[name].clone().unwrap()).to_vec()
    };
    let [one, two, three] = ["1", "2", "3"].map(program);
    let with = |name: &str, kind, bytes: &[u8]| {
        let readme = ("./README.md", file, &b"text"[..]);
        archive(&[readme, (&members[0], file, &one), (&members[1], file, &two), (name, kind, bytes)])
    };
    let good = take(&lab, &catalog, &with(&members[2], file, &three)).unwrap();
    let wanted = [("etcd", &one), ("etcdctl", &two), ("etcdutl", &three)];
    assert_eq!(good, wanted.map(|(name, bytes)| (name.to_owned(), sha256(bytes))).into());
    // As a tar of `.` has it.
    let dotted = take(&lab, &catalog, &with(&format!("./{}", members[2]), file, &three)).unwrap();
    assert_eq!(dotted, good);

    let said = |bytes: &[u8]| take(&lab, &catalog, bytes).unwrap_err();
    let missing = said(&with("etcd/etcdutl", file, &three));
    assert!(missing.contains(&format!("the archive has no {}", members[2])), "{missing}");
    assert!(missing.contains("taking etcd, etcdctl, etcdutl out of https://github.com/etcd-io/"), "{missing}");
    let climbing = said(&with(&format!("x/../{}", members[2]), file, &three));
    assert!(climbing.contains("the archive has no"), "{climbing}");
    let link = said(&with(&members[2], EntryType::Symlink, b""));
    assert!(link.contains("is no file in the archive but a Symlink"), "{link}");
    let script = said(&with(&members[2], file, b"#!/bin/sh\n"));
    assert!(script.contains("etcdutl of") && script.contains("is no program for amd64"), "{script}");
    let mut arm = three.clone();
    // e_machine (elf(5)): aarch64.
    arm[18] = 183;
    assert!(said(&with(&members[2], file, &arm)).contains("is no program for amd64"));
    let whole = with(&members[2], file, &three);
    let cut = said(&whole[..whole.len() / 2]);
    assert!(cut.starts_with("taking etcd") && !cut.contains("has no"), "{cut}");
    assert!(said(b"no archive").contains("gzip"));
}

#[test]
fn an_archive_is_unpacked_where_it_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(dir.path().join(name), bytes).unwrap();
        dir.path().join(name)
    };
    let to = dir.path().join("to");
    std::fs::create_dir(&to).unwrap();
    let good = archive(&[("go/bin/go", EntryType::Regular, b"go")]);
    unpack(&write("good", &good), &to).unwrap();
    assert_eq!(std::fs::read(to.join("go/bin/go")).unwrap(), b"go");
    let bad = archive(&[("../out", EntryType::Regular, b"bad")]);
    let said = format!("{:#}", unpack(&write("bad", &bad), &to).unwrap_err());
    assert!(said.contains("../out in the archive leads out of it"), "{said}");
    assert!(!dir.path().join("out").exists());
}

/// What a lock pins of what the server has, or what is said.
fn pinned(lab: &Lab, catalog: &Catalog) -> Result<Releases, String> {
    let heard = Heard::default();
    let progress: &dyn Progress = &heard;
    let files = resolve(&lab.downloads(PACE), catalog, None, &progress.step("test", None));
    let warning = format!("the publishers' digests come from {}/, too", lab.server.url);
    assert!(heard.0.lock().unwrap()[0].starts_with(&warning));
    let files = files.map_err(|error| format!("{error:#}"))?;
    Ok(pin_releases(catalog, Vec::new(), files).unwrap())
}

#[test]
fn a_lock_has_each_file_as_its_publisher_says_and_is_kept_to() {
    let lab = Lab::new();
    let catalog = Catalog::of(Supply::Upstream, Supply::Upstream.kubernetes_versions()[0], &[]).unwrap();
    for name in catalog.releases.keys() {
        for published in catalog.published(name).unwrap() {
            let bytes = format!("the bytes of {}", published.url).into_bytes();
            let file = Path::new(&published.url).file_name().unwrap().to_str().unwrap();
            // Kubernetes and Go publish the bare digest, the others what sha256sum writes, etcd for all its files.
            let list = match name.as_str() {
                "kubernetes" | GO => sha256(&bytes),
                "etcd" => format!("{}  other.zip\n{}  {file}\n", sha256("other"), sha256(&bytes)),
                _ => format!("{}  {file}\n", sha256(&bytes)),
            };
            lab.server.has(&published.url, Answer::Bytes(bytes));
            lab.server.has(&published.sums, Answer::Bytes(list.into_bytes()));
        }
    }
    let lock = pinned(&lab, &catalog).unwrap();
    let count = |lock: &Releases| lock.files.values().map(Vec::len).sum::<usize>();
    // Six programs of Kubernetes, and an archive of each other.
    assert_eq!((lock.files.len(), count(&lock)), (6, 11));
    let etcd = &lock.files["etcd"][0];
    let bytes = format!("the bytes of {}", etcd.url);
    assert_eq!((etcd.size, &etcd.sha256), (bytes.len() as u64, &sha256(&bytes)));
    let asked = lab.server.asked();
    let distinct: std::collections::BTreeSet<&String> = asked.iter().collect();
    assert_eq!((asked.len(), distinct.len()), (22, 22), "each list and each file once: {asked:?}");
    // Again: the lists anew, no file.
    assert_eq!(pinned(&lab, &catalog).unwrap(), lock);
    assert_eq!(lab.server.asked().len(), 33);

    // Another cache; and etcd's publisher has put another file there since.
    let other = Lab::of(lab.server);
    other.server.has(&etcd.url, Answer::Bytes(b"the bytes of somebody else, as it seems".to_vec()));
    let progress: &dyn Progress = &Silent;
    let wanted = Wanted { url: &etcd.url, sha256: &etcd.sha256, size: Size::Exactly(etcd.size) };
    let said = other.downloads(PACE).fetch(&wanted, &progress.step("test", None)).unwrap_err();
    assert!(format!("{said:#}").contains("another"), "{said:#}");
    let said = pinned(&other, &catalog).unwrap_err();
    assert!(said.contains("another file than its publisher's list"), "{said}");
    let sums = &catalog.published("etcd").unwrap()[0].sums;
    other.server.has(sums, Answer::Bytes(b"<html>".to_vec()));
    let said = pinned(&other, &catalog).unwrap_err();
    assert!(said.contains("SHA256SUMS") && said.contains("no SHA-256"), "{said}");
    other.server.has(sums, Answer::Endless);
    let said = pinned(&other, &catalog).unwrap_err();
    assert!(said.contains("list of digests") && said.contains("more than 4194304 bytes"), "{said}");
    let key = |lock: &Releases| {
        let build = ReleaseBuild { cache: &other.cache, catalog: &catalog, lock, name: "etcd" };
        build.key(KeyBuilder::new()).unwrap().key()
    };
    let mut changed = lock.clone();
    changed.files.get_mut("etcd").unwrap()[0].sha256 = sha256("other");
    assert_eq!(key(&lock), key(&lock.clone()));
    assert_ne!(key(&lock), key(&changed));
}
