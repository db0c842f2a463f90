//! The session's steps through the handshake.

use std::mem;
use std::net::IpAddr;

use bytes::Bytes;
use ramson_crypto::x25519;
use ramson_wire::{Now, RouterHash};

use super::super::blocks::{Block, Blocks};
use super::super::frames::{Opener, Sealer};
use super::super::handshake::initiator::CreatedHead;
use super::super::handshake::responder::{self, Confirmed, RequestHead};
use super::super::handshake::{DataKeys, DirectionKeys, HEAD_LEN, HandshakeError, MAX_SKEW, skew_secs, within};
use super::super::open::{Farewell, Open, move_up_to};
use super::super::reason::{CloseReason, TerminationReason};
use super::super::{Context, padding, peer_check};
use super::{Event, Session, State};

/// Why a step of the handshake didn't lead to the next state.
enum Failure {
    /// Close, silently.
    Close(CloseReason),
    /// Close, but not now.
    Probe(HandshakeError),
    /// The handshake is sound, its content isn't: say so in a frame, then close.
    Refuse(Farewell, TerminationReason, CloseReason),
}

impl From<HandshakeError> for Failure {
    fn from(error: HandshakeError) -> Self {
        Self::Close(CloseReason::Handshake(error))
    }
}

impl Session {
    /// Collects what the handshake state needs and takes its step. False when more bytes have to come.
    pub(super) fn handle_handshake(&mut self, now: Now, rest: &mut &[u8], context: &mut Context<'_>) -> bool {
        let needed = match &self.state {
            State::AwaitCreated(..) | State::AwaitRequest(_) => HEAD_LEN,
            State::AwaitCreatedPadding(head, _) => usize::from(head.options.padding_len),
            State::AwaitRequestPadding(head, _) => usize::from(head.options.padding_len),
            State::AwaitConfirmed(state, ..) => state.message_len(),
            State::Open(_) | State::Draining(_) | State::Closed => return true,
        };
        move_up_to(needed, &mut self.input, rest);
        if self.input.len() < needed {
            return false;
        }
        let input = mem::take(&mut self.input);
        let state = mem::replace(&mut self.state, State::Closed);
        match self.step(now, state, input, rest.is_empty(), context) {
            Ok(next) => self.state = next,
            Err(Failure::Close(reason)) => self.finish(reason),
            Err(Failure::Probe(error)) => self.probe(now, error),
            Err(Failure::Refuse(farewell, termination, reason)) => self.part(farewell, termination, reason),
        }
        true
    }

    /// One step of the handshake: `input` is what the state needed, `at_end` whether nothing came behind it.
    fn step(
        &mut self,
        now: Now,
        state: State,
        input: Vec<u8>,
        at_end: bool,
        context: &mut Context<'_>,
    ) -> Result<State, Failure> {
        let bug = || Failure::Close(CloseReason::Bug);
        match state {
            State::AwaitRequest(remote) => {
                let mut head: [u8; HEAD_LEN] = input.try_into().map_err(|_| bug())?;
                let head = RequestHead::open(&self.local, &mut head, now.date, context.replay).map_err(Failure::Probe)?;
                Ok(State::AwaitRequestPadding(Box::new(head), remote))
            }
            State::AwaitRequestPadding(head, remote) => {
                if !at_end {
                    // The initiator can't have more to say before message 2.
                    return Err(Failure::Probe(HandshakeError::UnexpectedBytes));
                }
                self.answer_request(now, *head, &input, remote)
            }
            State::AwaitConfirmed(state, remote, skew_secs) => {
                let mut message = input;
                let confirmed = state.confirmed(&mut message)?;
                self.establish_inbound(now, confirmed, remote, skew_secs, context)
            }
            State::AwaitCreated(state, peer) => {
                let mut head: [u8; HEAD_LEN] = input.try_into().map_err(|_| bug())?;
                let head = state.created_head(&mut head)?;
                Ok(State::AwaitCreatedPadding(Box::new(head), peer))
            }
            State::AwaitCreatedPadding(head, peer) => {
                if !at_end {
                    return Err(HandshakeError::UnexpectedBytes.into());
                }
                self.establish_outbound(now, *head, &input, peer)
            }
            State::Open(_) | State::Draining(_) | State::Closed => Err(bug()),
        }
    }

    /// Responder: sends message 2. If the clocks differ too much that is all, so that the initiator learns our time.
    fn answer_request(&mut self, now: Now, head: RequestHead, padding: &[u8], remote: IpAddr) -> Result<State, Failure> {
        let skew_secs = head.skew_secs;
        let choices = responder::Choices {
            ephemeral: x25519::PrivateKey::generate(&mut *self.rng),
            padding: padding::handshake(&mut *self.rng),
        };
        let time = now.date.to_seconds_rounded();
        let (state, message) = head.create(&self.local, padding, choices, time).map_err(Failure::Probe)?;
        self.output.extend_from_slice(&message);
        if !within(skew_secs, MAX_SKEW) {
            return Err(Failure::Close(CloseReason::ClockSkew { secs: skew_secs }));
        }
        Ok(State::AwaitConfirmed(Box::new(state), remote, skew_secs))
    }

    /// Responder: message 3 is in. Our RouterInfo goes into the first frame: the initiator may have an old one.
    fn establish_inbound(
        &mut self,
        now: Now,
        confirmed: Confirmed,
        remote: IpAddr,
        clock_skew_secs: i64,
        context: &mut Context<'_>,
    ) -> Result<State, Failure> {
        let Confirmed { keys, static_key, payload } = confirmed;
        let DataKeys { to_responder, to_initiator } = keys;
        let info = router_info_block(Bytes::from(payload))
            .ok_or(Err(HandshakeError::ConfirmedPayload))
            .and_then(|bytes| peer_check::initiator(&self.local, &bytes, &static_key, remote, now.date).map_err(Ok));
        let info = match info {
            Ok(info) => info,
            Err(refused) => {
                let farewell = Farewell::new(Sealer::new(&to_initiator));
                return Err(match refused {
                    Ok(refused) => Failure::Refuse(farewell, refused.termination(), CloseReason::RouterInfo(refused)),
                    Err(error) => Failure::Refuse(farewell, TerminationReason::ConfirmedError, CloseReason::Handshake(error)),
                });
            }
        };
        let peer = info.hash();
        if !context.router_info.is_empty() {
            // A queue that only just began is empty, so there is room; if ours were too long, the peer goes without.
            let _counted = self.queues.push_router_info(now, context.router_info.clone(), false);
        }
        self.events.push_back(Event::Established { peer, router_info: Some(info), clock_skew_secs });
        Ok(self.open(now, peer, &to_initiator, &to_responder))
    }

    /// Initiator: message 2 is in, message 3 goes out.
    fn establish_outbound(&mut self, now: Now, head: CreatedHead, padding: &[u8], peer: RouterHash) -> Result<State, Failure> {
        let clock_skew_secs = skew_secs(head.options.time, now.date);
        if !within(clock_skew_secs, MAX_SKEW) {
            return Err(Failure::Close(CloseReason::ClockSkew { secs: clock_skew_secs }));
        }
        let (keys, message) = head.confirm(&self.local, padding)?;
        self.output.extend_from_slice(&message);
        self.events.push_back(Event::Established { peer, router_info: None, clock_skew_secs });
        Ok(self.open(now, peer, &keys.to_responder, &keys.to_initiator))
    }

    fn open(&mut self, now: Now, peer: RouterHash, send: &DirectionKeys, receive: &DirectionKeys) -> State {
        let mut open = Open::new(now, peer, Sealer::new(send), Opener::new(receive), &mut *self.rng);
        if !self.queues.is_empty() {
            open.note_queued(now);
        }
        State::Open(Box::new(open))
    }
}

/// The RouterInfo of message 3. It must come first; options, padding and unknown blocks may follow.
fn router_info_block(payload: Bytes) -> Option<Bytes> {
    let mut blocks = Blocks::new(payload);
    let Some(Ok(Block::RouterInfo { bytes, .. })) = blocks.next() else {
        return None;
    };
    let rest_is_fine = blocks.all(|block| matches!(block, Ok(Block::Options | Block::Padding | Block::Unknown)));
    rest_is_fine.then_some(bytes)
}
