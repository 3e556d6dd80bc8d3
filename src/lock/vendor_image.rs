//! A vendor's image in the lock: which one it is, and who signed it.

use serde::{Deserialize, Serialize};

use super::Deb;

/// A vendor's disk image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorImage {
    /// Flatcar's channel or Fedora's stream.
    pub channel: String,
    /// The vendor's version.
    pub version: String,
    /// The file as it is downloaded; which mirror serves it is the machine's affair.
    pub file: Pinned,
    /// The disk in it, a qcow2: the same, unless the file is compressed.
    pub disk: Pinned,
    /// The vendor's address of the file.
    pub url: String,
    /// The fingerprint of the `OpenPGP` key that signed the file: the primary key's.
    pub signed_by: String,
    /// When, in seconds since 1970.
    pub signed_at: u64,
    /// The packages whose programs check the signature and unpack the file.
    pub packages: Vec<Deb>,
}

/// A file by its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// How many there are.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}
