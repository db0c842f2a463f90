//! Congestion control of one stream, by rate and delay: how many packets may be under way, and how fast they leave.
//!
//! Why not by loss alone: a path over six relays loses at random, 5 % is ordinary, and round trips take seconds; halving on each loss
//! keeps a stream at a handful of packets. Relays' queues are long, so a stream that listens to loss alone stands in its own way and
//! in that of i2pd's streams, which listen to delay. Weighed against others, with numbers, in `docs/adr/0002-streaming-congestion.md`.
//!
//! Once in a round trip ("round") it is known what the path delivered (its rate) and the least time a packet took; the excess over the
//! path's least ever is the queue. All in integers:
//! - Start: the window doubles in a round, until a queue stands; then it becomes what the path carries.
//! - Cruise: while fewer than [`Congestion::share`] packets of ours wait, the window grows, in steps that double up to an eighth; when
//!   more do it becomes rate × least round trip and that share. The share grows with the root of the window: streams on one hop
//!   get equal parts, and a fast one doesn't mistake noise for a queue.
//! - Loss is noise up to [`LOSS_TOLERATED`] of the packets. Beyond, the window becomes what was delivered, half of it at most less, and
//!   stays below a ceiling for some rounds. If the loss goes on all the same it has nothing to do with us: more is tolerated, and
//!   the window comes back.
//! - The second timeout in a row starts anew from a small window. A cut turns back if the loss proves to have been reordering.
//! - Packets leave paced, at twice (start) or 5/4 of window per round trip, in small bursts.

use std::time::Duration;

use ramson_wire::Tick;

use super::rtt::Rtt;

/// Packets in flight at the start. i2pd 10, Java 3 to 6.
pub(super) const INITIAL_WINDOW: u32 = 10;
/// The window never gets smaller.
const MIN_WINDOW: u32 = 3;
/// The window never gets larger: 1 MB/s at 1.5 s. i2pd 512, Java 128.
pub(super) const MAX_WINDOW: u32 = 1024;
/// The largest window towards a peer that hasn't acked more in a round trip, or has choked us: Java holds 130 packets.
pub(super) const UNPROVEN_WINDOW: u32 = 128;
/// A new stream starts at most so wide, even if the path is known.
const MAX_FIRST_WINDOW: u32 = 128;
/// One packet in the fixed point of `window`.
const ONE: u32 = 256;
/// The fixed point of `loss_rate`.
const ALL_LOST: u32 = 1 << 20;
/// Share of lost packets up to which loss is noise, and the most that it may become.
const LOSS_TOLERATED: u32 = ALL_LOST / 32;
const MOST_TOLERATED: u32 = ALL_LOST / 5;
/// More than any path that is worth keeping loses.
const MUCH_LOSS: u32 = ALL_LOST / 7;
/// Packets over which the share is averaged.
const LOSS_MEMORY: u32 = 256;
/// Rounds for which the window stays a little below what was delivered when too much was lost, and between steps upwards after. Too
/// much loss in this time has other causes than us.
const CEILING_ROUNDS: u32 = 12;
const CEILING_STEP: u32 = 4;
/// Cuts that didn't help before the loss counts as noise: after the first one the rate may still be that of a burst.
const VAIN_CUTS: u32 = 2;
/// Rounds without much loss after which less is tolerated again.
const CALM_ROUNDS: u32 = 64;
/// Rounds whose rate counts.
const RATES: usize = 8;
/// Packets of a round that tell whether it waits behind the one before.
const FIRST_PACKETS: u32 = 8;
/// Time in a queue that is taken for noise: a part of the path's, in these bounds.
const LEAST_NOISE: Duration = Duration::from_millis(5);
const MOST_NOISE: Duration = Duration::from_millis(40);
/// Round trips shorter than this are no measure: i2pd gathers acks for up to 40 ms and more where the path takes one. No path through
/// tunnels between machines is so short.
const SHORT_PATH: Duration = Duration::from_millis(60);
/// Packets that noise excuses at most, in 1/256: an i2pd hop with 500 tunnel messages waiting for a router ends its connection with
/// it, and all that waits is lost. A packet takes two.
const MOST_EXCUSED: u32 = 120 * ONE;
/// Longest burst after idling, in packets.
const BURST: u32 = 10;
/// What a pacer may catch up when its timer fires late.
const BURST_TIME: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub(super) struct Congestion {
    /// In 1/256 packets.
    window: u32,
    /// The start ends here at the latest.
    threshold: u32,
    starting: bool,
    max_window: u32,
    /// The next growth while cruising.
    step: u32,
    /// Packets that each of the last rounds delivered, in 1/256 in a second.
    rates: [u64; RATES],
    /// Lost share of the packets of late, and how much of it is taken for noise.
    loss_rate: u32,
    tolerated: u32,
    /// The loss rate when it passed what is tolerated in this round.
    excess: u32,
    /// Cuts in a row that didn't end the loss.
    vain: u32,
    ceiling: u32,
    /// Rounds since the last cut because of loss.
    since_cut: u32,
    /// Transmissions up to this number belong to a round in which the window was cut already.
    cut_until: u64,
    /// For turning back a cut: the window before it.
    undo: Option<u32>,
    /// The round now under way ends when this transmission is acked.
    round_end: u64,
    round_began: Option<Tick>,
    round_acked: u32,
    round_lost: u32,
    round_least: Option<Duration>,
    /// The window held something back in this round.
    round_limited: bool,
    /// Least round trip of the last full round, if any was measured in it.
    last_round: Option<Duration>,
    next_send: Tick,
}

impl Congestion {
    /// `known`: a window that lately was right for the path.
    pub(super) fn new(known: Option<u32>) -> Self {
        let window = known.map_or(INITIAL_WINDOW, |window| (window / 4 * 3).clamp(INITIAL_WINDOW, MAX_FIRST_WINDOW));
        Self {
            window: window * ONE,
            threshold: MAX_WINDOW * ONE,
            starting: true,
            max_window: UNPROVEN_WINDOW,
            step: 0,
            rates: [0; RATES],
            loss_rate: 0,
            tolerated: LOSS_TOLERATED,
            excess: 0,
            vain: 0,
            ceiling: u32::MAX,
            since_cut: u32::MAX,
            cut_until: 0,
            undo: None,
            round_end: 0,
            round_began: None,
            round_acked: 0,
            round_lost: 0,
            round_least: None,
            round_limited: false,
            last_round: None,
            next_send: Tick(0),
        }
    }

    /// Packets from the first that isn't acked to the last sent: holes may take several round trips to fill. Java holds 130.
    pub(super) fn span(&self) -> usize {
        let times = if self.max_window > UNPROVEN_WINDOW { 4 } else { 2 };
        usize::try_from(times * self.window()).unwrap_or(usize::MAX)
    }

    /// Whether the path, not the application, has bounded the window.
    pub(super) fn has_found_limit(&self) -> bool {
        !self.starting
    }

    /// Whether so much is lost that another path may well be better.
    pub(super) fn loses_much(&self) -> bool {
        self.loss_rate > MUCH_LOSS
    }

    /// Packets that may be in flight.
    pub(super) fn window(&self) -> u32 {
        (self.window / ONE).clamp(MIN_WINDOW, self.max_window)
    }

    /// One packet was acked. `number` is its transmission, `newest` the newest transmission so far, `limited` whether the
    /// window was what held back more.
    pub(super) fn on_ack(&mut self, now: Tick, number: u64, newest: u64, limited: bool, rtt: &Rtt) {
        self.loss_rate -= self.loss_rate / LOSS_MEMORY;
        self.round_acked = self.round_acked.saturating_add(1);
        self.round_limited |= limited;
        if number >= self.round_end {
            self.end_round(now, newest, rtt);
        }
        if limited && self.starting && number >= self.cut_until {
            self.set_window(self.window.saturating_add(ONE).min(self.threshold));
            self.end_start(rtt);
        }
    }

    pub(super) fn on_rtt(&mut self, sample: Duration) {
        self.round_least = Some(self.round_least.map_or(sample, |least| least.min(sample)));
    }

    /// The start is over when the first packets of a round already had to wait behind those of the round before.
    fn end_start(&mut self, rtt: &Rtt) {
        let rate = self.rate();
        let waiting = self.waiting(rate, self.round_least.filter(|_| self.round_acked >= FIRST_PACKETS), rtt);
        if waiting > 2 * self.share() {
            self.leave_start(rate, rtt);
        }
    }

    fn leave_start(&mut self, rate: u64, rtt: &Rtt) {
        self.starting = false;
        let goal = self.carried(rate, rtt).saturating_add(self.share());
        self.set_window(goal.min(self.window));
    }

    fn set_window(&mut self, window: u32) {
        self.window = window.clamp(MIN_WINDOW * ONE, self.max_window * ONE);
    }

    fn end_round(&mut self, now: Tick, newest: u64, rtt: &Rtt) {
        self.round_end = newest.saturating_add(1);
        self.last_round = self.round_least.take();
        let acked = std::mem::take(&mut self.round_acked);
        let lost = std::mem::take(&mut self.round_lost);
        let excess = std::mem::take(&mut self.excess);
        let limited = std::mem::take(&mut self.round_limited);
        let began = self.round_began.replace(now);
        self.since_cut = self.since_cut.saturating_add(1);
        if self.since_cut.is_multiple_of(CALM_ROUNDS) {
            self.tolerated = (self.tolerated / 4 * 3).max(LOSS_TOLERATED);
        }
        let Some(elapsed) = began.map(|began| now.saturating_since(began)).filter(|elapsed| !elapsed.is_zero()) else {
            return;
        };
        let rate = u64::from(acked) * u64::from(ONE) * 1_000_000_000 / u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let best = self.rate();
        if limited || rate > best {
            self.rates.rotate_right(1);
            self.rates[0] = rate;
        }
        if excess > 0 {
            let foreign = lost.saturating_mul(4) <= acked;
            self.answer_loss(rate, excess, foreign, newest, rtt);
            return;
        }
        if !limited {
            return;
        }
        if acked >= self.max_window / 4 * 3 {
            self.max_window = (self.max_window * 2).min(MAX_WINDOW);
        }
        self.lift_ceiling();
        let waiting = self.waiting(rate, self.last_round, rtt);
        if self.starting {
            if waiting > 2 * self.share() {
                self.leave_start(rate, rtt);
            } else if self.window >= self.threshold {
                self.starting = false;
            }
            return;
        }
        self.cruise(rate, waiting, rtt);
    }

    fn cruise(&mut self, rate: u64, waiting: u32, rtt: &Rtt) {
        let share = self.share();
        if waiting <= share / 2 {
            self.step = (self.step * 2).clamp(ONE / 2, (self.window / 8).max(ONE / 2));
            self.set_window(self.window.saturating_add(self.step).min(self.ceiling));
            return;
        }
        self.step = 0;
        if waiting > share {
            self.fit(rate, rtt);
        }
    }

    /// Makes the window what the path carries and our share of the queue, but not much smaller at once.
    fn fit(&mut self, rate: u64, rtt: &Rtt) {
        let goal = self.carried(rate, rtt).saturating_add(self.share());
        self.set_window(goal.clamp(self.window / 2, self.window));
    }

    /// Packets that the path carries without a queue, in 1/256.
    fn carried(&self, rate: u64, rtt: &Rtt) -> u32 {
        let base = rtt.base().unwrap_or(rtt.estimate());
        packets(rate, base).saturating_add(excused(rate, base))
    }

    /// Packets of ours that waited in a queue at this rate in a round with this least round trip, in 1/256.
    fn waiting(&self, rate: u64, round: Option<Duration>, rtt: &Rtt) -> u32 {
        let (Some(round), Some(base)) = (round, rtt.base()) else {
            return 0;
        };
        packets(rate, round.saturating_sub(base)).saturating_sub(excused(rate, base))
    }

    /// Packets of ours that may wait, in 1/256.
    fn share(&self) -> u32 {
        ((self.window / ONE).isqrt() * ONE / 2).max(3 * ONE)
    }

    fn rate(&self) -> u64 {
        self.rates.iter().copied().max().unwrap_or(0)
    }

    /// After a while the window may try again the size at which packets were lost.
    fn lift_ceiling(&mut self) {
        if self.ceiling != u32::MAX && self.since_cut >= CEILING_ROUNDS && self.since_cut.is_multiple_of(CEILING_STEP) {
            self.ceiling = if self.since_cut > 4 * CEILING_ROUNDS { u32::MAX } else { self.ceiling + self.ceiling / 16 };
        }
    }

    /// A transmission was found lost.
    pub(super) fn on_loss(&mut self, number: u64) {
        if number < self.cut_until {
            return;
        }
        self.round_lost = self.round_lost.saturating_add(1);
        self.loss_rate += (ALL_LOST - self.loss_rate.min(ALL_LOST)) / LOSS_MEMORY;
        if self.loss_rate > self.tolerated {
            self.excess = self.excess.max(self.loss_rate);
        }
    }

    /// Too much was lost in a round. `foreign`: not more than any path may lose by itself.
    fn answer_loss(&mut self, rate: u64, excess: u32, foreign: bool, newest: u64, rtt: &Rtt) {
        self.vain = if foreign && self.since_cut < CEILING_ROUNDS { self.vain + 1 } else { 0 };
        self.loss_rate = 0;
        self.step = 0;
        if self.vain >= VAIN_CUTS {
            self.vain = 0;
            self.tolerated = (excess * 2).min(MOST_TOLERATED);
            self.since_cut = CEILING_ROUNDS;
            self.ceiling = u32::MAX;
            if let Some(window) = self.undo.take() {
                self.set_window(window.max(self.window));
            }
            return;
        }
        let before = self.window;
        self.undo = self.undo.filter(|_| self.vain > 0).or(Some(before));
        self.starting = false;
        self.since_cut = 0;
        self.cut_until = newest.saturating_add(1);
        self.rates = [rate; RATES];
        let delivered = packets(rate, rtt.base().unwrap_or(rtt.estimate()));
        self.set_window((delivered / 16 * 15).min(before / 8 * 7));
        self.ceiling = self.window;
    }

    /// What was taken for a loss was reordering.
    pub(super) fn on_spurious(&mut self) {
        self.loss_rate -= self.loss_rate.min(ALL_LOST / LOSS_MEMORY);
        if let Some(window) = self.undo.take() {
            self.set_window(self.window.max(window));
            self.ceiling = u32::MAX;
        }
    }

    /// Nothing was acked for a whole timeout.
    pub(super) fn on_timeout(&mut self, newest: u64) {
        if self.window > MIN_WINDOW * ONE {
            self.undo = Some(self.window);
            self.threshold = (self.window / 2).max(INITIAL_WINDOW * ONE);
        }
        self.restart(MIN_WINDOW, newest);
    }

    /// The peer's reader is slow: start small when it goes on, and don't run past what it can hold.
    pub(super) fn on_choke(&mut self, newest: u64) {
        self.max_window = UNPROVEN_WINDOW;
        self.threshold = (self.window / 2).clamp(INITIAL_WINDOW * ONE, UNPROVEN_WINDOW * ONE);
        self.restart(self.window().min(INITIAL_WINDOW), newest);
    }

    fn restart(&mut self, window: u32, newest: u64) {
        self.window = window * ONE;
        self.starting = true;
        self.step = 0;
        self.rates = [0; RATES];
        self.round_began = None;
        self.cut_until = newest.saturating_add(1);
    }

    /// A stream that has been silent doesn't know the path any more.
    pub(super) fn on_idle(&mut self) {
        self.window = (self.window / 4 * 3).max(INITIAL_WINDOW * ONE).min(self.window.max(INITIAL_WINDOW * ONE));
        self.round_began = None;
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
        if self.starting { gap / 2 } else { gap * 4 / 5 }
    }
}

/// Time beyond the path's that is no queue: relays and endpoints work in turns, and peers gather acks.
fn noise(base: Duration) -> Duration {
    (base / 32).clamp(LEAST_NOISE, MOST_NOISE).max(SHORT_PATH.saturating_sub(base))
}

/// Packets that may be taken for no queue because of noise, in 1/256.
fn excused(rate: u64, base: Duration) -> u32 {
    packets(rate, noise(base)).min(MOST_EXCUSED)
}

/// Packets that pass in a time, both in 1/256.
fn packets(rate: u64, time: Duration) -> u32 {
    let packets = u128::from(rate) * time.as_micros() / 1_000_000;
    u32::try_from(packets).unwrap_or(u32::MAX).min(2 * MAX_WINDOW * ONE)
}

#[cfg(test)]
mod tests;
