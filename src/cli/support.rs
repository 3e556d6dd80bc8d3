//! `hab support`: an archive for who is to help.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::{Global, print, progress};
use crate::clock::Clock;
use crate::{lab, support};

/// Write one archive with what somebody needs who is to help: versions, status, consoles, journals; no keys
///
/// In it: hab.yaml, hab.lock, nodes.json, the reports of boot tests, the machines' consoles, what `hab plan` and `hab status`
/// say, lists of nodes, pods and events, and of each node that answers its journal and units. Keys, certificates' keys and
/// passwords of the lab are not, nor your Ignition snippets; names and addresses are. Look through it before you send it.
#[derive(Debug, clap::Args)]
pub struct Support {
    /// The archive [default: hab-support-LAB-TIME.tar.gz in the working folder]
    file: Option<PathBuf>,

    /// Print what was written as JSON
    #[arg(long)]
    json: bool,
}

impl Support {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let plan = super::plan(global)?;
        let time = Clock::system().now().unix_timestamp();
        let path = self.file.clone().unwrap_or_else(|| format!("hab-support-{}-{time}.tar.gz", plan.lab).into());
        let progress = progress::printer(global);
        let files = support::write(&global.lab, &plan, &path, progress.as_ref())?;
        drop(progress);
        if self.json {
            return print::json(&json!({"archive": path.to_string_lossy(), "files": files}));
        }
        if global.quiet {
            return Ok(());
        }
        print::out(format!("{}: {}; look through it before you send it\n", lab::shown(&path), print::files(files)))
    }
}
