//! Programs that come with hab's lock instead of from the host.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use super::Tool;

/// A folder of programs, run with nothing of the caller's environment: what they write depends on their arguments.
#[derive(Debug, Clone)]
pub struct PinnedTools {
    bin: PathBuf,
}

impl PinnedTools {
    /// The programs in `bin`.
    #[must_use]
    pub fn at(bin: PathBuf) -> Self {
        Self { bin }
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
        // No one's settings in a home folder.
        Ok(tool.env("HOME", "/nonexistent"))
    }
}
