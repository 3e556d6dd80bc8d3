//! The user's own Ignition configs, and what can go wrong while a lab is written.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::support::{Test, files};

const YAML: &str = "lab: demo\nignition: {common: snippets/all.ign, worker: snippets/worker.ign}\n";

fn snippet(storage: &Value) -> String {
    json!({"ignition": {"version": "3.3.0"}, "storage": storage}).to_string()
}

fn motd(path: &str) -> String {
    let source = format!("data:;base64,{}", BASE64.encode("hello\n"));
    snippet(&json!({"files": [{"path": path, "mode": 420, "contents": {"source": source}}]}))
}

fn config(test: &Test, node: &str) -> Value {
    serde_json::from_slice(&std::fs::read(test.path().join(format!("out/ignition/{node}.ign"))).unwrap()).unwrap()
}

fn has(config: &Value, list: &str, path: &str) -> bool {
    config["storage"][list].as_array().unwrap().iter().any(|item| item["path"] == path)
}

#[test]
fn snippets_reach_the_nodes_they_are_for() {
    let worker = json!({
        "ignition": {"version": "3.0.0"},
        "storage": {"directories": [{"path": "/srv/data", "mode": 448}]},
        "systemd": {"units": [{"name": "mine.service", "enabled": true, "contents": "[Service]\nExecStart=/bin/true\n"}]}
    });
    let test = Test::new().file("hab.yaml", YAML).file("snippets/all.ign", motd("/etc/motd"));
    let test = test.file("snippets/worker.ign", worker.to_string()).run(["render"]).code(0).then();
    for node in ["etcd-01", "kube-master-01", "kube-worker-01", "kube-worker-02"] {
        let config = config(&test, node);
        let is_worker = node.contains("worker");
        assert!(has(&config, "files", "/etc/motd") && has(&config, "files", "/etc/hostname"), "{node}");
        assert_eq!(config["ignition"]["version"], "3.3.0");
        assert_eq!(config["systemd"]["units"][0]["name"] == "mine.service", is_worker, "{node}");
        let wanted = "/etc/systemd/system/hab.target.wants/mine.service";
        assert_eq!(has(&config, "links", wanted), is_worker, "{node}");
        let folders = config["storage"]["directories"].as_array().unwrap();
        assert_eq!(folders.iter().any(|folder| folder["path"] == "/srv/data"), is_worker, "{node}");
    }
    test.run(["render"]).code(0).prints_only("nothing has changed\n");
}

/// A render with this as the snippet for all nodes ends with 1, says `expected`, and leaves what an earlier one made.
#[track_caller]
fn refused(snippet: &str, expected: &[&str]) {
    let test = Test::new().file("hab.yaml", YAML).file("snippets/all.ign", motd("/etc/motd"));
    let test = test.file("snippets/worker.ign", motd("/etc/issue")).run(["render"]).code(0).then();
    let (before, files_before) = (config(&test, "etcd-01"), files(test.path()));
    let mut ran = test.file("snippets/all.ign", snippet).run(["render"]).code(1);
    for words in expected {
        ran = ran.complains(words);
    }
    let test = ran.then();
    assert_eq!(config(&test, "etcd-01"), before);
    assert_eq!(files(test.path()), files_before);
}

#[test]
fn a_conflict_is_named() {
    let units = ["hab-node.service", "hab.target", "default.target"].map(|unit| format!("/etc/systemd/system/{unit}"));
    let others = ["/etc/hostname", "/etc/hosts", "/etc/kubernetes/hab/node.sh"];
    for path in others.into_iter().chain(units.iter().map(String::as_str)) {
        refused(&motd(path), &["snippets/all.ign", path, "hab itself brings"]);
    }
    refused(&motd("/etc/issue"), &["snippets/worker.ign", "/etc/issue", "a snippet has brought already"]);
    let link = snippet(&json!({"links": [{"path": "/etc/hosts", "target": "/dev/null"}]}));
    refused(&link, &["snippets/all.ign", "/etc/hosts", "hab itself brings"]);
    let unit =
        json!({"ignition": {"version": "3.3.0"}, "systemd": {"units": [{"name": "hab-node.service", "mask": true}]}});
    refused(&unit.to_string(), &["snippets/all.ign", "hab-node.service", "hab itself brings"]);
}

#[test]
fn a_path_that_comes_twice_in_another_shape_is_a_conflict_too() {
    // Ignition itself refuses a path that is a file and a link, but only when the machine boots.
    let twice = snippet(&json!({"links": [{"path": "/etc/issue", "target": "/dev/null"}]}));
    refused(&twice, &["/etc/issue", "a snippet has brought already"]);
    let pki = motd("/etc/kubernetes/pki/ca.crt");
    refused(&pki, &["/etc/kubernetes/pki/ca.crt", "hab itself brings (pki)"]);
    // Below something that is a file.
    refused(&motd("/etc/hosts/x"), &["/etc/hosts"]);
}

#[test]
fn what_is_no_config_is_refused_by_name() {
    refused("", &["reading the Ignition snippet", "snippets/all.ign"]);
    refused("{}", &["snippets/all.ign"]);
    refused("variant: fcos\nversion: 1.4.0\n", &["snippets/all.ign"]);
    refused(r#"{"ignition":{"version":"2.3.0"}}"#, &["snippets/all.ign", "2.3.0"]);
    refused(r#"{"ignition":{"version":"3.5.0"}}"#, &["newer than 3.3.0"]);
    refused(r#"{"ignition":{"version":"3.3.0","config":{"merge":[]}}}"#, &["`ignition.config` can't be merged"]);
    let users = r#"{"ignition":{"version":"3.3.0"},"passwd":{"users":[{"name":"core"}]}}"#;
    refused(users, &["`passwd.users` can't be merged; hab merges directories, files, links and units"]);
    refused(r#"{"ignition":{"version":"3.3.0"},"storage":{"fiels":[]}}"#, &["snippets/all.ign", "fiels"]);
    refused(&" ".repeat((1 << 20) + 1), &["too large"]);
}

#[test]
fn a_full_disk_leaves_the_last_good_output() {
    let test = Test::lab().run(["render"]).code(0).then();
    let (before, files_before) = (config(&test, "kube-worker-02"), files(test.path()));
    // Nothing may be written any more: every write fails, as on a full disk.
    let yaml = "lab: demo\nnodes: {worker: {count: 3}}\n";
    let ran = test.file("hab.yaml", yaml).after("ulimit -f 0").run(["render"]).code(1);
    let test = ran.complains("writing").then();
    assert_eq!(config(&test, "kube-worker-02"), before);
    assert_eq!(files(test.path()), files_before);
    test.run(["render"]).code(0).prints("files written");
}

#[test]
fn something_in_the_way_is_named_and_kept() {
    let test = Test::lab().file("out/ignition/etcd-01.ign/mine", "x");
    let ran = test.run(["render"]).code(1).complains("out/ignition/etcd-01.ign is in the way");
    ran.file_is("out/ignition/etcd-01.ign/mine", "x");
    Test::lab().file("out", "x").run(["render"]).code(1).complains("out is in the way").file_is("out", "x");
    Test::lab().file("private", "x").run(["render"]).code(1).complains("private is in the way").file_is("private", "x");
    let test = Test::lab().file("kept", "mine").link("Vagrantfile", "kept").run(["render"]).code(0).then();
    assert_eq!(std::fs::read_to_string(test.path().join("kept")).unwrap(), "mine");
    assert!(test.path().join("Vagrantfile").symlink_metadata().unwrap().is_file());
}

#[test]
fn a_link_is_no_way_out_of_the_lab() {
    // Keys must not land wherever a link in a cloned lab leads.
    for folder in ["out", "private"] {
        let test = Test::lab().file("elsewhere/kept", "").link(folder, "elsewhere");
        let test = test.run(["render"]).code(1).complains(&format!("{folder} is in the way")).then();
        assert_eq!(files(&test.path().join("elsewhere")), ["kept"]);
    }
}

#[test]
fn nodes_that_are_gone_leave_nothing() {
    let test = Test::new().file("hab.yaml", "lab: demo\nnodes: {worker: {count: 3}}\n").run(["render"]).code(0).then();
    let test = test.file("hab.yaml", "lab: demo\n").run(["render"]).code(0).then();
    let left = files(&test.path().join("out/ignition"));
    assert_eq!(left, ["etcd-01.ign", "kube-master-01.ign", "kube-worker-01.ign", "kube-worker-02.ign"]);
}

#[test]
fn one_changed_memory_changes_data_only() {
    let test = Test::lab().run(["render"]).code(0).then();
    let before = std::fs::read(test.path().join("out/ignition/kube-worker-01.ign")).unwrap();
    let test = test.file("hab.yaml", "lab: demo\nnodes: {worker: {memory: 2000}}\n");
    let test = test.run(["render"]).code(0).prints_only("1 file written\n").then();
    assert_eq!(std::fs::read(test.path().join("out/ignition/kube-worker-01.ign")).unwrap(), before);
}
