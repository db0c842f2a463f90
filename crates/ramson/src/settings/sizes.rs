//! Amounts as people write them: `512 MiB`, `500 KB/s`.

use std::str::FromStr;

use serde::Deserialize;

/// Letters and what they stand for.
const UNITS: [(&str, u64); 7] =
    [("B", 1), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// Bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Size(pub(crate) u64);

/// Bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Rate(pub(crate) u64);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = bytes(text).ok_or_else(|| format!("{text:?} is no size, such as \"512 MiB\""))?;
        Ok(Self(bytes))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rate = text.strip_suffix("/s").and_then(bytes);
        Ok(Self(rate.ok_or_else(|| format!("{text:?} is no rate, such as \"500 KB/s\""))?))
    }
}

impl TryFrom<String> for Size {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// A whole number and a unit.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|letter: char| !letter.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_rates_have_units() {
        assert_eq!("512 MiB".parse(), Ok(Size(512 << 20)));
        assert_eq!("2GB".parse(), Ok(Size(2_000_000_000)));
        assert_eq!("500 KB/s".parse(), Ok(Rate(500_000)));
        for wrong in ["", "512", "MiB", "-1 MB", "1.5 GB", "1 TB", "99999999999 GB", "1 MB/s"] {
            assert!(wrong.parse::<Size>().unwrap_err().contains("512 MiB"), "{wrong}");
        }
        for wrong in ["500", "500 KB", "500 Kb/s", "fast"] {
            assert!(wrong.parse::<Rate>().unwrap_err().contains("500 KB/s"), "{wrong}");
        }
    }
}
