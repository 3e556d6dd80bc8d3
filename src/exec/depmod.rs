//! Which kernel module needs which.

use std::path::Path;

use anyhow::Result;

use super::pinned_tools::PinnedTools;

/// Writes the indexes that modprobe reads into `root/lib/modules/RELEASE`.
///
/// # Errors
/// There are no modules of that release.
pub fn depmod(tools: &PinnedTools, root: &Path, release: &str) -> Result<()> {
    // An empty configuration instead of the host's.
    tools.tool("depmod")?.args(["-C", "/dev/null", "-b"]).arg(root).arg(release).run()
}
