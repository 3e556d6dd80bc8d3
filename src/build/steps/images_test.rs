//! The boot test of the disk of container images: a worker's box boots with it.

use anyhow::Result;

use super::boot_test::{PROCESSORS, boot, memory, preflight};
use super::images_disk;
use super::provider_disk::{BOOTED, base_disk, disk_file, disk_of_images, payload_disk};
use crate::boot_test::{self, Subject};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::container_images::disk;
use crate::node::NodeKind;
use crate::role::Role;

/// See the file.
pub struct ImagesTest;

/// The role whose box boots: of those with images the smaller.
const ROLE: Role = Role::Worker;

fn kind(context: &Context<'_>) -> NodeKind {
    NodeKind { images: true, shell: true, ..NodeKind::plain(context.base, ROLE, context.network) }
}

/// The step's name.
#[must_use]
pub fn images_test() -> String {
    "boot test images".to_owned()
}

impl Step for ImagesTest {
    fn name(&self) -> String {
        images_test()
    }

    fn bucket(&self) -> &'static str {
        "boot-test"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        vec![base_disk(BOOTED), payload_disk(ROLE, BOOTED), disk_of_images(), images_disk::NAME.to_owned()]
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        boot_test::key(kind(context), key)
    }

    fn processors(&self) -> f64 {
        PROCESSORS
    }

    fn memory(&self, context: &Context<'_>) -> u64 {
        memory(context)
    }

    fn preflight(&self, context: &Context<'_>) -> Vec<anyhow::Error> {
        preflight(context)
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let written = disk::read(job.needs.get(images_disk::NAME)?)?;
        let test = boot_test::config_of_images(kind(context), &context.images()?.list, &written.layers)?;
        let file = |step: String| job.needs.get(&step).map(|entry| entry.join(disk_file(BOOTED)));
        let images = file(disk_of_images())?;
        let subject = Subject {
            role: ROLE,
            disk: &file(base_disk(BOOTED))?,
            payload: &file(payload_disk(ROLE, BOOTED))?,
            images: Some(&images),
            config: &test.config,
            checks: &test.checks,
            memory: boot_test::memory(context.base),
            accelerator: context.accelerator()?,
        };
        boot(&subject, context, job)
    }
}
