//! How often something was done within the last while.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ramson_wire::Tick;

/// Keys beyond which those without anything in their window are looked for.
const MANY: usize = 4096;

/// When each of many things was done.
pub(super) struct Windows<K> {
    window: Duration,
    times: BTreeMap<K, VecDeque<Tick>>,
    tidy_at: usize,
}

impl<K: Ord> Windows<K> {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, times: BTreeMap::new(), tidy_at: MANY }
    }

    /// It is done now: how often within the window, this time included.
    pub(super) fn done(&mut self, at: Tick, key: K) -> usize {
        if self.times.len() >= self.tidy_at {
            let window = self.window;
            self.times.retain(|_, times| times.back().is_some_and(|last| at.saturating_since(*last) < window));
            self.tidy_at = MANY.max(self.times.len() * 2);
        }
        let times = self.times.entry(key).or_default();
        while times.front().is_some_and(|then| at.saturating_since(*then) >= self.window) {
            times.pop_front();
        }
        times.push_back(at);
        times.len()
    }

    /// Forgets what some did.
    pub(super) fn forget(&mut self, who: impl Fn(&K) -> bool) {
        self.times.retain(|key, _| !who(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_moves_on() {
        let (mut windows, second) = (Windows::new(Duration::from_secs(10)), Duration::from_secs(1));
        assert_eq!((0..4).map(|n| windows.done(Tick(0) + second * n, 'a')).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(windows.done(Tick(0) + second * 4, 'b'), 1);
        assert_eq!(windows.done(Tick(0) + second * 11, 'a'), 3);
        windows.forget(|key| *key == 'a');
        assert_eq!(windows.done(Tick(0) + second * 11, 'a'), 1);
    }

    #[test]
    fn what_is_over_takes_no_room() {
        let (mut windows, second) = (Windows::new(Duration::from_secs(10)), Duration::from_secs(1));
        for n in 0..200_000_u32 {
            assert_eq!(windows.done(Tick(0) + second * n, n), 1);
        }
        assert!(windows.times.len() <= MANY + 1);
    }
}
