//! Labels and taints of Kubernetes nodes: names and values that can never become code, refused by type.

use std::fmt;

use serde::Serialize;

use super::label::{Domain, MAX_LABEL};

/// The name of a label or a taint: `name` or `domain/name` (`IsQualifiedName` in
/// `k8s.io/apimachinery/pkg/util/validation`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct QualifiedName(String);

impl QualifiedName {
    /// Takes `text` if it is a qualified name.
    ///
    /// # Errors
    /// Says which rule it breaks; the text itself is not repeated.
    pub fn new(text: &str) -> Result<Self, String> {
        let (domain, name) = match text.split_once('/') {
            Some((domain, name)) => (Some(domain), name),
            None => (None, text),
        };
        if let Some(domain) = domain {
            Domain::new(domain).map_err(|why| format!("has before the `/` what is no domain: it {why}"))?;
        }
        if name.is_empty() {
            return Err("has no name".to_owned());
        }
        word(name)?;
        Ok(Self(text.to_owned()))
    }

    /// What stands before the `/`; empty when nothing does.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.split_once('/').map_or("", |(domain, _)| domain)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a label or a taint; it may be empty (`IsValidLabelValue`, at the same place).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LabelValue(String);

impl LabelValue {
    /// Takes `text` if it is the value of a label.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        if !text.is_empty() {
            word(text)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Letters, digits, `-`, `_` and `.`, a letter or digit first and last, at most 63.
fn word(text: &str) -> Result<(), String> {
    if text.len() > MAX_LABEL {
        return Err(format!("is {} bytes long; at most {MAX_LABEL} are allowed", text.len()));
    }
    if let Some(bad) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || "-_.".contains(*c))) {
        return Err(format!("has {bad:?} in it; only letters, digits, `-`, `_` and `.` are allowed"));
    }
    let edge = |c: char| !c.is_ascii_alphanumeric();
    if text.starts_with(edge) || text.ends_with(edge) {
        return Err("must begin and end with a letter or a digit".to_owned());
    }
    Ok(())
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Effect {
    /// They are not placed on the node.
    NoSchedule,
    /// They are placed elsewhere if they can be.
    PreferNoSchedule,
    /// They are not placed on the node, and leave it.
    NoExecute,
}

impl Effect {
    /// All, by their names in Kubernetes.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("NoSchedule", Self::NoSchedule),
        ("PreferNoSchedule", Self::PreferNoSchedule),
        ("NoExecute", Self::NoExecute),
    ];
}

/// A taint, as in Kubernetes' API (`core/v1 Taint`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Taint {
    /// Its name.
    pub key: QualifiedName,
    /// Its value, which may be empty.
    pub value: LabelValue,
    /// What it does.
    pub effect: Effect,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_kubernetes_takes_them() {
        for good in ["disk", "Disk_1.x", "example.com/disk", "a", "1", &format!("example.com/{}", "a".repeat(63))] {
            assert!(QualifiedName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a/b/c", "A.b/c", "-a", "a-", "a b", "a\n", "a,b", "a=b", "ä", "$(a)", "\"a", "{{a"]
        {
            assert!(QualifiedName::new(bad).is_err(), "{bad:?}");
        }
        assert!(QualifiedName::new(&"a".repeat(64)).is_err());
        assert_eq!(QualifiedName::new("example.com/a").unwrap().domain(), "example.com");
    }

    #[test]
    fn values_may_be_empty_and_never_code() {
        for good in ["", "ssd", "1", "a.B-c_d"] {
            assert!(LabelValue::new(good).is_ok(), "{good}");
        }
        for bad in ["a b", "a\"", "-", "a/b", "#{a}", "`a`", "a\0", &"a".repeat(64)] {
            assert!(LabelValue::new(bad).is_err(), "{bad:?}");
        }
    }
}
