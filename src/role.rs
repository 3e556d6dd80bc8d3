//! The three roles a node can have, and a value for each.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a node is for. The order is the order of definition everywhere: etcd, master, worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Keeps the cluster's data.
    Etcd,
    /// Runs the control plane.
    Master,
    /// Runs pods, and an HAProxy in front of all masters.
    Worker,
}

impl Role {
    /// All roles, in order.
    pub const ALL: [Self; 3] = [Self::Etcd, Self::Master, Self::Worker];

    /// The role's name in `hab.yaml`, in box names and in the data folders.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Master => "master",
            Self::Worker => "worker",
        }
    }

    /// True for the roles that run a kubelet and so have pods.
    #[must_use]
    pub const fn has_kubelet(self) -> bool {
        !matches!(self, Self::Etcd)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One value for each role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerRole<T> {
    /// For etcd nodes.
    pub etcd: T,
    /// For masters.
    pub master: T,
    /// For workers.
    pub worker: T,
}

impl<T> PerRole<T> {
    /// The value of one role.
    pub const fn get(&self, role: Role) -> &T {
        match role {
            Role::Etcd => &self.etcd,
            Role::Master => &self.master,
            Role::Worker => &self.worker,
        }
    }

    /// Every role with its value, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (Role, &T)> {
        Role::ALL.into_iter().map(|role| (role, self.get(role)))
    }

    /// Makes a value for each role.
    pub fn from_fn(mut make: impl FnMut(Role) -> T) -> Self {
        Self { etcd: make(Role::Etcd), master: make(Role::Master), worker: make(Role::Worker) }
    }

    /// Makes another value of each.
    pub fn map<U>(self, mut change: impl FnMut(Role, T) -> U) -> PerRole<U> {
        PerRole {
            etcd: change(Role::Etcd, self.etcd),
            master: change(Role::Master, self.master),
            worker: change(Role::Worker, self.worker),
        }
    }

    /// Makes a value for each role.
    ///
    /// # Errors
    /// The first error of `make`.
    pub fn try_from_fn<E>(mut make: impl FnMut(Role) -> Result<T, E>) -> Result<Self, E> {
        Ok(Self { etcd: make(Role::Etcd)?, master: make(Role::Master)?, worker: make(Role::Worker)? })
    }
}
