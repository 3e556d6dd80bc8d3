//! The kinds that a lab is put together from: what a user writes in hab.yaml, and what it stands for in the code.

use serde::Serialize;

use crate::embedded;

/// The operating system a box starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Base {
    /// Debian trixie with the real Ignition, built by hab.
    Debian,
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
    pub const ALL: &'static [(&'static str, Self)] = &[("debian", Self::Debian)];
}

impl Provider {
    /// All, by their names in hab.yaml.
    pub const ALL: &'static [(&'static str, Self)] = &[("libvirt", Self::Libvirt), ("virtualbox", Self::Virtualbox)];
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
