//! Which kernel module needs which.

use std::path::Path;

use anyhow::Result;

use super::toolbox::Toolbox;

/// Writes the indexes that modprobe reads into `root/lib/modules/RELEASE`.
///
/// # Errors
/// There are no modules of that release.
pub fn depmod(toolbox: &Toolbox, root: &Path, release: &str) -> Result<()> {
    // An empty configuration instead of the host's.
    toolbox.tool("depmod").args(["-C", "/dev/null", "-b"]).arg(root).arg(release).run()
}
