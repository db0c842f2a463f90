//! One seed after the other.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// `A..B`, or one number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds(pub(super) RangeInclusive<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if first <= last => Ok(Self(first..=last)),
            _ => Err(format!("{text:?} isn't A..B, such as 1..10, with A no greater than B")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_in() {
        assert_eq!("1..10".parse(), Ok(Seeds(1..=10)));
        assert_eq!("7".parse(), Ok(Seeds(7..=7)));
        for bad in ["", "..", "1..", "..3", "2..1", "1...3", "-1..2", "a..b"] {
            assert!(bad.parse::<Seeds>().is_err(), "{bad}");
        }
    }
}
