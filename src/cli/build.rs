//! `hab build`: the whole chain, lock to boxes to data. Each step is taken once for its inputs.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use serde_json::json;

use super::{Global, lock, print, progress, render};
use crate::artifacts::{self as supply, Table};
use crate::atomic_fs;
use crate::base::debian as base;
use crate::boot_test::{self as proof, Report};
use crate::build::explain::{self as steps, Step};
use crate::build::role::{self as boxed, Boxed, Outcome};
use crate::cache::{Cache, Made};
use crate::exec::qemu::{self, Accelerator};
use crate::exec::qemu_img;
use crate::lab;
use crate::lock::Lock;
use crate::node::NodeKind;
use crate::payload;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::provider as vagrant;
use crate::role::Role;
use crate::vagrant_box as boxes;

/// What `out/boxes` holds, for people and programs.
const CATALOG: &str = "catalog.json";

/// Build and prove every box, and render everything: after this, `vagrant up`
#[derive(Debug, clap::Args)]
pub struct Build {
    /// Print what was done as JSON
    #[arg(long)]
    json: bool,
}

impl Build {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = lab::plan(global)?;
        let progress = progress::printer(global);
        let _held = lab::hold(global, progress.as_ref())?;
        let built = build(global, &plan, progress.as_ref())?;
        let written = render::render(&global.lab, &plan, progress.as_ref())?;
        drop(progress);
        if self.json {
            return print::json(&json!({"boxes_built": built, "files_written": written}));
        }
        if global.quiet {
            return Ok(());
        }
        let files = print::files(written);
        let boxes = if built == 1 { "1 box".to_owned() } else { format!("{built} boxes") };
        print::out(match (built, written) {
            (0, 0) => "nothing to do: every box is built and proven, every file is as it should be\n".to_owned(),
            (0, _) => format!("the boxes stay as they are; {files} written\nnow: vagrant up\n"),
            _ => format!("{boxes} built and proven, {files} written\nnow: vagrant up\n"),
        })
    }
}

/// Builds all boxes and puts them into `out/`; returns how many are new there.
fn build(global: &Global, plan: &Plan, progress: &dyn Progress) -> Result<usize> {
    let cache = Cache::from_env()?;
    let table = Table::source()?;
    // What is damaged is said where it is used; much of it is made again.
    if let Ok(steps) = steps::of(&global.lab, &cache, plan) {
        ready(&global.lab, &cache, &table, &steps)?;
    }
    let mut lock = lock::open(&global.lab, &cache, plan, progress)?;
    let disk = base::build(&cache, &lock.base, progress)?;
    let artifacts = supply::build(&cache, &table, &lock.supply, progress)?;
    let results = artifacts.built();
    if lock.supply.built.as_ref() != Some(&results) {
        lock.supply.built = Some(results);
        lock::write(&global.lab, &lock)?;
    }

    let found = OnceLock::new();
    let accelerator = || accelerator(&cache, &found, progress);
    // The roles side by side: each of their guests has one processor, and most machines have more.
    let outcomes = std::thread::scope(|scope| {
        let work = Role::ALL.map(|role| {
            let (cache, lock, disk, artifacts, accelerator) = (&cache, &lock, &disk, &artifacts, &accelerator);
            scope.spawn(move || {
                let payload = payload::build(cache, role, artifacts, &lock.base.tools, progress)?;
                boxed::make(
                    cache,
                    NodeKind::of(plan, role),
                    disk,
                    &payload,
                    vagrant::BOX_VAGRANTFILE,
                    accelerator,
                    progress,
                )
            })
        });
        work.map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the build stopped"))))
    });
    let out = global.lab.join(lab::OUT);
    let new = publish(&out, plan, outcomes, progress)?;
    // The cluster's own kubectl, for a host that has none.
    let bin = out.join("bin");
    atomic_fs::create_dir(&bin, 0o755)?;
    atomic_fs::link(&artifacts.program("kubectl")?.file.path, &bin.join("kubectl"))?;
    Ok(new)
}

/// Looks for the programs that the steps to come will start, so that a build does not work for minutes and then miss one.
fn ready(lab: &Path, cache: &Cache, table: &Table, steps: &[Step]) -> Result<()> {
    let to_come: Vec<&str> = steps.iter().filter(|step| !step.is_there()).map(Step::name).collect();
    if to_come.is_empty() {
        return Ok(());
    }
    let made = supply::Step::all(table).into_iter().filter(|step| to_come.contains(&step.name().as_str()));
    let lock = Lock::read(lab).ok().flatten();
    let mut errors = supply::missing_compilers(cache, lock.as_ref().map(|lock| &lock.supply), made);
    if to_come.iter().any(|name| name.starts_with(steps::PROOF)) {
        let scratch = cache.scratch()?;
        errors.extend(qemu_img::tool().err());
        errors.extend(qemu::system().err());
        errors.extend(proof::ready(scratch.path()).err());
    }
    all(errors)
}

/// Several errors as one.
fn all(mut errors: Vec<Error>) -> Result<()> {
    match errors.len() {
        0 => Ok(()),
        1 => Err(errors.remove(0)),
        _ => bail!("{}", errors.iter().map(|e| format!("{e:#}")).collect::<Vec<_>>().join("\n")),
    }
}

/// kvm or emulation, found out once a build.
fn accelerator(cache: &Cache, found: &OnceLock<Accelerator>, progress: &dyn Progress) -> Result<Accelerator> {
    if let Some(accelerator) = found.get() {
        return Ok(*accelerator);
    }
    let scratch = cache.scratch()?;
    let accelerator = qemu::accelerator(scratch.path())?;
    if found.set(accelerator).is_ok() {
        progress.note(match accelerator {
            Accelerator::Kvm => "kvm runs a guest here: using it",
            Accelerator::Tcg => "no kvm here: emulating, which takes about five times as long",
        });
    }
    Ok(accelerator)
}

/// Puts boxes, their metadata, catalog and reports where the user and Vagrant look for them, if there is one of every
/// role. A role whose checks failed leaves its report, and takes away a box of an earlier build: nothing unproven stays.
/// What else goes wrong, as a full disk or Ctrl-C, leaves the boxes of the last good build as they are.
fn publish(out: &Path, plan: &Plan, outcomes: [Result<Outcome>; 3], progress: &dyn Progress) -> Result<usize> {
    let (boxes_dir, reports) = (out.join("boxes"), out.join("report"));
    for folder in [out, &boxes_dir, &reports] {
        atomic_fs::create_dir(folder, 0o755)?;
    }
    let mut done: Vec<(Role, Box<Boxed>)> = Vec::new();
    let mut failed = Vec::new();
    let mut errors = Vec::new();
    for (role, outcome) in Role::ALL.into_iter().zip(outcomes) {
        match outcome {
            Ok(Outcome::Boxed(boxed)) => {
                report(&reports, &boxed.report)?;
                done.push((role, boxed));
            }
            Ok(Outcome::Failed(found)) => {
                report(&reports, &found)?;
                failed.push(role);
                errors.push(anyhow!("the {role} box is not what it should be:\n  {}", found.failures().join("\n  ")));
            }
            Err(error) => errors.push(error),
        }
    }
    atomic_fs::remove_stale(&boxes_dir, |name| {
        let role = Role::ALL.into_iter().find(|role| name.split('.').next() == Some(role.name()));
        role.is_some_and(|role| !failed.contains(&role))
    })?;
    atomic_fs::remove_stale(out, |name| failed.is_empty() || name != CATALOG)?;
    all(errors)?;
    let mut new = 0;
    let mut catalog = Vec::new();
    for (role, boxed) in &done {
        let name = plan.box_name(*role);
        let version = boxed.packed.version(&plan.kubernetes.version);
        let file = lab::folder(&boxes_dir)?.join(format!("{role}.box"));
        new += usize::from(atomic_fs::link(&boxed.file, &file)? == atomic_fs::Written::Changed);
        let metadata = boxes::metadata(&name, &version, &file, &boxed.packed);
        atomic_fs::write(&boxes_dir.join(format!("{role}.json")), atomic_fs::PUBLIC, &metadata)?;
        catalog.push((name, version, format!("boxes/{role}.box"), boxed));
        if boxed.made == Made::Now {
            progress.note(&format!("{role}: {}", boxed.packed.sha256));
        }
    }
    let list = catalog.iter().map(|(n, v, f, b)| (n.as_str(), v.as_str(), f.as_str(), &b.packed));
    atomic_fs::write(&out.join(CATALOG), atomic_fs::PUBLIC, &boxes::catalog(list))?;
    Ok(new)
}

/// A role's boot report, for people's programs and for CI.
fn report(folder: &Path, report: &Report) -> Result<()> {
    let mut json = serde_json::to_vec_pretty(report).context("writing the boot report as JSON")?;
    json.push(b'\n');
    let path = |ending: &str| -> PathBuf { folder.join(format!("{}.{ending}", report.role)) };
    atomic_fs::write(&path("json"), atomic_fs::PUBLIC, &json)?;
    atomic_fs::write(&path("xml"), atomic_fs::PUBLIC, report.junit().as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read;
    use crate::progress::Silent;

    /// Publishes over what an earlier build left, with this outcome for etcd and an error for the others; returns what
    /// is said, and what is then left.
    fn publish_over(etcd: Result<Outcome>) -> (String, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan::new(read("hab.yaml", b"lab: demo\n", &|_| Ok(())).config().unwrap()).unwrap();
        let files = ["boxes/etcd.box", "boxes/etcd.json", "boxes/worker.box", CATALOG, "nodes.json"];
        fs_err::create_dir(dir.path().join("boxes")).unwrap();
        for file in files {
            fs_err::write(dir.path().join(file), "").unwrap();
        }
        let full = || Err(anyhow!("the disk is full"));
        let said = publish(dir.path(), &plan, [etcd, full(), full()], &Silent).unwrap_err().to_string();
        let left = files.into_iter().filter(|file| dir.path().join(file).exists()).map(str::to_owned).collect();
        (said, left)
    }

    #[test]
    fn a_failed_check_takes_its_box_away_and_the_catalog() {
        let report = Report { role: Role::Etcd, answers: vec![], missing: vec!["run:bin/etcd".into()], seconds: 1.0 };
        let (said, left) = publish_over(Ok(Outcome::Failed(report)));
        assert!(said.contains("the etcd box is not what it should be") && said.contains("run:bin/etcd"), "{said}");
        assert_eq!(left, ["boxes/worker.box", "nodes.json"]);
    }

    #[test]
    fn what_else_goes_wrong_leaves_the_last_good_build() {
        let (said, left) = publish_over(Err(anyhow!("ended by SIGINT")));
        assert!(said.contains("ended by SIGINT"), "{said}");
        assert_eq!(left.len(), 5, "{left:?}");
    }
}
