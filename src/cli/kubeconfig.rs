//! `hab kubeconfig`: where the administrator's kubeconfig is.

use std::os::unix::ffi::OsStrExt as _;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Global, print};
use crate::lab;

/// Print the path of the lab's kubeconfig, for `export KUBECONFIG=$(hab kubeconfig)`
#[derive(Debug, clap::Args)]
pub struct Kubeconfig {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

impl Kubeconfig {
    /// Runs the verb.
    pub fn run(&self, global: &Global) -> Result<()> {
        let path = lab::absolute(&global.lab)?.join(lab::OUT).join("kubeconfig");
        ensure!(path.is_file(), "there is no {}; `hab render` writes it", path.display());
        if self.json {
            let text = path.to_str().with_context(|| format!("the path {} is not text", path.display()))?;
            return print::json(&json!({"kubeconfig": text}));
        }
        print::out([path.as_os_str().as_bytes(), b"\n"].concat())
    }
}
