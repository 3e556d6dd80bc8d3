//! The file a node's certificates and keys are kept in: one per node, so a thousand nodes are a thousand small files
//! and not six thousand, and a node's set changes as a whole.
//!
//! Plain PEM with a line `# <what>` before each pair; `openssl` reads it and skips those lines.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};

use super::secret::Secret;
use crate::pem::{CERTIFICATE, PRIVATE_KEY};

/// A certificate and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS #8.
    pub key: Secret,
}

/// The pairs of one file by name, in the file's order.
pub(super) type Pairs = Vec<(String, Pair)>;

/// Writes pairs as a file.
pub(super) fn print(pairs: &Pairs) -> Secret {
    let mut text = String::new();
    for (name, pair) in pairs {
        // Writing to a String can't go wrong.
        let _ = write!(text, "# {name}\n{}{}", pair.certificate, pair.key.reveal());
    }
    Secret::new(text)
}

/// Reads what [`print`] wrote, and nothing else.
pub(super) fn parse(text: &str) -> Result<Pairs> {
    let mut pairs = Pairs::new();
    let mut rest = text;
    ensure!(!rest.is_empty(), "it is empty");
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').context("it is cut short")?;
        let name = line.strip_prefix("# ").context("it has a line in it that hab did not write")?;
        ensure!(pairs.iter().all(|(known, _)| known != name), "it has two entries `{name}`");
        let (certificate, after) = block(after, CERTIFICATE).with_context(|| format!("`{name}` has no certificate"))?;
        let (key, after) =
            block(after, PRIVATE_KEY).with_context(|| format!("`{name}` has a certificate but no whole key"))?;
        pairs.push((name.to_owned(), Pair { certificate: certificate.to_owned(), key: Secret::new(key.to_owned()) }));
        rest = after;
    }
    Ok(pairs)
}

/// The PEM block that `text` begins with, its lines kept, and what follows it.
fn block<'a>(text: &'a str, label: &str) -> Option<(&'a str, &'a str)> {
    let end = format!("-----END {label}-----\n");
    if !text.starts_with(&format!("-----BEGIN {label}-----\n")) {
        return None;
    }
    let length = text.find(&end)? + end.len();
    Some(text.split_at(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(text: &str) -> Pair {
        Pair {
            certificate: format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"),
            key: Secret::new(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")),
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        let pairs = vec![("a".to_owned(), pair("AAAA")), ("etcd/b".to_owned(), pair("BBBB"))];
        assert_eq!(parse(print(&pairs).reveal()).unwrap(), pairs);
    }

    #[test]
    fn every_cut_and_every_changed_line_is_noticed() {
        let whole = print(&vec![("a".to_owned(), pair("AAAA")), ("b".to_owned(), pair("BBBB"))]);
        let whole = whole.reveal();
        let half = whole.find("# b").unwrap();
        for length in (0..whole.len()).filter(|length| *length != half) {
            assert!(parse(&whole[..length]).is_err(), "{length}");
        }
        assert!(parse(&whole.replace("# b", "# a")).is_err());
        assert!(parse(&whole.replace("# b", "b")).is_err());
    }
}
