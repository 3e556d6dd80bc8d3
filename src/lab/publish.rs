//! Boxes, their metadata, catalog and reports, put where the user and Vagrant look for them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Error, Result, anyhow};

use super::{OUT, absolute, lock, nodes_json};
use crate::artifacts::{built, program_file};
use crate::atomic_fs::{self, Batch};
use crate::boot_test::{Failed, Report, Unfinished, file_name};
use crate::build::{
    Context, Entries, Graph, HOST_PROGRAMS, IMAGES, Outcome, boot_test, disk_of_images, images_file, images_test,
    packed, present, vagrant_box,
};
use crate::container_images::disk;
use crate::kinds::Provider;
use crate::lock::{Built, Digests, Lock, LockedBox};
use crate::plan::Plan;
use crate::provider::{facts, qualifier};
use crate::role::{PerRole, Role};
use crate::vagrant_box::{Published, PublishedFile, catalog, metadata, version};

/// How a box file's name ends.
const BOX_ENDING: &str = ".box";

/// What `out/boxes` holds, for people and programs.
const CATALOG: &str = "catalog.json";

/// Several errors as one.
///
/// # Errors
/// There is one or more.
pub fn all(mut errors: Vec<Error>) -> Result<()> {
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => Err(anyhow!("{}", errors.iter().map(|error| format!("{error:#}")).collect::<Vec<_>>().join("\n"))),
    }
}

/// Publishes what a build came to, if there is a box of every role; returns how many are new.
///
/// A role whose checks failed leaves its report, and takes away a box of an earlier build: nothing unproven stays. What
/// else goes wrong, as a full disk or Ctrl-C, leaves the boxes of the last good build as they are.
///
/// # Errors
/// Something in the build went wrong, or a file can't be written.
pub fn publish(lab: &Path, plan: &Plan, context: &Context<'_>, outcome: Outcome) -> Result<usize> {
    let out = lab.join(OUT);
    let (boxes, reports) = (out.join("boxes"), out.join("report"));
    super::create_out(lab)?;
    for folder in [&boxes, &reports] {
        atomic_fs::create_dir(folder, 0o755)?;
    }
    let Outcome { entries, errors, .. } = outcome;
    let failed: Vec<&Report> =
        errors.iter().filter_map(|(_, error)| error.downcast_ref::<Failed>()).map(|failed| &failed.0).collect();
    for report in &failed {
        write_report(&reports, report)?;
    }
    for unfinished in errors.iter().filter_map(|(_, error)| error.downcast_ref::<Unfinished>()) {
        write_console(&reports, file_name(unfinished.role, unfinished.images), &unfinished.console)?;
    }
    let is_failed = |role: Role| failed.iter().any(|report| report.role == role && !report.images);
    atomic_fs::remove_stale(&boxes, |name| {
        let role = Role::ALL.into_iter().find(|role| name.split('.').next() == Some(role.name()));
        let of_a_provider = |role| plan.providers.iter().any(|provider| name == box_file(role, *provider));
        role.is_some_and(|role| !is_failed(role) && (!name.ends_with(BOX_ENDING) || of_a_provider(role)))
    })?;
    atomic_fs::remove_stale(&out, |name| failed.is_empty() || name != CATALOG)?;
    all(errors.into_iter().map(|(_, error)| error).collect())?;

    for test in Role::ALL.map(boot_test).into_iter().chain([images_test()]) {
        if let Some(entry) = entries.0.get(&test) {
            write_report(&reports, &crate::boot_test::read(entry)?)?;
        }
    }
    let lock = locked(context, &entries)?;
    let Boxes { new, mut batch } = boxes_of(&out, plan, context, &lock, &entries)?;
    let disk = share_images(lab, &lock, &entries, &mut batch)?;
    let bin = out.join("bin");
    atomic_fs::create_dir(&bin, 0o755)?;
    for (step, name) in HOST_PROGRAMS {
        let entry = entries.get(step)?;
        let program = program_file(entry, name)?;
        if batch.copy(&program.path, &bin.join(name), 0o755)? {
            whole(context, entry)?;
        }
    }
    if lock != *context.lock {
        lock::write(lab, &lock)?;
    }
    batch.commit()?;
    let images = lab.join(nodes_json::IMAGES);
    if images.is_dir() {
        atomic_fs::remove_stale(&images, |name| disk.as_deref() == Some(name))?;
    }
    Ok(new)
}

/// The disk of container images, written beside its place; and its name there.
fn share_images(lab: &Path, lock: &Lock, entries: &Entries, batch: &mut Batch) -> Result<Option<String>> {
    let Some(sha256) = lock.images.as_ref().and_then(|images| images.disk.as_deref()) else { return Ok(None) };
    let source = images_file(entries.get(&disk_of_images())?);
    let path = lab.join(nodes_json::images_path(sha256));
    atomic_fs::create_dir(&lab.join(nodes_json::IMAGES), 0o755)?;
    batch.share(&source, &path)?;
    Ok(path.file_name().map(|name| name.to_string_lossy().into_owned()))
}

/// Reads an entry through before its bytes leave the cache for good.
fn whole(context: &Context<'_>, entry: &Path) -> Result<()> {
    context.cache.verify(entry).context("damaged in the cache: `hab build --verify` makes it again")
}

/// Boxes that are to be published.
struct Boxes {
    /// How many are new.
    new: usize,
    /// Boxes and their metadata, written beside their places, to be put there together.
    batch: Batch,
}

fn boxes_of(out: &Path, plan: &Plan, context: &Context<'_>, lock: &Lock, entries: &Entries) -> Result<Boxes> {
    let boxes = out.join("boxes");
    let mut new = 0;
    let mut batch = Batch::default();
    let mut published = Vec::new();
    for role in Role::ALL {
        let mut files = Vec::new();
        for provider in &plan.providers {
            let entry = entries.get(&vagrant_box(role, *provider))?;
            let path = absolute(&boxes)?.join(box_file(role, *provider));
            if batch.share(&entry.join(crate::build::BOX), &path)? {
                new += 1;
                whole(context, entry)?;
            }
            files.push(PublishedFile { provider: facts(*provider).name, path, packed: packed(entry)? });
        }
        let locked = lock.boxes.get(role).as_ref().with_context(|| format!("the lock has no box {role}"))?;
        let version = version(&plan.kubernetes.version, locked.serial);
        let of_role = Published { name: plan.box_name(role), version, files };
        batch.add(&boxes.join(format!("{role}.json")), atomic_fs::PUBLIC, &metadata(&of_role))?;
        published.push(of_role);
    }
    batch.add(&out.join(CATALOG), atomic_fs::PUBLIC, &catalog(&published, &absolute(out)?))?;
    Ok(Boxes { new, batch })
}

/// A box's file in the folder of boxes.
fn box_file(role: Role, provider: Provider) -> String {
    match qualifier(provider) {
        None => format!("{role}{BOX_ENDING}"),
        Some(name) => format!("{role}.{name}{BOX_ENDING}"),
    }
}

/// The lock with what came out: digests of programs and images from the first build on, those of a part from the first build
/// with it on, and the boxes of this one.
fn locked(context: &Context<'_>, entries: &Entries) -> Result<Lock> {
    let mut lock = context.lock.clone();
    let wanted: Vec<&String> = context.catalog.artifacts.keys().collect();
    let known = |built: &Built| wanted.iter().all(|name| built.programs.contains_key(*name));
    if !lock.supply.built().is_some_and(known) {
        // Also of steps that this build had no need of, because what is made of them was there.
        let present = present(&Graph::new(context)?, context);
        let all = present.0.values().map(|entry| built(entry)).collect::<Result<Vec<_>>>()?;
        let mut all = together(lock.supply.built(), all);
        // No supply has the program of the disk of images.
        all.programs.retain(|name, _| wanted.contains(&name));
        // What was thrown away since is not known.
        if known(&all) {
            lock.supply.set_built(Some(all));
        }
    }
    if let Some(images) = lock.images.as_mut().filter(|images| !images.list.is_empty()) {
        images.disk = Some(disk::read(entries.get(IMAGES)?)?.sha256);
    }
    lock.boxes = PerRole::try_from_fn(|role| {
        let digest = |provider: &Provider| {
            Ok((facts(*provider).name, packed(entries.get(&vagrant_box(role, *provider))?)?.sha256))
        };
        let digests = context.providers.iter().map(digest).collect::<Result<Vec<_>>>()?;
        anyhow::Ok(Some(next(lock.boxes.get(role).as_ref(), Digests::new(digests))))
    })?;
    Ok(lock)
}

/// What was locked, and of what is new beside it what came out.
fn together(locked: Option<&Built>, found: Vec<Built>) -> Built {
    let mut all = locked.cloned().unwrap_or_default();
    for built in found {
        for (name, digest) in built.programs {
            all.programs.entry(name).or_insert(digest);
        }
        for (name, digest) in built.images {
            all.images.entry(name).or_insert(digest);
        }
    }
    all
}

/// The box with these digests after the one that was locked. Numbers begin with the minutes since 1970, so that they grow
/// also when a lock was lost: Vagrant may still know boxes with the old numbers.
fn next(before: Option<&LockedBox>, digests: Digests) -> LockedBox {
    let same =
        before.and_then(|before| Some(LockedBox { sha256: digests.after(&before.sha256)?, serial: before.serial }));
    same.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 60;
        LockedBox { sha256: digests, serial: before.map_or(0, |before| before.serial + 1).max(now) }
    })
}

/// A role's boot report, for people's programs and for CI.
fn write_report(folder: &Path, report: &Report) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(report).context("writing the boot report as JSON")?;
    json.push(b'\n');
    let name = file_name(report.role, report.images);
    let path = |ending: &str| folder.join(format!("{name}.{ending}"));
    atomic_fs::write(&path("json"), atomic_fs::PUBLIC, &json)?;
    atomic_fs::write(&path("xml"), atomic_fs::PUBLIC, report.junit().as_bytes())?;
    write_console(folder, name, &report.console)
}

/// All that a boot test's machine said on its console.
fn write_console(folder: &Path, name: &str, console: &str) -> Result<()> {
    atomic_fs::write(&folder.join(format!("{name}.console.log")), atomic_fs::PUBLIC, console.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests;
