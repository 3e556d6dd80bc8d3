//! A container image that the lab brings along: its blobs, as hab.lock pins them.

use anyhow::Result;

use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::container_images;
use crate::progress;

/// See the file.
pub struct ContainerImage {
    /// What hab.lock calls it.
    pub from: String,
}

/// The name of the step of the image that hab.lock calls `from`.
pub fn container_image(from: &str) -> String {
    format!("image {from}")
}

impl Step for ContainerImage {
    fn name(&self) -> String {
        container_image(&self.from)
    }

    fn bucket(&self) -> &'static str {
        "container-image"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        let (image, _) = context.image(&self.from)?;
        Ok(key.add_all("blob", image.blobs().map(|blob| &blob.digest)))
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        Some(context.image(&self.from).ok()?.0.target().digest.clone())
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        let (image, source) = context.image(&self.from)?;
        container_images::fetch(&context.fetcher()?, source, image, step)
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let (image, source) = context.image(&self.from)?;
        container_images::take(&context.fetcher()?, source, image, job.entry, job.step)?;
        let size: u64 = image.blobs().map(|blob| blob.size).sum();
        Ok(format!("{} layers, {} MiB", image.layers.len(), size >> 20))
    }
}
