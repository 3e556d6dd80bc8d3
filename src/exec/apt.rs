//! apt, with folders of its own: it needs no root and neither sees nor changes what the machine has installed, but the
//! machine's own ways to the network (proxies, credentials, certificates) count.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

use super::{Tool, plain_path};
use crate::arch::TARGET;

/// A private apt.
#[derive(Debug)]
pub struct Apt {
    conf: PathBuf,
}

/// One package archive that an installation would download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    /// Where from.
    pub url: String,
    /// The archive's file name: `NAME_VERSION_ARCHITECTURE.deb`, percent-encoded.
    pub file: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 from the signed index, hexadecimal.
    pub sha256: String,
}

impl Apt {
    /// The private apt in `dir`, with these sources (deb822) and this `status` (what it takes for installed).
    ///
    /// # Errors
    /// The folder can't be written, or its path has a quote in it.
    pub fn at(dir: &Path, sources: &str, status: &str) -> Result<Self> {
        let root = plain_path(dir, &['"', '\\', '\n'])?;
        for folder in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(folder))?;
        }
        fs::write(dir.join("hab.sources"), sources)?;
        fs::write(dir.join("status"), status)?;
        let conf = dir.join("apt.conf");
        fs::write(&conf, settings(root))?;
        Ok(Self { conf })
    }

    /// Brings the signed indexes up to date.
    ///
    /// # Errors
    /// One can't be fetched or its signature is not good.
    pub fn update(&self) -> Result<()> {
        Tool::find("apt-get", "apt")?.arg("-c").arg(&self.conf).args(["-qq", "update"]).run()
    }

    /// `packages` and all they depend on.
    ///
    /// # Errors
    /// One is not there, or they can't be together.
    pub fn closure<'a>(&self, packages: impl IntoIterator<Item = &'a str>) -> Result<Vec<Download>> {
        let tool = Tool::find("apt-get", "apt")?.arg("-c").arg(&self.conf);
        let text = tool.args(["-qq", "-y", "install", "--print-uris", "--"]).args(packages).text()?;
        text.lines().map(|line| parse(line).with_context(|| format!("apt-get said {line:?}"))).collect()
    }

    /// Downloads (url, SHA-256) to paths; what ends at a path has that digest.
    ///
    /// # Errors
    /// One can't be had.
    pub fn download<'a>(&self, files: impl IntoIterator<Item = (&'a str, &'a str, &'a Path)>) -> Result<()> {
        let mut tool = Tool::at(HELPER.into())?.arg("-c").arg(&self.conf).arg("download-file");
        for (url, sha256, path) in files {
            tool = tool.arg(url).arg(path).arg(format!("SHA256:{sha256}"));
        }
        tool.run()
    }

    /// Downloads `url` to `path`, from where a download that was cut off goes on; `look` hears of it several times a second
    /// and may end it. `hashes` are in apt's way, such as `SHA256:DIGEST` or `Checksum-FileSize:BYTES`. What ends at the
    /// path has them all; a file that has not is put aside with the ending `.FAILED`.
    ///
    /// # Errors
    /// It can't be had or is another, or `look` says so; what came of it is at the path.
    pub fn download_one(
        &self,
        url: &str,
        hashes: &[String],
        path: &Path,
        look: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
        let tool =
            Tool::at(HELPER.into())?.arg("-c").arg(&self.conf).args(["download-file", url]).arg(path).args(hashes);
        // Its words are looked at.
        tool.env("LC_ALL", "C").watch(look)
    }
}

/// Part of the package apt, but in a folder that PATH does not name.
const HELPER: &str = "/usr/lib/apt/apt-helper";

/// A package index that the machine's own apt uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The repository's address.
    pub address: String,
    /// Such as `bookworm-security`.
    pub suite: String,
    /// Such as `main`.
    pub component: String,
}

/// The package indexes that the machine's own apt uses.
///
/// # Errors
/// apt is not there.
pub fn machine_sources() -> Result<Vec<Source>> {
    let format = "$(REPO_URI)\t$(RELEASE)\t$(COMPONENT)";
    let text =
        Tool::find("apt-get", "apt")?.args(["indextargets", "--format", format, "Created-By: Packages"]).text()?;
    let sources = text.lines().filter_map(|line| {
        let [address, suite, component] = <[&str; 3]>::try_from(line.split('\t').collect::<Vec<_>>()).ok()?;
        Some(Source { address: address.into(), suite: suite.into(), component: component.into() })
    });
    Ok(sources.collect())
}

/// Read by apt after everything of the machine's, so it has the last word.
fn settings(root: &str) -> String {
    let arch = TARGET.debian;
    format!(
        r#"#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Architectures;
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Default-Release "";
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Sandbox::User "";
APT::Update::Error-Mode "any";
Acquire::ForceHash "SHA256";
Acquire::Languages "none";
Acquire::Retries "3";
Dir::State "{root}";
Dir::State::lists "{root}/lists";
Dir::State::status "{root}/status";
Dir::Cache "{root}/cache";
Dir::Etc::sourcelist "{root}/hab.sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Log "{root}";
"#
    )
}

/// A line of `--print-uris`: `'URL' FILE SIZE SHA256:DIGEST`.
fn parse(line: &str) -> Option<Download> {
    let mut words = line.split(' ');
    let url = words.next()?.strip_prefix('\'')?.strip_suffix('\'')?.to_owned();
    let file = words.next()?.to_owned();
    let size = words.next()?.parse().ok()?;
    let sha256 = words.next()?.strip_prefix("SHA256:")?.to_owned();
    Some(Download { url, file, size, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_print_uris_is_read() {
        let found = parse("'http://m/debian/pool/main/a/acpid/acpid_2_amd64.deb' acpid_1%3a2_amd64.deb 46 SHA256:ab");
        let found = found.unwrap();
        assert_eq!((found.file.as_str(), found.size, found.sha256.as_str()), ("acpid_1%3a2_amd64.deb", 46, "ab"));
        assert!(found.url.ends_with("acpid_2_amd64.deb"));
    }

    #[test]
    fn a_weaker_digest_is_refused() {
        assert!(parse("'http://m/a.deb' a.deb 46 MD5Sum:ab").is_none());
    }
}
