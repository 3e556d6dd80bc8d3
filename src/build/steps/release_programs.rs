//! All programs of a release, as their publisher has built them.

use std::path::Path;

use anyhow::Result;

use crate::artifacts::release::ReleaseBuild;
use crate::artifacts::{built, same_results};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::progress;

/// See the file.
pub struct ReleasePrograms {
    /// The release's name.
    pub name: String,
}

impl ReleasePrograms {
    fn release<'a>(&'a self, context: &'a Context<'_>) -> Result<ReleaseBuild<'a>> {
        Ok(ReleaseBuild {
            cache: context.cache,
            catalog: &context.catalog,
            lock: context.releases()?,
            name: &self.name,
        })
    }
}

impl Step for ReleasePrograms {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn bucket(&self) -> &'static str {
        "release-programs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        self.release(context)?.key(key)
    }

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        context.catalog.release(&self.name).ok().map(|release| release.version.clone())
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        self.release(context)?.fetch(step)
    }

    fn check(&self, context: &Context<'_>, entry: &Path) -> Result<()> {
        same_results(&built(entry)?, context.lock.supply.built())
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        self.fetch(context, job.step)?;
        self.release(context)?.build(job.entry)
    }
}
