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

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use super::{BaseBuild, DISK};
use crate::arch::TARGET;
use crate::cache::KeyBuilder;
use crate::debian::Index;
use crate::disk::{self, Partition};
use crate::embedded::{IMAGES, embedded, table};
use crate::exec::mke2fs::{self, Ext4};
use crate::exec::pinned_tools::PinnedTools;
use crate::exec::{mksquashfs, zstd};
use crate::lock::{self, Deb};
use crate::node::base_files;
use crate::progress::StepHandle;
use crate::provider;

/// The partitions' names, by which the node finds them.
const PARTITIONS: [&str; 3] = ["hab-boot", "hab-usr", "hab-root"];

/// What the disk's and its partitions' GUIDs come from.
const SEED: &str = "base debian";

/// `hab-root` as the node sees it; the file holds only what is written. etcd and containerd keep their data here.
const ROOT: Ext4 = Ext4 { label: "root", uuid: "68616200-726f-4f74-8000-000000000000", size: 8 << 30 };

/// The packages of a base made today, for the lock.
///
/// # Errors
/// Debian's indexes have not all of them.
pub fn resolve(index: &Index) -> Result<lock::Base> {
    Ok(lock::Base::Debian { packages: index.closure(table("base/debian/packages")?)? })
}

/// Everything but the tools that could change the disk's bytes.
///
/// # Errors
/// hab was built without a part.
pub fn key(packages: &[Deb], provider: &provider::Facts, key: KeyBuilder) -> Result<KeyBuilder> {
    let mut key = boot::key(key.add("menu", boot::menu(provider)?));
    key = key.add("disk", SEED).add_all("partition", PARTITIONS).add_all("zstd", zstd::ARGS);
    key = key.add("root", format!("{ROOT:?}")).add_all("ext4", mke2fs::ARGS).add("ext4 options", mke2fs::EXTENDED);
    key = key.add_all("small", mksquashfs::SMALL).add_all("fixed", mksquashfs::FIXED);
    for file in embedded(&IMAGES).iter().filter(|file| file.name.starts_with("base/debian/")) {
        key = key.add(file.name, file.bytes);
    }
    Ok(key.add_all("package", packages.iter().map(|deb| &deb.sha256)))
}

/// Writes the disk into `entry`; the packages have been fetched.
///
/// # Errors
/// A part can't be made.
pub fn build(
    base: &BaseBuild<'_>,
    packages: &[Deb],
    tools: &Path,
    entry: &Path,
    step: &StepHandle<'_>,
) -> Result<String> {
    let tools = PinnedTools::open(tools);
    let work = base.cache.scratch()?;
    let at = |name: &str| work.path().join(name);

    step.status("unpacking packages");
    let taken = usr::unpack(base.cache, packages, &at("usr"))?;
    let overlay = base_files::read()?;
    overlay::write_usr(&overlay, work.path())?;
    modules::index(&tools, work.path(), &taken.release)?;

    step.status("writing the initramfs");
    initramfs::write(&tools, &at("usr"), &taken, &at("initrd"))?;

    step.status("writing /usr");
    mksquashfs::pack_with(&tools, &at("usr"), &at("usr.squashfs"), &mksquashfs::SMALL)?;

    step.status("writing the root file system");
    overlay::write_root(&overlay, &at("root.tar"))?;
    mke2fs::mke2fs(&tools, &tools.files().join("etc/mke2fs.conf"), ROOT, &at("root.tar"), &at("root.ext4"))?;

    step.status("writing the disk");
    fs::write(at("vmlinuz"), &taken.kernel)?;
    fs::write(at("syslinux.cfg"), boot::menu(base.provider)?)?;
    let parts = boot::Parts { kernel: &at("vmlinuz"), initrd: &at("initrd"), menu: &at("syslinux.cfg") };
    boot::write(&tools, &parts, &at("boot.fat"))?;
    let (boot, usr, root) = (at("boot.fat"), at("usr.squashfs"), at("root.ext4"));
    let partition = |name, kind, attributes, content| Partition { name, kind, attributes, content };
    let [boot_name, usr_name, root_name] = PARTITIONS;
    let partitions = [
        partition(boot_name, boot::KIND, boot::BOOTABLE, &boot),
        partition(usr_name, TARGET.usr_partition, usr::READ_ONLY, &usr),
        partition(root_name, TARGET.root_partition, 0, &root),
    ];
    disk::write_gpt(&entry.join(DISK), SEED, &partitions)?;
    boot::write_code(tools.files(), &entry.join(DISK))?;
    Ok(format!("{} packages", packages.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_and_the_platform_count_for_the_key() {
        let deb = |sha256: &str| Deb {
            name: "a".into(),
            version: "1".into(),
            archive: lock::Archive::Main,
            path: "pool/a.deb".into(),
            size: 1,
            sha256: sha256.into(),
        };
        let libvirt = provider::facts(crate::config::Provider::Libvirt);
        let key = |debs: &[Deb], facts| key(debs, facts, KeyBuilder::new()).unwrap().key();
        let base = key(&[deb("1")], libvirt);
        assert_ne!(base, key(&[deb("2")], libvirt));
        assert_ne!(base, key(&[deb("1"), deb("2")], libvirt));
        assert_ne!(base, key(&[deb("1")], &provider::Facts { ignition_platform: "other", ..*libvirt }));
    }
}
