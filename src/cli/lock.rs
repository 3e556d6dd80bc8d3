//! `hab lock`: what the lab's boxes are made of, pinned.

use anyhow::Result;

use super::{Global, plan, print, progress};
use crate::cache::Cache;
use crate::lab;
use crate::lab::lock::{Anew, Wishes};
use crate::lock::FILE;

/// Pin every package, module and compiler that the boxes are made of in hab.lock
#[derive(Debug, clap::Args)]
pub struct Lock {
    /// Pin anew what is pinned already: today's packages, this hab's modules
    #[arg(long)]
    update: bool,

    /// Pin anew what hab.yaml names in `images`, and nothing else
    #[arg(long, conflicts_with = "update")]
    images: bool,

    #[command(flatten)]
    wishes: AllWishes,
}

/// What counts only where everything is pinned anew.
#[derive(Debug, clap::Args)]
struct AllWishes {
    /// Also pin a vendor's image that is older than the one pinned already
    #[arg(long, requires = "update")]
    allow_downgrade: bool,

    /// With `supply: upstream`: ask this host's cosign who signed what is published, as far as that is signed
    #[arg(long, requires = "update")]
    cosign: bool,
}

impl Lock {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = plan(global)?;
        let cache = Cache::from_env()?;
        let progress = progress::printer(global);
        // A build that runs meanwhile would write its old lock back.
        let _held = lab::hold(&global.lab, progress.as_ref())?;
        let anew = match (self.update, self.images) {
            (true, _) => {
                let AllWishes { allow_downgrade, cosign } = self.wishes;
                Anew::All(Wishes { downgrade: allow_downgrade, cosign })
            }
            (false, true) => Anew::Images,
            (false, false) => Anew::Nothing,
        };
        let made = lab::lock::pin(&global.lab, &cache, &plan, anew, progress.as_ref())?;
        drop(progress);
        if global.quiet {
            return Ok(());
        }
        let file = lab::shown(&global.lab.join(FILE));
        print::out(if made { format!("wrote {file}\n") } else { format!("{file} is there; --update pins anew\n") })
    }
}
