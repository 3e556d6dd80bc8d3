//! Names that can never become code: RFC 1123 labels and domains, refused by type.

use serde::Serialize;
use std::fmt;

/// The longest label DNS allows (RFC 1035, section 2.3.4).
pub const MAX_LABEL: usize = 63;

/// The longest domain name in its text form (RFC 1035, section 2.3.4, less the length octets).
pub const MAX_DOMAIN: usize = 253;

/// An RFC 1123 label: lower-case letters, digits and hyphens, neither first nor last a hyphen, at most 63 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    /// Takes `text` if it is a label.
    ///
    /// # Errors
    /// Says which rule it breaks; the text itself is not repeated.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        if text.len() > MAX_LABEL {
            return Err(format!("is {} bytes long; at most {MAX_LABEL} are allowed", text.len()));
        }
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(format!("has {bad:?} in it; only a-z, 0-9 and `-` are allowed"));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err("begins or ends with `-`".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// The label most like `text`: lower case, and a hyphen for whatever has no place in a label.
    #[must_use]
    pub fn from_any(text: &str) -> Self {
        let mut label = String::new();
        for c in text.chars().map(|c| c.to_ascii_lowercase()) {
            match c {
                'a'..='z' | '0'..='9' => label.push(c),
                _ if label.ends_with('-') || label.is_empty() => {}
                _ => label.push('-'),
            }
        }
        label.truncate(MAX_LABEL);
        let label = label.trim_end_matches('-');
        Self(if label.is_empty() { "lab".to_owned() } else { label.to_owned() })
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A DNS domain: labels joined by dots, at most 253 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Domain(String);

impl Domain {
    /// Takes `text` if it is a domain.
    ///
    /// # Errors
    /// Says which rule it breaks.
    pub fn new(text: &str) -> Result<Self, String> {
        if text.len() > MAX_DOMAIN {
            return Err(format!("is {} bytes long; at most {MAX_DOMAIN} are allowed", text.len()));
        }
        for part in text.split('.') {
            Label::new(part).map_err(|why| format!("has a part that {why}"))?;
        }
        Ok(Self(text.to_owned()))
    }

    /// The domain as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_field_are_taken() {
        let longest = "a".repeat(63);
        for good in ["demo", "kube-master", "a", "0", longest.as_str()] {
            assert!(Label::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn text_that_could_be_code_is_refused() {
        let long = "a".repeat(64);
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a.b",
            "a_b",
            "#{`id`}",
            "$(id)",
            "`id`",
            "a\nb",
            "a\0b",
            "a\"b",
            "a'b",
            "a\\b",
            "а",
            "a b",
            "../a",
            long.as_str(),
        ] {
            assert!(Label::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn any_text_can_be_made_a_label() {
        for (text, label) in [("My Lab!", "my-lab"), ("--", "lab"), ("", "lab"), ("a_b.c", "a-b-c"), ("Übung", "bung")]
        {
            assert_eq!(Label::from_any(text).as_str(), label);
        }
        let long = Label::from_any(&"ab ".repeat(100));
        assert!(Label::new(long.as_str()).is_ok());
    }

    #[test]
    fn a_domain_is_labels_with_dots() {
        assert!(Domain::new("cluster.local").is_ok());
        for bad in ["", ".", "a..b", "a.", "A.b", "a b.c"] {
            assert!(Domain::new(bad).is_err(), "{bad:?}");
        }
    }
}
