//! [`Mapping`]: sorted texts by name, the options of many structures.

use std::collections::BTreeMap;
use std::fmt;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};

/// Most pairs read; no structure in use has more than a few dozen.
pub const MAX_PAIRS: usize = 256;

/// Names and values, at most 255 bytes each:
/// size 2 · pairs of (length 1 · name · `=` · length 1 · value · `;`). The size counts what follows it.
///
/// Sorted by name when written; read in any order, as older routers write them. Errors: `Truncated`, `Invalid` for wrong separators or
/// a name given twice (Java I2P refuses those too), `Text` for other than UTF-8, `TooLong` over [`MAX_PAIRS`].
/// Source: Common structures, "Mapping".
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    pairs: BTreeMap<String, String>,
}

/// A pair that a [`Mapping`] can't hold: name or value over 255 bytes, or the mapping full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name or value over 255 bytes, or too many pairs")]
pub struct DoesNotFit;

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} pairs)", self.pairs.len())
    }
}

impl Mapping {
    /// An empty mapping.
    pub fn new() -> Mapping {
        Mapping::default()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// Sets a name's value. Errors: [`DoesNotFit`].
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), DoesNotFit> {
        let fits = name.len() <= 255 && value.len() <= 255;
        let has_room = self.pairs.len() < MAX_PAIRS || self.pairs.contains_key(name);
        if !fits || !has_room || self.content_len() + pair_len(name, value) > usize::from(u16::MAX) {
            return Err(DoesNotFit);
        }
        self.pairs.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &str) {
        self.pairs.remove(name);
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// True without pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn content_len(&self) -> usize {
        self.iter().map(|(name, value)| pair_len(name, value)).sum()
    }
}

fn pair_len(name: &str, value: &str) -> usize {
    name.len() + value.len() + 4
}

/// Reads a text of at most 255 bytes after its length. Source: Common structures, "String".
pub(crate) fn text<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<&'a str, DecodeError> {
    let at = r.clone();
    std::str::from_utf8(r.prefixed8(field)?).map_err(|_| at.error(DecodeErrorKind::Text, field))
}

impl Codec for Mapping {
    fn decode(r: &mut Reader<'_>) -> Result<Mapping, DecodeError> {
        let size = r.u16("Mapping size")?;
        let mut r = r.sub(usize::from(size), "Mapping")?;
        let mut pairs = BTreeMap::new();
        while !r.is_empty() {
            if pairs.len() >= MAX_PAIRS {
                return Err(r.error(DecodeErrorKind::TooLong, "Mapping"));
            }
            let name = text(&mut r, "Mapping name")?;
            let equals = r.u8("Mapping separator")?;
            let value = text(&mut r, "Mapping value")?;
            let semicolon = r.u8("Mapping separator")?;
            let known = pairs.insert(name.to_owned(), value.to_owned()).is_some();
            if known || (equals, semicolon) != (b'=', b';') {
                return Err(r.error(DecodeErrorKind::Invalid, "Mapping"));
            }
        }
        Ok(Mapping { pairs })
    }

    fn encode(&self, w: &mut Writer) {
        w.u16(u16::try_from(self.content_len()).unwrap_or(u16::MAX));
        for (name, value) in self.iter() {
            w.prefixed8(name.as_bytes());
            w.u8(b'=');
            w.prefixed8(value.as_bytes());
            w.u8(b';');
        }
    }

    fn encoded_len(&self) -> usize {
        2 + self.content_len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_on_write_and_reads_any_order() {
        let unsorted = b"\0\x0c\x01b=\x011;\x01a=\x012;";
        let mapping = Mapping::from_bytes(unsorted).unwrap();
        assert_eq!(mapping.get("b"), Some("1"));
        assert_eq!(mapping.to_bytes(), b"\0\x0c\x01a=\x012;\x01b=\x011;");
        assert_eq!(Mapping::from_bytes(&[0, 0]).unwrap(), Mapping::new());
    }

    #[test]
    fn refuses_what_is_malformed() {
        for bytes in [
            &b"\0\x0c\x01a=\x011;\x01a=\x012;"[..],
            b"\0\x06\x01a:\x012;",
            b"\0\x06\x01a=\x012,",
            b"\0\x06\x01a=\x09",
            b"\0",
            b"\0\x06\x01\xff=\x012;",
        ] {
            assert!(Mapping::from_bytes(bytes).is_err());
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let mut mapping = Mapping::new();
        assert_eq!(mapping.insert("a", &"x".repeat(256)), Err(DoesNotFit));
        for n in 0..MAX_PAIRS {
            let fits = mapping.insert(&n.to_string(), &"x".repeat(240)).is_ok();
            assert!(fits);
        }
        assert_eq!(mapping.insert("more", ""), Err(DoesNotFit));
        assert_eq!(Mapping::from_bytes(&mapping.to_bytes()), Ok(mapping));
    }
}
