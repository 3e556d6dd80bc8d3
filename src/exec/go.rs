//! The Go toolchain, with everything that could change the bytes of its results fixed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Tool, arg_with_path};

/// Go, with its caches in one folder.
#[derive(Debug, Clone)]
pub struct Go {
    home: PathBuf,
}

impl Go {
    /// Go that keeps modules, objects and its own notes under `home` and nowhere else.
    #[must_use]
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    /// The toolchain's version, such as `go1.26.8`.
    ///
    /// # Errors
    /// Go is not installed.
    pub fn version(&self) -> Result<String> {
        let text = self.tool()?.args(["env", "GOVERSION"]).text().context("asking Go for its version")?;
        Ok(text.trim().to_owned())
    }

    /// Downloads, into the cache, the modules that `packages` need: those and no others, unlike `go mod download`.
    /// Returns how many packages that is.
    ///
    /// # Errors
    /// A module can't be had or its checksum is wrong.
    pub fn fetch(&self, dir: &Path, packages: &[&str], mut each: impl FnMut(&str)) -> Result<usize> {
        let mut count = 0;
        self.tool()?.dir(dir).args(["list", "-deps"]).args(packages).stream(|line| {
            // A package's path has no blank; what Go tells about downloads has.
            if line.contains(' ') { each(line) } else { count += 1 }
        })?;
        Ok(count)
    }

    /// Builds the main packages `packages` of the module in `dir` into the folder `out`; `each` hears every package
    /// as it is compiled.
    ///
    /// # Errors
    /// It does not build; the end of what Go said is in the error.
    pub fn build(
        &self,
        dir: &Path,
        ldflags: &str,
        out: &Path,
        packages: &[&str],
        each: impl FnMut(&str),
    ) -> Result<()> {
        // A trailing slash tells Go that it is a folder.
        let out = arg_with_path("-o=", &out.join(""));
        let tool = self.tool()?.dir(dir).args(["build", "-v"]).args(BUILD_FLAGS).arg("-ldflags").arg(ldflags);
        tool.arg(out).args(packages).stream(each)
    }

    /// Where the cache has the module `path` that the module in `dir` requires; it is fetched when it is not there.
    ///
    /// # Errors
    /// It can't be had or its checksum is wrong.
    pub fn module(&self, dir: &Path, path: &str) -> Result<PathBuf> {
        #[derive(Deserialize)]
        struct Module {
            #[serde(rename = "Dir")]
            dir: PathBuf,
        }
        let json = self.tool()?.dir(dir).args(["mod", "download", "-json", path]).output()?;
        let module: Module = serde_json::from_slice(&json).context("reading the answer of `go mod download`")?;
        Ok(module.dir)
    }

    /// `GOPROXY`, `GOSUMDB` and their kind stay the user's; they decide where modules come from, never what they are.
    fn tool(&self) -> Result<Tool> {
        let tool = Tool::find("go", "golang-go").context(
            "hab needs Go 1.26 or newer; where the distribution's is older, take it from https://go.dev/dl/",
        )?;
        let tool = FIXED.iter().fold(tool, |tool, (key, value)| tool.env(key, value));
        Ok(tool
            .env("GOMODCACHE", self.home.join("mod"))
            .env("GOCACHE", self.home.join("build"))
            .env("GOPATH", self.home.join("path"))
            // Go counts its own use in a file under the user's configuration.
            .env("XDG_CONFIG_HOME", self.home.join("config")))
    }
}

/// What `go build` is told besides the linker's flags; part of every key. No paths of this machine in the result, and
/// nothing about a repository that the folder may happen to lie in.
pub const BUILD_FLAGS: [&str; 2] = ["-trimpath", "-buildvcs=false"];

/// The surroundings that change bytes, or where a module comes from (<https://pkg.go.dev/cmd/go#hdr-Environment_variables>); part of every key.
pub const FIXED: [(&str, &str); 13] = [
    ("CGO_ENABLED", "0"),
    ("GO111MODULE", "on"),
    ("GOAMD64", "v1"),
    ("GOARCH", "amd64"),
    ("GODEBUG", ""),
    ("GOENV", "off"),
    ("GOEXPERIMENT", ""),
    ("GOFIPS140", "off"),
    // Writable, so that `hab clean` can remove the cache.
    ("GOFLAGS", "-mod=readonly -modcacherw"),
    ("GOOS", "linux"),
    ("GOROOT", ""),
    ("GOTOOLCHAIN", "local"),
    ("GOWORK", "off"),
];
