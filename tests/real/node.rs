//! What is on a node, held against the programs that read it there: Ignition, HAProxy, systemd; and packer's template.

use std::path::Path;

use hab::boot_test::{self as proof, Subject};
use hab::exec::qemu::Accelerator;
use hab::exec::{Tool, packer};
use hab::role::Role;

use crate::rendered::{DEFAULT, Lab, Node};

#[test]
fn ignition_takes_every_config() {
    for lab in Lab::both() {
        for config in lab.configs() {
            Tool::find("ignition-validate", "ignition").unwrap().arg(config).run().unwrap();
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
    Tool::at(env!("CARGO_BIN_EXE_hab").into()).arg("render").dir(dir.path()).run().unwrap();
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

#[test]
fn haproxy_takes_every_workers_configuration() {
    for lab in Lab::both() {
        for node in lab.of("worker") {
            let dir = tempfile::tempdir().unwrap();
            let path = haproxy(node, dir.path());
            Tool::find("haproxy", "haproxy").unwrap().args(["-c", "-f"]).arg(path).run().unwrap();
        }
    }
}

#[test]
fn haproxy_serves_the_masters_and_nothing_else() {
    // `haproxy -c` takes an injected section as gladly as one of ours, so the sections themselves are compared.
    for lab in Lab::both() {
        for node in lab.of("worker") {
            let text = node.text("/etc/kubernetes/haproxy/haproxy.cfg");
            let lines = || text.lines().filter(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty());
            let sections: Vec<&str> = lines().filter(|line| !line.starts_with(' ')).collect();
            assert_eq!(sections, ["global", "defaults", "frontend api", "backend masters"]);
            let first = |word: &str| {
                let all = lines().filter(|line| line.split_whitespace().next() == Some(word));
                all.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(first("bind"), ["bind 127.0.0.1:6443"]);
            assert_eq!(first("mode"), ["mode tcp"]);
            let masters = lab.of("master").map(|m| format!("server {} {}:6443", m.name, m.address));
            assert_eq!(first("server"), masters.collect::<Vec<_>>());
            assert_eq!(first("default-server").len(), 1);
            assert!(first("default-server")[0].contains(" verify required ca-file "));
        }
    }
}

#[test]
fn systemd_takes_every_unit() {
    let lab = Lab::new(DEFAULT);
    for node in ["etcd-01", "kube-master-01", "kube-worker-01"].map(|name| lab.node(name)) {
        let root = tempfile::tempdir().unwrap();
        node.unpack(root.path());
        let units: Vec<_> = node.files.keys().filter(|path| path.ends_with(".service")).collect();
        assert!(units.len() >= 2, "{}", node.name);
        for unit in &units {
            programs(node.text(unit), root.path());
        }
        let verify = Tool::find("systemd-analyze", "systemd").unwrap();
        let root = hab::exec::arg_with_path("--root=", root.path());
        // What it is not sure of it only says, so silence is asked for, too.
        let mut said = Vec::new();
        verify.args(["verify", "--man=no"]).arg(root).args(units).stream(|line| said.push(line.to_owned())).unwrap();
        assert!(said.is_empty(), "{}: {said:?}", node.name);
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
    let disk = dir.path().join("disk.qcow2");
    std::fs::write(&disk, "no disk, only a name").unwrap();
    for accelerator in [Accelerator::Kvm, Accelerator::Tcg] {
        let subject =
            Subject { role: Role::Worker, disk: &disk, payload: &disk, config: b"{}", checks: &[], accelerator };
        let prepared = proof::prepare(&subject, dir.path()).unwrap();
        packer::validate(dir.path(), &prepared.template, &prepared.variables).unwrap();
    }
    // A variable that the template does not get is noticed, so the test above says something.
    let prepared = proof::prepare(
        &Subject {
            role: Role::Etcd,
            disk: &disk,
            payload: &disk,
            config: b"",
            checks: &[],
            accelerator: Accelerator::Tcg,
        },
        dir.path(),
    )
    .unwrap();
    let text = std::fs::read_to_string(&prepared.variables).unwrap();
    std::fs::write(&prepared.variables, text.replace("\"answers\"", "\"anwsers\"")).unwrap();
    assert!(packer::validate(dir.path(), &prepared.template, &prepared.variables).is_err());
}
