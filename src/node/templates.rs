//! Fills in what differs from lab to lab or from node to node: `templates/`, whose paths are paths on the node.
//!
//! What a template names decides how often it is filled in: one that names nothing of the lab is the same in every lab,
//! one that does not name `node` is the same on every node of a lab. No secret passes through here: kubeconfigs name the
//! files that `pki` brings.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use tera::{Context, Tera};

use super::addons;
use super::configured;
use super::files::{NodeFiles, mode_of};
use crate::config::{Cni, Components, Effect, Taint};
use crate::embedded::{TEMPLATES, embedded};
use crate::plan::{Node, Plan, port};
use crate::provider;
use crate::role::Role;

/// The image that every node with a kubelet imports: the sandbox, and the shell around every binary of the payload. It is
/// hab's own, so it has none of upstream's names; the number is that of what is in it.
pub const PAUSE_IMAGE: &str = "localhost/hab/pause:1";

/// The image of the addon busybox, which nodes import in the same way.
pub const BUSYBOX_IMAGE: &str = "localhost/hab/busybox:1";

const ORIGIN: &str = "templates";

/// What differs from lab to lab, as [`lab_context`] sets it.
const OF_A_LAB: [&str; 20] = [
    "lab",
    "addons",
    "api_port",
    "audited",
    "host",
    "domain",
    "dns",
    "dns_service",
    "resources",
    "haproxy",
    "nodes",
    "slots",
    "prefixes",
    "etcds",
    "masters",
    "network",
    "internet",
    "data_disk",
    "backup",
    "registry",
];

/// What differs from node to node.
const OF_A_NODE: &str = "node";

/// For what a template is filled in once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// For all labs.
    Constant,
    /// For a lab.
    Lab,
    /// For a node.
    Node,
}

/// One file of `templates/`.
#[derive(Debug, Clone, Copy)]
struct Template {
    group: &'static str,
    /// Below the group, without a leading slash.
    path: &'static str,
    name: &'static str,
    text: &'static str,
    scope: Scope,
}

/// All templates.
fn all() -> Result<Vec<Template>> {
    let read = |file: crate::embedded::Embedded| {
        let name = file.name;
        let (group, path) = name.split_once('/').with_context(|| format!("{name} is in no group"))?;
        let text = std::str::from_utf8(file.bytes).with_context(|| format!("reading the template {name}"))?;
        Ok(Template { group, path, name, text, scope: scope(text) })
    };
    embedded(&TEMPLATES).into_iter().map(read).collect()
}

/// The scope of a template, by the words in its tags. A word that only looks like a variable makes it be filled in more
/// often, and changes nothing else.
fn scope(text: &str) -> Scope {
    let tags = [("{{", "}}"), ("{%", "%}")].into_iter().flat_map(|(open, close)| {
        text.split(open).skip(1).map(move |tag| tag.split_once(close).map_or(tag, |(inside, _)| inside))
    });
    let words = tags.flat_map(|tag| tag.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.fold(Scope::Constant, |scope, word| match (scope, word) {
        (Scope::Node, _) | (_, OF_A_NODE) => Scope::Node,
        (_, word) if OF_A_LAB.contains(&word) => Scope::Lab,
        (scope, _) => scope,
    })
}

/// The files of `groups` that are the same in every lab with this pod network.
///
/// # Errors
/// A template is wrong, which the tests would have shown.
pub(super) fn constant(groups: &[&str], network: Cni) -> Result<NodeFiles> {
    let mut all = all()?;
    all.retain(|template| template.scope == Scope::Constant);
    fill(&engine(&all)?, &all, groups, &constants(network))
}

/// All templates of a plan, ready to be filled in for any of its nodes.
#[derive(Debug)]
pub struct Templates {
    tera: Tera,
    context: Context,
    components: Components,
    lab: Vec<Template>,
    node: Vec<Template>,
}

impl Templates {
    /// Reads all templates.
    pub fn new(plan: &Plan) -> Result<Self> {
        let mut all = all()?;
        all.retain(|template| template.scope != Scope::Constant);
        let tera = engine(&all)?;
        let (lab, node) = all.into_iter().partition(|template| template.scope == Scope::Lab);
        Ok(Self { tera, context: lab_context(plan), components: plan.kubernetes.components.clone(), lab, node })
    }

    /// The filled-in files of `groups` that are the same on every node of the lab.
    ///
    /// # Errors
    /// A template is wrong.
    pub fn lab(&self, groups: &[&str]) -> Result<NodeFiles> {
        configured::programs(fill(&self.tera, &self.lab, groups, &self.context)?, &self.components)
    }

    /// The filled-in files of `groups` that are this node's own.
    ///
    /// # Errors
    /// A template is wrong, or two bring the same path.
    pub fn node(&self, node: &Node, groups: &[&str]) -> Result<NodeFiles> {
        let mut context = self.context.clone();
        context.insert(OF_A_NODE, node);
        let filled = fill(&self.tera, &self.node, groups, &context);
        filled
            .and_then(|tree| configured::node(tree, node))
            .and_then(|tree| configured::programs(tree, &self.components))
            .with_context(|| format!("for the node {}", node.name))
    }
}

fn engine(templates: &[Template]) -> Result<Tera> {
    let mut tera = Tera::default();
    // Nothing here is HTML, and no user text is in it that could break a quote: types have refused it before.
    tera.autoescape_on(Vec::<&str>::new());
    tera.add_raw_templates(templates.iter().map(|template| (template.name, template.text)))
        .context("reading the templates")?;
    Ok(tera)
}

fn fill(tera: &Tera, templates: &[Template], groups: &[&str], context: &Context) -> Result<NodeFiles> {
    let mut tree = NodeFiles::new();
    for template in templates.iter().filter(|template| groups.contains(&template.group)) {
        let name = template.name;
        let text = tera.render(name, context).with_context(|| format!("filling in templates/{name}"))?;
        // What is only for some labs comes out empty in the others.
        if text.trim().is_empty() {
            continue;
        }
        let path = format!("/{}", template.path);
        let mode = mode_of(&path);
        tree.file(path, mode, text.into_bytes(), ORIGIN)?;
    }
    Ok(tree)
}

/// What templates can name that is the same in every lab with this pod network.
fn constants(network: Cni) -> Context {
    let mut context = Context::new();
    let (plugins, configuration) = network.folders();
    context.insert("cni_images", &network.images().iter().copied().collect::<BTreeMap<_, _>>());
    context.insert("cni_folders", &json!({"plugins": plugins, "configuration": configuration}));
    context.insert("pause_image", PAUSE_IMAGE);
    context.insert("busybox_image", BUSYBOX_IMAGE);
    context.insert(
        "port",
        &json!({
            "etcd_client": port::ETCD_CLIENT,
            "etcd_peer": port::ETCD_PEER,
        }),
    );
    context
}

/// What templates can name besides `node`.
fn lab_context(plan: &Plan) -> Context {
    let mut context = constants(plan.kubernetes.cni);
    context.insert("lab", &plan.lab);
    context.insert("addons", &addons::folders(plan).map(|(_, folder)| folder).collect::<Vec<_>>());
    context.insert("host", &plan.host);
    context.insert("internet", &plan.internet);
    context.insert("domain", &plan.kubernetes.domain);
    let components = &plan.kubernetes.components;
    context.insert("api_port", &plan.api_port());
    context.insert("audited", &components.api_server.audit_policy.is_some());
    let dns = &components.dns;
    context.insert(
        "dns",
        &json!({
            "replicas": dns.replicas,
            "requests": dns.resources.requests.to_string(),
            "limits": dns.resources.limits.to_string(),
            "tolerated": tolerated(plan),
        }),
    );
    context.insert(
        "resources",
        &json!({
            "api_server": components.api_server.program.resources.to_string(),
            "controller_manager": components.controller_manager.resources.to_string(),
            "scheduler": components.scheduler.resources.to_string(),
        }),
    );
    context.insert("backup", &components.etcd.backup);
    context.insert("haproxy", &haproxy(plan));
    context.insert("registry", &plan.registries.in_lab.then_some(port::REGISTRY));
    context.insert("dns_service", &plan.dns_service);
    context.insert("nodes", &plan.nodes);
    context.insert("slots", &plan.slots);
    context.insert("data_disk", provider::facts(plan.provider).data_disk);
    context.insert("prefixes", &plan.prefixes);
    context.insert("etcds", &plan.of(Role::Etcd).collect::<Vec<_>>());
    context.insert("masters", &plan.of(Role::Master).collect::<Vec<_>>());
    context.insert(
        "network",
        &json!({
            "nodes": plan.network.nodes,
            "extra": plan.network.extra.values().collect::<Vec<_>>(),
            "nodes_prefix": plan.network.nodes.prefix_len(),
            "pods": plan.network.pods,
            "services": plan.network.services,
        }),
    );
    context
}

/// HAProxy's timeouts, its port, and that of its stats page. The two that have no default are longer where the machine is
/// emulated, so they are variables.
fn haproxy(plan: &Plan) -> Value {
    let mut haproxy: Map<String, Value> = [("connect", "\"${HAB_CONNECT}\""), ("check", "\"${HAB_CHECK}\"")]
        .map(|(k, v)| (k.to_owned(), v.into()))
        .into_iter()
        .collect();
    let said = plan.haproxy.timeout.iter();
    haproxy.extend(said.map(|(name, time)| ((*name).to_owned(), time.as_str().into())));
    haproxy.insert("port".to_owned(), plan.haproxy.port.into());
    haproxy.insert("stats".to_owned(), plan.haproxy.stats.into());
    haproxy.into()
}

/// The taints of workers that would keep a pod away, each once: DNS runs on all the same, or there might be none.
fn tolerated(plan: &Plan) -> Vec<&Taint> {
    let mut taints: Vec<&Taint> = plan.of(Role::Worker).flat_map(|node| &node.kubelet.taints).collect();
    taints.retain(|taint| taint.effect != Effect::PreferNoSchedule);
    taints.sort();
    taints.dedup();
    taints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_template_names_is_its_scope() {
        assert_eq!(scope("sandbox = \"{{ pause_image }}\" # of this node, lab"), Scope::Constant);
        assert_eq!(scope("{{ port.etcd_peer }}\n{% for n in nodes %}{{ n.name }}{% endfor %}"), Scope::Lab);
        assert_eq!(scope("{{ lab }} {%- if node.role == \"worker\" %}x{% endif %}"), Scope::Node);
        assert_eq!(scope("{{node.name}} {{ lab }}"), Scope::Node);
    }

    #[test]
    fn no_variable_is_of_a_lab_and_constant() {
        let plan = Plan::new(crate::config::read("hab.yaml", b"lab: demo\n", &|_| Ok(())).config().unwrap()).unwrap();
        let (lab, constants) = (lab_context(&plan), constants(Cni::Routed));
        for name in OF_A_LAB {
            assert!(lab.contains_key(name) && !constants.contains_key(name), "{name}");
        }
        assert!(!lab.contains_key(OF_A_NODE));
    }

    #[test]
    fn a_variable_that_is_not_set_is_an_error() {
        // So a variable of a lab that [`OF_A_LAB`] lacks is noticed: its template is filled in as a constant one.
        let mut tera = Tera::default();
        tera.add_raw_templates([("a", "{{ forgotten }}"), ("b", "{% if forgotten.a == 1 %}{% endif %}")]).unwrap();
        for name in ["a", "b"] {
            assert!(tera.render(name, &constants(Cni::Routed)).is_err(), "{name}");
        }
    }
}
