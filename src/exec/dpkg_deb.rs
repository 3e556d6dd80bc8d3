//! Debian's package archives.

use std::io::Read;
use std::path::Path;

use anyhow::Result;

use super::Tool;

/// Unpacks the files of `deb` into `dir`; needs no root, and runs none of the package's scripts.
///
/// # Errors
/// It is not a whole package.
pub fn extract(deb: &Path, dir: &Path) -> Result<()> {
    Tool::find("dpkg-deb", "dpkg")?.arg("--extract").arg(deb).arg(dir).run()
}

/// Hands the files of `deb` to `read` as a tar; nothing is written.
///
/// # Errors
/// It is not a whole package, or `read` says so.
pub fn files<T>(deb: &Path, read: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    Tool::find("dpkg-deb", "dpkg")?.arg("--fsys-tarfile").arg(deb).pipe(read)
}
