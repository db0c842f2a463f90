//! The machine's clocks as the `Now` that the pure machines take.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ramson_wire::{Date, Now, Tick};

/// Monotonic time since the router's start, and wall time. Lane and engine share one, so their ticks compare.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        let ticks = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now { tick: Tick(ticks), date: Date(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)) }
    }

    /// How long until `deadline`; zero when it has passed.
    pub(crate) fn until(self, deadline: Tick) -> std::time::Duration {
        deadline.saturating_since(self.now().tick)
    }
}
