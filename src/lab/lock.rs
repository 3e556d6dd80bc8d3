//! The lab's lock: opened, made, written.

use std::collections::btree_map::Entry;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::artifacts::{self, Catalog, release};
use crate::atomic_fs;
use crate::base::{self, BaseRequest};
use crate::cache::Cache;
use crate::container_images::{self, Fetcher};
use crate::debian::Index;
use crate::exec::cosign::Cosign;
use crate::kinds::{self, PARTS};
use crate::lock::{self, ContainerImage, Deb, FILE, Images, Lock, Supply};
use crate::plan::Plan;
use crate::progress::{Progress, StepHandle};

/// The lab's lock; one that is not there yet is made and written, and so is what it does not pin yet of parts and images.
///
/// # Errors
/// It is damaged, or what it is to pin can't be had.
pub fn open(lab: &Path, cache: &Cache, plan: &Plan, progress: &dyn Progress) -> Result<Lock> {
    match Lock::read(lab)? {
        Some(lock) => amend(lab, cache, plan, lock, progress),
        None => update(lab, cache, plan, progress, Wishes::default()),
    }
}

/// What is pinned anew though the lock pins it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// Nothing: only what is missing.
    Nothing,
    /// The container images of hab.yaml.
    Images,
    /// Everything, with what is wished besides.
    All(Wishes),
}

/// What who pins everything anew may wish besides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Also a vendor's image that is older than the one pinned.
    pub downgrade: bool,
    /// That cosign is asked who has signed what publishers have built.
    pub cosign: bool,
}

/// Pins what the lab's lock lacks, and this anew; returns whether it pinned something.
///
/// # Errors
/// The lock is damaged and not made anew, or what it is to pin can't be had.
pub fn pin(lab: &Path, cache: &Cache, plan: &Plan, anew: Anew, progress: &dyn Progress) -> Result<bool> {
    let (known, wishes) = match anew {
        Anew::All(wishes) => (None, wishes),
        Anew::Nothing | Anew::Images => (Lock::read(lab)?, Wishes::default()),
    };
    let Some(mut lock) = known else { return update(lab, cache, plan, progress, wishes).map(|_| true) };
    if anew == Anew::Images {
        lock.images = None;
    }
    let before = lock.clone();
    Ok(amend(lab, cache, plan, lock, progress)? != before)
}

/// Pins the parts that the lab has and the lock does not pin yet, and nothing any more of those that it has not; all else stays
/// as it is, the digests of all other programs, too. Returns whether that changed something.
///
/// # Errors
/// hab was built without a part.
fn pin_parts(plan: &Plan, lock: &mut Lock) -> Result<bool> {
    let ((modules, built), wanted) = (lock.supply.of_modules(), plan.parts());
    let mut changed = false;
    for part in PARTS {
        let table = Catalog::of_part(part)?;
        for (name, upstream) in table.upstreams {
            if !wanted.contains(part) {
                changed |= modules.remove(&name).is_some();
            } else if let Entry::Vacant(place) = modules.entry(name) {
                place.insert(artifacts::pin_upstream(&upstream)?);
                changed = true;
            }
        }
        if let Some(built) = built.as_mut().filter(|_| !wanted.contains(part)) {
            built.programs.retain(|name, _| !table.artifacts.contains_key(name));
            built.images.retain(|name, _| !table.images.values().any(|image| image.reference == *name));
        }
    }
    Ok(changed)
}

/// Pins the Debian packages of those parts in the same way, of today; asks Debian only if one is missing.
///
/// # Errors
/// Debian's indexes can't be had.
fn pin_debs(plan: &Plan, lock: &mut Lock, index: impl FnOnce() -> Result<Index>) -> Result<bool> {
    let (debs, parts) = (lock.supply.debs_mut(), plan.parts());
    let before = debs.len();
    let mut missing = Vec::new();
    for part in PARTS {
        let table = Catalog::of_part(part)?;
        // What they depend on is in no part alone, for these programs need no library.
        for name in table.debian_packages() {
            if !parts.contains(part) {
                debs.retain(|deb| deb.name != name);
            } else if !debs.iter().any(|deb| deb.name == name) {
                missing.push(name.to_owned());
            }
        }
    }
    if missing.is_empty() {
        return Ok(debs.len() != before);
    }
    for deb in index()?.closure(missing.iter().map(String::as_str))? {
        if !debs.iter().any(|own| own.name == deb.name) {
            debs.push(deb);
        }
    }
    debs.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(true)
}

/// The lock with the parts of hab.yaml, as [`amend`] has them; nothing is written.
///
/// # Errors
/// hab was built without a part.
pub fn with_parts(plan: &Plan, mut lock: Lock) -> Result<Lock> {
    pin_parts(plan, &mut lock)?;
    Ok(lock)
}

/// The lock with the parts and the container images of hab.yaml: those that it does not pin yet are pinned, those that hab.yaml
/// does not name any more leave it, and all else stays as it is.
///
/// # Errors
/// An image can't be had, or the lock not be written.
pub fn amend(lab: &Path, cache: &Cache, plan: &Plan, mut lock: Lock, progress: &dyn Progress) -> Result<Lock> {
    let changed = pin_parts(plan, &mut lock)? | pin_debs(plan, &mut lock, || Index::refresh(cache))?;
    if lock.has_images(&plan.images) && lock.images.is_some() == takes_images(plan) {
        if changed {
            write(lab, &lock)?;
        }
        return Ok(lock);
    }
    let step = progress.step("lock images", None);
    let packages = match &lock.images {
        Some(old) => old.packages.clone(),
        None => container_images::packages_of_today(cache)?,
    };
    let fetcher = Fetcher::new(cache, lab, &plan.registries, &packages);
    lock.images = pin_images(&fetcher, plan, lock.images.as_ref(), &step)?;
    write(lab, &lock)?;
    step.done(&format!("{} pinned", plan.images.len()));
    Ok(lock)
}

/// Whether the lab has to do with images of the user's, from the start or later.
fn takes_images(plan: &Plan) -> bool {
    !plan.images.is_empty() || plan.registries.in_lab
}

/// The images of hab.yaml; those that `old` has stay as they are there.
fn pin_images(
    fetcher: &Fetcher<'_>,
    plan: &Plan,
    old: Option<&Images>,
    step: &StepHandle<'_>,
) -> Result<Option<Images>> {
    if !takes_images(plan) {
        return Ok(None);
    }
    let known = |from: &str| old.and_then(|old| old.list.iter().find(|image| image.from == from)).cloned();
    let list = plan.images.iter().map(|source| match known(&source.to_string()) {
        Some(image) => Ok(image),
        None => container_images::resolve(fetcher, source, step),
    });
    let list = list.collect::<Result<Vec<_>>>()?;
    Ok(Some(Images { packages: fetcher.packages.to_vec(), linker: container_images::linker()?, list, disk: None }))
}

/// Pins everything as it is today, and writes the lock. From the old lock, if there is one that can be read, the
/// serial numbers of boxes go on, and what was built counts where it is built from the same. A vendor's image that is
/// older than the one pinned is refused, unless that is wished.
///
/// # Errors
/// Debian's indexes, a vendor's image or what the publishers have built can't be had, a wish can't be granted, or the folder not
/// be written to.
pub fn update(lab: &Path, cache: &Cache, plan: &Plan, progress: &dyn Progress, wishes: Wishes) -> Result<Lock> {
    let Wishes { downgrade, cosign } = wishes;
    let published = plan.supply == kinds::Supply::Upstream;
    ensure!(
        published || !cosign,
        "cosign has nothing to look at: with `supply: source` hab takes nothing that others have built"
    );
    // Before anything is downloaded.
    let cosign = cosign.then(Cosign::find).transpose()?;
    let old = Lock::read(lab).ok().flatten();
    let catalog = Catalog::of(plan.supply, &plan.kubernetes.version, &plan.parts())?;
    let step = progress.step("lock", None);
    let index = Index::refresh(cache)?;
    let tools = base::resolve_tools(&index)?;
    let (release, old_base) = (plan.release.as_ref(), old.as_ref().map(|old| &old.base));
    let wanted = BaseRequest { cache, base: plan.base, release, old: old_base, downgrade };
    let base = base::resolve(&wanted, &index, &step)?;
    let debs = index.closure(catalog.debian_packages())?;
    let tools_of_images = if takes_images(plan) { container_images::packages(&index)? } else { Vec::new() };
    // Other runs may want the indexes meanwhile.
    drop(index);
    let mut supply = match plan.supply {
        kinds::Supply::Source => Supply::Source(artifacts::pin(&catalog, debs)?),
        kinds::Supply::Upstream => upstream(cache, &catalog, debs, cosign.as_ref(), &step)?,
    };
    if let Some(old) = &old {
        supply.set_built(old.supply.still_built(&supply));
    }
    let packages = tools.len() + base.packages().len() + supply.debs().len();
    let image = base.vendor_image().map_or_else(String::new, |image| {
        format!("; {} {} {}, signed by {}", plan.base.name(), image.channel, image.version, image.signed_by)
    });
    let outcome = format!("{packages} packages and {} pinned{image}", sources(&supply));
    let fetcher = Fetcher::new(cache, lab, &plan.registries, &tools_of_images);
    let mut lock = Lock::new(tools, base, supply);
    lock.images = pin_images(&fetcher, plan, None, &step)?;
    lock.boxes = old.map(|old| old.boxes).unwrap_or_default();
    write(lab, &lock)?;
    step.done(&outcome);
    Ok(lock)
}

/// The supply `upstream`, as it is published today.
fn upstream(
    cache: &Cache,
    catalog: &Catalog,
    debs: Vec<Deb>,
    cosign: Option<&Cosign>,
    step: &StepHandle<'_>,
) -> Result<Supply> {
    let files = release::resolve(&release::downloads(cache), catalog, cosign, step)?;
    Ok(Supply::Upstream(artifacts::pin_releases(catalog, debs, files)?))
}

/// What a supply pins besides packages, in words.
fn sources(supply: &Supply) -> String {
    match supply {
        Supply::Source(source) => format!("{} modules", source.upstreams.len()),
        Supply::Upstream(releases) => {
            let files = releases.files.values().flatten();
            let (count, bytes) = files.fold((0, 0), |(count, bytes), file| (count + 1, bytes + file.size));
            format!("{count} published files ({} MiB)", bytes >> 20)
        }
    }
}

/// A lock that pins no packages, to ask what building takes before there is one.
///
/// # Errors
/// This hab does not build that version of Kubernetes.
pub fn blank(plan: &Plan) -> Result<Lock> {
    let catalog = Catalog::of(plan.supply, &plan.kubernetes.version, &plan.parts())?;
    let supply = match plan.supply {
        kinds::Supply::Source => Supply::Source(artifacts::pin(&catalog, Vec::new())?),
        kinds::Supply::Upstream => {
            Supply::Upstream(artifacts::pin_releases(&catalog, Vec::new(), release::unresolved(&catalog)?)?)
        }
    };
    let mut lock = Lock::new(Vec::new(), lock::Base::none(plan.base, plan.release.as_ref()), supply);
    if !plan.images.is_empty() {
        let list = plan.images.iter().map(|source| ContainerImage::unknown(source.to_string())).collect();
        lock.images = Some(Images { packages: Vec::new(), linker: container_images::linker()?, list, disk: None });
    }
    Ok(lock)
}

/// Writes the lock.
///
/// # Errors
/// The folder can't be written to.
pub fn write(lab: &Path, lock: &Lock) -> Result<()> {
    atomic_fs::write(&lab.join(FILE), atomic_fs::PUBLIC, &lock.to_bytes()?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::Built;

    fn plan(text: &str) -> Plan {
        let text = format!("lab: demo\n{text}\n");
        Plan::new(crate::config::read("hab.yaml", text.as_bytes(), &|_| Ok(())).config().unwrap()).unwrap()
    }

    #[test]
    fn what_fetches_images_leaves_the_lock_with_the_registry() {
        let (dir, progress) = (tempfile::tempdir().unwrap(), crate::progress::Silent);
        let cache = Cache::at(dir.path().join("cache"));
        let (with, without) = (plan("registry: {inLab: true}"), plan(""));
        let mut lock = blank(&with).unwrap();
        lock.images = Some(Images {
            packages: Vec::new(),
            linker: container_images::linker().unwrap(),
            list: Vec::new(),
            disk: None,
        });
        let kept = amend(dir.path(), &cache, &with, lock.clone(), &progress).unwrap();
        assert_eq!(kept, lock);
        assert_eq!(amend(dir.path(), &cache, &without, lock, &progress).unwrap().images, None);
    }

    #[test]
    fn a_parts_packages_are_asked_for_once_and_leave_with_it() {
        let (with, without) = (plan("addons: [busybox]"), plan(""));
        let deb = |name: &str| Deb {
            name: name.to_owned(),
            version: "1".to_owned(),
            archive: lock::Archive::Main,
            path: "p".to_owned(),
            size: 1,
            sha256: "0".repeat(64),
        };
        let mut lock = blank(&without).unwrap();
        *lock.supply.debs_mut() = vec![deb("haproxy")];
        let before = lock.clone();
        let nobody = || panic!("Debian is asked");
        assert!(!pin_debs(&without, &mut lock, nobody).unwrap());
        assert_eq!(lock, before);
        let error = pin_debs(&with, &mut lock, || anyhow::bail!("asked")).unwrap_err();
        assert_eq!((error.to_string().as_str(), &lock), ("asked", &before));
        lock.supply.debs_mut().insert(0, deb("busybox-static"));
        assert!(!pin_debs(&with, &mut lock, nobody).unwrap());
        assert!(pin_debs(&without, &mut lock, nobody).unwrap());
        assert_eq!(lock, before);
    }

    #[test]
    fn a_part_is_pinned_with_nothing_else_and_leaves_as_it_came() {
        for supply in ["source", "upstream"] {
            let of = |more: &str| plan(&format!("supply: {supply}\n{more}"));
            let without = of("");
            let mut lock = blank(&without).unwrap();
            let programs = [("kubelet".to_owned(), "digest".to_owned())].into();
            lock.supply.set_built(Some(Built { programs, ..Built::default() }));
            let before = lock.clone();
            assert!(!pin_parts(&without, &mut lock).unwrap());
            assert_eq!(lock, before);
            let all = [
                ("kubernetes: {cni: flannel}", "flanneld"),
                ("network: {internet: true}", "hab-roots"),
                ("kubernetes: {networkPolicies: true}", "kube-network-policies"),
                ("registry: {inLab: true}", "hab-registry"),
                ("addons: [metrics-server]", "metrics-server"),
                ("addons: [local-path]", "local-path-provisioner"),
            ];
            // busybox has no module.
            assert_eq!(all.len() + 1, PARTS.len());
            for (more, program) in all {
                let with = of(more);
                assert!(pin_parts(&with, &mut lock).unwrap(), "{more}");
                assert_eq!(lock.supply.built(), before.supply.built(), "{more}: all else is as it was");
                assert!(!pin_parts(&with, &mut lock).unwrap(), "{more}");
                let catalog = Catalog::of(with.supply, &with.kubernetes.version, &with.parts()).unwrap();
                assert!(catalog.artifacts.contains_key(program), "{more}");
                artifacts::same_pins(&catalog, &lock.supply).unwrap();

                let mut built = lock.supply.built().unwrap().clone();
                built.programs.insert(program.to_owned(), "digest".to_owned());
                lock.supply.set_built(Some(built));
                assert!(pin_parts(&without, &mut lock).unwrap(), "{more}");
                assert_eq!(lock, before, "{more}");
            }
        }
    }
}
