//! A layer of a container image, as a file system that a node mounts.

use anyhow::Result;
use fs_err as fs;

use super::container_image::container_image;
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::container_images::{self, disk};
use crate::lock::{Layer, hex};

/// See the file.
pub struct ImageLayer {
    /// The image whose blobs it is among.
    pub from: String,
    /// The layer.
    pub layer: Layer,
}

/// The name of the step of the layer with this digest.
pub fn image_layer(diff_id: &str) -> String {
    /// So many digits tell all layers of the world apart.
    const SHOWN: usize = 16;
    let hex = hex(diff_id);
    format!("layer {}", hex.get(..SHOWN).unwrap_or(hex))
}

impl Step for ImageLayer {
    fn name(&self) -> String {
        image_layer(&self.layer.diff_id)
    }

    fn bucket(&self) -> &'static str {
        "image-layer"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        vec![container_image(&self.from)]
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(container_images::layer_key(&self.layer, &context.images()?.packages, key))
    }

    fn detail(&self, _context: &Context<'_>) -> Option<String> {
        Some(self.from.clone())
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let tools = container_images::tools(context.cache, &context.images()?.packages, job.step)?;
        let blob = job.needs.get(&container_image(&self.from))?.join(hex(&self.layer.blob.digest));
        let out = job.entry.join(disk::LAYER);
        container_images::write_layer(&tools, &self.layer, &blob, &out)?;
        Ok(format!("{} MiB", fs::metadata(&out)?.len() >> 20))
    }
}
