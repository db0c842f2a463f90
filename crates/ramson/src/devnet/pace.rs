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

    /// Until when the network, which is at `reached`, has to run now.
    pub(crate) fn target(&mut self, wall: Instant, reached: Tick) -> Tick {
        let due = self.tick + wall.saturating_duration_since(self.wall);
        let target = due.min(reached + MOST_BEHIND);
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

    #[test]
    fn virtual_time_passes_as_the_clock_does() {
        let wall = Instant::now();
        let mut pace = Pace::new(wall, START);
        let mut reached = START;
        for _ in 0..100 {
            reached = pace.target(wall + reached.saturating_since(START) + Duration::from_millis(7), reached);
        }
        assert_eq!(reached, START + Duration::from_millis(700));
        let later = wall + Duration::from_millis(700);
        assert_eq!(pace.until(later, reached + Duration::from_millis(3)), Duration::from_millis(3));
        assert_eq!(pace.until(later, START), Duration::ZERO);
        assert_eq!(pace.slowness(wall + JUDGE_EVERY, START + JUDGE_EVERY), None);
    }

    #[test]
    fn a_network_that_is_far_behind_is_slow_and_not_hurried() {
        let wall = Instant::now();
        let mut pace = Pace::new(wall, START);
        let late = wall + Duration::from_secs(5);
        let reached = pace.target(late, START);
        assert_eq!(reached, START + MOST_BEHIND);
        assert_eq!(pace.target(late + Duration::from_millis(1), reached), reached + Duration::from_millis(1));
        assert_eq!(pace.slowness(late, reached), None, "too soon to judge");
        assert_eq!(pace.slowness(wall + JUDGE_EVERY, START + Duration::from_secs(5)), Some(50));
    }
}
