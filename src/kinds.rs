//! The kinds that a lab is put together from: what a user writes in hab.yaml, and what it stands for in the code.

use serde::Serialize;

use crate::embedded;

/// The parts that only some labs have, each a table `images/supply/PART.yaml` and what of it a role's payload carries,
/// `images/payload/PART/ROLE.yaml`.
pub const PARTS: &[&str] =
    &["flannel", INTERNET, NETWORK_POLICIES, REGISTRY, "metrics-server", "local-path", "busybox"];

/// What enforces network policies, whatever the pod network is.
pub const NETWORK_POLICIES: &str = "network-policies";

/// What a node needs that reaches the internet.
pub const INTERNET: &str = "internet";

/// The lab's own registry of container images.
pub const REGISTRY: &str = "registry";

/// The operating system a box starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// Debian trixie with the real Ignition, built by hab.
    Debian,
    /// Flatcar Container Linux, its vendor's image.
    Flatcar,
    /// Fedora `CoreOS`, its vendor's image.
    FedoraCoreos,
}

/// One of a vendor's images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// Flatcar's channel or Fedora's stream.
    pub channel: &'static str,
    /// The version; the newest of the channel on the day of the lock, where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What Vagrant runs the virtual machines with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// qemu through libvirt.
    Libvirt,
    /// VirtualBox.
    Virtualbox,
}

/// How pods of different nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cni {
    /// The `bridge` plugin, a pod range per node, static routes between nodes: no daemon.
    Routed,
    /// flannel: the same plugin and ranges, VXLAN between nodes.
    Flannel,
    /// Weave Net, as its living fork publishes it: container images, which the lab brings along.
    Weave,
    /// One that the user brings: its configuration, its objects, or both.
    Files,
    /// None yet: the user brings one when the lab is up.
    None,
}

/// Where binaries and container images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Supply {
    /// Built here from Go modules and Debian packages.
    Source,
    /// What the publishers have built themselves, by digest; where they build nothing, as `Source`.
    Upstream,
}

/// What hab brings along for the masters to have the cluster run, where a lab asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Addon {
    /// `kubectl top`, and what scales by it.
    MetricsServer,
    /// Volumes on the data disks of nodes.
    LocalPath,
    /// A container image with a shell, on every node: no objects.
    Busybox,
}

/// What `vagrant up` does when none of the lab's machines is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// They boot for the first time.
    Boot,
    /// They start from the save `ready`, if there is one that fits.
    Saved,
}

impl Base {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("debian", Self::Debian), ("flatcar", Self::Flatcar), ("fedora-coreos", Self::FedoraCoreos)];

    /// What its vendor publishes images in: Flatcar's channels, Fedora's streams. The first is the default; none for a base
    /// that hab builds.
    #[must_use]
    pub const fn channels(self) -> &'static [&'static str] {
        match self {
            Self::Debian => &[],
            Self::Flatcar => &["stable", "beta", "alpha", "lts"],
            Self::FedoraCoreos => &["stable", "testing", "next"],
        }
    }

    /// A version as its vendor writes them; that of no release in particular.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Debian => "",
            Self::Flatcar => "4593.2.5",
            Self::FedoraCoreos => "44.20260707.3.1",
        }
    }

    /// Whether `text` looks like a version of its vendor's: as many numbers as in the example, joined by dots. So
    /// it can be part of an address.
    #[must_use]
    pub fn is_version(self, text: &str) -> bool {
        let numbers = text.split('.').filter(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let parts = text.split('.').count();
        parts == self.example().split('.').count() && numbers.count() == parts && text.len() <= 40
    }

    /// Its name in hab.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, base)| *base == self).map_or("", |(name, _)| name)
    }
}

impl Provider {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("libvirt", Self::Libvirt), ("virtualbox", Self::Virtualbox)];
}

impl Cni {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("routed", Self::Routed),
        ("flannel", Self::Flannel),
        ("weave", Self::Weave),
        ("files", Self::Files),
        ("none", Self::None),
    ];

    /// Its programs, if it has any of its own: one of [`PARTS`].
    #[must_use]
    pub const fn part(self) -> Option<&'static str> {
        match self {
            Self::Flannel => Some("flannel"),
            Self::Routed | Self::Weave | Self::Files | Self::None => None,
        }
    }

    /// The container images that it needs, by what its objects call them; the lab's lock pins their digests
    /// (<https://github.com/rajch/weave/releases>).
    #[must_use]
    pub const fn images(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Weave => &[
                ("kube", "docker.io/rajchaudhuri/weave-kube:2.9.0"),
                ("npc", "docker.io/rajchaudhuri/weave-npc:2.9.0"),
            ],
            Self::Routed | Self::Flannel | Self::Files | Self::None => &[],
        }
    }

    /// The ports that its programs have on masters and workers: flanneld's health; Weave Net's control and data, status and
    /// metrics, by its own defaults.
    #[must_use]
    pub const fn ports(self) -> &'static [u16] {
        match self {
            Self::Flannel => &[8081],
            Self::Weave => &[6781, 6782, 6783, 6784],
            Self::Routed | Self::Files | Self::None => &[],
        }
    }

    /// Whether it enforces network policies by itself; not known of one that the user brings.
    #[must_use]
    pub const fn enforces_policies(self) -> Option<bool> {
        match self {
            Self::Routed | Self::Flannel => Some(false),
            Self::Weave => Some(true),
            Self::Files | Self::None => None,
        }
    }

    /// Where containerd looks for the network's plugins, and for its configuration. What brings a network to a cluster puts
    /// both into folders of the node that everybody knows (containerd's defaults); the payload's own plugins stay.
    #[must_use]
    pub const fn folders(self) -> (&'static [&'static str], &'static str) {
        match self {
            Self::Routed | Self::Flannel => (&["/opt/hab/cni"], "/etc/kubernetes/cni/net.d"),
            Self::Weave | Self::Files | Self::None => (&["/opt/cni/bin", "/opt/hab/cni"], "/etc/cni/net.d"),
        }
    }
}

impl Addon {
    /// All, by their names in hab.yaml. An addon is one of [`PARTS`], and a group of the masters' files, of the same name.
    pub const ALL: &'static [(&'static str, Self)] =
        &[("metrics-server", Self::MetricsServer), ("local-path", Self::LocalPath), ("busybox", Self::Busybox)];

    /// Its name in hab.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, addon)| *addon == self).map_or("", |(name, _)| name)
    }

    /// The group of files that masters and workers have for it.
    #[must_use]
    pub const fn on_nodes(self) -> Option<&'static str> {
        match self {
            Self::LocalPath => Some("volumes"),
            Self::MetricsServer | Self::Busybox => None,
        }
    }

    /// Whether it has objects, which the masters apply.
    #[must_use]
    pub const fn has_objects(self) -> bool {
        match self {
            Self::MetricsServer | Self::LocalPath => true,
            Self::Busybox => false,
        }
    }
}

impl Start {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("boot", Self::Boot), ("saved", Self::Saved)];
}

impl Supply {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("source", Self::Source), ("upstream", Self::Upstream)];

    /// Its name in hab.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Upstream => "upstream",
        }
    }

    /// The Kubernetes versions it has, oldest first: those whose flags and fields hab knows, which are the same for all.
    #[must_use]
    pub fn kubernetes_versions(self) -> Vec<&'static str> {
        match self {
            Self::Source | Self::Upstream => embedded::versions("supply/source/kubernetes"),
        }
    }
}
