//! vagrant: makes a lab's machines and takes them away, as its user would.

use std::path::Path;

use anyhow::Result;

use super::Tool;

/// Takes the machines of `nodes` away, but for their data disks; `each` gets every line that vagrant says.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn destroy_but_data(lab: &Path, nodes: &[&str], each: impl FnMut(&str)) -> Result<()> {
    vagrant(lab)?.env("HAB_DATA", "keep").args(["destroy", "--force"]).args(nodes).stream(each)
}

/// Makes the machines of `nodes` and starts them, without waiting until they are Ready; `each` gets every line that vagrant
/// says.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn up(lab: &Path, nodes: &[&str], each: impl FnMut(&str)) -> Result<()> {
    vagrant(lab)?.env("HAB_WAIT", "off").arg("up").args(nodes).stream(each)
}

fn vagrant(lab: &Path) -> Result<Tool> {
    Ok(Tool::find("vagrant", "vagrant")?.dir(lab).arg("--no-color"))
}
