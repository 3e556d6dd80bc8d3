//! The boot test of a role's disks.

use anyhow::{Result, bail};

use super::payload::payload;
use super::provider_disk::{BOOTED, base_disk, disk_file, payload_disk};
use crate::boot_test::{self, Failed, Subject};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::exec::qemu;
use crate::kinds::REGISTRY;
use crate::node::{NodeAddons, NodeKind};
use crate::role::Role;

/// See the file.
pub struct BootTest {
    /// The role.
    pub role: Role,
}

impl BootTest {
    fn kind(&self, context: &Context<'_>) -> NodeKind {
        // A role's box is the same for labs with images, addons and a shell, and without. A registry is in a master's box.
        let registry = context.catalog.parts.contains(&REGISTRY);
        let addons = NodeAddons { any: true, ..NodeAddons::default() };
        NodeKind { registry, shell: true, addons, ..NodeKind::plain(context.base, self.role, context.network) }
    }
}

/// The name of a role's step.
#[must_use]
pub fn boot_test(role: Role) -> String {
    format!("boot test {role}")
}

impl Step for BootTest {
    fn name(&self) -> String {
        boot_test(self.role)
    }

    fn bucket(&self) -> &'static str {
        "boot-test"
    }

    fn version(&self) -> u32 {
        2
    }

    fn needs(&self) -> Vec<String> {
        vec![base_disk(BOOTED), payload_disk(self.role, BOOTED), payload(self.role)]
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        boot_test::key(self.kind(context), key)
    }

    fn processors(&self) -> f64 {
        PROCESSORS
    }

    fn memory(&self, context: &Context<'_>) -> u64 {
        memory(context)
    }

    fn preflight(&self, context: &Context<'_>) -> Vec<anyhow::Error> {
        preflight(context)
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let payload_of_role = crate::payload::read(job.needs.get(&payload(self.role))?)?;
        let test = boot_test::config(self.kind(context), &payload_of_role)?;
        let subject = Subject {
            role: self.role,
            disk: &job.needs.get(&base_disk(BOOTED))?.join(disk_file(BOOTED)),
            payload: &job.needs.get(&payload_disk(self.role, BOOTED))?.join(disk_file(BOOTED)),
            images: None,
            config: &test.config,
            checks: &test.checks,
            memory: boot_test::memory(context.base),
            accelerator: context.accelerator()?,
        };
        boot(&subject, context, job)
    }
}

/// A guest with one processor that waits now and then: three of them are well on two.
pub(super) const PROCESSORS: f64 = 0.6;

/// The guest's, and qemu's own, in MiB.
pub(super) fn memory(context: &Context<'_>) -> u64 {
    u64::from(boot_test::memory(context.base)) + 256
}

/// What is missing on this machine for any boot test.
pub(super) fn preflight(context: &Context<'_>) -> Vec<anyhow::Error> {
    let packer = || boot_test::preflight(context.cache.scratch()?.path());
    [qemu::system().err(), packer().err()].into_iter().flatten().collect()
}

/// Boots it, and keeps the report if all checks hold.
pub(super) fn boot(subject: &Subject<'_>, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
    let scratch = context.cache.scratch()?;
    let report = boot_test::run(subject, scratch.path(), job.step)?;
    if !report.failures().is_empty() {
        bail!(Failed(report));
    }
    boot_test::write(job.entry, &report)?;
    Ok(format!("{} checks hold ({})", report.answers.len(), subject.accelerator.name()))
}
