//! Container images in OCI layout (<https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>): one
//! uncompressed layer, every time 1970, every owner root, so that the digest follows from the program alone.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tar::{EntryType, Header};

use super::ImageSpec;
use crate::arch::TARGET;
use crate::digest::sha256;

/// The start of Unix time, as OCI writes it.
const EPOCH: &str = "1970-01-01T00:00:00Z";

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The archive.
    pub tar: Vec<u8>,
    /// The digest of the manifest: what containerd knows the image by.
    pub digest: String,
}

/// `image` with its one program as the entry point, and a `/tmp`.
///
/// # Errors
/// The program's path is too long for a tar archive.
pub fn layout(image: &ImageSpec, program: &[u8]) -> Result<Layout> {
    let ImageSpec { reference, path, arguments, command, links, .. } = image;
    let (folder, name) = path.rsplit_once('/').map_or(("", path.as_str()), |(folder, name)| (folder, name));
    let beside = |name: &str| if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    let links: Vec<String> = links.iter().map(|link| beside(link)).collect();
    let mut entries = vec![("tmp/", Entry::Folder, 0o1777), (path, Entry::File(program), 0o755)];
    entries.extend(links.iter().map(|link| (link.as_str(), Entry::Link(name), 0o777)));
    let layer = tar_of(&entries)?;
    let run = if command.is_empty() {
        let entry_point: Vec<String> = std::iter::once(format!("/{path}")).chain(arguments.iter().cloned()).collect();
        json!({ "Entrypoint": entry_point, "WorkingDir": "/" })
    } else {
        json!({ "Cmd": command, "Env": [format!("PATH=/{folder}")], "WorkingDir": "/" })
    };
    let layer_digest = digest(&layer);
    let config = bytes(&json!({
        "created": EPOCH,
        "architecture": TARGET.go,
        "os": "linux",
        "config": run,
        "rootfs": { "type": "layers", "diff_ids": [layer_digest] },
        "history": [{ "created": EPOCH, "created_by": "hab" }],
    }));
    let manifest = bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    }));
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    entry["platform"] = json!({ "architecture": TARGET.go, "os": "linux" });
    // containerd takes the full name from its own annotation; the standard one is for other readers.
    entry["annotations"] =
        json!({ "io.containerd.image.name": reference, "org.opencontainers.image.ref.name": reference });
    let index = bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }));
    let mut blobs = [&config, &manifest, &layer].map(|blob| (format!("blobs/sha256/{}", sha256(blob)), blob));
    blobs.sort();
    let head = [
        ("oci-layout", Entry::File(br#"{"imageLayoutVersion":"1.0.0"}"#), 0o644),
        ("index.json", Entry::File(&index), 0o644),
        ("blobs/", Entry::Folder, 0o755),
        ("blobs/sha256/", Entry::Folder, 0o755),
    ];
    let blobs = blobs.iter().map(|(name, blob)| (name.as_str(), Entry::File(blob), 0o644));
    let tar = tar_of(&head.into_iter().chain(blobs).collect::<Vec<_>>())?;
    Ok(Layout { tar, digest: digest(&manifest) })
}

fn digest(blob: &[u8]) -> String {
    format!("sha256:{}", sha256(blob))
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// What is in an archive at a path.
enum Entry<'a> {
    Folder,
    File(&'a [u8]),
    /// A link to this.
    Link(&'a str),
}

/// An archive of folders, files and links, with their modes, as root's and of 1970.
fn tar_of(entries: &[(&str, Entry<'_>, u32)]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, entry, mode) in entries {
        let about = || format!("adding {path} to an archive");
        let mut header = Header::new_ustar();
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        match entry {
            Entry::Link(target) => {
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path, target).with_context(about)?;
            }
            Entry::Folder => {
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, path, &[][..]).with_context(about)?;
            }
            Entry::File(content) => {
                header.set_entry_type(EntryType::Regular);
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, path, *content).with_context(about)?;
            }
        }
    }
    tar.into_inner().context("ending an archive")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::io::Read as _;

    fn spec() -> ImageSpec {
        let text = "{ref: localhost/hab/pause:1, artifact: catatonit, path: pause, arguments: [-P]}";
        serde_yaml::from_str(text).unwrap()
    }

    fn unpack(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(tar);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().to_string_lossy().into_owned(), content)
        });
        entries.collect()
    }

    #[test]
    fn from_the_index_every_blob_is_found_by_its_digest() {
        let image = layout(&spec(), b"program").unwrap();
        let files = unpack(&image.tar);
        let blob = |value: &Value| {
            let digest = value["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
            let blob = files[&format!("blobs/sha256/{digest}")].clone();
            assert_eq!((sha256(&blob), blob.len() as u64), (digest, value["size"].as_u64().unwrap()));
            blob
        };
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let entry = &index["manifests"][0];
        assert_eq!(entry["digest"], image.digest);
        assert_eq!(entry["annotations"]["io.containerd.image.name"], "localhost/hab/pause:1");
        let manifest: Value = serde_json::from_slice(&blob(entry)).unwrap();
        let config: Value = serde_json::from_slice(&blob(&manifest["config"])).unwrap();
        assert_eq!(config["config"]["Entrypoint"], json!(["/pause", "-P"]));
        let layer = blob(&manifest["layers"][0]);
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        assert_eq!(unpack(&layer)["pause"], b"program");
        // oci-layout, index.json, two folders, three blobs.
        assert_eq!(files.len(), 7);
    }

    #[test]
    fn a_program_of_many_names_is_found_by_each() {
        let text = "{ref: a, artifact: a, path: bin/box, command: [sh], links: [sh, ls]}";
        let image = layout(&serde_yaml::from_str(text).unwrap(), b"program").unwrap();
        let files = unpack(&image.tar);
        let has = |what: &str| files.values().any(|blob| String::from_utf8_lossy(blob).contains(what));
        assert!(has(r#""config":{"Cmd":["sh"],"Env":["PATH=/bin"],"WorkingDir":"/"}"#), "{:?}", files.keys());
        let layer = files.values().find(|blob| blob.windows(7).any(|part| part == b"bin/box")).unwrap();
        let mut archive = tar::Archive::new(&layer[..]);
        let links = archive.entries().unwrap().filter_map(|entry| {
            let entry = entry.unwrap();
            let target = entry.link_name().unwrap()?.into_owned();
            Some((entry.path().unwrap().into_owned(), target))
        });
        let links: Vec<_> = links.map(|(path, target)| format!("{} {}", path.display(), target.display())).collect();
        assert_eq!(links, ["bin/sh box", "bin/ls box"]);
    }

    #[test]
    fn the_same_program_gives_the_same_bytes() {
        let make = |program: &[u8]| layout(&spec(), program).unwrap();
        assert_eq!(make(b"one"), make(b"one"));
        assert_ne!(make(b"one").digest, make(b"two").digest);
        // Other bytes for the same program need another version of the step that packs images.
        assert_eq!(make(b"one").digest, "sha256:8c231c4bde4c6d07f564a20a04cf9ee47128c3f28a121536ec7924ec8ecb0443");
    }
}
