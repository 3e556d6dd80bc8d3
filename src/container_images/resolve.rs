//! What a name or a file means today: everything of an image that hab.lock pins.

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;

use super::archive::{self, Found};
use super::fault::patiently;
use super::fetch::{Session, blob_file, copied};
use super::manifest::{Parts, Top, blob, layers, parts, top};
use super::{Fetcher, manifest};
use crate::config::ImageSource;
use crate::config::reference::Reference;
use crate::digest::sha256;
use crate::lock::{Blob, ContainerImage};
use crate::progress::StepHandle;

/// What the image at `source` is today.
///
/// # Errors
/// It can't be had, or is none that nodes can run; says which image, and why.
pub fn resolve(fetcher: &Fetcher<'_>, source: &ImageSource, step: &StepHandle<'_>) -> Result<ContainerImage> {
    step.status(&format!("asking for {source}"));
    let session = Session::open(fetcher, step)?;
    let image = match source {
        ImageSource::Registry(reference) => registry(&session, reference),
        ImageSource::Archive { path, name } => {
            let found = archive::look(&fetcher.lab.join(path));
            found.and_then(|found| local(&session, source, path, &named(found, name.as_ref())?))
        }
        ImageSource::Layout { path, name } => {
            let found = archive::look_into_folder(&fetcher.lab.join(path));
            found.and_then(|found| local(&session, source, path, &named(found, name.as_ref())?))
        }
    };
    image.with_context(|| format!("the image {source}"))
}

/// The name that the user gave counts; without one, those that the file has.
fn named(found: Found, name: Option<&Reference>) -> Result<Found> {
    let names = name.map_or(found.names, |name| vec![name.clone()]);
    ensure!(
        !names.is_empty(),
        "it says no name: give it one, such as `name: registry.example.com/app:1`, or with `hab image load` by `--name`"
    );
    Ok(Found { names, ..found })
}

fn registry(session: &Session<'_>, reference: &Reference) -> Result<ContainerImage> {
    let at = |digest: &str| format!("docker://{}", reference.at(digest));
    let asked = match reference.digest() {
        Some(digest) => at(digest),
        None => format!("docker://{reference}"),
    };
    let bytes = session.manifest(&asked)?;
    if let Some(digest) = reference.digest() {
        is(&bytes, digest)?;
    }
    let (index, manifest) = match top(&bytes)? {
        Top::Manifest(manifest) => (None, manifest),
        Top::Index(index, manifest) => (Some(index), manifest),
    };
    let bytes = if index.is_some() { session.manifest(&at(&manifest.digest))? } else { bytes };
    is(&bytes, &manifest.digest)?;
    let Parts { config, layers: blobs } = parts(&bytes)?;
    let bytes = session.config(&at(&manifest.digest))?;
    is(&bytes, &config.digest)?;
    let layers = layers(&bytes, blobs)?;
    let image = ContainerImage { from: reference.to_string(), names: Vec::new(), index, manifest, config, layers };
    Ok(called(image, std::slice::from_ref(reference)))
}

/// The image with the names that it has by these: with their tags, and with the digest that they lead to.
fn called(image: ContainerImage, references: &[Reference]) -> ContainerImage {
    let mut names: Vec<String> = references.iter().filter_map(Reference::tagged).collect();
    for name in references.iter().map(|reference| reference.at(&image.target().digest)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    ContainerImage { names, ..image }
}

/// An image out of a file or a folder. Its layers are copied for this, and stay for whoever fetches it.
fn local(session: &Session<'_>, source: &ImageSource, path: &Path, found: &Found) -> Result<ContainerImage> {
    let address = address(found.transport, path)?;
    let layout = copied(session, &address)?;
    let (manifest, bytes) = only_manifest(&layout)?;
    // Docker's archives have no list, and a manifest only by name: the digest is that of what skopeo makes of them.
    let index = if found.transport == "docker-archive" {
        None
    } else {
        let bytes = session.manifest(&address)?;
        match top(&bytes)? {
            Top::Manifest(_) => None,
            Top::Index(index, chosen) => {
                let digest = &manifest.digest;
                ensure!(chosen.digest == *digest, "of its platforms skopeo takes {digest}, not {}", chosen.digest);
                fs::write(blob_file(&layout, &index.digest), &bytes)?;
                Some(index)
            }
        }
    };
    let Parts { config, layers: blobs } = parts(&bytes)?;
    let layers = layers(&fs::read(blob_file(&layout, &config.digest))?, blobs)?;
    let image = ContainerImage { from: source.to_string(), names: Vec::new(), index, manifest, config, layers };
    let image = called(image, &found.names);
    session.keep(&layout, &image)?;
    Ok(image)
}

/// skopeo's word for an image in a file of the lab's folder.
pub fn address(transport: &str, path: &Path) -> Result<String> {
    match path.to_str() {
        Some(path) => Ok(format!("{transport}:./{path}")),
        None => bail!("its path is not text"),
    }
}

/// Fails unless these bytes have this digest.
pub fn is(bytes: &[u8], digest: &str) -> Result<()> {
    let found = format!("sha256:{}", sha256(bytes));
    ensure!(found == digest, "what came has the digest {found} in place of {digest}: somebody changed it");
    Ok(())
}

impl Session<'_> {
    /// As skopeo's, tried again where that may help.
    pub fn manifest(&self, source: &str) -> Result<Vec<u8>> {
        patiently(self.fetcher, self.step, || self.skopeo.manifest(source))
    }

    /// As above.
    pub fn config(&self, source: &str) -> Result<Vec<u8>> {
        patiently(self.fetcher, self.step, || self.skopeo.config(source))
    }
}

/// The one manifest of a layout that skopeo wrote, and its bytes.
fn only_manifest(layout: &Path) -> Result<(Blob, Vec<u8>)> {
    #[derive(serde::Deserialize)]
    struct Index {
        manifests: Vec<Descriptor>,
    }
    #[derive(serde::Deserialize)]
    struct Descriptor {
        digest: String,
    }
    let index: Index =
        serde_json::from_slice(&fs::read(layout.join("index.json"))?).context("reading what skopeo wrote")?;
    let entry = index.manifests.first().context("skopeo wrote no image")?;
    let bytes = fs::read(blob_file(layout, &entry.digest))?;
    is(&bytes, &entry.digest)?;
    Ok((blob(manifest::MANIFESTS[0], &bytes), bytes))
}
