//! One block in PEM (RFC 7468).

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The label of a certificate (RFC 7468, section 5).
pub const CERTIFICATE: &str = "CERTIFICATE";
/// The label of a private key in PKCS #8 (RFC 7468, section 10).
pub const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The bytes in a text that is one block with this label and nothing else: what goes out is what was checked.
///
/// # Errors
/// It is not, or what is in it is not base64.
pub fn der(text: &str, label: &str) -> Result<Vec<u8>> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let inside = text
        .trim()
        .strip_prefix(&begin)
        .and_then(|rest| rest.strip_suffix(&end))
        .filter(|inside| !inside.contains("-----"))
        .with_context(|| format!("it is not one whole {label} in PEM form and nothing else"))?;
    let packed = Zeroizing::new(inside.split_ascii_whitespace().collect::<String>());
    match STANDARD.decode(packed.as_str()) {
        Ok(bytes) => Ok(bytes),
        // The cause would show characters of a key.
        Err(_) => bail!("the {label} in it is not base64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_needs_its_own_label_and_base64() {
        let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(der(certificate, CERTIFICATE).unwrap(), [0, 0, 0]);
        assert!(der(certificate, PRIVATE_KEY).is_err());
        assert!(der(&certificate.repeat(2), CERTIFICATE).is_err());
        assert!(der(&certificate.replace("AAAA", "A*AA"), CERTIFICATE).is_err());
    }
}
