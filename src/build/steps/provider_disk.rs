//! A raw disk in the format of the provider's boxes: smaller to keep, to hand around and to upload.

use anyhow::Result;
use fs_err as fs;

use super::{base, payload};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::exec::qemu_img;
use crate::role::Role;

/// The disk's file in an entry. It ends in its format's name: packer converts any other, and so changes its bytes.
pub fn disk_file(context: &Context<'_>) -> String {
    format!("disk.{}", context.provider.disk_format)
}

/// See the file.
pub struct ProviderDisk {
    name: String,
    source: String,
    file: &'static str,
}

/// The name of the base disk's step.
pub fn base_disk() -> String {
    format!("disk {}", base::NAME)
}

/// The name of a payload disk's step.
pub fn payload_disk(role: Role) -> String {
    format!("disk {}", payload::payload(role))
}

impl ProviderDisk {
    /// The base disk.
    pub fn base() -> Self {
        Self { name: base_disk(), source: base::NAME.to_owned(), file: crate::base::DISK }
    }

    /// The payload disk of a role.
    pub fn payload(role: Role) -> Self {
        Self { name: payload_disk(role), source: payload::payload(role), file: crate::payload::DISK }
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

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        let provider = context.provider;
        Ok(key.add("provider", provider.name).add_all("options", provider.convert_options))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        Some(context.provider.disk_format.to_owned())
    }

    fn preflight(&self, _context: &Context<'_>) -> Vec<anyhow::Error> {
        qemu_img::tool().err().into_iter().collect()
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let disk = job.entry.join(disk_file(context));
        (context.provider.convert)(&job.needs.get(&self.source)?.join(self.file), &disk)?;
        Ok(format!("{} MiB", fs::metadata(&disk)?.len() >> 20))
    }
}
