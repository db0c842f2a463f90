//! The transit share of the bandwidth.

use ramson_wire::Tick;

/// Seconds' worth that may come at once.
const BURST_SECS: u64 = 2;
const NANOS_PER_SEC: u64 = 1_000_000_000;

/// A token bucket in bytes.
pub(crate) struct Share {
    rate: Option<u64>,
    tokens: u64,
    since: Tick,
}

impl Share {
    /// A full bucket; no rate means no limit.
    pub(crate) fn new(now: Tick, bytes_per_sec: Option<u64>) -> Self {
        let tokens = bytes_per_sec.unwrap_or(0).saturating_mul(BURST_SECS);
        Self { rate: bytes_per_sec, tokens, since: now }
    }

    /// Takes `bytes`; false, and takes nothing, if they aren't there.
    pub(crate) fn take(&mut self, now: Tick, bytes: usize) -> bool {
        let Some(rate) = self.rate else { return true };
        self.refill(now, rate);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let left = self.tokens.checked_sub(bytes);
        self.tokens = left.unwrap_or(self.tokens);
        left.is_some()
    }

    fn refill(&mut self, now: Tick, rate: u64) {
        let nanos = now.0.saturating_sub(self.since.0);
        let earned = u128::from(rate) * u128::from(nanos) / u128::from(NANOS_PER_SEC);
        let earned = u64::try_from(earned).unwrap_or(u64::MAX);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(earned).min(rate.saturating_mul(BURST_SECS));
            self.since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn gives_the_rate_and_two_seconds_at_once() {
        let mut share = Share::new(Tick(0), Some(1000));
        assert!(share.take(Tick(0), 2000));
        assert!(!share.take(Tick(0), 1));
        let mut taken = 0;
        for step in 1..=10_000_u64 {
            if share.take(Tick(0) + Duration::from_millis(step), 7) {
                taken += 7;
            }
        }
        assert!((9_900..=10_000).contains(&taken), "{taken}");
        assert!(Share::new(Tick(0), None).take(Tick(0), usize::MAX));
    }
}
