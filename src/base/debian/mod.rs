//! The built-in Debian base: the disk every node boots from, the same bytes from the same packages.
//!
//! Three partitions: `hab-boot` (FAT; syslinux, kernel, initramfs), `hab-usr` (squashfs; Debian's `/usr`, never written
//! to) and `hab-root` (ext4; everything else, nearly empty). Any user can build it: packages are only unpacked,
//! file systems and the disk are written as files.

mod boot;
mod cpio;
mod initramfs;
mod modules;
mod overlay;
mod usr;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::cache::{Cache, Inputs, Key, Made};
use crate::debian::{self, Index};
use crate::disk::{self, Partition};
use crate::embedded::embedded;
use crate::embedded::{IMAGES, table};
use crate::exec::mke2fs::{Ext4, mke2fs};
use crate::exec::mksquashfs;
use crate::lock::{Base, Deb};
use crate::progress::Progress;

/// The disk's file in its entry.
const DISK: &str = "base.raw";

/// `hab-root` as the node sees it; the file holds only what is written. etcd and containerd keep their data here.
const ROOT: Ext4 = Ext4 { label: "root", uuid: "68616200-726f-4f74-8000-000000000000", size: 8 << 30 };

/// Everything that decides bytes beside packages and data: change any of it, and the disk is made anew.
const RECIPE: [&str; 15] = [
    disk::FORMAT,
    include_str!("mod.rs"),
    include_str!("boot.rs"),
    include_str!("cpio.rs"),
    include_str!("initramfs.rs"),
    include_str!("modules.rs"),
    include_str!("overlay.rs"),
    include_str!("usr.rs"),
    include_str!("../../debian/tools.rs"),
    include_str!("../../exec/depmod.rs"),
    include_str!("../../exec/fat.rs"),
    include_str!("../../exec/mke2fs.rs"),
    include_str!("../../exec/mksquashfs.rs"),
    include_str!("../../exec/pinned_tools.rs"),
    include_str!("../../exec/zstd.rs"),
];

/// The packages of a base made today, for the lock.
///
/// # Errors
/// Debian's indexes have not all of them.
pub fn resolve(index: &Index) -> Result<Base> {
    let closure = |list: &str| index.closure(table(list)?);
    Ok(Base { node: closure("base/debian/packages")?, tools: closure("base/debian/tools")? })
}

/// Downloads what [`build`] needs.
///
/// # Errors
/// A package can't be had.
pub fn fetch(cache: &Cache, base: &Base, progress: &dyn Progress) -> Result<()> {
    let debs: Vec<&Deb> = base.node.iter().chain(&base.tools).collect();
    debian::fetch(cache, &debs, progress)
}

/// The base disk as a raw image, if it has been made.
#[must_use]
pub fn find(cache: &Cache, base: &Base) -> Option<PathBuf> {
    cache.get("base", &key(base)).map(|entry| entry.join(DISK))
}

/// The base disk as a raw image, made now or taken from the cache. It needs the network only for packages that
/// are not in the cache.
///
/// # Errors
/// A package can't be had, or a part can't be made.
pub fn build(cache: &Cache, base: &Base, progress: &dyn Progress) -> Result<PathBuf> {
    let what = "base debian";
    let (entry, made) = cache.get_or_make("base", &key(base), |entry| {
        fetch(cache, base, progress)?;
        progress.begin(what);
        make(cache, base, entry, progress).context("building the base disk")
    })?;
    if made == Made::Now {
        progress.end(what, &format!("{} packages", base.node.len()));
    }
    Ok(entry.join(DISK))
}

fn key(base: &Base) -> Key {
    let mut inputs = Inputs::new();
    for part in RECIPE {
        inputs = inputs.add("recipe", part);
    }
    for file in embedded(&IMAGES).iter().filter(|file| file.name.starts_with("base/debian/")) {
        inputs = inputs.add(file.name, file.bytes);
    }
    for deb in &base.node {
        inputs = inputs.add("node", &deb.sha256);
    }
    for deb in &base.tools {
        inputs = inputs.add("tool", &deb.sha256);
    }
    inputs.key()
}

fn make(cache: &Cache, base: &Base, entry: &Path, progress: &dyn Progress) -> Result<()> {
    let (tools, files) = debian::pinned_tools(cache, &base.tools).context("unpacking the tools")?;
    let work = tempfile::tempdir_in(entry).context("making a folder")?;
    let at = |name: &str| work.path().join(name);

    progress.note("unpacking packages");
    let taken = usr::unpack(cache, &base.node, &at("usr"))?;
    let overlay = overlay::read()?;
    overlay::write_usr(&overlay, work.path())?;
    modules::index(&tools, work.path(), &taken.release)?;

    progress.note("writing the initramfs");
    initramfs::write(&tools, &at("usr"), &taken, &at("initrd"))?;

    progress.note("writing /usr");
    mksquashfs::pack_with(&tools, &at("usr"), &at("usr.squashfs"), &mksquashfs::SMALL)?;

    progress.note("writing the root file system");
    overlay::write_root(&overlay, &at("root.tar"))?;
    mke2fs(&tools, &files.join("etc/mke2fs.conf"), ROOT, &at("root.tar"), &at("root.ext4"))?;

    progress.note("writing the disk");
    fs::write(at("vmlinuz"), &taken.kernel)?;
    boot::write(&tools, &at("vmlinuz"), &at("initrd"), &at("boot.fat"))?;
    let (boot, usr, root) = (at("boot.fat"), at("usr.squashfs"), at("root.ext4"));
    let partition = |name, kind, attributes, content| Partition { name, kind, attributes, content };
    let partitions = [
        partition("hab-boot", boot::KIND, boot::BOOTABLE, &boot),
        partition("hab-usr", usr::KIND, usr::READ_ONLY, &usr),
        partition("hab-root", overlay::KIND, 0, &root),
    ];
    disk::write_gpt(&entry.join(DISK), "base debian", &partitions)?;
    boot::write_code(&files, &entry.join(DISK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_counts_for_the_key() {
        let deb = |sha256: &str| Deb {
            name: "a".into(),
            version: "1".into(),
            archive: crate::lock::Archive::Main,
            path: "pool/a.deb".into(),
            size: 1,
            sha256: sha256.into(),
        };
        let one = Base { node: vec![deb("1")], tools: vec![deb("2")] };
        let two = Base { node: vec![deb("1")], tools: vec![deb("3")] };
        let three = Base { node: vec![deb("1"), deb("2")], tools: vec![] };
        assert_ne!(key(&one), key(&two));
        assert_ne!(key(&one), key(&three));
    }

    /// Downloads some 100 MiB from a Debian mirror and takes half a minute: `cargo test -- --ignored base_disk`.
    #[test]
    #[ignore = "needs a Debian mirror"]
    fn the_same_packages_give_the_same_base_disk() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("one"));
        let base = resolve(&Index::refresh(&cache).unwrap()).unwrap();
        let one = crate::cache::sha256_file(&build(&cache, &base, &crate::progress::Silent).unwrap()).unwrap();
        let other = Cache::at(dir.path().join("another"));
        let two = crate::cache::sha256_file(&build(&other, &base, &crate::progress::Silent).unwrap()).unwrap();
        assert_eq!(one, two);
    }
}
