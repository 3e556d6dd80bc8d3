//! skopeo: fetches container images from registries, archives and OCI layouts, and checks the digests of what it fetches.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err as fs;

use super::pinned_tools::PinnedTools;
use super::{Tool, plain_path};
use crate::arch::TARGET;

/// What of the caller's environment counts: who the user is for a registry, and the ways to the network.
const OF_THE_USER: [&str; 13] = [
    "HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "REGISTRY_AUTH_FILE",
    "DOCKER_CONFIG",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// How long a question about a manifest, of some KiB, may take, with skopeo's own tries.
const PATIENCE: &str = "2m";

/// skopeo, with settings that are hab's and not the machine's.
#[derive(Debug, Clone)]
pub struct Skopeo {
    tools: PinnedTools,
    folder: PathBuf,
    registries: PathBuf,
    /// Where paths of images in the lab begin.
    lab: PathBuf,
}

impl Skopeo {
    /// The one of `tools`, with this `registries.conf` (containers-registries.conf(5)) and what else it writes in `folder`.
    ///
    /// # Errors
    /// They can't be written.
    pub fn new(tools: PinnedTools, folder: &Path, lab: &Path, registries: &str) -> Result<Self> {
        let file = folder.join("registries.conf");
        fs::write(&file, registries)?;
        // Where signatures are looked for: nowhere.
        fs::create_dir(folder.join("registries.d"))?;
        Ok(Self { tools, folder: folder.to_owned(), registries: file, lab: lab.to_owned() })
    }

    fn tool(&self) -> Result<Tool> {
        let mut tool = self.tools.tool("skopeo")?.dir(&self.lab);
        for name in OF_THE_USER {
            if let Some(value) = std::env::var_os(name) {
                tool = tool.env(name, value);
            }
        }
        // A helper that knows the user's passwords may be anywhere.
        let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
        // What decides is the digest, not who signed: a policy of the machine's says nothing here.
        let tool = tool.env("PATH", path).arg("--insecure-policy").args(["--override-os", "linux"]);
        let tool = tool.args(["--override-arch", TARGET.go, "--registries.d"]).arg(self.folder.join("registries.d"));
        Ok(tool.arg("--tmpdir").arg(&self.folder).arg("--registries-conf").arg(&self.registries))
    }

    /// The bytes of the manifest, or of the list of manifests, at `source`, such as `docker://nginx:1` or `oci:FOLDER`.
    ///
    /// # Errors
    /// It can't be had; skopeo's own words are in the error.
    pub fn manifest(&self, source: &str) -> Result<Vec<u8>> {
        self.tool()?.args(["--command-timeout", PATIENCE, "inspect", "--raw", "--"]).arg(source).output()
    }

    /// The bytes of the configuration of the image at `source`.
    ///
    /// # Errors
    /// As [`Skopeo::manifest`].
    pub fn config(&self, source: &str) -> Result<Vec<u8>> {
        self.tool()?.args(["--command-timeout", PATIENCE, "inspect", "--config", "--raw", "--"]).arg(source).output()
    }

    /// Copies the image at `source` into the OCI layout `layout`, whose blobs are not fetched again. `look` hears of it
    /// several times a second and may end it.
    ///
    /// # Errors
    /// As [`Skopeo::manifest`], or `look` says so.
    pub fn copy(&self, source: &str, layout: &Path, look: &mut dyn FnMut() -> Result<()>) -> Result<()> {
        let to = format!("oci:{}:hab", plain_path(layout, &[':'])?);
        let tool = self.tool()?.args(["copy", "--quiet", "--dest-oci-accept-uncompressed-layers", "--"]);
        tool.arg(source).arg(to).watch(look)
    }
}
