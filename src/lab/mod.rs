//! The lab a verb works on.

use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use rustix::fs::{FlockOperation, flock};

use crate::cli::{Global, print};
use crate::clock::Clock;
use crate::config;
pub use crate::config::{OUT, PRIVATE};
use crate::pki::{AUTHORITIES, Pki};
use crate::plan::Plan;
use crate::progress::Progress;

/// Opens the lab's folder, reads its hab.yaml and decides everything; warnings are said at once.
///
/// # Errors
/// All problems of hab.yaml together, or it can't be read.
pub fn plan(global: &Global) -> Result<Plan> {
    let reading = config::load(&global.lab)?;
    let plan = Plan::new(reading.config()?)?;
    if !global.quiet && !reading.problems.list.is_empty() {
        print::stderr(reading.problems.to_string().trim_end());
    }
    Ok(plan)
}

/// Opens the lab's certificates, which must have been made before.
///
/// # Errors
/// There are none, or something is wrong with them.
pub fn pki(global: &Global, plan: &Plan) -> Result<Pki> {
    let private = tidy(&global.lab.join(PRIVATE));
    // A look makes nothing: without authorities there is no cluster to look at.
    let authorities = private.join(AUTHORITIES);
    ensure!(authorities.is_dir(), "there is no {}: this lab was not built yet; run `hab build`", authorities.display());
    Pki::open(&private, plan, Clock::system())
}

/// Waits until no other run of hab writes into this lab, for as long as what is returned is kept.
///
/// # Errors
/// The lab's folder can't be opened or locked.
pub fn hold(global: &Global, progress: &dyn Progress) -> Result<fs::File> {
    let folder = fs::File::open(&global.lab)?;
    if flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        progress.note("waiting for another run of hab in this lab");
        let about = || format!("waiting for another run of hab in {}", global.lab.display());
        flock(&folder, FlockOperation::LockExclusive).with_context(about)?;
    }
    Ok(folder)
}

/// The lab's folder as an absolute path.
///
/// # Errors
/// The working folder is gone.
pub fn folder(lab: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(lab).with_context(|| format!("finding the folder {}", lab.display()))?;
    // Without the `.` and `/.` that `absolute` keeps.
    Ok(path.components().collect())
}

/// A path without needless `.` parts.
pub fn tidy(path: &Path) -> PathBuf {
    let tidy: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

/// A path as short as it can be said.
pub fn shown(path: &Path) -> String {
    tidy(path).display().to_string()
}
