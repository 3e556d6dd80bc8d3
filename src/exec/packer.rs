//! packer: boots a role's disks from the static template with a file of variables.

use std::path::Path;

use anyhow::{Context as _, Error, Result, anyhow};
use tempfile::TempDir;

use super::{Tool, arg_with_path};

/// What to say when packer is missing: Debian 12 has it, later releases do not.
const PACKAGE: &str = "packer (Debian 13 has none; hab's tests/lib/packer.sh builds it from its Go modules)";

/// What packer says of a template's source whose builder it lacks (its `hcl2template/plugin.go`). From 1.10 on it comes
/// without any builder, and qemu's is a plugin to be installed.
const NO_BUILDER: &str = "Unknown source type qemu";

/// packer, with `sockets` for its plugins' sockets and `scratch` for all else.
fn packer(scratch: &Path, sockets: &Path) -> Result<Tool> {
    Ok(Tool::find("packer", PACKAGE)?
        // Neither a look for updates nor anything outside these folders.
        .env("CHECKPOINT_DISABLE", "1")
        .env("PACKER_CACHE_DIR", scratch.join("packer-cache"))
        .env("TMPDIR", sockets)
        .dir(scratch))
}

/// A folder with a short name. packer speaks to its own parts through sockets in `TMPDIR`, whose whole path may have
/// 107 characters (unix(7), `sun_path`); in the cache's folders it has more, and packer then crashes.
fn sockets() -> Result<TempDir> {
    tempfile::Builder::new().prefix("hab-").tempdir().context("making a folder for packer's sockets")
}

/// Runs `packer build`, handing each line it says to `each`.
///
/// # Errors
/// packer is missing or fails; its own success says nothing about the guest.
pub fn build(scratch: &Path, template: &Path, variables: &Path, each: impl FnMut(&str)) -> Result<()> {
    let sockets = sockets()?;
    let tool = packer(scratch, sockets.path())?.args(["build", "-color=false"]);
    tool.arg(arg_with_path("-var-file=", variables)).arg(template).stream(each).map_err(explained)
}

/// Runs `packer validate`.
///
/// # Errors
/// packer is missing, or refuses the template.
pub fn validate(scratch: &Path, template: &Path, variables: &Path) -> Result<()> {
    let sockets = sockets()?;
    let tool = packer(scratch, sockets.path())?.arg("validate");
    tool.arg(arg_with_path("-var-file=", variables)).arg(template).run().map_err(explained)
}

/// An error of packer's with what to do about it, where that is known.
fn explained(error: Error) -> Error {
    if error.to_string().contains(NO_BUILDER) {
        return anyhow!("packer has no qemu plugin; get it by: packer plugins install github.com/hashicorp/qemu");
    }
    error
}
