//! packer: boots a role's disks from the static template with a file of variables.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Error, Result, anyhow};

use super::{Tool, arg_with_path};

/// What to say when packer is missing: Debian 12 has it, later releases do not.
const PACKAGE: &str = "packer (Debian 13 has none; hab's tests/lib/packer.sh builds it from its Go modules)";

/// What packer prints about a template's source whose builder it lacks (its `hcl2template/plugin.go`). From 1.10 on it comes
/// without any builder, and qemu's is a plugin to be installed.
const NO_BUILDER: &str = "Unknown source type qemu";

/// Where packer may write.
#[derive(Debug, Clone, Copy)]
pub struct Folders<'a> {
    /// Its plugins' sockets.
    pub sockets: &'a Path,
    /// All else.
    pub scratch: &'a Path,
}

fn packer(folders: Folders<'_>) -> Result<Tool> {
    Ok(Tool::find("packer", PACKAGE)?
        // Neither a look for updates nor anything outside these folders.
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_CACHE_DIR", folders.scratch.join("packer-cache"))
        .env("TMPDIR", folders.sockets)
        .dir(folders.scratch))
}

/// Runs `packer build`, until it ends or `stop` is set.
///
/// # Errors
/// packer is missing, fails or was stopped; its own success says nothing about the guest.
pub fn build(folders: Folders<'_>, template: &Path, variables: &Path, stop: &AtomicBool) -> Result<()> {
    let tool = packer(folders)?.args(["build", "-color=false"]);
    tool.arg(arg_with_path("-var-file=", variables)).arg(template).stream_until(stop, |_| {}).map_err(explained)
}

/// Runs `packer validate`.
///
/// # Errors
/// packer is missing, or refuses the template.
pub fn validate(folders: Folders<'_>, template: &Path, variables: &Path) -> Result<()> {
    let tool = packer(folders)?.arg("validate");
    tool.arg(arg_with_path("-var-file=", variables)).arg(template).run().map_err(explained)
}

/// An error of packer's with what to do about it, where that is known.
fn explained(error: Error) -> Error {
    if error.to_string().contains(NO_BUILDER) {
        return anyhow!("packer has no qemu plugin; get it by: packer plugins install github.com/hashicorp/qemu");
    }
    error
}
