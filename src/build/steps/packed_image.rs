//! A container image that hab packs.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::artifacts::{ImageSpec, built, image, program_file, same_results};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;

/// See the file.
pub struct PackedImage {
    /// Its name in the catalog.
    pub name: String,
    /// What it is.
    pub spec: ImageSpec,
    /// The step that makes its program.
    pub maker: String,
}

/// The name of the step for the image `image` of the catalog.
pub fn packed_image(image: &str) -> String {
    format!("image {image}")
}

impl Step for PackedImage {
    fn name(&self) -> String {
        packed_image(&self.name)
    }

    fn bucket(&self) -> &'static str {
        "image"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        vec![self.maker.clone()]
    }

    fn inputs(&self, _context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(image::key(&self.spec, key))
    }

    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        Some(self.spec.reference.clone())
    }

    fn check(&self, context: &Context<'_>, entry: &Path) -> Result<()> {
        same_results(&built(entry)?, context.lock.supply.built())
    }

    fn run(&self, _context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let program = program_file(job.needs.get(&self.maker)?, &self.spec.artifact)?;
        image::pack(&self.spec, &program, job.entry).with_context(|| format!("packing the image {}", self.name))
    }
}
