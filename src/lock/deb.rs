//! Debian packages in the lock: what apt's signed indexes said on the day it was written.

use serde::{Deserialize, Serialize};

/// One of Debian's archives; which mirror serves it is the machine's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Archive {
    /// The archive itself, with its updates.
    Main,
    /// Security updates.
    Security,
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deb {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Where it comes from.
    pub archive: Archive,
    /// Its path there, percent-encoded as in an address.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}
