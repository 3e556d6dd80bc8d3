//! The base disk, which every role boots from.

use anyhow::{Context as _, Result};

use super::tools;
use crate::base::BaseBuild;
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::progress;

/// See the file.
pub struct BaseDisk;

/// The step's name.
pub const NAME: &str = "base";

/// The base with what making it takes.
pub fn base<'a>(context: &'a Context<'_>) -> BaseBuild<'a> {
    BaseBuild { cache: context.cache, lock: &context.lock.base, provider: context.provider }
}

impl Step for BaseDisk {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn bucket(&self) -> &'static str {
        "base"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        vec![tools::NAME.to_owned()]
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        base(context).key(key)
    }

    fn memory(&self, _context: &Context<'_>) -> u64 {
        1024
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        base(context).fetch(step)
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        self.fetch(context, job.step)?;
        let built = base(context).build(Some(job.needs.get(tools::NAME)?), job.entry, job.step);
        built.context("building the base disk")
    }
}
