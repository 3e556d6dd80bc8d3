//! The parts of a cluster in the lock: what they are made of, and what came out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Deb;

/// Everything that decides the bytes of a role's programs and images, by the kind of supply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Supply {
    /// Built from source.
    Source(Source),
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

impl Source {
    /// What was built of this, if `new` is built from the same.
    #[must_use]
    pub fn still_built(&self, new: &Self) -> Option<Built> {
        let same = (&self.go, &self.upstreams, &self.debs) == (&new.go, &new.upstreams, &new.debs);
        self.built.clone().filter(|_| same)
    }
}

/// A Go module and all it needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// The module's path.
    pub module: String,
    /// Its version.
    pub version: String,
    /// The SHA-256 of go.sum, which in turn has the checksum of every module that goes in.
    pub go_sum: String,
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
        let plain = Source { go: "go1".into(), upstreams: BTreeMap::new(), debs: Vec::new(), built: None };
        let built = Source { built: Some(Built::default()), ..plain.clone() };
        assert_eq!(built.still_built(&plain), Some(Built::default()));
        assert_eq!(built.still_built(&Source { go: "go2".into(), ..plain.clone() }), None);
        assert_eq!(plain.still_built(&plain), None);
    }
}
