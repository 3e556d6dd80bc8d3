//! A raw disk in the format of the provider's boxes: smaller to keep, to hand around and to upload.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use super::{base, images_disk, payload};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::exec::qemu_img;
use crate::kinds::Provider;
pub use crate::provider::BOOTED;
use crate::provider::{facts, qualifier};
use crate::role::Role;

/// The disk's file in an entry. It ends in its format's name: packer converts any other, and so changes its bytes.
pub fn disk_file(provider: Provider) -> String {
    format!("disk.{}", facts(provider).disk_format)
}

/// See the file.
pub struct ProviderDisk {
    name: String,
    source: String,
    file: &'static str,
    provider: Provider,
}

/// What the names of a provider's steps end in.
pub fn suffix(provider: Provider) -> String {
    qualifier(provider).map(|name| format!(" {name}")).unwrap_or_default()
}

/// The name of the base disk's step.
pub fn base_disk(provider: Provider) -> String {
    format!("disk {}{}", base::NAME, suffix(provider))
}

/// The name of a payload disk's step.
pub fn payload_disk(role: Role, provider: Provider) -> String {
    format!("disk {}{}", payload::payload(role), suffix(provider))
}

/// The name of the step of the disk of container images.
#[must_use]
pub fn disk_of_images() -> String {
    format!("disk {}", images_disk::NAME)
}

/// The disk of container images in the entry of that step.
#[must_use]
pub fn images_file(entry: &Path) -> PathBuf {
    entry.join(disk_file(BOOTED))
}

impl ProviderDisk {
    /// The base disk.
    pub fn base(provider: Provider) -> Self {
        Self { name: base_disk(provider), source: base::NAME.to_owned(), file: crate::base::DISK, provider }
    }

    /// The payload disk of a role.
    pub fn payload(role: Role, provider: Provider) -> Self {
        let (name, source) = (payload_disk(role, provider), payload::payload(role));
        Self { name, source, file: crate::payload::DISK, provider }
    }

    /// The disk of container images.
    pub fn images() -> Self {
        let (name, source) = (disk_of_images(), images_disk::NAME.to_owned());
        Self { name, source, file: crate::container_images::disk::DISK, provider: BOOTED }
    }
}

impl Step for ProviderDisk {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn bucket(&self) -> &'static str {
        "disk"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        vec![self.source.clone()]
    }

    fn inputs(&self, _context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        let provider = facts(self.provider);
        Ok(key.add("provider", provider.name).add_all("options", provider.convert_options))
    }

    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        Some(facts(self.provider).disk_format.to_owned())
    }

    fn preflight(&self, _context: &Context<'_>) -> Vec<anyhow::Error> {
        qemu_img::tool().err().into_iter().collect()
    }

    fn run(&self, _context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let disk = job.entry.join(disk_file(self.provider));
        (facts(self.provider).convert)(&job.needs.get(&self.source)?.join(self.file), &disk)?;
        Ok(format!("{} MiB", fs::metadata(&disk)?.len() >> 20))
    }
}
