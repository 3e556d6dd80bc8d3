//! The container images hab packs, one program each.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use super::artifact::{HashedFile, IMAGE_TAR, ListedImage, write_image};
use super::{ImageSpec, oci};
use crate::cache::KeyBuilder;
use crate::digest::sha256;

/// Everything but the program that could change the image's bytes.
#[must_use]
pub fn key(image: &ImageSpec, key: KeyBuilder) -> KeyBuilder {
    let key = key.add("ref", &image.reference).add("path", &image.path).add_all("argument", &image.arguments);
    // Others keep the key that they had before there was this.
    if image.command.is_empty() && image.links.is_empty() {
        return key;
    }
    key.add_all("command", &image.command).add_all("link", &image.links)
}

/// Packs `image` with `program` in it into `entry`.
///
/// # Errors
/// The program can't be read, or the entry not be written.
pub fn pack(image: &ImageSpec, program: &HashedFile, entry: &Path) -> Result<String> {
    let layout = oci::layout(image, &fs::read(&program.path)?)?;
    let listed = ListedImage { sha256: sha256(&layout.tar), digest: layout.digest, reference: image.reference.clone() };
    fs::write(entry.join(IMAGE_TAR), layout.tar)?;
    write_image(entry, &listed)?;
    Ok(listed.reference)
}
