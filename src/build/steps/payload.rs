//! The payload disk of a role.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};

use super::packed_image::packed_image;
use super::tools;
use crate::artifacts::Artifacts;
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::exec::mksquashfs;
use crate::payload::{self, Contents};
use crate::role::Role;

/// See the file.
pub struct Payload {
    role: Role,
    contents: Contents,
    programs: BTreeSet<String>,
}

/// The name of a role's step.
pub fn payload(role: Role) -> String {
    format!("payload {role}")
}

impl Payload {
    /// The payload with `contents`; `makers` says which step makes which program.
    ///
    /// # Errors
    /// Nothing makes one of them.
    pub fn new(role: Role, contents: Contents, makers: &BTreeMap<&str, String>) -> Result<Self> {
        let maker = |name: &str| makers.get(name).cloned().with_context(|| format!("nothing makes {name}"));
        let programs = contents.placed().map(|(_, name)| maker(name)).collect::<Result<_>>()?;
        Ok(Self { role, contents, programs })
    }
}

impl Step for Payload {
    fn name(&self) -> String {
        payload(self.role)
    }

    fn bucket(&self) -> &'static str {
        "payload"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        let images = self.contents.images.iter().map(|name| packed_image(name));
        [tools::NAME.to_owned()].into_iter().chain(self.programs.iter().cloned()).chain(images).collect()
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        let mut key = key.add("role", self.role.name());
        key = key.add_all("fixed", mksquashfs::FIXED).add_all("stored", mksquashfs::STORED);
        for (folder, name) in self.contents.placed() {
            key = key.add("folder", folder).add("program", name);
            if let Some(artifact) = context.catalog.artifacts.get(name) {
                key = key.add("says", &artifact.says).add_all("check", &artifact.check);
            }
        }
        Ok(key.add_all("image", &self.contents.images))
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let mut artifacts = Artifacts::default();
        for step in &self.programs {
            artifacts.add_programs(&context.catalog, job.needs.get(step)?)?;
        }
        for name in &self.contents.images {
            artifacts.add_image(name, job.needs.get(&packed_image(name))?)?;
        }
        payload::build(self.role, &self.contents, &artifacts, job.needs.get(tools::NAME)?, job.entry)
    }
}
