//! Who gets which certificates: the one table of names, groups, uses and addresses.

use std::net::Ipv4Addr;

use crate::plan::{Node, Plan};
use crate::role::Role;

/// The three authorities. Each is trusted for one purpose: a Kubernetes certificate gives no access to etcd, and a
/// front-proxy name can't be had with a client certificate
/// (<https://kubernetes.io/docs/setup/best-practices/certificates/>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ca {
    /// For the API server, the kubelets and all who speak to them.
    Kubernetes,
    /// For etcd's members and clients.
    Etcd,
    /// For the API server when it forwards a request to an aggregated API.
    FrontProxy,
}

impl Ca {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Kubernetes, Self::Etcd, Self::FrontProxy];

    /// Its file name without ending, and part of its common name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::Etcd => "etcd",
            Self::FrontProxy => "front-proxy",
        }
    }

    /// Where its certificate lies on a node, under `/etc/kubernetes/pki`.
    #[must_use]
    pub const fn on_node(self) -> &'static str {
        match self {
            Self::Kubernetes => "ca.crt",
            Self::Etcd => "etcd/ca.crt",
            Self::FrontProxy => "front-proxy-ca.crt",
        }
    }
}

/// What a certificate may be used for (extended key usage).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// To be recognised by a server.
    Client,
    /// To be recognised by clients.
    Server,
    /// Both: etcd's members, whose gRPC gateway is a client of the member itself.
    Both,
}

impl Usage {
    pub(super) const fn server(self) -> bool {
        matches!(self, Self::Server | Self::Both)
    }

    pub(super) const fn client(self) -> bool {
        matches!(self, Self::Client | Self::Both)
    }
}

/// A line of the table. `{name}`, `{address}`, `{domain}` and `{api}` stand for values of the node and the plan.
struct Row {
    stem: &'static str,
    ca: Ca,
    name: &'static str,
    group: &'static str,
    usage: Usage,
    sans: &'static [&'static str],
}

const fn client(stem: &'static str, ca: Ca, name: &'static str, group: &'static str) -> Row {
    Row { stem, ca, name, group, usage: Usage::Client, sans: &[] }
}

/// For what a component serves on its own loopback. Without one it makes an RSA key for itself at every start, which
/// takes more than a minute on an emulated processor.
const fn local(stem: &'static str, name: &'static str) -> Row {
    Row { stem, ca: Ca::Kubernetes, name, group: "", usage: Usage::Server, sans: &["localhost", "127.0.0.1"] }
}

/// What an etcd member is called by its peers, its clients and itself.
const ETCD_NAMES: &[&str] = &["{name}", "{address}", "localhost", "127.0.0.1"];

const ETCD: &[Row] = &[
    Row { stem: "etcd/server", ca: Ca::Etcd, name: "{name}", group: "", usage: Usage::Both, sans: ETCD_NAMES },
    Row { stem: "etcd/peer", ca: Ca::Etcd, name: "{name}", group: "", usage: Usage::Both, sans: ETCD_NAMES },
];

/// The names the Node authorizer asks for (<https://kubernetes.io/docs/reference/access-authn-authz/node/>).
const KUBELET: &[Row] = &[
    client("kubelet-client", Ca::Kubernetes, "system:node:{name}", "system:nodes"),
    Row {
        stem: "kubelet-server",
        ca: Ca::Kubernetes,
        name: "system:node:{name}",
        group: "system:nodes",
        usage: Usage::Server,
        sans: &["{name}", "{address}"],
    },
];

/// No `system:masters` but for the addons' oneshot: it makes the first bindings, when nobody else may do anything yet, and
/// is the way back in should they be lost (kubeadm keeps `super-admin.conf` for both). The components use the roles
/// Kubernetes binds to their names (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/>).
const MASTER: &[Row] = &[
    Row {
        stem: "apiserver",
        ca: Ca::Kubernetes,
        name: "kube-apiserver",
        group: "",
        usage: Usage::Server,
        // 127.0.0.1 is also the name under which workers know it: their HAProxy hands TLS through.
        sans: &[
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.{domain}",
            "localhost",
            "127.0.0.1",
            "{api}",
            "{name}",
            "{address}",
        ],
    },
    client("apiserver-kubelet-client", Ca::Kubernetes, "kube-apiserver-kubelet-client", ""),
    client("apiserver-etcd-client", Ca::Etcd, "kube-apiserver-etcd-client", ""),
    client("front-proxy-client", Ca::FrontProxy, "front-proxy-client", ""),
    client("controller-manager", Ca::Kubernetes, "system:kube-controller-manager", ""),
    local("controller-manager-server", "kube-controller-manager"),
    client("scheduler", Ca::Kubernetes, "system:kube-scheduler", ""),
    local("scheduler-server", "kube-scheduler"),
    client("addons", Ca::Kubernetes, "hab-addons", "system:masters"),
];

/// The lab's own registry on a master. It is a client, too: of the other masters'. Its clients are all whom the authority
/// knows, such as kubelets; 127.0.0.1 is what workers, by their HAProxy, and the master itself call it.
const REGISTRY: &[Row] = &[Row {
    stem: "registry",
    ca: Ca::Kubernetes,
    name: "hab-registry",
    group: "",
    usage: Usage::Both,
    sans: &["{name}", "{address}", "localhost", "127.0.0.1"],
}];

const KUBE_PROXY: &[Row] = &[client("kube-proxy", Ca::Kubernetes, "system:kube-proxy", "")];

/// The group whose members administer the cluster, because hab's addons bind it to `cluster-admin`. Unlike
/// `system:masters` it can be unbound.
const CLUSTER_ADMINS: &str = "hab:cluster-admins";

/// The host's own, in this order: for the user's kubeconfig, and to ask etcd for its health.
const HOST: &[Row] =
    &[client("admin", Ca::Kubernetes, "kubernetes-admin", CLUSTER_ADMINS), client("etcd-client", Ca::Etcd, "hab", "")];

/// What of the plan goes into certificates of every node.
#[derive(Debug, Clone)]
pub(super) struct Common {
    domain: String,
    api: Ipv4Addr,
    registry: bool,
}

impl Common {
    pub fn of(plan: &Plan) -> Self {
        Self { domain: plan.kubernetes.domain.to_string(), api: plan.api_service, registry: plan.registries.in_lab }
    }
}

/// A certificate as it has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    /// Its path on the node under `/etc/kubernetes/pki`, without `.crt`.
    pub stem: &'static str,
    pub ca: Ca,
    /// Subject CN: the user's name to Kubernetes.
    pub name: String,
    /// Subject O: the user's group to Kubernetes; empty for none.
    pub group: &'static str,
    pub usage: Usage,
    /// DNS names and IPv4 addresses.
    pub sans: Vec<String>,
}

/// The certificates of a node, in the table's order.
pub(super) fn of_node(node: &Node, common: &Common) -> Vec<Profile> {
    let rows: &[&[Row]] = match node.role {
        Role::Etcd => &[ETCD],
        Role::Master if common.registry => &[KUBELET, MASTER, KUBE_PROXY, REGISTRY],
        Role::Master => &[KUBELET, MASTER, KUBE_PROXY],
        Role::Worker => &[KUBELET, KUBE_PROXY],
    };
    let fill = |text: &str| {
        text.replace("{name}", &node.name)
            .replace("{address}", &node.address.to_string())
            .replace("{domain}", &common.domain)
            .replace("{api}", &common.api.to_string())
    };
    rows.iter().flat_map(|rows| rows.iter()).map(|row| profile(row, fill)).collect()
}

/// The certificates of the host.
pub(super) fn of_host() -> Vec<Profile> {
    HOST.iter().map(|row| profile(row, str::to_owned)).collect()
}

/// The authorities whose certificates nodes of `role` need, to know others by.
pub(super) const fn known_by(role: Role) -> &'static [Ca] {
    match role {
        Role::Etcd => &[Ca::Etcd],
        Role::Master => &[Ca::Kubernetes, Ca::Etcd, Ca::FrontProxy],
        Role::Worker => &[Ca::Kubernetes],
    }
}

fn profile(row: &Row, fill: impl Fn(&str) -> String) -> Profile {
    Profile {
        stem: row.stem,
        ca: row.ca,
        name: fill(row.name),
        group: row.group,
        usage: row.usage,
        sans: row.sans.iter().map(|san| fill(san)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_addons_are_above_all_rules() {
        let masters = [ETCD, KUBELET, MASTER, KUBE_PROXY, REGISTRY, HOST].into_iter().flatten();
        let masters: Vec<_> = masters.filter(|row| row.group == "system:masters").map(|row| row.stem).collect();
        assert_eq!(masters, ["addons"]);
    }
}
