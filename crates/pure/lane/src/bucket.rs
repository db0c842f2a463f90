//! Token buckets, in bytes: a rate, and how much may come at once.

use std::time::Duration;

use ramson_wire::Tick;

const NANOS_PER_SEC: u128 = 1_000_000_000;

/// Kept as one time: when the bucket will be full again. Without a rate there is no limit.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    rate: Option<u64>,
    /// How long a full one lasts.
    depth: Duration,
    /// How long what was spent beyond it is remembered.
    debt: Duration,
    full_at: Tick,
}

impl Bucket {
    /// A full one.
    pub fn new(bytes_per_sec: Option<u64>, depth: Duration) -> Self {
        Self { rate: bytes_per_sec, depth, debt: depth, full_at: Tick(0) }
    }

    /// Remembers what was spent beyond it for longer than one bucket takes to be earned.
    pub fn with_debt(self, debt: Duration) -> Self {
        Self { debt, ..self }
    }

    /// Takes `bytes`; false, and takes nothing, if they aren't there.
    pub fn take(&mut self, now: Tick, bytes: usize) -> bool {
        let has = self.has(now, bytes);
        if has {
            self.spend(now, bytes);
        }
        has
    }

    /// Whether `bytes` are there.
    pub fn has(&self, now: Tick, bytes: usize) -> bool {
        let Some(rate) = self.rate else { return true };
        self.owed(now).saturating_add(cost(rate, bytes)) <= self.depth
    }

    /// Takes `bytes` whether they are there or not: what is missing is earned first, up to the debt.
    pub fn spend(&mut self, now: Tick, bytes: usize) {
        let Some(rate) = self.rate else { return };
        let owed = self.owed(now).saturating_add(cost(rate, bytes));
        self.full_at = now + owed.min(self.depth + self.debt);
    }

    /// Less than half of it is left.
    pub fn is_low(&self, now: Tick) -> bool {
        self.rate.is_some() && self.owed(now) > self.depth / 2
    }

    /// Whether less than a quarter of it is left.
    pub fn is_out(&self, now: Tick) -> bool {
        self.rate.is_some() && self.quarter_at() > now
    }

    /// Bytes that are there.
    pub fn room(&self, now: Tick) -> usize {
        let Some(rate) = self.rate else { return usize::MAX };
        let left = self.depth.saturating_sub(self.owed(now));
        usize::try_from(u128::from(rate) * left.as_nanos() / NANOS_PER_SEC).unwrap_or(usize::MAX)
    }

    /// When more than half of it is there again.
    pub fn half_at(&self) -> Tick {
        Tick(self.full_at.0.saturating_sub(nanos(self.depth / 2)))
    }

    /// When a quarter of it is there again.
    pub fn quarter_at(&self) -> Tick {
        Tick(self.full_at.0.saturating_sub(nanos(self.depth / 4 * 3)))
    }

    fn owed(&self, now: Tick) -> Duration {
        self.full_at.saturating_since(now)
    }
}

/// How long the bytes take to be earned.
fn cost(rate: u64, bytes: usize) -> Duration {
    let bytes = u128::from(u64::try_from(bytes).unwrap_or(u64::MAX));
    let nanos = (bytes * NANOS_PER_SEC).checked_div(u128::from(rate));
    Duration::from_nanos(nanos.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPTH: Duration = Duration::from_secs(2);

    #[test]
    fn gives_the_rate_and_its_depth_at_once() {
        let mut bucket = Bucket::new(Some(1_000), DEPTH);
        assert!(bucket.take(Tick(0), 2_000));
        assert!(!bucket.take(Tick(0), 1));
        let mut taken = 0;
        for step in 1..=10_000_u64 {
            if bucket.take(Tick(0) + Duration::from_millis(step), 7) {
                taken += 7;
            }
        }
        assert!((9_900..=10_000).contains(&taken), "{taken}");
        assert!(Bucket::new(None, DEPTH).take(Tick(0), usize::MAX));
        assert!(!Bucket::new(Some(0), DEPTH).take(Tick(0), 1));
    }

    #[test]
    fn a_debt_is_earned_first_and_has_an_end() {
        let mut bucket = Bucket::new(Some(1_000), DEPTH);
        assert_eq!((bucket.room(Tick(0)), bucket.is_low(Tick(0))), (2_000, false));
        bucket.spend(Tick(0), 1_500);
        assert_eq!((bucket.room(Tick(0)), bucket.is_low(Tick(0))), (500, true));
        bucket.spend(Tick(0), 1_000_000);
        assert_eq!((bucket.room(Tick(0)), bucket.room(Tick(0) + DEPTH)), (0, 0));
        assert_eq!(bucket.quarter_at(), Tick(0) + Duration::from_millis(2_500));
        assert_eq!(bucket.room(bucket.quarter_at()), 500);
        assert_eq!(bucket.room(bucket.half_at()), 1_000);
        assert!(!bucket.is_low(bucket.half_at()));
        assert_eq!(Bucket::new(None, DEPTH).room(Tick(0)), usize::MAX);
    }
}
