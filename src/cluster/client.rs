//! Requests to one node, over TLS with the lab's own certificates, and what a failure to connect means.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use ureq::Agent;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::addons::{NOTES, Notes, Seen, slow};
use super::api::{self, Deployment, Dns, NodeList, PodList};
use super::skew::skew;
use crate::exec::signal;
use crate::node::addons::Addon;
use crate::parallel::side_by_side;
use crate::pki::{self, Pair};
use crate::plan::{Node, port};
use crate::role::Role;

/// How long a node may take to accept a connection. A refusal comes at once and a missing neighbour is reported by the
/// kernel after 3 s (three ARP requests, one a second: arp(7), `mcast_solicit` and `retrans_time_ms`).
const CONNECT: Duration = Duration::from_secs(5);

/// How long a whole request may take. In the laboratory 5 s was too short for a TLS handshake with a loaded, emulated
/// machine; three times that.
const REQUEST: Duration = Duration::from_secs(15);

/// How long an answer may take that is a whole database: 8 GiB, the largest that etcd has, at 5 MiB a second.
const STREAM: Duration = Duration::from_secs(30 * 60);

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

/// How the service is that a node is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    /// Nothing is at the node's address.
    Silent,
    /// The machine is there and the port closed.
    Refused,
    /// The kubelet's port is open, and that is all there is (all there can be, on a worker).
    KubeletOnly,
    /// The service answers, and why it is not well.
    Unhealthy(String),
    /// The service is well.
    Healthy,
}

/// A node's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub health: Health,
    /// Seconds by which the node's clock is ahead of this machine's, where the node said what it has.
    pub clock_skew: Option<i64>,
}

impl From<Health> for Reply {
    fn from(health: Health) -> Self {
        Self { health, clock_skew: None }
    }
}

/// One of many messages, as the gateway sends them
/// (<https://github.com/grpc-ecosystem/grpc-gateway/blob/v2.26.3/runtime/handler.go>, `ForwardResponseStream`).
#[derive(Deserialize)]
struct Streamed<T> {
    result: Option<T>,
    error: Option<Value>,
}

/// An HTTPS client for the nodes of one lab.
pub(super) struct Client {
    etcd: Agent,
    kubernetes: Agent,
    /// The API servers' port.
    api: u16,
}

impl Client {
    pub fn new(certificates: &pki::Client, api: u16) -> Result<Self> {
        Ok(Self {
            api,
            etcd: agent(&certificates.etcd_ca, &certificates.etcd).context("reading the certificates for etcd")?,
            kubernetes: agent(&certificates.kubernetes_ca, &certificates.admin)
                .context("reading the certificates for Kubernetes")?,
        })
    }

    /// Asks a node for what it is for.
    pub fn ask(&self, node: &Node) -> Reply {
        let address = node.address;
        match node.role {
            Role::Etcd => match connect(address, port::ETCD_CLIENT) {
                Ok(()) => ask_health(&self.etcd, &url(address, port::ETCD_CLIENT, "health"), api::etcd_health),
                Err(health) => health.into(),
            },
            Role::Master => match connect(address, self.api) {
                Ok(()) => ask_health(&self.kubernetes, &url(address, self.api, "readyz?verbose"), api::readyz),
                Err(Health::Refused) => kubelet(address).into(),
                Err(health) => health.into(),
            },
            Role::Worker => kubelet(address).into(),
        }
    }

    /// Asks an API server for all nodes.
    pub fn nodes(&self, master: Ipv4Addr) -> Result<NodeList> {
        // Version 0 lets it answer from its cache, without a question to etcd.
        self.json(master, "api/v1/nodes?resourceVersion=0")?.context("it knows no nodes")
    }

    /// Asks an API server for the DNS deployment, and its pods, through that server, whether they are ready: after a
    /// halt, what Kubernetes says of them is of the time before, when all machines were off.
    pub fn dns(&self, master: Ipv4Addr) -> Result<Dns> {
        let Some(deployment) = self.json::<Deployment>(master, DNS)? else {
            return Ok(Dns::Missing);
        };
        if !deployment.is_available() {
            return Ok(Dns::Unavailable);
        }
        let pods: Option<PodList> =
            self.json(master, &format!("{PODS}?labelSelector={DNS_LABEL}&resourceVersion=0"))?;
        let answers = side_by_side(&pods.map(PodList::names).unwrap_or_default(), |pod| {
            let url = url(master, self.api, &format!("{PODS}/http%3A{pod}%3A{DNS_READY}/proxy/ready"));
            self.kubernetes.get(url).call().is_ok_and(|response| response.status() == 200)
        });
        let ready = answers.into_iter().filter(|ready| *ready).count();
        Ok(Dns::Available { ready, wanted: deployment.replicas() })
    }

    /// Asks an API server for what masters noted of the addons, and for the objects of those applied that take a while.
    pub fn addons(&self, master: Ipv4Addr, addons: &[Addon]) -> Result<Seen> {
        if addons.is_empty() {
            return Ok(Seen::default());
        }
        let notes = self.json::<Notes>(master, NOTES)?.unwrap_or_default();
        let paths: Vec<&String> = addons.iter().filter(|addon| notes.has(addon)).flat_map(slow).collect();
        let objects =
            side_by_side(&paths, |path| Ok(((*path).clone(), self.json(master, path.trim_start_matches('/'))?)));
        Ok(Seen { notes, objects: objects.into_iter().collect::<Result<_>>()? })
    }

    /// Calls a method of an etcd member, which answers with one message; its own error says why not.
    pub fn etcd(&self, member: Ipv4Addr, method: &str, message: &Value) -> Result<Value> {
        let url = url(member, port::ETCD_CLIENT, method);
        let asking = || format!("asking {url}");
        let request = self.etcd.post(&url).content_type("application/json");
        let response = request.send(message.to_string()).with_context(asking)?;
        let status = response.status();
        let answer: Value = read(response).with_context(asking)?;
        let why = answer["message"].as_str().unwrap_or_default();
        ensure!(status == 200, "{url} answers {status}: {}", api::line(why));
        Ok(answer)
    }

    /// Calls a method of an etcd member that answers with many messages; `each` gets them as they come.
    pub fn etcd_stream<T: DeserializeOwned>(
        &self,
        member: Ipv4Addr,
        method: &str,
        mut each: impl FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let url = url(member, port::ETCD_CLIENT, method);
        let asking = || format!("asking {url}");
        let request = self.etcd.post(&url).config().timeout_global(Some(STREAM)).build();
        let response = request.content_type("application/json").send("{}").with_context(asking)?;
        let status = response.status();
        ensure!(status == 200, "{url} answers {status}");
        let body = std::io::BufReader::new(response.into_body().into_reader());
        for message in serde_json::Deserializer::from_reader(body).into_iter::<Streamed<T>>() {
            signal::check()?;
            match message.with_context(asking)? {
                Streamed { result: Some(result), .. } => each(result)?,
                Streamed { error, .. } => {
                    let why = error.as_ref().and_then(|error| error["message"].as_str()).unwrap_or("an empty message");
                    bail!("{url} answers: {}", api::line(why));
                }
            }
        }
        Ok(())
    }

    /// `None` when it is not there.
    fn json<T: DeserializeOwned>(&self, master: Ipv4Addr, path: &str) -> Result<Option<T>> {
        let url = url(master, self.api, path);
        let asking = || format!("asking {url}");
        let response = self.kubernetes.get(&url).call().with_context(asking)?;
        if response.status() == 404 {
            return Ok(None);
        }
        ensure!(response.status() == 200, "{url} answers {}", response.status());
        read(response).map(Some).with_context(asking)
    }
}

/// Never through a proxy, never elsewhere: the nodes' network is the lab's own. No connection is kept, for the node at
/// its other end may have been halted meanwhile.
pub(crate) fn agent(authority: &[u8], pair: &Pair) -> Result<Agent> {
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

/// The JSON of an answer.
fn read<T: DeserializeOwned>(response: ureq::http::Response<ureq::Body>) -> Result<T, serde_json::Error> {
    let body = response.into_body().into_with_config().limit(MAX_JSON).reader();
    serde_json::from_reader(std::io::BufReader::new(body))
}

fn url(address: Ipv4Addr, port: u16, path: &str) -> String {
    format!("https://{address}:{port}/{path}")
}

/// Finds out whether somebody listens, and if not, how that shows.
fn connect(address: Ipv4Addr, port: u16) -> Result<(), Health> {
    match TcpStream::connect_timeout(&SocketAddr::from((address, port)), CONNECT) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
            Err(Health::Refused)
        }
        Err(_) => Err(Health::Silent),
    }
}

fn kubelet(address: Ipv4Addr) -> Health {
    connect(address, port::KUBELET).err().unwrap_or(Health::KubeletOnly)
}

/// Asks for an URL whose answer `assess` understands: `None` when the service is well, else why it isn't.
fn ask_health(agent: &Agent, url: &str, assess: impl Fn(u16, &str) -> Option<String>) -> Reply {
    let mut clock_skew = None;
    let mut ask = || -> Result<(u16, String), ureq::Error> {
        let asked = OffsetDateTime::now_utc();
        let response = agent.get(url).call()?;
        let date = response.headers().get("date").and_then(|date| date.to_str().ok());
        clock_skew = date.and_then(|date| skew(date, asked, OffsetDateTime::now_utc()));
        let status = response.status().as_u16();
        let mut body = Vec::new();
        response.into_body().into_reader().take(MAX_TEXT).read_to_end(&mut body)?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    };
    let health = match ask() {
        Ok((status, body)) => assess(status, &body).map_or(Health::Healthy, Health::Unhealthy),
        Err(error) => Health::Unhealthy(failure(&error)),
    };
    Reply { health, clock_skew }
}

/// Why a connection that was accepted led to no answer.
pub(crate) fn failure(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "it takes connections and does not answer yet".to_owned(),
        // rustls hands its own errors on as invalid data; any other is the connection's.
        ureq::Error::Io(error) if error.kind() != ErrorKind::InvalidData => "it closes the connection".to_owned(),
        other => api::line(&format!("no TLS with the lab's certificates: {other}")),
    }
}
