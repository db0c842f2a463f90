//! What a stream sends: first packets, data under window and pacer, acks, CLOSE.

use std::time::Duration;

use bytes::Bytes;

use super::StreamingOutput;
use super::packet::{self, Head};
use super::rings::CloseReason;
use super::sender::Body;
use super::stream::{Choked, Context, LAST_SEQUENCE, Phase, Stream};
use super::timers::Timer;

/// What we say to stop the peer: Java's value. i2pd takes it for Java and keeps its window at 64 from then on.
const CHOKE: u16 = 61_000;
/// Reminders that the peer may go on, as many as Java sends.
pub(super) const UNCHOKE_TIMES: u8 = 8;
/// NACKs in a data packet; an ack of its own holds more.
const NACKS_WITH_DATA: usize = 16;
const NACKS_IN_ACK: usize = 255;
/// Packets received after which an ack leaves early.
const ACK_EVERY: u32 = 64;
const LEAST_ACK_DELAY: Duration = Duration::from_millis(2);
const MOST_ACK_DELAY: Duration = Duration::from_millis(100);
/// A packet that isn't full waits this long for more bytes while many others are under way.
const HOLD: Duration = Duration::from_millis(3);
const HOLD_IN_FLIGHT: u32 = 8;
/// The pacer's timer is never set closer.
const PACE_STEP: Duration = Duration::from_millis(1);
/// First unacked to last sent, at most: i2pd refuses what is 1536 and more beyond a gap, and we what doesn't fit 4 MiB. A gap takes two
/// round trips to fill, so that this is 1.3 MB/s at one second where packets are lost.
pub(super) const MAX_SPAN: usize = 1500;
const LEAST_SPAN: usize = 32;
/// Silence after which the window starts anew.
const RESTART: Duration = Duration::from_secs(5);

impl Stream {
    pub(super) fn transmit(&self, ctx: &mut Context<'_>, packet: Bytes, retransmission: bool) {
        ctx.out.push_back(StreamingOutput::Transmit {
            to: self.peer,
            from_port: self.ends.local_port,
            to_port: self.ends.peer_port,
            packet,
            retransmission,
        });
    }

    /// The first packet, ours or in answer, with what is in the ring.
    pub(super) fn send_first(&mut self, ctx: &mut Context<'_>) {
        if self.blocked && !self.incoming {
            return;
        }
        self.timers.set(Timer::FirstPacket, None);
        let hash = packet::hash_as_nacks(&self.peer);
        let flags = packet::SYN | packet::SIGNED | packet::FROM;
        let head = Head {
            send_id: self.remote,
            receive_id: self.ends.local,
            nacks: if self.incoming { &[] } else { &hash },
            flags: if self.incoming { flags } else { flags | packet::NO_ACK },
            max_size: Some(ctx.config.max_payload),
            ..Head::default()
        };
        let (bytes, _) = head.write_signed(ctx.signer, |out| {
            let (_, left) = self.rings.take(self.max_payload, 1, out);
            self.ring_has_data = left > 0;
        });
        self.phase = if self.incoming { Phase::Open } else { Phase::FirstSent };
        self.sent(ctx, Body::Whole(bytes.clone()));
        self.last_ack = ctx.now;
        self.transmit(ctx, bytes, false);
        self.arm_retransmit(ctx);
    }

    /// Books a new packet.
    fn sent(&mut self, ctx: &Context<'_>, body: Body) {
        if self.sender.all_acked() {
            self.retransmit_due = ctx.now + self.rtt.rto();
        }
        self.sender.push(ctx.now, body);
        self.congestion.on_send(ctx.now, &self.rtt);
        self.last_data = ctx.now;
    }

    /// Sends what window, pacer and peer allow.
    pub(super) fn pump(&mut self, ctx: &mut Context<'_>) {
        self.timers.set(Timer::Pace, None);
        if self.phase != Phase::Open || self.blocked {
            return;
        }
        if self.sender.all_acked() && ctx.now.saturating_since(self.last_data) > RESTART {
            self.congestion.on_idle();
        }
        while self.choked != Choked::Yes && self.ended.is_none() {
            let lost = self.sender.has_lost();
            let close = self.shutdown && self.close_sequence.is_none();
            if !(lost || self.close_sequence.is_none() && (self.ring_has_data || close)) {
                self.limited = false;
                return;
            }
            self.limited = true;
            let next = self.congestion.next_send();
            if self.sender.in_flight() >= self.congestion.window() {
                return;
            }
            if next > ctx.now {
                self.timers.set(Timer::Pace, Some(next.max(ctx.now + PACE_STEP)));
                return;
            }
            if lost {
                let resent = self.sender.resend_lost(ctx.now);
                self.send_again(ctx, resent);
                continue;
            }
            if self.full && self.sender.in_flight() > 0 {
                self.limited = false;
                return;
            }
            let span = self.congestion.span().clamp(LEAST_SPAN, MAX_SPAN);
            if self.choked != Choked::No || self.sender.span() >= span {
                return;
            }
            if self.ring_has_data {
                if !self.send_data(ctx) {
                    return;
                }
            } else {
                self.send_close(ctx);
            }
        }
    }

    /// One new data packet; false if it waits for more bytes.
    fn send_data(&mut self, ctx: &mut Context<'_>) -> bool {
        if self.sender.next() >= LAST_SEQUENCE {
            self.abort(ctx, CloseReason::Aborted);
            return false;
        }
        let queued = self.rings.queued();
        let short = queued < self.max_payload;
        if queued > 0 && short && !self.shutdown && self.sender.in_flight() >= HOLD_IN_FLIGHT {
            let until = *self.hold_until.get_or_insert(ctx.now + HOLD);
            if until > ctx.now {
                self.rings.take(0, self.max_payload, &mut Vec::new());
                self.timers.set(Timer::Pace, Some(until));
                return false;
            }
        }
        let ask = short || ctx.now.saturating_since(self.last_request) > self.rtt.estimate() / 8;
        let room = self.max_payload;
        let mut out = self.data_head(ctx, self.sender.next(), ask).write(room);
        let start = out.len();
        let (taken, left) = self.rings.take(self.max_payload, 1, &mut out);
        self.ring_has_data = left > 0;
        self.hold_until = None;
        if taken == 0 {
            return true;
        }
        let bytes = Bytes::from(out);
        self.sent(ctx, Body::Data(bytes.slice(start..)));
        self.acked_with_data(ctx);
        self.transmit(ctx, bytes, false);
        true
    }

    /// The header of a data packet, new or sent again.
    fn data_head(&mut self, ctx: &Context<'_>, sequence: u32, ask: bool) -> Head<'_> {
        let delay = self.delay_option(ask);
        if delay == Some(0) {
            self.last_request = ctx.now;
        }
        let ack_through = self.receiver.acks(NACKS_WITH_DATA, &mut self.nacks);
        Head {
            send_id: self.remote,
            receive_id: self.ends.local,
            sequence,
            ack_through,
            nacks: &self.nacks,
            delay,
            ..Head::default()
        }
    }

    fn delay_option(&mut self, ask: bool) -> Option<u16> {
        if self.choking {
            return Some(CHOKE);
        }
        if self.unchoke_left > 0 {
            self.unchoke_left -= 1;
            return Some(0);
        }
        ask.then_some(0)
    }

    /// A data packet has told all there is to ack.
    fn acked_with_data(&mut self, ctx: &Context<'_>) {
        if self.receiver.missing() <= NACKS_WITH_DATA && !self.no_room {
            self.acks_owed = 0;
            self.last_ack = ctx.now;
            self.timers.set(Timer::Ack, None);
        }
    }

    fn send_again(&mut self, ctx: &mut Context<'_>, resent: Option<(u32, Body)>) {
        let Some((sequence, body)) = resent else {
            return;
        };
        self.congestion.on_send(ctx.now, &self.rtt);
        self.last_data = ctx.now;
        let bytes = match body {
            Body::Whole(bytes) => bytes,
            Body::Data(payload) => {
                let mut out = self.data_head(ctx, sequence, true).write(payload.len());
                out.extend_from_slice(&payload);
                self.acked_with_data(ctx);
                Bytes::from(out)
            }
        };
        let suspect = self.path_is_suspect();
        self.transmit(ctx, bytes, suspect);
    }

    /// Silence, or much loss: another tunnel or lease may do better. Single losses are every path's lot, and each change of the path
    /// costs what is known of it.
    fn path_is_suspect(&self) -> bool {
        self.timeouts > 0 || self.phase != Phase::Open || self.congestion.loses_much()
    }

    /// Draws an ack out of a silent or choking peer.
    pub(super) fn send_probe(&mut self, ctx: &mut Context<'_>) {
        if self.sender.all_acked() {
            if self.phase == Phase::Open && self.ring_has_data && self.close_sequence.is_none() {
                self.hold_until = Some(ctx.now);
                self.send_data(ctx);
            }
            return;
        }
        let resent = self.sender.probe(ctx.now);
        self.send_again(ctx, resent);
    }

    fn send_close(&mut self, ctx: &mut Context<'_>) {
        // One more look: a write may have come just before the shutdown.
        if self.rings.queued() > 0 {
            self.ring_has_data = true;
            return;
        }
        let sequence = self.sender.next();
        let delay = self.delay_option(true);
        let ack_through = self.receiver.acks(NACKS_WITH_DATA, &mut self.nacks);
        let head = Head {
            send_id: self.remote,
            receive_id: self.ends.local,
            sequence,
            ack_through,
            nacks: &self.nacks,
            flags: packet::CLOSE | packet::SIGNED,
            delay,
            ..Head::default()
        };
        let (bytes, _) = head.write_signed(ctx.signer, |_| {});
        self.close_sequence = Some(sequence);
        self.sent(ctx, Body::Whole(bytes.clone()));
        self.transmit(ctx, bytes, false);
    }

    /// Owes an ack that may wait for company.
    pub(super) fn ack_later(&mut self, ctx: &Context<'_>) {
        if self.acks_owed >= ACK_EVERY {
            self.ack_soon(ctx);
        } else {
            let delay = (self.rtt.estimate() / 10).clamp(LEAST_ACK_DELAY, MOST_ACK_DELAY);
            // While packets flow, those that the peer asks to have acked come about as often, and bring the ack along.
            let due = self.last_ack + delay;
            self.timers.at_latest(Timer::Ack, if due > ctx.now { due + delay / 2 } else { ctx.now + delay });
        }
    }

    /// Owes an ack that the peer asked for: it measures the path by it.
    pub(super) fn ack_now(&mut self, ctx: &Context<'_>) {
        self.timers.at_latest(Timer::Ack, ctx.now.max(self.last_ack + PACE_STEP));
    }

    /// Owes an ack now, but not many in a row.
    pub(super) fn ack_soon(&mut self, ctx: &Context<'_>) {
        let gap = (self.rtt.estimate() / 16).clamp(PACE_STEP, MOST_ACK_DELAY);
        self.timers.at_latest(Timer::Ack, ctx.now.max(self.last_ack + gap));
    }

    /// Sends the ack that is due.
    pub(super) fn flush_ack(&mut self, ctx: &mut Context<'_>) {
        if self.timers.take_due(Timer::Ack, ctx.now) {
            self.send_ack(ctx);
        }
    }

    pub(super) fn send_ack(&mut self, ctx: &mut Context<'_>) {
        self.ack(ctx, false);
    }

    /// Asks the peer whether it is there.
    pub(super) fn send_sign_of_life(&mut self, ctx: &mut Context<'_>) {
        self.ack(ctx, true);
    }

    fn ack(&mut self, ctx: &mut Context<'_>, ask: bool) {
        if self.remote == 0 || self.phase == Phase::Waiting {
            return;
        }
        let delay = self.delay_option(ask);
        let mut ack_through = self.receiver.acks(NACKS_IN_ACK, &mut self.nacks);
        if self.no_room && self.nacks.is_empty() {
            // "All but the next": the same as acking one less, but it tells i2pd that we live, which would give up otherwise.
            ack_through += 1;
            self.nacks.push(ack_through);
        }
        self.no_room = false;
        let head =
            Head { send_id: self.remote, receive_id: self.ends.local, ack_through, nacks: &self.nacks, delay, ..Head::default() };
        let bytes = Bytes::from(head.write(0));
        self.acks_owed = 0;
        self.last_ack = ctx.now;
        self.timers.set(Timer::Ack, None);
        let suspect = std::mem::take(&mut self.acks_lost);
        self.transmit(ctx, bytes, suspect);
    }

    /// The retransmission timer runs while anything is unacked, or data waits on a choking peer.
    pub(super) fn arm_retransmit(&mut self, ctx: &Context<'_>) {
        let waits = self.choked == Choked::Yes && self.ring_has_data;
        if self.sender.all_acked() && !waits {
            self.timers.set(Timer::Retransmit, None);
        } else {
            self.timers.at_latest(Timer::Retransmit, self.retransmit_due.max(ctx.now));
        }
    }
}
