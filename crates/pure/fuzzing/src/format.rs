//! The harness of a decoder.

use bytes::Bytes;
use ramson_wire::Codec;

/// A wire form and what must hold of it. The parts are functions, so that a test can put a fault in one of them and leave
/// the harness as it is.
pub struct Format<T> {
    /// Reads a whole input.
    pub decode: fn(&[u8]) -> Option<T>,
    /// Writes a value.
    pub encode: fn(&T) -> Vec<u8>,
    /// Whether two values are the same.
    pub same: fn(&T, &T) -> bool,
    /// How long [`Format::encode`] says the wire form is, or at most is.
    pub len: fn(&T) -> Length,
    /// Whether a value comes back as the bytes that it was read from; those may have more behind them.
    pub exact: bool,
    /// What else is true of a value, given its bytes.
    pub holds: fn(&[u8], &T),
}

/// A promised length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// So long.
    Exactly(usize),
    /// Not longer.
    AtMost(usize),
    /// Nothing is promised.
    Any,
}

impl<T: Codec + PartialEq> Format<T> {
    /// The format of a [`Codec`], which reads the same from shared bytes.
    pub const fn codec(exact: bool) -> Self {
        Self {
            decode: |bytes| T::from_bytes(bytes).ok(),
            encode: T::to_bytes,
            same: T::eq,
            len: |value| Length::Exactly(value.encoded_len()),
            exact,
            holds: |bytes, value| {
                let shared = T::from_shared(&Bytes::copy_from_slice(bytes));
                assert_eq!(shared.ok().map(|shared| shared.to_bytes()), Some(value.to_bytes()), "shared bytes read otherwise");
            },
        }
    }
}

impl<T> Format<T> {
    /// Reads `data`; if that is accepted, what holds of the format holds of it. Gives what was read.
    pub fn check(&self, data: &[u8]) -> Option<T> {
        let value = (self.decode)(data)?;
        (self.holds)(data, &value);
        let once = (self.encode)(&value);
        match (self.len)(&value) {
            Length::Exactly(len) => assert_eq!(once.len(), len, "another length than promised"),
            Length::AtMost(len) => assert!(once.len() <= len, "{} bytes where {len} were promised", once.len()),
            Length::Any => {}
        }
        if self.exact {
            assert!(data.starts_with(&once), "the value comes back as other bytes");
        }
        let again = (self.decode)(&once).expect("what was written can be read");
        assert!((self.same)(&again, &value), "another value comes back");
        assert_eq!((self.encode)(&again), once, "written otherwise the second time");
        Some(value)
    }
}
