//! What a user can set, found again in the files of the nodes.

use serde_json::{Value, json};

use super::manifests::{documents, read};
use super::rendered::{Lab, Node};

const KUBELET: &str = "/etc/kubernetes/kubelet.yaml";

fn yaml(node: &Node, path: &str) -> Value {
    let all = documents(node.text(path));
    all.iter().for_each(read);
    assert_eq!(all.len(), 1, "{path}");
    all[0].clone()
}

const NODES: &str = r#"lab: knobs
nodes:
  etcd: {count: 3, override: {etcd-02: {memory: 900, cpus: 3, disk: 6}}}
  master:
    labels: {example.com/rack: a}
    taints: [{key: dedicated, effect: NoExecute}]
  worker:
    labels: {disk: ssd, tier: "1"}
    taints: [{key: dedicated, value: db, effect: NoSchedule}]
    kubelet: {maxPods: 50, evictionHard: {memory.available: 50Mi}, nodeStatusUpdateFrequency: 20s}
    override:
      "02":
        memory: 4096
        cpus: 2
        labels: {disk: hdd}
        taints: [{key: slow, effect: PreferNoSchedule}, {key: old, effect: NoExecute}]
        kubelet: {evictionHard: {nodefs.available: 5%}, seccompDefault: false}
"#;

#[test]
fn a_node_has_what_its_role_has_and_its_own_over_it() {
    let lab = Lab::new(NODES);
    let data: Value = serde_json::from_slice(&std::fs::read(lab.path("out/nodes.json")).unwrap()).unwrap();
    let sizes: Vec<_> = data["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| json!([node["memory"], node["cpus"], node["disk"]]))
        .collect();
    assert_eq!(
        json!(sizes),
        json!([[768, 1, 4], [900, 3, 6], [768, 1, 4], [2048, 2, 8], [1280, 1, 16], [4096, 2, 16]])
    );

    let [first, second] = ["kube-worker-01", "kube-worker-02"].map(|name| yaml(lab.node(name), KUBELET));
    assert_eq!(first["maxPods"], 50);
    assert_eq!(first["evictionHard"], json!({"memory.available": "50Mi"}));
    assert_eq!((&first["nodeStatusUpdateFrequency"], &first["seccompDefault"]), (&json!("20s"), &json!(true)));
    assert_eq!(second["evictionHard"], json!({"memory.available": "50Mi", "nodefs.available": "5%"}));
    assert_eq!((&second["maxPods"], &second["seccompDefault"]), (&json!(50), &json!(false)));
    // What is hab's stays.
    assert_eq!(second["authentication"]["anonymous"]["enabled"], false);
    assert!(!lab.node("kube-master-01").text(KUBELET).contains("maxPods"));
}

#[test]
fn labels_are_given_by_the_kubelet() {
    let lab = Lab::new(NODES);
    let env = |name: &str| lab.node(name).text("/etc/kubernetes/kubelet.env").to_owned();
    assert!(env("kube-master-01").ends_with("\nNODE_LABELS=example.com/rack=a\n"));
    assert!(env("kube-worker-01").ends_with("\nNODE_LABELS=disk=ssd,tier=1\n"));
    assert!(env("kube-worker-02").ends_with("\nNODE_LABELS=disk=hdd,tier=1\n"));
    let unit = lab.node("kube-worker-01").text("/etc/systemd/system/kubelet.service");
    assert!(unit.contains(" --node-labels=${NODE_LABELS} "), "{unit}");
}

#[test]
fn taints_come_with_the_node_and_dns_runs_all_the_same() {
    let lab = Lab::new(NODES);
    let of = |name: &str| yaml(lab.node(name), KUBELET)["registerWithTaints"].clone();
    let dedicated = json!({"key": "dedicated", "value": "db", "effect": "NoSchedule"});
    let slow = json!({"key": "slow", "value": "", "effect": "PreferNoSchedule"});
    let old = json!({"key": "old", "value": "", "effect": "NoExecute"});
    let control_plane = json!({"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"});
    let masters = json!({"key": "dedicated", "value": "", "effect": "NoExecute"});
    assert_eq!(of("kube-master-01"), json!([control_plane, masters]));
    assert_eq!((of("kube-worker-01"), of("kube-worker-02")), (json!([dedicated]), json!([slow, old])));

    let coredns = documents(lab.node("kube-master-01").text("/etc/kubernetes/addons/coredns.yaml")).pop().unwrap();
    let tolerations = coredns["spec"]["template"]["spec"]["tolerations"].as_array().unwrap().clone();
    assert!(tolerations.contains(&dedicated) && tolerations.contains(&old) && !tolerations.contains(&slow));
}

const PROGRAMS: &str = r#"lab: knobs
nodes: {etcd: {disk: 8}}
kubernetes:
  apiServer:
    extraArgs: {goaway-chance: 0.01, audit-log-path: "-", profiling: true}
    resources: {requests: {memory: 256Mi}, limits: {memory: 1Gi, cpu: 2}}
  controllerManager: {extraArgs: {terminated-pod-gc-threshold: 5}, resources: {requests: {cpu: 10m}}}
  scheduler: {extraArgs: {v: 4}}
  kubeProxy: {configSyncPeriod: 5m, conntrack: {min: 0}}
  etcd: {quotaBackendBytes: 4Gi, backup: {keep: 7, everyMinutes: 5}, extraArgs: {snapshot-count: 50000, log-level: info}}
  dns: {replicas: 1, resources: {limits: {memory: 200Mi}}}
haproxy:
  timeout: {connect: 2s, tunnel: 2h}
  stats: {enabled: true, port: 9999}
"#;

/// The container of a static pod.
fn container(master: &Node, name: &str) -> Value {
    yaml(master, &format!("/etc/kubernetes/staged/{name}.yaml"))["spec"]["containers"][0].clone()
}

/// The flags of a container.
fn flags(container: &Value) -> Vec<&str> {
    container["command"].as_array().unwrap().iter().map(|flag| flag.as_str().unwrap()).collect()
}

#[test]
fn programs_of_the_control_plane_have_flags_and_resources() {
    let lab = Lab::new(PROGRAMS);
    let master = lab.node("kube-master-01");
    let api = container(master, "kube-apiserver");
    let all = flags(&api);
    assert!(all.ends_with(&["--audit-log-path=-", "--goaway-chance=0.01", "--profiling=true"]), "{all:?}");
    assert!(!all.contains(&"--profiling=false") && all.contains(&"--authorization-mode=Node,RBAC"), "{all:?}");
    let limits = json!({"cpu": "2", "memory": "1Gi"});
    assert_eq!(api["resources"], json!({"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": limits}));

    let manager = container(master, "kube-controller-manager");
    let threshold: Vec<_> = flags(&manager).into_iter().filter(|flag| flag.contains("pod-gc")).collect();
    assert_eq!(threshold, ["--terminated-pod-gc-threshold=5"]);
    assert_eq!(manager["resources"], json!({"requests": {"cpu": "10m"}}));
    assert_eq!(flags(&container(master, "kube-scheduler")).pop(), Some("--v=4"));
}

#[test]
fn etcd_kube_proxy_and_dns_have_their_settings() {
    let lab = Lab::new(PROGRAMS);
    let env = lab.node("etcd-01").text("/etc/kubernetes/etcd.env");
    let end = "\nETCD_LOG_LEVEL=\"info\"\nETCD_QUOTA_BACKEND_BYTES=\"4294967296\"\nETCD_SNAPSHOT_COUNT=\"50000\"\n";
    assert!(env.ends_with(end) && !env.contains("LEVEL=warn"), "{env}");
    let env = lab.node("etcd-01").text("/etc/kubernetes/hab/backup.env");
    assert!(env.ends_with("\nKEEP=7\nEVERY=5\n"), "{env}");

    let proxy = yaml(lab.node("kube-worker-01"), "/etc/kubernetes/kube-proxy.yaml");
    assert_eq!((&proxy["configSyncPeriod"], &proxy["mode"]), (&json!("5m"), &json!("nftables")));
    assert_eq!(proxy["conntrack"], json!({"maxPerCore": 0, "min": 0}));

    let coredns = documents(lab.node("kube-master-01").text("/etc/kubernetes/addons/coredns.yaml")).pop().unwrap();
    read(&coredns);
    assert_eq!(coredns["spec"]["replicas"], 1);
    let resources = &coredns["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(*resources, json!({"limits": {"memory": "200Mi"}, "requests": {"cpu": "100m", "memory": "70Mi"}}));
}

const PLACES: &str = r#"lab: knobs
kubernetes: {apiServer: {port: 443}}
haproxy: {port: 7443, stats: {enabled: true}}
nodes:
  master: {count: 2, override: {"02": {address: 192.168.56.103}}}
"#;

#[test]
fn ports_are_the_same_for_all_who_use_them() {
    let lab = Lab::new(PLACES);
    for node in &lab.nodes {
        let named = node.settings().filter(|(_, text)| text.contains("6443")).map(|(path, _)| path);
        assert_eq!(named.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", node.name);
    }
    let master = lab.node("kube-master-02");
    let api = container(master, "kube-apiserver");
    assert!(flags(&api).contains(&"--secure-port=443"));
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(api[probe]["httpGet"]["port"], 443);
    }
    let server = |node: &str, of: &str| {
        let text = lab.node(node).text(&format!("/etc/kubernetes/{of}.conf")).to_owned();
        text.lines().find_map(|line| line.trim().strip_prefix("server: ").map(str::to_owned)).unwrap()
    };
    for of in ["kubelet", "kube-proxy", "scheduler", "controller-manager"] {
        assert_eq!(server("kube-master-02", of), "https://192.168.56.103:443", "{of}");
    }
    for of in ["kubelet", "kube-proxy"] {
        assert_eq!(server("kube-worker-01", of), "https://127.0.0.1:7443", "{of}");
    }
    let config = lab.node("kube-worker-01").text("/etc/kubernetes/haproxy/haproxy.cfg");
    for line in ["  bind 127.0.0.1:7443\n", " 192.168.56.31:443 tcp-ut", "any-kube-master-02 192.168.56.103:443 tcp-ut"]
    {
        assert!(config.contains(line), "{line}: {config}");
    }
    let kubeconfig = std::fs::read_to_string(lab.path("out/kubeconfig")).unwrap();
    assert!(kubeconfig.contains("https://192.168.56.103:443\"") || kubeconfig.contains("https://192.168.56.103:443\n"));
    assert!(!kubeconfig.contains(":6443"), "{kubeconfig}");
    let port = |name: &str| lab.node(name).text("/etc/kubernetes/hab/node.env").contains("\nAPI_PORT=443\n");
    assert!(port("kube-master-01") && !port("kube-worker-01") && !port("etcd-01"));
    let env = lab.node("kube-worker-01").text("/etc/kubernetes/hab/node.env");
    assert!(env.ends_with("\nAPI_PORT=7443\n"), "{env}");
}

#[test]
fn a_node_with_another_address_has_it_everywhere() {
    let lab = Lab::new(PLACES);
    let (master, address) = (lab.node("kube-master-02"), "192.168.56.103");
    assert_eq!(master.address, address);
    assert!(master.text("/etc/kubernetes/hab/node.env").contains(&format!("\nADDRESS={address}\n")));
    for node in &lab.nodes {
        let hosts = node.text("/etc/hosts");
        let of = |what: &str| hosts.lines().filter(|line| line.split(' ').any(|word| word == what)).collect::<Vec<_>>();
        assert_eq!(of(address), [format!("{address} kube-master-02")]);
        assert!(of("192.168.56.32").is_empty() && of("kube-worker-03").is_empty() && of("kube-worker-04").len() == 1);
        if node.role != "etcd" {
            let pods = node.text("/etc/kubernetes/hab/pods");
            let routes: Vec<_> = pods.lines().filter(|line| line.ends_with(&format!(" {address}"))).collect();
            assert_eq!(routes, [format!("10.2.254.0/24 {address}")]);
        }
    }
}

const POLICY: &str = "# Who changed what.\napiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- {level: None, users: [\"system:kube-proxy\"]}\n- level: Metadata\n";

#[test]
fn masters_write_an_audit_to_their_data_disk() {
    let text = |more: &str| format!("lab: knobs\nkubernetes: {{apiServer: {{auditPolicy: conf/audit.yaml{more}}}}}\n");
    let lab = Lab::with(&text(""), &[("conf/audit.yaml", POLICY)]);
    let master = lab.node("kube-master-01");
    let policy = yaml(master, "/etc/kubernetes/audit-policy.yaml");
    assert_eq!(policy["rules"], json!([{"level": "None", "users": ["system:kube-proxy"]}, {"level": "Metadata"}]));
    assert_eq!(master.files["/etc/kubernetes/audit-policy.yaml"].0, 0o600);
    let api = container(master, "kube-apiserver");
    let audit = |api: &Value| -> Vec<String> {
        flags(api).into_iter().filter(|flag| flag.starts_with("--audit")).map(str::to_owned).collect()
    };
    let wanted = [
        "--audit-policy-file=/etc/kubernetes/audit-policy.yaml",
        "--audit-log-path=/var/log/kubernetes/audit/audit.log",
        "--audit-log-maxage=30",
        "--audit-log-maxbackup=3",
        "--audit-log-maxsize=100",
    ];
    assert_eq!(audit(&api), wanted);
    let pod = yaml(master, "/etc/kubernetes/staged/kube-apiserver.yaml");
    for (name, path, kind, read_only) in [
        ("audit-policy", "/etc/kubernetes/audit-policy.yaml", "File", json!(true)),
        ("audit-log", "/var/log/kubernetes/audit", "Directory", json!(null)),
    ] {
        let of = |list: &Value| list.as_array().unwrap().iter().find(|item| item["name"] == name).cloned().unwrap();
        let mount = of(&api["volumeMounts"]);
        assert_eq!((&mount["mountPath"], &mount["readOnly"]), (&json!(path), &read_only));
        assert_eq!(of(&pod["spec"]["volumes"])["hostPath"], json!({"path": path, "type": kind}));
    }
    // What outlives a roll.
    assert_eq!(master.text("/etc/kubernetes/hab/data/audit"), "0700 /var/log/kubernetes/audit\n");
    for node in lab.nodes.iter().filter(|node| node.role != "master") {
        assert!(node.settings().all(|(_, text)| !text.contains("audit")), "{}", node.name);
    }

    let more = ", extraArgs: {audit-log-maxage: 7, audit-log-path: /var/log/kubernetes/audit/own.log}";
    let lab = Lab::with(&text(more), &[("conf/audit.yaml", POLICY)]);
    let flags = audit(&container(lab.node("kube-master-01"), "kube-apiserver"));
    let own = ["--audit-log-maxage=7", "--audit-log-path=/var/log/kubernetes/audit/own.log"];
    assert_eq!(flags, [wanted[0], wanted[3], wanted[4], own[0], own[1]]);
}

#[test]
fn haproxy_has_its_timeouts_and_a_stats_page_with_a_password_of_its_own() {
    use std::os::unix::fs::PermissionsExt as _;
    let (lab, worker) = (Lab::new(PROGRAMS), "kube-worker-01");
    let config = lab.node(worker).text("/etc/kubernetes/haproxy/haproxy.cfg");
    for line in ["  timeout connect 2s\n", "  timeout check \"${HAB_CHECK}\"\n", "  timeout tunnel 2h\n"] {
        assert!(config.contains(line), "{line}: {config}");
    }
    assert!(config.contains("frontend stats\n  mode http\n  bind 127.0.0.1:9999\n"), "{config}");

    let file = lab.path("private/haproxy-stats.password");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let password = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    let users = "/etc/kubernetes/pki/haproxy-stats.cfg";
    assert_eq!(lab.node(worker).files[users].0, 0o600);
    let drop_in = lab.node(worker).text("/etc/systemd/system/haproxy.service.d/stats.conf");
    assert!(drop_in.contains(&format!("\nLoadCredential=stats.cfg:{users}\n")), "{drop_in}");
    // It is nowhere else, least of all where it could be read.
    for node in &lab.nodes {
        for (path, (_, content)) in &node.files {
            let has = content.windows(password.len()).any(|window| window == password.as_bytes());
            assert_eq!(has, node.role == "worker" && path == users, "{}: {path}", node.name);
        }
    }

    let without = Lab::new("lab: demo\n");
    let paths = ["/etc/systemd/system/haproxy.service.d/stats.conf", users];
    assert!(paths.iter().all(|path| !without.node(worker).has(path)));
    assert!(!without.path("private/haproxy-stats.password").exists());
}

const HARDWARE: &str = r#"lab: knobs
network: {extra: {storage: 10.9.56.0/24, backup: 192.168.57.0/24}}
nodes:
  etcd: {disks: {scratch: 3}, networks: [storage, backup], gui: true, cpuExecutionCap: 70}
  worker:
    sharedFolders: [{host: data, guest: /srv/data}, {host: /var/tmp, guest: /mnt/tmp}]
    console: false
    override: {"02": {sharedFolders: [], forwardedPorts: [{host: 8080, guest: 30080}], console: true}}
"#;

#[test]
fn a_machine_has_what_the_lab_says() {
    let lab = Lab::new(HARDWARE);
    let data: Value = serde_json::from_slice(&std::fs::read(lab.path("out/nodes.json")).unwrap()).unwrap();
    let node = |name: &str| data["nodes"].as_array().unwrap().iter().find(|node| node["name"] == name).unwrap().clone();
    let etcd = node("etcd-01");
    assert_eq!(etcd["hardware"]["disks"], json!({"scratch": 3}));
    assert_eq!((&etcd["hardware"]["gui"], &etcd["hardware"]["cpu_execution_cap"]), (&json!(true), &json!(70)));
    let cards = etcd["cards"].as_array().unwrap();
    let networks: Vec<_> = cards.iter().map(|card| json!([card["address"], card["network"]])).collect();
    let network = |name: &str, host: &str| json!({"name": name, "host": host, "netmask": "255.255.255.0"});
    assert_eq!(
        json!(networks),
        json!([
            ["192.168.57.11", network("hab-knobs.backup", "192.168.57.1")],
            ["10.9.56.11", network("hab-knobs.storage", "10.9.56.1")],
        ])
    );
    // The node's own address and one of these end alike; the hardware addresses don't.
    let mut macs: Vec<_> = cards.iter().chain([&etcd]).map(|card| card["mac"].as_str().unwrap()).collect();
    macs.sort_unstable();
    macs.dedup();
    assert_eq!(macs.len(), 3);
    for card in cards {
        let wanted = format!("{}={}/24", card["mac"].as_str().unwrap(), card["address"].as_str().unwrap());
        assert!(lab.node("etcd-01").text("/etc/kubernetes/hab/node.env").contains(&wanted), "{wanted}");
    }
    let screen = "/etc/systemd/journald.conf.d/30-hab-screen.conf";
    assert!(lab.node("etcd-01").text(screen).contains("TTYPath=/dev/tty1\n"));
    assert!(!lab.node("kube-worker-01").has(screen));

    let folders = "/etc/kubernetes/hab/folders";
    assert_eq!(lab.node("kube-worker-01").text(folders), "hab-0 /srv/data\nhab-1 /mnt/tmp\n");
    assert!(!lab.node("kube-worker-02").has(folders));
    let second = node("kube-worker-02");
    // Where it is recorded, nothing is said: machines of before have the same hardware.
    let console = |node: &Value| node["hardware"].get("console").cloned();
    assert_eq!([&node("kube-worker-01"), &second, &etcd].map(console), [Some(json!(false)), None, None]);
    let port = json!({"guest": 30080, "host": 8080, "host_ip": "127.0.0.1", "protocol": "tcp"});
    assert_eq!(second["hardware"]["forwarded_ports"], json!([port]));
    assert_eq!(second["cards"], json!([]));
    let card = "CARDS=\"02:00:00:00:00:0f=192.0.2.15/24\"\n";
    assert!(lab.node("kube-worker-02").text("/etc/kubernetes/hab/node.env").contains(card));
}
