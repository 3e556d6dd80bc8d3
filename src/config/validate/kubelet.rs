//! What a role or a node tells its kubelet: labels, taints, and fields of its configuration.

use serde_json::{Map, Value};

use super::super::Kubelet;
use super::super::free::{RawField, RawKubelet, RawTaint, tree};
use super::super::qualified::{Effect, LabelValue, QualifiedName, Taint};
use super::super::raw::Marked;
use super::super::typed::Shape;
use super::super::yaml::shown;
use super::choice;
use super::known::{Fields, program_field};
use crate::problems::Problems;
use crate::role::Role;

/// Labels of Kubernetes' own domains that a kubelet may give itself, besides those of [`OWN_DOMAINS`]; the admission
/// plugin `NodeRestriction` refuses it all others (`k8s.io/kubelet/pkg/apis/well_known_labels.go`).
const MAY: [&str; 6] = [
    "beta.kubernetes.io/instance-type",
    "failure-domain.beta.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "node.kubernetes.io/instance-type",
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
];

/// Labels that every kubelet gives itself, from what it finds on its machine (same file).
const ITSELF: [&str; 5] = [
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/hostname",
    "kubernetes.io/os",
];

/// Domains in which a kubelet may give itself any label (same file, `kubeletLabelNamespaces`).
const OWN_DOMAINS: [&str; 2] = ["kubelet.kubernetes.io", "node.kubernetes.io"];

/// A `KubeletConfiguration`, as `k8s.io/kubelet/config/v1beta1/types.go` has it.
pub const FIELDS: Fields =
    Fields { shape: Shape { list: include_str!("../known/kubelet"), of: "a kubelet's configuration" }, ours: &OURS };

/// Fields that are hab's, and what to do instead or why.
const OURS: [(&str, &str); 28] = [
    ("address", "the node's address follows from the plan"),
    ("apiVersion", "hab writes it"),
    ("authentication", "only the lab's certificates and tokens are taken"),
    ("authorization", "the API server decides"),
    ("cgroupDriver", "it must be containerd's"),
    ("cgroupRoot", "it must be containerd's"),
    ("clusterDNS", "it follows from `network.services`"),
    ("clusterDomain", "say it as `kubernetes.domain`"),
    ("containerRuntimeEndpoint", "it is containerd's"),
    ("enableServer", "the API server and `vagrant up` ask the kubelet"),
    ("healthzBindAddress", "it is the loopback, without a password"),
    ("imageServiceEndpoint", "it is containerd's"),
    ("kind", "hab writes it"),
    ("podCIDR", "the node's pod range follows from the plan"),
    ("port", "the API server and `vagrant up` look there"),
    ("providerID", "there is no cloud"),
    ("readOnlyPort", "it would answer without a certificate"),
    ("registerNode", "every kubelet registers its node"),
    ("registerWithTaints", "write `taints` beside `kubelet`"),
    ("resolvConf", "it is the base's"),
    ("rotateCertificates", "hab issues the certificates"),
    ("runOnce", "the kubelet would end"),
    ("serverTLSBootstrap", "hab issues the certificates"),
    ("staticPodPath", "hab places the control plane there"),
    ("staticPodURL", "hab places the control plane as files"),
    ("tlsCertFile", "hab issues the certificates"),
    ("tlsPrivateKeyFile", "hab issues the certificates"),
    ("volumePluginDir", "only /var can be written"),
];

/// The taint of every master.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// Checks what stands below `path`, such as `nodes.worker`; the role's own is what `base` has.
pub fn check(path: &str, role: Role, said: &RawKubelet, base: &Kubelet, problems: &mut Problems) -> Kubelet {
    let mut kubelet = base.clone();
    for (key, value) in &said.labels {
        if let Some((key, value)) = label(&format!("{path}.labels"), key, value, problems) {
            kubelet.labels.insert(key, value);
        }
    }
    if let Some(list) = &said.taints {
        kubelet.taints = taints(&format!("{path}.taints"), role, &list.value, problems);
    }
    for one in &said.config {
        field(&format!("{path}.kubelet"), one, problems);
    }
    merge(&mut kubelet.config, &tree(&said.config));
    kubelet
}

/// Puts `over` over `under`: maps key by key, anything else as a whole.
pub fn merge(under: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            _ => {
                under.insert(key.clone(), value.clone());
            }
        }
    }
}

fn label(
    path: &str,
    key: &Marked<String>,
    value: &Marked<String>,
    problems: &mut Problems,
) -> Option<(QualifiedName, LabelValue)> {
    let name = QualifiedName::new(&key.value)
        .map_err(|why| {
            let message = format!("the label `{}` in `{path}` {why}", shown(&key.value));
            problems.error(key.place, message, Some("such as `disk` or `example.com/disk`".to_owned()));
        })
        .ok();
    if let Some((why, hint)) = name.as_ref().and_then(refused) {
        problems.error(key.place, format!("`{path}` can't have {}: {why}", key.value), Some(hint));
    }
    let value = LabelValue::new(&value.value)
        .map_err(|why| problems.error(value.place, format!("the value of `{path}.{}` {why}", shown(&key.value)), None))
        .ok();
    Some((name?, value?))
}

/// Why a kubelet may not give itself this label, and what to do.
fn refused(name: &QualifiedName) -> Option<(String, String)> {
    let (text, domain) = (name.as_str(), name.domain());
    let below =
        |domain: &str, of: &str| domain == of || domain.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
    if ITSELF.contains(&text) {
        let hint = "leave it out".to_owned();
        return Some(("the kubelet gives it itself, from what it finds on its machine".to_owned(), hint));
    }
    let kubernetes = below(domain, "kubernetes.io") || below(domain, "k8s.io");
    let may = MAY.contains(&text) || OWN_DOMAINS.iter().any(|own| below(domain, own));
    if !kubernetes || may {
        return None;
    }
    let why = "labels of Kubernetes' own domains are not for a kubelet to give itself (NodeRestriction)".to_owned();
    let hint = if domain == "node-role.kubernetes.io" {
        "hab gives every node its role; take another name, such as `example.com/role`".to_owned()
    } else {
        format!("take a domain of your own, or one of these: {}", OWN_DOMAINS.join(", "))
    };
    Some((why, hint))
}

fn taints(path: &str, role: Role, said: &[RawTaint], problems: &mut Problems) -> Vec<Taint> {
    let mut taints: Vec<Taint> = Vec::new();
    for raw in said {
        let key = QualifiedName::new(&raw.key.value)
            .map_err(|why| {
                let message = format!("the taint `{}` in `{path}` {why}", shown(&raw.key.value));
                problems.error(raw.key.place, message, Some("such as `dedicated`".to_owned()));
            })
            .ok();
        let value = raw.value.as_ref().map_or_else(
            || Some(LabelValue::default()),
            |value| {
                let checked = LabelValue::new(&value.value);
                checked
                    .map_err(|why| problems.error(value.place, format!("the value of a taint in `{path}` {why}"), None))
                    .ok()
            },
        );
        let effect = choice(&format!("{path}.effect"), &raw.effect, Effect::ALL, problems);
        let (Some(key), Some(value), Some(effect)) = (key, value, effect) else { continue };
        if role == Role::Master && key.as_str() == CONTROL_PLANE {
            let message = format!("`{path}`: every master has the taint {CONTROL_PLANE} from hab");
            problems.error(raw.key.place, message, Some("leave it out".to_owned()));
        } else if key.domain() == "node.kubernetes.io" {
            let message = format!("`{path}` can't have {key}: Kubernetes gives and takes these taints itself");
            problems.error(raw.key.place, message, Some("take another name, such as `dedicated`".to_owned()));
        } else if taints.iter().any(|other| other.key == key && other.effect == effect) {
            let message = format!("the taint {key} with this effect comes twice in `{path}`");
            problems.error(raw.key.place, message, Some("keep one".to_owned()));
        }
        taints.push(Taint { key, value, effect });
    }
    taints
}

fn field(path: &str, said: &RawField, problems: &mut Problems) {
    if !program_field(&FIELDS, path, said, problems) {
        return;
    }
    let RawField { key, node, value } = said;
    let most = i64::from(u32::MAX >> crate::addressing::POD_PREFIX) - OF_A_RANGE;
    if key.text == "maxPods" && value.as_i64().is_some_and(|pods| pods > most || pods < 1) {
        let message = format!("`{path}.maxPods` is {value}; a node's pod range has room for 1 to {most}");
        problems.error(Some(node.place), message, None);
    }
}

/// Addresses of a node's pod range that no pod gets: the network's and the bridge's; the broadcast address is not
/// counted here.
const OF_A_RANGE: i64 = 2;

#[cfg(test)]
mod tests {
    use crate::config::read;

    fn said(text: &str) -> String {
        read("hab.yaml", format!("lab: a\n{text}\n").as_bytes(), &|_| Ok(())).problems.to_string()
    }

    #[test]
    fn labels_that_a_kubelet_may_not_give_itself_are_refused() {
        for good in
            ["disk", "a.example/x", "node.kubernetes.io/x", "x.node.kubernetes.io/y", "topology.kubernetes.io/zone"]
        {
            assert_eq!(said(&format!("nodes: {{worker: {{labels: {{{good}: x}}}}}}")), "", "{good}");
        }
        for (bad, expected) in [
            ("node-role.kubernetes.io/db", "hab gives every node its role"),
            ("node-restriction.kubernetes.io/a", "(NodeRestriction)"),
            ("kubernetes.io/hostname", "the kubelet gives it itself"),
            ("x.k8s.io/a", "a domain of your own"),
            ("-a", "must begin and end with a letter or a digit"),
            ("a/b/c", "in it; only letters"),
        ] {
            let said = said(&format!("nodes: {{worker: {{labels: {{{bad}: x}}}}}}"));
            assert!(said.starts_with("hab.yaml:2:27: error: ") && said.contains(expected), "{bad}: {said}");
        }
        assert!(
            said("nodes: {worker: {labels: {a: x y}}}")
                .contains("2:30: error: the value of `nodes.worker.labels.a` has ' '")
        );
        assert!(said("nodes: {worker: {labels: {a: 1}}}").contains("write it in quotes: \"1\""));
        assert!(said("nodes: {worker: {labels: {a: yes}}}").contains("is a truth value in YAML"));
        assert!(said("nodes: {etcd: {labels: {a: b}}}").contains("etcd nodes run no kubelet"));
    }

    #[test]
    fn taints_are_those_of_the_api() {
        let taint = |taint: &str| said(&format!("nodes: {{worker: {{taints: [{taint}]}}}}"));
        assert_eq!(taint("{key: a, effect: NoExecute}"), "");
        for (bad, expected) in [
            ("a=b:NoSchedule", "must be a section of its own, not the text"),
            ("{key: a}", "a taint in `nodes.worker.taints` has no `effect`"),
            ("{key: a, effect: noschedule}", "did you mean `NoSchedule`?"),
            ("{key: a, effekt: NoSchedule}", "did you mean `effect`?"),
            ("{key: node.kubernetes.io/not-ready, effect: NoSchedule}", "gives and takes these taints itself"),
            ("{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoSchedule}", "comes twice"),
        ] {
            assert!(taint(bad).contains(expected), "{bad}: {}", taint(bad));
        }
        let said =
            said("nodes: {master: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}}");
        assert!(said.contains("every master has the taint"), "{said}");
    }

    #[test]
    fn fields_of_a_kubelet_are_known_of_their_type_and_not_habs() {
        for (field, expected) in [
            ("maxPod: 5", "hint: did you mean `maxPods`?"),
            ("maxPods: \"5\"", "`nodes.worker.kubelet.maxPods` must be a whole number"),
            ("maxPods: 300", "a node's pod range has room for 1 to 253"),
            ("syncFrequency: 10", "must be a time such as"),
            ("evictionHard: x", "must be a section of its own"),
            ("clusterDNS: [10.0.0.1]", "`nodes.worker.kubelet.clusterDNS` is hab's\n"),
            ("registerWithTaints: []", "hint: write `taints` beside `kubelet`"),
            ("maxPods: 0x10", "without quotes is a number in YAML"),
        ] {
            let said = said(&format!("nodes: {{worker: {{kubelet: {{{field}}}}}}}"));
            assert!(said.starts_with("hab.yaml:2:") && said.contains(expected), "{field}: {said}");
        }
    }

    #[test]
    fn overrides_name_nodes_that_are_there() {
        for (name, expected) in [
            ("\"03\"", "hint: there are 2 worker nodes, \"01\" to \"02\""),
            ("\"2\"", "write the number as the name has it: \"02\""),
            ("kube-worker-07", "names a node that is not there: kube-worker-07"),
            ("kube-master-01", "names a node that is not there"),
            ("\"00\"", "names a node that is not there"),
            ("kube-worker-02: {}, \"02\"", "names node 02 twice"),
        ] {
            let said = said(&format!("nodes: {{worker: {{override: {{{name}: {{cpus: 1}}}}}}}}"));
            assert!(said.contains(expected), "{name}: {said}");
        }
        let all =
            said("nodes: {worker: {count: 1, override: {\"02\": {memory: 5, cpus: 0, labels: {A/b: c}, count: 1}}}}");
        for expected in [
            "there is one, \"01\"",
            "override.02.memory` is 5 MiB",
            "override.02.cpus` is 0",
            "no domain",
            "unknown key `count`",
        ] {
            assert!(all.contains(expected), "{expected}: {all}");
        }
    }
}
