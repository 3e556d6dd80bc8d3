//! From a role's two raw disks to its box: converted, proven by a boot, packed; each step once for its inputs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use fs_err as fs;

use crate::boot_test::config as bake;
use crate::boot_test::{self as proof, Report, Subject};
use crate::cache::{Cache, Inputs, Key, Made};
use crate::exec::qemu::Accelerator;
use crate::exec::qemu_img;
use crate::node::NodeKind;
use crate::payload::Payload;
use crate::progress::Progress;
use crate::role::Role;
use crate::vagrant_box as boxes;
use crate::vagrant_box::Packed;

/// The shelves of the cache.
const DISKS: &str = "qcow2";
const PROOFS: &str = "proof";
const BOXES: &str = "box";

/// Names of the files in the cache's entries.
const QCOW2: &str = "disk.qcow2";
const REPORT: &str = "report.json";
const BOX: &str = "package.box";
const PACKED: &str = "packed.json";

/// A box in the cache.
#[derive(Debug, Clone)]
pub struct Boxed {
    /// The box file.
    pub file: PathBuf,
    /// Its digest and size.
    pub packed: Packed,
    /// What its boot showed.
    pub report: Report,
    /// Whether any step was taken now.
    pub made: Made,
}

/// What [`make`] came to.
#[derive(Debug)]
pub enum Outcome {
    /// Proven and packed.
    Boxed(Box<Boxed>),
    /// A check did not hold: there is no box.
    Failed(Report),
}

/// The box of `kind`, made of the raw disk `base` and of `payload`. `accelerator` is asked for only if something has
/// to boot.
///
/// # Errors
/// A tool is missing or fails, or the guest can't be booted at all.
pub fn make(
    cache: &Cache,
    kind: NodeKind,
    base: &Path,
    payload: &Payload,
    vagrantfile: &str,
    accelerator: &(dyn Fn() -> Result<Accelerator> + Sync),
    progress: &dyn Progress,
) -> Result<Outcome> {
    let role = kind.role;
    let recipe = Recipe::new(kind, base, payload, vagrantfile)?;
    let [key1, key2] = &recipe.disks;
    let (disk1, made1) = qcow2(cache, base, key1, progress, "base")?;
    let (disk2, made2) = qcow2(cache, &payload.disk, key2, progress, &format!("payload {role}"))?;

    let mut failed = None;
    let what = format!("boot proof {role}");
    let proven = cache.get_or_make(PROOFS, &recipe.proof, |entry| {
        progress.begin(&what);
        let scratch = tempfile::tempdir_in(entry).context("making a folder for packer")?;
        let accelerator = accelerator()?;
        let subject = Subject {
            role,
            disk: &disk1,
            payload: &disk2,
            config: &recipe.config,
            checks: &recipe.checks,
            accelerator,
        };
        let report = proof::run(&subject, scratch.path(), progress)?;
        let failures = report.failures();
        if !failures.is_empty() {
            failed = Some(report);
            bail!("{} of the {role} box's checks failed", failures.len());
        }
        progress.end(&what, &format!("{} checks hold ({})", report.answers.len(), accelerator.name()));
        Ok(fs::write(entry.join(REPORT), serde_json::to_vec_pretty(&report)?)?)
    });
    if let Some(report) = failed {
        return Ok(Outcome::Failed(report));
    }
    let (proven, made3) = proven?;
    let report = serde_json::from_slice(&fs::read(proven.join(REPORT))?)
        .with_context(|| format!("reading {REPORT} of {}", proven.display()))?;

    let (file, packed, made4) = pack(cache, role, &recipe.boxed, vagrantfile, &[&disk1, &disk2], progress)?;
    let now = [made1, made2, made3, made4].contains(&Made::Now);
    Ok(Outcome::Boxed(Box::new(Boxed { file, packed, report, made: if now { Made::Now } else { Made::Before } })))
}

/// What of a role's box is in the cache.
#[derive(Debug, Clone)]
pub struct Found {
    /// Both disks as they go into the box.
    pub disks: bool,
    /// The report of a boot in which every check held.
    pub proof: bool,
    /// The box.
    pub boxed: Option<Packed>,
}

/// What [`make`] would find.
///
/// # Errors
/// An entry of the cache is damaged.
pub fn find(cache: &Cache, kind: NodeKind, base: &Path, payload: &Payload, vagrantfile: &str) -> Result<Found> {
    let recipe = Recipe::new(kind, base, payload, vagrantfile)?;
    let boxed = cache.get(BOXES, &recipe.boxed).map(|entry| packed(&entry)).transpose()?;
    let disks = recipe.disks.iter().all(|key| cache.get(DISKS, key).is_some());
    Ok(Found { disks, proof: cache.get(PROOFS, &recipe.proof).is_some(), boxed })
}

/// What decides the bytes of each step, and the key of each.
struct Recipe {
    disks: [Key; 2],
    proof: Key,
    boxed: Key,
    config: Vec<u8>,
    checks: Vec<bake::Check>,
}

impl Recipe {
    fn new(kind: NodeKind, base: &Path, payload: &Payload, vagrantfile: &str) -> Result<Self> {
        let disk = |raw: &Path| -> Result<Key> {
            Ok(Inputs::new().add("raw", entry_name(raw)?).add("compression", "zstd").key())
        };
        let disks = [disk(base)?, disk(&payload.disk)?];
        let (config, checks) = bake::config(kind, bake::checks(kind.role, payload.proof()))?;
        let both = disks.iter().fold(Inputs::new(), |inputs, key| inputs.add("disk", key.as_str()));
        let proof =
            both.clone().add("bake", &config).add("template", crate::embedded::text("packer/hab.pkr.hcl")?).key();
        let boxed = both.add("vagrantfile", vagrantfile).add("format", boxes::FORMAT).key();
        Ok(Self { disks, proof, boxed, config, checks })
    }
}

fn pack(
    cache: &Cache,
    role: Role,
    key: &Key,
    vagrantfile: &str,
    disks: &[&Path],
    progress: &dyn Progress,
) -> Result<(PathBuf, Packed, Made)> {
    let what = format!("box {role}");
    let (entry, made) = cache.get_or_make(BOXES, key, |entry| {
        progress.begin(&what);
        let packed = boxes::pack(role.name(), &entry.join(BOX), vagrantfile, disks)?;
        progress.end(&what, &format!("{} MiB", packed.size >> 20));
        Ok(fs::write(entry.join(PACKED), serde_json::to_vec(&packed)?)?)
    })?;
    Ok((entry.join(BOX), packed(&entry)?, made))
}

/// The digest and size of the box in an entry.
fn packed(entry: &Path) -> Result<Packed> {
    serde_json::from_slice(&fs::read(entry.join(PACKED))?)
        .with_context(|| format!("reading {PACKED} of {}", entry.display()))
}

/// The qcow2 of a raw disk in the cache: smaller to keep, to hand around and to upload to libvirt.
fn qcow2(cache: &Cache, raw: &Path, key: &Key, progress: &dyn Progress, name: &str) -> Result<(PathBuf, Made)> {
    let what = format!("qcow2 of {name}");
    let (entry, made) = cache.get_or_make(DISKS, key, |entry| {
        progress.begin(&what);
        qemu_img::to_qcow2(raw, &entry.join(QCOW2))?;
        let size = fs::metadata(entry.join(QCOW2))?.len() >> 20;
        progress.end(&what, &format!("{size} MiB"));
        Ok(())
    })?;
    Ok((entry.join(QCOW2), made))
}

/// The name of the cache's entry that a file lies in: the key of everything the file was made of.
fn entry_name(file: &Path) -> Result<&[u8]> {
    let name = file.parent().and_then(Path::file_name);
    Ok(name.with_context(|| format!("{} is in no entry of the cache", file.display()))?.as_encoded_bytes())
}
