//! `hab kubeconfig`: where the administrator's kubeconfig is, and the way into the user's own.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::json;

use super::{Global, print};
use crate::{kubeconfig, lab};

/// Print the path of the lab's kubeconfig, for `export KUBECONFIG=$(hab kubeconfig)`
///
/// --merge puts the lab's clusters, contexts and user into your own kubeconfig as well (the file that kubectl writes to:
/// of `$KUBECONFIG`, else ~/.kube/config), and --unmerge takes them out again. Nothing else in that file changes. The
/// current context stays, unless there is none.
#[derive(Debug, clap::Args)]
pub struct Kubeconfig {
    /// Print it as JSON
    #[arg(long)]
    json: bool,

    /// Put the lab's entries into your own kubeconfig
    #[arg(long, conflicts_with = "unmerge")]
    merge: bool,

    /// Take the lab's entries out of your own kubeconfig
    #[arg(long)]
    unmerge: bool,
}

impl Kubeconfig {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let path = lab::absolute(&global.lab)?.join(lab::OUT).join("kubeconfig");
        if self.unmerge {
            return self.take_out(global, &path);
        }
        ensure!(path.is_file(), "there is no {}; `hab render` writes it", path.display());
        if self.merge {
            return self.put_in(global, &path);
        }
        if self.json {
            return print::json(&json!({"kubeconfig": text(&path)?}));
        }
        print::out([path.as_os_str().as_bytes(), b"\n"].concat())
    }

    fn put_in(&self, global: &Global, own: &Path) -> Result<()> {
        let plan = super::plan(global)?;
        let (lab, user) = (plan.lab.as_str(), kubeconfig::of_user(own)?);
        let entries = fs::read_to_string(own)?;
        kubeconfig::rewrite(&user, |text| kubeconfig::merged(text, &entries, lab))?;
        self.say(global, &user, &format!("the context {lab} is in {}", user.display()))?;
        if self.json || global.quiet {
            return Ok(());
        }
        print::out(format!("`kubectl config use-context {lab}` chooses it; `hab kubeconfig --unmerge` takes it out\n"))
    }

    fn take_out(&self, global: &Global, own: &Path) -> Result<()> {
        let plan = super::plan(global)?;
        let (lab, user) = (plan.lab.as_str(), kubeconfig::of_user(own)?);
        let there = user.is_file() && kubeconfig::has(&fs::read_to_string(&user)?, lab)?;
        if there {
            kubeconfig::rewrite(&user, |text| kubeconfig::without(text, lab))?;
        }
        let what = if there { "is out of" } else { "is not in" };
        self.say(global, &user, &format!("the lab {lab} {what} {}", user.display()))
    }

    fn say(&self, global: &Global, user: &Path, what: &str) -> Result<()> {
        if self.json {
            return print::json(&json!({"kubeconfig": text(user)?}));
        }
        if global.quiet { Ok(()) } else { print::out(format!("{what}\n")) }
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not text", path.display()))
}
