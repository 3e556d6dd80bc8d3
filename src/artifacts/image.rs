//! The container images hab packs, one program each.

use anyhow::{Context, Result};
use fs_err as fs;

use super::{Archive, Artifact, Image, Summed, fill};
use crate::artifacts::oci;
use crate::cache::{Cache, Inputs, Made, sha256};
use crate::progress::Progress;

/// The archive of `image` with `program` in it.
pub fn pack(cache: &Cache, image: &Image, program: &Artifact, progress: &dyn Progress) -> Result<Archive> {
    let reference = fill(&image.reference, &program.version);
    let inputs = Inputs::new()
        .add("format", oci::FORMAT)
        .add("ref", &reference)
        .add("path", &image.path)
        .add("program", &program.file.sha256);
    let (entry, made) = cache.get_or_make("image", &inputs.key(), |entry| {
        progress.begin(&reference);
        let layout = oci::layout(&reference, &image.path, &fs::read(&program.file.path)?)?;
        fs::write(entry.join("digest"), &layout.digest)?;
        fs::write(entry.join("sha256"), sha256(&layout.tar))?;
        Ok(fs::write(entry.join("image.tar"), layout.tar)?)
    })?;
    if made == Made::Now {
        progress.end(&reference, "packed");
    }
    let read = |name: &str| {
        fs::read_to_string(entry.join(name)).with_context(|| format!("reading the {name} of the image {reference}"))
    };
    let (digest, sha256) = (read("digest")?, read("sha256")?);
    Ok(Archive { file: Summed { path: entry.join("image.tar"), sha256 }, reference, digest })
}
