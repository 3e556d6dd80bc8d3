//! `hab clean`: removes what can be built again.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use fs_err as fs;

use super::{Global, print, progress};
use crate::atomic_fs;
use crate::cache::Cache;
use crate::config::FILE;
use crate::lab;
use crate::saves::{self, Saves};

/// Remove what hab has built: the lab's out/ folder, or the cache
#[derive(Debug, clap::Args)]
pub struct Clean {
    /// Remove private/ as well: the CAs and keys; nodes that run are then lost to you
    #[arg(long)]
    private: bool,

    /// Empty the cache that all labs share, instead; the next build fetches and builds everything
    #[arg(long, conflicts_with = "private")]
    cache: bool,

    /// Also when Vagrant still has machines of this lab
    #[arg(long, conflicts_with = "cache")]
    force: bool,
}

impl Clean {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let say = |text: String| if global.quiet { Ok(()) } else { print::out(text + "\n") };
        if self.cache {
            let cache = Cache::from_env()?;
            cache.clear()?;
            return say(format!("emptied {}", cache.root().display()));
        }
        let folder = &global.lab;
        if !folder.join(FILE).is_file() {
            bail!("{} is no lab: there is no {FILE} in it, so nothing is removed", folder.display());
        }
        if !self.force
            && let Some(machine) = machine(folder)
        {
            bail!("Vagrant still has the machine {machine}; run `vagrant destroy -f` first, or clean with --force");
        }
        let progress = progress::printer(global);
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let saves = saves::names(folder)?;
        if self.private && saves::any_left(folder) {
            // They are of no use without the keys, and what is known of their files goes with these.
            let plan = super::plan(global)?;
            let all = Saves::open(&plan, folder)?;
            all.recover(progress.as_ref())?;
            all.remove_all()?;
            say(format!("removed {} saves", saves.len()))?;
        }
        let names: &[&str] = if self.private { &[lab::OUT, lab::PRIVATE] } else { &[lab::OUT] };
        for name in names {
            let path = folder.join(name);
            let text = if atomic_fs::remove(&path)? { "removed" } else { "not there:" };
            say(format!("{text} {}", lab::shown(&path)))?;
        }
        for save in saves.iter().filter(|_| !self.private) {
            let size = super::saves::size(saves::bytes(folder, save));
            say(format!("the save `{save}` stays: {size}; `hab saves rm {save}` removes it"))?;
        }
        Ok(())
    }
}

/// A machine that Vagrant has made and not destroyed: it notes each in `.vagrant/machines/<name>/<provider>/id`.
fn machine(folder: &Path) -> Option<String> {
    let entries = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten();
    let mut machines: Vec<String> = entries(lab::origin::machines(folder))
        .filter(|machine| entries(machine.path()).any(|provider| provider.path().join("id").is_file()))
        .map(|machine| machine.file_name().to_string_lossy().into_owned())
        .collect();
    machines.sort();
    machines.into_iter().next()
}
