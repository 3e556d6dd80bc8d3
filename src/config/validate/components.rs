//! The cluster's programs: flags they have, amounts that fit, and nothing that the lab depends on.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::Value;

use super::super::components::{RawComponent, RawComponents, RawResources};
use super::super::fields::nearest;
use super::super::free::{Entry, tree};
use super::super::merged::MergedNodes;
use super::super::quantity::Quantity;
use super::super::raw::Marked;
use super::super::settings::{Amounts, ApiServer, Component, Components, Dns, Etcd, EtcdBackup, Flags, Resources};
use super::super::yaml::shown;
use super::fixed::{ETCD, PROGRAMS, Program, by_name};
use super::known;
use super::ports::{API, NodePorts, Port};
use crate::problems::Problems;
use crate::role::Role;

/// Resources of a container (`core/v1 ResourceName`) that a lab's nodes have.
const RESOURCES: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];

/// How many copies of DNS there are if it is not said: it outlives the loss of one worker. In a lab with one, the second
/// waits for another worker.
const DNS_REPLICAS: u32 = 2;

/// The longest value of a flag: a command line has room for a hundred of them.
const MAX_VALUE: usize = 4096;

/// What etcd's database may take: etcd warns above 8 GiB itself (`MaxQuotaBytes` in etcd's `server/storage/quota.go`).
const QUOTA: RangeInclusive<u64> = 16 << 20..=8 << 30;

/// How many backups an etcd node keeps if it is not said, and how many it may.
const KEEP: u32 = 3;
const KEEPS: RangeInclusive<u32> = 0..=1000;

/// How many minutes are between two if it is not said, and how many may be: up to a week.
const EVERY_MINUTES: u32 = 60;
const MINUTES: RangeInclusive<u32> = 1..=7 * 24 * 60;

/// The port of kube-apiserver: the one it has by default, and that of HTTPS, where some look for it.
const API_SERVER: Port = Port { key: "kubernetes.apiServer.port", role: Role::Master, also: Some(443), default: API };

/// Where hab has the API server write what it audits, as its static pod says; what is below outlives the machine.
const AUDIT_LOG: &str = "/var/log/kubernetes/audit/";

/// Checks the programs' sections below `kubernetes`. Whether the audit policy is there is not asked here.
pub fn check(said: &RawComponents, nodes: &MergedNodes, node_ports: &NodePorts, problems: &mut Problems) -> Components {
    let [api_server, controller_manager, scheduler] = PROGRAMS;
    for field in &said.kube_proxy {
        known::program_field(&known::KUBE_PROXY, "kubernetes.kubeProxy", field, problems);
    }
    audit_log(said, problems);
    Components {
        api_server: ApiServer {
            port: API_SERVER.check(said.api_port.as_ref(), node_ports, problems),
            audit_policy: None,
            program: component(&api_server, &said.api_server, problems),
        },
        controller_manager: component(&controller_manager, &said.controller_manager, problems),
        scheduler: component(&scheduler, &said.scheduler, problems),
        kube_proxy: tree(&said.kube_proxy),
        etcd: Etcd {
            quota_backend_bytes: said
                .quota_backend_bytes
                .as_ref()
                .and_then(|said| quota(said, nodes.etcd.disk.value, problems)),
            extra_args: flags(&ETCD, &said.etcd, problems),
            backup: backup(said, problems),
        },
        dns: Dns {
            replicas: dns_replicas(said.replicas.as_ref(), nodes.worker.count.value, problems),
            resources: resources("kubernetes.dns", &said.dns, problems),
        },
    }
}

fn backup(said: &RawComponents, problems: &mut Problems) -> EtcdBackup {
    let mut within = |key: &str, said: &Option<Marked<u32>>, default, wanted: RangeInclusive<u32>| {
        let Some(said) = said else { return default };
        if !wanted.contains(&said.value) {
            let message = format!("`kubernetes.etcd.backup.{key}` is {}", said.value);
            problems.error(said.place, message, Some(format!("{} to {}", wanted.start(), wanted.end())));
        }
        said.value
    };
    EtcdBackup {
        keep: within("keep", &said.keep, KEEP, KEEPS),
        every_minutes: within("everyMinutes", &said.every_minutes, EVERY_MINUTES, MINUTES),
    }
}

fn dns_replicas(said: Option<&Marked<u32>>, workers: u32, problems: &mut Problems) -> u32 {
    let Some(said) = said else { return DNS_REPLICAS };
    if said.value == 0 {
        let message = "`kubernetes.dns.replicas` is 0; the cluster is not Ready without DNS";
        problems.error(said.place, message, Some("write 1 or more".to_owned()));
    } else if said.value > workers {
        let message = format!("`kubernetes.dns.replicas` is {}, more than there are workers to run on", said.value);
        problems.warning(said.place, message, Some(format!("there are {workers}")));
    }
    said.value
}

fn component(program: &Program, said: &RawComponent, problems: &mut Problems) -> Component {
    let extra_args = flags(program, &said.extra_args, problems);
    admission(program, &said.extra_args, problems);
    let resources = resources(&format!("kubernetes.{}", program.key), &said.resources, problems);
    Component { extra_args, resources }
}

fn flags(program: &Program, said: &[Entry<String>], problems: &mut Problems) -> Flags {
    let path = format!("kubernetes.{}.extraArgs", program.key);
    let mut flags = BTreeMap::new();
    for (key, value) in said {
        let name = key.value.as_str();
        if let Some(plain) = name.strip_prefix("--") {
            let message = format!("`{path}` names flags without hyphens before them");
            problems.error(key.place, message, Some(format!("write {}", shown(plain))));
        } else if !program.flags.lines().any(|flag| flag == name) {
            let names: Vec<&str> = program.flags.lines().collect();
            let hint = nearest(name, &names).map(|name| format!("did you mean `{name}`?"));
            problems.error(key.place, format!("{} has no flag `{}`", program.name, shown(name)), hint);
        } else if let Some(why) = program.fixed(name) {
            problems.error(key.place, format!("`{path}.{name}` is hab's"), Some(why.to_owned()));
        }
        if value.value.len() > MAX_VALUE || !value.value.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            let message =
                format!("`{path}.{}` must be at most {MAX_VALUE} characters of ASCII on one line", shown(name));
            problems.error(value.place, message, None);
        }
        flags.insert(key.value.clone(), value.value.clone());
    }
    flags
}

/// A log that would stay empty, and one that ends with the container, are warned of.
fn audit_log(said: &RawComponents, problems: &mut Problems) {
    let Some((_, path)) = said.api_server.extra_args.iter().find(|(key, _)| key.value == "audit-log-path") else {
        return;
    };
    let (what, hint) = if said.audit_policy.is_none() {
        ("stays empty without a policy", "say it as `kubernetes.apiServer.auditPolicy`".to_owned())
    } else if path.value != "-" && !path.value.starts_with(AUDIT_LOG) {
        ("is lost when its pod is made anew", format!("a file in {AUDIT_LOG}, or - for the pod's log"))
    } else {
        return;
    };
    let message = format!("the log of `kubernetes.apiServer.extraArgs.audit-log-path` {what}");
    problems.warning(path.place, message, Some(hint));
}

/// A kubelet may say only of its own node what it is, which is what `NodeRestriction` holds.
fn admission(program: &Program, said: &[Entry<String>], problems: &mut Problems) {
    const PLUGIN: &str = "NodeRestriction";
    let names = |value: &str| value.split(',').any(|plugin| plugin.trim() == PLUGIN);
    for (key, value) in said {
        let message = match key.value.as_str() {
            "enable-admission-plugins" if !names(&value.value) => format!("lacks {PLUGIN}, which hab's nodes rely on"),
            "disable-admission-plugins" if names(&value.value) => format!("has {PLUGIN}, which hab's nodes rely on"),
            _ => continue,
        };
        let path = format!("`kubernetes.{}.extraArgs.{}`", program.key, key.value);
        let hint = if key.value.starts_with("enable") { "add it, with a comma" } else { "leave it out" };
        problems.error(value.place, format!("{path} {message}"), Some(hint.to_owned()));
    }
}

/// An amount, written as text or as a number.
fn quantity(said: &Marked<Value>) -> Result<Quantity, String> {
    match &said.value {
        Value::String(text) => Quantity::new(text),
        other => Quantity::new(&other.to_string()),
    }
}

/// The quota in bytes: its disk of `disk` GiB has room for the database and a copy of it, which etcd makes when it
/// defragments and when a member comes.
fn quota(said: &Marked<Value>, disk: u32, problems: &mut Problems) -> Option<u64> {
    const KEY: &str = "kubernetes.etcd.quotaBackendBytes";
    let bytes = quantity(said).map(|amount| u64::try_from(amount.thousandths() / 1000).unwrap_or(u64::MAX));
    let wrong = match bytes {
        Ok(bytes) if QUOTA.contains(&bytes) => {
            let wanted = (2 * bytes).div_ceil(1 << 30);
            if wanted > u64::from(disk) {
                let message = format!("`{KEY}` and a copy of the database do not fit on a disk of {disk} GiB");
                problems.error(said.place, message, Some(format!("write `nodes.etcd.disk: {wanted}`")));
            }
            return Some(bytes);
        }
        Ok(bytes) => format!("is {bytes} bytes; it must be 16Mi to 8Gi"),
        Err(why) => why,
    };
    let message = format!("`{KEY}` {wrong}");
    problems.error(said.place, message, Some("such as 4Gi; etcd's default is 2Gi".to_owned()));
    None
}

fn resources(path: &str, said: &RawResources, problems: &mut Problems) -> Resources {
    let path = format!("{path}.resources");
    let requests = amounts(&format!("{path}.requests"), &said.requests, problems);
    let limits = amounts(&format!("{path}.limits"), &said.limits, problems);
    for (name, limit) in &limits.0 {
        let Some(request) = requests.0.get(name).filter(|request| request.thousandths() > limit.thousandths()) else {
            continue;
        };
        let place =
            |all: &[Entry<Value>]| all.iter().find(|(key, _)| key.value == *name).and_then(|(_, value)| value.place);
        let message = format!("`{path}` asks for {request} of {name}, more than its limit of {limit}");
        problems.error(place(&said.limits).or_else(|| place(&said.requests)), message, None);
    }
    Resources { requests, limits }
}

fn amounts(path: &str, said: &[Entry<Value>], problems: &mut Problems) -> Amounts {
    let mut amounts = BTreeMap::new();
    for (key, value) in said {
        let Some(name) = RESOURCES.into_iter().find(|name| *name == key.value) else {
            let hint = by_name(&key.value, &RESOURCES);
            problems.error(key.place, format!("`{path}` has no resource `{}`", shown(&key.value)), Some(hint));
            continue;
        };
        match quantity(value) {
            Ok(amount) if name != "cpu" && amount.is_milli() => {
                let message = format!("`{path}.{name}` is in thousandths of a byte");
                problems.error(value.place, message, Some("`m` is for processors; a mebibyte is `Mi`".to_owned()));
            }
            Ok(amount) => {
                amounts.insert(name, amount);
            }
            Err(why) => problems.error(value.place, format!("`{path}.{name}` {why}"), None),
        }
    }
    Amounts(amounts)
}

#[cfg(test)]
mod tests {
    use crate::config::read;

    fn said(text: &str) -> String {
        read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    fn kubernetes(text: &str) -> String {
        said(&format!("kubernetes: {{{text}}}"))
    }

    #[test]
    fn flags_are_known_and_not_what_the_lab_depends_on() {
        for good in [
            "v: 2",
            "audit-log-maxsize: 5",
            "profiling: true",
            "enable-admission-plugins: \"NodeRestriction,PodNodeSelector\"",
        ] {
            assert_eq!(kubernetes(&format!("apiServer: {{extraArgs: {{{good}}}}}")), "", "{good}");
        }
        for (bad, expected) in [
            ("--v: 2", "hint: write v"),
            ("profilin: true", "did you mean `profiling`?"),
            ("etcd-servers: x", "extraArgs.etcd-servers` is hab's"),
            ("audit-policy-file: x", "hint: say it as `kubernetes.apiServer.auditPolicy`"),
            ("requestheader-uid-headers: x", "hint: hab issues the certificates"),
            ("service-cluster-ip-range: x", "hint: say it as `network.services`"),
            ("enable-admission-plugins: AlwaysPullImages", "lacks NodeRestriction"),
            ("disable-admission-plugins: \"A,NodeRestriction\"", "has NodeRestriction"),
            ("audit-log-path: \"a\\nb\"", "characters of ASCII on one line"),
            ("v: [1]", "must be text, not a list"),
            ("v: no", "without quotes is a truth value"),
        ] {
            let said = kubernetes(&format!("apiServer: {{extraArgs: {{{bad}}}}}"));
            assert!(said.starts_with("hab.yaml:2:") && said.contains(expected), "{bad}: {said}");
        }
        assert!(
            kubernetes("etcd: {extraArgs: {quota-backend-bytes: 1}}").contains("kubernetes.etcd.quotaBackendBytes")
        );
        assert!(kubernetes("kubeProxy: {mode: ipvs}").contains("the nodes have nftables"));
        assert!(kubernetes("kubeProxy: {configSyncPeriod: 5}").contains("must be a time"));
    }

    #[test]
    fn a_log_of_the_audit_that_is_lost_is_warned_of() {
        let policy = |path: &str| format!("apiServer: {{auditPolicy: a.yaml, extraArgs: {{audit-log-path: {path}}}}}");
        for (text, expected) in [
            ("apiServer: {extraArgs: {audit-log-path: \"-\"}}", "say it as `kubernetes.apiServer.auditPolicy`"),
            (&policy("/var/log/audit.log"), "is lost when its pod is made anew"),
        ] {
            let said = kubernetes(text);
            assert!(said.starts_with("hab.yaml:2:") && said.contains("warning") && said.contains(expected), "{said}");
        }
        assert_eq!(kubernetes(&policy("\"-\"")) + &kubernetes(&policy("/var/log/kubernetes/audit/a.log")), "");
    }

    #[test]
    fn amounts_are_kubernetes_and_agree() {
        for (bad, expected) in [
            ("apiServer: {resources: {requests: {cpu: 1x}}}", "requests.cpu` must be an amount such as"),
            ("apiServer: {resources: {requests: {gpu: 1}}}", "did you mean `cpu`?"),
            ("apiServer: {resources: {requests: {memory: 100m}}}", "thousandths of a byte"),
            ("apiServer: {resources: {limits: {cpu: 50m}}}", "asks for 100m of cpu, more than its limit of 50m"),
            ("dns: {resources: {requests: {memory: 1Gi}}}", "asks for 1Gi of memory, more than its limit of 170Mi"),
            ("dns: {resources: {request: {memory: 1Gi}}}", "did you mean `requests`?"),
            ("dns: {replicas: 0}", "is not Ready without DNS"),
            ("dns: {replicas: 3}", "warning: `kubernetes.dns.replicas` is 3, more than there are workers"),
            ("etcd: {backup: {keep: 1001}}", "`kubernetes.etcd.backup.keep` is 1001"),
            ("etcd: {backup: {everyMinutes: 0}}", "1 to 10080"),
            ("etcd: {quotaBackendBytes: 9Gi}", "it must be 16Mi to 8Gi"),
            ("etcd: {quotaBackendBytes: 4Gi}", "do not fit on a disk of 4 GiB"),
            ("etcd: {quotaBackendBytes: many}", "must be an amount"),
        ] {
            let said = kubernetes(bad);
            assert!(said.starts_with("hab.yaml:2:") && said.contains(expected), "{bad}: {said}");
        }
        assert_eq!(kubernetes("etcd: {quotaBackendBytes: 2147483648}"), "");
    }

    #[test]
    fn haproxys_times_have_units_and_its_port_is_free() {
        for (bad, expected) in [
            ("timeout: {connect: 5}", "hint: write it in quotes"),
            ("timeout: {connect: \"5\"}", "not a time"),
            ("timeout: {connect: 0s}", "above 0"),
            ("timeout: {connect: \"5s\\n\"}", "not a time"),
            ("timeout: {conect: 5s}", "did you mean `connect`?"),
            ("stats: {enabled: yes}", "must be true or false"),
            ("stats: {port: 80}", "it must be 1024 to 65535"),
            ("stats: {port: 6443}", "`haproxy.stats.port` and `haproxy.port` are both 6443"),
        ] {
            let said = said(&format!("haproxy: {{{bad}}}"));
            assert!(said.starts_with("hab.yaml:2:") && said.contains(expected), "{bad}: {said}");
        }
    }
}
