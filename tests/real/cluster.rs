//! A cluster made of `openssl s_server` on loopback addresses: real TLS, both sides with the lab's certificates. Each
//! test has a network of its own, for the ports are those of every cluster.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hab::clock::Clock;
use hab::cluster::{Cluster, ClusterState, Limits, Stage};
use hab::node::files::Entry;
use hab::pki::Pki;
use hab::plan::{Node, Plan, port};
use hab::progress::Silent;
use hab::role::Role;

use crate::isolated::inside_own_network;
use crate::labs;

/// Ended when dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Serves the files of `dir`, each a whole HTTP answer, to those who have a certificate of the same authority.
fn serve(dir: &Path, node: &Node, port: u16, pki: &Pki, stem: &str, authority: &str) -> Server {
    let tree = pki.node(node).unwrap();
    for (from, to) in
        [(format!("{stem}.crt"), "own.crt"), (format!("{stem}.key"), "own.key"), (authority.to_owned(), "ca.crt")]
    {
        match tree.get(&format!("/etc/kubernetes/pki/{from}")) {
            Some(Entry::File { content, .. }) => std::fs::write(dir.join(to), content).unwrap(),
            other => panic!("{from}: {other:?}"),
        }
    }
    let address = format!("{}:{port}", node.address);
    let child = Command::new("openssl")
        .args(["s_server", "-quiet", "-HTTP", "-cert", "own.crt", "-key", "own.key", "-CAfile", "ca.crt"])
        .args(["-Verify", "1", "-verify_return_error", "-accept", &address])
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(child);
    let begin = Instant::now();
    while std::net::TcpStream::connect(&address).is_err() {
        assert!(begin.elapsed() < Duration::from_secs(20), "openssl does not listen on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
    server
}

fn answer(dir: &Path, path: &str, status: &str, body: &str) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = format!("HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    std::fs::write(path, text).unwrap();
}

struct Fake {
    dir: tempfile::TempDir,
    plan: Plan,
    pki: Pki,
}

impl Fake {
    /// A lab of one node of each role on a loopback network of its own.
    fn new(network: &str) -> Self {
        let (dir, plan) = (tempfile::tempdir().unwrap(), labs::plan(network, [1, 1, 1]));
        let pki = Pki::open(&dir.path().join("private"), &plan, Clock::system()).unwrap();
        for node in ["etcd", "master"] {
            std::fs::create_dir(dir.path().join(node)).unwrap();
        }
        Self { dir, plan, pki }
    }

    fn node(&self, role: Role) -> &Node {
        self.plan.of(role).next().unwrap()
    }

    fn serve(&self, pki: &Pki) -> [Server; 2] {
        let path = |node: &str| self.dir.path().join(node);
        [
            serve(&path("etcd"), self.node(Role::Etcd), port::ETCD_CLIENT, pki, "etcd/server", "etcd/ca.crt"),
            serve(&path("master"), self.node(Role::Master), port::API, pki, "apiserver", "ca.crt"),
        ]
    }

    fn answer(&self, node: &str, path: &str, status: &str, body: &str) {
        answer(&self.dir.path().join(node), path, status, body);
    }

    fn probe(&self) -> ClusterState {
        Cluster::new(&self.plan, &self.pki.client()).unwrap().probe()
    }
}

fn says(state: &ClusterState) -> Vec<&str> {
    state.nodes.iter().map(|node| node.says.as_str()).chain([state.dns.says.as_str()]).collect()
}

const DNS: &str = "apis/apps/v1/namespaces/kube-system/deployments/coredns";
const DNS_PODS: &str = "api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-dns&resourceVersion=0";

#[test]
fn a_cluster_is_seen_from_nothing_to_ready() {
    if !inside_own_network("cluster::a_cluster_is_seen_from_nothing_to_ready") {
        return;
    }
    let fake = Fake::new("127.111.1.0/24");
    let state = fake.probe();
    assert!(state.nodes.iter().all(|node| node.stage == Stage::Up), "{state:?}");

    let _servers = fake.serve(&fake.pki);
    fake.answer("etcd", "health", "503 Service Unavailable", r#"{"health":"false","reason":"RAFT NO LEADER"}"#);
    fake.answer(
        "master",
        "readyz?verbose",
        "500 Internal Server Error",
        "[+]ping ok\n[-]etcd failed: reason withheld\n",
    );
    let state = fake.probe();
    assert_eq!(says(&state)[0], "etcd is not healthy: RAFT NO LEADER");
    assert_eq!(says(&state)[1], "the API server is not ready: etcd");

    fake.answer("etcd", "health", "200 OK", r#"{"health":"true","reason":""}"#);
    fake.answer("master", "readyz?verbose", "200 OK", "readyz check passed\n");
    let ready = r#"{"type":"Ready","status":"True","reason":"KubeletReady","message":"ok"}"#;
    let labels = r#"{"node-role.kubernetes.io/some":""}"#;
    let node = |name: &str| {
        format!(r#"{{"metadata":{{"name":"{name}","labels":{labels}}},"status":{{"conditions":[{ready}]}}}}"#)
    };
    let nodes = [fake.node(Role::Master), fake.node(Role::Worker)].map(|n| node(&n.name)).join(",");
    fake.answer("master", "api/v1/nodes?resourceVersion=0", "200 OK", &format!(r#"{{"items":[{nodes}]}}"#));
    let state = fake.probe();
    assert_eq!(says(&state), ["etcd is healthy", "Ready", "up, waiting for the kubelet", "waiting for an API server"]);

    let worker = fake.node(Role::Worker).address;
    let _kubelet = std::net::TcpListener::bind((worker, port::KUBELET)).unwrap();
    fake.answer("master", DNS, "200 OK", r#"{"status":{"availableReplicas":2}}"#);
    fake.answer("master", DNS_PODS, "200 OK", r#"{"items":[{"metadata":{"name":"gone"}},{"metadata":{"name":"a"}}]}"#);
    let pod = |name| format!("api/v1/namespaces/kube-system/pods/http%3A{name}%3A8181/proxy/ready");
    fake.answer("master", &pod("gone"), "404 Not Found", "");
    fake.answer("master", &pod("a"), "503 Service Unavailable", "no route to host");
    assert_eq!(says(&fake.probe())[3], "its pods do not answer yet");
    fake.answer("master", &pod("a"), "200 OK", "OK");
    let state = fake.probe();
    assert!(state.ready, "{state:?}");
    let cluster = Cluster::new(&fake.plan, &fake.pki.client()).unwrap();
    assert_eq!(cluster.wait(&Silent, Limits::default()).unwrap(), state);
}

#[test]
fn a_cluster_of_another_private_folder_is_told_apart() {
    if !inside_own_network("cluster::a_cluster_of_another_private_folder_is_told_apart") {
        return;
    }
    let fake = Fake::new("127.111.2.0/24");
    let other = Pki::open(&fake.dir.path().join("other"), &fake.plan, Clock::system()).unwrap();
    let _servers = fake.serve(&other);
    fake.answer("etcd", "health", "200 OK", r#"{"health":"true","reason":""}"#);
    let state = fake.probe();
    assert!(says(&state)[0].contains("no TLS with the lab's certificates"), "{state:?}");
    assert!(says(&state)[1].contains("no TLS with the lab's certificates"), "{state:?}");
}

#[test]
fn a_wait_that_leads_nowhere_ends_and_names_the_nodes() {
    if !inside_own_network("cluster::a_wait_that_leads_nowhere_ends_and_names_the_nodes") {
        return;
    }
    let fake = Fake::new("127.111.3.0/24");
    let cluster = Cluster::new(&fake.plan, &fake.pki.client()).unwrap();
    let limits =
        Limits { poll: Duration::from_millis(10), stall: Duration::from_millis(100), ceiling: Duration::from_secs(60) };
    let error = cluster.wait(&Silent, limits).unwrap_err().to_string();
    for node in &fake.plan.nodes {
        assert!(error.contains(&format!("{}: up, waiting for", node.name)), "{error}");
    }
}
