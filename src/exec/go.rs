//! The Go toolchain, with everything that could change the bytes of its results fixed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{Tool, arg_with_path};
use crate::arch::TARGET;

/// The oldest Go that fetches a toolchain it is told to use (<https://go.dev/doc/toolchain>).
const OLDEST: (u32, u32) = (1, 21);

/// Where to get one.
const GET: &str = "Debian 13 has it as golang-go, else see https://go.dev/dl/";

/// Go, with its caches in one folder.
#[derive(Debug, Clone)]
pub struct Go {
    home: PathBuf,
    toolchain: String,
    /// The program, where it is not the host's.
    program: Option<PathBuf>,
}

impl Go {
    /// The toolchain `toolchain`, such as `go1.26.8`, with modules, objects and its own notes under `home` and nowhere
    /// else. Where the host's Go is another version, it fetches this one as a module.
    #[must_use]
    pub fn new(home: &Path, toolchain: &str) -> Self {
        Self { home: home.to_owned(), toolchain: toolchain.to_owned(), program: None }
    }

    /// The toolchain in the folder `root`, as its publisher's archive has it: the host needs no Go. `home` is as above.
    #[must_use]
    pub fn unpacked(home: &Path, root: &Path) -> Self {
        Self { home: home.to_owned(), toolchain: "local".to_owned(), program: Some(root.join("bin/go")) }
    }

    /// Looks whether the host's Go can run the toolchain.
    ///
    /// # Errors
    /// Go is not installed, or knows nothing of toolchains yet.
    pub fn preflight(&self) -> Result<()> {
        let text = self.tool()?.env("GOTOOLCHAIN", "local").args(["env", "GOVERSION"]).text();
        let version = text.context("asking Go for its version")?;
        let number = version.trim().trim_start_matches("go");
        let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        ensure!(found >= OLDEST, "hab needs Go {}.{} or newer, this machine has {number}; {GET}", OLDEST.0, OLDEST.1);
        Ok(())
    }

    /// Downloads, into the cache, the modules that `packages` need: those and no others, unlike `go mod download`. `flags`
    /// are those that they are built with.
    ///
    /// # Errors
    /// A module can't be had or its checksum is wrong.
    pub fn fetch(&self, dir: &Path, flags: &[String], packages: &[&str], mut each: impl FnMut(&str)) -> Result<()> {
        self.tool()?.dir(dir).args(["list", "-deps"]).args(flags).args(packages).stream(|line| {
            // A package's path has no blank; what Go tells about downloads has.
            if line.contains(' ') {
                each(line);
            }
        })
    }

    /// Builds the main packages `packages` of the module in `dir` into the folder `out`; `each` hears every package
    /// as it is compiled.
    ///
    /// # Errors
    /// It does not build; the end of what Go said is in the error.
    pub fn build(
        &self,
        dir: &Path,
        flags: &[String],
        out: &Path,
        packages: &[&str],
        each: impl FnMut(&str),
    ) -> Result<()> {
        // A trailing slash tells Go that it is a folder.
        let out = arg_with_path("-o=", &out.join(""));
        let tool = self.tool()?.dir(dir).args(["build", "-v"]).args(BUILD_FLAGS).args(flags);
        tool.arg(out).args(packages).stream(each)
    }

    /// `GOPROXY`, `GOSUMDB` and their kind stay the user's; they decide where modules come from, never what they are.
    fn tool(&self) -> Result<Tool> {
        let tool = match &self.program {
            Some(program) => Tool::at(program.clone())?,
            None => Tool::find("go", "golang-go").with_context(|| format!("hab needs Go; {GET}"))?,
        };
        let tool = FIXED.iter().fold(tool, |tool, (key, value)| tool.env(key, value));
        let (level, value) = TARGET.go_level;
        Ok(tool
            .env("GOARCH", TARGET.go)
            .env(level, value)
            .env("GOTOOLCHAIN", &self.toolchain)
            .env("GOMODCACHE", self.home.join("mod"))
            .env("GOCACHE", self.home.join("build"))
            .env("GOPATH", self.home.join("path"))
            // Go counts its own use in a file under the user's configuration.
            .env("XDG_CONFIG_HOME", self.home.join("config")))
    }
}

/// What `go build` is told of everything; part of every key. No paths of this machine in the result, and
/// nothing about a repository that the folder may happen to lie in.
pub const BUILD_FLAGS: [&str; 2] = ["-trimpath", "-buildvcs=false"];

/// The surroundings that change bytes, or where a module comes from (<https://pkg.go.dev/cmd/go#hdr-Environment_variables>); part of every key.
pub const FIXED: [(&str, &str); 10] = [
    ("CGO_ENABLED", "0"),
    ("GO111MODULE", "on"),
    ("GODEBUG", ""),
    ("GOENV", "off"),
    ("GOEXPERIMENT", ""),
    ("GOFIPS140", "off"),
    // Writable, so that `hab clean` can remove the cache.
    ("GOFLAGS", "-mod=readonly -modcacherw"),
    ("GOOS", "linux"),
    ("GOROOT", ""),
    ("GOWORK", "off"),
];
