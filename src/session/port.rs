//! The shell port of a node's machine, as its provider has it.

use anyhow::{Result, ensure};

use super::{Input, Output, Request, run};
use crate::exec::virsh::{Virsh, default_uri};
use crate::lab::nodes_json;
use crate::plan::Plan;
use crate::provider::by_virsh;

/// The port by which commands are run on a node.
#[derive(Debug)]
pub struct Port {
    virsh: Virsh,
    domain: String,
}

impl Port {
    /// That of the node `node`; it is not asked yet.
    ///
    /// # Errors
    /// The lab's machines have no such port, or virsh is not installed.
    pub fn of(plan: &Plan, node: &str) -> Result<Self> {
        by_virsh(plan.provider, "a session on a node")?;
        ensure!(plan.shell, "hab.yaml says `shell: false`, so the nodes have no port for this");
        Ok(Self { virsh: Virsh::new(default_uri())?, domain: nodes_json::domain(plan, node) })
    }

    /// As [`run`], by this port.
    ///
    /// # Errors
    /// As [`run`]; there is no such machine or port, or another is connected.
    pub fn run(
        &self,
        request: &Request,
        input: &mut dyn Input,
        show: &mut dyn FnMut(Output) -> Result<()>,
    ) -> Result<u8> {
        self.virsh.console(&self.domain, |port, from| run(port, from, request, input, show))
    }
}
