//! The programs that write disks, out of locked packages.

use anyhow::Result;

use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::debian;
use crate::progress;

/// See the file.
pub struct Tools;

/// The step's name.
pub const NAME: &str = "tools";

impl Step for Tools {
    fn name(&self) -> String {
        NAME.to_owned()
    }

    fn bucket(&self) -> &'static str {
        "tools"
    }

    fn version(&self) -> u32 {
        1
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        Ok(debian::tools::key(&context.lock.tools, key))
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        debian::fetch(context.cache, &context.lock.tools, step)
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        self.fetch(context, job.step)?;
        debian::tools::build(context.cache, &context.lock.tools, job.entry)?;
        Ok(format!("{} packages", context.lock.tools.len()))
    }
}
