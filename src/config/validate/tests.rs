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
fn what_a_machine_has_is_checked_at_its_place() {
    let extra = "network: {extra: {storage: 192.168.57.0/24}}";
    for (text, expected) in [
        ("nodes: {etcd: {disks: {hab-x: 1}}}", "hab.yaml:3:24: error: `nodes.etcd.disks.hab-x` begins with `hab-`"),
        ("nodes: {etcd: {disks: {a-name-of-22-letters-x: 1}}}", "is 22 bytes long; at most 20"),
        ("nodes: {etcd: {disks: {a: 0}}}", "hab.yaml:3:27: error: `nodes.etcd.disks.a` is 0; it must be 1 to 16384"),
        ("nodes: {etcd: {disks: {a: 2G}}}", "is \"2G\"; it must be"),
        ("nodes: {etcd: {networks: [storage, storage]}}", "names storage twice"),
        ("nodes: {etcd: {networks: [sto]}}", "not in `network.extra`\n"),
        ("nodes: {etcd: {forwardedPorts: [{host: 80, guest: 1}]}}", "host 80; it must be 1024 to 65535"),
        ("nodes: {etcd: {forwardedPorts: [{host: 8080, guest: 0}]}}", "guest 0; it must be 1 to 65535"),
        ("nodes: {etcd: {forwardedPorts: [{host: 8080}]}}", "has no `guest`"),
        ("nodes: {etcd: {forwardedPorts: [8080]}}", "must be a section of its own"),
        ("nodes: {etcd: {forwardedPorts: [{host: 8080, guest: 1, hostIp: here}]}}", "not an IPv4 address"),
        ("nodes: {etcd: {forwardedPorts: [{host: 8080, guest: 1, protocol: sctp}]}}", "there is: tcp, udp"),
        ("nodes: {etcd: {sharedFolders: [{host: data, guest: /etc}]}}", "a folder below /home, /media, /mnt, /srv"),
        ("nodes: {etcd: {sharedFolders: [{host: data, guest: /srv/../etc}]}}", "a folder below"),
        ("nodes: {etcd: {sharedFolders: [{host: data, guest: /srv/a;b}]}}", "a folder below"),
        ("nodes: {etcd: {sharedFolders: [{host: ~/x, guest: /srv/a}]}}", "not a path"),
        ("nodes: {etcd: {sharedFolders: [{host: ., guest: /srv/a}]}}", "where the lab's keys are"),
        ("nodes: {etcd: {sharedFolders: [{host: ../x/.., guest: /srv/a}]}}", "where the lab's keys are"),
        ("nodes: {etcd: {sharedFolders: [{host: a/../private, guest: /srv/a}]}}", "where the lab's keys are"),
        ("nodes: {etcd: {sharedFolders: [{host: a, guest: /srv/a}, {host: b, guest: /srv/a/b}]}}", "one would hide"),
        ("nodes: {etcd: {forwardedPorts: [{host: 8080, guest: 1}, {host: 8080, guest: 2}]}}", "etcd-01 twice has"),
        ("nodes: {etcd: {cpuExecutionCap: 0}}", "it must be 1 to 100, percent"),
        ("nodes: {etcd: {gui: \"true\"}}", "must be true or false"),
        ("nodes: {worker: {forwardedPorts: [{host: 8080, guest: 1}]}}", "both have the host's port 127.0.0.1:8080/tcp"),
    ] {
        let said = said(&format!("lab: a\n{extra}\n{text}\n"));
        assert!(said.contains(expected), "{text}: {said}");
    }
    let two = "nodes: {etcd: {forwardedPorts: [{host: 8080, guest: 1, hostIp: HOST}]}, master: {override: {\"01\": {forwardedPorts: [{host: 8080, guest: 2}]}}}}";
    for (host, clashes) in [("0.0.0.0", true), ("127.0.0.2", false)] {
        let said = said(&format!("lab: a\n{}\n", two.replace("HOST", host)));
        assert_eq!(said.contains("etcd-01 and kube-master-01 both"), clashes, "{said}");
    }
}

#[test]
fn a_further_network_is_as_good_as_the_nodes_own() {
    for (range, expected) in [
        ("8.8.8.0/24", "`network.extra.b` is 8.8.8.0/24, which is not private address space"),
        ("192.168.56.128/25", "`network.extra.b` 192.168.56.128/25 and `network.nodes` 192.168.56.0/24 overlap"),
        ("192.168.57.0/25", "narrower than `network.nodes`"),
        ("10.2.0.0/16", "`network.extra.b` 10.2.0.0/16 and `network.pods` 10.2.0.0/16 overlap"),
        ("192.168.122.0/24", "libvirt's default network"),
    ] {
        let said = said(&format!("lab: a\nnetwork: {{extra: {{b: {range}}}}}\n"));
        assert!(said.contains(expected), "{range}: {said}");
    }
    assert!(said("lab: a\nnetwork: {extra: {B: 192.168.57.0/24}}\n").contains("`network.extra.B` has 'B' in it"));
}

#[test]
fn a_wrong_word_brings_the_right_ones() {
    let versions = format!("there is: {}", crate::kinds::Supply::Source.kubernetes_versions().join(", "));
    for (text, expected) in [
        ("base: debain", "did you mean `debian`?"),
        ("provider: vmware", "there is: libvirt"),
        ("kubernetes: {version: 1.36.3}", "write v1.36.3"),
        ("kubernetes: {version: v1.0.0}", &versions),
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
fn an_audit_policy_stays_in_the_labs_folder() {
    let policy = |path: &str| said(&format!("lab: a\nkubernetes: {{apiServer: {{auditPolicy: {path}}}}}\n"));
    assert_eq!(policy("./there.ign"), "");
    let gone = policy("gone.yaml");
    assert!(gone.starts_with("hab.yaml:2:39: error: `kubernetes.apiServer.auditPolicy` names the file"), "{gone}");
    assert!(gone.contains("gone.yaml, which is not there") && gone.contains("such as `audit.yaml`"), "{gone}");
    assert!(policy("out/a.yaml").contains("in a folder that is hab's own"));
    assert!(policy("../there.ign").contains("leads out of the lab's folder"));
    assert!(policy("[a]").contains("must be text, not a list"));
}

#[test]
fn fields_of_a_program_are_checked_down_to_the_innermost() {
    for (field, expected) in [
        (
            "evictionHard: {memory.available: 5}",
            "3:35: error: `PATH.evictionHard.memory.available` must be text, and 5",
        ),
        ("evictionHard: {memory.available: 5}", "hint: write it in quotes: \"5\""),
        (
            "memorySwap: {swapBehavour: x}",
            "3:15: error: a kubelet's configuration has no field `memorySwap.swapBehavour`",
        ),
        ("memorySwap: {swapBehavour: x}", "hint: did you mean `swapBehavior`?"),
        ("logging: {fromat: json}", "3:12: error: a kubelet's configuration has no field `logging.fromat`"),
        ("logging: {fromat: json}", "hint: did you mean `format`?"),
        (
            "logging: {vmodule: [{filePattern: a, verbosity: -1}]}",
            "`PATH.logging.vmodule[0].verbosity` must be a whole",
        ),
        ("shutdownGracePeriodByPodPriority: {priority: 1}", "`PATH.shutdownGracePeriodByPodPriority` must be a list"),
        (
            "shutdownGracePeriodByPodPriority: [{priority: 9999999999}]",
            "[0].priority` must be a whole number of 32 bits",
        ),
        ("shutdownGracePeriodByPodPriority: [{shutdownGracePeriodSeconds: 5s}]", "Seconds` must be a whole number"),
        ("shutdownGracePeriodByPodPriority: [{prio: 5}]", "there is: priority, shutdownGracePeriodSeconds"),
        ("allowedUnsafeSysctls: [5]", "`PATH.allowedUnsafeSysctls[0]` must be text"),
        ("featureGates: {AllAlpha: \"true\"}", "`PATH.featureGates.AllAlpha` must be true or false"),
    ] {
        for (path, head, tail) in [
            ("nodes.worker.kubelet", "nodes: {worker: {kubelet: {", "}}}"),
            ("nodes.master.override.01.kubelet", "nodes: {master: {override: {\"01\": {kubelet: {", "}}}}}"),
        ] {
            let said = said(&format!("lab: a\n{head}\n {field}{tail}\n"));
            assert!(said.contains(&expected.replace("PATH", path)), "{field}: {said}");
        }
    }
    let all = "nodes:
  worker:
    kubelet:
      evictionHard: {memory.available: 5%, nodefs.inodesFree: \"5\"}
      memorySwap: {swapBehavior: LimitedSwap}
      logging: {format: json, flushFrequency: 5s, verbosity: 2, vmodule: [{filePattern: a*, verbosity: 3}],
        options: {json: {infoBufferSize: 64Ki, splitStream: true}}}
      shutdownGracePeriodByPodPriority: [{priority: 100000, shutdownGracePeriodSeconds: 10}, {priority: 0}]
      reservedMemory: [{numaNode: 0, limits: {memory: 1Gi, hugepages-2Mi: 2}}]
      featureGates: {AllAlpha: false}
      staticPodURLHeader: {a: [b]}
      userNamespaces: {idsPerPod: 65536}
kubernetes:
  kubeProxy: {conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 1h}, nftables: {syncPeriod: 30s}}
";
    assert_eq!(said(&format!("lab: a\n{all}")), "");
    let proxy = said("lab: a\nkubernetes: {kubeProxy: {conntrack: {maxPerCore: many, udpTimout: 5s}}}\n");
    assert!(proxy.contains("2:50: error: `kubernetes.kubeProxy.conntrack.maxPerCore` must be a whole"), "{proxy}");
    assert!(proxy.contains("kube-proxy's configuration has no field `conntrack.udpTimout`"), "{proxy}");
    assert!(proxy.contains("did you mean `udpTimeout`?"), "{proxy}");
}

#[test]
fn an_empty_file_is_told_how_to_begin() {
    for text in ["", "\n\n", "# only a comment\n", "\u{feff}"] {
        assert!(said(text).starts_with("hab.yaml: error: is empty\n  = hint: `hab init`"), "{text:?}: {}", said(text));
    }
    assert!(said("base: debian\n").contains("hab.yaml: error: the key `lab` is missing"));
}

#[test]
fn memory_follows_the_base() {
    let memory = |base: &str| {
        let config = reading(&format!("lab: a\nbase: {base}\n")).config.unwrap();
        config.nodes.iter().map(|(_, machines)| machines.memory).collect::<Vec<_>>()
    };
    assert_eq!(memory("debian"), [768, 2048, 1280]);
    assert_eq!(memory("flatcar"), [1280, 2560, 1792]);
    assert_eq!(memory("fedora-coreos"), [1792, 3072, 2304]);
    let text = |base: &str, memory: u32| format!("lab: a\nbase: {base}\nnodes:\n  etcd:\n    memory: {memory}\n");
    for (base, least) in [("debian", 512), ("flatcar", 1024), ("fedora-coreos", 1536)] {
        assert_eq!(said(&text(base, least)), "");
        let problems = reading(&text(base, least - 1)).problems;
        assert_eq!(problems.list[0].place.unwrap().line, 5);
        let said = problems.to_string();
        assert!(
            said.contains(&format!("`nodes.etcd.memory` is {} MiB; it needs at least {least}", least - 1)),
            "{said}"
        );
        assert_eq!(said.contains(&format!("with the base {base}; leave it out")), base != "debian", "{said}");
    }
    let own = "lab: a\nbase: flatcar\nnodes: {worker: {override: {\"01\": {memory: 1024}}}}\n";
    assert!(
        said(own).contains("`nodes.worker.override.01.memory` is 1024 MiB; it needs at least 1536"),
        "{}",
        said(own)
    );
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
