//! The rules, read from whole files.

use proptest::prelude::*;

use crate::config::{Reading, read};

fn reading(text: &str) -> Reading {
    read("hab.yaml", text.as_bytes(), &|path| {
        if path.ends_with("there.ign") { Ok(()) } else { Err("is not there".to_owned()) }
    })
}

fn said(text: &str) -> String {
    reading(text).problems.to_string()
}

#[test]
fn all_problems_are_said_at_once_from_top_to_bottom() {
    let text = "lab: My_Lab\nnodez: 1\nkubernetes: {version: v1.0.0}\nnodes:\n  etcd: {count: 2}\n  master: {count: 0, memory: 64, cpus: 0}\n";
    let reading = reading(text);
    assert!(reading.config.is_none());
    let lines: Vec<_> = reading.problems.list.iter().map(|p| p.place.unwrap().line).collect();
    assert_eq!(lines, [1, 2, 3, 5, 6, 6, 6], "{}", reading.problems);
}

#[test]
fn names_that_are_code_are_refused() {
    for name in [
        "#{`id`}",
        "a'b",
        "a\\\\b",
        "`id`",
        "$(id)",
        "а",
        "-a",
        "a-",
        ".",
        "..",
        "a/b",
        "a b",
        "a\\nb",
        "a\\0b",
        "ÿ",
        &"a".repeat(64),
    ] {
        for text in [
            format!("lab: \"{name}\"\n"),
            format!("lab: a\nnodes: {{etcd: {{prefix: \"{name}\"}}}}\n"),
            format!("lab: a\nkubernetes: {{domain: \"{name}\"}}\n"),
        ] {
            let reading = reading(&text);
            assert!(reading.config.is_none() && reading.problems.has_errors(), "{text}");
            assert!(reading.problems.list.iter().all(|p| p.place.is_some()), "{text}");
        }
    }
}

#[test]
fn counts_are_held_against_the_ranges() {
    for (text, expected) in [
        ("nodes: {etcd: {count: 0}}", "error: `nodes.etcd.count` is 0"),
        ("nodes: {master: {count: 0}}", "error: `nodes.master.count` is 0"),
        ("nodes: {worker: {count: 0}}", "warning: `nodes.worker.count` is 0"),
        ("nodes: {etcd: {count: 4}}", "warning: 4 etcd members survive no more losses than 3"),
        ("nodes: {etcd: {count: 21}}", "error: 192.168.56.0/24 has room for 20 etcd nodes, not 21"),
        ("nodes: {worker: {count: 155}}", "hint: a wider `network.nodes`, a /23, has"),
        ("network: {nodes: 192.168.56.0/26}", "has room for 0 worker nodes, not 2"),
        ("network: {pods: 10.2.0.0/23}", "divided among 2 nodes, but there are 3 masters and workers"),
        ("nodes: {worker: {count: 4294967295}}", "not 4294967295"),
        ("nodes: {worker: {count: 4294967296}}", "`nodes.worker.count` is far too large"),
        ("nodes: {worker: {memory: 2147483648}}", "more than a tebibyte"),
    ] {
        assert!(
            said(&format!("lab: a\n{text}\n")).contains(expected),
            "{text}: {}",
            said(&format!("lab: a\n{text}\n"))
        );
    }
}

#[test]
fn node_names_are_unique_and_fit_a_certificate() {
    assert!(said("lab: a\nnodes: {etcd: {prefix: kube}, master: {prefix: kube}}\n").contains("are the same"));
    // Also when one of the two is a default; the one the user wrote is shown.
    assert!(said("lab: a\nnodes: {etcd: {prefix: kube-worker}}\n").starts_with("hab.yaml:2:24: error"));
    assert_eq!(said("lab: a\nnodes: {etcd: {prefix: kube}, master: {prefix: kube-01}}\n"), "");
    let prefix = |length| format!("lab: a\nnodes: {{worker: {{prefix: {}}}}}\n", "w".repeat(length));
    assert_eq!(said(&prefix(49)), "");
    assert!(said(&prefix(50)).contains("at most 49 characters"));
}

#[test]
fn a_wrong_word_brings_the_right_ones() {
    for (text, expected) in [
        ("base: debain", "did you mean `debian`?"),
        ("provider: vmware", "there is: libvirt"),
        ("kubernetes: {version: 1.36.3}", "write v1.36.3"),
        ("kubernetes: {version: v1.35.0}", "there is: v1.36.3"),
        ("kubernetes: {version: 1.36}", "without quotes is a number in YAML"),
        ("kubernetes: {domain: Cluster.Local}", "such as `cluster.local`"),
    ] {
        assert!(
            said(&format!("lab: a\n{text}\n")).contains(expected),
            "{text}: {}",
            said(&format!("lab: a\n{text}\n"))
        );
    }
}

#[test]
fn snippets_stay_in_the_labs_folder() {
    let snippet = |path: &str| said(&format!("lab: a\nignition: {{worker: {path}}}\n"));
    assert_eq!(snippet("./snippets/there.ign"), "");
    assert!(snippet("gone.ign").contains("names the file gone.ign, which is not there"));
    for ours in ["out/a.ign", "./out/a.ign", "private/a.ign"] {
        assert!(snippet(ours).contains("in a folder that is hab's own"), "{ours}");
    }
    for bad in ["/etc/there.ign", "../there.ign", "a/../../there.ign"] {
        assert!(snippet(bad).contains("leads out of the lab's folder"), "{bad}");
    }
}

#[test]
fn an_empty_file_is_told_how_to_begin() {
    for text in ["", "\n\n", "# only a comment\n", "\u{feff}"] {
        assert!(said(text).starts_with("hab.yaml: error: is empty\n  = hint: `hab init`"), "{text:?}: {}", said(text));
    }
    assert!(said("base: debian\n").contains("hab.yaml: error: the key `lab` is missing"));
}

/// Pieces of YAML and of hab.yaml, to get further into the reader than chance alone.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "lab",
        "nodes",
        "etcd",
        "count",
        "network",
        "pods",
        ":",
        ": ",
        "\n",
        "\n  ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "'",
        "\"",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">-\n",
        "? ",
        "#",
        "%YAML 1.2\n",
        "---\n",
        "...\n",
        "\t",
        "0644",
        "1e3",
        "no",
        "~",
        "\\",
        "é",
        "\r\n",
        "10.2.0.0/16",
        "192.168.56.7/24",
        "<<",
        "@",
        "`",
        "\u{feff}",
        "\0",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in pieces()) {
        let reading = reading(&text);
        prop_assert_eq!(reading.config.is_none(), reading.problems.has_errors());
        // What is said fits a terminal, whatever was in the file.
        prop_assert!(reading.problems.to_string().chars().all(|c| c == '\n' || !c.is_control()));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read("hab.yaml", &bytes, &|_| Ok(())).problems.to_string();
    }
}
