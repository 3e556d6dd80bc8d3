//! Every YAML and JSON file on a node, read by the types of Kubernetes' own API - strictly: what a type does not know
//! is a mistake, not something to pass over.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node as NodeObject, Pod, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::rendered::{Lab, Node};

/// A kubeconfig (`k8s.io/client-go/tools/clientcmd/api/v1`), as far as hab uses it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kubeconfig {
    api_version: String,
    kind: String,
    clusters: Vec<Cluster>,
    users: Vec<User>,
    contexts: Vec<Context>,
    #[serde(rename = "current-context")]
    current_context: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    name: String,
    cluster: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: String,
    user: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Context {
    name: String,
    context: BTreeMap<String, String>,
}

/// The documents of a YAML file; what is only comments is none.
pub fn documents(text: &str) -> Vec<Value> {
    let documents = serde_yaml::Deserializer::from_str(text).map(|document| Value::deserialize(document).unwrap());
    documents.filter(|document| !document.is_null()).collect()
}

/// Everything of `part` is in `whole`; says where it is not.
fn missing(part: &Value, whole: &Value, at: &str) -> Option<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(key, value)| match whole.get(key) {
            Some(other) => missing(value, other, &format!("{at}.{key}")),
            None => Some(format!("{at}.{key}")),
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() == whole.len() => {
            part.iter().zip(whole).enumerate().find_map(|(n, (a, b))| missing(a, b, &format!("{at}[{n}]")))
        }
        (part, whole) => (part != whole).then(|| at.to_owned()),
    }
}

/// Reads `value` as a `T` that knows all of it.
#[track_caller]
fn strictly<T: Serialize + DeserializeOwned>(value: &Value) -> T {
    let typed: T = serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"));
    let back = serde_json::to_value(&typed).unwrap();
    assert_eq!(missing(value, &back, ""), None, "unknown to {}: {value:#}", std::any::type_name::<T>());
    typed
}

/// Reads a document as the kind it says it is.
pub fn read(document: &Value) {
    let text = |key: &str| document[key].as_str().unwrap_or_default();
    match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => drop(strictly::<Pod>(document)),
        ("v1", "ConfigMap") => drop(strictly::<ConfigMap>(document)),
        ("v1", "Service") => drop(strictly::<Service>(document)),
        ("v1", "ServiceAccount") => drop(strictly::<ServiceAccount>(document)),
        ("v1", "Namespace") => drop(strictly::<Namespace>(document)),
        ("v1", "Node") => drop(strictly::<NodeObject>(document)),
        ("apps/v1", "DaemonSet") => drop(strictly::<DaemonSet>(document)),
        ("apps/v1", "Deployment") => drop(strictly::<Deployment>(document)),
        ("rbac.authorization.k8s.io/v1", "ClusterRole") => drop(strictly::<ClusterRole>(document)),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") => drop(strictly::<ClusterRoleBinding>(document)),
        ("rbac.authorization.k8s.io/v1", "Role") => drop(strictly::<Role>(document)),
        ("rbac.authorization.k8s.io/v1", "RoleBinding") => drop(strictly::<RoleBinding>(document)),
        ("storage.k8s.io/v1", "StorageClass") => drop(strictly::<StorageClass>(document)),
        ("apiregistration.k8s.io/v1", "APIService") => drop(strictly::<APIService>(document)),
        // Read by their own tests below.
        ("apiserver.config.k8s.io/v1", "AuthenticationConfiguration")
        | ("audit.k8s.io/v1", "Policy")
        | ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")
        | ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration") => {}
        other => panic!("nobody checks {other:?}: {document:#}"),
    }
}

fn yaml(node: &Node) -> impl Iterator<Item = (&str, &str)> {
    node.ending(".yaml")
}

/// Labs whose names YAML could take for something else: each is a good DNS label.
const TRAPS: [&str; 4] = ["no", "1e3", "123", "0x10"];

#[test]
fn every_document_is_what_kubernetes_takes() {
    let mut seen = 0;
    for lab in Lab::all() {
        for node in &lab.nodes {
            for (_, text) in yaml(node) {
                let documents = documents(text);
                assert!(!documents.is_empty());
                documents.iter().for_each(read);
                seen += documents.len();
            }
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn a_strict_reading_finds_a_typo() {
    let good = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a"}]}}"#;
    read(&serde_json::from_str(good).unwrap());
    let bad = serde_json::from_str(&good.replace("containers", "containres")).unwrap();
    assert!(std::panic::catch_unwind(|| read(&bad)).is_err());
    let bad =
        serde_json::from_str(&good.replace(r#"{"name":"a"}]"#, r#"{"name":"a","imagePullPolizy":"Never"}]"#)).unwrap();
    assert!(std::panic::catch_unwind(|| read(&bad)).is_err());
}

#[test]
fn every_kubeconfig_is_whole_whatever_the_lab_is_called() {
    for name in ["demo"].iter().chain(&TRAPS) {
        let lab = Lab::new(&format!("lab: \"{name}\"\n"));
        let admin = std::fs::read_to_string(lab.path("out/kubeconfig")).unwrap();
        kubeconfig(&admin);
        for node in &lab.nodes {
            let all = node.ending(".conf").filter(|(path, _)| path.starts_with("/etc/kubernetes/"));
            let count = all.map(|(_, text)| kubeconfig(text)).count();
            let expected = match node.role.as_str() {
                "etcd" => 0,
                "master" => 4,
                _ => 2,
            };
            assert_eq!(count, expected, "{}", node.name);
        }
    }
}

fn kubeconfig(text: &str) {
    let config: Kubeconfig = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let context = config.contexts.iter().find(|context| context.name == config.current_context).unwrap();
    let cluster = config.clusters.iter().find(|cluster| cluster.name == context.context["cluster"]).unwrap();
    let user = config.users.iter().find(|user| user.name == context.context["user"]).unwrap();
    assert!(cluster.cluster["server"].starts_with("https://"));
    assert!(cluster.cluster.keys().any(|key| key.starts_with("certificate-authority")));
    assert!(user.user.keys().any(|key| key.starts_with("client-key")));
    assert_eq!((config.kind.as_str(), config.api_version.as_str()), ("Config", "v1"));
}

/// The kubeconfigs of a node, which are YAML, too.
fn kubeconfigs(node: &Node) -> impl Iterator<Item = (&str, &str)> {
    node.ending(".conf").filter(|(path, _)| path.starts_with("/etc/kubernetes/"))
}

#[test]
fn no_word_of_the_user_stands_without_quotes_where_yaml_reads_more_into_it() {
    // Kubernetes reads YAML 1.1, where `no` is a truth value; the parser here knows 1.2, where it is a word.
    /// Whether the line has one of these words as a value that is not in quotes.
    fn bare(line: &str, words: &[&str]) -> bool {
        words.iter().flat_map(|word| [format!(": {word}"), format!("- {word}")]).any(|plain| {
            line.ends_with(&plain) || [",", "}", "-"].iter().any(|end| line.contains(&format!("{plain}{end}")))
        })
    }
    assert!(bare("a: no", &["no"]) && bare("{a: no, b: c}", &["no"]) && bare("- 2026-01-02", &["2026-01"]));
    assert!(!bare("a: \"no\"", &["no"]) && !bare("a: none", &["no"]));
    for name in TRAPS {
        let text = format!(
            "lab: \"{name}\"\nkubernetes: {{domain: \"{name}\"}}\nnodes: {{worker: {{prefix: \"2026-01\"}}}}\n"
        );
        let (lab, mut quoted) = (Lab::new(&text), 0);
        for node in &lab.nodes {
            for (path, text) in yaml(node).chain(kubeconfigs(node)) {
                for line in text.lines() {
                    assert!(!bare(line, &[name, "2026-01"]), "{}: {path}: {line}", node.name);
                    quoted += usize::from([name, "2026-01-"].iter().any(|word| line.contains(&format!("\"{word}"))));
                }
                documents(text);
            }
        }
        assert!(quoted > 0, "{name} is nowhere");
    }
}

#[test]
fn kubelets_take_nobodys_word() {
    for lab in Lab::both() {
        for node in lab.nodes.iter().filter(|node| node.role != "etcd") {
            let config: Value = serde_yaml::from_str(node.text("/etc/kubernetes/kubelet.yaml")).unwrap();
            assert_eq!(config["authentication"]["anonymous"]["enabled"], false);
            assert_eq!(config["authentication"]["webhook"]["enabled"], true);
            assert_eq!(config["authentication"]["x509"]["clientCAFile"], "/etc/kubernetes/pki/ca.crt");
            assert_eq!(config["authorization"]["mode"], "Webhook");
            assert_eq!(config["readOnlyPort"], 0);
            assert_eq!(config["address"], node.address.as_str());
            assert_eq!(config["cgroupDriver"], "systemd");
            assert_eq!(config["seccompDefault"], true);
            assert_eq!(config["staticPodPath"], "/run/kubernetes/manifests");
            assert_eq!(config["clusterDNS"][0], "10.3.0.10");
            assert_eq!(config["clusterDomain"], "cluster.local");
            let tainted = config["registerWithTaints"][0]["key"] == "node-role.kubernetes.io/control-plane";
            assert_eq!(tainted, node.role == "master");
        }
    }
}

#[test]
fn kube_proxies_are_seen_by_their_own_node_only() {
    for lab in Lab::both() {
        for node in lab.of("worker") {
            let config: Value = serde_yaml::from_str(node.text("/etc/kubernetes/kube-proxy.yaml")).unwrap();
            assert_eq!(config["mode"], "nftables");
            assert_eq!(config["clusterCIDR"], "10.2.0.0/16");
            assert_eq!(config["hostnameOverride"], node.name.as_str());
            for address in ["healthzBindAddress", "metricsBindAddress"] {
                assert!(config[address].as_str().unwrap().starts_with("127.0.0.1:"), "{address}");
            }
        }
    }
}

#[test]
fn every_nodes_pods_are_its_own() {
    for lab in Lab::both() {
        let mut seen = std::collections::BTreeSet::new();
        for node in lab.nodes.iter().filter(|node| node.role != "etcd") {
            let text = node.text("/etc/kubernetes/cni/net.d/10-routed.conflist");
            let list: Value = serde_json::from_str(text).unwrap();
            let subnet = list["plugins"][0]["ipam"]["ranges"][0][0]["subnet"].as_str().unwrap().to_owned();
            let own = format!("{subnet} {}", node.address);
            assert!(node.text("/etc/kubernetes/hab/pods").lines().any(|line| line == own), "{}", node.name);
            assert!(seen.insert(subnet), "{}", node.name);
        }
    }
}

#[test]
fn a_host_port_is_part_of_the_pod_network() {
    for lab in Lab::both() {
        for node in lab.nodes.iter().filter(|node| node.role != "etcd") {
            let text = node.text("/etc/kubernetes/cni/net.d/10-routed.conflist");
            let list: Value = serde_json::from_str(text).unwrap();
            let plugins = list["plugins"].as_array().unwrap();
            // After the plugin that makes the pod's card; iptables, its default, is on no node.
            let portmap = &plugins[plugins.len() - 1];
            assert_eq!((&portmap["type"], &portmap["backend"]), (&"portmap".into(), &"nftables".into()));
            // Without this containerd does not hand it any port.
            assert_eq!(portmap["capabilities"]["portMappings"], true);
        }
    }
}

/// The static pods of a master.
fn staged(node: &Node) -> impl Iterator<Item = (&str, Pod)> {
    let staged = node.ending(".yaml").filter(|(path, _)| path.starts_with("/etc/kubernetes/staged/"));
    staged.map(|(path, text)| (path, strictly::<Pod>(&documents(text)[0])))
}

#[test]
fn a_static_pod_sees_the_files_it_names_and_no_other() {
    for lab in Lab::both() {
        for node in lab.of("master") {
            assert_eq!(staged(node).count(), 3);
            for (path, pod) in staged(node) {
                let spec = pod.spec.unwrap();
                let container = &spec.containers[0];
                let command = container.command.as_ref().unwrap().join("\n");
                let words = |text: &str| -> BTreeSet<String> {
                    let words = text.split(|c: char| c.is_whitespace() || c == '=' || c == '"');
                    words.filter(|word| word.starts_with("/etc/")).map(str::to_owned).collect()
                };
                let mut named = words(&command);
                for kubeconfig in named.clone().iter().filter(|file| file.strip_suffix(".conf").is_some()) {
                    named.extend(words(node.text(kubeconfig)));
                }
                let mounts = container.volume_mounts.as_ref().unwrap();
                let mut mounted = BTreeSet::new();
                for volume in spec.volumes.unwrap() {
                    let host = volume.host_path.unwrap();
                    let mount = mounts.iter().find(|mount| mount.name == volume.name).unwrap();
                    assert_eq!((&mount.mount_path, mount.read_only), (&host.path, Some(true)), "{path}");
                    if host.path == "/opt/hab" {
                        continue;
                    }
                    assert_eq!(host.type_.as_deref(), Some("File"), "{path}: {}", host.path);
                    mounted.insert(host.path);
                }
                assert_eq!(mounted, named, "{path}");
                assert!(named.len() > 5 && !mounted.iter().any(|file| file.contains("addons")), "{path}");
            }
        }
    }
}

#[test]
fn whoever_shows_nothing_may_ask_for_health_only() {
    for lab in Lab::both() {
        for node in lab.of("master") {
            let config: Value = serde_yaml::from_str(node.text("/etc/kubernetes/authentication.yaml")).unwrap();
            let paths = [json!({"path": "/livez"}), json!({"path": "/readyz"}), json!({"path": "/healthz"})];
            assert_eq!(config["anonymous"], json!({"enabled": true, "conditions": paths}));
            let manifest = node.text("/etc/kubernetes/staged/kube-apiserver.yaml");
            assert!(manifest.contains("- --authentication-config=/etc/kubernetes/authentication.yaml\n"));
            // The API server does not start with both.
            assert!(!manifest.contains("--anonymous-auth"));
        }
    }
}

/// The label that the scheduler tells workers apart by.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// The deployment of CoreDNS as a master applies it.
fn coredns(lab: &Lab) -> Deployment {
    let text = lab.of("master").next().unwrap().text("/etc/kubernetes/addons/coredns.yaml");
    let deployment = documents(text).into_iter().find(|document| document["kind"] == "Deployment").unwrap();
    strictly(&deployment)
}

#[test]
fn dns_is_doubled_but_never_on_one_worker() {
    for workers in [1, 2, 5] {
        let lab = Lab::new(&format!("lab: demo\nnodes: {{worker: {{count: {workers}}}}}\n"));
        let spec = coredns(&lab).spec;
        assert_eq!(spec.replicas, Some(2), "{workers} workers");
        let pod = spec.template.spec.unwrap();
        let spread = &pod.topology_spread_constraints.unwrap()[0];
        assert_eq!(
            (spread.topology_key.as_str(), spread.when_unsatisfiable.as_str(), spread.min_domains),
            (HOSTNAME, "DoNotSchedule", Some(2)),
            "or both are on the worker that comes up first"
        );
        let seconds: Vec<_> = pod.tolerations.unwrap().iter().map(|t| t.toleration_seconds).collect();
        assert_eq!(seconds, [Some(30); 2]);
    }
}

#[test]
fn dns_runs_as_nobody_in_particular() {
    let pod = coredns(&Lab::new("lab: demo\n")).spec.template.spec.unwrap();
    let context = pod.security_context.unwrap();
    assert_eq!((context.run_as_non_root, context.run_as_user), (Some(true), Some(65532)));
    let sysctl = &context.sysctls.unwrap()[0];
    assert_eq!((sysctl.name.as_str(), sysctl.value.as_str()), ("net.ipv4.ip_unprivileged_port_start", "0"));
    let capabilities = pod.containers[0].security_context.clone().unwrap().capabilities.unwrap();
    assert_eq!((capabilities.add, capabilities.drop), (None, Some(vec!["ALL".to_owned()])));
}
