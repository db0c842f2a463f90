//! Congestion control of one stream: CUBIC in packets, with the delay and the rate of loss as second opinions.
//!
//! Why not plain loss-based control: an I2P path loses packets at random (a relay dropped, a tunnel on the edge of its
//! life), 5 % is ordinary, and round trips take seconds. Halving on each loss keeps a stream at a handful of
//! packets there. i2pd ignores loss and listens to delay alone; Java cuts to bandwidth × least round trip (Westwood).
//! What is done here, all in integers:
//! - Growth: slow start (one packet for each acked) until the threshold or until the round trip has visibly grown (as
//!   HyStart), then the greater of CUBIC's curve and an AIMD line, only while the window is really used.
//! - A loss counts as congestion, and the window is cut to 7/10 once in a round trip, if a queue stands (the round trip of
//!   this round is well above the least one) or if lately more than [`LOSS_TOLERATED`] of the packets were lost. Otherwise
//!   the window stays as it is: the loss was noise. A path that polices without queue therefore loses at
//!   most that share for long.
//! - Without loss, a round trip that stays above three times the least one cuts the window a little: relays' queues are
//!   long, and a stream must not stand in its own way.
//! - A cut turns back if the loss proves to have been reordering.
//! - The first timeout in a row halves the threshold and starts again from a small window.
//! - Packets leave paced, at twice (slow start) or 5/4 of window per round trip, in small bursts.

use std::time::Duration;

use ramson_wire::Tick;

use super::rtt::Rtt;

/// Packets in flight at the start. i2pd 10, Java 3 to 6.
pub(super) const INITIAL_WINDOW: u32 = 10;
/// The window never gets smaller.
const MIN_WINDOW: u32 = 3;
/// The window never gets larger. i2pd 512, Java 128.
pub(super) const MAX_WINDOW: u32 = 512;
/// The largest window towards a peer that has just choked us (Java holds 130 packets); it grows back while that goes well.
pub(super) const CHOKED_MAX_WINDOW: u32 = 128;
/// One packet in the fixed point of `window`.
const ONE: u32 = 256;
/// The fixed point of `loss_rate`.
const ALL_LOST: u32 = 1 << 20;
/// Share of lost packets up to which loss without a queue is noise.
const LOSS_TOLERATED: u32 = ALL_LOST / 10;
/// Packets over which the share is averaged.
const LOSS_MEMORY: u32 = 128;
/// A round trip may be this much longer because the peer gathers acks: i2pd answers a stream that only receives after a tenth of
/// its own idea of the round trip, up to 200 ms; Java after up to 200 ms. Taken for a queue, it would starve every short path.
const ACK_DELAY: Duration = Duration::from_millis(250);
/// Longest burst after idling, in packets.
const BURST: u32 = 10;
/// What a pacer may catch up when its timer fires late.
const BURST_TIME: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub(super) struct Congestion {
    /// In 1/256 packets.
    window: u32,
    threshold: u32,
    max_window: u32,
    /// CUBIC: the window before the last cut and when the curve began.
    before_cut: u32,
    curve_start: Option<Tick>,
    /// AIMD line beside the curve.
    line: u32,
    /// Lost share of the packets of late.
    loss_rate: u32,
    /// Transmissions up to this number belong to a round in which the window was cut already.
    cut_until: u64,
    /// For turning back a cut: window and threshold before it.
    undo: Option<(u32, u32)>,
    /// The round now under way ends when this transmission is acked.
    round_end: u64,
    round_least: Option<Duration>,
    /// Least round trip of the last full round, if any was measured in it.
    last_round: Option<Duration>,
    next_send: Tick,
}

impl Congestion {
    pub(super) fn new(threshold: Option<u32>) -> Self {
        Self {
            window: INITIAL_WINDOW * ONE,
            threshold: threshold.map_or(MAX_WINDOW, |packets| packets.max(INITIAL_WINDOW)) * ONE,
            max_window: MAX_WINDOW,
            before_cut: 0,
            curve_start: None,
            line: 0,
            loss_rate: 0,
            cut_until: 0,
            undo: None,
            round_end: 0,
            round_least: None,
            last_round: None,
            next_send: Tick(0),
        }
    }

    /// Packets that may be in flight.
    pub(super) fn window(&self) -> u32 {
        (self.window / ONE).clamp(MIN_WINDOW, self.max_window)
    }

    fn slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// One packet was acked. `number` is its transmission, `newest` the newest transmission so far, `limited` whether the
    /// window was what held back more.
    pub(super) fn on_ack(&mut self, now: Tick, number: u64, newest: u64, limited: bool, rtt: &Rtt) {
        self.loss_rate -= self.loss_rate / LOSS_MEMORY;
        if number >= self.round_end {
            self.end_round(newest, rtt);
        }
        if !limited || number < self.cut_until || self.queue_stands(rtt, 3, 2) && !self.slow_start() {
            return;
        }
        if self.slow_start() {
            self.window = self.window.saturating_add(ONE).min(self.max_window * ONE);
            return;
        }
        self.grow(now, rtt);
        self.window = self.window.min(self.max_window * ONE);
    }

    pub(super) fn on_rtt(&mut self, sample: Duration) {
        self.round_least = Some(self.round_least.map_or(sample, |least| least.min(sample)));
    }

    /// CUBIC with C = 0.4 and β = 0.7: W(t) = 0.4 (t − K)³ + W_max, K = ∛(0.75 W_max).
    fn grow(&mut self, now: Tick, rtt: &Rtt) {
        let start = *self.curve_start.get_or_insert(now);
        if self.line == 0 {
            self.line = self.window;
        }
        // The line: 3(1 − β)/(1 + β) ≈ 0.53 packets in a round trip.
        self.line =
            self.line.saturating_add((ONE * ONE / 2).checked_div(self.window.max(1)).unwrap_or(0).max(1)).min(MAX_WINDOW * ONE);
        let millis = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let elapsed = millis(now.saturating_since(start) + rtt.estimate()).min(600_000);
        let top = u64::from(self.before_cut.max(self.window) / ONE);
        let to_top = if self.before_cut > self.window { i64::try_from(cube_root(top * 750_000_000)).unwrap_or(0) } else { 0 };
        let distance = i128::from(elapsed - to_top);
        let curve = i128::from(top) * i128::from(ONE) + distance * distance * distance * i128::from(ONE) * 2 / 5_000_000_000;
        let target = u32::try_from(curve.clamp(0, i128::from(MAX_WINDOW * ONE))).unwrap_or(0);
        // At most half a packet for each acked one, so that a curve running ahead doesn't burst.
        let goal = target.max(self.line);
        if goal > self.window {
            let step = (goal - self.window) / (self.window / ONE).max(1);
            self.window += step.clamp(1, ONE / 2);
        }
    }

    fn end_round(&mut self, newest: u64, rtt: &Rtt) {
        self.round_end = newest.saturating_add(1);
        self.last_round = self.round_least.take();
        if self.window() >= self.max_window {
            self.max_window = (self.max_window + self.max_window / 16).min(MAX_WINDOW);
        }
        if self.slow_start() && self.window >= 2 * INITIAL_WINDOW * ONE && self.queue_stands(rtt, 5, 4) {
            self.threshold = self.window;
        } else if !self.slow_start() && self.queue_stands(rtt, 3, 1) {
            self.cut(newest, 17, 20);
        }
    }

    /// Whether the last round's least round trip lies above the path's, beyond a share and what the peer's delayed acks explain.
    fn queue_stands(&self, rtt: &Rtt, times: u32, over: u32) -> bool {
        let (Some(round), Some(base)) = (self.last_round, rtt.base()) else {
            return false;
        };
        round > base * times / over + ACK_DELAY
    }

    fn cut(&mut self, newest: u64, times: u32, over: u32) {
        self.undo = Some((self.window, self.threshold));
        self.before_cut = self.window;
        self.window = (self.window / over * times).max(MIN_WINDOW * ONE);
        self.threshold = self.window;
        self.curve_start = None;
        self.line = 0;
        self.cut_until = newest.saturating_add(1);
    }

    /// A transmission was found lost.
    pub(super) fn on_loss(&mut self, number: u64, newest: u64, rtt: &Rtt) {
        self.loss_rate += (ALL_LOST - self.loss_rate.min(ALL_LOST)) / LOSS_MEMORY;
        if number < self.cut_until {
            return;
        }
        if self.queue_stands(rtt, 3, 2) || self.loss_rate > LOSS_TOLERATED {
            self.cut(newest, 7, 10);
        }
    }

    /// What was taken for a loss was reordering.
    pub(super) fn on_spurious(&mut self) {
        self.loss_rate -= self.loss_rate.min(ALL_LOST / LOSS_MEMORY);
        if let Some((window, threshold)) = self.undo.take() {
            self.window = self.window.max(window);
            self.threshold = threshold;
        }
    }

    /// Nothing was acked for a whole timeout.
    pub(super) fn on_timeout(&mut self, newest: u64) {
        if self.window > MIN_WINDOW * ONE {
            self.undo = Some((self.window, self.threshold));
            self.before_cut = self.window;
            self.threshold = (self.window / 2).max(INITIAL_WINDOW * ONE);
        }
        self.window = MIN_WINDOW * ONE;
        self.curve_start = None;
        self.line = 0;
        self.cut_until = newest.saturating_add(1);
    }

    /// The peer's reader is slow: start small when it goes on, and don't run past what it can hold.
    pub(super) fn on_choke(&mut self, newest: u64) {
        self.max_window = CHOKED_MAX_WINDOW;
        self.threshold = (self.window / 2).clamp(INITIAL_WINDOW * ONE, CHOKED_MAX_WINDOW * ONE);
        self.window = self.window.min(INITIAL_WINDOW * ONE);
        self.curve_start = None;
        self.line = 0;
        self.cut_until = newest.saturating_add(1);
    }

    /// A stream that has been silent doesn't know the path any more.
    pub(super) fn on_idle(&mut self) {
        if self.window > INITIAL_WINDOW * ONE {
            self.threshold = self.threshold.max(self.window / 4 * 3);
            self.window = INITIAL_WINDOW * ONE;
            self.curve_start = None;
            self.line = 0;
        }
    }

    /// When the next packet may leave; `now` or earlier means at once.
    pub(super) fn next_send(&self) -> Tick {
        self.next_send
    }

    /// One packet left: move the pacer.
    pub(super) fn on_send(&mut self, now: Tick, rtt: &Rtt) {
        let gap = self.gap(rtt);
        let behind = (gap * BURST).max(BURST_TIME);
        let earliest = Tick(now.0.saturating_sub(u64::try_from(behind.as_nanos()).unwrap_or(0)));
        self.next_send = self.next_send.max(earliest) + gap;
    }

    fn gap(&self, rtt: &Rtt) -> Duration {
        let Some(smoothed) = rtt.smoothed() else {
            return Duration::ZERO;
        };
        let gap = smoothed / self.window();
        if self.slow_start() { gap / 2 } else { gap * 4 / 5 }
    }
}

/// Integer cube root, rounded down.
fn cube_root(value: u64) -> u64 {
    let (mut low, mut high) = (0u64, 2_642_245u64);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if middle * middle * middle <= value {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests;
