//! What the lock says of boxes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::provider::{FIRST, facts};

/// A role's box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedBox {
    /// Of the box files.
    pub sha256: Digests,
    /// The last part of its version, which grows with every box of other bytes: Vagrant takes the highest for the newest.
    pub serial: u64,
}

/// The SHA-256 of the box file for each provider by its name, hexadecimal: of every provider that there was a box for,
/// because Vagrant may have one of this version. A text alone is that of the provider [`FIRST`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Digests(BTreeMap<String, String>);

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Alone(String),
    Each(BTreeMap<String, String>),
}

/// The name of the one that is left out.
const ALONE: &str = facts(FIRST).name;

impl Digests {
    /// These digests by the names of their providers.
    #[must_use]
    pub fn new(digests: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(digests.into_iter().map(|(provider, sha256)| (provider.to_owned(), sha256)).collect())
    }

    /// These, and the others that were known before; `None` if one of these was another before.
    #[must_use]
    pub fn after(&self, before: &Self) -> Option<Self> {
        let other = |(provider, sha256): (&String, &String)| before.0.get(provider).is_some_and(|old| old != sha256);
        if self.0.iter().any(other) {
            return None;
        }
        Some(Self(
            before.0.iter().chain(&self.0).map(|(provider, sha256)| (provider.clone(), sha256.clone())).collect(),
        ))
    }
}

impl From<Written> for Digests {
    fn from(written: Written) -> Self {
        match written {
            Written::Alone(sha256) => Self::new([(ALONE, sha256)]),
            Written::Each(all) => Self(all),
        }
    }
}

impl From<Digests> for Written {
    fn from(Digests(mut all): Digests) -> Self {
        match (all.len(), all.remove(ALONE)) {
            (1, Some(sha256)) => Self::Alone(sha256),
            (_, Some(sha256)) => {
                all.insert(ALONE.to_owned(), sha256);
                Self::Each(all)
            }
            (_, None) => Self::Each(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_alone_is_libvirts() {
        let both = r#"{"libvirt":"a","virtualbox":"b"}"#;
        for text in [r#""a""#, both, r#"{"virtualbox":"b"}"#] {
            let digests: Digests = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&digests).unwrap(), text);
        }
        assert_eq!(serde_json::from_str::<Digests>(r#""a""#).unwrap(), Digests::new([("libvirt", "a".to_owned())]));
    }

    #[test]
    fn a_provider_more_or_less_is_no_other_box() {
        let digests = |text: &str| serde_json::from_str::<Digests>(text).unwrap();
        let (libvirt, both) = (digests(r#""a""#), digests(r#"{"libvirt":"a","virtualbox":"b"}"#));
        assert_eq!(both.after(&libvirt), Some(both.clone()));
        assert_eq!(libvirt.after(&both), Some(both.clone()));
        assert_eq!(digests(r#"{"virtualbox":"c"}"#).after(&both), None);
        assert_eq!(digests(r#""c""#).after(&libvirt), None);
    }
}
