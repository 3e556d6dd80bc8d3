//! vagrant: makes a lab's machines and takes them away, as its user would.

use std::path::Path;

use anyhow::Result;

use super::Tool;

/// Takes the machines of `nodes` away, but for their data disks and what the lab has saved; `each` gets every line that vagrant says.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn destroy_but_data(lab: &Path, nodes: &[&str], each: impl FnMut(&str)) -> Result<()> {
    vagrant(lab)?.env("HAB_DATA", "keep").env("HAB_SAVES", "keep").args(["destroy", "--force"]).args(nodes).stream(each)
}

/// Makes the machines of `nodes` with this provider and starts them, without waiting until they are Ready; `each` gets every
/// line that vagrant says. Of a machine that is gone Vagrant does not remember what ran it.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn up(lab: &Path, nodes: &[&str], provider: &str, each: impl FnMut(&str)) -> Result<()> {
    let tool = vagrant(lab)?.env("HAB_WAIT", "off").arg("up").arg(format!("--provider={provider}"));
    tool.args(nodes).stream(each)
}

/// As [`up`], for all machines of the lab; those that are made anew begin with the data disks in the folder `data`, each a
/// qcow2 with its volume's name.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn up_with_data(lab: &Path, data: &Path, provider: &str, each: impl FnMut(&str)) -> Result<()> {
    let tool = vagrant(lab)?.env("HAB_WAIT", "off").env("HAB_DATA_FROM", data);
    tool.arg("up").arg(format!("--provider={provider}")).stream(each)
}

/// Starts the machines of `nodes` again, without waiting until they are Ready; `each` gets every line that vagrant says.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn reload(lab: &Path, nodes: &[&str], each: impl FnMut(&str)) -> Result<()> {
    vagrant(lab)?.env("HAB_WAIT", "off").arg("reload").args(nodes).stream(each)
}

/// Vagrant's version, as it says it.
///
/// # Errors
/// vagrant is not installed, or fails.
pub fn version() -> Result<String> {
    Ok(Tool::find("vagrant", "vagrant")?.arg("--version").text()?.trim().to_owned())
}

fn vagrant(lab: &Path) -> Result<Tool> {
    Ok(Tool::find("vagrant", "vagrant")?.dir(lab).arg("--no-color"))
}
