//! The name of a cache entry: a digest of everything that decides its bytes.

use sha2::{Digest as _, Sha256};

use crate::digest::hex;

/// How many hexadecimal digits of the SHA-256 name an entry: 128 bits, far beyond an accident.
const DIGITS: usize = 32;

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key as text, safe as a file name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Collects inputs in order; each is framed with its name and length, so no two lists give the same bytes.
#[derive(Debug, Clone, Default)]
pub struct KeyBuilder(Sha256);

impl KeyBuilder {
    /// No inputs yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one input.
    #[must_use]
    pub fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        for part in [name.as_bytes(), value.as_ref()] {
            self.0.update((part.len() as u64).to_le_bytes());
            self.0.update(part);
        }
        self
    }

    /// Adds several inputs of one name, in their order.
    #[must_use]
    pub fn add_all<V: AsRef<[u8]>>(self, name: &str, values: impl IntoIterator<Item = V>) -> Self {
        values.into_iter().fold(self, |key, value| key.add(name, value))
    }

    /// The key of what was added.
    #[must_use]
    pub fn key(self) -> Key {
        let mut text = hex(&self.0.finalize());
        text.truncate(DIGITS);
        Key(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_framed() {
        let one = KeyBuilder::new().add("a", "bc").key();
        assert_ne!(one, KeyBuilder::new().add("ab", "c").key());
        assert_eq!(one, KeyBuilder::new().add_all("a", ["bc"]).key());
        assert_eq!(one.as_str().len(), DIGITS);
    }
}
