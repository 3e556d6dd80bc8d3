//! A lab's folder: read, held while it is written, locked, built, rendered, and filled with boxes.

pub mod addons;
pub mod applied;
pub mod build;
pub mod lock;
pub mod machines;
pub mod nodes_json;
pub mod origin;
mod publish;
pub mod recording;
pub mod render;
pub mod way_out;

use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use fs_err as fs;

use crate::atomic_fs;
use crate::clock::Clock;
use crate::config;
pub use crate::config::{OUT, PRIVATE};
use crate::pki::{AUTHORITIES, Pki};
use crate::plan::Plan;
use crate::problems::Problems;
use crate::progress::Progress;
use crate::provider::facts;

/// A lab that was read.
#[derive(Debug)]
pub struct Opened {
    /// Every decision.
    pub plan: Plan,
    /// The warnings of its hab.yaml.
    pub warnings: Problems,
}

/// Reads the hab.yaml of the lab in `folder` and decides everything.
///
/// # Errors
/// All problems of hab.yaml together, or it can't be read.
pub fn open(folder: &Path) -> Result<Opened> {
    let reading = config::load(folder)?;
    let mut plan = Plan::new(reading.config()?)?;
    if let Some(provider) = origin::in_use(folder, &plan) {
        ensure!(
            plan.providers.contains(&provider),
            "this lab has machines in {0}, which `provider` in {1} does not name: `vagrant destroy --force` them first, or \
             name it, too",
            facts(provider).name,
            config::FILE
        );
        plan.provider = provider;
    }
    Ok(Opened { plan, warnings: reading.problems })
}

/// Opens the lab's certificates, which must have been made before.
///
/// # Errors
/// There are none, or something is wrong with them.
pub fn pki(folder: &Path, plan: &Plan) -> Result<Pki> {
    let private = tidy(&folder.join(PRIVATE));
    // A look makes nothing: without authorities there is no cluster to look at.
    let authorities = private.join(AUTHORITIES);
    ensure!(authorities.is_dir(), "there is no {}: this lab was not built yet; run `hab build`", authorities.display());
    Pki::open(&private, plan, Clock::system())
}

/// Waits until no other run of hab writes into this lab, for as long as what is returned is kept.
///
/// # Errors
/// The lab's folder can't be opened or held.
pub fn hold(folder: &Path, progress: &dyn Progress) -> Result<fs::File> {
    let held = fs::File::open(folder)?;
    atomic_fs::hold(&held, || progress.warn("waiting for another run of hab in this lab"))
        .with_context(|| format!("waiting for another run of hab in {}", folder.display()))?;
    Ok(held)
}

/// Makes the lab's folder for what is made, with what tells git and backups to pass it over.
///
/// # Errors
/// Something else stands there, or it can't be written.
pub fn create_out(folder: &Path) -> Result<()> {
    let out = folder.join(OUT);
    atomic_fs::create_dir(&out, 0o755)?;
    atomic_fs::ignore_in_git(&out, atomic_fs::PUBLIC)?;
    atomic_fs::tag_as_cache(&out, atomic_fs::PUBLIC)?;
    Ok(())
}

/// The lab's folder as an absolute path.
///
/// # Errors
/// The working folder is gone.
pub fn absolute(folder: &Path) -> Result<PathBuf> {
    let path = std::path::absolute(folder).with_context(|| format!("finding the folder {}", folder.display()))?;
    // Without the `.` and `/.` that `absolute` keeps.
    Ok(path.components().collect())
}

/// A path without needless `.` parts.
#[must_use]
pub fn tidy(path: &Path) -> PathBuf {
    let tidy: PathBuf = path.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

/// A path as short as it can be said.
#[must_use]
pub fn shown(path: &Path) -> String {
    tidy(path).display().to_string()
}
