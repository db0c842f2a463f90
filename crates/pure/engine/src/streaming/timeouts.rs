//! What a stream does when nothing happens.

use std::sync::Arc;
use std::time::Duration;

use super::rings::CloseReason;
use super::stream::{Choked, Context, Phase, Stream};
use super::timers::Timer;

/// Silence after which we ask for a sign of life.
pub(super) const IDLE: Duration = Duration::from_secs(90);
/// A blocked stream that hears nothing ends after this.
const BLOCKED_LIMIT: Duration = Duration::from_secs(300);
/// Timeouts in a row after which the peer counts as gone. Java 8, i2pd 10.
const MAX_TIMEOUTS: u32 = 9;
/// The same after both sides closed: i2pd forgets a stream as soon as it has both CLOSEs.
const MAX_TIMEOUTS_CLOSED: u32 = 2;
/// The same for an answer to a foreign stream.
const MAX_TIMEOUTS_HALF_OPEN: u32 = 3;

impl Stream {
    pub(super) fn on_timeout(&mut self, ctx: &mut Context<'_>) {
        for timer in Timer::ALL {
            if self.ended.is_none() && self.timers.take_due(timer, ctx.now) {
                self.on_timer(ctx, timer);
            }
        }
        self.settle(ctx);
    }

    fn on_timer(&mut self, ctx: &mut Context<'_>, timer: Timer) {
        match timer {
            Timer::FirstPacket => {
                if self.phase == Phase::Waiting {
                    self.send_first(ctx);
                }
            }
            Timer::Connect => self.end(CloseReason::ConnectTimeout),
            Timer::Retransmit => self.on_retransmit(ctx),
            Timer::Loss => self.detect_loss(ctx),
            Timer::Ack => self.send_ack(ctx),
            Timer::Pace => {}
            Timer::Choke => {
                self.choking = self.behind;
                self.send_ack(ctx);
            }
            Timer::Unchoke => {
                if self.unchoke_left > 0 {
                    self.send_ack(ctx);
                    self.timers.set(Timer::Unchoke, Some(ctx.now + self.unchoke_wait()));
                }
            }
            Timer::Idle => self.on_idle(ctx),
            Timer::Linger => {
                let delivered = self.sender.all_acked() && self.close_sequence.is_some();
                if delivered {
                    self.end(CloseReason::Finished);
                } else {
                    self.abort(ctx, CloseReason::TimedOut);
                }
            }
        }
    }

    fn on_idle(&mut self, ctx: &mut Context<'_>) {
        let due = self.last_received + IDLE;
        if due > ctx.now {
            self.timers.set(Timer::Idle, Some(due));
            return;
        }
        self.timers.set(Timer::Idle, Some(ctx.now + IDLE));
        self.rings.trim();
        if Arc::strong_count(&self.rings) == 1 {
            // A handle that died without a word.
            self.rings.detach();
            self.on_dirty(ctx);
        } else if self.phase == Phase::Open {
            self.send_sign_of_life(ctx);
        }
    }

    fn on_retransmit(&mut self, ctx: &mut Context<'_>) {
        if ctx.now < self.retransmit_due {
            self.timers.set(Timer::Retransmit, Some(self.retransmit_due));
            return;
        }
        if self.blocked {
            if ctx.now.saturating_since(self.last_received) > BLOCKED_LIMIT {
                self.end(CloseReason::TimedOut);
            }
            self.retransmit_due = ctx.now + self.rtt.rto();
            return;
        }
        self.timeouts += 1;
        tracing::trace!(
            timeouts = self.timeouts,
            in_flight = self.sender.in_flight(),
            window = self.congestion.window(),
            "timeout"
        );
        let limit = if self.receiver.closed() && self.close_sequence.is_some() {
            MAX_TIMEOUTS_CLOSED
        } else if self.half_open() {
            MAX_TIMEOUTS_HALF_OPEN
        } else {
            MAX_TIMEOUTS
        };
        if self.timeouts > limit && self.phase == Phase::Open {
            let done = self.receiver.closed() && self.close_sequence.is_some();
            self.end(if done { CloseReason::Finished } else { CloseReason::TimedOut });
            return;
        }
        self.rtt.back_off();
        self.retransmit_due = ctx.now + self.rtt.rto();
        if self.choked == Choked::Yes || self.timeouts == 1 || self.phase != Phase::Open {
            self.send_probe(ctx);
        } else {
            if self.timeouts == 2 {
                self.congestion.on_timeout(self.sender.newest());
            }
            self.rtt.forget_base();
            self.choked = Choked::No;
            self.sender.lose_all();
        }
    }
}
