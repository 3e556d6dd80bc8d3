//! What is on a node, held against the programs that read it there: Ignition, HAProxy, systemd; and packer's template.

use std::collections::BTreeMap;
use std::path::Path;

use hab::boot_test::{self as proof, Subject};
use hab::exec::Tool;
use hab::exec::packer::{self, Folders};
use hab::exec::qemu::Accelerator;
use hab::role::Role;

use crate::rendered::{BASES, DEFAULT, Lab, Node};

#[test]
fn ignition_takes_every_config() {
    let takes = |config: &Path| Tool::find("ignition-validate", "ignition").unwrap().arg(config).run().is_ok();
    for lab in Lab::all() {
        for config in lab.configs() {
            assert!(takes(&config), "{}", config.display());
            // It reads what it takes: with a relative path in it, it does not take it.
            let text = std::fs::read_to_string(&config).unwrap();
            std::fs::write(&config, text.replacen(r#""path":"/etc/"#, r#""path":"etc/"#, 1)).unwrap();
            assert!(!takes(&config), "{}", config.display());
        }
    }
}

#[test]
fn ignition_takes_a_config_with_snippets() {
    let dir = tempfile::tempdir().unwrap();
    let snippet = r#"{"ignition":{"version":"3.1.0"},"storage":{"files":[{"path":"/etc/motd","contents":{"source":"data:,hi"}}]},
        "systemd":{"units":[{"name":"a.service","enabled":true,"contents":"[Service]\nExecStart=/bin/true\n"}]}}"#;
    std::fs::write(dir.path().join("all.ign"), snippet).unwrap();
    std::fs::write(dir.path().join("hab.yaml"), "lab: demo\nignition: {common: all.ign}\n").unwrap();
    Tool::at(env!("CARGO_BIN_EXE_hab").into()).unwrap().arg("render").dir(dir.path()).run().unwrap();
    for node in ["etcd-01", "kube-master-01", "kube-worker-01"] {
        let config = dir.path().join(format!("out/ignition/{node}.ign"));
        Tool::find("ignition-validate", "ignition").unwrap().arg(config).run().unwrap();
    }
}

/// The node's HAProxy configuration, with its credentials where this machine has them.
fn haproxy(node: &Node, dir: &Path) -> std::path::PathBuf {
    let credentials = dir.join("credentials");
    std::fs::create_dir_all(&credentials).unwrap();
    std::fs::write(credentials.join("ca.crt"), node.text("/etc/kubernetes/pki/ca.crt")).unwrap();
    let text = node.text("/etc/kubernetes/haproxy/haproxy.cfg");
    let text = text.replace("/run/credentials/haproxy.service", credentials.to_str().unwrap());
    let path = dir.join("haproxy.cfg");
    std::fs::write(&path, text).unwrap();
    path
}

/// A lab whose HAProxy has a stats page.
const STATS: &str = "lab: demo\nhaproxy: {timeout: {connect: 2s, check: 4s}, stats: {enabled: true}}\n";

#[test]
fn haproxy_takes_a_stats_page_with_its_password() {
    let (lab, dir) = (Lab::new(STATS), tempfile::tempdir().unwrap());
    let node = lab.node("kube-worker-01");
    let path = haproxy(node, dir.path());
    let users = dir.path().join("stats.cfg");
    std::fs::write(&users, node.text("/etc/kubernetes/pki/haproxy-stats.cfg")).unwrap();
    let check = || Tool::find("haproxy", "haproxy").unwrap().args(["-c", "-f"]).arg(&path);
    check().arg("-f").arg(&users).run().unwrap();
    // The page needs the users of the other file.
    assert!(check().run().is_err());
}

#[test]
fn haproxy_takes_every_workers_configuration() {
    for lab in Lab::both() {
        for node in lab.of("worker") {
            let dir = tempfile::tempdir().unwrap();
            let path = haproxy(node, dir.path());
            let check = || Tool::find("haproxy", "haproxy").unwrap().args(["-c", "-f"]).arg(&path);
            check().run().unwrap();
            // With the times of an emulated machine, and with one that is none: so these do reach it.
            let mut emulated = check();
            for (name, value) in variables(node.text(EMULATED)).filter(|(name, _)| name.starts_with("HAB_")) {
                emulated = emulated.env(name, value);
            }
            emulated.run().unwrap();
            assert!(check().env("HAB_CONNECT", "soon").run().is_err());
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(&path, text.replace("mode tcp", "mode tpc")).unwrap();
            assert!(check().run().is_err(), "haproxy takes whatever it is given");
        }
    }
}

/// What is longer on an emulated machine.
const EMULATED: &str = "/etc/kubernetes/hab/emulated.env";

/// Names and values of a systemd environment file.
fn variables(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
}

#[test]
fn what_is_longer_on_an_emulated_machine_is_shorter_elsewhere() {
    let lab = Lab::new(DEFAULT);
    let emulated = variables(lab.node("etcd-01").text(EMULATED)).collect::<BTreeMap<_, _>>();
    let haproxy = lab.node("kube-worker-01").text("/etc/kubernetes/haproxy/haproxy.cfg");
    let presets = haproxy.lines().filter_map(|line| line.trim().strip_prefix("presetenv ")?.split_once(' '));
    let etcd = variables(lab.node("etcd-01").text("/etc/kubernetes/etcd.env"));
    let scripts = ["gate", "control-plane", "lib"]
        .map(|name| lab.node("kube-master-01").text(&format!("/etc/kubernetes/hab/{name}.sh")));
    let defaults = scripts
        .iter()
        .flat_map(|script| script.split("${"))
        .filter_map(|rest| rest.split_once('}')?.0.split_once(":-"));
    let others = etcd.chain(defaults).filter(|(name, _)| emulated.contains_key(name));
    let elsewhere: BTreeMap<_, _> = presets.chain(others).collect();
    assert_eq!(elsewhere.keys().collect::<Vec<_>>(), emulated.keys().collect::<Vec<_>>());
    for (name, value) in elsewhere {
        assert!(milliseconds(value) < milliseconds(emulated[name]), "{name}");
        // Of the leases tests/rendered/closure.rs says it, of the probes tests/real/scripts.rs.
        let others = ["HAB_FIRST_MASTER", "HAB_LIVENESS_PERIOD"];
        let used = name.starts_with("ETCD_") || name.starts_with("HAB_LEASE_") || others.contains(&name);
        assert!(used || haproxy.contains(&format!("\"${{{name}}}\"")), "{name} is not used");
    }
}

/// A time as HAProxy and etcd read it.
fn milliseconds(time: &str) -> u64 {
    match (time.strip_suffix("ms"), time.strip_suffix('s')) {
        (Some(number), _) => number.parse().unwrap(),
        (_, Some(number)) => 1000 * number.parse::<u64>().unwrap(),
        _ => time.parse().unwrap(),
    }
}

#[test]
fn haproxy_serves_the_masters_and_nothing_else() {
    // `haproxy -c` takes an injected section as gladly as one of ours, so the sections themselves are compared.
    // The large one has a registry.
    for (lab, registry) in Lab::both().into_iter().zip([false, true]) {
        for node in lab.of("worker") {
            let text = node.text("/etc/kubernetes/haproxy/haproxy.cfg");
            let lines = || text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
            let sections: Vec<&str> = lines().filter(|line| !line.starts_with(' ')).collect();
            let more: &[&str] = if registry { &["frontend registry", "backend registries"] } else { &[] };
            assert_eq!(sections, [&["global", "defaults", "frontend api", "backend masters"], more].concat());
            let first = |word: &str| {
                let all = lines().filter(|line| line.split_whitespace().next() == Some(word));
                all.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
            };
            let more: &[&str] = if registry { &["bind 127.0.0.1:5000"] } else { &[] };
            assert_eq!(first("bind"), [&["bind 127.0.0.1:6443"], more].concat());
            assert_eq!(first("mode"), ["mode tcp"]);
            let same = r#"tcp-ut "${HAB_SILENCE}""#;
            let ready = |m: &Node| format!("server {0} {1}:6443 {same} check verifyhost {0}", m.name, m.address);
            let any = |m: &Node| format!("server any-{} {}:6443 {same} backup", m.name, m.address);
            let images = |m: &Node| format!("server {} {}:5000 {same} check", m.name, m.address);
            let servers = lab.of("master").map(ready).chain(lab.of("master").map(any));
            let servers = servers.chain(lab.of("master").map(images).filter(|_| registry));
            assert_eq!(first("server"), servers.collect::<Vec<_>>());
            assert_eq!(first("default-server").len(), 1 + usize::from(registry));
            assert!(first("default-server")[0].contains(" verify required ca-file "));
        }
    }
}

#[test]
fn systemd_takes_every_unit() {
    let (lab, stats, others) = (Lab::new(DEFAULT), Lab::new(STATS), BASES.map(|(_, yaml)| Lab::new(yaml)));
    let nodes = ["etcd-01", "kube-master-01", "kube-worker-01"].map(|name| lab.node(name));
    let others = others.iter().map(|lab| lab.node("kube-worker-01"));
    for node in nodes.into_iter().chain([stats.node("kube-worker-02")]).chain(others) {
        let root = tempfile::tempdir().unwrap();
        node.unpack(root.path());
        of_the_system(root.path());
        let units: Vec<_> = node.files.keys().filter(|path| path.ends_with(".service")).collect();
        assert!(units.len() >= 2, "{}", node.name);
        for unit in &units {
            programs(node.text(unit), root.path());
        }
        // What it is not sure of it only says, so silence is asked for, too.
        let said = || {
            let mut said = Vec::new();
            let verify = Tool::find("systemd-analyze", "systemd").unwrap().args(["verify", "--man=no"]);
            let verify = verify.arg(hab::exec::arg_with_path("--root=", root.path())).args(&units);
            verify.stream(|line| said.push(line.to_owned())).unwrap();
            said
        };
        assert_eq!(said(), [""; 0], "{}", node.name);
        let unit = root.path().join(units[0].trim_start_matches('/'));
        std::fs::write(&unit, node.text(units[0]).replace("[Service]", "[Service]\nRestrat=always")).unwrap();
        assert!(said().iter().any(|line| line.contains("Restrat")), "{}: a typo is not found", node.name);
    }
}

/// Units of systemd that those of a vendor's base name.
fn of_the_system(root: &Path) {
    let folder = root.join("usr/lib/systemd/system");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("sysinit.target"), "[Unit]\nDefaultDependencies=no\n").unwrap();
    for unit in ["systemd-udevd.service", "systemd-udev-trigger.service"] {
        let text = "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/opt/hab/bin/hab-probe\n";
        std::fs::write(folder.join(unit), text).unwrap();
    }
}

/// Puts something to execute wherever the unit starts a program: the payload's are no part of this test.
fn programs(unit: &str, root: &Path) {
    let commands = unit.lines().filter(|line| line.starts_with("Exec")).filter_map(|line| line.split_once('='));
    for program in commands.filter_map(|(_, command)| command.trim_start_matches(['+', '-', '!']).split(' ').next()) {
        let path = root.join(program.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy("/bin/true", path).unwrap();
    }
}

#[test]
fn packer_takes_the_template_with_what_hab_fills_in() {
    let dir = tempfile::tempdir().unwrap();
    let folders = Folders { sockets: dir.path(), scratch: dir.path() };
    let disk = dir.path().join("disk.qcow2");
    std::fs::write(&disk, "no disk, only a name").unwrap();
    for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
        let subject = Subject {
            role: Role::Worker,
            disk: &disk,
            payload: &disk,
            images: Some(disk.as_path()),
            config: b"{}",
            checks: &[],
            memory: 768,
            accelerator,
        };
        let prepared = proof::prepare(&subject, dir.path()).unwrap();
        packer::validate(folders, &prepared.template, &prepared.variables).unwrap();
    }
    // A variable that the template does not get is noticed, so the test above says something.
    let prepared = proof::prepare(
        &Subject {
            role: Role::Etcd,
            disk: &disk,
            payload: &disk,
            images: None,
            config: b"",
            checks: &[],
            memory: 768,
            accelerator: Accelerator::Tcg,
        },
        dir.path(),
    )
    .unwrap();
    let text = std::fs::read_to_string(&prepared.variables).unwrap();
    std::fs::write(&prepared.variables, text.replace("\"answers\"", "\"anwsers\"")).unwrap();
    assert!(packer::validate(folders, &prepared.template, &prepared.variables).is_err());
}
