//! What a payload holds, written down beside the disk: enough for a node to be asked whether it is all there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::MOUNT;
use crate::boot_test::config as bake;

/// A payload disk and all that must be true of it on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// The disk as a raw image.
    #[serde(skip)]
    pub disk: PathBuf,
    /// Every file on it.
    pub files: Vec<File>,
    /// Every container image on it.
    pub images: Vec<Image>,
    /// How every program proves its version.
    pub checks: Vec<Check>,
}

/// A file on the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Its path below [`MOUNT`].
    pub path: String,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Permission bits.
    pub mode: u32,
}

/// A container image on the payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name it is imported under.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The digest containerd must know it by then.
    pub digest: String,
}

/// A program's proof of its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The program's path below [`MOUNT`].
    pub program: String,
    /// Its arguments.
    pub argv: Vec<String>,
    /// What it must write, among other things, to standard output or standard error.
    pub says: String,
}

impl Payload {
    /// What the boot proof asks of the disk: every byte of every file, every program's version, every image's digest.
    #[must_use]
    pub fn proof(&self) -> Vec<bake::Check> {
        let files = self.files.iter().map(|f| bake::Check::File { path: f.path.clone(), sha256: f.sha256.clone() });
        let runs = self.checks.iter().map(|check| {
            let program = format!("{MOUNT}/{}", check.program);
            let argv = std::iter::once(program).chain(check.argv.iter().cloned()).collect();
            bake::Check::Run { name: check.program.clone(), expect: check.says.clone(), argv }
        });
        let images = self
            .images
            .iter()
            .map(|image| bake::Check::Image { reference: image.reference.clone(), digest: image.digest.clone() });
        files.chain(runs).chain(images).collect()
    }
}
