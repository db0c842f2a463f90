//! Whole messages in, clear tunnel messages out.

use std::fmt;

use ramson_crypto::{CryptoRng, sha256_parts};
use ramson_wire::{Codec, FragmentHeader, I2npMessage, MessageId, TunnelDelivery, Writer};

use super::{FOLLOW_HEADER_LEN, IV_LEN, MAX_FRAGMENTS, MAX_PAYLOAD, MESSAGE_LEN, PADDING_START};

/// A message needs more than 64 fragments (about 62.7 kB); nothing of it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("message too large for a tunnel")]
pub struct TooLarge;

/// Packs messages into tunnel messages: several into one where they fit, one over several where it doesn't.
///
/// `push` what the turn has, then `flush`. A message is split over the rest of a begun tunnel message only if that
/// saves one in all: otherwise its arrival would depend on one message more for nothing.
/// i2pd splits by the same thought (and not at all into a rest under a fifth of the message); Java waits up to
/// 100 ms for more to pack. We never wait.
pub struct Gateway {
    rng: Box<dyn CryptoRng + Send>,
    /// Payloads that are complete.
    full: Vec<Vec<u8>>,
    /// The begun payload, at most [`MAX_PAYLOAD`] bytes.
    open: Vec<u8>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("full", &self.full.len()).finish_non_exhaustive()
    }
}

/// Length of a delivery's fields in a first fragment's header.
fn delivery_len(delivery: &TunnelDelivery) -> usize {
    match delivery {
        TunnelDelivery::Local => 0,
        TunnelDelivery::Tunnel { .. } => 36,
        TunnelDelivery::Router(_) => 32,
    }
}

/// How many following fragments carry `len` bytes.
fn follow_count(len: usize) -> usize {
    len.div_ceil(MAX_PAYLOAD - FOLLOW_HEADER_LEN)
}

/// A size that is known to be at most [`MAX_PAYLOAD`].
fn size(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

impl Gateway {
    /// A gateway with nothing in it. The generator gives IVs and padding.
    pub fn new(rng: Box<dyn CryptoRng + Send>) -> Self {
        Self { rng, full: Vec::new(), open: Vec::new() }
    }

    /// True when `flush` would give nothing.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.open.is_empty()
    }

    /// How many tunnel messages `flush` would give.
    pub fn pending(&self) -> usize {
        self.full.len() + usize::from(!self.open.is_empty())
    }

    /// Adds a message.
    pub fn push(&mut self, delivery: TunnelDelivery, message: &I2npMessage) -> Result<(), TooLarge> {
        self.push_encoded(delivery, message.id, &message.encode_long())
    }

    /// Adds a message that has its long header already; `id` is the message's.
    pub fn push_encoded(&mut self, delivery: TunnelDelivery, id: MessageId, message: &[u8]) -> Result<(), TooLarge> {
        let whole_header = 1 + delivery_len(&delivery) + 2;
        let whole = whole_header.saturating_add(message.len());
        if whole <= self.room() {
            self.append(&FragmentHeader::First { delivery, message_id: None, size: size(message.len()) }, message);
            return Ok(());
        }
        let first_header = whole_header + 4;
        let fresh_first = MAX_PAYLOAD - first_header;
        let fresh_count = if whole <= MAX_PAYLOAD { 1 } else { 1 + follow_count(message.len().saturating_sub(fresh_first)) };
        let here = self.room().saturating_sub(first_header);
        let split_here = here > 0 && follow_count(message.len().saturating_sub(here)) < fresh_count;
        let first_len = if split_here { here } else { fresh_first };
        if whole > MAX_PAYLOAD && 1 + follow_count(message.len().saturating_sub(first_len)) > MAX_FRAGMENTS {
            return Err(TooLarge);
        }
        if !split_here {
            self.complete();
            if whole <= MAX_PAYLOAD {
                let header = FragmentHeader::First { delivery, message_id: None, size: size(message.len()) };
                self.append(&header, message);
                return Ok(());
            }
        }
        let (first, rest) = message.split_at_checked(first_len).unwrap_or((message, &[]));
        let header = FragmentHeader::First { delivery, message_id: Some(id), size: size(first.len()) };
        self.append(&header, first);
        self.append_following(id, rest);
        Ok(())
    }

    /// All tunnel messages, clear: the caller adds (or, as creator, removes) the layers.
    pub fn flush(&mut self) -> Vec<Box<[u8; MESSAGE_LEN]>> {
        self.complete();
        let payloads = std::mem::take(&mut self.full);
        payloads.iter().map(|payload| self.clear_message(payload)).collect()
    }

    fn append_following(&mut self, message_id: MessageId, mut rest: &[u8]) {
        let mut number: u8 = 1;
        while !rest.is_empty() {
            self.complete();
            let len = rest.len().min(MAX_PAYLOAD - FOLLOW_HEADER_LEN);
            let (part, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let last = after.is_empty();
            self.append(&FragmentHeader::Follow { number, last, message_id, size: size(part.len()) }, part);
            number = number.saturating_add(1);
            rest = after;
        }
    }

    fn room(&self) -> usize {
        MAX_PAYLOAD.saturating_sub(self.open.len())
    }

    fn append(&mut self, header: &FragmentHeader, part: &[u8]) {
        let mut open = std::mem::take(&mut self.open);
        if open.capacity() == 0 {
            open.reserve(MAX_PAYLOAD);
        }
        let mut w = Writer::from(open);
        header.encode(&mut w);
        w.bytes(part);
        self.open = w.into_vec();
    }

    fn complete(&mut self) {
        if !self.open.is_empty() {
            self.full.push(std::mem::take(&mut self.open));
        }
    }

    fn clear_message(&mut self, payload: &[u8]) -> Box<[u8; MESSAGE_LEN]> {
        let mut message = Box::new([0_u8; MESSAGE_LEN]);
        let start = MESSAGE_LEN.saturating_sub(payload.len());
        let padding_end = start.saturating_sub(1).max(PADDING_START);
        self.rng.fill_bytes(&mut message[..padding_end]);
        for byte in &mut message[PADDING_START..padding_end] {
            while *byte == 0 {
                *byte = self.rng.next_u32().to_le_bytes()[0];
            }
        }
        message[start..].copy_from_slice(payload);
        let checksum = sha256_parts(&[&message[start..], &message[..IV_LEN]]);
        message[IV_LEN..PADDING_START].copy_from_slice(&checksum[..PADDING_START - IV_LEN]);
        message
    }
}
