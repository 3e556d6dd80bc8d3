//! The lab's lock: opened, made, written.

use std::path::Path;

use anyhow::Result;

use crate::artifacts::{self, Catalog};
use crate::atomic_fs;
use crate::base::{self, Wanted};
use crate::cache::Cache;
use crate::debian::Index;
use crate::lock::{self, FILE, Lock, Supply};
use crate::plan::Plan;
use crate::progress::Progress;

/// The lab's lock; one that is not there yet is made and written.
///
/// # Errors
/// It is damaged, or Debian's indexes can't be had.
pub fn open(lab: &Path, cache: &Cache, plan: &Plan, progress: &dyn Progress) -> Result<Lock> {
    if let Some(lock) = Lock::read(lab)? {
        return Ok(lock);
    }
    update(lab, cache, plan, progress, false)
}

/// Pins everything as it is today, and writes the lock. From the old lock, if there is one that can be read, the
/// serial numbers of boxes go on, and what was built counts where it is built from the same. A vendor's image that is
/// older than the one pinned is refused, unless `downgrade` is set.
///
/// # Errors
/// Debian's indexes or a vendor's image can't be had, or the folder not be written to.
pub fn update(lab: &Path, cache: &Cache, plan: &Plan, progress: &dyn Progress, downgrade: bool) -> Result<Lock> {
    let old = Lock::read(lab).ok().flatten();
    let catalog = Catalog::source(&plan.kubernetes.version)?;
    let step = progress.step("lock", None);
    let index = Index::refresh(cache)?;
    let tools = base::resolve_tools(&index)?;
    let (release, old_base) = (plan.release.as_ref(), old.as_ref().map(|old| &old.base));
    let wanted = Wanted { cache, base: plan.base, release, old: old_base, downgrade };
    let base = base::resolve(&wanted, &index, &step)?;
    let mut source = artifacts::pin(&catalog, index.closure(catalog.debian_packages())?)?;
    if let Some(Lock { supply: Supply::Source(old), .. }) = &old {
        source.built = old.still_built(&source);
    }
    let packages = tools.len() + base.packages().len() + source.debs.len();
    let image = base.image().map_or_else(String::new, |image| {
        format!("; {} {} {}, signed by {}", plan.base.name(), image.channel, image.version, image.signed_by)
    });
    let outcome = format!("{packages} packages and {} modules pinned{image}", source.upstreams.len());
    let mut lock = Lock::new(tools, base, Supply::Source(source));
    lock.boxes = old.map(|old| old.boxes).unwrap_or_default();
    write(lab, &lock)?;
    step.done(&outcome);
    Ok(lock)
}

/// A lock that pins no packages, to ask what building takes before there is one.
///
/// # Errors
/// This hab does not build that version of Kubernetes.
pub fn blank(plan: &Plan) -> Result<Lock> {
    let catalog = Catalog::source(&plan.kubernetes.version)?;
    let source = artifacts::pin(&catalog, Vec::new())?;
    Ok(Lock::new(Vec::new(), lock::Base::none(plan.base, plan.release.as_ref()), Supply::Source(source)))
}

/// Writes the lock.
///
/// # Errors
/// The folder can't be written to.
pub fn write(lab: &Path, lock: &Lock) -> Result<()> {
    atomic_fs::write(&lab.join(FILE), atomic_fs::PUBLIC, &lock.to_bytes()?).map(drop)
}
