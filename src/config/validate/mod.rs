//! The rules: what is merged becomes a [`Config`] when it keeps them all, and a list of problems when not.

mod addons;
mod addresses;
mod cni;
mod components;
mod fixed;
mod hardware;
mod haproxy;
mod images;
mod internet;
mod known;
mod kubelet;
mod machines;
mod network;
mod overrides;
mod ports;
mod providers;
#[cfg(test)]
mod tests;

pub use kubelet::merge;
use ports::NodePorts;

use std::fmt;
use std::path::{Component, Path, PathBuf};

use super::base;
use super::fields::one_of;
use super::label::{Domain, Label, MAX_DOMAIN};
use super::load::{OUT, PRIVATE};
use super::merged::Merged;
use super::raw::Marked;
use super::yaml::shown;
use super::{Base, Config, Kubernetes, Snippets, Start, Supply};
use crate::problems::Problems;
use crate::provider;
use crate::role::PerRole;

/// The longest name below the cluster's domain that every cluster has; it too must be a domain.
const LONGEST_PREFIX: &str = "kubernetes.default.svc.";

/// The key of the user's audit policy, with an example of its value.
const AUDIT_POLICY: &str = "kubernetes.apiServer.auditPolicy";

/// Tells whether the lab folder has a file that hab.yaml names; if not, what is wrong with it ("is not there").
pub type HasFile<'f> = dyn Fn(&Path) -> Result<(), String> + 'f;

/// Checks everything, also after the first problem. `None` when a value could not be made sense of; problems may have
/// been noted beside a [`Config`], too.
pub fn validate(merged: &Merged, has_file: &HasFile<'_>, problems: &mut Problems) -> Option<Config> {
    let lab = merged.lab.as_ref().and_then(|lab| label("lab", lab, problems));
    let base = choice("base", &merged.base, Base::ALL, problems);
    let release = base.and_then(|base| base::release(base, &merged.release, problems));
    let providers = providers::check(merged, problems);
    let supply = choice("supply", &merged.supply, Supply::ALL, problems);
    let start = choice("start", &merged.start, Start::ALL, problems);
    let version = supply.and_then(|supply| version(supply, &merged.version, problems));
    let domain = domain(&merged.domain, problems);
    let cni = cni::check(merged, has_file, problems);
    let node_ports = NodePorts::of(&merged.components.api_server.extra_args);
    let mut components = components::check(&merged.components, &merged.nodes, &node_ports, problems);
    let policy = merged.components.audit_policy.as_ref();
    components.api_server.audit_policy = lab_file(AUDIT_POLICY, "audit.yaml", policy, has_file, problems);
    let haproxy = haproxy::check(&merged.haproxy, &node_ports, problems);
    let taken: Vec<_> =
        providers.iter().flatten().flat_map(|provider| provider::facts(*provider).taken).copied().collect();
    let sources = images::check(&merged.images, has_file, problems);
    let sources = sources.map(|own| cni::images(cni.as_ref().map(|(cni, _)| *cni), own));
    let registries = images::registries(&merged.images, problems);
    let ports = [
        ("kubernetes.apiServer.port", Some(components.api_server.port)),
        ("haproxy.port", Some(haproxy.port)),
        ("haproxy.stats.port", haproxy.stats),
    ];
    images::port_of_registry(&merged.images, &ports, &node_ports, problems);
    if let Some((cni, _)) = &cni {
        cni::ports(*cni, &merged.cni, &ports, problems);
    }
    let network = network::check(&merged.network, &taken, problems);
    let of_providers = providers.as_deref().unwrap_or_default();
    let internet = internet::check(&merged.network.internet, of_providers, has_file, problems);
    let nodes = machines::check(base.unwrap_or(Base::Debian), &merged.nodes, &network, problems);
    let addons = addons::check(&merged.addons, has_file, problems);
    let mut snippet = |key: &str, said: Option<&Marked<String>>| {
        lab_file(&format!("ignition.{key}"), "snippets/worker.ign", said, has_file, problems)
    };
    let ignition = Snippets {
        common: snippet("common", merged.common.as_ref()),
        roles: PerRole::from_fn(|role| snippet(role.name(), merged.snippets.get(role).as_ref())),
    };
    let (cni, cni_files) = cni?;
    Some(Config {
        lab: lab?,
        base: base?,
        release,
        providers: providers?,
        supply: supply?,
        start: start?,
        shell: merged.shell,
        kubernetes: Kubernetes {
            version: version?,
            domain: domain?,
            cni,
            cni_files,
            network_policies: merged.network_policies.value,
            components,
        },
        haproxy,
        images: sources?,
        registries: registries?,
        network: network.whole()?,
        internet,
        nodes: nodes?,
        addons: addons?,
        ignition,
    })
}

/// A name that goes into host names, paths and other people's programs.
fn label(key: &str, said: &Marked<String>, problems: &mut Problems) -> Option<Label> {
    Label::new(&said.value)
        .map_err(|why| {
            let hint = format!("such as `{}`", Label::from_any(&said.value));
            problems.error(said.place, format!("`{key}` {why}"), Some(hint));
        })
        .ok()
}

/// One of a few words.
fn choice<T: Copy>(key: &str, said: &Marked<String>, all: &[(&str, T)], problems: &mut Problems) -> Option<T> {
    let found = all.iter().find(|(name, _)| *name == said.value);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let hint = one_of(&said.value, &names);
        problems.error(said.place, format!("`{key}` can't be \"{}\"", shown(&said.value)), Some(hint));
    }
    found.map(|(_, value)| *value)
}

fn version(supply: Supply, said: &Marked<String>, problems: &mut Problems) -> Option<String> {
    let all = supply.kubernetes_versions();
    if all.contains(&said.value.as_str()) {
        return Some(said.value.clone());
    }
    let with_v = format!("v{}", said.value);
    let (message, hint) = if all.contains(&with_v.as_str()) {
        ("`kubernetes.version` begins with a `v`".to_owned(), format!("write {with_v}"))
    } else {
        let message = format!("the supply has no Kubernetes \"{}\"", shown(&said.value));
        (message, format!("there is: {}", all.join(", ")))
    };
    problems.error(said.place, message, Some(hint));
    None
}

fn domain(said: &Marked<String>, problems: &mut Problems) -> Option<Domain> {
    let most = MAX_DOMAIN - LONGEST_PREFIX.len();
    let checked = if said.value.len() > most {
        Err(format!("is {} bytes long; at most {most} leave room for the names below it", said.value.len()))
    } else {
        Domain::new(&said.value)
    };
    checked
        .map_err(|why| {
            let hint = Some("such as `cluster.local`".to_owned());
            problems.error(said.place, format!("`kubernetes.domain` {why}"), hint);
        })
        .ok()
}

/// The path of a file in the lab's folder, which stands at `key`; with an example of one.
fn lab_file(
    key: &str,
    example: &str,
    said: Option<&Marked<String>>,
    has_file: &HasFile<'_>,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let said = said?;
    let path = Path::new(&said.value);
    let plain: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let checked = if said.value.is_empty() {
        Err("is empty".to_owned())
    } else if [OUT, PRIVATE].iter().any(|ours| plain.starts_with(ours)) {
        Err(format!("names the file {}, in a folder that is hab's own", shown(&said.value)))
    } else if inside {
        has_file(path).map_err(|why| format!("names the file {}, which {why}", shown(&said.value)))
    } else {
        Err("leads out of the lab's folder".to_owned())
    };
    if let Err(why) = checked {
        let hint = format!("a path in the folder of hab.yaml, such as `{example}`");
        problems.error(said.place, format!("`{key}` {why}"), Some(hint));
    }
    Some(plain)
}

/// `1 worker`, `2 workers`.
fn many(count: u32, thing: impl fmt::Display) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
