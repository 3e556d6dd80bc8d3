//! A cluster made of `openssl s_server` on loopback addresses: real TLS, both sides with the lab's certificates; and of
//! machines in libvirt's test driver, asked with the real virsh. Each test has a network of its own, for the ports are
//! those of every cluster.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hab::clock::Clock;
use hab::cluster::{Cluster, ClusterState, Limits, Reason, Stage};
use hab::exec::virsh;
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

/// What a server shows, and whom it lets in: files of a node below /etc/kubernetes/pki.
struct Identity {
    /// Its certificate and key, without their endings.
    stem: &'static str,
    /// The authority of those it lets in.
    authority: &'static str,
}

const ETCD: Identity = Identity { stem: "etcd/server", authority: "etcd/ca.crt" };
const API_SERVER: Identity = Identity { stem: "apiserver", authority: "ca.crt" };

/// Serves the files of `dir`, each a whole HTTP answer, to those who have a certificate of the same authority.
fn serve(dir: &Path, node: &Node, port: u16, pki: &Pki, identity: &Identity) -> Server {
    let Identity { stem, authority } = identity;
    let tree = pki.node(node).unwrap();
    for (from, to) in
        [(format!("{stem}.crt"), "own.crt"), (format!("{stem}.key"), "own.key"), ((*authority).to_owned(), "ca.crt")]
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

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// A `status` may have further headers behind it.
fn answer(dir: &Path, path: &str, status: &str, body: &str) {
    let text = format!("HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    write(&dir.join(path), &text);
}

struct Fake {
    dir: tempfile::TempDir,
    plan: Plan,
    pki: Pki,
}

impl Fake {
    /// A lab of one node of each role on a loopback network of its own.
    fn new(network: &str) -> Self {
        Self::of(network, [1, 1, 1])
    }

    fn of(network: &str, counts: [u32; 3]) -> Self {
        let (dir, plan) = (tempfile::tempdir().unwrap(), labs::plan(network, counts));
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
            serve(&path("etcd"), self.node(Role::Etcd), port::ETCD_CLIENT, pki, &ETCD),
            serve(&path("master"), self.node(Role::Master), self.plan.api_port(), pki, &API_SERVER),
        ]
    }

    fn answer(&self, node: &str, path: &str, status: &str, body: &str) {
        answer(&self.dir.path().join(node), path, status, body);
    }

    fn probe(&self) -> ClusterState {
        self.cluster().probe()
    }

    fn cluster(&self) -> Cluster<'_> {
        Cluster::new(&self.plan, &self.pki.client(), self.dir.path()).unwrap()
    }
}

fn messages(state: &ClusterState) -> Vec<&str> {
    state.nodes.iter().map(|node| node.message.as_str()).chain([state.dns.message.as_str()]).collect()
}

const NODES: &str = "api/v1/nodes?resourceVersion=0";
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
    assert_eq!(messages(&state)[0], "etcd is not healthy: RAFT NO LEADER");
    assert_eq!(messages(&state)[1], "the API server is not ready: etcd");

    fake.answer("etcd", "health", "200 OK", r#"{"health":"true","reason":""}"#);
    fake.answer("master", "readyz?verbose", "200 OK", "readyz check passed\n");
    let ready = r#"{"type":"Ready","status":"True","reason":"KubeletReady","message":"ok"}"#;
    let labels = r#"{"node-role.kubernetes.io/some":""}"#;
    let node = |name: &str| {
        format!(r#"{{"metadata":{{"name":"{name}","labels":{labels}}},"status":{{"conditions":[{ready}]}}}}"#)
    };
    let nodes = [fake.node(Role::Master), fake.node(Role::Worker)].map(|n| node(&n.name)).join(",");
    fake.answer("master", NODES, "200 OK", &format!(r#"{{"items":[{nodes}]}}"#));
    let state = fake.probe();
    assert_eq!(
        messages(&state),
        ["etcd is healthy", "Ready", "up, waiting for the kubelet", "waiting for an API server"]
    );

    let worker = fake.node(Role::Worker).address;
    let _kubelet = std::net::TcpListener::bind((worker, port::KUBELET)).unwrap();
    fake.answer("master", DNS, "200 OK", r#"{"spec":{"replicas":2},"status":{"availableReplicas":2}}"#);
    fake.answer("master", DNS_PODS, "200 OK", r#"{"items":[{"metadata":{"name":"gone"}},{"metadata":{"name":"a"}}]}"#);
    let pod = |name| format!("api/v1/namespaces/kube-system/pods/http%3A{name}%3A8181/proxy/ready");
    fake.answer("master", &pod("gone"), "404 Not Found", "");
    fake.answer("master", &pod("a"), "503 Service Unavailable", "no route to host");
    assert_eq!(messages(&fake.probe())[3], "its pods do not answer yet");
    fake.answer("master", &pod("a"), "200 OK", "OK");
    let state = fake.probe();
    assert!(state.ready, "{state:?}");
    assert_eq!(messages(&state)[3], "ready, 1 of 2 pods");
    assert_eq!(fake.cluster().wait(&Silent, Limits::default()).unwrap(), state);

    assert!(fake.cluster().left(&state).nodes.is_empty());
    let more = node("kube-worker-77");
    fake.answer("master", NODES, "200 OK", &format!(r#"{{"items":[{nodes},{more}]}}"#));
    assert_eq!(fake.cluster().left(&fake.probe()).nodes, ["kube-worker-77"]);
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
    assert!(messages(&state)[0].contains("no TLS with the lab's certificates"), "{state:?}");
    assert!(messages(&state)[1].contains("no TLS with the lab's certificates"), "{state:?}");
}

#[test]
fn a_wait_that_leads_nowhere_ends_and_names_the_nodes() {
    if !inside_own_network("cluster::a_wait_that_leads_nowhere_ends_and_names_the_nodes") {
        return;
    }
    let fake = Fake::new("127.111.3.0/24");
    let limits = Limits { poll: Duration::from_millis(10), stall: Duration::from_millis(100), ..Limits::default() };
    let error = fake.cluster().wait(&Silent, limits).unwrap_err().to_string();
    for node in &fake.plan.nodes {
        assert!(error.contains(&format!("{}: up, waiting for", node.name)), "{error}");
    }
}

#[test]
fn a_clock_that_is_behind_is_seen() {
    if !inside_own_network("cluster::a_clock_that_is_behind_is_seen") {
        return;
    }
    let fake = Fake::new("127.111.4.0/24");
    let _servers = fake.serve(&fake.pki);
    let date = "200 OK\r\nDate: Tue, 24 Nov 2020 22:32:53 GMT";
    fake.answer("etcd", "health", date, r#"{"health":"true","reason":""}"#);
    fake.answer("master", "readyz?verbose", "200 OK", "readyz check passed\n");
    let state = fake.probe();
    assert!(state.nodes[0].clock_skew_seconds.unwrap() < -3600, "{state:?}");
    assert_eq!(state.nodes[1].clock_skew_seconds, None);
    assert_eq!(messages(&state)[0], "etcd is healthy");
}

#[test]
fn a_master_that_is_not_ready_tells_what_a_ready_one_can_not() {
    if !inside_own_network("cluster::a_master_that_is_not_ready_tells_what_a_ready_one_can_not") {
        return;
    }
    let fake = Fake::of("127.111.5.0/24", [1, 3, 1]);
    let masters: Vec<_> = fake.plan.of(Role::Master).collect();
    let mut servers = Vec::new();
    for master in &masters {
        let dir = fake.dir.path().join(&master.name);
        std::fs::create_dir(&dir).unwrap();
        servers.push(serve(&dir, master, fake.plan.api_port(), &fake.pki, &API_SERVER));
        answer(&dir, "readyz?verbose", "500 Internal Server Error", "[-]etcd failed: reason withheld\n");
        answer(&dir, NODES, "500 Internal Server Error", "");
    }
    let dir = |number: usize| fake.dir.path().join(&masters[number].name);
    answer(&dir(0), "readyz?verbose", "200 OK", "readyz check passed\n");
    assert_eq!(messages(&fake.probe())[1], "kubelet runs, waiting for a master to apply the cluster's roles");
    answer(&dir(2), NODES, "200 OK", r#"{"items":[]}"#);
    let state = fake.probe();
    assert_eq!(messages(&state)[1], "waiting for the kubelet to register the node");
    assert_eq!(messages(&state)[2], "the API server is not ready: etcd");
}

/// Linux refuses a connection to a group address before anything is sent: a node there is silent without waiting.
const SILENT: &str = "224.111.1.0/24";

/// A lab of silent nodes, whose machines are in these states (virDomainState: 1 running, 5 off).
fn silent(states: [u8; 3]) -> (Fake, String) {
    let fake = Fake::new(SILENT);
    let domain = |(node, state): (&Node, u8)| {
        format!(
            "<domain type='test' xmlns:t='http://libvirt.org/schemas/domain/test/1.0'><name>hab-demo-{}</name>\
             <memory>8192</memory><os><type>hvm</type></os><t:runstate>{state}</t:runstate></domain>",
            node.name
        )
    };
    let domains: String = fake.plan.nodes.iter().zip(states).map(domain).collect();
    let file = fake.dir.path().join("libvirt.xml");
    write(&file, &format!("<node>{domains}</node>"));
    let uri = format!("test://{}", file.display());
    (fake, uri)
}

#[test]
fn a_boot_that_failed_ends_a_wait_at_once() {
    if !inside_own_network("cluster::a_boot_that_failed_ends_a_wait_at_once") {
        return;
    }
    let (fake, libvirt) = silent([1, 5, 1]);
    let log = |node: &Node| fake.dir.path().join(format!("out/console/{}.log", node.name));
    let [etcd, master] = [Role::Etcd, Role::Master].map(|role| fake.node(role));
    let event = |node: &Node| {
        format!("{{\"hab\":\"node\",\"node\":\"{}\",\"event\":\"network\",\"uptime\":14.2}}\r\n", node.name)
    };
    write(&log(etcd), &event(etcd));
    write(&log(master), &format!("{}{}", event(master), "hab: boot failed: no partition is named hab-usr\r\n"));
    let cluster = fake.cluster().with_domains(move || virsh::domains(&libvirt));
    let state = cluster.probe();
    assert_eq!(messages(&state)[0], "starting: network, 14 s after its start");
    assert_eq!(state.nodes[1].reason, Reason::BootFailed);
    assert_eq!(state.nodes[2].reason, Reason::Booting);

    let begin = Instant::now();
    let error = cluster.wait(&Silent, Limits::default()).unwrap_err().to_string();
    assert!(begin.elapsed() < Limits::default().poll, "{:?}", begin.elapsed());
    let why =
        format!("{}: boot failed: no partition is named hab-usr; its console: {}", master.name, log(master).display());
    assert_eq!(error, format!("the cluster can't become Ready:\n  {why}"));
}

#[test]
fn a_machine_that_is_off_ends_a_wait_after_a_while() {
    if !inside_own_network("cluster::a_machine_that_is_off_ends_a_wait_after_a_while") {
        return;
    }
    let (fake, libvirt) = silent([1, 1, 5]);
    let off = Duration::from_millis(300);
    let limits = Limits { poll: Duration::from_millis(50), off, ..Limits::default() };
    let begin = Instant::now();
    let error =
        fake.cluster().with_domains(move || virsh::domains(&libvirt)).wait(&Silent, limits).unwrap_err().to_string();
    assert!(begin.elapsed() >= off && begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    let worker = &fake.node(Role::Worker).name;
    assert_eq!(
        error,
        format!("the cluster can't become Ready:\n  {worker}: its machine is shut off: `vagrant up` starts it")
    );
}
