//! One bound on all that the engine holds.
//!
//! Each table has its own limit, and those of the netDb follow the memory that there is. What is held together is looked at as well: from
//! seven tenths of three quarters on more and more tunnels of others are refused, and beyond the three quarters what strangers sent to
//! be opened goes. The last quarter is for our own tunnels and streams.

use std::time::Duration;

use ramson_wire::{Now, Tick};

use super::Engine;
use crate::netdb;

/// A RouterInfo or LeaseSet with everything, and its places in tables.
const LARGE_ENTRY: usize = 4096;
/// How often it is looked at: tables fill within minutes.
const EVERY: Duration = Duration::from_secs(5);

/// See the module.
pub(super) struct Memory {
    held: usize,
    next: Tick,
}

impl Memory {
    pub(super) fn new(now: Tick) -> Self {
        Self { held: 0, next: now }
    }
}

impl Engine {
    fn memory_of_strangers(&self) -> usize {
        self.config.limits.memory_bytes / 4 * 3
    }

    /// How full the fuller one of lane and engine is.
    pub(super) fn memory_percent(&self) -> u8 {
        let percent = self.memory.held.saturating_mul(100).checked_div(self.memory_of_strangers()).unwrap_or(100);
        let of_lane = u8::try_from(self.lane_stats.memory_percent.min(100)).unwrap_or(100);
        u8::try_from(percent.min(100)).unwrap_or(100).max(of_lane)
    }

    /// Looks at what is held now and then, in calls that come anyway.
    pub(super) fn hold_memory(&mut self, now: Now) {
        if now.tick < self.memory.next {
            return;
        }
        self.memory.next = now.tick + EVERY;
        let mut held = 0_usize;
        self.bounds(&mut |bound| held = held.saturating_add(bound.bytes));
        self.memory.held = held;
        let most = self.memory_of_strangers();
        if held > most {
            self.memory.held = held.saturating_sub(self.dear.let_go(held.saturating_sub(most / 10 * 9)));
        }
    }
}

/// The netDb's tables in this much memory: RouterInfos in a quarter of it, LeaseSets in an eighth.
pub(super) fn fit_netdb(limits: &mut netdb::Limits, memory_bytes: usize) {
    limits.routers = limits.routers.min(memory_bytes / 4 / LARGE_ENTRY);
    limits.floodfills = limits.floodfills.min(limits.routers / 4);
    limits.lease_sets = limits.lease_sets.min(memory_bytes / 8 / LARGE_ENTRY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_netdb_takes_what_it_is_given() {
        let fit = |megabytes: usize| {
            let mut limits = netdb::Limits::default();
            fit_netdb(&mut limits, megabytes << 20);
            (limits.routers, limits.floodfills, limits.lease_sets)
        };
        assert_eq!(fit(256), (10_000, 2_500, 8_192));
        assert_eq!(fit(32), (2_048, 512, 1_024));
    }
}
