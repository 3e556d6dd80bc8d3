//! Flags of the cluster's programs that are hab's, with what to do instead or why.

use super::super::fields::nearest;

/// A program and its flags.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Its section below `kubernetes`.
    pub key: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// All its flags as `--help` has them, a line each.
    pub flags: &'static str,
    /// The flags that are hab's: a name, or with a hyphen at the end all that begin so.
    fixed: &'static [(&'static [&'static str], &'static str)],
}

const CERTIFICATES: &str = "hab issues the certificates";
const ADDRESS: &str = "addresses and ports follow from the plan";
const PORT: &str = "say it as `kubernetes.apiServer.port`";
const ENDS: &str = "the program would only say something and end";
const LOGIN: &str = "who may do what is the lab's own";
const RANGES: &str = "say it as `network.services` or `network.pods`";
const FILES: &str = "its pod sees no such file";

const API_SERVER: Program = Program {
    key: "apiServer",
    name: "kube-apiserver",
    flags: include_str!("../known/kube-apiserver"),
    fixed: &[
        (&["help", "version"], ENDS),
        (&["advertise-address", "bind-address", "external-hostname", "permit-"], ADDRESS),
        (&["secure-port"], PORT),
        (&["kubernetes-service-node-port", "kubelet-preferred-address-types"], ADDRESS),
        (&["etcd-cafile", "etcd-certfile", "etcd-keyfile", "etcd-prefix", "etcd-servers"], "etcd is the lab's own"),
        (&["client-ca-file", "cert-dir", "tls-cert-file", "tls-private-key-file", "tls-sni-cert-key"], CERTIFICATES),
        (&["kubelet-certificate-authority", "kubelet-client-", "proxy-client-", "requestheader-"], CERTIFICATES),
        (&["service-account-issuer", "service-account-jwks-uri", "service-account-key-file"], CERTIFICATES),
        (&["service-account-signing-"], CERTIFICATES),
        (&["anonymous-auth", "authentication-", "authorization-config", "authorization-mode"], LOGIN),
        (&["allow-privileged", "authorization-webhook-", "token-auth-file"], LOGIN),
        (&["service-cluster-ip-range"], RANGES),
        (&["audit-policy-file"], "say it as `kubernetes.apiServer.auditPolicy`"),
        (&["endpoint-reconciler-type", "peer-"], "every master enters itself as an API server"),
    ],
};

const CONTROLLER_MANAGER: Program = Program {
    key: "controllerManager",
    name: "kube-controller-manager",
    flags: include_str!("../known/kube-controller-manager"),
    fixed: &[
        (&["help", "version"], ENDS),
        (&["bind-address", "secure-port", "permit-", "master"], ADDRESS),
        (&["client-ca-file", "cert-dir", "tls-cert-file", "tls-private-key-file", "tls-sni-cert-key"], CERTIFICATES),
        (&["requestheader-", "root-ca-file", "service-account-private-key-file"], CERTIFICATES),
        (&["cluster-signing-cert-file", "cluster-signing-key-file"], "no authority's key is on a node"),
        (
            &["cluster-signing-kube-", "cluster-signing-kubelet-", "cluster-signing-legacy-"],
            "no authority's key is on a node",
        ),
        (&["kubeconfig", "authentication-", "authorization-", "use-service-account-credentials"], LOGIN),
        (
            &["allocate-node-cidrs", "cidr-allocator-type", "cluster-cidr", "node-cidr-"],
            "every node's pod range is in the plan",
        ),
        (&["service-cluster-ip-range"], RANGES),
        (&["cluster-name"], "say it as `lab`"),
        (&["leader-elect", "leader-elect-resource-"], "one of the masters' must do the work, not all"),
    ],
};

const SCHEDULER: Program = Program {
    key: "scheduler",
    name: "kube-scheduler",
    flags: include_str!("../known/kube-scheduler"),
    fixed: &[
        (&["help", "version", "write-config-to"], ENDS),
        (&["bind-address", "secure-port", "permit-", "master"], ADDRESS),
        (&["client-ca-file", "cert-dir", "tls-cert-file", "tls-private-key-file", "tls-sni-cert-key"], CERTIFICATES),
        (&["requestheader-"], CERTIFICATES),
        (&["kubeconfig", "authentication-", "authorization-"], LOGIN),
        (&["config"], FILES),
        (&["leader-elect", "leader-elect-resource-"], "one of the masters' must do the work, not all"),
    ],
};

/// The programs that run as static pods.
pub const PROGRAMS: [Program; 3] = [API_SERVER, CONTROLLER_MANAGER, SCHEDULER];

/// etcd.
pub const ETCD: Program = Program {
    key: "etcd",
    name: "etcd",
    flags: include_str!("../known/etcd"),
    fixed: &[
        (&["name", "initial-", "discovery", "discovery-", "force-new-cluster"], "the members follow from the plan"),
        (&["advertise-client-urls", "listen-"], ADDRESS),
        (&["data-dir", "wal-dir"], "etcd can write nowhere else"),
        (&["cert-file", "key-file", "trusted-ca-file", "auto-tls", "client-", "peer-"], CERTIFICATES),
        (&["auth-", "host-whitelist", "cors"], LOGIN),
        (&["enable-grpc-gateway"], "hab asks etcd through it"),
        (&["quota-backend-bytes"], "say it as `kubernetes.etcd.quotaBackendBytes`"),
    ],
};

impl Program {
    /// Why a flag is hab's, if it is.
    pub fn fixed(&self, flag: &str) -> Option<&'static str> {
        let is = |name: &&str| *name == flag || (name.ends_with('-') && flag.starts_with(*name));
        self.fixed.iter().find(|(names, _)| names.iter().any(is)).map(|(_, why)| *why)
    }
}

/// The name that was meant, or all there are.
pub fn by_name(wrong: &str, names: &[&str]) -> String {
    nearest(wrong, names)
        .map_or_else(|| format!("there is: {}", names.join(", ")), |name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_habs_is_a_flag_of_the_program() {
        for program in PROGRAMS.iter().chain([&ETCD]) {
            let flags: Vec<&str> = program.flags.lines().collect();
            assert!(flags.len() > 50 && flags.is_sorted(), "{}", program.name);
            for name in program.fixed.iter().flat_map(|(names, _)| *names) {
                let there = flags.iter().any(|flag| flag == name || (name.ends_with('-') && flag.starts_with(name)));
                assert!(there, "{}: {name}", program.name);
            }
        }
    }
}
