//! What a payload holds, written down beside the disk: enough for a node to be asked whether it is all there.

use serde::{Deserialize, Serialize};

/// A payload disk and all that must be true of it on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Every file on it.
    pub files: Vec<File>,
    /// Every container image on it.
    pub images: Vec<ImportedImage>,
    /// How every program shows its version.
    pub checks: Vec<VersionCheck>,
}

/// A file on the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path below the mount point.
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
}

/// A container image on the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedImage {
    /// The name it is imported under.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The digest containerd must know it by then.
    pub digest: String,
}

/// How a program shows its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionCheck {
    /// The program's path below the mount point.
    pub program: String,
    /// Its arguments.
    pub argv: Vec<String>,
    /// What it must write, among other things, to standard output or standard error.
    pub says: String,
}
