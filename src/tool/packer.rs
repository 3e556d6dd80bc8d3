//! packer: boots a role's disks from the static template with a file of variables.

use std::path::Path;

use anyhow::Result;

use super::{Tool, glue};

/// What to say when packer is missing: Debian 12 has it, later releases do not.
const PACKAGE: &str = "packer (or get it and its qemu plugin from HashiCorp)";

fn packer(scratch: &Path) -> Result<Tool> {
    Ok(Tool::find("packer", PACKAGE)?
        // Neither a look for updates nor anything outside the scratch folder.
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_CACHE_DIR", scratch.join("packer-cache"))
        .env("TMPDIR", scratch)
        .dir(scratch))
}

/// Runs `packer build`, handing each line it says to `each`.
///
/// # Errors
/// packer is missing or fails; its own success says nothing about the guest.
pub fn build(scratch: &Path, template: &Path, variables: &Path, each: impl FnMut(&str)) -> Result<()> {
    packer(scratch)?.args(["build", "-color=false"]).arg(glue("-var-file=", variables)).arg(template).stream(each)
}

/// Runs `packer validate`.
///
/// # Errors
/// packer is missing, or refuses the template.
pub fn validate(scratch: &Path, template: &Path, variables: &Path) -> Result<()> {
    packer(scratch)?.arg("validate").arg(glue("-var-file=", variables)).arg(template).run()
}
