//! All programs of an upstream, built by Go.

use std::path::Path;

use anyhow::{Error, Result};

use crate::artifacts::{built, go::GoBuild, same_results};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::progress;

/// See the file.
pub struct GoPrograms {
    /// The upstream's name.
    pub name: String,
}

impl GoPrograms {
    fn go<'a>(&'a self, context: &'a Context<'_>) -> Result<GoBuild<'a>> {
        Ok(GoBuild {
            cache: context.cache,
            catalog: &context.catalog,
            toolchain: context.toolchain()?,
            name: &self.name,
        })
    }
}

impl Step for GoPrograms {
    fn name(&self) -> String {
        self.name.clone()
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

    fn detail(&self, context: &Context<'_>) -> Option<String> {
        context.catalog.upstream(&self.name).ok().map(|upstream| upstream.version.clone())
    }

    fn processors(&self) -> f64 {
        0.0
    }

    fn memory(&self, _context: &Context<'_>) -> u64 {
        // Kubernetes' largest links take 3 GiB; side by side with nothing else that needs as much.
        3072
    }

    fn fetch(&self, context: &Context<'_>, step: &progress::StepHandle<'_>) -> Result<()> {
        self.go(context)?.fetch(step)
    }

    fn preflight(&self, context: &Context<'_>) -> Vec<Error> {
        self.go(context).and_then(|go| go.preflight()).err().into_iter().collect()
    }

    fn check(&self, context: &Context<'_>, entry: &Path) -> Result<()> {
        same_results(&built(entry)?, context.lock.supply.built())
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        self.go(context)?.build(job.entry, job.step)
    }
}
