//! The bytes that hab.lock pins, brought into the cache: in a folder that stays from one run to the next until they are used.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use fs_err as fs;

use super::fault::patiently;
use super::resolve::{address, is};
use super::{Fetcher, archive, registries, tools};
use crate::base::vendor_image::Folder;
use crate::cache::Scratch;
use crate::config::ImageSource;
use crate::digest::sha256_file;
use crate::download::Pace;
use crate::exec::skopeo::Skopeo;
use crate::lock::{ContainerImage, hex};
use crate::progress::StepHandle;

/// The folder of the layout that skopeo fills.
const LAYOUT: &str = "layout";

/// A run of skopeo's for one image.
pub struct Session<'a> {
    pub fetcher: &'a Fetcher<'a>,
    pub step: &'a StepHandle<'a>,
    pub skopeo: Skopeo,
    scratch: Scratch,
}

impl<'a> Session<'a> {
    pub fn open(fetcher: &'a Fetcher<'_>, step: &'a StepHandle<'_>) -> Result<Self> {
        let tools = tools(fetcher.cache, fetcher.packages, step)?;
        let scratch = fetcher.cache.scratch()?;
        let conf = registries::conf(fetcher.registries);
        let lab = std::path::absolute(fetcher.lab).context("finding the lab's folder")?;
        let skopeo = Skopeo::new(tools, scratch.path(), &lab, &conf)?;
        Ok(Self { fetcher, step, skopeo, scratch })
    }

    /// Puts what was copied where [`fetch`] looks for it.
    pub fn keep(&self, layout: &Path, image: &ContainerImage) -> Result<()> {
        let folder = folder(self.fetcher, image, self.step)?;
        let place = folder.path().join(LAYOUT);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        Ok(fs::rename(layout, place)?)
    }
}

fn folder(fetcher: &Fetcher<'_>, image: &ContainerImage, step: &StepHandle<'_>) -> Result<Folder> {
    Folder::of(fetcher.cache, &format!("{} {}", image.from, image.manifest.digest), step)
}

/// Where a layout has the blob with this digest.
pub fn blob_file(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs/sha256").join(hex(digest))
}

/// The layout with a copy of an image of the lab's folder.
pub fn copied(session: &Session<'_>, address: &str) -> Result<PathBuf> {
    let layout = session.scratch.path().join(LAYOUT);
    session.skopeo.copy(address, &layout, &mut || Ok(()))?;
    Ok(layout)
}

/// Brings all blobs of an image into the cache; with all of them there, no connection is tried. They stay there until
/// [`take`] is told where to put them.
///
/// # Errors
/// One can't be had, or is not what the lock says.
pub fn fetch(fetcher: &Fetcher<'_>, source: &ImageSource, image: &ContainerImage, step: &StepHandle<'_>) -> Result<()> {
    complete(fetcher, source, image, step).map(drop).with_context(|| format!("the image {source}"))
}

/// As [`fetch`], and moves the blobs into `entry`, each under the digits of its digest.
///
/// # Errors
/// As [`fetch`].
pub fn take(
    fetcher: &Fetcher<'_>,
    source: &ImageSource,
    image: &ContainerImage,
    entry: &Path,
    step: &StepHandle<'_>,
) -> Result<()> {
    let folder = complete(fetcher, source, image, step).with_context(|| format!("the image {source}"))?;
    let layout = folder.path().join(LAYOUT);
    for blob in image.blobs() {
        fs::rename(blob_file(&layout, &blob.digest), entry.join(hex(&blob.digest)))?;
    }
    Ok(fs::remove_dir_all(&layout)?)
}

/// As [`fetch`], and has `work` do with the blobs what they came for; it is told by digest where each is. They are removed when
/// that went well.
///
/// # Errors
/// As [`fetch`], or as `work` says.
pub fn with_blobs<T>(
    fetcher: &Fetcher<'_>,
    source: &ImageSource,
    image: &ContainerImage,
    step: &StepHandle<'_>,
    work: impl FnOnce(&dyn Fn(&str) -> PathBuf) -> Result<T>,
) -> Result<T> {
    let folder = complete(fetcher, source, image, step).with_context(|| format!("the image {source}"))?;
    let layout = folder.path().join(LAYOUT);
    let done = work(&|digest| blob_file(&layout, digest))?;
    fs::remove_dir_all(&layout)?;
    Ok(done)
}

fn complete(
    fetcher: &Fetcher<'_>,
    source: &ImageSource,
    image: &ContainerImage,
    step: &StepHandle<'_>,
) -> Result<Folder> {
    let folder = folder(fetcher, image, step)?;
    let layout = folder.path().join(LAYOUT);
    if missing(&layout, image)?.is_empty() {
        return Ok(folder);
    }
    folder.has_room(image.blobs().map(|blob| blob.size).sum())?;
    let session = Session::open(fetcher, step)?;
    match source {
        ImageSource::Registry(reference) => {
            let at = |digest: &str| format!("docker://{}", reference.at(digest));
            patiently(fetcher, step, || {
                tidy(&layout, image)?;
                let mut look = watch(fetcher.pace, image, &layout, step);
                session.skopeo.copy(&at(&image.manifest.digest), &layout, &mut look)
            })?;
            // skopeo writes OCI's form; what the registry has of the older one is asked for as it is.
            for (blob, is_config) in
                image.index.iter().chain([&image.manifest]).map(|blob| (blob, false)).chain([(&image.config, true)])
            {
                if !blob_file(&layout, &blob.digest).exists() {
                    let source = at(if is_config { &image.manifest.digest } else { &blob.digest });
                    let bytes = if is_config { session.config(&source)? } else { session.manifest(&source)? };
                    is(&bytes, &blob.digest)?;
                    fs::write(blob_file(&layout, &blob.digest), bytes)?;
                }
            }
        }
        ImageSource::Archive { path, .. } => {
            let found = archive::look(&fetcher.lab.join(path))?;
            from_file(&session, &address(found.transport, path)?, image, &layout)?;
        }
        ImageSource::Layout { path, .. } => from_file(&session, &address("oci", path)?, image, &layout)?,
    }
    let missing = missing(&layout, image)?;
    let Some(first) = missing.first() else { return Ok(folder) };
    match source {
        ImageSource::Registry(_) => bail!("{first} did not come"),
        _ => bail!("it is not the one that hab.lock pins: `hab lock --images` pins what it is now"),
    }
}

fn from_file(session: &Session<'_>, address: &str, image: &ContainerImage, layout: &Path) -> Result<()> {
    session.step.status(&format!("copying {}", image.from));
    session.skopeo.copy(address, layout, &mut || Ok(()))?;
    if let Some(index) = &image.index {
        fs::write(blob_file(layout, &index.digest), session.manifest(address)?)?;
    }
    Ok(())
}

/// The digests of blobs that are not there; one that is there and is another is removed.
fn missing(layout: &Path, image: &ContainerImage) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for blob in image.blobs() {
        let file = blob_file(layout, &blob.digest);
        let good = file.is_file() && sha256_file(&file)? == hex(&blob.digest);
        if !good {
            if file.exists() {
                fs::remove_file(&file)?;
            }
            missing.push(blob.digest.clone());
        }
    }
    Ok(missing)
}

/// Removes what is in a layout besides whole blobs of the image: skopeo, when it is ended, leaves what it was writing.
fn tidy(layout: &Path, image: &ContainerImage) -> Result<()> {
    let wanted: Vec<_> = image.blobs().map(|blob| blob_file(layout, &blob.digest)).collect();
    for folder in [layout.to_owned(), layout.join("blobs/sha256")] {
        if !folder.is_dir() {
            continue;
        }
        for found in fs::read_dir(folder)? {
            let found = found?;
            if found.file_type()?.is_file() && !wanted.contains(&found.path()) {
                fs::remove_file(found.path())?;
            }
        }
    }
    Ok(())
}

/// Looks on while an image comes: it has a size, and a pace that it must keep.
fn watch(pace: Pace, image: &ContainerImage, layout: &Path, step: &StepHandle<'_>) -> impl FnMut() -> Result<()> {
    /// More than skopeo writes of its own.
    const SLACK: u64 = 1 << 20;
    let most: u64 = image.blobs().map(|blob| blob.size).sum::<u64>() + SLACK;
    let (mut since, mut before) = (Instant::now(), 0);
    move || {
        let now = size(layout);
        ensure!(now <= most, "more came than the {} MiB that its manifest says", most >> 20);
        if now < before || now - before >= pace.bytes {
            (since, before) = (Instant::now(), now);
        }
        ensure!(
            since.elapsed() < pace.within,
            "fewer than {} KiB came in {} s; run hab again, and it goes on with what is not there yet",
            pace.bytes >> 10,
            pace.within.as_secs()
        );
        step.status(&format!("fetching {}: {} of {} MiB", image.from, now >> 20, (most - SLACK) >> 20));
        Ok(())
    }
}

/// How many bytes are in a layout, whole or not.
fn size(layout: &Path) -> u64 {
    let folders = [layout.to_owned(), layout.join("blobs/sha256")];
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file).map(|meta| meta.len()).sum()
}
