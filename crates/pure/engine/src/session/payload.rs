//! The blocks inside a garlic message. Source: ECIES-X25519-AEAD-Ratchet, "Payload Section".

use bytes::Bytes;
use ramson_crypto::aead::TAG_LEN;
use ramson_wire::garlic::{
    GarlicBlock, GarlicClove, MAX_BLOCKS, NEXT_KEY_REQUEST_REVERSE, NEXT_KEY_REVERSE, parse_blocks_shared,
};
use ramson_wire::{Codec, Seconds32, Writer};

use super::SessionError;
use super::limits::MAX_PAYLOAD;
use super::link::Extras;
use super::step::NextKey;

/// Type and length of a block.
const BLOCK_HEADER: usize = 3;
/// Usual room for what isn't cloves: small blocks, padding, the authenticator.
const ROOM_FOR_EXTRAS: usize = 160;
/// NextKey blocks of one message that are looked at, since each may cost a key agreement: one of each kind is enough.
const MAX_KEYS: usize = 2;
/// Cloves of one message: what leaves room for all other blocks below the number that is read.
const MAX_CLOVES: usize = MAX_BLOCKS - 8;

/// What goes into a message, in this order: date, cloves, acknowledgement request, acknowledgements, keys; padding last.
pub(super) struct Blocks<'a> {
    pub(super) date: Option<Seconds32>,
    pub(super) cloves: &'a [GarlicClove],
    pub(super) ack_request: bool,
    pub(super) extras: Option<&'a Extras>,
}

impl<'a> Blocks<'a> {
    /// Blocks that an NS (with a date) or NSR may have.
    pub(super) fn handshake(date: Option<Seconds32>, cloves: &'a [GarlicClove]) -> Blocks<'a> {
        Blocks { date, cloves, ack_request: false, extras: None }
    }

    /// `prefix`, then the payload with as much padding as `choose` says for its length without it.
    pub(super) fn padded(&self, prefix: &[u8], choose: impl FnOnce(usize) -> Option<u16>) -> Vec<u8> {
        let mut w = Writer::with_capacity(prefix.len() + cloves_len(self.cloves) + ROOM_FOR_EXTRAS);
        w.bytes(prefix);
        if let Some(date) = self.date {
            GarlicBlock::DateTime(date).encode(&mut w);
        }
        for clove in self.cloves {
            GarlicBlock::Clove(clove.clone()).encode(&mut w);
        }
        if self.ack_request {
            GarlicBlock::AckRequest.encode(&mut w);
        }
        if let Some(extras) = self.extras {
            if !extras.acks.is_empty() {
                GarlicBlock::Ack(extras.acks.clone()).encode(&mut w);
            }
            for key in &extras.keys {
                key_block(key).encode(&mut w);
            }
        }
        if let Some(padding) = choose(w.len() - prefix.len()) {
            GarlicBlock::Padding(usize::from(padding)).encode(&mut w);
        }
        w.into_vec()
    }
}

/// Length of the cloves' blocks.
fn cloves_len(cloves: &[GarlicClove]) -> usize {
    cloves.iter().map(|clove| BLOCK_HEADER + clove.encoded_len()).sum()
}

/// Refuses what doesn't fit a message. Errors: `TooLarge`.
pub(super) fn check_size(cloves: &[GarlicClove]) -> Result<(), SessionError> {
    if cloves.len() > MAX_CLOVES || cloves_len(cloves) > MAX_PAYLOAD {
        return Err(SessionError::TooLarge);
    }
    Ok(())
}

fn key_block(key: &NextKey) -> GarlicBlock {
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    GarlicBlock::NextKey {
        flags: flag(key.reverse, NEXT_KEY_REVERSE) | flag(key.request, NEXT_KEY_REQUEST_REVERSE),
        id: key.id,
        key: key.key,
    }
}

/// What a message brought.
#[derive(Default)]
pub(super) struct Received {
    /// Set only if the first block is a date, as in an NS.
    pub(super) date: Option<Seconds32>,
    pub(super) cloves: Vec<GarlicClove>,
    pub(super) ack_request: bool,
    pub(super) acks: Vec<(u16, u16)>,
    pub(super) keys: Vec<NextKey>,
    /// PN: the last message number of the set before.
    pub(super) previous: Option<u16>,
    pub(super) termination: bool,
}

impl Received {
    /// Reads the blocks of an opened message, whose payload lies between `start` and the authenticator. Options and unknown
    /// blocks are skipped; one malformed block spoils the message.
    pub(super) fn parse(message: Vec<u8>, start: usize) -> Result<Received, SessionError> {
        let end = message.len().checked_sub(TAG_LEN).filter(|end| *end >= start).ok_or(SessionError::Truncated)?;
        let payload = Bytes::from(message).slice(start..end);
        let blocks = parse_blocks_shared(&payload).map_err(|_| SessionError::Malformed)?;
        let mut received = Received::default();
        for (at, block) in blocks.into_iter().enumerate() {
            match block {
                GarlicBlock::DateTime(date) if at == 0 => received.date = Some(date),
                GarlicBlock::Clove(clove) => received.cloves.push(clove),
                GarlicBlock::AckRequest => received.ack_request = true,
                GarlicBlock::Ack(acks) => received.acks.extend(acks),
                GarlicBlock::NextKey { flags, id, key } if received.keys.len() < MAX_KEYS => received.keys.push(NextKey {
                    reverse: flags & NEXT_KEY_REVERSE != 0,
                    request: flags & NEXT_KEY_REQUEST_REVERSE != 0,
                    id,
                    key,
                }),
                GarlicBlock::MessageNumber(last) => received.previous = Some(last),
                GarlicBlock::Termination { .. } => received.termination = true,
                _ => {}
            }
        }
        Ok(received)
    }
}
