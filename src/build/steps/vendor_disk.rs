//! A vendor's image, as the disk that every role boots from: the bytes that the vendor signed.

use anyhow::{Context as _, Result};

use super::base::base;
use super::provider_disk::{BOOTED, base_disk};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::progress;

/// See the file.
pub struct VendorDisk;

impl Step for VendorDisk {
    fn name(&self) -> String {
        base_disk(BOOTED)
    }

    fn bucket(&self) -> &'static str {
        "base-image"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        base(context).key(key)
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        let image = context.lock.base.vendor_image()?;
        Some(format!("{} {} {}", context.base.name(), image.channel, image.version))
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        base(context).fetch(step)
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        base(context).build(None, job.entry, job.step).context("fetching the base's image")
    }
}
