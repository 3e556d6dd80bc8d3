//! Container images on their way to a lab's disk: from a registry with TLS and a password, out of archives and folders; and
//! what is said when it goes wrong.

// Outside `#[test]` functions clippy does not see that this is a test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../real/built.rs"]
mod built;
#[path = "../support/isolated.rs"]
mod isolated;
mod lab;
#[path = "../support/rendered.rs"]
mod rendered;
mod site;

use hab::config::reference::Reference;
use hab::config::{ImageSource, Mirror};
use hab::container_images::write_layer;
use hab::digest::{sha256, sha256_file};
use hab::lock::{Blob, Layer, hex};
use site::{SHORT, certificate, gzip, site, tar};

#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, String>, why: &str) {
    let error = outcome.unwrap_err();
    assert!(error.contains(why), "{why}: {error}");
    assert!(!error.contains("a-password"), "{error}");
}

#[test]
fn a_tag_is_pinned_by_digests_and_fetched_byte_for_byte() {
    let Some(site) = site("a_tag_is_pinned_by_digests_and_fetched_byte_for_byte") else { return };
    let made = site.image("app", &["arm64", "amd64"], 64);
    site.push(&made, "team/app:1.0");
    let source = site.named("team/app:1.0");
    let image = site.resolve(&source).unwrap();
    let name = format!("{}/team/app", site.registry);
    assert_eq!(image.from, format!("{name}:1.0"));
    assert_eq!(image.names, [format!("{name}:1.0"), format!("{name}@{}", made.digest)]);
    assert_eq!(image.target().digest, made.digest);
    assert_ne!(image.manifest.digest, made.digest, "the list is the image, the manifest is for nodes");
    let diff_ids: Vec<&str> = image.layers.iter().map(|layer| hex(&layer.diff_id)).collect();
    assert_eq!(diff_ids, [sha256(&made.tars[0]), sha256(&made.tars[1])]);

    site.faults("");
    let entry = site.fetch(&source, &image).unwrap();
    assert!(!site.requests().is_empty(), "this would see a request");
    for blob in image.blobs() {
        assert_eq!(sha256_file(&entry.path().join(hex(&blob.digest))).unwrap(), hex(&blob.digest));
    }
    // A new image of the same tag is another day's: the lock decides.
    site.push(&site.image("newer", &["amd64"], 1), "team/app:1.0");
    assert_eq!(site.resolve(&source).unwrap().target(), &site.resolve(&source).unwrap().manifest);
    let again = site.fetch(&source, &image).unwrap();
    assert!(again.path().join(hex(&image.manifest.digest)).is_file());

    // By digest, with and without the tag that it once had.
    for text in [format!("{name}@{}", made.digest), format!("{name}:1.0@{}", made.digest)] {
        let by_digest = site.resolve(&ImageSource::Registry(Reference::new(&text).unwrap())).unwrap();
        assert_eq!((by_digest.target(), &by_digest.layers), (image.target(), &image.layers));
        assert!(by_digest.names.contains(&format!("{name}@{}", made.digest)));
    }
}

#[test]
fn what_was_fetched_is_not_asked_for_again_and_rot_is() {
    let Some(site) = site("what_was_fetched_is_not_asked_for_again_and_rot_is") else { return };
    let made = site.image("rot", &["amd64"], 64);
    site.push(&made, "rot:1");
    let source = site.named("rot:1");
    let image = site.resolve(&source).unwrap();
    // What `hab fetch` leaves for `hab build`, which needs no network then.
    let progress: &dyn hab::progress::Progress = &site.heard;
    let step = progress.step("test", None);
    let fetcher = hab::container_images::Fetcher::new(&site.cache, &site.folder, &site.registries, &site.packages);
    hab::container_images::fetch(&fetcher, &source, &image, &step).unwrap();
    site.faults("");
    hab::container_images::fetch(&fetcher, &source, &image, &step).unwrap();
    assert_eq!(site.requests(), Vec::<String>::new());

    let blobs = site.cache.root().join("partial");
    let place = format!("layout/blobs/sha256/{}", hex(&image.layers[0].blob.digest));
    let mut places = std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().path().join(&place));
    let layer = places.find(|path| path.is_file()).unwrap();
    std::fs::write(&layer, "rot").unwrap();
    let entry = site.fetch(&source, &image).unwrap();
    let asked = site.requests().into_iter().filter(|path| path.contains("/blobs/")).collect::<Vec<_>>();
    assert!(asked.iter().any(|path| path.contains(hex(&image.layers[0].blob.digest))), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains(hex(&image.layers[1].blob.digest))), "{asked:?}");
    assert!(entry.path().join(hex(&image.layers[0].blob.digest)).is_file());
}

#[test]
fn dockers_older_form_keeps_its_digests() {
    let Some(site) = site("dockers_older_form_keeps_its_digests") else { return };
    let made = site.image("older", &["amd64"], 1);
    let to = format!("docker://{}/older:2", site.registry);
    site.copy(&["--format", "v2s2", &format!("oci:{}", made.layout.display()), &to]);
    let source = site.named("older:2");
    let image = site.resolve(&source).unwrap();
    assert_eq!(image.manifest.media_type, "application/vnd.docker.distribution.manifest.v2+json");
    let entry = site.fetch(&source, &image).unwrap();
    for blob in image.blobs() {
        assert_eq!(sha256_file(&entry.path().join(hex(&blob.digest))).unwrap(), hex(&blob.digest));
    }
}

#[test]
fn archives_and_folders_of_the_lab_need_no_registry() {
    let Some(site) = site("archives_and_folders_of_the_lab_need_no_registry") else { return };
    let made = site.image("layout", &["amd64", "arm64"], 1);
    let from = format!("oci:{}", made.layout.display());
    let archive = |transport: &str, file: &str| {
        let to = format!("{transport}:{}", site.folder.join(file).display());
        site.copy(&["--override-arch", "amd64", &from, &to]);
    };
    archive("docker-archive", "docker.tar:example.com/app:1");
    archive("oci-archive", "oci.tar:example.com/other:2");
    let name = |text: &str| Some(Reference::new(text).unwrap());
    let file = |path: &str, name| ImageSource::Archive { path: path.into(), name };
    site.faults("");
    for (source, first) in [
        (file("docker.tar", None), "example.com/app:1"),
        (file("docker.tar", name("example.com/mine:3")), "example.com/mine:3"),
        (file("oci.tar", None), "example.com/other:2"),
        (ImageSource::Layout { path: "layout".into(), name: name("example.com/layout:4") }, "example.com/layout:4"),
    ] {
        let image = site.resolve(&source).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(image.names[0], first);
        assert_eq!(image, site.resolve(&source).unwrap(), "the same digests each time");
        let diff_ids: Vec<&str> = image.layers.iter().map(|layer| hex(&layer.diff_id)).collect();
        assert_eq!(diff_ids, [sha256(&made.tars[0]), sha256(&made.tars[1])], "{source}");
        if matches!(source, ImageSource::Layout { .. }) {
            assert_eq!(image.target().digest, made.digest);
        }
        // With what `hab lock` left, and on another machine without.
        for _ in 0..2 {
            let entry = site.fetch(&source, &image).unwrap_or_else(|error| panic!("{source}: {error}"));
            assert!(image.blobs().all(|blob| entry.path().join(hex(&blob.digest)).is_file()), "{source}");
            // In an archive of Docker's a layer is not compressed.
            for layer in &image.layers {
                let blob = entry.path().join(hex(&layer.blob.digest));
                write_layer(&site.tools(), layer, &blob, &blob.with_extension("erofs"))
                    .unwrap_or_else(|error| panic!("{source}: {error:#}"));
            }
        }
    }
    assert_eq!(site.requests(), Vec::<String>::new());

    let source = file("docker.tar", None);
    let image = site.resolve(&source).unwrap();
    drop(site.fetch(&source, &image).unwrap());
    let other = site.image("changed", &["amd64"], 1);
    std::fs::remove_file(site.folder.join("docker.tar")).unwrap();
    let to = format!("docker-archive:{}:example.com/app:1", site.folder.join("docker.tar").display());
    site.copy(&[&format!("oci:{}", other.layout.display()), &to]);
    refused(site.fetch(&source, &image), "it is not the one that hab.lock pins: `hab lock --images`");

    let unnamed = ImageSource::Layout { path: "layout".into(), name: None };
    refused(site.resolve(&unnamed), "it says no name: give it one");
    std::fs::write(site.folder.join("notes.tar"), tar(&[("a", b"b")])).unwrap();
    refused(site.resolve(&file("notes.tar", None)), "archive:notes.tar: it is no archive of an image");
}

#[test]
fn a_mirror_is_asked_and_the_names_stay() {
    let Some(mut site) = site("a_mirror_is_asked_and_the_names_stay") else { return };
    let made = site.image("nginx", &["amd64"], 1);
    site.push(&made, "hub/library/nginx:1.29");
    let location = format!("{}/hub", site.registry);
    site.registries.mirrors.insert("docker.io".to_owned(), Mirror { location, insecure: false });
    let source = ImageSource::Registry(Reference::new("nginx:1.29").unwrap());
    let image = site.resolve(&source).unwrap();
    let by_digest = format!("docker.io/library/nginx@{}", made.digest);
    assert_eq!(image.names, ["docker.io/library/nginx:1.29", by_digest.as_str()]);
    site.fetch(&source, &image).unwrap();
}

#[test]
fn what_passes_is_waited_for_and_what_does_not_is_said() {
    let Some(site) = site("what_passes_is_waited_for_and_what_does_not_is_said") else { return };
    let made = site.image("app", &["amd64"], 64);
    site.push(&made, "app:1");
    let source = site.named("app:1");
    // Twice of each: the third try is good.
    for (faults, note) in [("500 2 /manifests/", Some("has trouble")), ("429 2 /manifests/", None)] {
        site.faults(faults);
        site.resolve(&source).unwrap_or_else(|error| panic!("{faults}: {error}"));
        let notes = site.heard.0.lock().unwrap().join("\n");
        assert!(note.is_none_or(|note| notes.contains(note) && notes.contains("trying again")), "{faults}: {notes}");
    }
    for (faults, why) in [
        ("500 99 /manifests/", "the registry has trouble"),
        ("429 99 /manifests/", "takes no more requests"),
        ("403 99 /manifests/", "log in with `skopeo login`"),
        ("flip 99 /manifests/", ""),
    ] {
        site.faults(faults);
        refused(site.resolve(&source), why);
    }
    site.faults("");
    refused(site.resolve(&site.named("app:2")), "no such image: look at name and tag");
    refused(site.resolve(&site.named("none:1")), "no such image: look at name and tag");
    let arm = site.image("arm", &["arm64", "s390x"], 1);
    site.push(&arm, "arm:1");
    refused(site.resolve(&site.named("arm:1")), "there is none for linux/amd64, only for linux/arm64, linux/s390x");
    let arm = site.image("one-arm", &["arm64"], 1);
    site.push(&arm, "arm:2");
    refused(site.resolve(&site.named("arm:2")), "it is for linux/arm64, and nodes are linux/amd64");
}

#[test]
fn a_blob_that_is_not_what_it_should_be_never_comes_in() {
    let Some(mut site) = site("a_blob_that_is_not_what_it_should_be_never_comes_in") else { return };
    let made = site.image("app", &["amd64"], 256);
    site.push(&made, "app:1");
    let source = site.named("app:1");
    let image = site.resolve(&source).unwrap();
    let layer = hex(&image.layers[0].blob.digest).to_owned();
    for faults in ["500 2 /blobs/", "cut 2 /blobs/", "429 2 /blobs/"] {
        site.faults(&format!("{faults}sha256:{layer}"));
        let entry = site.fetch(&source, &image).unwrap_or_else(|error| panic!("{faults}: {error}"));
        assert_eq!(sha256_file(&entry.path().join(&layer)).unwrap(), layer, "{faults}");
    }
    for (faults, why) in [
        ("500 99 /blobs/", "the registry has trouble"),
        ("404 99 /blobs/", "the registry has no such image"),
        ("flip 99 /blobs/", "has another digest than it should have"),
        ("endless 99 /blobs/", ""),
    ] {
        site.faults(&format!("{faults}sha256:{layer}"));
        refused(site.fetch(&source, &image), why);
    }
    site.pace = SHORT;
    site.faults(&format!("stall 99 /blobs/sha256:{layer}"));
    refused(site.fetch(&source, &image), "KiB came in 8 s; run hab again");
    // After all of that what is fetched is whole.
    site.faults("");
    let entry = site.fetch(&source, &image).unwrap();
    assert!(image.blobs().all(|blob| sha256_file(&entry.path().join(hex(&blob.digest))).unwrap() == hex(&blob.digest)));
}

#[test]
fn who_is_not_known_or_not_trusted_is_told_so() {
    let Some(site) = site("who_is_not_known_or_not_trusted_is_told_so") else { return };
    site.push(&site.image("app", &["amd64"], 1), "app:1");
    let source = site.named("app:1");
    site.resolve(&source).unwrap();
    let auth = site.folder.join("auth.json");
    let good = std::fs::read(&auth).unwrap();
    std::fs::write(&auth, "{}").unwrap();
    refused(site.resolve(&source), "log in with `skopeo login`");
    std::fs::write(&auth, good).unwrap();
    certificate(&site.folder, "other");
    let trusted = site.folder.join("tls.certificate");
    std::fs::rename(site.folder.join("other.certificate"), &trusted).unwrap();
    refused(site.resolve(&source), "signed by nobody that this machine trusts");
    // Port 1 is nobody's.
    let nobody = ImageSource::Registry(Reference::new("127.0.0.1:1/app:1").unwrap());
    refused(site.resolve(&nobody), "the registry can't be reached");
    let nowhere = ImageSource::Registry(Reference::new("registry.invalid/app:1").unwrap());
    refused(site.resolve(&nowhere), "the registry can't be reached");
}

#[test]
fn a_layer_is_the_same_file_system_however_it_is_compressed() {
    let Some(site) = site("a_layer_is_the_same_file_system_however_it_is_compressed") else { return };
    let tools = site.tools();
    let bytes = tar(&[("etc/name", b"a name"), ("etc/.wh.gone", b""), ("large", &vec![7; 300_000])]);
    let (packed, blob) = (site.folder.join("packed"), site.folder.join("blob"));
    let write = |kind: &str, content: &[u8], diff_id: &str| {
        std::fs::write(&blob, content).unwrap();
        let digest = format!("sha256:{}", sha256(content));
        let layer = Layer {
            blob: Blob { media_type: kind.to_owned(), size: content.len() as u64, digest },
            diff_id: format!("sha256:{diff_id}"),
        };
        let _ = std::fs::remove_file(&packed);
        write_layer(&tools, &layer, &blob, &packed).map_err(|error| format!("{error:#}"))?;
        Ok::<_, String>(std::fs::read(&packed).unwrap())
    };
    let diff_id = sha256(&bytes);
    let plain = write("application/vnd.oci.image.layer.v1.tar", &bytes, &diff_id).unwrap();
    for level in [1, 9] {
        let kind = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        assert_eq!(write(kind, &gzip(&bytes, level), &diff_id).unwrap(), plain);
    }
    // erofs' magic number, at its place (Linux, fs/erofs/erofs_fs.h).
    assert_eq!(plain[1024..1028], [0xe2, 0xe1, 0xf5, 0xe0]);
    let gzipped = "application/vnd.oci.image.layer.v1.tar+gzip";
    refused(write(gzipped, &gzip(&bytes, 6), &sha256("other")), "its image is not sound");
    let half = gzip(&bytes, 6);
    refused(write(gzipped, &half[..half.len() / 2], &diff_id), "unpacking it");
    refused(write(gzipped, b"\x1f\x8bno gzip", &diff_id), "unpacking it");
    write(gzipped, b"no tar", &diff_id).unwrap_err();
    // What a manifest says is not always so.
    assert_eq!(write(gzipped, &bytes, &diff_id).unwrap(), plain);
}
