//! One stream: its states, what arrives, what its handle does.
//!
//! States: waiting (first packet not sent) → first packet sent → open; a foreign stream begins open. From there each side
//! closes by a CLOSE in sequence; the stream ends when the peer's came in order, ours is acked and so is all data, or by
//! RESET, by timeouts, or when nobody holds it any more. Invariants: data is delivered once and in order; nothing is
//! delivered before the peer's signed (or proven) first packet; an ended stream sends nothing more.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_wire::{Date, Destination, DestinationHash, Tick};

use super::config::{DestinationSigner, StreamingConfig};
use super::congestion::Congestion;
use super::packet::{self, Head, Packet};
use super::receiver::{Arrival, Receiver};
use super::rings::{CloseReason, StreamRings};
use super::rtt::Rtt;
use super::sender::Sender;
use super::timers::{Timer, Timers};
use super::{StreamId, StreamingOutput};

/// How long the first packet waits for data. Java's passive flush is 100 to 175 ms.
const FIRST_PACKET_DELAY: Duration = Duration::from_millis(120);
/// A stream without handle ends if for this long nothing of what was written is delivered.
const LINGER: Duration = Duration::from_secs(300);
/// And after this in any case: a peer may take it in ever so slowly.
const LINGER_IN_ALL: Duration = Duration::from_secs(3_600);
/// A stream without handle whose data is delivered waits this long for the peer's CLOSE.
const LINGER_CLOSED: Duration = Duration::from_secs(60);
/// The peer is asked to stop when the reader has been behind this long. A filled gap may release more than a ring at once
/// to a reader that is only a moment late, and stopping costs the sender its window.
pub(super) const CHOKE_DELAY: Duration = Duration::from_millis(25);
/// From here on a sequence is too near the end of the number space.
pub(super) const LAST_SEQUENCE: u32 = 0x7fff_0000;
/// The peer's limit on payloads if it names none.
const DEFAULT_MAX_PAYLOAD: u16 = 1730;
const LEAST_MAX_PAYLOAD: u16 = 512;

/// What a stream needs from its machine for one call.
pub(super) struct Context<'a> {
    pub(super) now: Tick,
    /// The date of the packet that is handled.
    pub(super) date: Date,
    pub(super) signer: &'a DestinationSigner,
    pub(super) config: &'a StreamingConfig,
    pub(super) out: &'a mut VecDeque<StreamingOutput>,
    /// The identity holds as much unread data as it may.
    pub(super) tight: bool,
}

/// Who is at which end.
#[derive(Debug, Clone)]
pub(super) struct Ends {
    pub(super) id: StreamId,
    pub(super) local: u32,
    pub(super) peer: Destination,
    pub(super) local_port: u16,
    pub(super) peer_port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    FirstSent,
    Open,
}

/// Whether the peer wants us to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choked {
    No,
    /// Until the packets before this one are acked.
    Until(u32),
    /// Until it says otherwise.
    Yes,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ends: Ends,
    pub(super) peer: DestinationHash,
    /// The peer's id, 0 if unknown.
    pub(super) remote: u32,
    pub(super) incoming: bool,
    pub(super) rings: Arc<StreamRings>,
    pub(super) phase: Phase,
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    pub(super) rtt: Rtt,
    pub(super) congestion: Congestion,
    pub(super) max_payload: usize,
    pub(super) shutdown: bool,
    /// There is no handle, since then.
    pub(super) detached: Option<Tick>,
    pub(super) close_sequence: Option<u32>,
    pub(super) blocked: bool,
    /// New data waits until something is known to have arrived.
    pub(super) full: bool,
    pub(super) choked: Choked,
    /// The reader is behind and we watch it.
    pub(super) behind: bool,
    /// We have told the peer to stop.
    pub(super) choking: bool,
    /// How often to tell it still that it may go on.
    pub(super) unchoke_left: u8,
    /// The window or the pacer held back data since the last ack.
    pub(super) limited: bool,
    /// Bytes may be in the send ring.
    pub(super) ring_has_data: bool,
    pub(super) hold_until: Option<Tick>,
    pub(super) timeouts: u32,
    pub(super) retransmit_due: Tick,
    pub(super) acks_owed: u32,
    /// A packet was dropped for want of room and no ack has said so yet.
    pub(super) no_room: bool,
    /// The duplicate that came last, and whether they show that our acks are lost.
    pub(super) last_duplicate: Option<u32>,
    pub(super) acks_lost: bool,
    pub(super) last_ack: Tick,
    pub(super) last_request: Tick,
    pub(super) last_received: Tick,
    pub(super) last_data: Tick,
    pub(super) timers: Timers,
    /// The deadline that the machine's table holds for this stream.
    pub(super) armed: Option<Tick>,
    pub(super) ended: Option<CloseReason>,
    /// The machine counts it among the half open.
    pub(super) counted_half_open: bool,
    /// Held bytes that the machine has counted.
    pub(super) counted_bytes: usize,
    pub(super) nacks: Vec<u32>,
}

impl Stream {
    pub(super) fn new(now: Tick, ends: Ends, remote: u32, rings: Arc<StreamRings>, memory: Option<(Duration, u32)>) -> Self {
        let incoming = remote != 0;
        let mut timers = Timers::default();
        timers.set(Timer::Idle, Some(now + super::timeouts::IDLE));
        Self {
            peer: ends.peer.hash(),
            ends,
            remote,
            incoming,
            rings,
            phase: Phase::Waiting,
            sender: Sender::new(),
            receiver: Receiver::default(),
            rtt: memory.map_or_else(Rtt::default, |(rtt, _)| Rtt::from_memory(rtt)),
            congestion: Congestion::new(memory.map(|(_, threshold)| threshold)),
            max_payload: usize::from(DEFAULT_MAX_PAYLOAD),
            shutdown: false,
            detached: None,
            close_sequence: None,
            blocked: false,
            full: false,
            choked: Choked::No,
            behind: false,
            choking: false,
            unchoke_left: 0,
            limited: false,
            ring_has_data: true,
            hold_until: None,
            timeouts: 0,
            retransmit_due: now,
            acks_owed: 0,
            no_room: false,
            last_duplicate: None,
            acks_lost: false,
            last_ack: Tick(0),
            last_request: Tick(0),
            last_received: now,
            last_data: now,
            timers,
            armed: None,
            ended: None,
            counted_half_open: false,
            counted_bytes: 0,
            nacks: Vec::new(),
        }
    }

    /// Starts an own stream.
    pub(super) fn start(&mut self, ctx: &mut Context<'_>) {
        self.max_payload = usize::from(ctx.config.max_payload);
        self.timers.set(Timer::Connect, Some(ctx.now + ctx.config.connect_timeout));
        self.timers.set(Timer::FirstPacket, Some(ctx.now + FIRST_PACKET_DELAY));
        self.on_dirty(ctx);
    }

    /// Starts a foreign stream with its first packet, whose sender has been proven.
    pub(super) fn accept(&mut self, ctx: &mut Context<'_>, packet: &Packet) {
        self.set_max_payload(ctx, packet);
        self.timers.set(Timer::Connect, Some(ctx.now + ctx.config.connect_timeout));
        self.rings.set_open();
        self.receiver.take(0, packet.payload.clone(), packet.has(packet::CLOSE), &self.rings, ctx.tight);
        self.send_first(ctx);
        self.pump(ctx);
    }

    fn set_max_payload(&mut self, ctx: &Context<'_>, packet: &Packet) {
        let theirs = packet.max_size.unwrap_or(DEFAULT_MAX_PAYLOAD).max(LEAST_MAX_PAYLOAD);
        self.max_payload = usize::from(theirs.min(ctx.config.max_payload));
    }

    /// A packet with our id, or a first packet's follower.
    pub(super) fn on_packet(&mut self, ctx: &mut Context<'_>, packet: &Packet, proven: Option<DestinationHash>) {
        if self.ended.is_some() || proven.is_some_and(|hash| hash != self.peer) {
            return;
        }
        let needs_proof = packet.has(packet::SYN | packet::CLOSE | packet::RESET);
        let first = packet.has(packet::SYN) && !self.receiver.started();
        if self.remote != 0 && packet.receive_id != self.remote && !first {
            return;
        }
        if needs_proof && !(proven == Some(self.peer) || packet.verify(&self.ends.peer, ctx.date)) {
            return;
        }
        if packet.has(packet::RESET) {
            let done = self.receiver.closed() && self.close_sequence.is_some();
            self.end(if done { CloseReason::Finished } else { CloseReason::Reset });
            return;
        }
        if packet.receive_id == 0 || self.phase == Phase::Waiting {
            return;
        }
        if first && !self.on_answer(ctx, packet) {
            return;
        }
        if self.remote == 0 {
            // Data overtook the peer's answer: it tells the id, and waits for the answer to be proven.
            self.remote = packet.receive_id;
        }
        self.last_received = ctx.now;
        if !packet.has(packet::NO_ACK) {
            self.on_ack(ctx, packet);
        }
        if let Some(delay) = packet.delay {
            self.on_delay(ctx, delay);
        }
        // i2pd asks with the first packet of each burst, and learns the path by an ack of those before: if that one is acked at once too,
        // its window grows half as fast. The last of a message isn't full.
        let asks = packet.delay == Some(0);
        let goes_on = asks && packet.payload.len() >= self.max_payload;
        let busy = self.acks_owed > 0 || ctx.now.saturating_since(self.last_ack) < self.rtt.estimate();
        if goes_on && busy && self.last_ack < ctx.now {
            self.send_ack(ctx);
        }
        if packet.sequence > 0 || packet.has(packet::SYN) {
            self.on_data(ctx, packet);
        }
        if asks && !goes_on && self.receiver.started() {
            self.ack_now(ctx);
        }
        self.settle(ctx);
    }

    /// A foreign stream whose opener hasn't acked our answer.
    pub(super) fn half_open(&self) -> bool {
        self.incoming && self.timers.get(Timer::Connect).is_some()
    }

    /// The opener's first packet came again: our answer may be lost.
    pub(super) fn on_first_again(&mut self, ctx: &mut Context<'_>) {
        self.sender.lose(0);
        self.ack_soon(ctx);
        self.settle(ctx);
    }

    /// The answer to our first packet. False if it isn't from whom we asked.
    fn on_answer(&mut self, ctx: &mut Context<'_>, packet: &Packet) -> bool {
        if packet.sequence != 0 || packet.from.as_ref().is_some_and(|from| from.hash() != self.peer) {
            return false;
        }
        if self.remote != packet.receive_id {
            self.remote = packet.receive_id;
            self.receiver = Receiver::default();
        }
        self.set_max_payload(ctx, packet);
        self.phase = Phase::Open;
        self.timers.set(Timer::Connect, None);
        self.rings.set_open();
        ctx.out.push_back(StreamingOutput::Connected { stream: self.ends.id });
        true
    }

    fn on_ack(&mut self, ctx: &mut Context<'_>, packet: &Packet) {
        let mut nacks = std::mem::take(&mut self.nacks);
        nacks.clear();
        if !packet.has(packet::SYN) {
            nacks.extend(packet.nacks());
            nacks.sort_unstable();
        }
        let acked = self.sender.ack(
            ctx.now,
            packet.ack_through,
            &nacks,
            self.limited || self.sender.in_flight() * 2 > self.congestion.window(),
            &mut self.rtt,
            &mut self.congestion,
        );
        self.nacks = nacks;
        let Some(acked) = acked else {
            return;
        };
        tracing::trace!(
            acked = acked.packets,
            nacks = self.nacks.len(),
            through = packet.ack_through,
            window = self.congestion.window(),
            in_flight = self.sender.in_flight(),
            rtt_us = self.rtt.estimate().as_micros(),
            "ack"
        );
        if acked.packets > 0 {
            self.timeouts = 0;
            self.rtt.progress();
            self.retransmit_due = ctx.now + self.rtt.rto();
            if self.incoming {
                self.timers.set(Timer::Connect, None);
            }
            if let Some(since) = self.detached {
                self.timers.set(Timer::Linger, Some((ctx.now + LINGER).min(since + LINGER_IN_ALL)));
            }
        }
        match self.choked {
            Choked::Until(sequence) if self.sender.first() >= sequence => self.choked = Choked::No,
            // A choking peer says so in each packet. It took something and says nothing: it goes on.
            Choked::Yes if acked.progress && packet.delay.is_none() => self.on_unchoked(ctx),
            _ => {}
        }
        self.detect_loss(ctx);
    }

    pub(super) fn detect_loss(&mut self, ctx: &Context<'_>) {
        if self.choked != Choked::Yes {
            let again = self.sender.detect(ctx.now, &self.rtt, &mut self.congestion);
            self.timers.set(Timer::Loss, again);
        }
    }

    fn on_data(&mut self, ctx: &mut Context<'_>, packet: &Packet) {
        let payload: Bytes = packet.payload.clone();
        let news = !payload.is_empty();
        let arrival = self.receiver.take(packet.sequence, payload, packet.has(packet::CLOSE), &self.rings, ctx.tight);
        match arrival {
            Arrival::InOrder => {
                self.acks_owed += 1;
                self.ack_later(ctx);
            }
            Arrival::OutOfOrder | Arrival::Duplicate | Arrival::NoRoom => self.ack_soon(ctx),
        }
        if arrival == Arrival::Duplicate {
            // What was acked comes again and again, or the last of it: the way back loses our acks (i2pd judges alike).
            let again = self.last_duplicate.replace(packet.sequence) == Some(packet.sequence);
            self.acks_lost |= again || self.receiver.is_newest(packet.sequence);
        }
        self.no_room |= arrival == Arrival::NoRoom;
        if matches!(arrival, Arrival::InOrder | Arrival::OutOfOrder) {
            self.unchoke_left = 0;
            self.timers.set(Timer::Unchoke, None);
            if self.detached.is_some() && news && !self.receiver.closed() {
                self.abort(ctx, CloseReason::Aborted);
                return;
            }
        }
        if !self.behind && self.receiver.full(&self.rings) && self.rings.watch_reader(true) {
            self.behind = true;
            self.timers.set(Timer::Choke, Some(ctx.now + CHOKE_DELAY));
        }
    }

    /// The handle wrote, read, closed or went away.
    pub(super) fn on_dirty(&mut self, ctx: &mut Context<'_>) {
        if self.ended.is_some() {
            return;
        }
        let news = self.rings.pull();
        self.ring_has_data = news.to_send > 0;
        self.shutdown |= news.shutdown;
        if news.reset {
            self.abort(ctx, CloseReason::Aborted);
            return;
        }
        if news.detached && self.detached.is_none() {
            self.detached = Some(ctx.now);
            self.shutdown = true;
            if news.unread > 0 || self.receiver.waiting() {
                self.abort(ctx, CloseReason::Aborted);
                return;
            }
            self.timers.set(Timer::Linger, Some(ctx.now + LINGER));
        }
        self.feed_reader(ctx);
        if self.phase == Phase::Waiting && (self.ring_has_data || self.shutdown) {
            self.send_first(ctx);
        }
        self.settle(ctx);
    }

    pub(super) fn set_blocked(&mut self, ctx: &mut Context<'_>, blocked: bool) {
        if self.blocked != blocked {
            self.blocked = blocked;
            if !blocked
                && self.phase == Phase::Waiting
                && (self.ring_has_data || self.shutdown || self.timers.get(Timer::FirstPacket).is_none())
            {
                self.send_first(ctx);
            }
            self.settle(ctx);
        }
    }

    pub(super) fn set_full(&mut self, ctx: &mut Context<'_>, full: bool) {
        self.full = full;
        if !full {
            self.settle(ctx);
        }
    }

    /// To be done after everything that may have changed something.
    pub(super) fn settle(&mut self, ctx: &mut Context<'_>) {
        if self.ended.is_some() {
            return;
        }
        self.pump(ctx);
        self.flush_ack(ctx);
        let closed = self.close_sequence.is_some() && self.sender.all_acked();
        if closed && self.receiver.closed() {
            self.end(CloseReason::Finished);
            return;
        }
        if closed && self.detached.is_some() {
            self.timers.at_latest(Timer::Linger, ctx.now + LINGER_CLOSED);
        }
        self.arm_retransmit(ctx);
    }

    /// Ends the stream and tells the peer.
    pub(super) fn abort(&mut self, ctx: &mut Context<'_>, reason: CloseReason) {
        if self.ended.is_none() {
            if self.remote != 0 {
                let head = Head {
                    send_id: self.remote,
                    receive_id: self.ends.local,
                    sequence: self.sender.next(),
                    ack_through: self.receiver.acks(0, &mut self.nacks),
                    flags: packet::RESET | packet::SIGNED | packet::FROM,
                    ..Head::default()
                };
                let (bytes, _) = head.write_signed(ctx.signer, |_| {});
                self.transmit(ctx, bytes, false);
            }
            self.end(reason);
        }
    }

    pub(super) fn end(&mut self, reason: CloseReason) {
        if self.ended.is_none() {
            self.ended = Some(reason);
            self.sender.clear();
            self.receiver.drop_all();
            self.rings.set_closed(reason);
        }
    }
}
