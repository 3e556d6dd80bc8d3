//! The supply's side of the lock: what is pinned before anything is built, and compared afterwards.

use std::collections::BTreeMap;

use anyhow::{Error, Result, bail, ensure};

use super::{Artifacts, Step, Table, go};
use crate::cache::Cache;
use crate::exec::gcc;
use crate::lock::{self, Deb, Supply, Toolchain};

/// The compilers this machine has.
///
/// # Errors
/// One is missing; the message says how to get it.
pub fn toolchain(cache: &Cache) -> Result<Toolchain> {
    Ok(Toolchain { go: go::home(cache).version()?, gcc: gcc::version()? })
}

/// The lock of a supply that is about to be built for the first time. `debs` are the packages of
/// [`Table::debian_packages`] with all they depend on.
///
/// # Errors
/// The embedded data are broken, which the unit tests rule out.
pub fn pin(table: &Table, toolchain: Toolchain, debs: Vec<Deb>) -> Result<Supply> {
    Ok(Supply { toolchain, upstreams: upstreams(table)?, debs, built: None })
}

/// Refuses a lock that pins other modules than this hab brings.
///
/// # Errors
/// It does; the message names the first.
pub fn same_upstreams(table: &Table, lock: &Supply) -> Result<()> {
    let own = upstreams(table)?;
    for (name, upstream) in &own {
        let locked = lock.upstreams.get(name);
        ensure!(
            locked == Some(upstream),
            "the lock pins another {name} ({}) than this hab builds ({}); `hab lock --update` pins anew",
            locked.map_or("none", |l| &l.version),
            upstream.version
        );
    }
    Ok(())
}

/// Refuses a compiler other than the one that the lock pins.
///
/// # Errors
/// It is another.
pub fn same_compiler(found: &str, locked: &str) -> Result<()> {
    ensure!(
        found == locked,
        "the lock wants {locked}, this machine has {found}: install that one, or `hab lock --update` pins anew"
    );
    Ok(())
}

/// What `steps` would complain about: a compiler that is missing, or another than the lock pins, if there is a lock.
pub fn missing_compilers<'t>(
    cache: &Cache,
    lock: Option<&Supply>,
    steps: impl Iterator<Item = Step<'t>>,
) -> Vec<Error> {
    let (mut go, mut c) = (false, false);
    for step in steps {
        // The C program's source is in a Go module.
        go |= matches!(step, Step::Go(_) | Step::C(..));
        c |= matches!(step, Step::C(..));
    }
    let locked = lock.map(|lock| &lock.toolchain);
    let check = |found: Result<String>, locked: Option<&String>| match locked {
        Some(locked) => same_compiler(&found?, locked),
        None => found.map(drop),
    };
    let go = go.then(|| check(go::home(cache).version(), locked.map(|locked| &locked.go)));
    let c = c.then(|| check(gcc::version(), locked.map(|locked| &locked.gcc)));
    [go, c].into_iter().flatten().filter_map(Result::err).collect()
}

/// Refuses results that are not what the lock says.
///
/// # Errors
/// One is not; the message names it.
pub fn same_results(artifacts: &Artifacts, lock: &Supply) -> Result<()> {
    let Some(locked) = &lock.built else { return Ok(()) };
    let own = artifacts.built();
    let programs = own.programs.iter().map(|(name, sum)| (name, sum, locked.programs.get(name)));
    let images = own.images.iter().map(|(name, sum)| (name, sum, locked.images.get(name)));
    for (name, own, locked) in programs.chain(images) {
        match locked {
            Some(locked) if locked == own => {}
            Some(locked) => {
                bail!("{name} came out other than locked: {own} and not {locked}; `hab lock --update` pins anew")
            }
            None => bail!("the lock has no {name}: `hab lock --update` pins anew"),
        }
    }
    Ok(())
}

fn upstreams(table: &Table) -> Result<BTreeMap<String, lock::Upstream>> {
    let pins = table.upstreams.iter().map(|(name, upstream)| {
        let go_sum = go::sum_of_sums(name)?;
        let pin = lock::Upstream { module: upstream.module.clone(), version: upstream.version.clone(), go_sum };
        Ok((name.clone(), pin))
    });
    pins.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifacts::{Artifact, Summed};

    fn locked() -> (Table, Supply) {
        let table = Table::source().unwrap();
        let toolchain = Toolchain { go: "go1.26.8".into(), gcc: "gcc 12".into() };
        let lock = pin(&table, toolchain, Vec::new()).unwrap();
        (table, lock)
    }

    #[test]
    fn a_lock_of_another_hab_is_refused_by_name() {
        let (table, mut lock) = locked();
        same_upstreams(&table, &lock).unwrap();
        lock.upstreams.get_mut("etcd").unwrap().version = "v3.5.0".into();
        let error = same_upstreams(&table, &lock).unwrap_err().to_string();
        assert!(error.contains("another etcd (v3.5.0)"), "{error}");
    }

    #[test]
    fn a_result_that_differs_is_refused_by_name() {
        let (_, mut lock) = locked();
        let file = Summed { path: "kubelet".into(), sha256: "aa".into() };
        let kubelet =
            Artifact { file, version: String::new(), libraries: BTreeMap::new(), check: vec![], says: String::new() };
        let mut artifacts = Artifacts::default();
        artifacts.programs.insert("kubelet".into(), kubelet);
        same_results(&artifacts, &lock).unwrap();
        lock.built = Some(artifacts.built());
        same_results(&artifacts, &lock).unwrap();
        artifacts.programs.get_mut("kubelet").unwrap().file.sha256 = "bb".into();
        let error = same_results(&artifacts, &lock).unwrap_err().to_string();
        assert_eq!(error, "kubelet came out other than locked: bb and not aa; `hab lock --update` pins anew");
    }
}
