//! gpgv: reads `OpenPGP` signatures. What it found is in its status lines (`GnuPG` `doc/DETAILS`), not in its exit code,
//! which is 0 for any key of the ring.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::Tool;
use super::pinned_tools::PinnedTools;

/// The program in Debian's package `gpgv-static`: one file that needs no library.
const PROGRAM: &str = "usr/bin/gpgv-static";

/// What gpgv says of `signature`, which stands beside `file`, by the keys in `keyring` alone (binary, not armored).
///
/// # Errors
/// gpgv can't be started.
pub fn status(tools: &PinnedTools, keyring: &Path, signature: &Path, file: &Path) -> Result<String> {
    let tool = Tool::at(tools.files().join(PROGRAM))?.bare().env("LC_ALL", "C");
    // Without any user's settings and keys.
    let tool = tool.args(["--homedir", "/nonexistent", "--status-fd", "1", "--keyring"]).arg(keyring);
    let said = tool.arg("--").arg(signature).arg(file).said()?;
    String::from_utf8(said).context("reading what gpgv said")
}
