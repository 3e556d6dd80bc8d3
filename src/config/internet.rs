//! `network.internet`, and how nodes get there: proxies, and whom they trust.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fields::Section;
use super::free;
use super::load::users_file;
use super::raw::Marked;
use crate::pem::{self, CERTIFICATE};
use crate::problems::Problems;

/// What is said about the way out.
#[derive(Debug, Default)]
pub struct RawInternet {
    pub wanted: Option<Marked<bool>>,
    pub http: Option<Marked<String>>,
    pub https: Option<Marked<String>>,
    pub no_proxy: Vec<Marked<String>>,
    pub certificates: Option<Marked<String>>,
}

/// How nodes reach the internet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Internet {
    /// The proxy for `http://`, such as `http://proxy.example.com:3128`.
    pub http_proxy: Option<String>,
    /// The proxy for `https://`.
    pub https_proxy: Option<String>,
    /// What is reached without either, besides the lab itself: hosts, domains that begin with a dot, ranges.
    pub no_proxy: Vec<String>,
    /// Authorities that nodes trust besides those that everybody trusts: a file of the lab's folder.
    pub certificates: Option<PathBuf>,
}

/// Reads the keys of the way out in the section `network`.
pub fn read(network: &mut Section, problems: &mut Problems) -> RawInternet {
    let mut raw = RawInternet {
        wanted: network.truth("internet", problems),
        certificates: network.text("trustedCertificates", problems),
        ..RawInternet::default()
    };
    if let Some(mut proxy) = network.section("proxy", problems) {
        raw.http = proxy.text("http", problems);
        raw.https = proxy.text("https", problems);
        raw.no_proxy = free::words(&mut proxy, "noProxy", problems).unwrap_or_default();
    }
    raw
}

/// How a certificate begins in a PEM file (RFC 7468), and how it ends.
const BEGINS: &str = "-----BEGIN CERTIFICATE-----";
const ENDS: &str = "-----END CERTIFICATE-----";

/// Certificates in PEM, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificates(String);

impl Certificates {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// It can't be read, has no certificate, or has a private key.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let (name, bytes) = users_file(path)?;
        Self::new(&name, &bytes)
    }

    /// Checks the bytes of a file that the user knows as `file`.
    ///
    /// # Errors
    /// As [`Certificates::read`].
    pub fn new(file: &str, bytes: &[u8]) -> Result<Self, Problems> {
        let mut problems = Problems::new(file, "");
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        if text.contains("PRIVATE KEY-----") {
            problems.error(None, "has a private key in it", Some("nodes need the certificates alone".to_owned()));
        }
        let mut out = String::new();
        for (number, block) in text.split(BEGINS).skip(1).enumerate() {
            let one = block.split_once(ENDS).map(|(body, _)| [BEGINS, body, ENDS, "\n"].concat());
            match one.filter(|one| is_certificate(one)) {
                Some(one) => out.push_str(&one),
                None => problems.error(None, format!("its certificate number {} is damaged", number + 1), None),
            }
        }
        if out.is_empty() && !problems.has_errors() {
            let hint = format!("certificates in PEM, each between `{BEGINS}` and its end");
            problems.error(None, "has no certificate in it", Some(hint));
        }
        if problems.has_errors() { Err(problems) } else { Ok(Self(out)) }
    }

    /// The certificates, as programs read them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

fn is_certificate(text: &str) -> bool {
    pem::der(text, CERTIFICATE).is_ok_and(|der| x509_parser::parse_x509_certificate(&der).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        Certificates::new("ca.pem", text.as_bytes()).map_or_else(|problems| problems.to_string(), |_| String::new())
    }

    #[test]
    fn certificates_come_out_without_what_is_around_them() {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        let read = Certificates::new("ca.pem", format!("# mine\r\n{pem}\n# other\n{pem}").as_bytes()).unwrap();
        assert_eq!(read.text().matches(BEGINS).count(), 2);
        assert!(!read.text().contains('#') && !read.text().contains('\r'), "{}", read.text());
        let with_key = said(&format!("{pem}{}", key.serialize_pem()));
        assert!(with_key.contains("ca.pem: error: has a private key in it"), "{with_key}");
        let damaged = pem.replacen("MII", "NII", 1);
        assert!(said(&format!("{pem}{damaged}")).contains("its certificate number 2 is damaged"), "{damaged}");
        assert!(said("nothing").contains("has no certificate in it"));
    }
}
