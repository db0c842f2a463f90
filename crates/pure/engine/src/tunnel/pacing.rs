//! How fast own tunnels may be built: a budget of the router, one per owner, and a limit for each router next to us.
//!
//! Java routers refuse a neighbour's fifth tunnel within 220 s. In a network of few routers, which can't be large enough to mind,
//! the limits are wider, or no pool would ever fill.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ramson_wire::bounds::{Bound, by_identity, entries};
use ramson_wire::{RouterHash, Tick};

use super::select::LARGE_NETWORK;
use crate::identity::Owner;

const WINDOW: Duration = Duration::from_secs(220);
/// Most routers whose recent builds are remembered. The window empties it; a router beyond the limit isn't paced.
const MAX_NEIGHBOURS: usize = 4096;
/// Number of eligible routers from which Java's own limit applies.
const HUGE_NETWORK: usize = 200;

/// A rate with a burst, kept as one time: when the bucket will be full again.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Bucket {
    full: Tick,
}

impl Bucket {
    /// Takes one token, or says when there will be one.
    pub(crate) fn take(&mut self, now: Tick, every: Duration, burst: u32) -> Result<(), Tick> {
        let base = self.full.max(now);
        let wait = base.saturating_since(now);
        let depth = every.saturating_mul(burst.saturating_sub(1));
        if wait > depth {
            return Err(now + (wait - depth));
        }
        self.full = base + every;
        Ok(())
    }

    pub(crate) fn is_full(&self, now: Tick) -> bool {
        self.full <= now
    }
}

struct Limits {
    every: Duration,
    burst: u32,
    owner_every: Duration,
    owner_burst: u32,
    neighbour: usize,
}

fn limits(eligible: usize) -> Limits {
    let ms = Duration::from_millis;
    if eligible < LARGE_NETWORK {
        Limits { every: ms(100), burst: 60, owner_every: ms(200), owner_burst: 40, neighbour: 60 }
    } else {
        let neighbour = if eligible < HUGE_NETWORK { 12 } else { 4 };
        Limits { every: ms(500), burst: 20, owner_every: ms(1000), owner_burst: 12, neighbour }
    }
}

#[derive(Default)]
pub(crate) struct Pacing {
    router: Bucket,
    owners: BTreeMap<Owner, Bucket>,
    neighbours: BTreeMap<RouterHash, VecDeque<Tick>>,
}

impl Pacing {
    /// Whether a build may start now, or when to ask again.
    pub(crate) fn take(&mut self, now: Tick, owner: Owner, eligible: usize) -> Result<(), Tick> {
        let limits = limits(eligible);
        let mut own = self.owners.get(&owner).copied().unwrap_or_default();
        own.take(now, limits.owner_every, limits.owner_burst)?;
        self.router.take(now, limits.every, limits.burst)?;
        self.owners.insert(owner, own);
        Ok(())
    }

    /// Whether one more tunnel may begin or end at this router now.
    pub(crate) fn may_stand_next(&self, now: Tick, router: &RouterHash, eligible: usize) -> bool {
        self.neighbours.get(router).is_none_or(|times| {
            times.iter().filter(|time| now.saturating_since(**time) < WINDOW).count() < limits(eligible).neighbour
        })
    }

    /// A build with this router next to us starts.
    pub(crate) fn note(&mut self, now: Tick, router: &RouterHash) {
        self.tidy(now);
        if self.neighbours.len() < MAX_NEIGHBOURS || self.neighbours.contains_key(router) {
            self.neighbours.entry(*router).or_default().push_back(now);
        }
    }

    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let times = self.neighbours.values().map(|times| times.capacity() * size_of::<Tick>()).sum::<usize>();
        let bytes = entries::<(RouterHash, VecDeque<Tick>)>(self.neighbours.len()) + times;
        visit(Bound::new("tunnel-pacing-neighbours", self.neighbours.len(), MAX_NEIGHBOURS, bytes).lasting());
        by_identity("tunnel-pacing", 1, self.owners.keys().filter_map(|owner| owner.number()), visit);
    }

    pub(crate) fn forget(&mut self, owner: Owner) {
        self.owners.remove(&owner);
    }

    fn tidy(&mut self, now: Tick) {
        self.neighbours.retain(|_, times| {
            while times.front().is_some_and(|time| now.saturating_since(*time) >= WINDOW) {
                times.pop_front();
            }
            !times.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityId;

    #[test]
    fn bursts_end_and_come_back() {
        let mut pacing = Pacing::default();
        let now = Tick(1_000_000_000_000);
        let started = (0..100).filter(|_| pacing.take(now, Owner::Router, 1000).is_ok()).count();
        assert_eq!(started, 12);
        let other = Owner::Identity(IdentityId(1));
        let started = (0..100).filter(|_| pacing.take(now, other, 1000).is_ok()).count();
        assert_eq!(started, 8, "what is left of the router's twenty");
        let retry = pacing.take(now, other, 1000).unwrap_err();
        assert!(pacing.take(retry, other, 1000).is_ok());
    }

    #[test]
    fn four_tunnels_a_neighbour_on_a_large_network() {
        let mut pacing = Pacing::default();
        let (a, now) = (RouterHash([1; 32]), Tick(1_000_000_000_000));
        for _ in 0..4 {
            assert!(pacing.may_stand_next(now, &a, 1000));
            pacing.note(now, &a);
        }
        assert!(!pacing.may_stand_next(now, &a, 1000));
        assert!(pacing.may_stand_next(now, &a, 8));
        assert!(pacing.may_stand_next(now + WINDOW, &a, 1000));
    }
}
