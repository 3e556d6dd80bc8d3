//! What a lab is made of, written down: `hab.lock`, beside hab.yaml and for git like it.

mod boxes;
mod container;
mod deb;
mod supply;
mod vendor_image;

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;
use serde::{Deserialize, Serialize};

pub use boxes::{Digests, LockedBox};
pub use container::{Blob, ContainerImage, Images, Layer, hex};
pub use deb::{Archive, Deb};
pub use supply::{Built, ReleaseFile, Releases, Source, Supply, Upstream};
pub use vendor_image::{Pinned, VendorImage};

use crate::config::{self, ImageSource, Release};
use crate::role::PerRole;

/// The file's name in the lab's folder.
pub const FILE: &str = "hab.lock";

/// The layout's version; a hab reads only its own.
const SCHEMA: u32 = 2;

/// Everything that decides the bytes of a lab's boxes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    schema: u32,
    /// The packages whose programs write the disks.
    pub tools: Vec<Deb>,
    /// The operating system.
    pub base: Base,
    /// What the cluster's programs are made of.
    pub supply: Supply,
    /// The container images that the lab brings along, or can be brought while it runs, and what fetches them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Images>,
    /// The boxes that were built last.
    #[serde(default)]
    pub boxes: PerRole<Option<LockedBox>>,
}

/// What a base is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Base {
    /// hab's own.
    Debian {
        /// Those whose files are on a node.
        packages: Vec<Deb>,
    },
    /// Flatcar Container Linux.
    Flatcar(VendorImage),
    /// Fedora `CoreOS`.
    FedoraCoreos(VendorImage),
}

impl Base {
    /// A base of no packages, and of an image that is not known yet.
    #[must_use]
    pub fn none(base: config::Base, release: Option<&Release>) -> Self {
        let image = || VendorImage {
            channel: release.map_or("", |release| release.channel).to_owned(),
            version: release.and_then(|release| release.version.clone()).unwrap_or_default(),
            ..VendorImage::default()
        };
        match base {
            config::Base::Debian => Self::Debian { packages: Vec::new() },
            config::Base::Flatcar => Self::Flatcar(image()),
            config::Base::FedoraCoreos => Self::FedoraCoreos(image()),
        }
    }

    /// Fails unless this is what hab.yaml asks for.
    ///
    /// # Errors
    /// It is another base, channel or version.
    pub fn fits(&self, base: config::Base, release: Option<&Release>) -> Result<()> {
        let said = |name: &str, channel: Option<&str>, version: Option<&str>| {
            [Some(name), channel, version].into_iter().flatten().collect::<Vec<_>>().join(" ")
        };
        let version = release.and_then(|release| release.version.as_deref());
        let asked = said(base.name(), release.map(|release| release.channel), version);
        // A version that nobody asked for is as good as any.
        let image = self.vendor_image();
        let pinned = said(
            self.kind().name(),
            image.map(|image| image.channel.as_str()),
            version.and(image).map(|image| image.version.as_str()),
        );
        ensure!(asked == pinned, "{FILE} pins the base {pinned}, and hab.yaml asks for {asked}: `hab lock --update`");
        Ok(())
    }

    /// Which base it is.
    #[must_use]
    pub const fn kind(&self) -> config::Base {
        match self {
            Self::Debian { .. } => config::Base::Debian,
            Self::Flatcar(_) => config::Base::Flatcar,
            Self::FedoraCoreos(_) => config::Base::FedoraCoreos,
        }
    }

    /// Its packages; of a vendor's image, those that check and unpack it.
    #[must_use]
    pub fn packages(&self) -> &[Deb] {
        match self {
            Self::Debian { packages } => packages,
            Self::Flatcar(image) | Self::FedoraCoreos(image) => &image.packages,
        }
    }

    /// The vendor's image, if it is one.
    #[must_use]
    pub const fn vendor_image(&self) -> Option<&VendorImage> {
        match self {
            Self::Debian { .. } => None,
            Self::Flatcar(image) | Self::FedoraCoreos(image) => Some(image),
        }
    }
}

impl Lock {
    /// A lock of these parts, with no box built yet.
    #[must_use]
    pub fn new(tools: Vec<Deb>, base: Base, supply: Supply) -> Self {
        Self { schema: SCHEMA, tools, base, supply, images: None, boxes: PerRole::default() }
    }

    /// What it pins of the images that the lab brings along, if it does: a lab with a registry of its own has only the
    /// programs.
    #[must_use]
    pub fn brought(&self) -> Option<&Images> {
        self.images.as_ref().filter(|images| !images.list.is_empty())
    }

    /// Whether it pins these container images, and no others.
    #[must_use]
    pub fn has_images(&self, wanted: &[ImageSource]) -> bool {
        let pinned = self.images.iter().flat_map(|images| &images.list).map(|image| &image.from);
        pinned.eq(&wanted.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// Reads the lab's lock; `None` when it has none yet.
    ///
    /// # Errors
    /// It is there and can't be read, or is damaged, or of another hab.
    pub fn read(lab: &Path) -> Result<Option<Self>> {
        let path = lab.join(FILE);
        // Not `exists`, which takes a link to nothing or a closed folder for an absent file.
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(_) => ensure!(path.is_file(), "{} is not a file", path.display()),
        }
        let about = || format!("reading {} (`hab lock --update` writes a new one)", path.display());
        let bytes = fs::read(&path)?;
        let schema: Schema = serde_json::from_slice(&bytes).with_context(about)?;
        ensure!(schema.schema == SCHEMA, "{}: it is of another version of hab", about());
        serde_json::from_slice(&bytes).with_context(about)
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// It can't be put into JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self).context("writing the lock as JSON")?;
        bytes.push(b'\n');
        Ok(bytes)
    }
}

/// What every version of the layout has.
#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn lock() -> Lock {
        let source = Source { go: "go1.26.8".into(), upstreams: BTreeMap::new(), debs: Vec::new(), built: None };
        Lock::new(Vec::new(), Base::Debian { packages: Vec::new() }, Supply::Source(source))
    }

    #[test]
    fn a_lock_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Lock::read(dir.path()).unwrap(), None);
        fs::write(dir.path().join(FILE), lock().to_bytes().unwrap()).unwrap();
        assert_eq!(Lock::read(dir.path()).unwrap(), Some(lock()));
    }

    #[test]
    fn an_image_reads_back_and_fits_only_what_was_asked_for() {
        let image = VendorImage { channel: "beta".into(), version: "1.2.3".into(), ..VendorImage::default() };
        let lock = Lock { base: Base::Flatcar(image), ..lock() };
        let json = String::from_utf8(lock.to_bytes().unwrap()).unwrap();
        assert!(json.contains("\"name\": \"flatcar\""), "{json}");
        assert_eq!(serde_json::from_str::<Lock>(&json).unwrap(), lock);
        assert!(serde_json::from_str::<Lock>(&json.replace("\"signed_by\"", "\"signed\"")).is_err());
        let said = |base, channel, version: Option<&str>| {
            let release = Release { channel, version: version.map(str::to_owned) };
            lock.base.fits(base, Some(&release)).map_err(|error| error.to_string())
        };
        said(config::Base::Flatcar, "beta", None).unwrap();
        said(config::Base::Flatcar, "beta", Some("1.2.3")).unwrap();
        let other = said(config::Base::Flatcar, "beta", Some("1.2.4")).unwrap_err();
        let expected = "hab.lock pins the base flatcar beta 1.2.3, and hab.yaml asks for flatcar beta 1.2.4: \
                        `hab lock --update`";
        assert_eq!(other, expected);
        assert!(said(config::Base::Flatcar, "stable", None).unwrap_err().contains("asks for flatcar stable:"));
        assert!(said(config::Base::FedoraCoreos, "beta", None).is_err());
        assert!(lock.base.fits(config::Base::Debian, None).unwrap_err().to_string().contains("asks for debian:"));
    }

    #[test]
    fn a_damaged_or_foreign_lock_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let good = String::from_utf8(lock().to_bytes().unwrap()).unwrap();
        let old = r#"{"schema": 1, "base": {"node": [], "tools": []}}"#;
        for bad in [&good[..20], old, &good.replace("\"tools\"", "\"tolls\""), ""] {
            fs::write(dir.path().join(FILE), bad).unwrap();
            let error = format!("{:#}", Lock::read(dir.path()).unwrap_err());
            assert!(error.contains("hab lock --update"), "{error}");
        }
    }

    #[test]
    fn a_link_to_nothing_is_no_absent_lock() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join(FILE)).unwrap();
        assert!(Lock::read(dir.path()).is_err());
    }
}
