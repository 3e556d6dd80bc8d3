//! `hab lock`: what the lab's boxes are made of, pinned.

use std::path::Path;

use anyhow::{Result, ensure};

use super::{Global, print, progress};
use crate::artifacts::{self as supply, Table};
use crate::atomic_fs;
use crate::base::debian as base;
use crate::cache::Cache;
use crate::debian::Index;
use crate::lab;
use crate::lock::{self, FILE};
use crate::plan::Plan;
use crate::progress::Progress;

/// Pin every package, module and compiler that the boxes are made of in hab.lock
#[derive(Debug, clap::Args)]
pub struct Lock {
    /// Pin anew what is pinned already: today's packages, this hab's modules, this machine's compilers
    #[arg(long)]
    update: bool,
}

impl Lock {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = lab::plan(global)?;
        let cache = Cache::from_env()?;
        let progress = progress::printer(global);
        let made = self.update || lock::Lock::read(&global.lab)?.is_none();
        if made {
            write(&global.lab, &make(&cache, &plan, progress.as_ref())?)?;
        }
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        let file = lab::shown(&global.lab.join(FILE));
        print::out(if made { format!("wrote {file}\n") } else { format!("{file} is there; --update pins anew\n") })
    }
}

/// The lab's lock; one that is not there yet is made and written.
///
/// # Errors
/// It is damaged, or Debian's indexes or a compiler can't be had.
pub fn open(lab: &Path, cache: &Cache, plan: &Plan, progress: &dyn Progress) -> Result<lock::Lock> {
    if let Some(lock) = lock::Lock::read(lab)? {
        return Ok(lock);
    }
    let lock = make(cache, plan, progress)?;
    write(lab, &lock)?;
    Ok(lock)
}

/// Writes the lock.
///
/// # Errors
/// The folder can't be written to.
pub fn write(lab: &Path, lock: &lock::Lock) -> Result<()> {
    atomic_fs::write(&lab.join(FILE), atomic_fs::PUBLIC, &lock.to_bytes()?).map(drop)
}

/// Refuses a version that this hab does not build.
///
/// # Errors
/// The plan wants one.
pub fn same_kubernetes(table: &Table, plan: &Plan) -> Result<()> {
    let (has, wants) = (&table.upstream("kubernetes")?.version, &plan.kubernetes.version);
    ensure!(has == wants, "this hab builds Kubernetes {has}, not {wants}");
    Ok(())
}

fn make(cache: &Cache, plan: &Plan, progress: &dyn Progress) -> Result<lock::Lock> {
    let table = Table::source()?;
    same_kubernetes(&table, plan)?;
    let toolchain = supply::toolchain(cache)?;
    let what = "lock";
    progress.begin(what);
    let index = Index::refresh(cache)?;
    let base = base::resolve(&index)?;
    let supply = supply::pin(&table, toolchain, index.closure(table.debian_packages())?)?;
    let count = base.node.len() + base.tools.len() + supply.debs.len();
    progress.end(what, &format!("{count} packages and {} modules pinned", supply.upstreams.len()));
    Ok(lock::Lock::new(base, supply))
}
