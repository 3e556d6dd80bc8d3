//! The input is bad: exit code 2, the place, the nearest right name, and nothing written.

use super::support::Test;

/// A hab.yaml with `text`, checked: code 2, all of `expected` said, nothing made.
#[track_caller]
fn refused(text: impl AsRef<[u8]>, expected: &[&str]) {
    for verb in ["check", "plan"] {
        let mut ran = Test::new().file("hab.yaml", text.as_ref()).run([verb]).code(2).leaves(&["hab.yaml"]);
        for words in expected {
            ran = ran.complains(words);
        }
    }
}

#[test]
fn no_file() {
    Test::new().run(["check"]).code(2).complains("hab.yaml: error: is not there").complains("hint: `hab init`");
    Test::new().run(["-C", "gone", "plan"]).code(2).complains("gone/hab.yaml: error: is not there");
}

#[test]
fn a_folder_or_an_endless_file_where_hab_yaml_should_be() {
    Test::new().file("hab.yaml/x", "").run(["check"]).code(2).complains("hab.yaml: error: is not a file");
    Test::new().link("hab.yaml", "/dev/zero").run(["check"]).code(2).complains("is not a file");
    refused("#".repeat((1 << 20) + 1), &["at most 1048576 are read"]);
    // As would a pipe, which is waited for when it is opened.
    Test::new().link("hab.yaml", "/dev/stdin").run(["check"]).code(2).complains("is not a file");
}

#[test]
fn an_empty_file() {
    refused("", &["hab.yaml: error: is empty", "hint: `hab init`"]);
    refused("# nothing\n", &["is empty"]);
    refused("---\n", &["hab.yaml"]);
}

#[test]
fn unknown_keys_and_typos() {
    refused("lab: a\nwroker: 1\n", &["hab.yaml:2:1: error: unknown key `wroker`", "| ^^^^^^", "known here: lab"]);
    refused("lab: a\nnodes:\n  wroker: 1\n", &["3:3: error: unknown key", "did you mean `worker`?"]);
    refused("lab: a\nnodes: {etcd: {cout: 1}}\n", &["2:16: error", "did you mean `count`?"]);
}

#[test]
fn an_audit_policy_that_is_none() {
    let lab = "lab: a\nkubernetes: {apiServer: {auditPolicy: audit.yaml}}\n";
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metdata\n";
    for verb in ["check", "plan", "render"] {
        let ran = Test::new().file("hab.yaml", lab).file("audit.yaml", policy).run([verb]).code(2);
        let ran = ran.leaves(&["audit.yaml", "hab.yaml"]);
        ran.complains("audit.yaml:4:10: error: `rules[0].level` can't be \"Metdata\"").complains("did you mean");
    }
    refused(lab, &["hab.yaml:2:39: error: `kubernetes.apiServer.auditPolicy` names the file audit.yaml, which is not"]);
}

#[test]
fn a_duplicate_key() {
    refused("lab: a\nbase: debian\nlab: b\n", &["hab.yaml:3:1: error: the key `lab` comes twice", "line 1"]);
}

#[test]
fn wrong_types() {
    let text = "lab: [a]\nnodes:\n  etcd: {count: three}\n  master: 1\nnetwork: x\nkubernetes: {version: {a: 1}}\n";
    refused(
        text,
        &[
            "1:6: error: `lab` must be text, not a list",
            "3:17: error: `nodes.etcd.count` must be a whole number, not the text \"three\"",
            "4:11: error: `nodes.master` must be a section of its own, not the text \"1\"",
            "5:10: error: `network` must be a section of its own",
            "6:23: error: `kubernetes.version` must be text, not a section",
        ],
    );
}

#[test]
fn tabs_encodings_and_invisible_characters() {
    refused("lab: a\nnodes:\n\tetcd: {}\n", &["hab.yaml:3:1: error: a tab in the indentation"]);
    refused(b"lab: caf\xe9\n", &["hab.yaml:1:9: error: the byte 0xe9 here is not UTF-8"]);
    refused(b"\xff\xfel\0a\0b\0", &["hab.yaml:1:1: error: the byte 0xff"]);
    refused("lab: a\0b\n", &["1:7: error: the invisible character U+0000"]);
    refused("lab: a\u{202e}b\n", &["1:7: error: the invisible character U+202E"]);
}

#[test]
fn windows_files_are_read_as_they_are() {
    let text = "\u{feff}lab: demo\r\nnodes:\r\n  etcd:\r\n    count: 3\r\n";
    Test::new().file("hab.yaml", text).run(["check"]).code(0).prints("3 etcd").quietly();
    // And places are right in them.
    refused("\u{feff}lab: demo\r\nbasis: x\r\n", &["hab.yaml:2:1: error: unknown key `basis`"]);
}

#[test]
fn yaml_traps() {
    refused("lab: no\n", &["1:6: error: `lab` must be text, and `no` without quotes is a truth value", "\"no\""]);
    refused("lab: 1e3\n", &["is a number in YAML"]);
    refused("lab: a\nnodes: {etcd: {count: 1e1}}\n", &["must be a whole number", "hint: write 10"]);
    refused("lab: a\nnodes: {etcd: {memory: 0644}}\n", &["hint: write it without the leading zero: 644"]);
    refused("lab: a\nnetwork: {nodes: 2001:db8::1}\n", &["2:18: error: `network.nodes` is IPv6"]);
    Test::new().file("hab.yaml", "lab: \"no\"\n").run(["check"]).code(0).quietly();
}

#[test]
fn alias_bombs_and_deep_nesting_cost_nothing() {
    let lines = ('b'..='z').zip('a'..='y');
    let more = lines.map(|(name, before)| format!("{name}: &{name} [{}]\n", format!("*{before}, ").repeat(9)));
    let laughs = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned() + &more.collect::<String>();
    let deep = "a: ".to_owned() + &"[".repeat(1_000_000);
    for (text, expected) in [(laughs, "1:4: error: an anchor"), (deep, "deep in each other")] {
        // 64 MiB of address space, in KiB, and a second of the processor; the time in full is a unit test's.
        let test = Test::new().file("hab.yaml", text).after("ulimit -v 65536; ulimit -t 1");
        test.run(["check"]).code(2).complains(expected);
    }
}

#[test]
fn counts_and_sizes() {
    refused("lab: a\nnodes: {master: {count: 0}}\n", &["`nodes.master.count` is 0"]);
    refused("lab: a\nnodes: {etcd: {count: 0}}\n", &["`nodes.etcd.count` is 0"]);
    refused("lab: a\nnodes: {worker: {count: 200}}\n", &["192.168.56.0/24 has room for 154 worker nodes, not 200"]);
    refused("lab: a\nnodes: {worker: {memory: 64, cpus: 0}}\n", &["needs at least 1024", "must be 1 to 255"]);
    let even = Test::new().file("hab.yaml", "lab: a\nnodes: {etcd: {count: 2}}\n");
    even.run(["check"]).code(0).complains("warning: 2 etcd members survive no more losses than 1").prints("is fine");
}

#[test]
fn ranges() {
    refused("lab: a\nnetwork: {pods: 192.168.0.0/16}\n", &["2:17: error", "overlap: they must be apart"]);
    refused("lab: a\nnetwork: {services: 10.2.9.0/24}\n", &["`network.services` 10.2.9.0/24 and `network.pods`"]);
    refused("lab: a\nnetwork: {nodes: 172.17.0.0/16}\n", &["Docker's default network"]);
    refused("lab: a\nnetwork: {nodes: 192.168.121.0/24}\n", &["vagrant-libvirt's own management network"]);
    refused("lab: a\nnetwork: {nodes: 192.168.56.7/24}\n", &["hint: the range is 192.168.56.0/24"]);
    refused("lab: a\nnetwork: {nodes: 8.8.8.0/24}\n", &["not private address space"]);
}

#[test]
fn names_never_become_code() {
    let long = "a".repeat(64);
    let names = ["#{`touch x`}", "'", "\\\\", "`touch x`", "$(touch x)", "a\\nb", "a\\0b", "а", "-a", ".", "..", &long];
    for name in names {
        refused(format!("lab: \"{name}\"\n"), &["hab.yaml:1:6: error: `lab`"]);
        refused(format!("lab: a\nnodes: {{worker: {{prefix: \"{name}\"}}}}\n"), &["`nodes.worker.prefix`"]);
        refused(format!("lab: a\nkubernetes: {{domain: \"{name}\"}}\n"), &["`kubernetes.domain`"]);
    }
    refused("lab: a\nnodes: {etcd: {prefix: kube}, master: {prefix: kube}}\n", &["are the same"]);
}

#[test]
fn snippets_must_be_files_of_the_lab() {
    let text = "lab: a\nignition: {worker: s/w.ign}\n";
    refused(text, &["2:20: error: `ignition.worker` names the file s/w.ign, which is not there"]);
    Test::new().file("hab.yaml", text).file("s/w.ign", "{}").run(["check"]).code(0).quietly();
    Test::new().file("hab.yaml", text).file("s/w.ign/x", "").run(["check"]).code(2).complains("is not a file");
    let outside = Test::new().file("hab.yaml", text).link("s/w.ign", "/etc/hostname");
    outside.run(["check"]).code(2).complains("lies outside of the lab's folder");
    refused("lab: a\nignition: {common: /etc/passwd}\n", &["leads out of the lab's folder"]);
    refused("lab: a\nignition: {common: ../x.ign}\n", &["leads out of the lab's folder"]);
}

#[test]
fn everything_at_once_in_json_too() {
    let text = "lab: My Lab\nbase: debain\nnodes: {etcd: {count: 2}}\n";
    let ran = Test::new().file("hab.yaml", text).run(["check", "--json"]).code(2);
    let said: serde_json::Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!(said["ok"], false);
    assert_eq!(said["problems"].as_array().unwrap().len(), 3);
    assert_eq!(said["problems"][1]["hint"], "did you mean `debian`?");
    assert!(said["problems"].as_array().unwrap().iter().all(|problem| problem["file"] == said["file"]), "{said}");
    assert_eq!(said["problems"][2]["severity"], "warning");
    assert_eq!(said["problems"][2]["line"], 3);
}
