//! The data phase: frames in, frames out, and its time limits.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, rng};
use ramson_wire::{I2npMessage, Now, RouterHash, Tick};

use super::blocks::{self, Block, Blocks, HEADER_LEN, MAX_PAYLOAD};
use super::frames::{LENGTH_LEN, NoncesUsed, OpenError, Opener, Sealer};
use super::handshake::{MAX_SKEW, skew_secs, within};
use super::padding;
use super::peer_check::{self, RefusedRouterInfo};
use super::queue::{Item, SendQueues};
use super::reason::{Expired, TerminationReason};
use super::session::Event;

/// A session without messages either way ends after a random time in this range. i2pd closes after 2 minutes, Java after
/// 2 to 11.
const IDLE_SECS: (u64, u64) = (270, 330);
/// Messages waiting while the socket takes none end the session after this: the way is dead, TCP only doesn't know it yet.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// A frame that has begun must end within this.
const FRAME_LIMIT: Duration = Duration::from_secs(30);
/// A frame takes no further block beyond this: the peer can only use a frame when all of it is there.
const FRAME_TARGET: usize = 16 * 1024;
/// RouterInfos looked at per [`ROUTER_INFO_SPAN`]: each costs a signature. Others are ignored and counted.
const ROUTER_INFO_LIMIT: u32 = 16;
const ROUTER_INFO_SPAN: Duration = Duration::from_secs(60);
/// A message that is at least one part in this many of its frame shares the frame's memory, a smaller one is copied: so nobody
/// can make us hold a long frame by a short message.
const SHARE_DIVISOR: usize = 4;

/// Why the data phase ends from inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer terminated.
    Terminated(TerminationReason),
    /// The peer broke a rule: tell it and close.
    Violated(TerminationReason),
    /// A frame didn't authenticate, or its length can't be: read on for a while, so that nobody learns which byte was
    /// wrong, then tell and close.
    Garbled(TerminationReason),
    /// The peer's clock is off by this many seconds.
    ClockSkew(i64),
    NonceLimit,
    Expired(Expired),
}

/// The state of an established session.
pub(crate) struct Open {
    peer: RouterHash,
    sealer: Sealer,
    opener: Opener,
    incoming: Incoming,
    idle_limit: Duration,
    last_message: Tick,
    /// Since when messages wait without the socket taking any.
    waiting_since: Option<Tick>,
    router_infos: u32,
    router_infos_since: Tick,
}

/// The frame being received.
#[derive(Default)]
struct Incoming {
    /// First byte of the masked length.
    first: Option<u8>,
    /// Length of the frame, once known.
    expected: Option<usize>,
    /// The frame, as far as it has come.
    frame: Vec<u8>,
    since: Option<Tick>,
}

impl Incoming {
    /// Moves bytes from `bytes` until a whole frame is there.
    fn take(&mut self, now: Tick, opener: &mut Opener, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, End> {
        self.since.get_or_insert(now);
        let expected = match self.expected {
            Some(expected) => expected,
            None => {
                let Some(masked) = self.length(bytes) else {
                    return Ok(None);
                };
                let length = opener.length(masked).ok_or(End::Garbled(TerminationReason::FramingError))?;
                *self.expected.insert(length)
            }
        };
        move_up_to(expected, &mut self.frame, bytes);
        if self.frame.len() < expected {
            return Ok(None);
        }
        let frame = std::mem::take(self).frame;
        Ok(Some(frame))
    }

    /// Takes the masked length off the stream.
    fn length(&mut self, bytes: &mut &[u8]) -> Option<[u8; LENGTH_LEN]> {
        let first = match self.first {
            Some(first) => first,
            None => *self.first.insert(*bytes.split_off_first()?),
        };
        Some([first, *bytes.split_off_first()?])
    }
}

/// Moves bytes until `into` has `len` or `from` is empty.
pub(crate) fn move_up_to(len: usize, into: &mut Vec<u8>, from: &mut &[u8]) {
    let wanted = len.saturating_sub(into.len()).min(from.len());
    let (taken, rest) = from.split_at(wanted);
    into.extend_from_slice(taken);
    *from = rest;
}

impl Open {
    pub(crate) fn new(now: Now, peer: RouterHash, sealer: Sealer, opener: Opener, rng: &mut dyn CryptoRng) -> Self {
        let (low, high) = IDLE_SECS;
        Self {
            peer,
            sealer,
            opener,
            incoming: Incoming::default(),
            idle_limit: Duration::from_secs(rng::between(rng, low, high)),
            last_message: now.tick,
            waiting_since: None,
            router_infos: 0,
            router_infos_since: now.tick,
        }
    }

    pub(crate) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.incoming.frame.capacity()
    }

    pub(crate) fn peer(&self) -> RouterHash {
        self.peer
    }

    pub(crate) fn last_message(&self) -> Tick {
        self.last_message
    }

    /// Takes bytes off the stream, and gives the events of all frames that they complete.
    pub(crate) fn handle_bytes(
        &mut self,
        now: Now,
        bytes: &mut &[u8],
        queues: &mut SendQueues,
        events: &mut VecDeque<Event>,
    ) -> Result<(), End> {
        while !bytes.is_empty() {
            let Some(mut frame) = self.incoming.take(now.tick, &mut self.opener, bytes)? else {
                return Ok(());
            };
            self.opener.open(&mut frame).map_err(|error| match error {
                OpenError::Tag => End::Garbled(TerminationReason::AeadFailure),
                OpenError::NoncesUsed => End::NonceLimit,
            })?;
            self.handle_frame(now, Bytes::from(frame), queues, events)?;
        }
        Ok(())
    }

    fn handle_frame(
        &mut self,
        now: Now,
        payload: Bytes,
        queues: &mut SendQueues,
        events: &mut VecDeque<Event>,
    ) -> Result<(), End> {
        let frame_len = payload.len();
        for block in Blocks::new(payload) {
            match block.map_err(|_| End::Violated(TerminationReason::PayloadFormat))? {
                Block::Message(message) => {
                    self.last_message = now.tick;
                    events.push_back(Event::Message(unshared(message, frame_len)));
                }
                Block::RouterInfo { flood, bytes } => {
                    self.last_message = now.tick;
                    self.handle_router_info(now, &bytes, flood, queues, events)?;
                }
                Block::DateTime(time) => {
                    let secs = skew_secs(time, now.date);
                    if !within(secs, MAX_SKEW) {
                        return Err(End::ClockSkew(secs));
                    }
                }
                Block::Termination(reason) => return Err(End::Terminated(reason)),
                Block::Options | Block::Padding | Block::Unknown => {}
            }
        }
        Ok(())
    }

    /// A malformed RouterInfo may be of a kind newer than us and is ignored; one with a wrong signature is a lie.
    fn handle_router_info(
        &mut self,
        now: Now,
        bytes: &Bytes,
        flood: bool,
        queues: &mut SendQueues,
        events: &mut VecDeque<Event>,
    ) -> Result<(), End> {
        if now.tick.saturating_since(self.router_infos_since) >= ROUTER_INFO_SPAN {
            self.router_infos = 0;
            self.router_infos_since = now.tick;
        }
        self.router_infos += 1;
        if self.router_infos > ROUTER_INFO_LIMIT {
            self.router_infos = ROUTER_INFO_LIMIT;
            queues.drops.router_infos_ignored += 1;
            return Ok(());
        }
        match peer_check::verified(bytes) {
            Ok(info) => events.push_back(Event::RouterInfo { info, flood }),
            Err(RefusedRouterInfo::Signature) => {
                return Err(End::Violated(TerminationReason::BadRouterInfoSignature));
            }
            Err(_) => queues.drops.router_infos_ignored += 1,
        }
        Ok(())
    }

    /// Notes that something was queued.
    pub(crate) fn note_queued(&mut self, now: Now) {
        self.waiting_since.get_or_insert(now.tick);
    }

    /// Seals frames while `out` is shorter than `limit` and anything waits.
    pub(crate) fn write_into(
        &mut self,
        now: Now,
        out: &mut Vec<u8>,
        limit: usize,
        queues: &mut SendQueues,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), End> {
        while out.len() < limit {
            if !self.write_frame(now, out, limit, queues, rng)? {
                break;
            }
            self.last_message = now.tick;
            self.waiting_since = Some(now.tick);
        }
        if queues.is_empty() {
            self.waiting_since = None;
        }
        Ok(())
    }

    /// One frame, if anything waits.
    fn write_frame(
        &mut self,
        now: Now,
        out: &mut Vec<u8>,
        limit: usize,
        queues: &mut SendQueues,
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, End> {
        let start = Sealer::begin(out);
        let target = FRAME_TARGET.min(limit.saturating_sub(start));
        let mut room = MAX_PAYLOAD;
        while let Some(item) = queues.next(now, room) {
            match item {
                Item::Message(message) => blocks::put_message(out, &message),
                Item::RouterInfo { bytes, flood } => {
                    blocks::put_date_time(out, now.date.to_seconds_rounded());
                    blocks::put_router_info(out, &bytes, flood);
                }
            }
            room = target.saturating_sub(out.len().saturating_sub(start));
        }
        if out.len() == start {
            out.truncate(start.saturating_sub(LENGTH_LEN));
            return Ok(false);
        }
        seal_padded(&mut self.sealer, out, start, rng).map_err(|NoncesUsed| End::NonceLimit)?;
        Ok(true)
    }

    /// Ends the session on our side: what has to be sent still, if the nonces last.
    pub(crate) fn into_farewell(self) -> Farewell {
        Farewell { sealer: self.sealer, frames_received: self.opener.frames() }
    }

    /// The next moment at which [`Self::expired`] may say something new.
    pub(crate) fn deadline(&self) -> Tick {
        let frame = self.incoming.since.map(|since| since + FRAME_LIMIT);
        let stall = self.waiting_since.map(|since| since + STALL_LIMIT);
        let idle = self.last_message + self.idle_limit;
        [frame, stall].into_iter().flatten().fold(idle, Tick::min)
    }

    /// Whether a time limit has passed.
    pub(crate) fn expired(&self, now: Tick) -> Option<Expired> {
        let past = |since: Tick, limit: Duration| now >= since + limit;
        if self.incoming.since.is_some_and(|since| past(since, FRAME_LIMIT)) {
            Some(Expired::IntraFrame)
        } else if self.waiting_since.is_some_and(|since| past(since, STALL_LIMIT)) {
            Some(Expired::Stalled)
        } else if past(self.last_message, self.idle_limit) {
            Some(Expired::Idle)
        } else {
            None
        }
    }

    #[cfg(test)]
    pub(crate) fn limit_nonces(&mut self, frames: u64) {
        self.sealer.limit(frames);
    }
}

/// What is left of a session that ends: enough to say why.
pub(crate) struct Farewell {
    sealer: Sealer,
    frames_received: u64,
}

impl Farewell {
    /// For a session that was never open.
    pub(crate) fn new(sealer: Sealer) -> Self {
        Self { sealer, frames_received: 0 }
    }

    /// The last frame. Nothing is written if no nonce is left for it.
    pub(crate) fn write_into(mut self, out: &mut Vec<u8>, reason: TerminationReason, rng: &mut dyn CryptoRng) {
        let start = Sealer::begin(out);
        blocks::put_termination(out, self.frames_received, reason);
        let _nothing_more_to_say = seal_padded(&mut self.sealer, out, start, rng);
    }
}

/// Pads and seals the blocks from `start` on.
fn seal_padded(sealer: &mut Sealer, out: &mut Vec<u8>, start: usize, rng: &mut dyn CryptoRng) -> Result<(), NoncesUsed> {
    let payload = out.len().saturating_sub(start);
    if let Some(most) = MAX_PAYLOAD.checked_sub(payload + HEADER_LEN) {
        blocks::put_padding(out, padding::frame(rng, payload).min(most));
    }
    sealer.finish(out, start)
}

/// Copies a message's body out of its frame if the frame is much longer.
fn unshared(mut message: I2npMessage, frame_len: usize) -> I2npMessage {
    if message.body.len() < frame_len / SHARE_DIVISOR {
        message.body = Bytes::copy_from_slice(&message.body);
    }
    message
}
