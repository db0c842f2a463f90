//! What is inside decrypted garlic: blocks, of which cloves carry messages.

use std::fmt;

use bytes::Bytes;
use ramson_crypto::x25519;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::i2np::I2npMessage;
use crate::ids::{DestinationHash, RouterHash, TunnelId};
use crate::time::Seconds32;

/// Most blocks read from one payload.
pub const MAX_BLOCKS: usize = 64;

const DATE_TIME: u8 = 0;
const TERMINATION: u8 = 4;
const OPTIONS: u8 = 5;
const MESSAGE_NUMBER: u8 = 6;
const NEXT_KEY: u8 = 7;
const ACK: u8 = 8;
const ACK_REQUEST: u8 = 9;
const CLOVE: u8 = 11;
const PADDING: u8 = 254;

/// NextKey flag: the key is present.
pub const NEXT_KEY_PRESENT: u8 = 1;
/// NextKey flag: this is a reverse key.
pub const NEXT_KEY_REVERSE: u8 = 2;
/// NextKey flag, on a forward key only: a reverse key is wanted.
pub const NEXT_KEY_REQUEST_REVERSE: u8 = 4;

/// One block: type 1 · size 2 · data.
///
/// Errors: `Truncated`; `Invalid` for a fixed-length block of another length or a block after padding; unknown types are kept.
/// Source: ECIES-X25519-AEAD-Ratchet, "Payload Section Format".
#[derive(Clone, PartialEq, Eq)]
pub enum GarlicBlock {
    /// Type 0: time 4 (s).
    DateTime(Seconds32),
    /// Type 4: reason 1 · more.
    Termination {
        /// 0 normal, 1 termination received.
        reason: u8,
    },
    /// Type 5: not in use, undecoded.
    Options(Bytes),
    /// Type 6: number of the last message of the previous tag set, 2.
    MessageNumber(u16),
    /// Type 7: flags 1 · key id 2 · [key 32].
    NextKey {
        /// `NEXT_KEY_…` bits; [`NEXT_KEY_PRESENT`] is set from `key` when written.
        flags: u8,
        /// Number of the key.
        id: u16,
        /// The key, if flagged.
        key: Option<x25519::PublicKey>,
    },
    /// Type 8: pairs of tag set id 2 · message number 2. At most 16383 pairs.
    Ack(Vec<(u16, u16)>),
    /// Type 9: flags 1, zero.
    AckRequest,
    /// Type 11.
    Clove(GarlicClove),
    /// Type 254, last: so many bytes without meaning, at most 65535.
    Padding(usize),
    /// Another type.
    Unknown {
        /// Block type.
        kind: u8,
        /// Undecoded.
        data: Bytes,
    },
}

impl fmt::Debug for GarlicBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GarlicBlock::DateTime(time) => write!(f, "DateTime({})", time.0),
            GarlicBlock::Termination { reason } => write!(f, "Termination({reason})"),
            GarlicBlock::Options(data) => write!(f, "Options({} bytes)", data.len()),
            GarlicBlock::MessageNumber(number) => write!(f, "MessageNumber({number})"),
            GarlicBlock::NextKey { flags, id, .. } => write!(f, "NextKey(flags {flags}, id {id})"),
            GarlicBlock::Ack(acks) => write!(f, "Ack({acks:?})"),
            GarlicBlock::AckRequest => f.write_str("AckRequest"),
            GarlicBlock::Clove(clove) => clove.fmt(f),
            GarlicBlock::Padding(count) => write!(f, "Padding({count})"),
            GarlicBlock::Unknown { kind, data } => {
                write!(f, "Unknown(type {kind}, {} bytes)", data.len())
            }
        }
    }
}

/// Where a clove's message goes. Numbered otherwise than [`crate::tunnel::TunnelDelivery`], and with the tunnel id after the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloveDelivery {
    /// 0: to whoever decrypted it.
    Local,
    /// 1: to a destination there.
    Destination(DestinationHash),
    /// 2: to a router.
    Router(RouterHash),
    /// 3: into a tunnel.
    Tunnel {
        /// Router at its start.
        gateway: RouterHash,
        /// Its id there.
        tunnel: TunnelId,
    },
}

/// Delivery and message: flags 1 · [hash 32] · [tunnel id 4] · message with short header to the end of the block.
///
/// Flags: bits 6-5 delivery; bit 4 a delay of 4 bytes follows, which is skipped and never written; bit 7 is for encryption that nobody
/// implements. Errors: `Truncated`, `Invalid` tunnel 0, `Unsupported` encryption. Source: ECIES-X25519-AEAD-Ratchet, "Garlic Clove".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarlicClove {
    /// Where to.
    pub delivery: CloveDelivery,
    /// What. Its expiration is whole seconds on the wire.
    pub message: I2npMessage,
}

impl Codec for GarlicClove {
    /// Takes all that is left, since the message has no length of its own.
    fn decode(r: &mut Reader<'_>) -> Result<GarlicClove, DecodeError> {
        let flags = r.u8("GarlicClove flags")?;
        if flags & 0x80 != 0 {
            return Err(r.error(DecodeErrorKind::Unsupported, "GarlicClove flags"));
        }
        let delivery = match flags >> 5 & 3 {
            0 => CloveDelivery::Local,
            1 => CloveDelivery::Destination(DestinationHash::decode(r)?),
            2 => CloveDelivery::Router(RouterHash::decode(r)?),
            _ => CloveDelivery::Tunnel { gateway: RouterHash::decode(r)?, tunnel: TunnelId::decode(r)? },
        };
        if flags & 0x10 != 0 {
            r.take(4, "GarlicClove delay")?;
        }
        Ok(GarlicClove { delivery, message: I2npMessage::read_short(r)? })
    }

    fn encode(&self, w: &mut Writer) {
        match &self.delivery {
            CloveDelivery::Local => w.u8(0),
            CloveDelivery::Destination(hash) => {
                w.u8(1 << 5);
                w.put(hash);
            }
            CloveDelivery::Router(hash) => {
                w.u8(2 << 5);
                w.put(hash);
            }
            CloveDelivery::Tunnel { gateway, tunnel } => {
                w.u8(3 << 5);
                w.put(gateway);
                w.put(tunnel);
            }
        }
        self.message.write_short(w);
    }

    fn encoded_len(&self) -> usize {
        let delivery = match self.delivery {
            CloveDelivery::Local => 1,
            CloveDelivery::Destination(_) | CloveDelivery::Router(_) => 33,
            CloveDelivery::Tunnel { .. } => 37,
        };
        delivery + self.message.short_len()
    }
}

impl Codec for GarlicBlock {
    fn decode(r: &mut Reader<'_>) -> Result<GarlicBlock, DecodeError> {
        let kind = r.u8("block type")?;
        let length = usize::from(r.u16("block size")?);
        let mut r = r.sub(length, "block")?;
        let block = match kind {
            DATE_TIME => GarlicBlock::DateTime(Seconds32(r.u32("DateTime")?)),
            TERMINATION => {
                let reason = r.u8("Termination")?;
                r.rest();
                GarlicBlock::Termination { reason }
            }
            OPTIONS => GarlicBlock::Options(r.rest_bytes()),
            MESSAGE_NUMBER => GarlicBlock::MessageNumber(r.u16("MessageNumber")?),
            NEXT_KEY => decode_next_key(&mut r)?,
            ACK => decode_acks(&mut r)?,
            ACK_REQUEST => {
                r.u8("AckRequest")?;
                GarlicBlock::AckRequest
            }
            CLOVE => GarlicBlock::Clove(GarlicClove::decode(&mut r)?),
            PADDING => GarlicBlock::Padding(r.rest().len()),
            _ => GarlicBlock::Unknown { kind, data: r.rest_bytes() },
        };
        if r.is_empty() { Ok(block) } else { Err(r.error(DecodeErrorKind::Invalid, "block size")) }
    }

    fn encode(&self, w: &mut Writer) {
        let length = u16::try_from(self.data_len()).unwrap_or(u16::MAX);
        let mut head = |kind: u8| {
            w.u8(kind);
            w.u16(length);
        };
        match self {
            GarlicBlock::DateTime(time) => {
                head(DATE_TIME);
                w.u32(time.0);
            }
            GarlicBlock::Termination { reason } => {
                head(TERMINATION);
                w.u8(*reason);
            }
            GarlicBlock::Options(data) => {
                head(OPTIONS);
                w.bytes(data);
            }
            GarlicBlock::MessageNumber(number) => {
                head(MESSAGE_NUMBER);
                w.u16(*number);
            }
            GarlicBlock::NextKey { flags, id, key } => {
                head(NEXT_KEY);
                w.u8(flags & !NEXT_KEY_PRESENT | u8::from(key.is_some()));
                w.u16(*id);
                w.bytes(key.as_ref().map_or(&[], |key| &key.0));
            }
            GarlicBlock::Ack(acks) => {
                head(ACK);
                for (set, number) in acks {
                    w.u16(*set);
                    w.u16(*number);
                }
            }
            GarlicBlock::AckRequest => {
                head(ACK_REQUEST);
                w.u8(0);
            }
            GarlicBlock::Clove(clove) => {
                head(CLOVE);
                w.put(clove);
            }
            GarlicBlock::Padding(count) => {
                head(PADDING);
                w.zeros(*count);
            }
            GarlicBlock::Unknown { kind, data } => {
                head(*kind);
                w.bytes(data);
            }
        }
    }

    fn encoded_len(&self) -> usize {
        3 + self.data_len()
    }
}

impl GarlicBlock {
    fn data_len(&self) -> usize {
        match self {
            GarlicBlock::DateTime(_) => 4,
            GarlicBlock::Termination { .. } | GarlicBlock::AckRequest => 1,
            GarlicBlock::Options(data) | GarlicBlock::Unknown { data, .. } => data.len(),
            GarlicBlock::MessageNumber(_) => 2,
            GarlicBlock::NextKey { key, .. } => 3 + if key.is_some() { 32 } else { 0 },
            GarlicBlock::Ack(acks) => acks.len() * 4,
            GarlicBlock::Clove(clove) => clove.encoded_len(),
            GarlicBlock::Padding(count) => *count,
        }
    }
}

fn decode_next_key(r: &mut Reader<'_>) -> Result<GarlicBlock, DecodeError> {
    let flags = r.u8("NextKey flags")?;
    let id = r.u16("NextKey id")?;
    let has_key = flags & NEXT_KEY_PRESENT != 0;
    let key = has_key.then(|| r.array("NextKey key")).transpose()?;
    Ok(GarlicBlock::NextKey { flags, id, key: key.map(x25519::PublicKey) })
}

fn decode_acks(r: &mut Reader<'_>) -> Result<GarlicBlock, DecodeError> {
    let mut acks = Vec::new();
    while !r.is_empty() {
        acks.push((r.u16("Ack tag set")?, r.u16("Ack number")?));
    }
    if acks.is_empty() {
        return Err(r.error(DecodeErrorKind::Invalid, "Ack"));
    }
    Ok(GarlicBlock::Ack(acks))
}

/// Reads all blocks of a payload. Errors: those of [`GarlicBlock`], `TooLong` over [`MAX_BLOCKS`].
pub fn parse_blocks(payload: &[u8]) -> Result<Vec<GarlicBlock>, DecodeError> {
    read_blocks(Reader::new(payload))
}

/// As [`parse_blocks`], but message bodies share the payload.
pub fn parse_blocks_shared(payload: &Bytes) -> Result<Vec<GarlicBlock>, DecodeError> {
    read_blocks(Reader::shared(payload))
}

fn read_blocks(mut r: Reader<'_>) -> Result<Vec<GarlicBlock>, DecodeError> {
    let mut blocks = Vec::new();
    while !r.is_empty() {
        if blocks.len() >= MAX_BLOCKS {
            return Err(r.error(DecodeErrorKind::TooLong, "blocks"));
        }
        if matches!(blocks.last(), Some(GarlicBlock::Padding(_))) {
            return Err(r.error(DecodeErrorKind::Invalid, "block after padding"));
        }
        blocks.push(GarlicBlock::decode(&mut r)?);
    }
    Ok(blocks)
}

/// Writes blocks one after the other.
pub fn encode_blocks(blocks: &[GarlicBlock]) -> Vec<u8> {
    let mut w = Writer::with_capacity(blocks.iter().map(GarlicBlock::encoded_len).sum());
    for block in blocks {
        w.put(block);
    }
    w.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i2np::MessageKind;
    use crate::ids::MessageId;
    use crate::time::Date;

    fn blocks() -> Vec<GarlicBlock> {
        let clove = |delivery| {
            let message = I2npMessage::new(MessageKind::DATA, MessageId(7), Date(9000), vec![1, 2, 3]);
            GarlicBlock::Clove(GarlicClove { delivery, message })
        };
        vec![
            GarlicBlock::DateTime(Seconds32(5)),
            GarlicBlock::Termination { reason: 1 },
            GarlicBlock::Options(Bytes::from_static(&[1, 2])),
            GarlicBlock::MessageNumber(77),
            GarlicBlock::NextKey { flags: 7, id: 3, key: Some(x25519::PublicKey([4; 32])) },
            GarlicBlock::NextKey { flags: 2, id: 3, key: None },
            GarlicBlock::Ack(vec![(1, 2), (3, 4)]),
            GarlicBlock::AckRequest,
            clove(CloveDelivery::Local),
            clove(CloveDelivery::Destination(DestinationHash([1; 32]))),
            clove(CloveDelivery::Router(RouterHash([2; 32]))),
            clove(CloveDelivery::Tunnel { gateway: RouterHash([3; 32]), tunnel: TunnelId::new(4).unwrap() }),
            GarlicBlock::Unknown { kind: 200, data: Bytes::from_static(&[9]) },
            GarlicBlock::Padding(5),
        ]
    }

    #[test]
    fn all_blocks_both_ways() {
        let bytes = encode_blocks(&blocks());
        assert_eq!(bytes.len(), blocks().iter().map(GarlicBlock::encoded_len).sum::<usize>());
        assert_eq!(parse_blocks(&bytes), Ok(blocks()));
        assert_eq!(parse_blocks_shared(&Bytes::from(bytes)), Ok(blocks()));
        assert_eq!(parse_blocks(&[]), Ok(vec![]));
    }

    #[test]
    fn malformed_blocks_are_refused() {
        for bytes in [
            &[0, 0, 3, 1, 2, 3][..],
            &[0, 0, 5, 1, 2, 3, 4, 5],
            &[6, 0, 1, 1],
            &[7, 0, 4, 0, 0, 1, 9],
            &[7, 0, 3, 1, 0, 1],
            &[8, 0, 3, 1, 2, 3],
            &[8, 0, 0],
            &[9, 0, 0],
            &[11, 0, 1, 0x80],
            &[254, 0, 0, 254, 0, 0],
            &[1, 0, 1],
            &[1],
        ] {
            assert!(parse_blocks(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(parse_blocks(&[6, 0, 2, 0, 0].repeat(65)).unwrap_err().kind, DecodeErrorKind::TooLong);
        assert!(parse_blocks(&[6, 0, 2, 0, 0].repeat(64)).is_ok());
    }

    #[test]
    fn a_delay_is_skipped() {
        let clove = [&[0x10, 9, 9, 9, 9][..], &[20, 0, 0, 0, 1, 0, 0, 0, 2, 5]].concat();
        assert_eq!(GarlicClove::from_bytes(&clove).unwrap().message.body, &[5][..]);
    }
}
