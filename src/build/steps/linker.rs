//! The program that tells containerd of the images on their disk, built by Go.

use anyhow::{Error, Result};

use crate::artifacts::{Catalog, go::GoBuild};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::container_images::LINKER;
use crate::progress;

/// See the file.
pub struct Linker {
    catalog: Catalog,
}

impl Linker {
    /// The program as this hab brings it.
    ///
    /// # Errors
    /// hab was built without it.
    pub fn new() -> Result<Self> {
        Ok(Self { catalog: Catalog::of_images()? })
    }

    fn go<'a>(&'a self, context: &'a Context<'_>) -> Result<GoBuild<'a>> {
        let toolchain = context.toolchain()?;
        Ok(GoBuild { cache: context.cache, catalog: &self.catalog, toolchain, name: LINKER })
    }
}

impl Step for Linker {
    fn name(&self) -> String {
        LINKER.to_owned()
    }

    fn bucket(&self) -> &'static str {
        "go-programs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        self.go(context)?.key(key)
    }

    fn processors(&self) -> f64 {
        0.0
    }

    fn memory(&self, _context: &Context<'_>) -> u64 {
        1024
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        self.go(context)?.fetch(step)
    }

    fn preflight(&self, context: &Context<'_>) -> Vec<Error> {
        self.go(context).and_then(|go| go.preflight()).err().into_iter().collect()
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        self.go(context)?.build(job.entry, job.step)
    }
}
