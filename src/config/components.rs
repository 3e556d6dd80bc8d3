//! What `hab.yaml` says about the cluster's programs, as it is written and with the defaults.

use serde_json::Value;

use super::fields::{Section, read_like};
use super::free::{Entry, RawField, fields, flags, one, values};
use super::raw::Marked;
use crate::problems::Problems;

/// HAProxy's timeouts that can be set, by its own names.
pub const TIMEOUTS: [&str; 5] = ["connect", "check", "client", "server", "tunnel"];

/// A section `resources`.
#[derive(Debug, Default)]
pub struct RawResources {
    pub requests: Vec<Entry<Value>>,
    pub limits: Vec<Entry<Value>>,
}

/// A part of the control plane.
#[derive(Debug, Default)]
pub struct RawComponent {
    pub extra_args: Vec<Entry<String>>,
    pub resources: RawResources,
}

/// The programs' sections below `kubernetes`.
#[derive(Debug, Default)]
pub struct RawComponents {
    pub api_port: Option<Marked<u32>>,
    pub audit_policy: Option<Marked<String>>,
    pub api_server: RawComponent,
    pub controller_manager: RawComponent,
    pub scheduler: RawComponent,
    pub kube_proxy: Vec<RawField>,
    pub quota_backend_bytes: Option<Marked<Value>>,
    pub etcd: Vec<Entry<String>>,
    pub keep: Option<Marked<u32>>,
    pub every_minutes: Option<Marked<u32>>,
    pub replicas: Option<Marked<u32>>,
    pub dns: RawResources,
}

/// The section `haproxy`.
#[derive(Debug, Default)]
pub struct RawHaproxy {
    pub port: Option<Marked<u32>>,
    pub timeout: Vec<(&'static str, Marked<String>)>,
    pub enabled: Option<Marked<bool>>,
    pub stats_port: Option<Marked<u32>>,
}

/// Reads the programs' sections of the section `kubernetes`.
pub fn read(section: &mut Section<'_>, problems: &mut Problems) -> RawComponents {
    let mut raw = RawComponents { kube_proxy: fields(section, "kubeProxy", problems), ..RawComponents::default() };
    if let Some(mut own) = section.section("apiServer", problems) {
        raw.api_port = own.number("port", problems);
        raw.audit_policy = own.text("auditPolicy", problems);
        raw.api_server = component(&own, problems);
    }
    if let Some(own) = section.section("controllerManager", problems) {
        raw.controller_manager = component(&own, problems);
    }
    if let Some(own) = section.section("scheduler", problems) {
        raw.scheduler = component(&own, problems);
    }
    if let Some(mut own) = section.section("etcd", problems) {
        raw.quota_backend_bytes = one(&own, "quotaBackendBytes", problems);
        raw.etcd = flags(&own, "extraArgs", problems);
        if let Some(mut own) = own.section("backup", problems) {
            raw.keep = own.number("keep", problems);
            raw.every_minutes = own.number("everyMinutes", problems);
        }
    }
    if let Some(mut own) = section.section("dns", problems) {
        raw.replicas = own.number("replicas", problems);
        raw.dns = resources(&own, problems);
    }
    raw
}

fn component(section: &Section<'_>, problems: &mut Problems) -> RawComponent {
    RawComponent { extra_args: flags(section, "extraArgs", problems), resources: resources(section, problems) }
}

fn resources(section: &Section<'_>, problems: &mut Problems) -> RawResources {
    let Some((_, node)) = section.find("resources") else { return RawResources::default() };
    let own = read_like(node, &section.name("resources"), "*.resources", problems);
    RawResources { requests: values(&own, "requests", problems), limits: values(&own, "limits", problems) }
}

/// Reads the section `haproxy`.
pub fn haproxy(section: &mut Section<'_>, problems: &mut Problems) -> RawHaproxy {
    let mut raw = RawHaproxy { port: section.number("port", problems), ..RawHaproxy::default() };
    if let Some(mut own) = section.section("timeout", problems) {
        let said = TIMEOUTS.into_iter().filter_map(|name| Some((name, own.text(name, problems)?)));
        raw.timeout = said.collect();
    }
    if let Some(mut own) = section.section("stats", problems) {
        raw.enabled = own.truth("enabled", problems);
        raw.stats_port = own.number("port", problems);
    }
    raw
}

/// Sets what is not said. The control plane's requests are hab's own, small enough for one processor; those of DNS and
/// its limit are Kubernetes' (`cluster/addons/dns/coredns`).
pub fn merge(mut raw: RawComponents) -> RawComponents {
    defaults(&mut raw.api_server.resources.requests, &[("cpu", "100m")]);
    defaults(&mut raw.controller_manager.resources.requests, &[("cpu", "50m")]);
    defaults(&mut raw.scheduler.resources.requests, &[("cpu", "50m")]);
    defaults(&mut raw.dns.requests, &[("cpu", "100m"), ("memory", "70Mi")]);
    defaults(&mut raw.dns.limits, &[("memory", "170Mi")]);
    raw
}

/// Sets HAProxy's timeouts that are the same on every machine; the two others depend on whether it is emulated. An hour:
/// watches are silent for long.
pub fn merge_haproxy(mut raw: RawHaproxy) -> RawHaproxy {
    for name in ["client", "server", "tunnel"] {
        if !raw.timeout.iter().any(|(other, _)| *other == name) {
            raw.timeout.push((name, Marked { value: "1h".to_owned(), place: None }));
        }
    }
    raw
}

fn defaults(said: &mut Vec<Entry<Value>>, all: &[(&str, &str)]) {
    for (name, value) in all {
        if !said.iter().any(|(other, _)| other.value == *name) {
            let name = Marked { value: (*name).to_owned(), place: None };
            said.push((name, Marked { value: (*value).into(), place: None }));
        }
    }
}
