//! kubectl: the lab's own, from `out/bin`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::Tool;

/// How long the pods of a node have to end: a `PodDisruptionBudget` may hold them up.
const DRAIN: &str = "600s";

/// The kubectl of a lab, as its administrator.
#[derive(Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    server: String,
}

impl Kubectl {
    /// That of the lab whose `out/` folder this is; `server` is the URL of the API server that it asks.
    ///
    /// # Errors
    /// The lab is not built.
    pub fn of(out: &Path, server: String) -> Result<Self> {
        let (program, kubeconfig) = (out.join("bin/kubectl"), out.join("kubeconfig"));
        ensure!(program.is_file() && kubeconfig.is_file(), "{} is missing: run `hab build` first", program.display());
        Ok(Self { program, kubeconfig, server })
    }

    /// Has the pods of `node` end, and none begin there, which stays so if this fails. Pods that nothing makes anew are an
    /// error, unless `force`.
    ///
    /// # Errors
    /// They do not end in ten minutes, or no API server answers.
    pub fn drain(&self, node: &str, force: bool) -> Result<()> {
        let tool =
            self.tool()?.args(["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout", DRAIN]);
        let tool = if force { tool.arg("--force") } else { tool };
        tool.run().with_context(|| format!("no pods begin on {node} any more (`kubectl uncordon {node}` lets them)"))
    }

    /// Has the cluster forget `nodes`, until their kubelets start anew.
    ///
    /// # Errors
    /// No API server answers.
    pub fn delete_nodes(&self, nodes: &[&str]) -> Result<()> {
        self.tool()?.args(["delete", "nodes", "--ignore-not-found", "--wait=false"]).args(nodes).run()
    }

    /// A table of all objects of a kind, in all namespaces; an API server that does not answer is not waited for.
    ///
    /// # Errors
    /// No API server answers.
    pub fn list(&self, kind: &str) -> Result<String> {
        self.tool()?.args(["get", kind, "--all-namespaces", "--output=wide", "--request-timeout=20s"]).text()
    }

    fn tool(&self) -> Result<Tool> {
        let mut option = std::ffi::OsString::from("--kubeconfig=");
        option.push(&self.kubeconfig);
        Ok(Tool::at(self.program.clone())?.arg(option).arg(format!("--server={}", self.server)))
    }
}
