//! The supply's side of the lock: what is pinned before anything is built, and compared afterwards.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::Catalog;
use crate::digest::sha256;
use crate::lock::{Built, Deb, ReleaseFile, Releases, Source, Supply, Upstream};

/// The lock of a supply that is about to be built for the first time. `debs` are the packages of
/// [`Catalog::debian_packages`] with all they depend on.
pub fn pin(catalog: &Catalog, debs: Vec<Deb>) -> Result<Source> {
    Ok(Source { go: catalog.go.clone(), upstreams: upstreams(catalog)?, debs, built: None })
}

/// The same for a supply whose releases have these files.
pub fn pin_releases(catalog: &Catalog, debs: Vec<Deb>, files: BTreeMap<String, Vec<ReleaseFile>>) -> Result<Releases> {
    Ok(Releases { files, modules: upstreams(catalog)?, debs, built: None })
}

/// Refuses a lock that pins other modules or releases than this hab brings.
///
/// # Errors
/// It does; the message names the first.
pub fn same_pins(catalog: &Catalog, lock: &Supply) -> Result<()> {
    let (modules, files) = match lock {
        Supply::Source(source) => (&source.upstreams, None),
        Supply::Upstream(releases) => (&releases.modules, Some(&releases.files)),
    };
    for (name, upstream) in &upstreams(catalog)? {
        let locked = modules.get(name);
        if locked == Some(upstream) {
            continue;
        }
        let version = locked.map_or("none", |locked| &locked.version);
        ensure!(
            version != upstream.version,
            "the lock pins {name} {version} of other sources than this hab brings; `hab lock --update` pins anew"
        );
        bail!(
            "the lock pins another {name} ({version}) than this hab builds ({}); `hab lock --update` pins anew",
            upstream.version
        );
    }
    let Some(files) = files else { return Ok(()) };
    for name in catalog.releases.keys() {
        let locked = files.get(name).map(Vec::as_slice).unwrap_or_default();
        for file in catalog.published(name)? {
            let is_locked = locked.iter().any(|locked| locked.url == file.url);
            ensure!(
                is_locked,
                "the lock does not pin {}, which this hab takes; `hab lock --update` pins anew",
                file.url
            );
        }
    }
    Ok(())
}

/// Refuses results that are not what the lock says. Of a part that the lab has begun with since it says nothing: what comes out
/// goes into the next lock.
///
/// # Errors
/// One is not; the message names it.
pub fn same_results(own: &Built, locked: Option<&Built>) -> Result<()> {
    let Some(locked) = locked else { return Ok(()) };
    let programs = own.programs.iter().map(|(name, sum)| (name, sum, locked.programs.get(name)));
    let images = own.images.iter().map(|(name, sum)| (name, sum, locked.images.get(name)));
    for (name, own, locked) in programs.chain(images) {
        match locked {
            Some(locked) if locked != own => {
                bail!("{name} came out other than locked: {own} and not {locked}; `hab lock --update` pins anew")
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

fn upstreams(catalog: &Catalog) -> Result<BTreeMap<String, Upstream>> {
    catalog.upstreams.iter().map(|(name, upstream)| Ok((name.clone(), pin_upstream(upstream)?))).collect()
}

/// The lock of one upstream.
///
/// # Errors
/// hab was built without its folder.
pub fn pin_upstream(upstream: &super::Upstream) -> Result<Upstream> {
    let lines = upstream.files()?.into_iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes)));
    let files = sha256(lines.collect::<String>());
    Ok(Upstream { module: upstream.module.clone(), version: upstream.version.clone(), files })
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::artifacts::release;
    use crate::kinds;

    fn locked() -> (Catalog, Source) {
        let catalog = Catalog::source(kinds::Supply::Source.kubernetes_versions()[0]).unwrap();
        let lock = pin(&catalog, Vec::new()).unwrap();
        (catalog, lock)
    }

    #[test]
    fn a_lock_of_another_hab_is_refused_by_name() {
        let (catalog, mut lock) = locked();
        same_pins(&catalog, &Supply::Source(lock.clone())).unwrap();
        lock.upstreams.get_mut("etcd").unwrap().version = "v3.5.0".into();
        let error = same_pins(&catalog, &Supply::Source(lock)).unwrap_err().to_string();
        assert!(error.contains("another etcd (v3.5.0)"), "{error}");
    }

    #[test]
    fn so_is_one_of_other_sources_of_the_same_version() {
        let (catalog, mut lock) = locked();
        let files = &mut lock.upstreams.get_mut("probe").unwrap().files;
        assert_eq!(files.len(), 64);
        *files = sha256("others");
        let lock = Supply::Source(lock);
        let error = same_pins(&catalog, &lock).unwrap_err().to_string();
        let version = &catalog.upstreams["probe"].version;
        assert!(error.contains(&format!("probe {version} of other sources")), "{error}");
        // So what was built of them is built again, and pinned anew.
        let new = Supply::Source(pin(&catalog, Vec::new()).unwrap());
        assert_eq!(lock.still_built(&new), None);
    }

    #[test]
    fn a_lock_of_other_releases_is_refused_by_address() {
        let supply = kinds::Supply::Upstream;
        let catalog = Catalog::of(supply, supply.kubernetes_versions()[0], &[]).unwrap();
        let mut lock = pin_releases(&catalog, Vec::new(), release::unresolved(&catalog).unwrap()).unwrap();
        same_pins(&catalog, &Supply::Upstream(lock.clone())).unwrap();
        lock.files.get_mut("etcd").unwrap()[0].url.push('0');
        let error = same_pins(&catalog, &Supply::Upstream(lock.clone())).unwrap_err().to_string();
        assert!(error.contains("does not pin https://github.com/etcd-io/"), "{error}");
        lock.modules.clear();
        let error = same_pins(&catalog, &Supply::Upstream(lock)).unwrap_err().to_string();
        assert!(error.contains("another probe (none)"), "{error}");
    }

    #[test]
    fn a_result_that_differs_is_refused_by_name() {
        let mut built = Built { programs: BTreeMap::from([("kubelet".into(), "aa".into())]), ..Built::default() };
        same_results(&built, None).unwrap();
        let locked = built.clone();
        same_results(&built, Some(&locked)).unwrap();
        built.programs.insert("kubelet".into(), "bb".into());
        let error = same_results(&built, Some(&locked)).unwrap_err().to_string();
        assert_eq!(error, "kubelet came out other than locked: bb and not aa; `hab lock --update` pins anew");
        // Also beside what is new.
        built.programs.insert("flanneld".into(), "cc".into());
        same_results(&built, Some(&locked)).unwrap_err();
        built.programs.insert("kubelet".into(), "aa".into());
        same_results(&built, Some(&locked)).unwrap();
    }
}
