//! Reading and writing of wire structures.
//!
//! [`Reader`] borrows its input and checks every length before it takes; nothing is allocated from a claimed length. A reader made by
//! [`Reader::shared`] hands out [`Bytes`] without copying. Encoding can't fail: constructors refuse what doesn't fit.

use std::fmt;

use bytes::Bytes;

/// What is wrong with bytes that don't decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The input ends before the field does.
    #[error("truncated")]
    Truncated,
    /// Bytes are left after a structure that must fill its input.
    #[error("trailing bytes")]
    Trailing,
    /// A value that the field may not have.
    #[error("invalid value")]
    Invalid,
    /// More than our limit, or than the specification's.
    #[error("over the limit")]
    TooLong,
    /// Well-formed, but of a type we don't implement where one is needed.
    #[error("unsupported")]
    Unsupported,
    /// A checksum doesn't match.
    #[error("wrong checksum")]
    Checksum,
    /// A compressed field doesn't inflate.
    #[error("bad compression")]
    Compression,
    /// A text isn't UTF-8 or not in its alphabet.
    #[error("bad text")]
    Text,
}

/// Why bytes don't decode: never holds any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} at byte {offset}: {kind}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Where, counted from the start of the input given to the outermost reader.
    pub offset: usize,
    /// Which field.
    pub field: &'static str,
}

impl DecodeError {
    /// An error without a useful offset.
    pub fn new(kind: DecodeErrorKind, field: &'static str) -> DecodeError {
        DecodeError { kind, offset: 0, field }
    }
}

/// A structure with one wire form.
pub trait Codec: Sized {
    /// Whether [`Codec::from_bytes`] ignores bytes after the structure: true for I2NP bodies, which later versions may extend; false
    /// for signed structures.
    const IGNORES_TRAILING: bool = false;

    /// Reads one structure and leaves the reader behind it.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Appends the wire form.
    fn encode(&self, w: &mut Writer);

    /// Length of the wire form in bytes.
    fn encoded_len(&self) -> usize;

    /// Decodes an input that holds this structure and nothing else (but see [`Codec::IGNORES_TRAILING`]).
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let value = Self::decode(&mut r)?;
        if !Self::IGNORES_TRAILING {
            r.finish()?;
        }
        Ok(value)
    }

    /// As [`Codec::from_bytes`], but `Bytes` fields share the input instead of copying it.
    fn from_shared(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::shared(bytes);
        let value = Self::decode(&mut r)?;
        if !Self::IGNORES_TRAILING {
            r.finish()?;
        }
        Ok(value)
    }

    /// The wire form.
    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(self.encoded_len());
        self.encode(&mut w);
        w.into_vec()
    }
}

/// A cursor over borrowed bytes. All integers are big-endian.
#[derive(Clone)]
pub struct Reader<'a> {
    data: &'a [u8],
    offset: usize,
    shared: Option<&'a Bytes>,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader(at {}, {} left)", self.offset, self.remaining())
    }
}

impl<'a> Reader<'a> {
    /// Reads from the start of `data`.
    pub fn new(data: &'a [u8]) -> Reader<'a> {
        Reader { data, offset: 0, shared: None }
    }

    /// Reads from the start of `data`; [`Reader::take_bytes`] then shares instead of copying.
    pub fn shared(data: &'a Bytes) -> Reader<'a> {
        Reader { data, offset: 0, shared: Some(data) }
    }

    /// The same place, but [`Reader::take_bytes`] copies: for small parts that outlive a large input.
    pub fn without_sharing(self) -> Reader<'a> {
        Reader { shared: None, ..self }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.data.len()
    }

    /// True when nothing is left.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Bytes read so far, counted from the start of the outermost input.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// An error at the present offset.
    pub fn error(&self, kind: DecodeErrorKind, field: &'static str) -> DecodeError {
        DecodeError { kind, offset: self.offset, field }
    }

    /// The bytes left, without taking them.
    pub fn peek(&self) -> &'a [u8] {
        self.data
    }

    /// Takes `n` bytes, or fails as `Truncated` and takes none.
    pub fn take(&mut self, n: usize, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.data.split_at_checked(n).ok_or_else(|| self.error(DecodeErrorKind::Truncated, field))?;
        self.data = tail;
        self.offset += n;
        Ok(head)
    }

    /// Takes `n` bytes as [`Bytes`]: shared if this reader came from [`Reader::shared`], else copied.
    pub fn take_bytes(&mut self, n: usize, field: &'static str) -> Result<Bytes, DecodeError> {
        let start = self.offset;
        let part = self.take(n, field)?;
        Ok(match self.shared {
            Some(all) if self.offset <= all.len() => all.slice(start..self.offset),
            _ => Bytes::copy_from_slice(part),
        })
    }

    /// Takes all bytes left as [`Bytes`].
    pub fn rest_bytes(&mut self) -> Bytes {
        let n = self.remaining();
        self.take_bytes(n, "rest").unwrap_or_default()
    }

    /// Takes an array.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.data.split_first_chunk::<N>().ok_or_else(|| self.error(DecodeErrorKind::Truncated, field))?;
        self.data = tail;
        self.offset += N;
        Ok(*head)
    }

    /// Takes `n` bytes as a reader that ends with them.
    pub fn sub(&mut self, n: usize, field: &'static str) -> Result<Reader<'a>, DecodeError> {
        let (offset, shared) = (self.offset, self.shared);
        Ok(Reader { data: self.take(n, field)?, offset, shared })
    }

    /// Takes all bytes left.
    pub fn rest(&mut self) -> &'a [u8] {
        self.offset += self.data.len();
        std::mem::take(&mut self.data)
    }

    /// Takes one byte.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let [byte] = self.array(field)?;
        Ok(byte)
    }

    /// Takes a 2-byte integer.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    /// Takes a 4-byte integer.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// Takes an 8-byte integer.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// Takes `n` bytes after an `n` of one byte.
    pub fn prefixed8(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let n = self.u8(field)?;
        self.take(usize::from(n), field)
    }

    /// Takes `n` bytes after an `n` of two bytes.
    pub fn prefixed16(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let n = self.u16(field)?;
        self.take(usize::from(n), field)
    }

    /// Fails as `Trailing` if bytes are left.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.data.is_empty() { Ok(()) } else { Err(self.error(DecodeErrorKind::Trailing, "end")) }
    }
}

/// Collects a wire form. All integers are big-endian.
#[derive(Clone, Default)]
pub struct Writer(Vec<u8>);

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writer({} bytes)", self.len())
    }
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// An empty writer with room for `n` bytes.
    pub fn with_capacity(n: usize) -> Writer {
        Writer(Vec::with_capacity(n))
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    /// Appends a 2-byte integer.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends a 4-byte integer.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends an 8-byte integer.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Appends `n` zero bytes.
    pub fn zeros(&mut self, n: usize) {
        self.0.resize(self.0.len().saturating_add(n), 0);
    }

    /// Appends a structure.
    pub fn put(&mut self, value: &impl Codec) {
        value.encode(self);
    }

    /// Appends a one-byte length and at most 255 bytes; callers keep to that limit, what is over it is cut off.
    pub fn prefixed8(&mut self, bytes: &[u8]) {
        let length = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
        self.u8(length);
        self.bytes(bytes.get(..usize::from(length)).unwrap_or(bytes));
    }

    /// Appends a two-byte length and at most 65535 bytes; callers keep to that limit, what is over it is cut off.
    pub fn prefixed16(&mut self, bytes: &[u8]) {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.u16(length);
        self.bytes(bytes.get(..usize::from(length)).unwrap_or(bytes));
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes written so far.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Writer {
    /// Goes on writing after `bytes`.
    fn from(bytes: Vec<u8>) -> Writer {
        Writer(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_checks_and_counts() {
        let mut r = Reader::new(&[1, 0, 2, 9, 9, 7]);
        assert_eq!(r.u8("a"), Ok(1));
        let mut sub = r.clone();
        assert_eq!(sub.prefixed16("b"), Ok(&[9, 9][..]));
        assert_eq!(sub.finish(), Err(DecodeError { kind: DecodeErrorKind::Trailing, offset: 5, field: "end" }));
        assert_eq!(r.u64("c"), Err(DecodeError { kind: DecodeErrorKind::Truncated, offset: 1, field: "c" }));
        assert_eq!(r.remaining(), 5);
        let mut inner = r.sub(2, "d").unwrap();
        assert_eq!(inner.take(3, "e").unwrap_err().offset, 1);
        assert_eq!(inner.rest(), &[0, 2]);
        assert_eq!(inner.offset(), 3);
    }

    #[test]
    fn shared_reader_shares() {
        let all = Bytes::from_static(&[1, 2, 3, 4]);
        let mut r = Reader::shared(&all);
        r.u8("a").unwrap();
        let mut sub = r.sub(2, "b").unwrap();
        let part = sub.rest_bytes();
        assert_eq!(part, &[2, 3][..]);
        assert_eq!(part.as_ptr(), all.as_ptr().wrapping_add(1));
    }
}
