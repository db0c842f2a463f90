//! How much of the bandwidth given to transit is in use, from the lane's totals.

use std::time::Duration;

use ramson_wire::Tick;

/// The rate is taken over at least this long: the share allows bursts of two seconds.
const WINDOW: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct TransitLoad {
    /// Bytes a second, if they are limited at all.
    share: Option<u64>,
    /// When the window began, and the total then.
    since: Tick,
    began: u64,
    /// The total now.
    total: u64,
    /// Of the last window that ended.
    percent: u8,
    /// When [`Self::mean_percent`] was asked last, and the total then.
    mean_since: (Tick, u64),
}

impl TransitLoad {
    pub(super) fn new(now: Tick, bytes_per_sec: Option<u64>) -> Self {
        Self { share: bytes_per_sec, since: now, began: 0, total: 0, percent: 0, mean_since: (now, 0) }
    }

    /// The share used since this was asked last, 0 to 100.
    pub(super) fn mean_percent(&mut self, now: Tick) -> u8 {
        let (since, began) = std::mem::replace(&mut self.mean_since, (now, self.total));
        let span = now.saturating_since(since);
        self.share.map_or(0, |share| percent(self.total.saturating_sub(began), share, span))
    }

    /// Takes the lane's total of transit bytes.
    pub(super) fn add(&mut self, now: Tick, total: u64) {
        self.total = total;
        if now.saturating_since(self.since) >= WINDOW {
            self.percent = self.percent(now);
            (self.since, self.began) = (now, total);
        }
    }

    /// The share in use, 0 to 100. The lane is silent while nothing is relayed, so that a window without an end fades.
    pub(super) fn percent(&self, now: Tick) -> u8 {
        let span = now.saturating_since(self.since);
        if span < WINDOW {
            return self.percent;
        }
        self.share.map_or(0, |share| percent(self.total.saturating_sub(self.began), share, span))
    }
}

fn percent(bytes: u64, share: u64, span: Duration) -> u8 {
    let possible = u128::from(share).saturating_mul(span.as_millis());
    let used = u128::from(bytes).saturating_mul(1_000 * 100);
    // No share at all is a full one.
    used.checked_div(possible).map_or(100, |percent| u8::try_from(percent.min(100)).unwrap_or(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Tick {
        Tick(0) + Duration::from_secs(secs)
    }

    #[test]
    fn the_load_follows_the_rate_and_fades_in_silence() {
        let mut load = TransitLoad::new(at(0), Some(1_000));
        load.add(at(1), 1_000);
        assert_eq!(load.percent(at(1)), 0, "a second alone says nothing");
        load.add(at(5), 4_000);
        assert_eq!(load.percent(at(6)), 80);
        load.add(at(15), 5_000);
        assert_eq!(load.percent(at(15)), 10);
        load.add(at(20), 50_000);
        assert_eq!(load.percent(at(24)), 100, "of the window before");
        assert_eq!(load.percent(at(25)), 0);
        load.add(at(21), 52_000);
        assert_eq!([25, 30, 40].map(|secs| load.percent(at(secs))), [40, 20, 10], "nothing more is relayed");
    }

    #[test]
    fn the_mean_is_of_the_time_since_it_was_asked() {
        let mut load = TransitLoad::new(at(0), Some(1_000));
        load.add(at(50), 80_000);
        assert_eq!(load.mean_percent(at(100)), 80);
        load.add(at(110), 81_000);
        assert_eq!(load.mean_percent(at(200)), 1);
        assert_eq!(load.mean_percent(at(300)), 0);
    }

    #[test]
    fn without_a_limit_there_is_no_load_and_nothing_overflows() {
        let mut load = TransitLoad::new(at(0), None);
        load.add(at(10), u64::MAX);
        assert_eq!(load.percent(at(10)), 0);
        assert_eq!(percent(u64::MAX, u64::MAX, Duration::from_secs(u64::MAX)), 0);
        assert_eq!(percent(u64::MAX, 1, WINDOW), 100);
        assert_eq!(percent(0, 0, WINDOW), 100);
    }
}
