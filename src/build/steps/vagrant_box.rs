//! A role's box: both disks in one archive.

use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;

use super::boot_test::boot_test;
use super::provider_disk::{base_disk, disk_file, payload_disk};
use crate::build::{Context, Job, Step};
use crate::cache::KeyBuilder;
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
}

/// The name of a role's step.
#[must_use]
pub fn vagrant_box(role: Role) -> String {
    format!("box {role}")
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
        vagrant_box(self.role)
    }

    fn bucket(&self) -> &'static str {
        "box"
    }

    fn version(&self) -> u32 {
        1
    }

    fn needs(&self) -> Vec<String> {
        // Nothing is boxed whose boot test did not pass.
        vec![boot_test(self.role), base_disk(), payload_disk(self.role)]
    }

    fn inputs(&self, context: &Context<'_>, key: KeyBuilder) -> Result<KeyBuilder> {
        let metadata = (context.provider.box_metadata)(&[]).to_string();
        Ok(key.add("vagrantfile", context.provider.box_vagrantfile).add("metadata", metadata))
    }

    fn run(&self, context: &Context<'_>, job: &Job<'_>) -> Result<String> {
        let disks = [base_disk(), payload_disk(self.role)];
        let [base, payload] =
            disks.each_ref().map(|name| job.needs.get(name).map(|entry| entry.join(disk_file(context))));
        let about = || format!("packing the box {}", self.role);
        let packed = pack(&job.entry.join(BOX), context.provider, &[&base?, &payload?]).with_context(about)?;
        fs::write(job.entry.join(PACKED), serde_json::to_vec(&packed)?)?;
        Ok(format!("{} MiB", packed.size >> 20))
    }
}
