//! The disk of images: one partition, a squashfs with the layers' file systems, and an OCI layout of all else, which is a few
//! KiB an image. Nothing on it has to be unpacked or copied by a node.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::LINKER;
use crate::cache::KeyBuilder;
use crate::digest::sha256_file;
use crate::disk::{self, Partition};
use crate::exec::mksquashfs;
use crate::exec::pinned_tools::PinnedTools;
use crate::lock::{ContainerImage, hex};

/// The partition's name, by which a node finds it whatever the disk is called.
pub const PARTITION: &str = "hab-images";

/// Where a node mounts it.
pub const MOUNT: &str = "/run/hab/images";

/// The disk's file in an entry, and [`Written`].
pub const DISK: &str = "images.raw";
const LIST: &str = "images.json";

/// A layer's file in its own entry.
pub const LAYER: &str = "layer.erofs";

/// containerd's word for an image's name in a layout's list.
const NAME: &str = "io.containerd.image.name";

/// What goes on the disk, and from where.
pub struct Sources<'a> {
    /// The images.
    pub images: &'a [ContainerImage],
    /// The folder with the blobs of the image that hab.lock calls so.
    pub blobs: &'a dyn Fn(&str) -> Result<PathBuf>,
    /// The file system of the layer with this digest.
    pub layer: &'a dyn Fn(&str) -> Result<PathBuf>,
    /// The program that tells containerd of them.
    pub linker: &'a Path,
}

/// What is on a disk that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The SHA-256 of the disk.
    pub sha256: String,
    /// The SHA-256 of each layer's file system, by its path on the disk.
    pub layers: BTreeMap<String, String>,
}

/// Everything but the images' bytes and the programs that could change the disk's.
#[must_use]
pub fn key(images: &[ContainerImage], key: KeyBuilder) -> KeyBuilder {
    let key = key.add_all("fixed", mksquashfs::FIXED).add_all("stored", mksquashfs::STORED);
    images.iter().fold(key, |key, image| key.add("image", &image.target().digest).add_all("name", &image.names))
}

/// Where a layer's file system is on the disk.
#[must_use]
pub fn layer_file(diff_id: &str) -> String {
    format!("layers/{}.erofs", hex(diff_id))
}

/// Writes the disk into `entry`, packed by the programs of the entry `tools`.
///
/// # Errors
/// A part is missing, or it can't be written.
pub fn build(sources: &Sources<'_>, tools: &Path, entry: &Path) -> Result<String> {
    let tree = entry.join("tree");
    for folder in ["", "bin", "blobs", "blobs/sha256", "layers"] {
        fs::create_dir(tree.join(folder))?;
        fs::set_permissions(tree.join(folder), Permissions::from_mode(0o755))?;
    }
    put(sources.linker, &tree.join("bin").join(LINKER), 0o755)?;
    let mut there = BTreeSet::new();
    let (mut list, mut layers) = (Vec::new(), BTreeMap::new());
    for image in sources.images {
        let blobs = (sources.blobs)(&image.from)?;
        for blob in image.index.iter().chain([&image.manifest, &image.config]) {
            let digits = hex(&blob.digest);
            if there.insert(digits) {
                put(&blobs.join(digits), &tree.join("blobs/sha256").join(digits), 0o644)?;
            }
        }
        for layer in image.layers.iter().filter(|layer| there.insert(&layer.diff_id)) {
            let (from, name) = ((sources.layer)(&layer.diff_id)?, layer_file(&layer.diff_id));
            put(&from, &tree.join(&name), 0o644)?;
            layers.insert(name, sha256_file(&from)?);
        }
        let target = image.target();
        list.extend(image.names.iter().map(|name| {
            json!({
                "mediaType": target.media_type, "digest": target.digest, "size": target.size, "annotations": { NAME: name }
            })
        }));
    }
    let index = json!({ "schemaVersion": 2, "manifests": list }).to_string();
    let layout = json!({ "imageLayoutVersion": "1.0.0" }).to_string();
    for (name, text) in [("index.json", index), ("oci-layout", layout)] {
        fs::write(tree.join(name), text)?;
        fs::set_permissions(tree.join(name), Permissions::from_mode(0o644))?;
    }
    let squashfs = entry.join("images.squashfs");
    mksquashfs::pack_with(&PinnedTools::open(tools), &tree, &squashfs, &mksquashfs::STORED)?;
    fs::remove_dir_all(&tree)?;
    let partition = Partition { name: PARTITION, kind: disk::LINUX, attributes: 0, content: &squashfs };
    let disk = entry.join(DISK);
    disk::write_gpt(&disk, PARTITION, &[partition])?;
    fs::remove_file(&squashfs)?;
    let written = Written { sha256: sha256_file(&disk)?, layers };
    fs::write(entry.join(LIST), serde_json::to_vec_pretty(&written)?)?;
    Ok(format!("{} images, {} MiB", sources.images.len(), fs::metadata(&disk)?.len() >> 20))
}

/// What is on the disk in `entry`.
///
/// # Errors
/// It can't be read.
pub fn read(entry: &Path) -> Result<Written> {
    let path = entry.join(LIST);
    serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))
}

fn put(from: &Path, to: &Path, mode: u32) -> Result<()> {
    fs::copy(from, to)?;
    Ok(fs::set_permissions(to, Permissions::from_mode(mode))?)
}
