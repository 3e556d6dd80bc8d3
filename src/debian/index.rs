//! Which packages there are and what each depends on: an apt of hab's own, fed from Debian's signed indexes.

use anyhow::{Context, Result};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use super::mirror::Mirror;
use crate::arch::TARGET;
use crate::cache::Cache;
use crate::embedded::table;
use crate::exec::apt::{Apt, Download};
use crate::lock::Deb;

/// The release every base and every relocated program is from.
pub const SUITE: &str = "trixie";

/// Debian's packages of today.
#[derive(Debug)]
pub struct Index {
    apt: Apt,
    mirror: Mirror,
    /// Held as long as the index: two runs at once would change each other's files.
    _held: fs::File,
}

impl Index {
    /// Fetches the indexes, or what is new in them.
    ///
    /// # Errors
    /// They can't be had, or Debian did not sign them.
    pub fn refresh(cache: &Cache) -> Result<Self> {
        cache.hold()?;
        let dir = cache.root().join("apt").join(SUITE);
        fs::create_dir_all(&dir)?;
        let held = fs::File::create(dir.join("held"))?;
        flock(&held, FlockOperation::LockExclusive).context("waiting for another run of hab to leave apt's indexes")?;
        let mirror = Mirror::find()?;
        let apt = Apt::at(&dir, &mirror.sources(SUITE), &assumed()?)?;
        apt.update().with_context(|| format!("fetching the package indexes of Debian {SUITE}"))?;
        Ok(Self { apt, mirror, _held: held })
    }

    /// `packages` and all they depend on, sorted by name.
    ///
    /// # Errors
    /// One is not there.
    pub fn closure<'a>(&self, packages: impl IntoIterator<Item = &'a str>) -> Result<Vec<Deb>> {
        let found = self.apt.closure(packages).context("asking apt what the packages depend on")?;
        let mut debs = found.iter().map(|download| self.deb(download)).collect::<Result<Vec<Deb>>>()?;
        debs.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(debs)
    }

    fn deb(&self, download: &Download) -> Result<Deb> {
        let Download { url, file, size, sha256 } = download;
        let (archive, path) = self.mirror.split(url).with_context(|| format!("{url} is in none of the archives"))?;
        let (name, version) = name_and_version(file).with_context(|| format!("{file} is no package's name"))?;
        Ok(Deb { name, version, archive, path: path.to_owned(), size: *size, sha256: sha256.clone() })
    }
}

/// From apt's `NAME_VERSION_ARCHITECTURE.deb`, in which the colon of an epoch is written `%3a`.
fn name_and_version(file: &str) -> Option<(String, String)> {
    let mut parts = file.split('_');
    Some((parts.next()?.to_owned(), parts.next()?.replace("%3a", ":")))
}

/// dpkg's status of a machine on which the packages of `assumed` are installed, in a version newer than any.
fn assumed() -> Result<String> {
    let stanzas = table("base/debian/assumed")?.map(|name| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: 9999\nArchitecture: {}\nMulti-Arch: foreign\n\
             Maintainer: hab\nDescription: only maintainer scripts need it\n\n",
            TARGET.debian
        )
    });
    Ok(stanzas.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_has_name_and_version() {
        let found = name_and_version("acpid_1%3a2.0.34-1+b1_amd64.deb").unwrap();
        assert_eq!(found, ("acpid".to_owned(), "1:2.0.34-1+b1".to_owned()));
    }

    #[test]
    fn assumed_packages_are_status_stanzas() {
        let status = assumed().unwrap();
        assert!(status.contains("Package: linux-initramfs-tool\nStatus: install ok installed\n"));
        assert!(status.ends_with("\n\n"));
    }
}
