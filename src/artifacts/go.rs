//! What Go builds: all programs of an upstream.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use fs_err as fs;

use super::artifact::{Listed, write_programs};
use super::{Catalog, Upstream};
use crate::arch::TARGET;
use crate::cache::{Cache, KeyBuilder, Scratch};
use crate::digest::{sha256, sha256_file};
use crate::exec::go::{BUILD_FLAGS, FIXED, Go};
use crate::lock::Source;
use crate::progress::Step;

/// How often the name of the package being compiled is passed on; Kubernetes has thousands.
const STATUS_EVERY: Duration = Duration::from_millis(500);

/// An upstream, with what building it takes.
#[derive(Clone, Copy)]
pub struct GoBuild<'a> {
    /// Where Go's own caches are.
    pub cache: &'a Cache,
    /// What there is to build.
    pub catalog: &'a Catalog,
    /// The toolchain.
    pub lock: &'a Source,
    /// The upstream's name.
    pub name: &'a str,
}

impl GoBuild<'_> {
    fn upstream(&self) -> Result<&Upstream> {
        self.catalog.upstream(self.name)
    }

    fn go(&self) -> Go {
        Go::new(&self.cache.root().join("go"), &self.lock.go)
    }

    /// Everything that could change a program's bytes.
    ///
    /// # Errors
    /// hab was built without the upstream's folder.
    pub fn key(&self, key: KeyBuilder) -> Result<KeyBuilder> {
        let (level, value) = TARGET.go_level;
        let mut key = key
            .add("go", &self.lock.go)
            .add("arch", TARGET.go)
            .add(level, value)
            .add("ldflags", self.upstream()?.ldflags());
        key = key.add_all("flag", BUILD_FLAGS);
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
        self.go().preflight()
    }

    /// Fills Go's module cache with the toolchain and all that the upstream needs.
    ///
    /// # Errors
    /// A module can't be had, or is not what its checksum says.
    pub fn fetch(&self, step: &Step<'_>) -> Result<()> {
        let source = self.unfold()?;
        let packages: Vec<&str> = self.catalog.go_packages(self.name).into_values().collect();
        let fetched = self.go().fetch(source.path(), &packages, |line| step.status(line));
        fetched.with_context(|| format!("fetching the Go modules of {}", self.name))
    }

    /// Builds the programs into `entry`.
    ///
    /// # Errors
    /// They do not build; the end of what Go said is in the error.
    pub fn build(&self, entry: &Path, step: &Step<'_>) -> Result<String> {
        let upstream = self.upstream()?;
        let (source, out) = (self.unfold()?, entry.join("bin"));
        let packages = self.catalog.go_packages(self.name);
        let mut status = throttled(step);
        let paths: Vec<&str> = packages.values().copied().collect();
        self.go()
            .build(source.path(), &upstream.ldflags(), &out, &paths, |line| status(line))
            .with_context(|| format!("building {} from its Go modules", self.name))?;
        let mut programs = BTreeMap::new();
        for name in packages.into_keys() {
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

/// The SHA-256 of an upstream's go.sum; a module without dependencies has none, which is the digest of nothing.
///
/// # Errors
/// hab was built without the upstream's folder.
pub fn sum_of_sums(upstream: &Upstream) -> Result<String> {
    let files = upstream.files()?;
    Ok(sha256(files.iter().find(|(name, _)| name == "go.sum").map_or(&[][..], |(_, bytes)| bytes)))
}

fn throttled<'s>(step: &'s Step<'_>) -> impl FnMut(&str) + 's {
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
    fn every_input_changes_the_key() {
        let cache = Cache::at("/nonexistent".into());
        let catalog = Catalog::source(Supply::Source.kubernetes_versions()[0]).unwrap();
        let key = |catalog: &Catalog, go: &str, name: &str| {
            let lock = Source { go: go.into(), upstreams: BTreeMap::new(), debs: Vec::new(), built: None };
            let build = GoBuild { cache: &cache, catalog, lock: &lock, name };
            build.key(KeyBuilder::new()).unwrap().key()
        };
        let base = key(&catalog, "go1.26.8", "etcd");
        assert_eq!(base, key(&catalog, "go1.26.8", "etcd"));
        assert_ne!(base, key(&catalog, "go1.26.9", "etcd"));
        assert_ne!(base, key(&catalog, "go1.26.8", "cni"));
        let mut fewer = catalog.clone();
        fewer.artifacts.remove("etcdctl");
        assert_ne!(base, key(&fewer, "go1.26.8", "etcd"));
        let mut stamped = catalog;
        stamped.upstreams.get_mut("etcd").unwrap().stamp.insert("a.b".into(), "c".into());
        assert_ne!(base, key(&stamped, "go1.26.8", "etcd"));
    }
}
