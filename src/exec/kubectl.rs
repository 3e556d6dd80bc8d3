//! kubectl: the lab's own, from `out/bin`.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use super::Tool;

/// How long the pods of a node have to end: a `PodDisruptionBudget` may hold them up.
const DRAIN: &str = "600s";

/// The kubectl of a lab, as its administrator.
#[derive(Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    /// That of the lab whose `out/` folder this is.
    ///
    /// # Errors
    /// The lab is not built.
    pub fn of(out: &Path) -> Result<Self> {
        let (program, kubeconfig) = (out.join("bin/kubectl"), out.join("kubeconfig"));
        ensure!(program.is_file() && kubeconfig.is_file(), "{} is missing: run `hab build` first", program.display());
        Ok(Self { program, kubeconfig })
    }

    /// Has the pods of `node` end, and none begin there. Pods that nothing makes anew are an error, unless `force`.
    ///
    /// # Errors
    /// They do not end in ten minutes, or no API server answers.
    pub fn drain(&self, node: &str, force: bool) -> Result<()> {
        let tool =
            self.tool()?.args(["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", DRAIN]);
        if force { tool.arg("--force") } else { tool }.run()
    }

    /// Has the cluster forget `nodes`, until their kubelets start anew.
    ///
    /// # Errors
    /// No API server answers.
    pub fn delete_nodes(&self, nodes: &[&str]) -> Result<()> {
        self.tool()?.args(["delete", "nodes", "--ignore-not-found", "--wait=false"]).args(nodes).run()
    }

    fn tool(&self) -> Result<Tool> {
        let mut option = std::ffi::OsString::from("--kubeconfig=");
        option.push(&self.kubeconfig);
        Ok(Tool::at(self.program.clone())?.arg(option))
    }
}
