//! I2NP messages: header forms and the typed bodies.

use std::fmt;

use bytes::Bytes;
use ramson_crypto::sha256;

use crate::codec::{DecodeError, DecodeErrorKind, Reader, Writer};
use crate::ids::MessageId;
use crate::time::{Date, Seconds32};

mod build;
mod lookup;
mod small;
mod store;

pub use build::{BUILD_RECORD_LEN, MAX_BUILD_RECORDS, SHORT_RECORD_LEN, ShortBuild, VariableBuild};
pub use lookup::{DatabaseLookup, DatabaseSearchReply, LookupKind, MAX_EXCLUDED, ReplyKey};
pub use small::{Data, DeliveryStatus, Garlic, TUNNEL_DATA_LEN, TunnelData, TunnelGateway};
pub use store::{DatabaseStore, StoreEntry, StoreReply};

/// Length of the header inside tunnels.
pub const LONG_HEADER_LEN: usize = 16;
/// Length of the header in transports and ratchet cloves.
pub const SHORT_HEADER_LEN: usize = 9;
/// Longest body that i2pd takes; stay below it.
pub const MAX_BODY_LEN: usize = 62_708;

/// Type of a message, 1 byte; unknown ones are kept. Source: I2NP, "Message types".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKind(pub u8);

#[allow(missing_docs, reason = "names of the specification")]
impl MessageKind {
    pub const DATABASE_STORE: MessageKind = MessageKind(1);
    pub const DATABASE_LOOKUP: MessageKind = MessageKind(2);
    pub const DATABASE_SEARCH_REPLY: MessageKind = MessageKind(3);
    pub const DELIVERY_STATUS: MessageKind = MessageKind(10);
    pub const GARLIC: MessageKind = MessageKind(11);
    pub const TUNNEL_DATA: MessageKind = MessageKind(18);
    pub const TUNNEL_GATEWAY: MessageKind = MessageKind(19);
    pub const DATA: MessageKind = MessageKind(20);
    pub const TUNNEL_BUILD: MessageKind = MessageKind(21);
    pub const TUNNEL_BUILD_REPLY: MessageKind = MessageKind(22);
    pub const VARIABLE_TUNNEL_BUILD: MessageKind = MessageKind(23);
    pub const VARIABLE_TUNNEL_BUILD_REPLY: MessageKind = MessageKind(24);
    pub const SHORT_TUNNEL_BUILD: MessageKind = MessageKind(25);
    pub const OUTBOUND_TUNNEL_BUILD_REPLY: MessageKind = MessageKind(26);
}

/// A message with its body undecoded. Two header forms:
///
/// - long, 16 bytes, inside tunnels: type 1 · id 4 · expiration 8 (ms) · size 2 · checksum 1 (first byte of the body's SHA-256);
/// - short, 9 bytes, in transports and ratchet cloves: type 1 · id 4 · expiration 4 (s). The body goes to the end of its block.
///
/// Errors: `Truncated`, `Checksum`. The checksum of the long form is checked, as Java I2P does; i2pd and emissary don't check it. i2pd clears
/// it in the memory of a message that came from a transport, but every long header it puts on the wire was filled by the message's
/// creator, so none is wrong there. Bytes after the size of a long form are ignored.
/// Source: I2NP, "Common I2NP header", "Short header".
#[derive(Clone, PartialEq, Eq)]
pub struct I2npMessage {
    /// Type of the body.
    pub kind: MessageKind,
    /// Random, new for each message.
    pub id: MessageId,
    /// After this it is dropped; whole seconds in the short form.
    pub expiration: Date,
    /// Undecoded body; at most [`MAX_BODY_LEN`] bytes.
    pub body: Bytes,
}

impl fmt::Debug for I2npMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I2npMessage(type {}, {} bytes)", self.kind.0, self.body.len())
    }
}

impl I2npMessage {
    /// A message. The caller keeps `body` to [`MAX_BODY_LEN`]; what a long header can't count (over 65535) would be cut off there.
    pub fn new(kind: MessageKind, id: MessageId, expiration: Date, body: impl Into<Bytes>) -> I2npMessage {
        I2npMessage { kind, id, expiration, body: body.into() }
    }

    /// Length of the long form.
    pub fn long_len(&self) -> usize {
        LONG_HEADER_LEN + self.body.len()
    }

    /// Length of the short form.
    pub fn short_len(&self) -> usize {
        SHORT_HEADER_LEN + self.body.len()
    }

    /// The long form.
    pub fn encode_long(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(self.long_len());
        self.write_long(&mut w);
        w.into_vec()
    }

    /// Appends the long form.
    pub fn write_long(&self, w: &mut Writer) {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        let body = self.body.get(..usize::from(length)).unwrap_or(&self.body);
        w.u8(self.kind.0);
        w.u32(self.id.0);
        w.u64(self.expiration.0);
        w.u16(length);
        w.u8(checksum(body));
        w.bytes(body);
    }

    /// The short form.
    pub fn encode_short(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(self.short_len());
        self.write_short(&mut w);
        w.into_vec()
    }

    /// Appends the short form.
    pub fn write_short(&self, w: &mut Writer) {
        w.u8(self.kind.0);
        w.u32(self.id.0);
        w.u32(self.expiration.to_seconds_rounded().0);
        w.bytes(&self.body);
    }

    /// Reads the long form.
    pub fn decode_long(bytes: &[u8]) -> Result<I2npMessage, DecodeError> {
        I2npMessage::read_long(&mut Reader::new(bytes))
    }

    /// As [`I2npMessage::decode_long`], but the body shares the input.
    pub fn decode_long_shared(bytes: &Bytes) -> Result<I2npMessage, DecodeError> {
        I2npMessage::read_long(&mut Reader::shared(bytes))
    }

    /// Reads the long form and leaves the reader behind it.
    pub fn read_long(r: &mut Reader<'_>) -> Result<I2npMessage, DecodeError> {
        let kind = MessageKind(r.u8("I2NP type")?);
        let id = MessageId(r.u32("I2NP id")?);
        let expiration = Date(r.u64("I2NP expiration")?);
        let size = r.u16("I2NP size")?;
        let given = r.u8("I2NP checksum")?;
        let body = r.take_bytes(usize::from(size), "I2NP body")?;
        if given != checksum(&body) {
            return Err(r.error(DecodeErrorKind::Checksum, "I2NP checksum"));
        }
        Ok(I2npMessage { kind, id, expiration, body })
    }

    /// Reads the short form; the body is all that follows.
    pub fn decode_short(bytes: &[u8]) -> Result<I2npMessage, DecodeError> {
        I2npMessage::read_short(&mut Reader::new(bytes))
    }

    /// As [`I2npMessage::decode_short`], but the body shares the input.
    pub fn decode_short_shared(bytes: &Bytes) -> Result<I2npMessage, DecodeError> {
        I2npMessage::read_short(&mut Reader::shared(bytes))
    }

    /// Reads the short form up to the reader's end.
    pub fn read_short(r: &mut Reader<'_>) -> Result<I2npMessage, DecodeError> {
        let kind = MessageKind(r.u8("I2NP type")?);
        let id = MessageId(r.u32("I2NP id")?);
        let expiration = Seconds32(r.u32("I2NP expiration")?).to_date();
        Ok(I2npMessage { kind, id, expiration, body: r.rest_bytes() })
    }
}

fn checksum(body: &[u8]) -> u8 {
    let [first, ..] = sha256(body);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers() {
        let message = I2npMessage::new(MessageKind(99), MessageId(7), Date(1_700_000_000_000), vec![1, 2, 3]);
        let long = message.encode_long();
        assert_eq!(long.len(), 19);
        assert_eq!(I2npMessage::decode_long(&long), Ok(message.clone()));
        assert_eq!(I2npMessage::decode_long(&[&long[..], &[0]].concat()), Ok(message.clone()));
        let short = message.encode_short();
        assert_eq!(short, [99, 0, 0, 0, 7, 0x65, 0x53, 0xf1, 0, 1, 2, 3]);
        assert_eq!(I2npMessage::decode_short(&short), Ok(message));
    }

    #[test]
    fn wrong_checksums_are_refused() {
        let message = I2npMessage::new(MessageKind::DATA, MessageId(7), Date(1), vec![1, 2, 3]);
        let mut long = message.encode_long();
        long[18] ^= 1;
        assert_eq!(I2npMessage::decode_long(&long).unwrap_err().kind, DecodeErrorKind::Checksum);
        assert_eq!(I2npMessage::decode_long(&long[..18]).unwrap_err().kind, DecodeErrorKind::Truncated);
    }
}
