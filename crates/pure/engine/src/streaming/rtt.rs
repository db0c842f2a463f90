//! Round-trip time of one stream and what follows from it.

use std::collections::VecDeque;
use std::time::Duration;

use ramson_wire::Tick;

/// Timeout before the first measurement. Java and i2pd wait 9 s; at ordinary loss that is a long time for a person to
/// look at nothing, and a first packet too many does no harm.
pub(super) const INITIAL_RTO: Duration = Duration::from_secs(4);
/// No timeout is shorter: a duplicate makes i2pd change its tunnels. Java 100 ms, i2pd 20 ms.
const MIN_RTO: Duration = Duration::from_millis(100);
/// No timeout is longer. Java 45 s.
pub(super) const MAX_RTO: Duration = Duration::from_secs(45);
/// What a receiver may hold back an ack when asked to answer at once (Java up to 120 ms but not above RTT/8).
const PEER_ACK_DELAY: Duration = Duration::from_millis(25);
/// How long the least round trip counts as that of the path: tunnels change.
const BASE_WINDOW: Duration = Duration::from_secs(30);

/// Smoothed round-trip time (α 1/8, β 1/4, K 4) and the least of the last 30 to 60 s.
#[derive(Debug, Clone, Default)]
pub(super) struct Rtt {
    smoothed: Option<Duration>,
    variance: Duration,
    latest: Duration,
    /// When the latest sample came.
    sampled: Option<Tick>,
    /// Least sample of the current and of the one before window of [`BASE_WINDOW`].
    least: VecDeque<(Tick, Duration)>,
    /// Consecutive timeouts double the timeout.
    backoff: u32,
}

impl Rtt {
    /// Starts from what an earlier stream to the same peer had measured: half believed, so a wide variance.
    pub(super) fn from_memory(smoothed: Duration) -> Self {
        Self { smoothed: Some(smoothed), variance: smoothed / 2, latest: smoothed, ..Self::default() }
    }

    pub(super) fn sample(&mut self, now: Tick, rtt: Duration) {
        self.latest = rtt;
        self.sampled = Some(now);
        match self.smoothed {
            None => {
                self.smoothed = Some(rtt);
                self.variance = rtt / 2;
            }
            Some(smoothed) => {
                self.variance = self.variance * 3 / 4 + smoothed.abs_diff(rtt) / 4;
                self.smoothed = Some(smoothed * 7 / 8 + rtt / 8);
            }
        }
        match self.least.back_mut() {
            Some((since, least)) if now.saturating_since(*since) < BASE_WINDOW => {
                *least = (*least).min(rtt);
            }
            _ => self.least.push_back((now, rtt)),
        }
        if self.least.len() > 2 {
            self.least.pop_front();
        }
    }

    /// The path changed: what was least before means nothing now.
    pub(super) fn forget_base(&mut self) {
        self.least.clear();
    }

    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The smoothed time, or a guess before the first sample.
    pub(super) fn estimate(&self) -> Duration {
        self.smoothed.unwrap_or(Duration::from_millis(1500))
    }

    pub(super) fn latest(&self) -> Duration {
        self.latest
    }

    /// The path's time without queues, if it was seen within [`BASE_WINDOW`]: a queue that all samples waited in may be gone.
    pub(super) fn fresh_base(&self, now: Tick) -> Option<Duration> {
        let fresh = self.sampled.is_some_and(|at| now.saturating_since(at) < BASE_WINDOW);
        self.base().filter(|_| fresh)
    }

    /// The path's time without queues, as far as seen.
    pub(super) fn base(&self) -> Option<Duration> {
        self.least.iter().map(|(_, least)| *least).min()
    }

    /// How long to wait for an ack before sending again.
    pub(super) fn rto(&self) -> Duration {
        self.timeout().saturating_mul(1 << self.backoff.min(16)).min(MAX_RTO)
    }

    /// Whether what was sent so long ago isn't answered any more.
    pub(super) fn is_over(&self, age: Duration) -> bool {
        age > self.timeout() * 2
    }

    fn timeout(&self) -> Duration {
        self.smoothed.map_or(INITIAL_RTO, |smoothed| (smoothed + self.variance * 4 + PEER_ACK_DELAY).max(MIN_RTO))
    }

    pub(super) fn back_off(&mut self) {
        self.backoff = self.backoff.saturating_add(1);
    }

    pub(super) fn progress(&mut self) {
        self.backoff = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_follows_the_path_and_doubles() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.rto(), INITIAL_RTO);
        rtt.sample(Tick(0), Duration::from_secs(2));
        assert_eq!(rtt.rto(), Duration::from_millis(6025));
        for i in 1..200 {
            rtt.sample(Tick(i), Duration::from_secs(2));
        }
        assert!(rtt.rto() < Duration::from_millis(2100));
        rtt.back_off();
        assert!(rtt.rto() > Duration::from_millis(4000));
        rtt.progress();
        for i in 200..400 {
            rtt.sample(Tick(i), Duration::from_micros(300));
        }
        assert_eq!(rtt.rto(), MIN_RTO);
    }

    #[test]
    fn base_forgets_old_paths() {
        let mut rtt = Rtt::default();
        let at = |secs: u64| Tick(secs * 1_000_000_000);
        rtt.sample(at(0), Duration::from_millis(5));
        rtt.sample(at(31), Duration::from_millis(50));
        assert_eq!(rtt.base(), Some(Duration::from_millis(5)));
        rtt.sample(at(62), Duration::from_millis(60));
        assert_eq!(rtt.base(), Some(Duration::from_millis(50)));
    }
}
