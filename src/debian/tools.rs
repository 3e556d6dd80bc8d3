//! The programs that write images, out of locked packages: with the lock the same on two machines, so are they, and
//! what the host has installed does not show in a box.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::cache::{Cache, Inputs};
use crate::exec::dpkg_deb;
use crate::exec::pinned_tools::PinnedTools;
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

/// The folder of the unpacked packages, and that of the scripts that start the programs.
const FILES: &str = "files";
const BIN: &str = "bin";

/// Unpacks the tools into the cache or finds it there; `debs` have been fetched.
/// The second value is the folder of the packages' files.
///
/// # Errors
/// A package can't be read.
pub fn pinned_tools(cache: &Cache, debs: &[Deb]) -> Result<(PinnedTools, std::path::PathBuf)> {
    let mut inputs = Inputs::new().add("script", script("", ""));
    for (name, file) in PROGRAMS {
        inputs = inputs.add(name, file);
    }
    for deb in debs {
        inputs = inputs.add("deb", &deb.sha256);
    }
    let (entry, _) = cache.get_or_make("tools", &inputs.key(), |entry| {
        let (files, bin) = (entry.join(FILES), entry.join(BIN));
        fs::create_dir(&files)?;
        fs::create_dir(&bin)?;
        for deb in debs {
            let package = super::path(cache, deb)?;
            dpkg_deb::extract(&package, &files).with_context(|| format!("unpacking {}", deb.name))?;
        }
        for (name, file) in PROGRAMS {
            fs::write(bin.join(name), script(name, file))?;
            fs::set_permissions(bin.join(name), Permissions::from_mode(0o755))?;
        }
        Ok(())
    })?;
    Ok((PinnedTools::at(entry.join(BIN)), entry.join(FILES)))
}

/// Starts a program by the loader and with the libraries of its own release, not the host's.
fn script(name: &str, file: &str) -> String {
    format!(
        "#!/bin/sh\nf=${{0%/*}}/../{FILES}\nl=$f/usr/lib/x86_64-linux-gnu\n\
         exec \"$l/ld-linux-x86-64.so.2\" --library-path \"$l\" --argv0 {name} \"$f/{file}\" \"$@\"\n"
    )
}
