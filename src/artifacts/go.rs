//! What Go builds: one cache entry for an upstream, keyed by everything that could change its bytes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fs_err as fs;

use super::{Origin, Summed, Table, verify};
use crate::cache::{Cache, Inputs, Key, Made, sha256, sha256_file};
use crate::exec::go::{BUILD_FLAGS, FIXED, Go};
use crate::lock::Toolchain;
use crate::progress::Progress;

/// The shelf of what Go built; Go's own caches are beside it.
const KIND: &str = "built";

/// The digests of an entry's files, so that using it again does not read them.
const SUMS: &str = "sums.json";

/// How often the name of the package being compiled is passed on; Kubernetes has thousands.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Go with its caches in the cache.
pub fn home(cache: &Cache) -> Go {
    Go::new(&cache.root().join("go"))
}

/// The files of an upstream's folder, by name and in order.
pub fn files(upstream: &str) -> Result<Vec<(String, &'static [u8])>> {
    let folder = crate::embedded::folder(&format!("supply/source/{upstream}"))?;
    let mut files: Vec<_> = folder
        .files()
        .filter_map(|file| Some((file.path().file_name()?.to_str()?.to_owned(), file.contents())))
        .collect();
    files.sort();
    Ok(files)
}

/// The SHA-256 of an upstream's go.sum; a module without dependencies has none, which is the digest of nothing.
pub fn sum_of_sums(upstream: &str) -> Result<String> {
    let files = files(upstream)?;
    Ok(sha256(files.iter().find(|(name, _)| name == "go.sum").map_or(&[][..], |(_, bytes)| bytes)))
}

/// Fills the module cache with what the upstream needs, unless the upstream is built already.
pub fn fetch(cache: &Cache, table: &Table, toolchain: &Toolchain, name: &str, progress: &dyn Progress) -> Result<()> {
    let (upstream, packages) = (table.upstream(name)?, packages(table, name));
    if cache.get(KIND, &key(name, toolchain, &upstream.ldflags(), &packages)?).is_some() {
        return Ok(());
    }
    let what = format!("Go modules of {name} {}", upstream.version);
    progress.begin(&what);
    let source = unfold(cache, name)?;
    let paths: Vec<&str> = packages.values().copied().collect();
    let count = home(cache).fetch(&source, &paths, |line| progress.note(line));
    let count = count.with_context(|| format!("fetching the {what}"))?;
    progress.end(&what, &format!("{count} packages there"));
    Ok(())
}

/// The upstream's programs, by artifact name.
pub fn build(
    cache: &Cache,
    table: &Table,
    toolchain: &Toolchain,
    name: &str,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, Summed>> {
    let (ldflags, packages) = (table.upstream(name)?.ldflags(), packages(table, name));
    let key = key(name, toolchain, &ldflags, &packages)?;
    let what = format!("{name} {}", table.upstream(name)?.version);
    let began = Instant::now();
    let (entry, made) = cache.get_or_make(KIND, &key, |entry| {
        progress.begin(&what);
        verify::same_compiler(&home(cache).version()?, &toolchain.go)?;
        let (source, out) = (unfold(cache, name)?, entry.join("bin"));
        let mut note = throttled(progress);
        let paths: Vec<&str> = packages.values().copied().collect();
        home(cache).build(&source, &ldflags, &out, &paths, |line| note(line))?;
        let mut sums = BTreeMap::new();
        for program in packages.keys() {
            sums.insert(program, sha256_file(&out.join(program))?);
        }
        Ok(fs::write(entry.join(SUMS), serde_json::to_vec_pretty(&sums)?)?)
    })?;
    if made == Made::Now {
        progress.end(&what, &format!("built in {} s", began.elapsed().as_secs()));
    }
    let sums: BTreeMap<String, String> = serde_json::from_slice(&fs::read(entry.join(SUMS))?)
        .with_context(|| format!("reading {SUMS} of {}", entry.display()))?;
    let bin = entry.join("bin");
    Ok(sums.into_iter().map(|(name, sha256)| (name.clone(), Summed { path: bin.join(name), sha256 })).collect())
}

/// Artifact name -> import path, of those the upstream brings. Go names a program after the last part of its path
/// (before a major version), and so does the table.
fn packages<'a>(table: &'a Table, upstream: &str) -> BTreeMap<&'a str, &'a str> {
    let of_upstream = table.artifacts.iter().filter_map(|(name, entry)| match &entry.origin {
        Origin::Go { upstream: u, package } if u == upstream => Some((name.as_str(), package.as_str())),
        _ => None,
    });
    of_upstream.collect()
}

fn key(upstream: &str, toolchain: &Toolchain, ldflags: &str, packages: &BTreeMap<&str, &str>) -> Result<Key> {
    let mut inputs = Inputs::new().add("go", &toolchain.go).add("ldflags", ldflags);
    for flag in BUILD_FLAGS {
        inputs = inputs.add("flag", flag);
    }
    for (name, value) in FIXED {
        inputs = inputs.add(name, value);
    }
    for (name, bytes) in files(upstream)? {
        inputs = inputs.add(&name, bytes);
    }
    for (name, package) in packages {
        inputs = inputs.add(name, package);
    }
    Ok(inputs.key())
}

/// The upstream's folder as files; where it lies does not show in the result (`-trimpath`).
pub fn unfold(cache: &Cache, upstream: &str) -> Result<PathBuf> {
    let files = files(upstream)?;
    let key = files.iter().fold(Inputs::new(), |inputs, (name, bytes)| inputs.add(name, bytes)).key();
    let (folder, _) = cache.get_or_make("source", &key, |entry| {
        for (name, bytes) in &files {
            fs::write(entry.join(name), bytes)?;
        }
        Ok(())
    })?;
    Ok(folder)
}

fn throttled(progress: &dyn Progress) -> impl FnMut(&str) {
    let (mut count, mut last) = (0_usize, Instant::now());
    move |line| {
        count += 1;
        if last.elapsed() >= NOTE_EVERY {
            last = Instant::now();
            progress.note(&format!("{count} packages, now {line}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_changes_the_key() {
        let table = Table::source().unwrap();
        let packages = packages(&table, "etcd");
        assert_eq!(packages.keys().copied().collect::<Vec<_>>(), ["etcd", "etcdctl"]);
        let go = |version: &str| Toolchain { go: version.into(), gcc: String::new() };
        let key = |upstream, version, ldflags, packages| key(upstream, &go(version), ldflags, packages).unwrap();
        let base = key("etcd", "go1.26.8", "-s", &packages);
        assert_eq!(base, key("etcd", "go1.26.8", "-s", &packages));
        let fewer = packages.clone().into_iter().take(1).collect();
        assert_ne!(base, key("cni", "go1.26.8", "-s", &packages));
        assert_ne!(base, key("etcd", "go1.26.9", "-s", &packages));
        assert_ne!(base, key("etcd", "go1.26.8", "-w", &packages));
        assert_ne!(base, key("etcd", "go1.26.8", "-s", &fewer));
    }

    #[test]
    fn programs_are_named_as_go_names_them() {
        for (name, entry) in &Table::source().unwrap().artifacts {
            if let Origin::Go { package, .. } = &entry.origin {
                let parts: Vec<&str> = package.rsplit('/').collect();
                let major = parts[0].strip_prefix('v').is_some_and(|n| n.parse::<u32>().is_ok());
                assert_eq!(parts[usize::from(major)], name);
            }
        }
    }
}
