//! The cluster's programs in the lock: what they are made of, and what came out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Deb;
use crate::kinds;

/// Everything that decides the bytes of a role's programs and images, by the kind of supply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Supply {
    /// Built from source.
    Source(Source),
    /// Built by its publishers.
    Upstream(Releases),
}

impl Supply {
    /// Which one it is.
    #[must_use]
    pub fn kind(&self) -> kinds::Supply {
        match self {
            Self::Source(_) => kinds::Supply::Source,
            Self::Upstream(_) => kinds::Supply::Upstream,
        }
    }

    /// The packages of Debian's programs, with all they depend on.
    #[must_use]
    pub fn debs(&self) -> &[Deb] {
        match self {
            Self::Source(source) => &source.debs,
            Self::Upstream(releases) => &releases.debs,
        }
    }

    /// The same, to be changed.
    pub const fn debs_mut(&mut self) -> &mut Vec<Deb> {
        match self {
            Self::Source(source) => &mut source.debs,
            Self::Upstream(releases) => &mut releases.debs,
        }
    }

    /// What the first build made of all this.
    #[must_use]
    pub fn built(&self) -> Option<&Built> {
        match self {
            Self::Source(source) => source.built.as_ref(),
            Self::Upstream(releases) => releases.built.as_ref(),
        }
    }

    /// Writes down what was made of all this, or that it is not known.
    pub fn set_built(&mut self, built: Option<Built>) {
        match self {
            Self::Source(source) => source.built = built,
            Self::Upstream(releases) => releases.built = built,
        }
    }

    /// The Go modules that it is built from, and what was made of all.
    pub fn of_modules(&mut self) -> (&mut BTreeMap<String, Upstream>, &mut Option<Built>) {
        match self {
            Self::Source(source) => (&mut source.upstreams, &mut source.built),
            Self::Upstream(releases) => (&mut releases.modules, &mut releases.built),
        }
    }

    /// What was built of this, if `new` is built from the same.
    #[must_use]
    pub fn still_built(&self, new: &Self) -> Option<Built> {
        let mut plain = [self.clone(), new.clone()];
        for supply in &mut plain {
            supply.set_built(None);
        }
        self.built().cloned().filter(|_| plain[0] == plain[1])
    }
}

/// What is built from source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The Go toolchain, such as `go1.26.8`. Go itself fetches it as a module, checked against Go's checksum database,
    /// where the host has another (<https://go.dev/doc/toolchain>).
    pub go: String,
    /// What Go builds from, by the name of its folder.
    pub upstreams: BTreeMap<String, Upstream>,
    /// The packages of Debian's programs, with all they depend on.
    pub debs: Vec<Deb>,
    /// What the first build made of all this; every later one must make the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
}

/// What the publishers built, and what they did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Releases {
    /// The files of each release, by its name.
    pub files: BTreeMap<String, Vec<ReleaseFile>>,
    /// What is built from Go modules all the same, by the name of its folder.
    pub modules: BTreeMap<String, Upstream>,
    /// The packages of Debian's programs, with all they depend on.
    pub debs: Vec<Deb>,
    /// What the first build made of all this; every later one must make the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built: Option<Built>,
}

/// A file of a release, as its publisher's list of digests had it on the day that the lock was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleaseFile {
    /// Its publisher's address of it; a mirror is the machine's affair.
    pub url: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// A Go module and all it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The module's path.
    pub module: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of a list, as sha256sum(1) prints it, of the files that hab brings for it: go.sum, which has the checksum of
    /// every module that goes in, and hab's own sources.
    #[serde(alias = "go_sum")]
    pub files: String,
}

/// What was built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Built {
    /// The SHA-256 of every program, by its name on the node.
    pub programs: BTreeMap<String, String>,
    /// The digest of every container image, by its full name.
    pub images: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_built_counts_for_what_is_built_from_the_same() {
        let source = |go: &str, built| {
            Supply::Source(Source { go: go.into(), upstreams: BTreeMap::new(), debs: Vec::new(), built })
        };
        let (plain, built) = (source("go1", None), source("go1", Some(Built::default())));
        assert_eq!(built.still_built(&plain), Some(Built::default()));
        assert_eq!(built.still_built(&source("go2", None)), None);
        assert_eq!(plain.still_built(&plain), None);
        let (files, modules) = (BTreeMap::new(), BTreeMap::new());
        let other = Supply::Upstream(Releases { files, modules, debs: Vec::new(), built: None });
        assert_eq!(built.still_built(&other), None);
    }
}
