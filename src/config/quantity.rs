//! Amounts as Kubernetes writes them: `100m` processors, `70Mi` of memory.

use std::fmt;

use serde::Serialize;

/// Suffixes with their factors in thousandths: those of `k8s.io/apimachinery/pkg/api/resource` that a lab can need.
const SUFFIXES: [(&str, u128); 10] = [
    ("Ki", 1000 << 10),
    ("Mi", 1000 << 20),
    ("Gi", 1000 << 30),
    ("Ti", 1000 << 40),
    ("k", 1000 * 1000),
    ("M", 1000 * 1000 * 1000),
    ("G", 1000 * 1000 * 1000 * 1000),
    ("T", 1000 * 1000 * 1000 * 1000 * 1000),
    ("m", 1),
    ("", 1000),
];

/// The most digits that are read: with the largest suffix they still fit.
const MAX_DIGITS: usize = 15;

/// An amount, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity {
    text: String,
    #[serde(skip)]
    thousandths: u128,
}

impl Quantity {
    /// Takes `text` if it is an amount.
    ///
    /// # Errors
    /// Says what an amount is; the text itself is not repeated.
    pub fn new(text: &str) -> Result<Self, String> {
        let wrong = || "must be an amount such as 100m, 2, 70Mi or 1Gi".to_owned();
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (_, factor) = SUFFIXES.iter().find(|(name, _)| *name == suffix).ok_or_else(wrong)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || fraction.is_empty() || fraction.contains('.') || digits.len() > MAX_DIGITS {
            return Err(wrong());
        }
        let value: u128 = digits.parse().map_err(|_| wrong())?;
        let places = u32::try_from(fraction.len()).map_err(|_| wrong())?;
        Ok(Self { text: text.to_owned(), thousandths: value * factor / 10_u128.pow(places) })
    }

    /// The amount in thousandths: of a processor, of a byte.
    #[must_use]
    pub const fn thousandths(&self) -> u128 {
        self.thousandths
    }

    /// Whether it is written with the suffix for thousandths.
    #[must_use]
    pub fn is_milli(&self) -> bool {
        self.text.ends_with('m')
    }
}

impl fmt::Display for Quantity {
    /// As YAML: a number is quoted, so that it stays what was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.ends_with(|c: char| c.is_ascii_alphabetic()) {
            f.write_str(&self.text)
        } else {
            write!(f, "\"{}\"", self.text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_as_kubernetes_takes_them() {
        let of = |text: &str| Quantity::new(text).unwrap().thousandths();
        assert_eq!(
            ["100m", "2", "0.5", "1k", "1Ki", "1.5Gi"].map(of),
            [100, 2000, 500, 1_000_000, 1_024_000, 1536 * 1_024_000 * 1024]
        );
        for bad in ["", "m", "1 Gi", "-1", "1mi", "1GB", "1e3", "1.", ".5", "1.2.3", "1\n", "9999999999999999"] {
            assert!(Quantity::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(["100m", "2"].map(|text| Quantity::new(text).unwrap().to_string()), ["100m", "\"2\""]);
    }
}
