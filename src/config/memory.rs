//! How much memory a machine needs and gets when nothing else is said, by its base and its role.

use crate::kinds::Base;
use crate::role::Role;

/// What a base takes in MiB beyond Debian's, whose initramfs and units hab has made small. Not measured: nobody has run the
/// vendors' images with hab yet. Both unpack a whole systemd in their initramfs, and Fedora's documents start machines with
/// 2048 MiB (<https://docs.fedoraproject.org/en-US/fedora-coreos/provisioning-libvirt/>), as does Flatcar's own script.
const fn more(base: Base) -> u32 {
    match base {
        Base::Debian => 0,
        Base::Flatcar => 512,
        Base::FedoraCoreos => 1024,
    }
}

/// The least in MiB that a role was seen to live with: etcd alone; the control plane; a kubelet with CoreDNS.
#[must_use]
pub const fn least(base: Base, role: Role) -> u32 {
    more(base)
        + match role {
            Role::Etcd => 512,
            Role::Master => 1536,
            Role::Worker => 1024,
        }
}

/// What it gets in MiB if hab.yaml does not say: what a node of today's Kubernetes was seen to need, with room for a few
/// pods.
#[must_use]
pub const fn default(base: Base, role: Role) -> u32 {
    more(base)
        + match role {
            Role::Etcd => 768,
            Role::Master => 2048,
            Role::Worker => 1280,
        }
}
