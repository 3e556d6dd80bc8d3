//! A vendor's image on its way into the cache: asked for, downloaded, checked, pinned, fetched. The vendor is a loopback
//! HTTPS server with keys made here, and each test does to it what goes wrong in the world.

// Outside `#[test]` functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod site;

use hab::base::vendor_image::vendor::{Key, Vendor, fill};
use hab::digest::sha256;
use hab::kinds::{Base, Release};
use site::{PACE, SHORT, Site, site};

const VERSION: &str = "version.txt";
const IMAGE: &str = "1.2.3/disk.img";
const SIGNATURE: &str = "1.2.3/disk.img.sig";
const TEMPLATE: &str = "{version}/disk.img";

/// A vendor with version 1.2.3, signed by the key "vendor"; the disk, and the key's fingerprint.
fn vendor(site: &Site) -> (Vec<u8>, String) {
    let primary = site.key("vendor");
    let disk = site.disk(1);
    release(site, "1.2.3", &disk, &[]);
    site.put("key.asc", site.public(&["vendor"]));
    (disk, primary)
}

/// Publishes a version, the newest from now on, signed by the key "vendor".
fn release(site: &Site, version: &str, disk: &[u8], more: &[&str]) {
    site.put(VERSION, format!("FLATCAR_BUILD=1\nFLATCAR_VERSION_ID={version}\n"));
    site.put(&format!("{version}/disk.img"), disk);
    site.put(&format!("{version}/disk.img.sig"), site.sign(disk, "vendor", more));
}

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, String>, why: &str) {
    let error = outcome.unwrap_err();
    assert!(error.contains(why), "{why}: {error}");
}

#[test]
fn what_the_vendor_signed_is_pinned_and_fetched_byte_for_byte() {
    let Some(site) = site("what_the_vendor_signed_is_pinned_and_fetched_byte_for_byte") else { return };
    let (disk, primary) = vendor(&site);
    let row = site::row(TEMPLATE, &primary);
    let image = site.pin(&row, None).unwrap();
    assert_eq!((image.version.as_str(), image.channel.as_str()), ("1.2.3", "stable"));
    assert_eq!((image.signed_by.as_str(), image.file.sha256.as_str()), (primary.as_str(), sha256(&disk).as_str()));
    assert_eq!((image.file.size, &image.disk), (disk.len() as u64, &image.file));
    // In the lock is the vendor's address, not the mirror's.
    assert_eq!(image.url, format!("https://vendor.invalid/{IMAGE}"));
    site.requests();
    assert_eq!(site.fetch(&image).unwrap(), disk);
    assert_eq!(site.requests(), Vec::<String>::new(), "what was checked is not downloaded again");

    // On another machine, with the lock alone.
    std::fs::remove_dir_all(site.cache.root().join("partial")).unwrap();
    assert_eq!(site.fetch(&image).unwrap(), disk);
    assert_eq!(site.requests(), [format!("{IMAGE} -")]);

    // A copy in the cache that has changed is seen, and another fetched.
    let folder = std::fs::read_dir(site.cache.root().join("partial")).unwrap().map(|entry| entry.unwrap().path());
    let there = folder.map(|path| path.join("disk.qcow2")).find(|path| path.is_file()).unwrap();
    std::fs::write(there, "rot").unwrap();
    assert_eq!(site.fetch(&image).unwrap(), disk);
}

#[test]
fn a_compressed_image_is_checked_as_it_is_and_pinned_unpacked_too() {
    let Some(site) = site("a_compressed_image_is_checked_as_it_is_and_pinned_unpacked_too") else { return };
    let (disk, primary) = vendor(&site);
    let packed = xz(&site, &disk);
    site.put("1.2.3/disk.qcow2.xz", &packed);
    site.put("1.2.3/disk.qcow2.xz.sig", site.sign(&packed, "vendor", &[]));
    // The key as Fedora's: in a package.
    let mut row = site::row("{version}/disk.qcow2.xz", &primary);
    let key = site.tools.files().join("keys/release-1");
    std::fs::create_dir_all(key.parent().unwrap()).unwrap();
    std::fs::write(&key, site.public(&["vendor"])).unwrap();
    row.key = Key::Packaged { file: "keys/release-{major}".into() };
    let image = site.pin(&row, None).unwrap();
    assert_eq!((&image.file.sha256, &image.disk.sha256), (&sha256(&packed), &sha256(&disk)));
    assert_eq!((image.disk.size, image.signed_by.as_str()), (disk.len() as u64, primary.as_str()));
    assert_eq!(site.fetch(&image).unwrap(), disk);
    std::fs::remove_dir_all(site.cache.root().join("partial")).unwrap();
    assert_eq!(site.fetch(&image).unwrap(), disk);

    // A release whose key the package does not have yet.
    std::fs::rename(&key, key.with_file_name("release-2")).unwrap();
    refused(site.pin(&row, None), "package gpgv-static has no key for this version, keys/release-{major}");
    std::fs::rename(key.with_file_name("release-2"), &key).unwrap();

    // A lock that names another disk than comes out.
    std::fs::remove_dir_all(site.cache.root().join("partial")).unwrap();
    let mut other = image.clone();
    other.disk.sha256 = sha256("other");
    refused(site.fetch(&other), "is not the disk that hab.lock names");
    // What is signed and no disk.
    for (bytes, why) in [(b"no xz".to_vec(), "xz"), (packed[..packed.len() / 2].to_vec(), "xz")] {
        site.put("1.2.3/disk.qcow2.xz", &bytes);
        site.put("1.2.3/disk.qcow2.xz.sig", site.sign(&bytes, "vendor", &[]));
        refused(site.pin(&row, None), why);
    }
    let none = site::row(TEMPLATE, &primary);
    release(&site, "1.2.3", b"a page that says sorry", &[]);
    refused(site.pin(&none, None), "it is no qcow2");
}

#[test]
fn with_the_vendors_own_rows_a_mirror_needs_no_trust() {
    let Some(site) = site("with_the_vendors_own_rows_a_mirror_needs_no_trust") else { return };
    let (disk, ours) = vendor(&site);
    let of =
        |base, row: &Vendor, channel| site.pin_release(base, row, None, &Release { channel, version: None }, false);

    // All is where Flatcar has it, and signed, but not by Flatcar.
    let mut row = Vendor::of(Base::Flatcar).unwrap();
    let Key::Pinned { url, primary } = &mut row.key else { panic!("another kind of key") };
    site.put_at(url, site.public(&["vendor"]));
    let pinned = std::mem::replace(primary, ours.clone());
    site.put_at(&fill(&row.newest.url, "beta", ""), "FLATCAR_VERSION=4593.1.0\nFLATCAR_VERSION_ID=4593.1.0\n");
    assert_eq!(row.images.len(), 2);
    // Nothing is there, then only what the usual name is a link to, then both.
    refused(of(Base::Flatcar, &row, "beta"), "flatcar_production_qemu_image.img");
    for image in row.images.iter().rev().map(|image| fill(image, "beta", "4593.1.0")) {
        site.put_at(&image, &disk);
        site.put_at(&format!("{image}.sig"), site.sign(&disk, "vendor", &[]));
        assert_eq!(of(Base::Flatcar, &row, "beta").unwrap().url, image, "with our key in its place it is good");
    }
    let real = Vendor::of(Base::Flatcar).unwrap();
    refused(of(Base::Flatcar, &real, "beta"), &format!("a key of {ours}, and the vendor's is {pinned}"));
    refused(of(Base::Flatcar, &real, "alpha"), "asking which version of flatcar is the newest of alpha");

    // The same for Fedora, whose keys come in a package.
    let row = Vendor::of(Base::FedoraCoreos).unwrap();
    let Key::Packaged { file } = &row.key else { panic!("another kind of key") };
    let key = site.tools.files().join(fill(file, "next", "44.1.1.0"));
    std::fs::create_dir_all(key.parent().unwrap()).unwrap();
    std::fs::write(&key, site.public(&["vendor"])).unwrap();
    let qemu = serde_json::json!({"release": "44.1.1.0", "formats": {"qcow2.xz": {"disk": {}}}});
    let stream = serde_json::json!({"stream": "next", "architectures": {"x86_64": {"artifacts": {"qemu": qemu}}}});
    site.put_at(&fill(&row.newest.url, "next", ""), stream.to_string());
    let image = fill(&row.images[0], "next", "44.1.1.0");
    let packed = xz(&site, &disk);
    site.put_at(&image, &packed);
    site.put_at(&format!("{image}.sig"), site.sign(&packed, "vendor", &[]));
    let locked = of(Base::FedoraCoreos, &row, "next").unwrap();
    assert_eq!((locked.url.as_str(), locked.version.as_str(), locked.signed_by), (image.as_str(), "44.1.1.0", ours));
    assert_eq!(site.fetch(&of(Base::FedoraCoreos, &row, "next").unwrap()).unwrap(), disk);
    let evil = site.key("evil");
    site.put_at(&format!("{image}.sig"), site.sign(&packed, &evil, &[]));
    refused(of(Base::FedoraCoreos, &row, "next"), "a key that is not the vendor's");
}

/// Compressed as Fedora does it.
fn xz(site: &Site, bytes: &[u8]) -> Vec<u8> {
    let path = site.path("disk");
    std::fs::write(&path, bytes).unwrap();
    assert!(std::process::Command::new("xz").arg("--force").arg(&path).status().unwrap().success());
    std::fs::read(path.with_extension("xz")).unwrap()
}

#[test]
fn only_one_good_signature_of_the_vendors_key_counts() {
    let Some(site) = site("only_one_good_signature_of_the_vendors_key_counts") else { return };
    let (disk, primary) = vendor(&site);
    let row = site::row(TEMPLATE, &primary);
    let evil = site.key("evil");
    let good = site.sign(&disk, "vendor", &[]);

    // Made by a subkey that has expired since.
    let then = ["--faked-system-time", "20250201T000000!"];
    site.gpg(&[&then[..], &["--quick-add-key", &primary, "ed25519", "sign", "10d"]].concat());
    let short = site.fingerprints("vendor").pop().unwrap() + "!";
    let expired = site.sign(&disk, &short, &["--faked-system-time", "20250203T000000!"]);
    // A signature that has expired itself.
    let brief = site.sign(&disk, "vendor", &["--faked-system-time", "20250203T000000!", "--default-sig-expire", "1d"]);
    // By a subkey that is revoked below.
    site.gpg(&["--quick-add-key", &primary, "ed25519", "sign", "never"]);
    let lost = site.fingerprints("vendor").pop().unwrap() + "!";
    let stolen = site.sign(&disk, &lost, &[]);
    let others = site.sign(&disk, "evil", &[]);
    let public = |names: &[&str]| site.public(names);

    let with = |signature: &[u8], keys: &[u8]| {
        site.put(SIGNATURE, signature);
        site.put("key.asc", keys);
        site.pin(&row, None)
    };
    for (signature, keys) in [
        (&good, public(&["vendor"])),
        (&expired, public(&["vendor"])),
        // Before it is revoked, for the presence of what is refused below.
        (&stolen, public(&["vendor"])),
        // A ring with more keys in it, and one without armor.
        (&good, public(&["vendor", "evil"])),
        (&good, site.gpg(&["--export", "vendor"])),
    ] {
        assert_eq!(with(signature, &keys).unwrap().signed_by, primary);
    }
    revoke_last(&site, &primary);
    let both = [good.clone(), others.clone()].concat();
    for (signature, keys, why) in [
        (&others, public(&["vendor", "evil"]), &*format!("it is signed with a key of {evil}")),
        (&others, public(&["evil"]), "and the vendor's is"),
        (&others, public(&["vendor"]), "a key that is not the vendor's"),
        (&stolen, public(&["vendor"]), "a key that its owner has revoked"),
        (&brief, public(&["vendor"]), "for a time that is over"),
        (&both, public(&["vendor", "evil"]), "2 signatures"),
        (&[good.clone(), good.clone()].concat(), public(&["vendor"]), "2 signatures"),
        (&Vec::new(), public(&["vendor"]), "no signature in it"),
        (&b"<html>\n".to_vec(), public(&["vendor"]), "no signature in it"),
        (&good, b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n".to_vec(), "the key's file has no end"),
        (&good, Vec::new(), "a key that is not the vendor's"),
        (&site.sign(b"another file", "vendor", &[]), public(&["vendor"]), "not the one that was signed"),
    ] {
        refused(with(signature, &keys), why);
    }
    // All that was refused is gone, and what is good is taken again.
    assert_eq!(with(&good, &public(&["vendor"])).unwrap().signed_by, primary);
    // One bit.
    let mut changed = disk;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    site.put(IMAGE, changed);
    std::fs::remove_dir_all(site.cache.root().join("partial")).unwrap();
    refused(with(&good, &public(&["vendor"])), "not the one that was signed");
}

/// Revokes the newest subkey of a key.
fn revoke_last(site: &Site, primary: &str) {
    let last = site.fingerprints("vendor").len() - 1;
    site.talk(&["--edit-key", primary], &format!("key {last}\nrevkey\ny\n0\n\ny\nsave\n"));
}

#[test]
fn a_download_goes_on_and_nothing_endless_slow_or_foreign_is_waited_for() {
    let Some(site) = site("a_download_goes_on_and_nothing_endless_slow_or_foreign_is_waited_for") else { return };
    let (disk, primary) = vendor(&site);
    let row = site::row(TEMPLATE, &primary);
    let image = site.pin(&row, None).unwrap();
    let afresh = || {
        std::fs::remove_dir_all(site.cache.root().join("partial")).unwrap();
        site.requests();
    };

    // Cut off, it goes on from there by itself.
    for attempt in ["lock", "fetch"] {
        afresh();
        site.fault(IMAGE, "cut 2000000");
        let got = if attempt == "lock" { site.pin(&row, None).map(|_| disk.clone()) } else { site.fetch(&image) };
        assert_eq!(got.unwrap(), disk, "{attempt}");
        let asked: Vec<String> =
            site.requests().into_iter().filter(|line| line.starts_with("1.2.3/disk.img ")).collect();
        // The last bytes before the cut were still on their way to the disk, so they come again.
        let rest = asked.last().unwrap().strip_prefix(&format!("{IMAGE} bytes=")).unwrap().trim_end_matches('-');
        assert!((1_000_000..=2_000_000).contains(&rest.parse().unwrap()), "{attempt}: {asked:?}");
    }

    // Ended for its pace, it goes on in the next run.
    afresh();
    site.fault(IMAGE, "stall 2000000");
    site.pace.set(SHORT);
    refused(site.fetch(&image), "fewer than 1 KiB came in 12 s; run hab again, and it goes on from there");
    site.fault(IMAGE, "none");
    site.pace.set(PACE);
    assert_eq!(site.fetch(&image).unwrap(), disk);
    let asked = site.requests();
    assert_eq!(asked.last().unwrap(), &format!("{IMAGE} bytes=2000000-"), "{asked:?}");

    afresh();
    site.fault(IMAGE, "slow");
    site.pace.set(SHORT);
    refused(site.fetch(&image), "fewer than 1 KiB came in 12 s");
    site.pace.set(PACE);

    // More than is pinned, and more than can be.
    afresh();
    site.fault(IMAGE, "endless");
    refused(site.fetch(&image), "so it is not what it should be");
    site.fault(IMAGE, "none");
    site.fault("key.asc", "endless");
    refused(site.pin(&row, None), "it has more than 4194304 bytes");
    site.fault("key.asc", "none");
    site.fault(VERSION, "endless");
    refused(site.pin(&row, None), "asking which version of flatcar is the newest of stable");
    site.fault(VERSION, "none");

    // Elsewhere is fine, as long as it is over TLS.
    afresh();
    site.put("moved/disk.img", &disk);
    site.fault(IMAGE, &format!("redirect /{}/moved/disk.img", site::HOST));
    assert_eq!(site.fetch(&image).unwrap(), disk);
    afresh();
    let plain = site.mirror().replace("https", "http");
    site.fault(IMAGE, &format!("redirect {plain}/{}/moved/disk.img", site::HOST));
    refused(site.fetch(&image), "is forbidden");
    site.fault(IMAGE, "none");

    // Another file than the lock's, signed or not; the partial one of before is not mixed into it.
    afresh();
    let other = site.disk(9);
    release(&site, "1.2.3", &other, &[]);
    refused(site.fetch(&image), "fetching the image that hab.lock pins");
    site.put(IMAGE, &disk);
    assert_eq!(site.fetch(&image).unwrap(), disk);

    // Gone, and never there.
    afresh();
    std::fs::remove_file(site.path(IMAGE)).unwrap();
    refused(site.fetch(&image), "it is there no more: `hab lock --update` pins the newest");
    refused(site.pin(&row, None), "there is no version 1.2.3 in the channel stable of flatcar");
    std::fs::remove_file(site.path(VERSION)).unwrap();
    refused(site.pin(&row, None), "asking which version of flatcar is the newest of stable");
    site.put(VERSION, "<html>");
    refused(site.pin(&row, None), "there is no version in it");
}

#[test]
fn an_older_release_is_taken_only_when_it_is_asked_for() {
    let Some(site) = site("an_older_release_is_taken_only_when_it_is_asked_for") else { return };
    let (_, primary) = vendor(&site);
    let row = site::row(TEMPLATE, &primary);
    let new = site.disk(2);
    release(&site, "1.10.0", &new, &["--faked-system-time", "20260601T000000!"]);
    let image = site.pin(&row, None).unwrap();
    assert_eq!(image.version, "1.10.0");
    let older = site.disk(3);
    release(&site, "1.2.3", &older, &["--faked-system-time", "20260101T000000!"]);
    let stable = Release { channel: "stable", version: None };

    refused(site.pin(&row, Some(&image)), "hab.lock has 1.10.0, which is newer");
    assert_eq!(site.pin(&row, None).unwrap().version, "1.2.3", "without a lock there is nothing to be older than");
    assert_eq!(site.pin_release(Base::Flatcar, &row, Some(&image), &stable, true).unwrap().version, "1.2.3");
    let asked = Release { channel: "stable", version: Some("1.2.3".into()) };
    assert_eq!(site.pin_release(Base::Flatcar, &row, Some(&image), &asked, false).unwrap().version, "1.2.3");
    let other = Release { channel: "lts", version: None };
    assert_eq!(site.pin_release(Base::Flatcar, &row, Some(&image), &other, false).unwrap().version, "1.2.3");

    // An old image under a new name: its signature is good, and as old as it is.
    release(&site, "1.11.0", &older, &["--faked-system-time", "20260101T000000!"]);
    refused(site.pin(&row, Some(&image)), "it calls itself 1.11.0 and was signed before 1.10.0");
    assert_eq!(site.pin_release(Base::Flatcar, &row, Some(&image), &stable, true).unwrap().version, "1.11.0");
    release(&site, "1.12.0", &older, &[]);
    assert_eq!(site.pin(&row, Some(&image)).unwrap().version, "1.12.0");
}
