//! Programs out of Debian's packages, made to run from the payload.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::artifacts::{built, debian, same_results};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::progress;

/// See the file.
pub struct DebianPrograms;

impl Step for DebianPrograms {
    fn name(&self) -> String {
        "Debian's programs".to_owned()
    }

    fn bucket(&self) -> &'static str {
        "debian-programs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(debian::key(&context.catalog, context.lock.supply.debs(), key))
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        crate::debian::fetch(context.cache, context.lock.supply.debs(), step)
    }

    fn check(&self, context: &Context<'_>, entry: &Path) -> Result<()> {
        same_results(&built(entry)?, context.lock.supply.built())
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        self.fetch(context, job.step)?;
        let built = debian::build(context.cache, &context.catalog, context.lock.supply.debs(), job.entry);
        built.context("taking programs out of Debian's packages")
    }
}
