//! Virtual time at the pace of the clock on the wall.

use std::time::{Duration, Instant};

use ramson_wire::Tick;

/// The network may be so far behind the clock. Beyond, its time is set back instead of hurried: a machine that is too slow gives a slow
/// network, not one that never answers because it catches up.
const MOST_BEHIND: Duration = Duration::from_millis(20);
/// How often slowness is judged.
const JUDGE_EVERY: Duration = Duration::from_secs(10);
/// Slower than this percentage of the clock's pace is worth a warning.
const SLOW_PERCENT: u128 = 80;

/// Which virtual time it should be.
pub(crate) struct Pace {
    wall: Instant,
    tick: Tick,
    judged: (Instant, Tick),
}

impl Pace {
    /// From this moment on.
    pub(crate) fn new(wall: Instant, tick: Tick) -> Self {
        Self { wall, tick, judged: (wall, tick) }
    }

    /// Until when the network, in which the next thing happens at `next`, has to run now. While nothing is to happen it isn't behind.
    pub(crate) fn target(&mut self, wall: Instant, next: Option<Tick>) -> Tick {
        let due = self.tick + wall.saturating_duration_since(self.wall);
        let target = next.map_or(due, |next| due.min(next + MOST_BEHIND));
        if target < due {
            (self.wall, self.tick) = (wall, target);
        }
        target
    }

    /// How long it is until a virtual time.
    pub(crate) fn until(&self, wall: Instant, tick: Tick) -> Duration {
        tick.saturating_since(self.tick + wall.saturating_duration_since(self.wall))
    }

    /// From time to time, and if the network was slow since the last time: its pace in percent of the clock's.
    pub(crate) fn slowness(&mut self, wall: Instant, reached: Tick) -> Option<u128> {
        let (since, from) = self.judged;
        let passed = wall.saturating_duration_since(since);
        if passed < JUDGE_EVERY {
            return None;
        }
        self.judged = (wall, reached);
        let percent = reached.saturating_since(from).as_nanos() * 100 / passed.as_nanos().max(1);
        (percent < SLOW_PERCENT).then_some(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000);

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn virtual_time_passes_as_the_clock_does() {
        let wall = Instant::now();
        let mut pace = Pace::new(wall, START);
        // Asleep for long, woken by the next thing a little late, woken before it, and with nothing to come.
        assert_eq!(pace.target(wall + 501 * MS, Some(START + 500 * MS)), START + 501 * MS);
        assert_eq!(pace.target(wall + 700 * MS, Some(START + 900 * MS)), START + 700 * MS);
        assert_eq!(pace.target(wall + 5_000 * MS, None), START + 5_000 * MS);
        let later = wall + 5_000 * MS;
        assert_eq!(pace.until(later, START + 5_003 * MS), 3 * MS);
        assert_eq!(pace.until(later, START), Duration::ZERO);
        assert_eq!(pace.slowness(wall + JUDGE_EVERY, START + JUDGE_EVERY), None);
    }

    #[test]
    fn a_network_that_is_far_behind_is_slow_and_not_hurried() {
        let wall = Instant::now();
        let mut pace = Pace::new(wall, START);
        let late = wall + 5_000 * MS;
        let reached = pace.target(late, Some(START + MS));
        assert_eq!(reached, START + MS + MOST_BEHIND);
        assert_eq!(pace.target(late + MS, Some(reached)), reached + MS);
        assert_eq!(pace.slowness(late, reached), None, "too soon to judge");
        assert_eq!(pace.slowness(wall + JUDGE_EVERY, START + 5_000 * MS), Some(50));
    }
}
