//! Fills in what differs from node to node: `templates/`, whose paths are paths on the node.
//!
//! `templates/lab` is filled in once, for it is the same on every node of a lab; the other folders once a node.
//! No secret passes through here: kubeconfigs name the files that `pki` brings.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use tera::{Context, Tera};

use crate::node::files::{NodeFiles, mode_of};
use crate::plan::{Node, Plan, port};
use crate::role::Role;

/// The one image that is imported: the sandbox, and the shell around every binary of the payload.
/// The name is what Kubernetes 1.36 calls it (`build/dependencies.yaml`).
pub const PAUSE_IMAGE: &str = "localhost/hab/pause:1";

const ORIGIN: &str = "templates";
const LAB: &str = "lab";

/// The folders under `templates/` and `ignition/` that make up a role.
#[must_use]
pub const fn groups(role: Role) -> &'static [&'static str] {
    match role {
        Role::Etcd => &["common", "etcd"],
        Role::Master => &["common", "kubelet", "master"],
        Role::Worker => &["common", "kubelet", "worker"],
    }
}

/// All templates of a plan, ready to be filled in for any of its nodes.
#[derive(Debug)]
pub struct Templates {
    tera: Tera,
    context: Context,
    /// Group -> (path on the node, name of the template).
    groups: BTreeMap<String, Vec<(String, String)>>,
}

impl Templates {
    /// Reads all templates.
    pub fn new(plan: &Plan) -> Result<Self> {
        let mut tera = Tera::default();
        // Nothing here is HTML, and no user text is in it that could break a quote: types have refused it before.
        tera.autoescape_on(Vec::<&str>::new());
        let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let mut sources = Vec::new();
        for file in crate::embedded::embedded(&crate::embedded::TEMPLATES) {
            let name = file.name;
            let (group, path) = name.split_once('/').with_context(|| format!("{name} is in no group"))?;
            let text = std::str::from_utf8(file.bytes).with_context(|| format!("reading the template {name}"))?;
            groups.entry(group.to_owned()).or_default().push((format!("/{path}"), name.to_owned()));
            sources.push((name.to_owned(), text));
        }
        tera.add_raw_templates(sources).context("reading the templates")?;
        let context = lab_context(plan);
        Ok(Self { tera, context, groups })
    }

    /// The files that are the same on every node.
    ///
    /// # Errors
    /// A template is wrong.
    pub fn lab(&self) -> Result<NodeFiles> {
        self.group(LAB, &self.context)
    }

    /// The filled-in files that are this node's own.
    ///
    /// # Errors
    /// A template is wrong, or two bring the same path.
    pub fn node(&self, node: &Node) -> Result<NodeFiles> {
        let mut context = self.context.clone();
        context.insert("node", node);
        let mut tree = NodeFiles::new();
        for group in groups(node.role) {
            tree.merge(self.group(group, &context).with_context(|| format!("for the node {}", node.name))?)?;
        }
        Ok(tree)
    }

    fn group(&self, group: &str, context: &Context) -> Result<NodeFiles> {
        let mut tree = NodeFiles::new();
        for (path, name) in self.groups.get(group).into_iter().flatten() {
            let text = self.fill(name, context)?;
            tree.file(path.clone(), mode_of(path), text.into_bytes(), ORIGIN)?;
        }
        Ok(tree)
    }

    fn fill(&self, name: &str, context: &Context) -> Result<String> {
        self.tera.render(name, context).with_context(|| format!("filling in templates/{name}"))
    }
}

/// What templates can name besides `node`.
fn lab_context(plan: &Plan) -> Context {
    let mut context = Context::new();
    context.insert("lab", &plan.lab);
    context.insert("host", &plan.host);
    context.insert("domain", &plan.kubernetes.domain);
    context.insert("dns_service", &plan.dns_service);
    context.insert("pause_image", PAUSE_IMAGE);
    context.insert("nodes", &plan.nodes);
    context.insert("etcds", &plan.of(Role::Etcd).collect::<Vec<_>>());
    context.insert("masters", &plan.of(Role::Master).collect::<Vec<_>>());
    context.insert(
        "network",
        &serde_json::json!({
            "nodes_prefix": plan.network.nodes.prefix_len(),
            "pods": plan.network.pods,
            "services": plan.network.services,
        }),
    );
    context.insert(
        "port",
        &serde_json::json!({
            "api": port::API,
                "etcd_client": port::ETCD_CLIENT,
            "etcd_peer": port::ETCD_PEER,
        }),
    );
    context
}
