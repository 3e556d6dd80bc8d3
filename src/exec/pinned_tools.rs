//! Programs that come with hab's lock instead of from the host.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Tool;

/// The folders of an entry: the packages' files, and small scripts that start their programs.
pub const FILES: &str = "files";
/// See [`FILES`].
pub const BIN: &str = "bin";

/// Programs that are run with nothing of the caller's environment: what they write depends on their arguments alone.
#[derive(Debug, Clone)]
pub struct PinnedTools {
    bin: PathBuf,
    files: PathBuf,
}

impl PinnedTools {
    /// The programs in the cache's entry `entry`.
    #[must_use]
    pub fn open(entry: &Path) -> Self {
        Self { bin: entry.join(BIN), files: entry.join(FILES) }
    }

    /// The folder of the packages' files.
    #[must_use]
    pub fn files(&self) -> &Path {
        &self.files
    }

    /// The program `name`.
    ///
    /// # Errors
    /// As [`Tool::at`].
    pub fn tool(&self, name: &str) -> Result<Tool> {
        let mut path = self.bin.clone().into_os_string();
        // The programs are started by small shell scripts; some call each other by name.
        path.push(OsString::from(":/usr/bin:/bin"));
        let tool = Tool::at(self.bin.join(name))?.bare().env("PATH", path).env("LC_ALL", "C").env("TZ", "UTC");
        // Without any user's settings in a home folder.
        Ok(tool.env("HOME", "/nonexistent"))
    }
}
