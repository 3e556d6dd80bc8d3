//! What a base is: the operating system that every node boots from. hab builds its own out of Debian's packages
//! (`images/base/debian/`); the others are disk images of their vendors (`images/base/NAME.yaml`).

mod debian;
pub mod vendor_image;

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;

use vendor_image::Pin;
use vendor_image::vendor::Vendor;

use crate::cache::{Cache, KeyBuilder, Scratch};
use crate::config::{Base, Release};
use crate::debian::{Index, tools};
use crate::exec::pinned_tools::PinnedTools;
use crate::lock::{self, Deb};
use crate::progress::StepHandle;
use crate::provider;

/// A base, with what making its disk takes.
#[derive(Clone, Copy)]
pub struct BaseBuild<'a> {
    /// Where packages and tools are.
    pub cache: &'a Cache,
    /// What it is made of.
    pub lock: &'a lock::Base,
    /// Whose Ignition platform the kernel's arguments name.
    pub provider: &'static provider::Facts,
}

impl BaseBuild<'_> {
    /// Everything but the tools that could change the disk's bytes.
    ///
    /// # Errors
    /// hab was built without a part.
    pub fn key(&self, key: KeyBuilder) -> Result<KeyBuilder> {
        match self.lock {
            lock::Base::Debian { packages } => debian::key(packages, self.provider, key),
            lock::Base::Flatcar(image) | lock::Base::FedoraCoreos(image) => Ok(key.add("disk", &image.disk.sha256)),
        }
    }

    /// Downloads what [`BaseBuild::build`] needs.
    ///
    /// # Errors
    /// Something can't be had.
    pub fn fetch(&self, step: &StepHandle<'_>) -> Result<()> {
        crate::debian::fetch(self.cache, self.lock.packages(), step)?;
        self.lock.vendor_image().map_or(Ok(()), |image| self.vendor_image(image, step).map(drop))
    }

    /// Writes the disk into `entry`: hab's own, by the programs of the entry `tools`, or the vendor's as it is.
    ///
    /// # Errors
    /// A part can't be made or had.
    pub fn build(&self, tools: Option<&Path>, entry: &Path, step: &StepHandle<'_>) -> Result<String> {
        match self.lock {
            lock::Base::Debian { packages } => {
                let tools = tools.context("the tools that write disks were not made")?;
                debian::build(self, packages, tools, entry, step)
            }
            lock::Base::Flatcar(image) | lock::Base::FedoraCoreos(image) => {
                let folder = self.vendor_image(image, step)?;
                fs::rename(folder.disk(), entry.join(VENDOR_DISK))?;
                Ok(format!("{} {}, {} MiB", image.channel, image.version, image.disk.size >> 20))
            }
        }
    }

    /// The vendor's disk, in its folder.
    fn vendor_image(&self, image: &lock::VendorImage, step: &StepHandle<'_>) -> Result<vendor_image::Folder> {
        let scratch = self.cache.scratch()?;
        let downloads = vendor_image::downloads(self.lock.kind(), self.cache);
        vendor_image::fetch(image, &downloads, &|| unpacked(self.cache, &image.packages, &scratch, step), step)
    }
}

/// The file of a disk that hab makes in an entry, and of a vendor's.
pub const DISK: &str = "base.raw";
/// See [`DISK`].
pub const VENDOR_DISK: &str = "disk.qcow2";

/// Which base is to be pinned.
#[derive(Clone, Copy)]
pub struct BaseRequest<'a> {
    /// Where packages and images go.
    pub cache: &'a Cache,
    /// The base.
    pub base: Base,
    /// Which of a vendor's images, if it is one.
    pub release: Option<&'a Release>,
    /// What was pinned before.
    pub old: Option<&'a lock::Base>,
    /// A vendor's image that is older than that will do.
    pub downgrade: bool,
}

/// What a base is made of today, for the lock.
///
/// # Errors
/// The indexes have not all of it, or a vendor's image can't be had or is not signed by its vendor.
pub fn resolve(wanted: &BaseRequest<'_>, index: &Index, step: &StepHandle<'_>) -> Result<lock::Base> {
    match wanted.base {
        Base::Debian => debian::resolve(index),
        Base::Flatcar => resolve_vendor_image(wanted, index, step).map(lock::Base::Flatcar),
        Base::FedoraCoreos => resolve_vendor_image(wanted, index, step).map(lock::Base::FedoraCoreos),
    }
}

fn resolve_vendor_image(wanted: &BaseRequest<'_>, index: &Index, step: &StepHandle<'_>) -> Result<lock::VendorImage> {
    let release = wanted.release.context("the plan names no channel of the vendor")?;
    let vendor = Vendor::of(wanted.base)?;
    let downloads = vendor_image::downloads(wanted.base, wanted.cache);
    let old = wanted.old.filter(|old| old.kind() == wanted.base).and_then(lock::Base::vendor_image);
    let pin =
        Pin { base: wanted.base, vendor: &vendor, release, old, downgrade: wanted.downgrade, downloads: &downloads };
    let version = pin.version(step)?;
    let packages = index.closure(vendor.packages.iter().map(String::as_str))?;
    // What was checked when it was pinned is not fetched again.
    if let Some(old) = old.filter(|old| old.version == version && old.channel == release.channel) {
        return Ok(lock::VendorImage { packages, ..old.clone() });
    }
    let scratch = wanted.cache.scratch()?;
    let tools = unpacked(wanted.cache, &packages, &scratch, step)?;
    pin.image(&version, packages, &tools, step)
}

/// The programs and keys of an image's packages, in `scratch`.
fn unpacked(cache: &Cache, packages: &[Deb], scratch: &Scratch, step: &StepHandle<'_>) -> Result<PinnedTools> {
    crate::debian::fetch(cache, packages, step)?;
    tools::unpack(cache, packages, &vendor_image::PROGRAMS, scratch.path())?;
    Ok(PinnedTools::open(scratch.path()))
}

/// The packages of the tools that write disks, for the lock.
///
/// # Errors
/// The indexes have not all of them.
pub fn resolve_tools(index: &Index) -> Result<Vec<Deb>> {
    index.closure(crate::embedded::table("tools")?)
}
