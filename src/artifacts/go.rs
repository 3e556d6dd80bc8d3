//! What Go builds: all programs of an upstream.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fs_err as fs;

use super::artifact::{Listed, write_programs};
use super::{Catalog, GO, Upstream, release};
use crate::arch::TARGET;
use crate::cache::{Cache, KeyBuilder, Scratch};
use crate::digest::sha256_file;
use crate::download::cached;
use crate::exec::go::{BUILD_FLAGS, FIXED, Go};
use crate::lock::ReleaseFile;
use crate::progress::StepHandle;

/// How often the name of the package being compiled is passed on; Kubernetes has thousands.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// Where the Go comes from that builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toolchain<'a> {
    /// The host's Go fetches this one as a module, such as `go1.26.8`.
    Module(&'a str),
    /// Its publisher's archive.
    Archive(&'a ReleaseFile),
}

/// An upstream, with what building it takes.
#[derive(Clone, Copy)]
pub struct GoBuild<'a> {
    /// Where Go's own caches are.
    pub cache: &'a Cache,
    /// What there is to build.
    pub catalog: &'a Catalog,
    /// What builds it.
    pub toolchain: Toolchain<'a>,
    /// The upstream's name.
    pub name: &'a str,
}

/// Go, ready to be run.
struct Ready {
    go: Go,
    /// The folder that it is unpacked to, if it is.
    _unpacked: Option<Scratch>,
}

impl GoBuild<'_> {
    fn upstream(&self) -> Result<&Upstream> {
        self.catalog.upstream(self.name)
    }

    fn go(&self) -> Result<Ready> {
        let home = self.cache.root().join("go");
        match self.toolchain {
            Toolchain::Module(version) => Ok(Ready { go: Go::new(&home, version), _unpacked: None }),
            Toolchain::Archive(file) => {
                let scratch = self.cache.scratch()?;
                let archive = cached(self.cache, &release::wanted(file))?;
                release::unpack(&archive, scratch.path()).with_context(|| format!("unpacking {}", file.url))?;
                Ok(Ready { go: Go::unpacked(&home, &scratch.path().join(GO)), _unpacked: Some(scratch) })
            }
        }
    }

    /// Everything that could change a program's bytes.
    ///
    /// # Errors
    /// hab was built without the upstream's folder.
    pub fn key(&self, key: KeyBuilder) -> Result<KeyBuilder> {
        let (level, value) = TARGET.go_level;
        let key = match self.toolchain {
            Toolchain::Module(version) => key.add("go", version),
            Toolchain::Archive(file) => key.add("go archive", &file.sha256),
        };
        let mut key = key.add("arch", TARGET.go).add(level, value).add("ldflags", self.upstream()?.ldflags());
        key = key.add_all("flag", BUILD_FLAGS);
        let tags = &self.upstream()?.tags;
        // Others keep the key that they had before there was this.
        if !tags.is_empty() {
            key = key.add_all("tag", tags);
        }
        for (name, value) in FIXED {
            key = key.add(name, value);
        }
        for (name, bytes) in self.upstream()?.files()? {
            key = key.add(&name, bytes);
        }
        for (name, package) in self.catalog.go_packages(self.name) {
            key = key.add(name, package);
        }
        Ok(key)
    }

    /// Whether the toolchain can be had.
    ///
    /// # Errors
    /// Go is not installed, or too old to fetch the toolchain.
    pub fn preflight(&self) -> Result<()> {
        match self.toolchain {
            Toolchain::Module(_) => self.go()?.go.preflight(),
            Toolchain::Archive(_) => Ok(()),
        }
    }

    /// Fills Go's module cache with the toolchain and all that the upstream needs.
    ///
    /// # Errors
    /// A module can't be had, or is not what its checksum says.
    pub fn fetch(&self, step: &StepHandle<'_>) -> Result<()> {
        if let Toolchain::Archive(file) = self.toolchain {
            release::downloads(self.cache).fetch(&release::wanted(file), step).context("fetching Go")?;
            // It needs no more, and unpacking takes a while.
            if !self.upstream()?.files()?.iter().any(|(name, _)| name == "go.sum") {
                return Ok(());
            }
        }
        let Ready { go, _unpacked } = self.go()?;
        let source = self.unfold()?;
        let packages: Vec<&str> = self.catalog.go_packages(self.name).into_values().collect();
        let fetched = go.fetch(source.path(), &self.upstream()?.flags(), &packages, |line| step.status(line));
        fetched.with_context(|| format!("fetching the Go modules of {}", self.name))
    }

    /// Builds the programs into `entry`.
    ///
    /// # Errors
    /// They do not build; the end of what Go said is in the error.
    pub fn build(&self, entry: &Path, step: &StepHandle<'_>) -> Result<String> {
        let upstream = self.upstream()?;
        if matches!(self.toolchain, Toolchain::Archive(_)) {
            self.fetch(step)?;
            step.status("unpacking Go");
        }
        let Ready { go, _unpacked } = self.go()?;
        let (source, out) = (self.unfold()?, entry.join("bin"));
        let packages = self.catalog.go_packages(self.name);
        let mut status = throttled(step);
        let paths: Vec<&str> = packages.values().copied().collect();
        go.build(source.path(), &upstream.flags(), &out, &paths, |line| status(line))
            .with_context(|| format!("building {} from its Go modules", self.name))?;
        let mut programs = BTreeMap::new();
        for (name, package) in packages {
            let built = go_name(package);
            if built != name {
                fs::rename(out.join(built), out.join(name))?;
            }
            let sha256 = sha256_file(&out.join(name))?;
            programs.insert(name, Listed { sha256, version: upstream.version.clone(), libraries: BTreeMap::new() });
        }
        write_programs(entry, &programs)?;
        Ok(format!(
            "{} built",
            if programs.len() == 1 { "1 program".into() } else { format!("{} programs", programs.len()) }
        ))
    }

    /// The upstream's folder as files; where it lies does not show in the result (`-trimpath`).
    fn unfold(&self) -> Result<Scratch> {
        let scratch = self.cache.scratch()?;
        for (name, bytes) in self.upstream()?.files()? {
            fs::write(scratch.path().join(name), bytes)?;
        }
        Ok(scratch)
    }
}

/// What Go calls the program of a package: the last part of its path, before a major version.
fn go_name(package: &str) -> &str {
    let mut parts = package.rsplit('/');
    let last = parts.next().unwrap_or_default();
    let is_major = last.strip_prefix('v').is_some_and(|number| number.parse::<u32>().is_ok());
    if is_major { parts.next().unwrap_or(last) } else { last }
}

fn throttled<'s>(step: &'s StepHandle<'_>) -> impl FnMut(&str) + 's {
    let (mut count, mut last) = (0_usize, Instant::now());
    move |line| {
        count += 1;
        if last.elapsed() >= STATUS_EVERY {
            last = Instant::now();
            step.status(&format!("{count} packages, now {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Supply;

    #[test]
    fn a_program_is_called_by_the_last_part_of_its_package() {
        for (package, name) in [
            ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
            ("go.etcd.io/etcd/etcdctl/v3", "etcdctl"),
            ("sigs.k8s.io/kube-network-policies/cmd", "cmd"),
            ("hab.local/vim", "vim"),
        ] {
            assert_eq!(go_name(package), name);
        }
    }

    #[test]
    fn every_input_changes_the_key() {
        let cache = Cache::at("/nonexistent".into());
        let catalog = Catalog::source(Supply::Source.kubernetes_versions()[0]).unwrap();
        let key = |catalog: &Catalog, go: &str, name: &str| {
            let build = GoBuild { cache: &cache, catalog, toolchain: Toolchain::Module(go), name };
            build.key(KeyBuilder::new()).unwrap().key()
        };
        let base = key(&catalog, "go1.26.8", "etcd");
        assert_eq!(base, key(&catalog, "go1.26.8", "etcd"));
        assert_ne!(base, key(&catalog, "go1.26.9", "etcd"));
        assert_ne!(base, key(&catalog, "go1.26.8", "cni"));
        let archive = |sha256: &str| {
            let file = ReleaseFile { url: "u".into(), size: 1, sha256: sha256.into() };
            let build =
                GoBuild { cache: &cache, catalog: &catalog, toolchain: Toolchain::Archive(&file), name: "etcd" };
            build.key(KeyBuilder::new()).unwrap().key()
        };
        assert_ne!(base, archive("go1.26.8"));
        assert_ne!(archive("go1.26.8"), archive("go1.26.9"));
        let mut fewer = catalog.clone();
        fewer.artifacts.remove("etcdctl");
        assert_ne!(base, key(&fewer, "go1.26.8", "etcd"));
        let mut stamped = catalog;
        stamped.upstreams.get_mut("etcd").unwrap().stamp.insert("a.b".into(), "c".into());
        assert_ne!(base, key(&stamped, "go1.26.8", "etcd"));
    }
}
