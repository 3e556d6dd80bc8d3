//! Box archives: the disks, a Vagrantfile and the box's description in one tar, the same bytes every time.
//!
//! The tar is not compressed again: the disks are compressed inside, and Vagrant unpacks it so much the quicker.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::atomic_fs::{PREFIX, PUBLIC};
use crate::digest::hex;
use crate::provider::Facts;

/// A finished box file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Hexadecimal.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
}

/// The version Vagrant knows a box by: that of Kubernetes, then a number that grows with every box of other bytes.
#[must_use]
pub fn version(kubernetes: &str, serial: u64) -> String {
    format!("{}.{serial}", kubernetes.trim_start_matches('v'))
}

/// Writes the box with `disks` to `target`, which is replaced when the new file is complete.
///
/// # Errors
/// A disk can't be read, or `target` not be written. What stood there before is then untouched.
pub fn pack<'a>(target: &Path, provider: &Facts, disks: &[&'a Path]) -> Result<Packed> {
    let folder = target.parent().with_context(|| format!("{} has no folder", target.display()))?;
    let mut beside = tempfile::Builder::new()
        .prefix(PREFIX)
        .tempfile_in(folder)
        .with_context(|| format!("making a file in {}", folder.display()))?;
    let mut sum = Summing { inner: BufWriter::new(beside.as_file_mut()), digest: Sha256::new(), size: 0 };
    let mut archive = Builder::new(&mut sum);
    let named = |(number, disk): (usize, &&'a Path)| (format!("disk{number}.{}", provider.disk_format), *disk);
    let disks: Vec<(String, &Path)> = (1..).zip(disks).map(named).collect();
    let texts = (provider.box_files)(&disks)?;
    let texts = texts.iter().map(|file| (file.name, file.text.as_str()));
    let texts =
        texts.chain([("Vagrantfile", provider.box_vagrantfile)]).map(|(name, text)| (name, Content::Text(text)));
    let disks = disks.iter().map(|(name, disk)| (name.as_str(), Content::Disk(disk)));
    let mut files: Vec<(&str, Content<'_>)> = texts.chain(disks).collect();
    // In the order of their names.
    files.sort_by_key(|(name, _)| *name);
    for (name, content) in files {
        match content {
            Content::Text(text) => add(&mut archive, name, text.len() as u64, text.as_bytes())?,
            Content::Disk(disk) => {
                let file = fs::File::open(disk)?;
                add(&mut archive, name, file.metadata()?.len(), file)?;
            }
        }
    }
    archive.into_inner().and_then(Write::flush).context("ending the archive")?;
    let packed = Packed { sha256: hex(&sum.digest.finalize_reset()), size: sum.size };
    drop(sum);
    // Temporary files are 0600; a box has no secrets and may be handed around.
    fs::set_permissions(beside.path(), std::os::unix::fs::PermissionsExt::from_mode(PUBLIC))?;
    beside.as_file().sync_all().with_context(|| format!("flushing {}", target.display()))?;
    beside.persist(target).with_context(|| format!("putting {} in its place", target.display()))?;
    Ok(packed)
}

/// What is in a file of the archive.
enum Content<'a> {
    Text(&'a str),
    Disk(&'a Path),
}

/// One file of the archive, owned by root and of the year 1970.
fn add(archive: &mut Builder<impl Write>, name: &str, size: u64, content: impl io::Read) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_mode(PUBLIC);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    archive.append_data(&mut header, name, content).with_context(|| format!("adding {name}"))
}

/// A box as users find it: one for each provider, under one name and one version.
#[derive(Debug, Clone)]
pub struct Published {
    /// Such as `hab/demo-etcd`.
    pub name: String,
    /// See [`version`].
    pub version: String,
    /// One file a provider.
    pub files: Vec<PublishedFile>,
}

/// A box for one provider.
#[derive(Debug, Clone)]
pub struct PublishedFile {
    /// The provider's name in Vagrant.
    pub provider: &'static str,
    /// The file, absolute.
    pub path: PathBuf,
    /// Its digest and size.
    pub packed: Packed,
}

/// The metadata by which Vagrant finds the box: one version, with the digest of each file.
#[must_use]
pub fn metadata(published: &Published) -> Vec<u8> {
    let provider = |file: &PublishedFile| {
        json!({
            "name": file.provider,
            "url": file_url(&file.path),
            "checksum_type": "sha256",
            "checksum": file.packed.sha256,
        })
    };
    let providers: Vec<Value> = published.files.iter().map(provider).collect();
    pretty(&json!({
        "name": published.name,
        "versions": [{ "version": published.version, "providers": providers }],
    }))
}

/// The catalog of all boxes of a lab, for people and programs: name, version, provider, file, size and digest of each.
/// Files are told from the folder `out`.
#[must_use]
pub fn catalog(boxes: &[Published], out: &Path) -> Vec<u8> {
    let list: Vec<Value> = boxes
        .iter()
        .flat_map(|published| published.files.iter().map(move |file| (published, file)))
        .map(|(published, file)| {
            json!({
                "name": published.name,
                "version": published.version,
                "provider": file.provider,
                "file": file.path.strip_prefix(out).unwrap_or(&file.path),
                "size": file.packed.size,
                "sha256": file.packed.sha256,
            })
        })
        .collect();
    pretty(&json!({ "boxes": list }))
}

fn pretty(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// A `file://` URL; whatever is not plain in one is percent-encoded (RFC 3986, section 2.3).
fn file_url(path: &Path) -> String {
    use std::fmt::Write as _;
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().iter().fold(String::from("file://"), |mut url, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String can't go wrong.
            let _ = write!(url, "%{byte:02X}");
        }
        url
    })
}

/// Passes bytes on and sums them up, so that a box of any size is read only once.
struct Summing<W> {
    inner: W,
    digest: Sha256,
    size: u64,
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.digest.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn libvirt() -> &'static Facts {
        crate::provider::facts(crate::config::Provider::Libvirt)
    }

    fn boxed(dir: &Path, name: &str) -> (Packed, Vec<u8>) {
        let [one, two] = ["one", "two"].map(|disk| dir.join(disk));
        fs::write(&one, "base").unwrap();
        fs::write(&two, vec![7; 70_000]).unwrap();
        let target = dir.join(name);
        let packed = pack(&target, libvirt(), &[&one, &two]).unwrap();
        (packed, fs::read(target).unwrap())
    }

    #[test]
    fn the_same_disks_give_the_same_box_and_its_own_digest() {
        let dir = tempfile::tempdir().unwrap();
        let (one, bytes) = boxed(dir.path(), "a.box");
        let (two, again) = boxed(dir.path(), "b.box");
        assert_eq!((&one, &bytes), (&two, &again));
        // Other bytes need another version of the step that packs boxes.
        let mut plain = tar::Builder::new(Vec::new());
        add(&mut plain, "name", 7, &b"content"[..]).unwrap();
        assert_eq!(
            crate::digest::sha256(plain.into_inner().unwrap()),
            "da73ccfddcc4c3b588dffbd2b0b7de8871519fa3077324d71e7d6691c2cba510"
        );
        assert_eq!((one.sha256, one.size), (crate::digest::sha256(&bytes), bytes.len() as u64));
    }

    #[test]
    fn the_archive_has_all_parts_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let (_, bytes) = boxed(dir.path(), "a.box");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let seen: Vec<_> = entries.map(|e| (e.path().unwrap().display().to_string(), e.size())).collect();
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["Vagrantfile", "disk1.qcow2", "disk2.qcow2", "metadata.json"]);
        assert_eq!((seen[1].1, seen[2].1), (4, 70_000));
    }

    #[test]
    fn a_missing_disk_leaves_the_old_box_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("a.box");
        fs::write(&target, "old").unwrap();
        let error = pack(&target, libvirt(), &[&dir.path().join("none")]).unwrap_err();
        assert!(format!("{error:#}").contains("none"), "{error:#}");
        assert_eq!(fs::read(&target).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_version_is_that_of_kubernetes_and_a_number() {
        assert_eq!(version("v1.2.3", 42), "1.2.3.42");
    }

    #[test]
    fn odd_paths_become_plain_urls() {
        assert_eq!(file_url(Path::new("/a b/é#.box")), "file:///a%20b/%C3%A9%23.box");
    }
}
