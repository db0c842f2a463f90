//! One NTCP2 session from the first byte to the last.

mod establish;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, mem};

use bytes::Bytes;
use ramson_crypto::{CryptoRng, rng, x25519};
use ramson_wire::{I2npMessage, Now, RouterHash, RouterInfo, Tick};
use tracing::debug;

use super::blocks::{self, MAX_ROUTER_INFO};
use super::handshake::HandshakeError;
use super::handshake::initiator::{self, CreatedHead, RequestSent};
use super::handshake::responder::{AwaitConfirmed, RequestHead};
use super::open::{End, Farewell, Open};
use super::queue::{Class, Drops, Queued, SendError, SendQueues};
use super::reason::{CloseReason, Expired, TerminationReason};
use super::{Context, LocalIdentity, PeerAddress, padding};

/// The handshake must end within this; i2pd has the same.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// After a broken first message: how many more bytes are read, at random, before the connection is closed.
const PROBE_BYTES: (u64, u64) = (1, 256);
/// After a broken first message: for how long it is kept open at most, at random. Ends with the handshake limit, so that a
/// silent prober sees what it sees after sending nothing.
const PROBE_MILLIS: (u64, u64) = (3_000, 10_000);
/// The same after a broken frame; Java reads 18 to 1041 bytes for up to 10 s.
const GARBLED_BYTES: (u64, u64) = (18, 1041);
const GARBLED_MILLIS: (u64, u64) = (1_000, 10_000);

/// What a session tells its owner. At most one `Established`, exactly one `Closed`, which is the last.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is done.
    Established {
        /// Who the peer is: as dialed, or as proven by message 3.
        peer: RouterHash,
        /// The initiator's RouterInfo, verified; none where we are the initiator.
        router_info: Option<RouterInfo>,
        /// The peer's clock minus ours, in seconds; within 60 either way.
        clock_skew_secs: i64,
    },
    /// An I2NP message. Its expiration isn't judged here.
    Message(I2npMessage),
    /// A RouterInfo with a good signature, of the peer or of another router; nothing else is checked.
    RouterInfo {
        /// The RouterInfo.
        info: RouterInfo,
        /// Whether the peer asks us to flood it.
        flood: bool,
    },
    /// The session is over. Its last bytes, if any, are still to be had from [`Session::write_into`].
    Closed(CloseReason),
}

/// One NTCP2 session over one TCP connection, as initiator or responder.
///
/// Contract: feed it by `handle_*`, `send*` and `close`; after each call drain [`poll_event`](Self::poll_event), write what
/// [`write_into`](Self::write_into) gives while [`wants_write`](Self::wants_write), and call
/// [`handle_timeout`](Self::handle_timeout) when [`deadline`](Self::deadline) has come (early calls are harmless).
/// After [`Event::Closed`]: write until `wants_write` is false, then close the connection and drop the session.
pub struct Session {
    local: Arc<LocalIdentity>,
    rng: Box<dyn CryptoRng + Send>,
    state: State,
    /// Bytes of an unfinished handshake message; never more than the state needs.
    input: Vec<u8>,
    /// Handshake messages and the last frame, on their way out.
    output: Vec<u8>,
    handshake_deadline: Tick,
    queues: SendQueues,
    events: VecDeque<Event>,
}

/// Where the session is. Handshake states are used up by their step.
enum State {
    /// Initiator: message 1 is out.
    AwaitCreated(Box<RequestSent>, RouterHash),
    /// Initiator: message 2 is in up to its padding.
    AwaitCreatedPadding(Box<CreatedHead>, RouterHash),
    /// Responder: nothing is known.
    AwaitRequest(IpAddr),
    /// Responder: message 1 is in up to its padding.
    AwaitRequestPadding(Box<RequestHead>, IpAddr),
    /// Responder: message 2 is out.
    AwaitConfirmed(Box<AwaitConfirmed>, IpAddr, i64),
    Open(Box<Open>),
    Draining(Drain),
    Closed,
}

/// Something was broken, and the peer isn't to learn when we saw it: bytes are swallowed up to a random count or moment.
struct Drain {
    left: usize,
    deadline: Tick,
    reason: CloseReason,
    /// The last frame to be sent then; none in the handshake, where nothing is answered.
    farewell: Option<(Farewell, TerminationReason)>,
}

impl Session {
    /// Begins a session on a connection that we opened. `router_info` is ours, as encoded, and goes into message 3 as it is
    /// now: it should be less than an hour old, or the peer refuses us.
    pub fn initiate(
        now: Now,
        local: &Arc<LocalIdentity>,
        router_info: &Bytes,
        peer: &PeerAddress,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        let mut payload = Vec::with_capacity(router_info.len() + 128);
        blocks::put_router_info(&mut payload, router_info, false);
        blocks::put_options(&mut payload);
        blocks::put_padding(&mut payload, padding::message_3(&mut *rng));
        let choices =
            initiator::Choices { ephemeral: x25519::PrivateKey::generate(&mut *rng), padding: padding::handshake(&mut *rng) };
        let mut session = Self::new(now, local, rng, State::Closed);
        if router_info.len() > MAX_ROUTER_INFO {
            session.finish(CloseReason::Handshake(HandshakeError::OwnRouterInfo));
            return session;
        }
        match RequestSent::start(local, peer, payload, choices, now.date.to_seconds_rounded()) {
            Ok((state, message)) => {
                session.output = message;
                session.state = State::AwaitCreated(Box::new(state), peer.hash);
            }
            Err(error) => session.finish(CloseReason::Handshake(error)),
        }
        session
    }

    /// Begins a session on a connection that came from `remote`.
    pub fn respond(now: Now, local: &Arc<LocalIdentity>, remote: IpAddr, rng: Box<dyn CryptoRng + Send>) -> Self {
        Self::new(now, local, rng, State::AwaitRequest(remote))
    }

    fn new(now: Now, local: &Arc<LocalIdentity>, rng: Box<dyn CryptoRng + Send>, state: State) -> Self {
        Self {
            local: Arc::clone(local),
            rng,
            state,
            input: Vec::new(),
            output: Vec::new(),
            handshake_deadline: now.tick + HANDSHAKE_LIMIT,
            queues: SendQueues::default(),
            events: VecDeque::new(),
        }
    }

    /// Whether messages can flow now.
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Whether it has failed, and only goes on so that the peer doesn't learn when.
    pub fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining(_))
    }

    /// Who the peer is, as far as it is known: from the start where we dialed, else once established.
    pub fn peer(&self) -> Option<RouterHash> {
        match &self.state {
            State::AwaitCreated(_, peer) | State::AwaitCreatedPadding(_, peer) => Some(*peer),
            State::Open(open) => Some(open.peer()),
            _ => None,
        }
    }

    /// What waits to be sent.
    pub fn queued(&self) -> Queued {
        self.queues.queued()
    }

    /// Memory held besides what waits to be sent: itself, and what has come or goes out in pieces.
    pub fn held_bytes(&self) -> usize {
        let frame = if let State::Open(open) = &self.state { open.held_bytes() } else { 0 };
        size_of::<Self>() + self.input.capacity() + self.output.capacity() + frame
    }

    /// Drops the oldest transit that waits, about so many bytes of it, and says how many. It is counted in [`drops`](Self::drops).
    pub fn shed_transit(&mut self, wanted: usize) -> usize {
        self.queues.shed_transit(wanted)
    }

    /// When a message went or came last, once established.
    pub fn last_message(&self) -> Option<Tick> {
        if let State::Open(open) = &self.state { Some(open.last_message()) } else { None }
    }

    /// What was not sent or not looked at, and why.
    pub fn drops(&self) -> Drops {
        self.queues.drops
    }

    /// Whether [`write_into`](Self::write_into) would give something.
    pub fn wants_write(&self) -> bool {
        !self.output.is_empty() || (self.is_established() && !self.queues.is_empty())
    }

    /// The next moment to call [`handle_timeout`](Self::handle_timeout).
    pub fn deadline(&self) -> Option<Tick> {
        match &self.state {
            State::Open(open) => Some(open.deadline()),
            State::Draining(drain) => Some(drain.deadline),
            State::Closed => None,
            _ => Some(self.handshake_deadline),
        }
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes from the connection, in whatever pieces. Bytes after the end are ignored.
    pub fn handle_bytes(&mut self, now: Now, bytes: &[u8], context: &mut Context<'_>) {
        let mut rest = bytes;
        loop {
            match &mut self.state {
                State::Closed => return,
                State::Open(open) => {
                    let ended = open.handle_bytes(now, &mut rest, &mut self.queues, &mut self.events);
                    if let Err(end) = ended {
                        self.end(now, end);
                        continue;
                    }
                    return;
                }
                State::Draining(drain) => {
                    drain.left = drain.left.saturating_sub(rest.len());
                    if drain.left == 0 {
                        self.finish_drain();
                    }
                    return;
                }
                _ => {
                    if !self.handle_handshake(now, &mut rest, context) {
                        return;
                    }
                }
            }
        }
    }

    /// The peer closed its side of the connection.
    pub fn handle_eof(&mut self, _now: Now) {
        match &self.state {
            State::Closed => {}
            State::Draining(_) => self.finish_drain(),
            _ => {
                let established = self.is_established();
                self.finish(CloseReason::Eof { established });
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        match &self.state {
            State::Closed => {}
            State::Open(open) => {
                if let Some(expired) = open.expired(now.tick) {
                    self.end(now, End::Expired(expired));
                }
            }
            State::Draining(drain) => {
                if now.tick >= drain.deadline {
                    self.finish_drain();
                }
            }
            _ => {
                if now.tick >= self.handshake_deadline {
                    self.finish(CloseReason::Expired(Expired::Handshake));
                }
            }
        }
    }

    /// Queues a message; it may come before the session is established.
    ///
    /// # Errors
    /// The message isn't queued, and is counted in [`drops`](Self::drops). Transit is always taken unless too large: older
    /// transit goes instead.
    pub fn send(&mut self, now: Now, message: I2npMessage, class: Class) -> Result<(), SendError> {
        self.queue(now, |queues| queues.push(now, message, class))
    }

    /// Queues a RouterInfo, as encoded, as control traffic, together with our time.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_router_info(&mut self, now: Now, router_info: Bytes, flood: bool) -> Result<(), SendError> {
        self.queue(now, |queues| queues.push_router_info(now, router_info, flood))
    }

    fn queue(&mut self, now: Now, push: impl FnOnce(&mut SendQueues) -> Result<(), SendError>) -> Result<(), SendError> {
        if matches!(self.state, State::Closed | State::Draining(_)) {
            return Err(SendError::Closed);
        }
        push(&mut self.queues)?;
        if let State::Open(open) = &mut self.state {
            open.note_queued(now);
        }
        Ok(())
    }

    /// Ends the session from our side. An established peer is told the reason; what was still queued is counted as unsent.
    pub fn close(&mut self, _now: Now, reason: TerminationReason) {
        match mem::replace(&mut self.state, State::Closed) {
            State::Closed => {}
            State::Open(open) => self.part(open.into_farewell(), reason, CloseReason::Requested(reason)),
            _ => {
                // A handshake message on its way out would only be answered in vain.
                self.output.clear();
                self.finish(CloseReason::Requested(reason));
            }
        }
    }

    /// Appends bytes for the connection while `out` is shorter than `limit`: handshake messages, or else frames sealed from the
    /// queues in order of class. The last frame may go beyond `limit`, by one message at most.
    ///
    /// Call it until nothing is appended: with others message 3 is a write of its own, and whoever sends frames along with it is
    /// known by the sizes of two segments.
    pub fn write_into(&mut self, now: Now, out: &mut Vec<u8>, limit: usize) {
        if !self.output.is_empty() {
            let ready = limit.saturating_sub(out.len()).min(self.output.len());
            out.extend(self.output.drain(..ready));
            return;
        }
        if let State::Open(open) = &mut self.state {
            let ended = open.write_into(now, out, limit, &mut self.queues, &mut *self.rng);
            if let Err(end) = ended {
                self.end(now, end);
            }
        }
    }

    /// Ends the data phase.
    fn end(&mut self, now: Now, end: End) {
        let State::Open(open) = mem::replace(&mut self.state, State::Closed) else {
            self.finish(CloseReason::Bug);
            return;
        };
        let farewell = open.into_farewell();
        match end {
            End::Terminated(reason) => self.finish(CloseReason::Terminated(reason)),
            End::NonceLimit => self.finish(CloseReason::NonceLimit),
            End::Violated(reason) => self.part(farewell, reason, CloseReason::Violated(reason)),
            End::ClockSkew(secs) => {
                self.part(farewell, TerminationReason::ClockSkew, CloseReason::ClockSkew { secs });
            }
            End::Expired(expired) => {
                let reason = match expired {
                    Expired::IntraFrame => TerminationReason::IntraFrameTimeout,
                    _ => TerminationReason::IdleTimeout,
                };
                self.part(farewell, reason, CloseReason::Expired(expired));
            }
            End::Garbled(reason) => {
                let limits = (GARBLED_BYTES, GARBLED_MILLIS);
                self.drain(now, limits, CloseReason::Violated(reason), Some((farewell, reason)));
            }
        }
    }

    /// Sends the last frame and closes.
    fn part(&mut self, farewell: Farewell, termination: TerminationReason, reason: CloseReason) {
        farewell.write_into(&mut self.output, termination, &mut *self.rng);
        self.finish(reason);
    }

    /// A first message that we don't answer.
    fn probe(&mut self, now: Now, error: HandshakeError) {
        debug!(%error, "first message refused");
        self.drain(now, (PROBE_BYTES, PROBE_MILLIS), CloseReason::Handshake(error), None);
        if let State::Draining(drain) = &mut self.state {
            drain.deadline = drain.deadline.min(self.handshake_deadline);
        }
    }

    fn drain(
        &mut self,
        now: Now,
        ((low_bytes, high_bytes), (low_millis, high_millis)): ((u64, u64), (u64, u64)),
        reason: CloseReason,
        farewell: Option<(Farewell, TerminationReason)>,
    ) {
        let left = rng::between(&mut *self.rng, low_bytes, high_bytes);
        let time = Duration::from_millis(rng::between(&mut *self.rng, low_millis, high_millis));
        self.input = Vec::new();
        self.queues.abandon();
        self.state = State::Draining(Drain {
            left: usize::try_from(left).unwrap_or(usize::MAX),
            deadline: now.tick + time,
            reason,
            farewell,
        });
    }

    fn finish_drain(&mut self) {
        let State::Draining(drain) = mem::replace(&mut self.state, State::Closed) else {
            return;
        };
        match drain.farewell {
            Some((farewell, termination)) => self.part(farewell, termination, drain.reason),
            None => self.finish(drain.reason),
        }
    }

    /// The one way out.
    fn finish(&mut self, reason: CloseReason) {
        debug!(?reason, "session over");
        self.state = State::Closed;
        self.input = Vec::new();
        self.queues.abandon();
        self.events.push_back(Event::Closed(reason));
    }

    /// Bytes of unfinished handshake messages, in and out.
    #[cfg(test)]
    pub(crate) fn held(&self) -> [usize; 2] {
        [self.input.len(), self.output.len()]
    }

    #[cfg(test)]
    pub(crate) fn limit_nonces(&mut self, frames: u64) {
        if let State::Open(open) = &mut self.state {
            open.limit_nonces(frames);
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::AwaitCreated(..) => "AwaitCreated",
            State::AwaitCreatedPadding(..) => "AwaitCreatedPadding",
            State::AwaitRequest(_) => "AwaitRequest",
            State::AwaitRequestPadding(..) => "AwaitRequestPadding",
            State::AwaitConfirmed(..) => "AwaitConfirmed",
            State::Open(_) => "Open",
            State::Draining(_) => "Draining",
            State::Closed => "Closed",
        };
        f.debug_struct("Session").field("state", &state).finish_non_exhaustive()
    }
}
