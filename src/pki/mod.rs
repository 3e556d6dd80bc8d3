//! The lab's certificates and keys: made once, kept in its private folder, used again by every later build.
//!
//! ```text
//! private/          0700, every file in it 0600
//!   ca/             {kubernetes,etcd,front-proxy}.{crt,key}, sa.{key,pub}: the roots, made together, never replaced
//!   host.pem        the user's admin certificate and the one that asks etcd for its health
//!   nodes/<name>.pem   everything of one node
//!   haproxy-stats.password   of HAProxy's stats page, if it has one
//!   .gitignore      so that no key is committed
//! ```
//! Leaves follow the plan: one whose names, addresses or time no longer fit is issued anew, with a note. Damage of any
//! kind - a key without its certificate, another's key, another authority, a flipped bit - is an error that names the
//! file; hab never writes over it.

mod authority;
mod pairs;
mod expiry;
mod files;
mod password;
mod kubeconfig;
mod certificate;
mod store;
mod report;
mod secret;
mod profiles;
mod roots;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

pub use certificate::renews;
pub use expiry::Expiry;
pub use pairs::Pair;
pub use profiles::{Ca, Usage};
pub use roots::AUTHORITIES;
pub use secret::Secret;

use crate::atomic_fs;
use crate::clock::Clock;
use crate::node::files::NodeFiles;
use crate::plan::{Node, Plan};
use crate::role::Role;
use profiles::Common;
use roots::Trust;
use store::Leaves;

/// Where certificates and keys lie on a node.
pub const ON_NODE: &str = "/etc/kubernetes/pki";

/// A lab's certificates. It can be shared by threads that render different nodes.
pub struct Pki {
    lab: String,
    common: Common,
    leaves: Leaves,
    admin: Pair,
    etcd: Pair,
    /// Of HAProxy's stats page, if it has one.
    stats: Option<Secret>,
}

/// What hab itself needs to speak to a running cluster.
#[derive(Debug, Clone)]
pub struct Client {
    /// The authority of API servers, PEM.
    pub kubernetes_ca: Arc<[u8]>,
    /// The authority of etcd, PEM.
    pub etcd_ca: Arc<[u8]>,
    /// The administrator, to API servers.
    pub admin: Pair,
    /// hab, to etcd.
    pub etcd: Pair,
}

impl Pki {
    /// Reads the roots and the host's own certificates from `private`, and makes what was never made. Waits while
    /// another hab does the same.
    ///
    /// # Errors
    /// Something in the folder is damaged, expired, open to other users or can't be written.
    pub fn open(private: &Path, plan: &Plan, clock: Clock) -> Result<Self> {
        atomic_fs::create_private_dir(private)?;
        atomic_fs::create_private_dir(&private.join("nodes"))?;
        let now = clock.now();
        let (trust, stats) = {
            let _held = files::hold(private)?;
            // The lab's folder may be a repository that knows nothing of hab.
            atomic_fs::ignore_in_git(private, atomic_fs::SECRET)?;
            atomic_fs::remove_stale(&private.join("nodes"), |_| true)?;
            let stats = plan.haproxy.stats.map(|_| password::obtain(private)).transpose()?;
            (Trust::open(private, plan.lab.as_str(), now)?, stats)
        };
        let leaves = Leaves { private: private.to_owned(), trust, now, notes: Mutex::default() };
        let host = leaves.obtain(&leaves.host_file(), "the host", &profiles::of_host())?;
        let mut host = host.into_iter().map(|(_, pair)| pair);
        Ok(Self {
            lab: plan.lab.to_string(),
            common: Common::of(plan),
            leaves,
            admin: host.next().context("the table has no administrator")?,
            etcd: host.next().context("the table has no etcd client")?,
            stats,
        })
    }

    /// The certificates and keys of one node, at their paths on it.
    ///
    /// # Errors
    /// As [`Pki::open`].
    pub fn node(&self, node: &Node) -> Result<NodeFiles> {
        let path = self.leaves.node_file(&node.name);
        let pairs = self.leaves.obtain(&path, &node.name, &profiles::of_node(node, &self.common))?;
        let mut tree = NodeFiles::new();
        let mut put =
            |name: &str, mode, content: Arc<[u8]>| tree.file(format!("{ON_NODE}/{name}"), mode, content, "pki");
        for ca in profiles::known_by(node.role) {
            put(ca.on_node(), atomic_fs::PUBLIC, self.leaves.trust.of(*ca).certificate.clone())?;
        }
        if node.role == Role::Master {
            let pair = &self.leaves.trust.service_account;
            put("sa.key", atomic_fs::SECRET, pair.key.clone())?;
            put("sa.pub", atomic_fs::PUBLIC, pair.public.clone())?;
        }
        if let (Role::Worker, Some(stats)) = (node.role, &self.stats) {
            put("haproxy-stats.cfg", atomic_fs::SECRET, password::haproxy(stats).reveal().as_bytes().into())?;
        }
        for (stem, pair) in pairs {
            put(&format!("{stem}.crt"), atomic_fs::PUBLIC, pair.certificate.into_bytes().into())?;
            put(&format!("{stem}.key"), atomic_fs::SECRET, pair.key.reveal().as_bytes().into())?;
        }
        Ok(tree)
    }

    /// The user's kubeconfig. `servers` are the masters' names and their API servers, such as
    /// `https://192.168.56.31:6443`; the first one's context is named like the lab, the others' `<lab>@<master>`.
    #[must_use]
    pub fn admin_kubeconfig(&self, servers: &[(&str, String)]) -> Secret {
        let authority = &self.leaves.trust.of(Ca::Kubernetes).certificate;
        kubeconfig::kubeconfig(&self.lab, servers, authority, &self.admin)
    }

    /// What hab itself needs to speak to the cluster.
    #[must_use]
    pub fn client(&self) -> Client {
        Client {
            kubernetes_ca: self.leaves.trust.of(Ca::Kubernetes).certificate.clone(),
            etcd_ca: self.leaves.trust.of(Ca::Etcd).certificate.clone(),
            admin: self.admin.clone(),
            etcd: self.etcd.clone(),
        }
    }

    /// What the user should know: what was issued anew and why, and which authority ends soon.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let leaves = &self.leaves;
        let ending = leaves.trust.iter().filter(|authority| leaves.now + report::CA_SOON > authority.not_after);
        let ending = ending.map(|authority| report::ending(authority.ca, authority.not_after));
        ending.chain(leaves.notes.lock().unwrap_or_else(PoisonError::into_inner).lines()).collect()
    }

    /// When each certificate ends, the nearest first; makes and changes nothing.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn expiry(&self, plan: &Plan) -> Result<Vec<Expiry>> {
        expiry::scan(&self.leaves, plan)
    }
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pki").field("lab", &self.lab).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
