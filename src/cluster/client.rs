//! One question to one node, over TLS with the lab's own certificates, and how the network itself answers.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::api::{self, Deployment, Dns, NodeList, PodList};
use crate::pki::{Client, Pair};
use crate::plan::{Node, port};
use crate::role::Role;

/// How long a node may take to accept a connection. A refusal comes at once and a missing neighbour is reported by the
/// kernel after 3 s (three ARP requests, one a second: arp(7), `mcast_solicit` and `retrans_time_ms`).
const CONNECT: Duration = Duration::from_secs(5);

/// How long a whole request may take. In the laboratory 5 s was too short for a TLS handshake with a loaded, emulated
/// machine; three times that.
const REQUEST: Duration = Duration::from_secs(15);

/// No health answer comes near this.
const MAX_TEXT: u64 = 64 << 10;

/// A node is about 5 KB of JSON; this leaves room for ten thousand.
const MAX_JSON: u64 = 64 << 20;

/// The DNS deployment, its pods' label, and the port of CoreDNS' plugin `ready`, as `coredns.yaml` of a master's addons has
/// them; and where pods are.
const DNS: &str = "apis/apps/v1/namespaces/kube-system/deployments/coredns";
const PODS: &str = "api/v1/namespaces/kube-system/pods";
const DNS_LABEL: &str = "k8s-app%3Dkube-dns";
const DNS_READY: u16 = 8181;

/// What a node says when asked for what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing is at its address.
    Nothing,
    /// The machine is there and the port closed.
    Refused,
    /// The kubelet's port is open, and that is all there is (all there can be, on a worker).
    KubeletOnly,
    /// The service answers and is not well.
    Bad(String),
    /// The service is well.
    Good,
}

/// Speaks to nodes.
pub(super) struct Asker {
    etcd: Agent,
    kubernetes: Agent,
}

impl Asker {
    pub fn new(client: &Client) -> Result<Self> {
        Ok(Self {
            etcd: agent(&client.etcd_ca, &client.etcd).context("reading the certificates for etcd")?,
            kubernetes: agent(&client.kubernetes_ca, &client.admin)
                .context("reading the certificates for Kubernetes")?,
        })
    }

    /// Asks a node for what it is for.
    pub fn ask(&self, node: &Node) -> Answer {
        let address = node.address;
        match node.role {
            Role::Etcd => match knock(address, port::ETCD_CLIENT) {
                Answer::Good => health(&self.etcd, address, port::ETCD_CLIENT, "health", api::etcd_health),
                other => other,
            },
            Role::Master => match knock(address, port::API) {
                Answer::Good => health(&self.kubernetes, address, port::API, "readyz?verbose", api::readyz),
                Answer::Refused => kubelet(address),
                other => other,
            },
            Role::Worker => kubelet(address),
        }
    }

    /// Asks an API server for all nodes.
    pub fn nodes(&self, master: Ipv4Addr) -> Result<NodeList> {
        // Version 0 lets it answer from its cache, without a question to etcd.
        self.json(master, "api/v1/nodes?resourceVersion=0")?.context("it knows no nodes")
    }

    /// Asks an API server for the DNS deployment, and its pods, through that server, whether they are ready: what
    /// Kubernetes says of them is of the time before, when all machines were off.
    pub fn dns(&self, master: Ipv4Addr) -> Result<Dns> {
        let Some(deployment) = self.json::<Deployment>(master, DNS)? else {
            return Ok(Dns::Missing);
        };
        if !deployment.is_available() {
            return Ok(Dns::Unavailable);
        }
        let pods: Option<PodList> =
            self.json(master, &format!("{PODS}?labelSelector={DNS_LABEL}&resourceVersion=0"))?;
        let answers = |pod| {
            let url = url(master, port::API, &format!("{PODS}/http%3A{pod}%3A{DNS_READY}/proxy/ready"));
            self.kubernetes.get(url).call().is_ok_and(|response| response.status() == 200)
        };
        let answers = pods.is_some_and(|pods| pods.names().any(answers));
        Ok(if answers { Dns::Answers } else { Dns::Silent })
    }

    /// `None` when it is not there.
    fn json<T: DeserializeOwned>(&self, master: Ipv4Addr, path: &str) -> Result<Option<T>> {
        let url = url(master, port::API, path);
        let asking = || format!("asking {url}");
        let response = self.kubernetes.get(&url).call().with_context(asking)?;
        if response.status() == 404 {
            return Ok(None);
        }
        ensure!(response.status() == 200, "{url} answers {}", response.status());
        let body = response.into_body().into_with_config().limit(MAX_JSON).reader();
        serde_json::from_reader(std::io::BufReader::new(body)).map(Some).with_context(asking)
    }
}

/// Never through a proxy, never elsewhere: the nodes' network is the lab's own. No connection is kept, for the node at
/// its other end may have been halted meanwhile.
fn agent(authority: &[u8], pair: &Pair) -> Result<Agent> {
    let roots = RootCerts::new_with_certs(&[Certificate::from_pem(authority)?]);
    let certificate = Certificate::from_pem(pair.certificate.as_bytes())?;
    let own = ClientCert::new_with_certs(&[certificate], PrivateKey::from_pem(pair.key.reveal().as_bytes())?);
    let tls = TlsConfig::builder().root_certs(roots).client_cert(Some(own)).build();
    Ok(Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .proxy(None)
        .max_redirects(0)
        .max_idle_connections(0)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(REQUEST))
        .user_agent(concat!("hab/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent())
}

fn url(address: Ipv4Addr, port: u16, path: &str) -> String {
    format!("https://{address}:{port}/{path}")
}

/// Tries to connect: `Good` means that somebody listens.
fn knock(address: Ipv4Addr, port: u16) -> Answer {
    match TcpStream::connect_timeout(&SocketAddr::from((address, port)), CONNECT) {
        Ok(_) => Answer::Good,
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
            Answer::Refused
        }
        Err(_) => Answer::Nothing,
    }
}

fn kubelet(address: Ipv4Addr) -> Answer {
    match knock(address, port::KUBELET) {
        Answer::Good => Answer::KubeletOnly,
        other => other,
    }
}

fn health(
    agent: &Agent,
    address: Ipv4Addr,
    port: u16,
    path: &str,
    judge: impl Fn(u16, &str) -> Option<String>,
) -> Answer {
    let text = || -> Result<(u16, String), ureq::Error> {
        let response = agent.get(url(address, port, path)).call()?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        response.into_body().into_reader().take(MAX_TEXT).read_to_end(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    match text() {
        Ok((status, body)) => judge(status, &body).map_or(Answer::Good, Answer::Bad),
        Err(error) => Answer::Bad(trouble(&error)),
    }
}

/// Why a connection that was accepted led to no answer.
fn trouble(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it takes connections and does not answer yet".to_owned(),
        // rustls hands its own errors on as invalid data; any other is the connection's.
        ureq::Error::Io(error) if error.kind() != ErrorKind::InvalidData => "it closes the connection".to_owned(),
        other => api::line(&format!("no TLS with the lab's certificates: {other}")),
    }
}
