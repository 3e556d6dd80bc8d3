//! Debian's `/usr`, and the three files that go elsewhere, out of the packages.

use std::fs::Permissions;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Component, Path};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use tar::{Archive, Entry, EntryType};

use super::modules;
use crate::cache::Cache;
use crate::debian;
use crate::embedded::table;
use crate::exec::dpkg_deb;
use crate::lock::Deb;

/// Attribute bit 60: read-only
/// (<https://uapi-group.org/specifications/specs/discoverable_partitions_specification/>).
pub const READ_ONLY: u64 = 1 << 60;

/// Debian's Ignition is made for dracut; hab's initramfs starts it from here.
const IGNITION: (&str, &str) = ("usr/lib/dracut/modules.d/30ignition/ignition", "usr/lib/hab/ignition");

/// The whole initramfs is this one program; the node itself has the real ones.
const BUSYBOX: &str = "usr/bin/busybox";

/// The beginning of the kernel's path; its release follows.
const KERNEL: &str = "boot/vmlinuz-";

/// What is not part of `/usr`.
#[derive(Debug, Default)]
pub struct Taken {
    /// The kernel's release, such as `6.12.117+deb13-cloud-amd64`.
    pub release: String,
    /// The kernel.
    pub kernel: Vec<u8>,
    /// busybox, statically linked.
    pub busybox: Vec<u8>,
}

/// Unpacks what a node needs of `debs` into the folder `usr`.
///
/// # Errors
/// A package can't be read, or lacks what is taken from it.
pub fn unpack(cache: &Cache, debs: &[Deb], usr: &Path) -> Result<Taken> {
    let drop: Vec<&str> = table("base/debian/drop")?.collect();
    let root = usr.parent().context("the folder usr has one above it")?;
    let mut taken = Taken::default();
    for deb in debs {
        let package = debian::package(cache, deb)?;
        dpkg_deb::files(&package, |files| {
            for entry in Archive::new(files).entries()? {
                place(entry?, root, &drop, &mut taken)?;
            }
            Ok(())
        })
        .with_context(|| format!("unpacking {}", deb.name))?;
    }
    ensure!(!taken.kernel.is_empty(), "no package has a kernel");
    ensure!(!taken.busybox.is_empty(), "no package has {BUSYBOX}");
    ensure!(root.join(IGNITION.1).exists(), "no package has {}", IGNITION.0);
    Ok(taken)
}

/// Puts one file of a package where it belongs, if anywhere.
fn place<R: Read>(mut entry: Entry<R>, root: &Path, drop: &[&str], taken: &mut Taken) -> Result<()> {
    let path = entry.path()?.into_owned();
    let path = path.strip_prefix(".").unwrap_or(&path);
    ensure!(path.components().all(|part| matches!(part, Component::Normal(_))), "{} leads out", path.display());
    let name = path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))?;
    if let Some(release) = name.strip_prefix(KERNEL) {
        release.clone_into(&mut taken.release);
        entry.read_to_end(&mut taken.kernel)?;
    } else if name == BUSYBOX {
        entry.read_to_end(&mut taken.busybox)?;
    } else if name == IGNITION.0 {
        write(entry, root, IGNITION.1)?;
    } else if wanted(name, drop)? {
        write(entry, root, name)?;
    }
    Ok(())
}

/// Whether a node has this file of a package.
fn wanted(name: &str, drop: &[&str]) -> Result<bool> {
    if let Some(module) = name.strip_prefix("usr/lib/modules/") {
        return modules::wanted(module.split_once('/').map_or("", |(_, path)| path));
    }
    if name.starts_with("usr/share/doc/") {
        return Ok(name.ends_with("/copyright"));
    }
    Ok(name.starts_with("usr/") && !drop.iter().any(|beginning| name.starts_with(beginning)))
}

/// Writes a file or a link; folders come with what is in them. Owners are always root, and no file may change who runs
/// it: a node has no users.
fn write<R: Read>(mut entry: Entry<R>, root: &Path, name: &str) -> Result<()> {
    let kind = entry.header().entry_type();
    if kind == EntryType::Directory {
        return Ok(());
    }
    let path = root.join(name);
    folders(root, &path)?;
    match kind {
        EntryType::Regular => {
            let mode = if entry.header().mode()? & 0o111 == 0 { 0o644 } else { 0o755 };
            std::io::copy(&mut entry, &mut fs::File::create(&path)?)?;
            fs::set_permissions(&path, Permissions::from_mode(mode))?;
        }
        EntryType::Symlink => {
            let target = entry.link_name()?.with_context(|| format!("{name} is a link to nothing"))?;
            symlink(target, &path).with_context(|| format!("linking {name}"))?;
        }
        EntryType::Link => {
            let target = entry.link_name()?.with_context(|| format!("{name} is a link to nothing"))?;
            fs::hard_link(root.join(target.strip_prefix(".").unwrap_or(&target)), &path)?;
        }
        other => anyhow::bail!("{name} is neither file nor link ({other:?})"),
    }
    Ok(())
}

/// Makes the folders above `path`, down from `root`, readable whatever the umask.
pub fn folders(root: &Path, path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    if parent.is_dir() || parent == root {
        return Ok(());
    }
    folders(root, parent)?;
    fs::create_dir(parent)?;
    Ok(fs::set_permissions(parent, Permissions::from_mode(0o755))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn what_a_node_needs_is_kept() {
        let drop: Vec<&str> = table("base/debian/drop").unwrap().collect();
        for name in ["usr/bin/bash", "usr/share/doc/bash/copyright", "usr/lib/systemd/systemd"] {
            assert!(wanted(name, &drop).unwrap(), "{name}");
        }
        for name in ["etc/bash.bashrc", "usr/share/man/man1/bash.1.gz", "usr/share/doc/bash/README", "var/lib/x"] {
            assert!(!wanted(name, &drop).unwrap(), "{name}");
        }
    }

    fn unpacked(header: &tar::Header, bytes: &[u8], root: &Path) -> Result<Taken> {
        let mut archive = tar::Builder::new(Vec::new());
        archive.append(header, bytes).unwrap();
        let mut taken = Taken::default();
        for entry in Archive::new(archive.into_inner().unwrap().as_slice()).entries().unwrap() {
            place(entry.unwrap(), root, &[], &mut taken)?;
        }
        Ok(taken)
    }

    fn header(name: &[u8], size: u64) -> tar::Header {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_size(size);
        header.set_mode(0o4755);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        header
    }

    #[test]
    fn setuid_is_taken_away() {
        let dir = tempfile::tempdir().unwrap();
        unpacked(&header(b"./usr/bin/su", 2), b"hi", dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join("usr/bin/su")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }

    #[test]
    fn a_path_that_leads_out_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = unpacked(&header(b"./usr/../../x", 2), b"hi", dir.path()).unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }

    /// Every file and link below `folder`, with its mode and what is in it, and every folder.
    fn listed(root: &Path, folder: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        let line = |path: &std::path::PathBuf| {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let meta = fs::symlink_metadata(path).unwrap();
            let mode = meta.permissions().mode() & 0o7777;
            if meta.is_symlink() {
                vec![format!("{name} -> {}", fs::read_link(path).unwrap().display())]
            } else if meta.is_dir() {
                [format!("{mode:o} {name}/")].into_iter().chain(listed(root, &name)).collect()
            } else {
                vec![format!("{mode:o} {name}: {}", fs::read_to_string(path).unwrap())]
            }
        };
        names.iter().flat_map(line).collect()
    }

    /// Other files need another version of the step that writes the base.
    #[test]
    fn the_same_packages_give_the_same_files() {
        use EntryType::{Directory, Link, Regular, Symlink};
        let dir = tempfile::tempdir().unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        for (name, kind, mode, text) in [
            ("./usr/", Directory, 0o700, ""),
            ("./usr/bin/", Directory, 0o700, ""),
            ("./usr/bin/su", Regular, 0o4755, "su"),
            ("./usr/bin/too", Link, 0o4755, "./usr/bin/su"),
            ("./usr/bin/busybox", Regular, 0o755, "busybox"),
            ("./usr/lib/libx.so", Symlink, 0o777, "libx.so.1"),
            ("./usr/lib/libx.so.1", Regular, 0o600, "x"),
            ("./usr/lib/dracut/modules.d/30ignition/ignition", Regular, 0o755, "ignition"),
            ("./usr/share/doc/x/README", Regular, 0o644, "read"),
            ("./usr/share/doc/x/copyright", Regular, 0o640, "free"),
            ("./usr/share/man/x.1", Regular, 0o644, "man"),
            ("./etc/x", Regular, 0o644, "etc"),
            ("./boot/vmlinuz-6.12", Regular, 0o600, "kernel"),
        ] {
            let bytes = if kind == Regular { text } else { "" };
            let mut header = header(name.as_bytes(), bytes.len() as u64);
            header.set_entry_type(kind);
            header.set_mode(mode);
            if matches!(kind, Link | Symlink) {
                header.set_link_name(text).unwrap();
            }
            header.set_cksum();
            archive.append(&header, bytes.as_bytes()).unwrap();
        }
        let mut taken = Taken::default();
        for entry in Archive::new(archive.into_inner().unwrap().as_slice()).entries().unwrap() {
            place(entry.unwrap(), dir.path(), &["usr/lib/dracut/", "usr/share/man/"], &mut taken).unwrap();
        }
        assert_eq!((taken.release.as_str(), taken.kernel.as_slice()), ("6.12", &b"kernel"[..]));
        assert_eq!(taken.busybox, b"busybox");
        let expected = [
            "755 usr/",
            "755 usr/bin/",
            "755 usr/bin/su: su",
            "755 usr/bin/too: su",
            "755 usr/lib/",
            "755 usr/lib/hab/",
            "755 usr/lib/hab/ignition: ignition",
            "usr/lib/libx.so -> libx.so.1",
            "644 usr/lib/libx.so.1: x",
            "755 usr/share/",
            "755 usr/share/doc/",
            "755 usr/share/doc/x/",
            "644 usr/share/doc/x/copyright: free",
        ];
        assert_eq!(listed(dir.path(), ""), expected);
        let inode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().ino();
        assert_eq!(inode("usr/bin/too"), inode("usr/bin/su"), "it takes no room of its own");
    }

    #[test]
    fn the_kernel_brings_its_release() {
        let dir = tempfile::tempdir().unwrap();
        let taken = unpacked(&header(b"./boot/vmlinuz-6.12", 2), b"hi", dir.path()).unwrap();
        assert_eq!((taken.release.as_str(), taken.kernel.as_slice()), ("6.12", b"hi".as_slice()));
    }
}
