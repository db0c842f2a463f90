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
    /// Name and value of each pair, one after the other, sorted by name: a netDb holds tens of thousands of mappings.
    text: Box<str>,
    ends: Box<[Ends]>,
}

/// Where a pair's texts end; they begin where the last one ended. As the content of a mapping, `text` is shorter than 64 KiB.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Ends {
    name: u16,
    value: u16,
}

/// A pair that a [`Mapping`] can't hold: name or value over 255 bytes, or the mapping full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("name or value over 255 bytes, or too many pairs")]
pub struct DoesNotFit;

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} pairs)", self.len())
    }
}

impl Mapping {
    /// An empty mapping.
    pub fn new() -> Mapping {
        Mapping::default()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Sets a name's value. Errors: [`DoesNotFit`].
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), DoesNotFit> {
        if name.len() > 255 || value.len() > 255 {
            return Err(DoesNotFit);
        }
        let mut pairs: BTreeMap<&str, &str> = self.iter().collect();
        pairs.insert(name, value);
        let length: usize = pairs.iter().map(|(name, value)| pair_len(name, value)).sum();
        if pairs.len() > MAX_PAIRS || length > usize::from(u16::MAX) {
            return Err(DoesNotFit);
        }
        *self = Mapping::pack(&pairs);
        Ok(())
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &str) {
        *self = Mapping::pack(&self.iter().filter(|(known, _)| *known != name).collect());
    }

    /// All pairs, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |ends| {
            let (name, value) = (usize::from(ends.name), usize::from(ends.value));
            let pair = (self.text.get(begin..name).unwrap_or_default(), self.text.get(name..value).unwrap_or_default());
            begin = value;
            pair
        })
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without pairs.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Memory beside the value itself.
    pub(crate) fn held_bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.ends)
    }

    /// Of pairs whose content is at most 64 KiB.
    fn pack(pairs: &BTreeMap<&str, &str>) -> Mapping {
        let mut text = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len()).sum());
        let mut ends = Vec::with_capacity(pairs.len());
        let end = |text: &String| u16::try_from(text.len()).unwrap_or(u16::MAX);
        for (name, value) in pairs {
            text.push_str(name);
            let name = end(&text);
            text.push_str(value);
            ends.push(Ends { name, value: end(&text) });
        }
        Mapping { text: text.into_boxed_str(), ends: ends.into_boxed_slice() }
    }

    fn content_len(&self) -> usize {
        self.text.len() + 4 * self.ends.len()
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
            let known = pairs.insert(name, value).is_some();
            if known || (equals, semicolon) != (b'=', b';') {
                return Err(r.error(DecodeErrorKind::Invalid, "Mapping"));
            }
        }
        Ok(Mapping::pack(&pairs))
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
