//! The programs that write disks, out of locked packages: with the lock the same on two machines, so are they, and what
//! the host has installed does not show in a box.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use fs_err as fs;

use super::package;
use crate::arch::TARGET;
use crate::cache::{Cache, KeyBuilder};
use crate::exec::pinned_tools::{BIN, FILES};
use crate::exec::{dpkg_deb, plain_path};
use crate::lock::Deb;

/// Name and file of each program; several names can be one file.
const PROGRAMS: [(&str, &str); 8] = [
    ("depmod", "usr/bin/kmod"),
    ("mattrib", "usr/bin/mtools"),
    ("mcopy", "usr/bin/mtools"),
    ("mformat", "usr/bin/mtools"),
    ("mke2fs", "usr/sbin/mke2fs"),
    ("mksquashfs", "usr/bin/mksquashfs"),
    ("syslinux", "usr/bin/syslinux"),
    ("zstd", "usr/bin/zstd"),
];

/// What a path in the cache can't have in it: PATH is split at `:`, the loader's list of folders at `;` as well, and it
/// fills in what stands behind a `$` (ld.so(8)).
const SEPARATORS: [char; 3] = [':', ';', '$'];

/// Everything that could change what the programs write.
#[must_use]
pub fn key(debs: &[Deb], key: KeyBuilder) -> KeyBuilder {
    key_of(debs, &PROGRAMS, key)
}

/// As [`key`], for these programs: those of [`unpack`].
#[must_use]
pub fn key_of(debs: &[Deb], programs: &[(&str, &str)], key: KeyBuilder) -> KeyBuilder {
    let key = programs.iter().fold(key.add("script", script("", "")), |key, (name, file)| key.add(name, file));
    key.add_all("deb", debs.iter().map(|deb| &deb.sha256))
}

/// Unpacks the tools into `entry`; the packages have been fetched.
///
/// # Errors
/// A package can't be read.
pub fn build(cache: &Cache, debs: &[Deb], entry: &Path) -> Result<()> {
    unpack(cache, debs, &PROGRAMS, entry)
}

/// Unpacks packages into `entry`, with a script for each of `programs`; they have been fetched.
///
/// # Errors
/// A package can't be read.
pub fn unpack(cache: &Cache, debs: &[Deb], programs: &[(&str, &str)], entry: &Path) -> Result<()> {
    plain_path(entry, &SEPARATORS).context("unpacking into the cache (XDG_CACHE_HOME says where it is)")?;
    let (files, bin) = (entry.join(FILES), entry.join(BIN));
    fs::create_dir(&files)?;
    fs::create_dir(&bin)?;
    for deb in debs {
        let package = package(cache, deb)?;
        dpkg_deb::extract(&package, &files).with_context(|| format!("unpacking {}", deb.name))?;
    }
    for (name, file) in programs {
        fs::write(bin.join(name), script(name, file))?;
        fs::set_permissions(bin.join(name), Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Starts a program by the loader and with the libraries of its own release, not the host's.
fn script(name: &str, file: &str) -> String {
    let (libraries, loader) = (TARGET.libraries, TARGET.loader);
    format!(
        "#!/bin/sh\nf=${{0%/*}}/../{FILES}\nl=$f/{libraries}\n\
         exec \"$l/{loader}\" --library-path \"$l\" --argv0 {name} \"$f/{file}\" \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_whose_path_would_be_split_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache"));
        for name in ["a:b", "a;b", "$a"] {
            let entry = dir.path().join(name);
            fs::create_dir(&entry).unwrap();
            let error = format!("{:#}", build(&cache, &[], &entry).unwrap_err());
            assert!(error.contains("XDG_CACHE_HOME") && error.contains(name), "{error}");
        }
        let entry = dir.path().join("a b");
        fs::create_dir(&entry).unwrap();
        build(&cache, &[], &entry).unwrap();
        assert!(entry.join(BIN).join("zstd").is_file());
    }
}
