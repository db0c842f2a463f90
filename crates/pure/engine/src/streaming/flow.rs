//! Flow control between readers: what peers ask of us by the DELAY option, and we of them.
//!
//! Deployed values: Java sends 61000 with each packet until its reader has caught up, then eight times 0; it counts 60001 and more as
//! choking. i2pd sends 60000 or 65535 in single acks, without ever taking it back, and halts at 60000 or more until what is under
//! way is acked. Packets without the option change nothing, but an ack that shows progress.

use std::time::Duration;

use ramson_wire::Tick;

use super::outgoing::UNCHOKE_TIMES;
use super::stream::{CHOKE_DELAY, Choked, Context, Stream};
use super::timers::Timer;

/// i2pd asks to pause with these two values until it has acked what is under way.
const PAUSES: [u16; 2] = [60_000, 65_535];

impl Stream {
    pub(super) fn on_delay(&mut self, ctx: &Context<'_>, delay: u16) {
        tracing::trace!(delay, "delay requested");
        if PAUSES.contains(&delay) {
            if self.choked == Choked::No && !self.sender.all_acked() {
                self.choked = Choked::Until(self.sender.next());
            }
        } else if delay > PAUSES[0] {
            if self.choked != Choked::Yes {
                self.choked = Choked::Yes;
                self.congestion.on_choke(self.sender.newest());
                self.timers.set(Timer::Loss, None);
                self.retransmit_due = ctx.now + self.rtt.rto();
            }
            // The peer lives.
            self.timeouts = 0;
        } else if self.choked != Choked::No {
            self.on_unchoked(ctx);
        }
    }

    pub(super) fn on_unchoked(&mut self, ctx: &Context<'_>) {
        self.choked = Choked::No;
        self.timeouts = 0;
        self.rtt.progress();
        self.retransmit_due = ctx.now + self.rtt.rto();
        let round = self.rtt.estimate() * 9 / 8;
        let then = ctx.now.0.saturating_sub(u64::try_from(round.as_nanos()).unwrap_or(u64::MAX));
        self.sender.lose_older(Tick(then));
    }

    /// Moves waiting data to the reader and lets the peer go on when the reader has caught up.
    pub(super) fn feed_reader(&mut self, ctx: &mut Context<'_>) {
        if !self.behind {
            return;
        }
        let held = self.receiver.held_bytes();
        loop {
            self.receiver.flush(&self.rings);
            if self.rings.watch_reader(true) {
                if !self.choking && self.receiver.held_bytes() < held {
                    // It isn't stuck: it has just read most of a ring.
                    self.timers.set(Timer::Choke, Some(ctx.now + CHOKE_DELAY));
                }
                return;
            }
            if !self.receiver.waiting() {
                break;
            }
        }
        self.behind = false;
        self.timers.set(Timer::Choke, None);
        if !std::mem::take(&mut self.choking) {
            return;
        }
        self.unchoke_left = UNCHOKE_TIMES;
        self.send_ack(ctx);
        self.timers.set(Timer::Unchoke, Some(ctx.now + self.unchoke_wait()));
    }

    /// How long until the next reminder that the peer may go on: it doubles.
    pub(super) fn unchoke_wait(&self) -> Duration {
        let told = UNCHOKE_TIMES.saturating_sub(self.unchoke_left).min(8);
        self.rtt.estimate().clamp(Duration::from_millis(50), Duration::from_secs(3)) * (1 << told) / 2
    }
}
