//! Container images that a lab brings along: pinned, fetched, and each layer made a file system of its own, on one disk that
//! every master and worker reads.

mod archive;
mod compression;
pub mod disk;
mod fault;
mod fetch;
mod layer;
mod manifest;
mod registries;
mod resolve;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

pub use fetch::{fetch, take, with_blobs};
pub use layer::{key as layer_key, write as write_layer};
pub use resolve::resolve;

use crate::artifacts::Catalog;
use crate::cache::{Cache, KeyBuilder};
use crate::config::Registries;
use crate::debian::{self, Index};
use crate::download::{PACE, Pace};
use crate::exec::pinned_tools::PinnedTools;
use crate::lock::{Deb, Upstream};
use crate::progress::StepHandle;

/// The table of the packages whose programs fetch images and write layers, in `images/`.
const PACKAGES: &str = "container-tools";

/// Their programs.
const PROGRAMS: [(&str, &str); 3] =
    [("mkfs.erofs", "usr/bin/mkfs.erofs"), ("skopeo", "usr/bin/skopeo"), ("zstd", "usr/bin/zstd")];

/// The bucket of their folder.
const BUCKET: &str = "container-tools";

/// Where images come from, and by what.
#[derive(Debug, Clone)]
pub struct Fetcher<'a> {
    /// Where they go.
    pub cache: &'a Cache,
    /// The lab's folder, which has archives and layouts.
    pub lab: &'a Path,
    /// How registries are reached.
    pub registries: &'a Registries,
    /// The packages whose programs do the work.
    pub packages: &'a [Deb],
    /// The slowest that is waited for.
    pub pace: Pace,
    /// How long is waited before each further try, when a registry has trouble.
    pub pauses: &'a [Duration],
}

/// A registry that is restarted, or asks for patience, is most often back within half a minute; skopeo itself waits as long
/// as a 429 says, for some seconds.
const PAUSES: [Duration; 3] = [Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20)];

impl<'a> Fetcher<'a> {
    /// With the pace and the patience that every lab has.
    #[must_use]
    pub fn new(cache: &'a Cache, lab: &'a Path, registries: &'a Registries, packages: &'a [Deb]) -> Self {
        Self { cache, lab, registries, packages, pace: PACE, pauses: &PAUSES }
    }
}

/// The packages of the programs, for the lock.
///
/// # Errors
/// The indexes have not all of them.
pub(crate) fn packages(index: &Index) -> Result<Vec<Deb>> {
    index.closure(crate::embedded::table(PACKAGES)?)
}

/// As [`packages`], by the indexes of today.
///
/// # Errors
/// The indexes can't be had.
pub fn packages_of_today(cache: &Cache) -> Result<Vec<Deb>> {
    packages(&Index::refresh(cache)?)
}

/// What tells containerd of the images on a node, for the lock.
///
/// # Errors
/// hab was built without it.
pub fn linker() -> Result<Upstream> {
    crate::artifacts::pin_upstream(Catalog::of_images()?.upstream(LINKER)?)
}

/// The name of that program, and of its folder.
pub const LINKER: &str = "hab-images";

/// The programs in the cache, unpacked if they are not there yet.
///
/// # Errors
/// A package can't be had.
pub fn tools(cache: &Cache, packages: &[Deb], step: &StepHandle<'_>) -> Result<PinnedTools> {
    let key = debian::tools::key_of(packages, &PROGRAMS, KeyBuilder::new()).key();
    let waiting = || step.status("waiting: another run of hab is unpacking the programs");
    let entry: PathBuf = cache
        .make(BUCKET, &key, &waiting, |entry| {
            debian::fetch(cache, packages, step)?;
            step.status("unpacking the programs that fetch images");
            debian::tools::unpack(cache, packages, &PROGRAMS, entry)
        })
        .context("getting the programs that fetch images")?;
    Ok(PinnedTools::open(&entry))
}

/// Adds what decides the bytes that the programs write.
#[must_use]
pub fn tools_key(packages: &[Deb], key: KeyBuilder) -> KeyBuilder {
    debian::tools::key_of(packages, &PROGRAMS, key)
}
