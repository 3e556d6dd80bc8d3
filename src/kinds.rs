//! The kinds that a lab is put together from: what a user writes in hab.yaml, and what it stands for in the code.

use serde::Serialize;

use crate::embedded;

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

/// What Vagrant runs the virtual machines with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// qemu through libvirt.
    Libvirt,
}

/// How pods of different nodes reach each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cni {
    /// The `bridge` plugin, a pod range per node, static routes between nodes: no daemon.
    Routed,
}

/// Where binaries and container images come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Supply {
    /// Built here from Go modules and Debian packages.
    Source,
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

    /// Its name in hab.yaml.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, base)| *base == self).map_or("", |(name, _)| name)
    }
}

impl Provider {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("libvirt", Self::Libvirt)];
}

impl Cni {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("routed", Self::Routed)];
}

impl Start {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("boot", Self::Boot), ("saved", Self::Saved)];
}

impl Supply {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("source", Self::Source)];

    /// The Kubernetes versions it has, oldest first.
    #[must_use]
    pub fn kubernetes_versions(self) -> Vec<&'static str> {
        match self {
            Self::Source => embedded::versions("supply/source/kubernetes"),
        }
    }
}
