//! The disk with the lab's container images.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use super::container_image::container_image;
use super::image_layer::image_layer;
use super::tools;
use crate::artifacts::program_file;
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::container_images::{LINKER, disk};
use crate::lock::{FILE, Images};

/// See the file.
pub struct ImagesDisk {
    /// What hab.lock calls the images.
    images: Vec<String>,
    /// The digests of what is in their layers, each once.
    layers: BTreeSet<String>,
}

/// The step's name.
pub const NAME: &str = "images";

impl ImagesDisk {
    /// The disk with these.
    pub fn new(images: &Images) -> Self {
        let layers = images.list.iter().flat_map(|image| &image.layers).map(|layer| layer.diff_id.clone());
        Self { images: images.list.iter().map(|image| image.from.clone()).collect(), layers: layers.collect() }
    }
}

impl Step for ImagesDisk {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn bucket(&self) -> &'static str {
        "images"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        let images = self.images.iter().map(|from| container_image(from));
        let layers = self.layers.iter().map(|diff_id| image_layer(diff_id));
        [tools::NAME.to_owned(), LINKER.to_owned()].into_iter().chain(images).chain(layers).collect()
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(disk::key(&context.images()?.list, key))
    }

    fn check(&self, context: &Context<'_>, entry: &Path) -> Result<()> {
        let (own, locked) = (disk::read(entry)?.sha256, &context.images()?.disk);
        let same = locked.as_ref().is_none_or(|locked| *locked == own);
        ensure!(same, "the disk of images came out other than {FILE} has it; `hab lock --images` pins anew");
        Ok(())
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let linker = program_file(job.needs.get(LINKER)?, LINKER)?;
        let layer = |diff_id: &str| job.needs.get(&image_layer(diff_id)).map(|entry| entry.join(disk::LAYER));
        let blobs = |from: &str| job.needs.get(&container_image(from)).map(Path::to_owned);
        let source =
            disk::Sources { images: &context.images()?.list, blobs: &blobs, layer: &layer, linker: &linker.path };
        disk::build(&source, job.needs.get(tools::NAME)?, job.entry).context("writing the disk of images")
    }
}
