//! Takes secrets out of text: whatever looks like a private key, and whatever is in the lab's private folder.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;

/// What stands in a secret's place.
const HIDDEN: &str = "[hidden by hab support]";

/// How a private key begins and ends in PEM (RFC 7468), whatever its kind.
const BEGIN: &str = "-----BEGIN ";
const KEY: &str = "PRIVATE KEY-----";
const END: &str = "-----END ";

/// The base64 of [`BEGIN`]: a kubeconfig has keys so.
const ENCODED: &str = "LS0tLS1CRUdJTi";

/// The shortest part of a secret that is looked for, in bytes. A password of hab's has 32, a line of PEM 64, and the last
/// line of a key can be shorter, but it never comes alone.
const SHORTEST: usize = 20;

/// The largest file that can be a secret: a key has some hundred bytes. Disks and backups are larger.
const LARGEST: u64 = 64 << 10;

/// The secrets of a lab, as they could stand in a text.
#[derive(Debug, Default)]
pub struct Secrets(BTreeSet<String>);

impl Secrets {
    /// Those in the private folder `private`, with everything below it; none where it is not there.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn of(private: &Path) -> Result<Self> {
        let (mut secrets, mut folders) = (Self::default(), vec![private.to_owned()]);
        while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() && entry.metadata()?.len() <= LARGEST {
                    secrets.learn(&entry.path())?;
                }
            }
        }
        Ok(secrets)
    }

    fn learn(&mut self, path: &Path) -> Result<()> {
        let Ok(text) = String::from_utf8(fs::read(path)?) else { return Ok(()) };
        let is_password = path.extension().is_some_and(|ending| ending == "password");
        if is_password {
            self.0.insert(text.trim().to_owned());
        }
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with(BEGIN) {
                inside = line.ends_with(KEY);
            } else if line.starts_with(END) {
                inside = false;
            } else if inside && line.len() >= SHORTEST {
                self.0.insert(line.to_owned());
            }
        }
        Ok(())
    }

    /// `text` without any secret, known or by its looks.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        let mut hidden = encoded(&pem(text));
        for secret in self.0.iter().filter(|secret| !secret.is_empty()) {
            if hidden.contains(secret.as_str()) {
                hidden = hidden.replace(secret.as_str(), HIDDEN);
            }
        }
        hidden
    }
}

/// Without keys in PEM. One that is cut off is hidden up to the end of the text.
fn pem(text: &str) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(BEGIN) {
        let head = &rest[at..];
        let is_key = head.find(KEY).is_some_and(|key| !head[BEGIN.len()..key].contains(['-', '\n']));
        if !is_key {
            result += &rest[..at + BEGIN.len()];
            rest = &head[BEGIN.len()..];
            continue;
        }
        result += &rest[..at];
        result += HIDDEN;
        let end = head.find(END).and_then(|end| Some(end + head[end..].find(KEY)? + KEY.len()));
        rest = end.map_or("", |end| &head[end..]);
    }
    result + rest
}

/// Without words that are a key's base64.
fn encoded(text: &str) -> String {
    let (mut result, mut rest) = (String::new(), text);
    while let Some(at) = rest.find(ENCODED) {
        let word = &rest[at..];
        let length = word.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).unwrap_or(word.len());
        // In whole groups of four, however it is cut off.
        let bytes = STANDARD.decode(&word[..length / 4 * 4]).unwrap_or_default();
        let is_key = String::from_utf8_lossy(&bytes).contains(KEY);
        result += &rest[..at];
        result += if is_key { HIDDEN } else { &word[..length] };
        rest = &word[length..];
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEM: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIBvP2example0example1example2example3exam\nAwEHoUQ=\n-----END EC PRIVATE KEY-----\n";
    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMIIBexample\n-----END CERTIFICATE-----\n";

    #[test]
    fn what_looks_like_a_key_is_hidden_and_a_certificate_is_not() {
        let none = Secrets::default();
        let text = format!("a\n{CERTIFICATE}{PEM}{CERTIFICATE}b\n");
        assert_eq!(none.hide(&text), format!("a\n{CERTIFICATE}{HIDDEN}\n{CERTIFICATE}b\n"));
        let (key, certificate) = (STANDARD.encode(PEM), STANDARD.encode(CERTIFICATE));
        assert_eq!(
            none.hide(&format!("k: \"{key}\"\nc: {certificate}\n")),
            format!("k: \"{HIDDEN}\"\nc: {certificate}\n")
        );
        // Also what is cut off, for what is cut is not yet harmless.
        assert_eq!(none.hide(&PEM[..60]), HIDDEN);
        assert_eq!(none.hide(&key[..80]), HIDDEN);
    }

    #[test]
    fn what_is_in_the_private_folder_is_hidden_without_looking_like_a_key() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("nodes/n")).unwrap();
        fs::write(dir.path().join("nodes/n/kubelet.pem"), [PEM, CERTIFICATE].concat()).unwrap();
        fs::write(dir.path().join("haproxy-stats.password"), "0123456789abcdef0123456789abcdef\n").unwrap();
        fs::write(dir.path().join("disk"), vec![0xff; 100]).unwrap();
        let secrets = Secrets::of(dir.path()).unwrap();
        let body = PEM.lines().nth(1).unwrap();
        let said = secrets.hide(&format!("x {body} y 0123456789abcdef0123456789abcdef z MIIBexample"));
        assert_eq!(said, format!("x {HIDDEN} y {HIDDEN} z MIIBexample"));
        assert_eq!(Secrets::of(&dir.path().join("none")).unwrap().hide(body), body);
    }
}
