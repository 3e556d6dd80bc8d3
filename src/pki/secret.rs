//! Text that must not be seen: not in a log, not in an error. This copy of it is wiped when it is dropped; those that
//! became a file, JSON or a part of a TLS client are not.

use std::fmt;

use zeroize::Zeroizing;

/// A private key or a file with one in it. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Whoever asks writes it to a file of mode 0600 or hands it to TLS, nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Some(Secret::new("key".to_owned()))), "Some(***)");
    }
}
