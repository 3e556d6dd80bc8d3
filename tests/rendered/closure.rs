//! A node is complete in itself: every file, program, credential, unit and address that something on it names is there.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::rendered::{Lab, Node};

/// Paths in a pod's own file system, which are none of the node's.
const IN_PODS: [&str; 5] =
    ["/etc/coredns", "/etc/coredns/Corefile", "/etc/kube-flannel", "/etc/config", "/etc/config/config.json"];

/// Units that systemd brings.
const SYSTEMDS: [&str; 8] = [
    "shutdown.target",
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
    "systemd-journald.service",
    "tmp.mount",
    "sysinit.target",
    "systemd-udevd.service",
    "systemd-udev-trigger.service",
];

const UNITS: &str = "/etc/systemd/system/";

/// Every path in `text` that begins with `start`, comments aside.
fn paths<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let words = lines.flat_map(|line| line.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-@".contains(c))));
    // systemd's hyphen before a file that need not be there.
    let words = words.map(|word| word.trim_start_matches('-'));
    words.filter(move |word| word.starts_with(start)).map(|word| word.trim_end_matches(['/', '.']))
}

/// hab's shell functions are on every node; what waits for API servers and places pods is called on masters and workers.
fn unused(node: &Node, (path, _): &(&str, &str)) -> bool {
    node.role != "master" && *path == "/etc/kubernetes/hab/lib.sh"
}

/// What the script of every node looks for, and does without.
fn optional(node: &Node, named: &str) -> bool {
    let Some(file) = named.strip_prefix("/etc/kubernetes/hab/") else {
        // Where the pod network is the user's own, its configuration may come later; without a registry in the lab containerd
        // has nobody else to ask than an image's own.
        return ["/etc/cni/net.d", "/etc/containerd/certs.d"].contains(&named);
    };
    match file {
        "folders" | "payload-label" => true,
        "taints.yaml" => node.role == "master",
        // It sets the routes of this list.
        "network.sh" => !node.has("/etc/kubernetes/hab/pods"),
        _ => false,
    }
}

fn each(check: impl Fn(&Node)) {
    for lab in Lab::all() {
        lab.nodes.iter().for_each(&check);
    }
}

#[test]
fn every_file_that_is_named_is_there() {
    each(|node| {
        let mut seen = 0;
        for (path, text) in node.settings().filter(|setting| !unused(node, setting)) {
            // The one abbreviation scripts use.
            let text = text.replace("$pki/", "/etc/kubernetes/pki/");
            for named in paths(&text, "/etc/").filter(|named| !IN_PODS.contains(named)) {
                if optional(node, named) {
                    continue;
                }
                assert!(node.has(named), "{}: {path} names {named}, which is not there", node.name);
                seen += 1;
            }
        }
        assert!(seen > 10, "{}: only {seen} found", node.name);
    });
}

#[test]
fn every_file_is_named_by_something_but_what_programs_look_for_themselves() {
    // The C library, systemd, the kernel's command line and containerd (in its `config_path`) know these.
    let known = [
        "/etc/containerd/certs.d/_default/hosts.toml",
        "/etc/hostname",
        "/etc/hosts",
        "/etc/machine-id",
        "/etc/resolv.conf",
        "/etc/systemd/journald.conf.d/90-hab.conf",
        "/etc/systemd/network/50-hab-flannel.link",
        "/etc/systemd/network/50-hab.link",
        "/etc/systemd/system.conf.d/90-hab.conf",
    ];
    each(|node| {
        let all: BTreeSet<String> = node
            .settings()
            .flat_map(|(_, text)| {
                paths(&text.replace("$pki/", "/etc/kubernetes/pki/"), "/etc/").map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        let whole = |folder: &str| all.contains(folder);
        for path in node.files.keys().filter(|path| !path.starts_with(UNITS) && !known.contains(&path.as_str())) {
            let folder = Path::new(path).parent().unwrap().to_str().unwrap();
            let named = all.contains(path)
                || (whole(folder) && folder != "/etc/kubernetes/pki" && folder != "/etc/kubernetes/hab");
            assert!(named, "{}: nothing names {path}", node.name);
        }
    });
}

/// The list of what a role's payload carries in a lab that has these parts.
fn payload(role: &str, list: &str, parts: &[&str]) -> Vec<String> {
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("images/payload");
    let folders = parts.iter().map(|part| tables.join(part)).chain([tables.clone()]);
    let mut names = Vec::new();
    for file in folders.map(|folder| folder.join(format!("{role}.yaml"))).filter(|file| file.exists()) {
        let table: Value = serde_yaml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        names.extend(table[list].as_array().into_iter().flatten().map(|name| name.as_str().unwrap().to_owned()));
    }
    names
}

#[test]
fn every_program_that_is_named_is_in_the_payload() {
    for lab in Lab::all() {
        lab.nodes.iter().for_each(|node| programs_are_there(&lab, node));
    }
}

/// The roles whose payload must have a program that this file of a node names.
fn runs_on<'n>(node: &'n Node, path: &str) -> Vec<&'n str> {
    // CoreDNS and addons run where their Deployments say, which is on workers, and local-path's helper pods where a volume is;
    // what masters apply besides are DaemonSets.
    match path.split_once("/addons/") {
        Some((_, "coredns.yaml" | "metrics-server/metrics-server.yaml" | "local-path/local-path.yaml")) => {
            vec!["worker"]
        }
        Some(_) => vec!["master", "worker"],
        None => vec![node.role.as_str()],
    }
}

fn programs_are_there(lab: &Lab, node: &Node) {
    let of = |role: &str, list: &str| payload(role, list, &lab.parts);
    let (programs, plugins) = (of(&node.role, "programs"), of(&node.role, "cni"));
    let mut seen = 0;
    for (path, text) in node.settings().filter(|setting| !unused(node, setting)) {
        for named in paths(text, "/opt/hab/bin/") {
            let name = &named["/opt/hab/bin/".len()..];
            for role in runs_on(node, path) {
                assert!(of(role, "programs").iter().any(|own| own == name), "{role}: {path} names {named}");
            }
            seen += 1;
        }
        if path.ends_with(".conflist") {
            let list: Value = serde_json::from_str(text).unwrap();
            for plugin in list["plugins"].as_array().unwrap() {
                for name in [&plugin["type"], &plugin["ipam"]["type"]].into_iter().filter(|name| !name.is_null()) {
                    assert!(plugins.iter().any(|plugin| name == plugin), "{}: {name}", node.name);
                }
                // The program that a plugin with this backend calls.
                let nftables = plugin["backend"] == "nftables";
                assert!(!nftables || programs.iter().any(|program| program == "nft"), "{}: nft", node.name);
            }
            seen += 1;
        }
    }
    assert!(seen > 0, "{}: nothing names a program", node.name);
}

#[test]
fn every_credential_is_loaded_by_the_unit_it_is_named_after() {
    let mut seen = BTreeSet::new();
    for lab in Lab::both() {
        for node in &lab.nodes {
            for (path, text) in node.settings() {
                for named in paths(text, "/run/credentials/") {
                    let (unit, name) = named["/run/credentials/".len()..].split_once('/').unwrap();
                    let loads = node.text(&format!("{UNITS}{unit}")).contains(&format!("\nLoadCredential={name}:"));
                    assert!(loads, "{}: {path} names {named}, which {unit} does not load", node.name);
                    seen.insert(named.to_owned());
                }
            }
        }
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn every_unit_that_is_named_is_there_and_every_unit_is_wanted() {
    each(|node| {
        for (path, text) in node.settings().filter(|(path, _)| path.starts_with(UNITS)) {
            for line in text.lines() {
                let Some((key, names)) = line.split_once('=') else { continue };
                if !["Requires", "Wants", "After", "Before", "Conflicts", "BindsTo", "PartOf"].contains(&key) {
                    continue;
                }
                for name in names.split_whitespace().filter(|name| !SYSTEMDS.contains(name)) {
                    assert!(node.files.contains_key(&format!("{UNITS}{name}")), "{}: {path}: {line}", node.name);
                }
            }
            let unit = &path[UNITS.len()..];
            if unit.contains('/') {
                // A drop-in, of a unit that is there.
                let of = path.split_once(".d/").unwrap().0;
                assert!(node.files.contains_key(of), "{}: {path}", node.name);
                continue;
            }
            // It wants the others, and is itself what systemd starts.
            let (link, target) = match unit {
                "hab.target" => ("default.target".to_owned(), unit.to_owned()),
                _ => (format!("hab.target.wants/{unit}"), format!("../{unit}")),
            };
            assert_eq!(node.links.get(&format!("{UNITS}{link}")), Some(&target), "{}: {unit}", node.name);
        }
        assert!(node.links.len() >= 2, "{}: {:?}", node.name, node.links);
        let masks_or_default = |path: &str, target: &str| target == "/dev/null" || path.ends_with("/default.target");
        for (path, target) in node.links.iter().filter(|(path, target)| !masks_or_default(path, target)) {
            // A unit of the base's own, which is not hab's to bring.
            if target.starts_with("/usr/lib/systemd/system/") {
                assert_eq!(path.rsplit('/').next(), target.rsplit('/').next());
                continue;
            }
            let unit = path.strip_prefix("/etc/systemd/system/hab.target.wants/").unwrap();
            assert!(target == &format!("../{unit}") && node.files.contains_key(&format!("{UNITS}{unit}")), "{path}");
        }
    });
}

#[test]
fn no_failed_try_keeps_another_unit_from_starting_for_good() {
    // systemd drops the start of whoever requires what fails, and does not take it up again when a later try succeeds.
    let mut seen = 0;
    for lab in Lab::all() {
        for node in &lab.nodes {
            let tried_again = node.ending(".service").filter(|(_, text)| text.contains("\nRestart="));
            for (unit, _) in tried_again {
                let unit = &unit[UNITS.len()..];
                for (path, text) in node.ending(".service") {
                    let required = text.lines().filter_map(|line| line.strip_prefix("Requires="));
                    let required = required.flat_map(str::split_whitespace).any(|required| required == unit);
                    assert!(!required, "{}: {path} requires {unit}", node.name);
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "{seen}");
    let images = Lab::new("lab: demo\n").node("kube-worker-01").text(&format!("{UNITS}hab-images.service")).to_owned();
    assert!(images.contains("\nRestart=on-failure\n"), "{images}");
}

#[test]
fn every_manifest_that_is_placed_is_staged_and_the_other_way_round() {
    for lab in Lab::both() {
        for node in lab.of("master") {
            let lines = node.ending(".sh").flat_map(|(_, text)| text.lines());
            let arguments = lines.filter_map(|line| line.strip_prefix("place "));
            let placed: BTreeSet<_> = arguments.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
            let staged = node.files.keys().filter_map(|path| path.strip_prefix("/etc/kubernetes/staged/"));
            let staged: BTreeSet<_> = staged.map(|name| name.trim_end_matches(".yaml").to_owned()).collect();
            assert_eq!(placed, staged, "{}", node.name);
            assert_eq!(placed.len(), 3);
        }
    }
}

#[test]
fn words_of_manifests_that_depend_on_the_machine_are_filled_in() {
    for lab in Lab::both() {
        for node in lab.of("master") {
            let (script, emulated) =
                (node.text("/etc/kubernetes/hab/control-plane.sh"), node.text("/etc/kubernetes/hab/emulated.env"));
            let staged = node.ending(".yaml").filter(|(path, _)| path.starts_with("/etc/kubernetes/staged/"));
            let words: BTreeSet<_> = staged
                .flat_map(|(_, text)| text.split(|c: char| !c.is_ascii_uppercase() && c != '_').collect::<Vec<_>>())
                .filter(|word| word.starts_with("HAB_"))
                .collect();
            assert_eq!(words.len(), 3, "{words:?}");
            for word in words {
                assert!(script.contains(&format!("s/{word}/${{{word}:-")), "{word}");
                assert!(emulated.contains(&format!("\n{word}=")), "{word}");
            }
        }
    }
}

#[test]
fn every_node_knows_every_other() {
    for lab in Lab::both() {
        for node in &lab.nodes {
            assert_eq!(node.text("/etc/hostname").trim(), node.name);
            let hosts = node.text("/etc/hosts");
            for other in &lab.nodes {
                assert!(hosts.contains(&format!("\n{} {}\n", other.address, other.name)), "{hosts}");
            }
            assert!(hosts.ends_with('\n'));
            if node.role == "etcd" {
                assert!(!node.has("/etc/kubernetes/hab/pods") && !node.has("/etc/kubernetes/hab/network.sh"));
                continue;
            }
            let routes = node.text("/etc/kubernetes/hab/pods");
            for other in &lab.nodes {
                let routed = routes.lines().filter(|line| line.ends_with(&format!(" {}", other.address))).count();
                assert_eq!(routed, usize::from(other.role != "etcd"), "{routes}");
            }
            assert!(routes.ends_with('\n'));
        }
        let ids: BTreeSet<_> = lab.nodes.iter().map(|node| node.text("/etc/machine-id")).collect();
        assert_eq!(ids.len(), lab.nodes.len());
    }
}

#[test]
fn the_nodes_of_a_large_lab_know_each_other_too() {
    // Large enough that the lists of nodes are compressed.
    let lab =
        Lab::new("lab: a\nnetwork: {nodes: 192.168.48.0/20, pods: 10.16.0.0/12}\nnodes: {worker: {count: 600}}\n");
    let node = lab.node("kube-worker-600");
    let (hosts, routes) = (node.text("/etc/hosts"), node.text("/etc/kubernetes/hab/pods"));
    // The host and localhost; all slots of the blocks of etcd nodes, masters and workers.
    assert_eq!((hosts.lines().count(), routes.lines().count()), (2 + 5 + 8 + 608, 8 + 608));
    assert!(hosts.len() > 16 << 10 && hosts.contains("\n192.168.50.188 kube-worker-600\n"));
    let config = std::fs::metadata(lab.path("out/ignition/kube-worker-600.ign")).unwrap().len();
    assert!(config < 53_000, "{config}");
}

/// The value of `key` in a file of `KEY=value` lines.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).unwrap().trim_matches('"')
}

#[test]
fn members_are_right_for_one_three_and_five() {
    for count in [1_u8, 3, 5] {
        let lab = Lab::new(&format!(
            "lab: a\nnodes: {{etcd: {{count: {count}}}, master: {{count: 2}}, worker: {{count: 1}}}}\n"
        ));
        let addresses: Vec<String> = (11..11 + count).map(|last| format!("192.168.56.{last}")).collect();
        let members: Vec<_> = addresses.iter().zip(1..).map(|(a, n)| format!("etcd-{n:02}=https://{a}:2380")).collect();
        let clients: Vec<_> = addresses.iter().map(|a| format!("https://{a}:2379")).collect();
        assert_eq!(lab.of("etcd").count(), usize::from(count));
        for (node, address) in lab.of("etcd").zip(&addresses) {
            let env = node.text("/etc/kubernetes/etcd.env");
            assert_eq!(value(env, "ETCD_NAME"), node.name);
            assert_eq!(value(env, "ETCD_INITIAL_CLUSTER"), members.join(","));
            assert_eq!(value(env, "ETCD_ADVERTISE_CLIENT_URLS"), format!("https://{address}:2379"));
            assert_eq!(value(env, "ETCD_INITIAL_ADVERTISE_PEER_URLS"), format!("https://{address}:2380"));
            assert!(!env.contains("http://"), "something of etcd is not TLS: {env}");
        }
        for master in lab.of("master") {
            let manifest = master.text("/etc/kubernetes/staged/kube-apiserver.yaml");
            assert!(manifest.contains(&format!("- --etcd-servers={}\n", clients.join(","))), "{manifest}");
            let env = master.text("/etc/kubernetes/hab/node.env");
            assert_eq!(value(env, "ETCD"), addresses.join(" "));
            assert_eq!(value(env, "FIRST_MASTER"), "192.168.56.31");
        }
    }
}

#[test]
fn workers_speak_to_their_own_haproxy_only() {
    for lab in Lab::both() {
        for node in lab.of("worker") {
            for file in ["/etc/kubernetes/kubelet.conf", "/etc/kubernetes/kube-proxy.conf"] {
                assert!(node.text(file).contains("server: https://127.0.0.1:6443\n"), "{}: {file}", node.name);
            }
            let names_a_master =
                |text: &str| lab.of("master").any(|master| text.contains(&format!("{}:6443", master.address)));
            let named = node.settings().filter(|(_, text)| names_a_master(text)).map(|(path, _)| path);
            assert_eq!(named.collect::<Vec<_>>(), ["/etc/kubernetes/haproxy/haproxy.cfg"], "{}", node.name);
        }
    }
}
