//! A base that is its vendor's own disk image: found, checked against the vendor's signature, pinned, and fetched as
//! pinned.
//!
//! What a server says is believed only as far as the signature goes, so it does not matter which server it is. `hab lock`
//! checks the signature and pins the bytes; from then on the digest decides.

mod folder;
mod qcow2;
mod signature;
pub mod vendor;

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fs_err as fs;

use crate::cache::Cache;
use crate::digest::sha256_file;
use crate::download::{Downloads, Size, Wanted, is_missing};
use crate::exec::pinned_tools::PinnedTools;
use crate::exec::{gpgv, xz};
use crate::kinds::{Base, Release};
use crate::lock::{Deb, Pinned, VendorImage};
use crate::progress::StepHandle;
pub use folder::Folder;
use signature::{Signed, assess, keyring};
use vendor::{Key, Vendor, fill};

/// The programs of an image's packages that need a loader, see [`crate::debian::tools`].
pub const PROGRAMS: [(&str, &str); 1] = [("xz", "usr/bin/xz")];

/// The most bytes that an image and the disk in it may have. Flatcar's has about 0.5 GiB, Fedora's 0.8, unpacked 1.7.
const MAX_FILE: u64 = 4 << 30;
const MAX_DISK: u64 = 16 << 30;

/// The environment's variable that names a mirror of a vendor's images.
fn variable(base: Base) -> String {
    format!("HAB_{}_MIRROR", base.name().replace('-', "_").to_uppercase())
}

/// The way to a base's vendor, or to the mirror that the environment names.
#[must_use]
pub fn downloads(base: Base, cache: &Cache) -> Downloads<'_> {
    Downloads::new(cache, &variable(base))
}

/// What [`Pin::version`] and [`Pin::image`] work with.
#[derive(Debug, Clone, Copy)]
pub struct Pin<'a> {
    /// The base.
    pub base: Base,
    /// Its vendor.
    pub vendor: &'a Vendor,
    /// What hab.yaml says.
    pub release: &'a Release,
    /// What was pinned before.
    pub old: Option<&'a VendorImage>,
    /// An older one than that will do.
    pub downgrade: bool,
    /// The way to the vendor.
    pub downloads: &'a Downloads<'a>,
}

impl Pin<'_> {
    /// The version to be pinned: the one of hab.yaml, or the newest.
    ///
    /// # Errors
    /// The vendor does not say, or says an older one than is pinned already.
    pub fn version(&self, step: &StepHandle<'_>) -> Result<String> {
        let Release { channel, version } = self.release;
        if let Some(version) = version {
            return Ok(version.clone());
        }
        let about = || format!("asking which version of {} is the newest of {channel}", self.base.name());
        step.status("asking for the newest version");
        let url = fill(&self.vendor.newest.url, channel, "");
        let said = self.downloads.document(&url, step).with_context(about)?;
        let address = self.downloads.address(&url);
        let found = self.vendor.version(self.base, &said);
        let version = found.with_context(|| format!("reading {address}")).with_context(about)?;
        if let Some(old) = self.replaced() {
            ensure!(
                numbers(&version) >= numbers(&old.version),
                "the newest version of {} {channel} is {version}, says {address}; hab.lock has {}, which is newer. {}",
                self.base.name(),
                old.version,
                self.older()
            );
        }
        Ok(version)
    }

    /// What is pinned already, if the newest of the same channel should not be older.
    fn replaced(&self) -> Option<&VendorImage> {
        let asked = self.downgrade || self.release.version.is_some();
        self.old.filter(|old| !asked && old.channel == self.release.channel)
    }

    /// What to do about an image that is older.
    fn older(&self) -> String {
        format!(
            "A mirror may be behind (is {} set?). If the older one is wanted: `hab lock --update --allow-downgrade`, \
             or its version in hab.yaml",
            variable(self.base)
        )
    }

    /// Downloads and checks the image of `version` with the programs of `packages`, and pins what came out. It stays
    /// in the cache for [`fetch`].
    ///
    /// # Errors
    /// It can't be had, the vendor has not signed it, or it is no disk for a node.
    pub fn image(
        &self,
        version: &str,
        packages: Vec<Deb>,
        tools: &PinnedTools,
        step: &StepHandle<'_>,
    ) -> Result<VendorImage> {
        let (name, channel) = (self.base.name(), self.release.channel);
        let about = || format!("fetching {name} {version} ({channel})");
        let (url, folder) = self.download(version, step).with_context(about)?;
        let pinned = self.checked(&url, version, &folder, tools, step).and_then(|signed| {
            let file = pinned(&folder.file())?;
            step.status("unpacking the image");
            unpack(&url, &folder, &|| Ok(tools.clone()), MAX_DISK)?;
            qcow2::check(&folder.disk(), self.vendor.disk << 30)?;
            Ok((signed, file, pinned(&folder.disk())?))
        });
        match pinned {
            Ok((signed, file, disk)) => Ok(VendorImage {
                channel: channel.to_owned(),
                version: version.to_owned(),
                file,
                disk,
                url,
                signed_by: signed.by,
                signed_at: signed.at,
                packages,
            }),
            Err(error) => {
                // Nothing of it may be taken for good by a later run, and another file may be there then.
                folder.clear()?;
                let (address, variable) = (self.downloads.address(&url), variable(self.base));
                let checking = format!("checking {address} (not kept; {variable} can name another server)");
                Err(error.context(checking)).with_context(about)
            }
        }
    }

    /// The first of the vendor's addresses where `version` is, and the folder that its file is in then.
    fn download(&self, version: &str, step: &StepHandle<'_>) -> Result<(String, Folder)> {
        let (name, channel) = (self.base.name(), self.release.channel);
        let mut missing = None;
        for image in &self.vendor.images {
            let url = fill(image, channel, version);
            let folder = Folder::of(self.downloads.cache(), &url, step)?;
            match self.downloads.unknown(&url, MAX_FILE, &folder.file(), step) {
                Ok(()) => return Ok((url, folder)),
                // What is said of the address that is usual says most.
                Err(error) if is_missing(&error) => missing = missing.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        let about = format!("there is no version {version} in the channel {channel} of {name}");
        Err(missing.map_or_else(|| anyhow!("its vendor has no address"), |error| error.context(about)))
    }

    /// Who signed the file that came from `url`.
    fn checked(
        &self,
        url: &str,
        version: &str,
        folder: &Folder,
        tools: &PinnedTools,
        step: &StepHandle<'_>,
    ) -> Result<Signed> {
        let channel = self.release.channel;
        let scratch = self.downloads.cache().scratch()?;
        let [ring, sig] = ["keyring.gpg", "signature.sig"].map(|name| scratch.path().join(name));
        step.status("fetching the signature and the key");
        fs::write(
            &sig,
            self.downloads.document(&format!("{url}.sig"), step).context("fetching the image's signature")?,
        )?;
        let (keys, primary) = match &self.vendor.key {
            Key::Pinned { url, primary } => {
                let keys = self.downloads.document(url, step).context("fetching the vendor's key")?;
                (keys, Some(primary.as_str()))
            }
            Key::Packaged { file } => {
                let path = tools.files().join(fill(file, channel, version));
                let missing = || {
                    let package = self.vendor.packages.last().map_or("", String::as_str);
                    format!("Debian's package {package} has no key for this version, {file}; take an older version")
                };
                (fs::read(path).with_context(missing)?, None)
            }
        };
        fs::write(&ring, keyring(&keys)?)?;
        step.status("checking the signature");
        let signed = assess(&gpgv::status(tools, &ring, &sig, &folder.file())?, primary)?;
        if let Some(old) = self.replaced() {
            ensure!(
                signed.at >= old.signed_at,
                "it calls itself {version} and was signed before {}, which hab.lock has. {}",
                old.version,
                self.older()
            );
        }
        Ok(signed)
    }
}

/// Brings the programs that unpack an image, if it comes to that.
pub type Tools<'a> = dyn Fn() -> Result<PinnedTools> + 'a;

/// Downloads the pinned image, unless it is there, and unpacks it, by the programs that `tools` brings if need be. The
/// disk is then in the folder that is returned.
///
/// # Errors
/// It can't be had any more, or is not what the lock says.
pub fn fetch(
    image: &VendorImage,
    downloads: &Downloads<'_>,
    tools: &Tools<'_>,
    step: &StepHandle<'_>,
) -> Result<Folder> {
    let folder = Folder::of(downloads.cache(), &image.url, step)?;
    let disk = folder.disk();
    if disk.is_file() {
        step.status("reading the image through");
        if pinned(&disk)? == image.disk {
            return Ok(folder);
        }
        fs::remove_file(&disk)?;
    }
    let (file, address) = (folder.file(), downloads.address(&image.url));
    let packed = image.file != image.disk;
    let there = fs::metadata(&file).map_or(0, |metadata| metadata.len());
    folder.has_room(image.file.size.saturating_sub(there) + if packed { image.disk.size } else { 0 })?;
    let wanted = Wanted { url: &image.url, sha256: &image.file.sha256, size: Size::Exactly(image.file.size) };
    if let Err(error) = downloads.file(&wanted, &file, step) {
        let error = if is_missing(&error) {
            error.context("it is there no more: `hab lock --update` pins the newest")
        } else {
            error.context("fetching the image that hab.lock pins")
        };
        return Err(error);
    }
    if pinned(&file)? != image.file {
        folder.clear()?;
        bail!(
            "{address} is not the file that hab.lock names: run hab again, or pin what is there: `hab lock --update`"
        );
    }
    step.status("unpacking the image");
    unpack(&image.url, &folder, tools, image.disk.size)?;
    if pinned(&disk)? != image.disk {
        folder.clear()?;
        bail!("what {address} unpacks to is not the disk that hab.lock names");
    }
    Ok(folder)
}

/// Makes the disk of the file, which is then gone.
fn unpack(url: &str, folder: &Folder, tools: &Tools<'_>, most: u64) -> Result<()> {
    let (file, disk) = (folder.file(), folder.disk());
    if Path::new(url).extension().is_some_and(|ending| ending == "xz") {
        xz::unpack(&tools()?, &file, &disk, most)?;
        fs::remove_file(&file)?;
    } else {
        fs::rename(&file, &disk)?;
    }
    Ok(())
}

fn pinned(path: &Path) -> Result<Pinned> {
    Ok(Pinned { size: fs::metadata(path)?.len(), sha256: sha256_file(path)? })
}

/// A version's numbers, to be compared.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vendor_has_a_variable_for_its_mirror() {
        assert_eq!(variable(Base::FedoraCoreos), "HAB_FEDORA_COREOS_MIRROR");
        assert_eq!(variable(Base::Flatcar), "HAB_FLATCAR_MIRROR");
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("4593.10.0") > numbers("4593.2.5"));
        assert!(numbers("45.1.1.1") > numbers("44.20260707.3.1"));
    }
}
