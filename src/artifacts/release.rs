//! Programs that their publishers have built: pinned by digest, fetched, taken out of their archives.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use flate2::read::GzDecoder;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;

use super::Catalog;
use super::artifact::{Listed, write_programs};
use super::elf::is_for;
use super::releases::{Published, Signer, digest_in};
use crate::arch::TARGET;
use crate::cache::{Cache, KeyBuilder};
use crate::digest::sha256;
use crate::download::{Downloads, Size, Wanted, cached, name};
use crate::exec::cosign::{Cosign, Signed};
use crate::lock::{ReleaseFile, Releases};
use crate::progress::StepHandle;

/// The most bytes that are read out of an archive, and of one program; the largest known have 250 MB and 100 MB.
const ARCHIVE_BYTES: u64 = 4 << 30;
const PROGRAM_BYTES: u64 = 512 << 20;

/// The environment's variable that names a mirror of the publishers.
pub const MIRROR: &str = "HAB_RELEASE_MIRROR";

/// The most bytes of a file whose size nobody has said yet; the largest known, a toolchain, has about 70 MB.
const FILE_BYTES: u64 = 1 << 30;

/// The way to the publishers, or to the mirror that the environment names.
#[must_use]
pub fn downloads(cache: &Cache) -> Downloads<'_> {
    Downloads::new(cache, MIRROR)
}

/// The files of every release, as they are published now, each downloaded once and compared with its publisher's list; with
/// `cosign` also its signature, where its publisher is known to sign.
///
/// # Errors
/// One can't be had, is not what the list says, or is not signed as it should be.
pub fn resolve(
    downloads: &Downloads<'_>,
    catalog: &Catalog,
    cosign: Option<&Cosign>,
    step: &StepHandle<'_>,
) -> Result<BTreeMap<String, Vec<ReleaseFile>>> {
    if let Some(mirror) = downloads.mirror() {
        step.note(&format!("the publishers' digests come from {mirror}, too: the lock trusts it for them"));
    }
    let mut lists: BTreeMap<String, String> = BTreeMap::new();
    let mut resolved = BTreeMap::new();
    let signatures = cosign.map(|cosign| Signatures { cosign, downloads, step });
    for (release, about) in &catalog.releases {
        let mut files = Vec::new();
        for Published { url, sums, .. } in catalog.published(release)? {
            if !lists.contains_key(&sums) {
                let list = downloads.document(&sums, step).context("fetching a publisher's list of digests")?;
                let list = String::from_utf8(list).with_context(|| format!("{sums} is no text"))?;
                lists.insert(sums.clone(), list);
            }
            let sha256 = digest_in(&lists[&sums], name(&url)).with_context(|| format!("reading {sums}"))?;
            let wanted = Wanted { url: &url, sha256: &sha256, size: Size::AtMost(FILE_BYTES) };
            let path = downloads.fetch(&wanted, step)?;
            if let (Some(signatures), Some(signer)) = (&signatures, &about.signer) {
                signatures.check(&url, &path, signer)?;
            }
            files.push(ReleaseFile { size: fs::metadata(path)?.len(), url, sha256 });
        }
        resolved.insert(release.clone(), files);
    }
    if signatures.is_some() {
        let of = |signed: bool| {
            let releases = catalog.releases.iter().filter(|(_, about)| about.signer.is_some() == signed);
            releases.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
        };
        step.note(&format!("cosign: {} signed by its publisher; hab knows of no signature of {}", of(true), of(false)));
    }
    Ok(resolved)
}

/// Asks cosign who has signed what came.
struct Signatures<'a> {
    cosign: &'a Cosign,
    downloads: &'a Downloads<'a>,
    step: &'a StepHandle<'a>,
}

impl Signatures<'_> {
    /// Of the file at `path`, which is its publisher's at `url`.
    fn check(&self, url: &str, path: &Path, signer: &Signer) -> Result<()> {
        let scratch = self.downloads.cache().scratch()?;
        let beside = |ending: &str| -> Result<PathBuf> {
            let bytes = self.downloads.document(&format!("{url}.{ending}"), self.step);
            let to = scratch.path().join(ending);
            fs::write(&to, bytes.context("fetching a publisher's signature")?)?;
            Ok(to)
        };
        let (signature, certificate) = (&beside("sig")?, &beside("cert")?);
        self.step.status(&format!("asking cosign who has signed {}", name(url)));
        let Signer { identity, issuer } = signer;
        let signed = Signed { file: path, signature, certificate, identity, issuer };
        self.cosign.verify(&signed).with_context(|| format!("{url} is not signed by {identity}, or cosign can't tell"))
    }
}

/// The files of every release before it is known what is in them.
///
/// # Errors
/// The table is damaged.
pub fn unresolved(catalog: &Catalog) -> Result<BTreeMap<String, Vec<ReleaseFile>>> {
    let files = |release: &String| -> Result<Vec<ReleaseFile>> {
        let published = catalog.published(release)?.into_iter();
        Ok(published.map(|file| ReleaseFile { url: file.url, size: 0, sha256: String::new() }).collect())
    };
    catalog.releases.keys().map(|release| Ok((release.clone(), files(release)?))).collect()
}

/// A file of the lock as it is asked for.
#[must_use]
pub fn wanted(file: &ReleaseFile) -> Wanted<'_> {
    Wanted { url: &file.url, sha256: &file.sha256, size: Size::Exactly(file.size) }
}

/// A release, with what taking its programs takes.
#[derive(Clone, Copy)]
pub struct ReleaseBuild<'a> {
    /// Where its files are.
    pub cache: &'a Cache,
    /// Which programs it has.
    pub catalog: &'a Catalog,
    /// What its files are.
    pub lock: &'a Releases,
    /// Its name.
    pub name: &'a str,
}

impl ReleaseBuild<'_> {
    /// The files, each with what is taken from it.
    fn files(&self) -> Result<Vec<(Published, &ReleaseFile)>> {
        let locked = self.lock.files.get(self.name).map(Vec::as_slice).unwrap_or_default();
        let pair = |file: Published| {
            let locked = locked.iter().find(|locked| locked.url == file.url);
            let locked = locked.with_context(|| format!("the lock has no {}", file.url))?;
            Ok((file, locked))
        };
        self.catalog.published(self.name)?.into_iter().map(pair).collect()
    }

    /// Everything that could change the programs' bytes.
    ///
    /// # Errors
    /// The lock lacks a file.
    pub fn key(&self, mut key: KeyBuilder) -> Result<KeyBuilder> {
        key = key.add("arch", TARGET.go).add("release version", &self.catalog.release(self.name)?.version);
        for (file, locked) in self.files()? {
            key = key.add("sha256", &locked.sha256);
            for (program, member) in file.programs {
                key = key.add("program", program).add("member", member.unwrap_or_default());
            }
        }
        Ok(key)
    }

    /// Downloads the files that the cache does not have.
    ///
    /// # Errors
    /// One can't be had.
    pub fn fetch(&self, step: &StepHandle<'_>) -> Result<()> {
        let downloads = downloads(self.cache);
        for (_, locked) in self.files()? {
            let fetched = downloads.fetch(&wanted(locked), step);
            fetched.context("fetching what a publisher has built (`hab lock --update` pins what is published now)")?;
        }
        Ok(())
    }

    /// Puts the programs into `entry`; the files have been fetched.
    ///
    /// # Errors
    /// A file lacks a program, or has something else in its place.
    pub fn build(&self, entry: &Path) -> Result<String> {
        let version = &self.catalog.release(self.name)?.version;
        let bin = entry.join("bin");
        fs::create_dir(&bin)?;
        let mut sums: BTreeMap<String, String> = BTreeMap::new();
        for (file, locked) in self.files()? {
            let path = cached(self.cache, &wanted(locked))?;
            let about = || format!("taking {} out of {}", names(&file), file.url);
            let programs = programs(&path, &file).with_context(about)?;
            for (program, bytes) in programs {
                ensure!(is_for(&bytes, TARGET), "{program} of {} is no program for {}", file.url, TARGET.go);
                write(&bin.join(&program), &bytes)?;
                sums.insert(program, sha256(&bytes));
            }
        }
        let listed = sums.iter().map(|(program, sha256)| {
            let (sha256, version) = (sha256.clone(), version.clone());
            (program.as_str(), Listed { sha256, version, libraries: BTreeMap::new() })
        });
        write_programs(entry, &listed.collect())?;
        Ok(format!("{version} as published"))
    }
}

fn names(file: &Published) -> String {
    file.programs.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(path)?;
    Ok(file.write_all(bytes)?)
}

/// The programs of the file at `path`.
fn programs(path: &Path, file: &Published) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut members: BTreeMap<&str, &str> = BTreeMap::new();
    for (program, member) in &file.programs {
        match member {
            Some(member) => drop(members.insert(member, program)),
            None => drop(found.insert(program.clone(), whole(&mut fs::File::open(path)?)?)),
        }
    }
    if members.is_empty() {
        return Ok(found);
    }
    let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(path)?).take(ARCHIVE_BYTES));
    for member in archive.entries().context("reading a gzipped tar")? {
        let mut member = member.context("reading a gzipped tar")?;
        let path = member.path_bytes().into_owned();
        // A tar of the folder `.` has `./` in front. A name is only compared, never a path of this machine.
        let name = std::str::from_utf8(&path).unwrap_or_default();
        let name = name.strip_prefix("./").unwrap_or(name);
        let Some(program) = members.remove(name) else { continue };
        let kind = member.header().entry_type();
        ensure!(kind.is_file(), "{name} is no file in the archive but a {kind:?}");
        found.insert(program.to_owned(), whole(&mut member).with_context(|| format!("reading {name}"))?);
    }
    if let Some(missing) = members.into_keys().next() {
        bail!("the archive has no {missing}");
    }
    Ok(found)
}

/// All of a program, if it has no more bytes than a program can.
fn whole(from: &mut dyn Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(PROGRAM_BYTES + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= PROGRAM_BYTES, "it is larger than {} MiB", PROGRAM_BYTES >> 20);
    Ok(bytes)
}

/// Unpacks a gzipped tar into the folder `to`.
///
/// # Errors
/// It can't be read, or something in it would land elsewhere.
pub fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(archive)?).take(ARCHIVE_BYTES));
    for member in archive.entries().context("reading a gzipped tar")? {
        let mut member = member.context("reading a gzipped tar")?;
        let name = member.path()?.into_owned();
        ensure!(member.unpack_in(to)?, "{} in the archive leads out of it", name.display());
    }
    Ok(())
}
