//! What nodes have other than those of the default lab, with each other pod network, and what else is about the network:
//! recorded as other golden files are, each with the whole file.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::addons::applied;
use super::golden::{compare, compared, golden};
use super::rendered::{DEFAULT, LARGE, Lab, NETWORKS, Node};

/// Everything on a node that is not a key or a certificate of the lab's, by path: a file with its mode, or a link.
fn things(node: &Node) -> BTreeMap<String, String> {
    let files = node.settings().map(|(path, text)| (path.to_owned(), format!("{:o}\n{text}", node.files[path].0)));
    files.chain(node.links.iter().map(|(path, target)| (path.clone(), format!("-> {target}\n")))).collect()
}

/// What `other` has other than `node`, in words.
fn differences(node: &Node, other: &Node) -> String {
    let (before, after) = (things(node), things(other));
    let mut text = String::new();
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        writeln!(text, "- {path}").unwrap();
    }
    for (path, thing) in after.iter().filter(|(path, thing)| before.get(*path) != Some(thing)) {
        writeln!(text, "{} {path}", if before.contains_key(path) { "*" } else { "+" }).unwrap();
        for line in thing.lines() {
            let indented = format!("    {line}");
            writeln!(text, "{}", indented.trim_end()).unwrap();
        }
    }
    text
}

/// What the nodes of a lab have other than those of the default one.
pub fn unlike_default(plain: &Lab, lab: &Lab) -> String {
    let mut text = String::new();
    for node in &plain.nodes {
        let own = differences(node, lab.node(&node.name));
        assert!(node.role != "etcd" || own.is_empty(), "an etcd node has no pods: {own}");
        // The second worker differs from the default's as the first does.
        if node.name != "kube-worker-02" && !own.is_empty() {
            writeln!(text, "== {}\n{own}", node.name).unwrap();
        }
    }
    assert!(!text.is_empty());
    text
}

#[test]
fn nodes_differ_from_the_default_labs_as_reviewed() {
    let plain = Lab::new(DEFAULT);
    for (name, _) in NETWORKS {
        let text = unlike_default(&plain, &Lab::of_network(name));
        compare(&golden().join("networks").join(format!("{name}.txt")), &text);
    }
    compared();
}

#[test]
fn every_object_of_a_network_is_sent_to_its_own_path() {
    let count = |name| applied(&Lab::of_network(name)).len();
    // Nine of every lab.
    assert_eq!(applied(&Lab::new(DEFAULT)).len(), 9);
    for (name, more) in
        [("flannel", 6), ("weave", 6), ("files", 1), ("none", 0), ("network-policies", 4), ("internet", 0)]
    {
        assert_eq!(count(name), 9 + more, "{name}");
    }
}

#[test]
fn the_users_objects_come_after_the_clusters_own_in_their_order() {
    let names: Vec<String> = (1..=101).map(|number| format!("net/{:03}.yaml", 200 - number)).collect();
    let object =
        |name: &String| format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a{}}}\n", &name[4..7]);
    let texts: Vec<String> = names.iter().map(object).collect();
    let files: Vec<_> = names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    let yaml = format!("lab: demo\nkubernetes: {{cni: {{name: files, manifests: [{}]}}}}\n", names.join(", "));
    let lab = Lab::with(&yaml, &files);
    // As hab-probe goes through the folder.
    let applied: Vec<&str> = lab
        .node("kube-master-01")
        .files
        .keys()
        .filter_map(|path| path.strip_prefix("/etc/kubernetes/addons/"))
        .collect();
    let (own, users) = applied.split_at(applied.len() - names.len());
    assert!(own.contains(&"rbac.yaml") && own.iter().all(|name| !name.starts_with("user-")), "{applied:?}");
    let order: Vec<_> = users.iter().map(|name| format!("net/{}", name.rsplit('-').next().unwrap())).collect();
    assert_eq!(order, names);
}

#[test]
fn a_node_that_asks_for_its_range_says_the_plans() {
    let lab = Lab::of_network("flannel");
    for (node, range) in [("kube-master-01", "10.2.255.0/24"), ("kube-worker-02", "10.2.1.0/24")] {
        let node = lab.node(node);
        let said: serde_json::Value = serde_yaml::from_str(node.text("/etc/kubernetes/hab/pod-range.yaml")).unwrap();
        assert_eq!((&said["spec"]["podCIDR"], &said["spec"]["podCIDRs"][0]), (&range.into(), &range.into()));
        let list = node.text("/etc/kubernetes/cni/net.d/10-flannel.conflist");
        assert!(list.contains(&format!("\"subnet\": \"{range}\"")), "{list}");
    }
    let own = Lab::of_network("files");
    assert!(own.node("kube-worker-02").text("/etc/cni/net.d/50-lab.conflist").contains("\"10.2.1.0/24\""));
}

/// tests/real/policies.rs has the kernel show what the rules do.
#[test]
fn where_policies_are_enforced_no_pod_is_open_before() {
    let path = "/etc/kubernetes/hab/policies.nft";
    let lab = Lab::of_network("network-policies");
    for node in lab.of("master").chain(lab.of("worker")) {
        let unit = node.text("/etc/systemd/system/hab-policies.service");
        assert!(unit.contains("\nBefore=shutdown.target containerd.service kubelet.service\n"), "{unit}");
        assert!(node.text("/etc/kubernetes/hab/policies.sh").contains(&format!("nft -f {path}\n")), "{}", node.name);
        // The program's first rules are to take the place of these.
        let rules = node.text(path);
        assert!(rules.contains("\ntable inet kube-network-policies {\n"), "{rules}");
        for way in ["saddr", "daddr"] {
            assert!(rules.contains(&format!("\n        ip {way} 10.2.0.0/16 drop\n")), "{rules}");
        }
    }
    assert!(Lab::new(DEFAULT).nodes.iter().all(|node| !node.has(path)));
}

#[test]
fn no_proxy_is_asked_for_what_is_in_the_lab() {
    let yaml = "lab: demo\nnetwork: {internet: true, proxy: {http: \"http://10.0.0.1:3128\"}, extra: {storage: 192.168.60.0/24, \
                backup: 192.168.61.0/24}}\n";
    let lab = Lab::new(yaml);
    let text = lab.node("kube-worker-01").text("/etc/kubernetes/hab/internet.env");
    let known = text.lines().find_map(|line| line.strip_prefix("NO_PROXY=")).unwrap();
    for range in ["192.168.56.0/24", "192.168.60.0/24", "192.168.61.0/24", "10.2.0.0/16", "10.3.0.0/24"] {
        assert!(known.split(',').any(|other| other == range), "{known}");
    }
}

#[test]
fn only_with_the_internet_an_image_is_asked_for_elsewhere_than_in_the_labs_registry() {
    let both = "lab: demo\nnodes: {master: {count: 2}}\nregistry: {inLab: true}\nnetwork: {internet: true}\n";
    for (yaml, leads_out) in [(LARGE, false), (both, true)] {
        let lab = Lab::new(yaml);
        for node in lab.of("master").chain(lab.of("worker")) {
            let text = node.text("/etc/containerd/certs.d/_default/hosts.toml");
            // What is left out is the image's own registry (containerd's docs/hosts.md).
            assert_eq!(text.contains("\nserver = \"https://127.0.0.1:5000\"\n"), !leads_out, "{text}");
            // A master asks its own and the other one's, a worker its HAProxy and then both: the one that it is led to may not
            // have taken yet what the other one was given.
            let mut hosts = vec!["127.0.0.1"];
            hosts.extend(
                lab.of("master").filter(|master| master.name != node.name).map(|master| master.address.as_str()),
            );
            let asked = text.lines().filter_map(|line| line.strip_prefix("[host.\"https://")?.strip_suffix(":5000\"]"));
            assert_eq!(asked.collect::<Vec<_>>(), hosts, "{text}");
            // One folder: what pulls takes a list for the name of one.
            let containerd = node.text("/etc/kubernetes/containerd/config.toml");
            assert!(containerd.contains("\nconfig_path = \"/etc/containerd/certs.d\"\n"), "{containerd}");
        }
    }
}
