//! A role's box: both disks in one archive.

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;

use super::boot_test::boot_test;
use super::provider_disk::{base_disk, disk_file, payload_disk, suffix};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
use crate::kinds::Provider;
use crate::provider::facts;
use crate::role::Role;
use crate::vagrant_box::{Packed, pack};

/// The box's file in an entry.
pub const BOX: &str = "package.box";

/// Its digest and size.
const PACKED: &str = "packed.json";

/// See the file.
pub struct VagrantBox {
    /// The role.
    pub role: Role,
    /// What it is for.
    pub provider: Provider,
}

/// The name of the step of a role's box for a provider.
#[must_use]
pub fn vagrant_box(role: Role, provider: Provider) -> String {
    format!("box {role}{}", suffix(provider))
}

/// The digest and size of the box in an entry.
///
/// # Errors
/// They can't be read.
pub fn packed(entry: &Path) -> Result<Packed> {
    let path = entry.join(PACKED);
    serde_json::from_slice(&fs::read(&path)?).with_context(|| format!("reading {}", path.display()))
}

impl Step for VagrantBox {
    fn name(&self) -> String {
        vagrant_box(self.role, self.provider)
    }

    fn bucket(&self) -> &'static str {
        "box"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        // Nothing is boxed whose boot test did not pass.
        vec![boot_test(self.role), base_disk(self.provider), payload_disk(self.role, self.provider)]
    }

    fn inputs(&self, _context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        let facts = facts(self.provider);
        Ok(key.add("vagrantfile", facts.box_vagrantfile).add("metadata", facts.box_key))
    }

    fn run(&self, _context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let disks = [base_disk(self.provider), payload_disk(self.role, self.provider)];
        let file = disk_file(self.provider);
        let [base, payload] = disks.each_ref().map(|name| job.needs.get(name).map(|entry| entry.join(&file)));
        let about = || format!("packing the box {}", self.role);
        let packed = pack(&job.entry.join(BOX), facts(self.provider), &[&base?, &payload?]).with_context(about)?;
        fs::write(job.entry.join(PACKED), serde_json::to_vec(&packed)?)?;
        Ok(format!("{} MiB", packed.size >> 20))
    }
}
