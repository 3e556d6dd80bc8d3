//! Where a vendor's images are and who signs them: one row of `images/base/NAME.yaml` a vendor.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::arch::TARGET;
use crate::embedded;
use crate::kinds::Base;

/// A vendor. In its addresses and paths stand `{channel}`, `{version}` and `{major}`, the version's first number; in its
/// row also `{arch}` and `{machine}`, Go's and the kernel's name of the processor.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// How to learn the newest version of a channel.
    pub newest: Newest,
    /// Addresses of one qcow2, of which the first that is there counts; what ends in `.xz` is unpacked. Its signature is
    /// beside it, with `.sig` at the end.
    pub images: Vec<String>,
    /// Who signs it.
    pub key: Key,
    /// The Debian packages whose programs, and whose keys, check and unpack it.
    pub packages: Vec<String>,
    /// The least that the disk must hold, in GiB.
    pub disk: u64,
}

/// A file that has the newest version in it, which nobody signs.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Newest {
    /// Its address.
    pub url: String,
    /// Where in it the version is.
    #[serde(flatten)]
    pub place: Place,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Behind this beginning of a line.
    Line(String),
    /// At this pointer of a JSON document (RFC 6901).
    Json(String),
}

/// An `OpenPGP` key.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Key {
    /// At an address, from where nothing but the key with this fingerprint counts.
    Pinned {
        /// The address.
        url: String,
        /// The primary key's fingerprint, in upper-case hexadecimal.
        primary: String,
    },
    /// In a package, which Debian signed.
    Packaged {
        /// Its path there.
        file: String,
    },
}

impl Vendor {
    /// The vendor of `base`.
    ///
    /// # Errors
    /// hab was built without its row.
    pub fn of(base: Base) -> Result<Self> {
        let path = format!("base/{}.yaml", base.name());
        let row = embedded::text(&path)?.replace("{arch}", TARGET.go).replace("{machine}", TARGET.machine);
        serde_yaml::from_str(&row).with_context(|| format!("reading images/{path}"))
    }

    /// The newest version, from the bytes at [`Newest::url`].
    ///
    /// # Errors
    /// There is none in them that looks like one of `base`.
    pub fn version(&self, base: Base, bytes: &[u8]) -> Result<String> {
        let text = std::str::from_utf8(bytes).context("it is not text")?;
        let found = match &self.newest.place {
            Place::Line(start) => text.lines().find_map(|line| line.strip_prefix(start.as_str())).map(str::to_owned),
            Place::Json(pointer) => {
                let json: serde_json::Value = serde_json::from_str(text).context("it is not JSON")?;
                json.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned)
            }
        };
        let version = found.context("there is no version in it")?;
        // It becomes a part of addresses, and nobody has signed it.
        ensure!(base.is_version(&version), "what it has for a version is none of {}: {version:?}", base.name());
        Ok(version)
    }
}

/// `text` with its places filled in.
#[must_use]
pub fn fill(text: &str, channel: &str, version: &str) -> String {
    let major = version.split('.').next().unwrap_or_default();
    text.replace("{channel}", channel).replace("{version}", version).replace("{major}", major)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendor_has_a_row_with_all_in_it() {
        let flatcar = Vendor::of(Base::Flatcar).unwrap();
        assert_eq!(
            fill(&flatcar.images[0], "beta", "1.2.3"),
            "https://beta.release.flatcar-linux.net/amd64-usr/1.2.3/flatcar_production_qemu_image.img"
        );
        assert!(matches!(&flatcar.key, Key::Pinned { primary, .. } if primary.len() == 40));
        let fedora = Vendor::of(Base::FedoraCoreos).unwrap();
        assert_eq!(
            fill(&fedora.images[0], "next", "44.1.1.0"),
            "https://builds.coreos.fedoraproject.org/prod/streams/next/builds/44.1.1.0/x86_64/\
             fedora-coreos-44.1.1.0-qemu.x86_64.qcow2.xz"
        );
        let Key::Packaged { file } = &fedora.key else { panic!("{:?}", fedora.key) };
        assert!(fill(file, "next", "44.1.1.0").ends_with("/fedora/RPM-GPG-KEY-fedora-44-primary"));
        assert!(Vendor::of(Base::Debian).is_err());
    }

    #[test]
    fn the_newest_version_is_found_and_nothing_else_is_taken_for_one() {
        let flatcar = Vendor::of(Base::Flatcar).unwrap();
        let text = b"FLATCAR_BUILD=4593\nFLATCAR_VERSION=4593.2.5+x\nFLATCAR_VERSION_ID=4593.2.5\n";
        assert_eq!(flatcar.version(Base::Flatcar, text).unwrap(), "4593.2.5");
        let fedora = Vendor::of(Base::FedoraCoreos).unwrap();
        let json = br#"{"architectures": {"x86_64": {"artifacts": {"qemu": {"release": "44.20260707.3.1"}}}}}"#;
        assert_eq!(fedora.version(Base::FedoraCoreos, json).unwrap(), "44.20260707.3.1");
        for (bad, why) in [
            (&b"FLATCAR_VERSION_ID=../../1.2.3\n"[..], "none of flatcar"),
            (b"<html>404</html>", "no version in it"),
            (b"\xff", "not text"),
        ] {
            let error = format!("{:#}", flatcar.version(Base::Flatcar, bad).unwrap_err());
            assert!(error.contains(why), "{error}");
        }
        assert!(fedora.version(Base::FedoraCoreos, b"{").unwrap_err().to_string().contains("not JSON"));
    }
}
