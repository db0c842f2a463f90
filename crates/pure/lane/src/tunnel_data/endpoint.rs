//! Clear tunnel messages in, whole messages out.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use ramson_crypto::sha256_parts;
use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::{Codec, FragmentHeader, I2npMessage, MessageId, Now, Reader, Tick, TunnelDelivery};

use super::{CHECKSUM_LEN, IV_LEN, MAX_FRAGMENTS, MESSAGE_LEN, PADDING_START};
use crate::DropReason;

/// Messages begun and not complete; the oldest is dropped for a new one.
const MAX_INCOMPLETE: usize = 64;
/// Bytes of all their fragments; the oldest messages are dropped until it holds.
const MAX_BUFFERED: usize = 512 * 1024;
/// Ids of messages that were completed, so that a late copy of a fragment starts nothing.
const MAX_DONE: usize = 128;
/// How long an incomplete message waits, and how long a completed one's id is remembered.
const REASSEMBLY_TIME: Duration = Duration::from_secs(45);

/// The tunnel message as a whole can't be used: nothing was taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No zero byte ends the padding.
    #[error("no end of padding")]
    NoPayload,
    /// The checksum doesn't match: changed on its way, or layers of another tunnel.
    #[error("wrong checksum")]
    Checksum,
}

impl From<EndpointError> for DropReason {
    fn from(error: EndpointError) -> Self {
        match error {
            EndpointError::NoPayload | EndpointError::Checksum => Self::Checksum,
        }
    }
}

/// Puts messages together from fragments in any order, within limits. One for each tunnel.
#[derive(Debug, Default)]
pub struct Endpoint {
    incomplete: BTreeMap<MessageId, Incomplete>,
    done: VecDeque<(Tick, MessageId)>,
    buffered: usize,
    drops: BTreeMap<DropReason, u64>,
    taken: u64,
}

/// What endpoints hold, gathered by [`Endpoint::hold`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Held {
    incomplete: Fullest,
    buffered: Fullest,
    done: Fullest,
}

impl Held {
    /// Against the limits of each endpoint.
    pub fn bounds(self, visit: &mut dyn FnMut(Bound)) {
        visit(self.incomplete.bound("endpoint-incomplete-messages", MAX_INCOMPLETE));
        visit(self.buffered.bound("endpoint-incomplete-bytes", MAX_BUFFERED));
        visit(self.done.bound("endpoint-complete-ids", MAX_DONE));
    }
}

/// A message of which fragments are missing.
#[derive(Debug)]
struct Incomplete {
    since: Tick,
    first: Option<(TunnelDelivery, Bytes)>,
    follow: BTreeMap<u8, Bytes>,
    last: Option<u8>,
    bytes: usize,
}

impl Incomplete {
    fn new(since: Tick) -> Self {
        Self { since, first: None, follow: BTreeMap::new(), last: None, bytes: 0 }
    }

    fn is_complete(&self) -> bool {
        // Numbers are unique keys and none is above `last`, so a count is enough.
        self.first.is_some() && self.last.is_some_and(|last| self.follow.len() == usize::from(last))
    }
}

/// What became of a fragment that is not a whole message.
enum Placed {
    Waiting,
    Complete,
    Duplicate,
    /// Contradicts what came before.
    Broken,
}

impl Endpoint {
    /// An endpoint that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a clear tunnel message; gives the messages that it completes, in its order. Fragments that are malformed,
    /// duplicate or over a limit are dropped and counted ([`Endpoint::take_drops`]); the others still count.
    pub fn handle(&mut self, now: Now, clear: &[u8; MESSAGE_LEN]) -> Result<Vec<(TunnelDelivery, I2npMessage)>, EndpointError> {
        self.expire(now.tick);
        let payload = checked_payload(clear)?;
        let mut messages = Vec::new();
        let mut r = Reader::new(payload);
        while r.remaining() > 0 {
            let Ok(header) = FragmentHeader::decode(&mut r) else {
                self.count(DropReason::Malformed, 1);
                break;
            };
            let (FragmentHeader::First { size, .. } | FragmentHeader::Follow { size, .. }) = header;
            let Ok(part) = r.take(usize::from(size), "fragment") else {
                self.count(DropReason::Malformed, 1);
                break;
            };
            messages.extend(self.fragment(now.tick, header, part));
        }
        Ok(messages)
    }

    /// Drops what has waited too long.
    pub fn expire(&mut self, now: Tick) {
        let old = |since: Tick| now.saturating_since(since) >= REASSEMBLY_TIME;
        while self.done.front().is_some_and(|(since, _)| old(*since)) {
            self.done.pop_front();
        }
        if !self.incomplete.values().any(|message| old(message.since)) {
            return;
        }
        let before = self.incomplete.len();
        self.incomplete.retain(|_, message| !old(message.since));
        self.buffered = self.incomplete.values().map(|message| message.bytes).sum();
        self.count(DropReason::FragmentTimeout, before.saturating_sub(self.incomplete.len()));
    }

    /// When `expire` has something to drop.
    pub fn deadline(&self) -> Option<Tick> {
        self.incomplete.values().map(|message| message.since + REASSEMBLY_TIME).min()
    }

    /// Bytes held of incomplete messages.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered
    }

    /// Rises with every fragment that changes what is held. Whole messages leave nothing behind.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Adds what is held to incomplete messages, their bytes, and ids of complete ones.
    pub fn hold(&self, held: &mut Held) {
        held.incomplete.add(self.incomplete.len(), entries::<(MessageId, Incomplete)>(self.incomplete.len()));
        held.buffered.add(self.buffered, self.buffered);
        held.done.add(self.done.len(), self.done.capacity() * size_of::<(Tick, MessageId)>());
    }

    /// Drops the incomplete message that has waited longest; false if there is none.
    pub fn drop_oldest(&mut self) -> bool {
        let oldest = self.incomplete.iter().min_by_key(|(id, message)| (message.since, **id)).map(|(id, _)| *id);
        let Some(id) = oldest else { return false };
        self.forget(id);
        self.count(DropReason::ReassemblyLimit, 1);
        true
    }

    /// What was dropped since the last call: fragments, or messages for `FragmentTimeout` and `ReassemblyLimit`.
    pub fn take_drops(&mut self) -> BTreeMap<DropReason, u64> {
        std::mem::take(&mut self.drops)
    }

    fn fragment(&mut self, now: Tick, header: FragmentHeader, part: &[u8]) -> Option<(TunnelDelivery, I2npMessage)> {
        let id = match header {
            FragmentHeader::First { delivery, message_id: None, .. } => {
                return self.finish(delivery, Bytes::copy_from_slice(part));
            }
            FragmentHeader::First { message_id: Some(id), .. } => id,
            FragmentHeader::Follow { message_id, .. } => message_id,
        };
        if self.done.iter().any(|(_, done)| *done == id) {
            self.count(DropReason::DuplicateFragment, 1);
            return None;
        }
        if !self.incomplete.contains_key(&id) && self.incomplete.len() >= MAX_INCOMPLETE {
            self.drop_oldest();
        }
        let message = self.incomplete.entry(id).or_insert_with(|| Incomplete::new(now));
        match place(message, header, part) {
            Placed::Waiting => {
                self.taken = self.taken.saturating_add(1);
                self.buffered = self.buffered.saturating_add(part.len());
                while self.buffered > MAX_BUFFERED && self.drop_oldest() {}
                None
            }
            Placed::Complete => self.complete(now, id),
            Placed::Duplicate => {
                self.count(DropReason::DuplicateFragment, 1);
                None
            }
            Placed::Broken => {
                self.forget(id);
                self.count(DropReason::Malformed, 1);
                None
            }
        }
    }

    fn complete(&mut self, now: Tick, id: MessageId) -> Option<(TunnelDelivery, I2npMessage)> {
        let message = self.forget(id)?;
        if self.done.len() >= MAX_DONE {
            self.done.pop_front();
        }
        self.done.push_back((now, id));
        let (delivery, first) = message.first?;
        let mut whole = Vec::with_capacity(message.bytes);
        whole.extend_from_slice(&first);
        for part in message.follow.values() {
            whole.extend_from_slice(part);
        }
        self.finish(delivery, Bytes::from(whole))
    }

    fn finish(&mut self, delivery: TunnelDelivery, whole: Bytes) -> Option<(TunnelDelivery, I2npMessage)> {
        match I2npMessage::decode_long_shared(&whole) {
            Ok(message) => Some((delivery, message)),
            Err(_) => {
                self.count(DropReason::Malformed, 1);
                None
            }
        }
    }

    fn forget(&mut self, id: MessageId) -> Option<Incomplete> {
        let message = self.incomplete.remove(&id)?;
        // One that has only just begun, and is broken, was nothing.
        self.taken = self.taken.saturating_add(u64::from(message.bytes > 0));
        self.buffered = self.incomplete.values().map(|left| left.bytes).sum();
        Some(message)
    }

    fn count(&mut self, reason: DropReason, n: usize) {
        let count = self.drops.entry(reason).or_default();
        *count = count.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
    }
}

/// Puts a fragment where it belongs. An entry made for it stays if it waits, and is the caller's to remove if broken.
fn place(message: &mut Incomplete, header: FragmentHeader, part: &[u8]) -> Placed {
    match header {
        FragmentHeader::First { delivery, .. } => {
            if message.first.is_some() {
                return Placed::Duplicate;
            }
            message.first = Some((delivery, Bytes::copy_from_slice(part)));
        }
        FragmentHeader::Follow { number, last, .. } => {
            if number == 0 || usize::from(number) >= MAX_FRAGMENTS {
                return Placed::Broken;
            }
            if message.follow.contains_key(&number) {
                return Placed::Duplicate;
            }
            let beyond = message.last.is_some_and(|end| last || number > end);
            let below = last && message.follow.last_key_value().is_some_and(|(highest, _)| *highest > number);
            if beyond || below {
                return Placed::Broken;
            }
            if last {
                message.last = Some(number);
            }
            message.follow.insert(number, Bytes::copy_from_slice(part));
        }
    }
    message.bytes = message.bytes.saturating_add(part.len());
    if message.is_complete() { Placed::Complete } else { Placed::Waiting }
}

/// The instructions and fragments after padding, if the checksum holds.
fn checked_payload(clear: &[u8; MESSAGE_LEN]) -> Result<&[u8], EndpointError> {
    let (head, body) = clear.split_at_checked(PADDING_START).ok_or(EndpointError::NoPayload)?;
    let zero = body.iter().position(|byte| *byte == 0).ok_or(EndpointError::NoPayload)?;
    let payload = body.get(zero + 1..).ok_or(EndpointError::NoPayload)?;
    let (iv, checksum) = head.split_at_checked(IV_LEN).ok_or(EndpointError::NoPayload)?;
    let expected = sha256_parts(&[payload, iv]);
    if expected.get(..CHECKSUM_LEN) == Some(checksum) { Ok(payload) } else { Err(EndpointError::Checksum) }
}
