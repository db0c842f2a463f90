//! What we have seen of other routers as hops of our own tunnels: agreed, declined, silent, failing.
//!
//! Only what a router did to us counts, never a third party's claim. Everything decays: counts are halved each hour, marks expire.
//! The table is bounded; when it is full the entry that was touched longest ago goes.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{RouterHash, Tick};

/// Most routers remembered. The entry not touched for the longest time is dropped for a new one.
pub(crate) const MAX_PROFILES: usize = 4096;

/// A router that declined is left alone this long when there are others (i2pd: 330 s).
const DECLINED_PAUSE: Duration = Duration::from_secs(330);
/// A router that we failed to reach is left alone this long (i2pd: 480 s).
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(480);
/// Counts are halved after this time.
const HALF_LIFE: Duration = Duration::from_secs(3600);
/// A blame that all hops of a tunnel share: this many points for a build without an answer, divided by the number of hops.
const NO_REPLY_POINTS: u32 = 120;
/// Likewise for a tunnel whose tests failed.
const TEST_POINTS: u32 = 240;
/// Points above which a router counts as failing: five unanswered three-hop builds more than answered ones.
const FAILING_POINTS: u32 = 200;
/// What a good deed takes off the points.
const GOOD_POINTS: u32 = 60;

/// How a router may be used, best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Standing {
    /// Agreed to a tunnel of ours not long ago.
    Good,
    /// Nothing known.
    Unknown,
    /// To be used only where nothing better is left.
    Bad,
}

#[derive(Default)]
struct Profile {
    agreed: u32,
    declined: u32,
    /// For builds without an answer; agreeing mends it.
    silent: u32,
    /// For tunnels that lost messages; only messages that pass mend it, or who agrees and then drops would look good.
    lossy: u32,
    declined_until: Tick,
    unreachable_until: Tick,
    failing_since: Option<Tick>,
    halved: Tick,
    touched: Tick,
}

impl Profile {
    fn decay(&mut self, now: Tick) {
        while now.saturating_since(self.halved) >= HALF_LIFE {
            self.agreed /= 2;
            self.declined /= 2;
            self.silent /= 2;
            self.lossy /= 2;
            if self.agreed == 0 && self.declined == 0 && self.silent == 0 && self.lossy == 0 {
                self.halved = now;
                return;
            }
            self.halved = self.halved + HALF_LIFE;
        }
    }

    fn mended(&mut self) {
        if self.silent < FAILING_POINTS && self.lossy == 0 {
            self.failing_since = None;
        }
    }

    fn standing(&self, now: Tick) -> Standing {
        let often_declined = (self.agreed == 0 && self.declined >= 5) || self.agreed.saturating_mul(4) < self.declined;
        if now < self.unreachable_until
            || now < self.declined_until
            || self.silent.saturating_add(self.lossy) >= FAILING_POINTS
            || often_declined
        {
            Standing::Bad
        } else if self.agreed > 0 {
            Standing::Good
        } else {
            Standing::Unknown
        }
    }
}

/// Profiles of the routers that we tried as hops. Shared by all owners, as transport sessions are: it holds nothing about an identity.
#[derive(Default)]
pub(crate) struct Profiles {
    table: BTreeMap<RouterHash, Profile>,
}

impl Profiles {
    /// An empty table.
    pub(crate) fn new() -> Profiles {
        Profiles::default()
    }

    /// How many routers are remembered.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// What it holds.
    pub(crate) fn bound(&self) -> Bound {
        Bound::new("profiles", self.table.len(), MAX_PROFILES, entries::<(RouterHash, Profile)>(self.table.len())).lasting()
    }

    /// What is thought of a router now.
    pub(crate) fn standing(&self, now: Tick, router: &RouterHash) -> Standing {
        self.table.get(router).map_or(Standing::Unknown, |profile| profile.standing(now))
    }

    /// How much speaks against a router, for a choice among bad ones: that we can't reach it, then its points.
    pub(crate) fn blemish(&self, now: Tick, router: &RouterHash) -> (bool, u32) {
        self.table.get(router).map_or((false, 0), |profile| {
            let unreachable = now < profile.unreachable_until;
            (unreachable, profile.silent.saturating_add(profile.lossy))
        })
    }

    /// Since when the router fails without a good deed in between.
    pub(crate) fn failing_since(&self, router: &RouterHash) -> Option<Tick> {
        self.table.get(router)?.failing_since
    }

    /// The router accepted a hop of ours.
    pub(crate) fn agreed(&mut self, now: Tick, router: &RouterHash) {
        let profile = self.entry(now, router);
        profile.agreed = profile.agreed.saturating_add(1);
        profile.declined_until = Tick(0);
        profile.unreachable_until = Tick(0);
        profile.silent = profile.silent.saturating_sub(GOOD_POINTS);
        profile.mended();
    }

    /// The router answered a build of ours with a code other than 0.
    pub(crate) fn declined(&mut self, now: Tick, router: &RouterHash) {
        let profile = self.entry(now, router);
        profile.declined = profile.declined.saturating_add(1);
        profile.declined_until = now + DECLINED_PAUSE;
    }

    /// A build over these hops got no answer: any of them may be the cause.
    pub(crate) fn no_reply<'a>(&mut self, now: Tick, hops: impl ExactSizeIterator<Item = &'a RouterHash>) {
        self.blame(now, hops, NO_REPLY_POINTS, |profile| &mut profile.silent);
    }

    /// A tunnel over these hops failed its tests.
    pub(crate) fn test_failed<'a>(&mut self, now: Tick, hops: impl ExactSizeIterator<Item = &'a RouterHash>) {
        self.blame(now, hops, TEST_POINTS, |profile| &mut profile.lossy);
    }

    /// A tunnel over these hops passed a test.
    pub(crate) fn test_passed<'a>(&mut self, now: Tick, hops: impl Iterator<Item = &'a RouterHash>) {
        for hop in hops {
            let profile = self.entry(now, hop);
            profile.lossy = profile.lossy.saturating_sub(GOOD_POINTS);
            profile.mended();
        }
    }

    /// We could not open a session to the router.
    pub(crate) fn unreachable(&mut self, now: Tick, router: &RouterHash) {
        let profile = self.entry(now, router);
        profile.unreachable_until = now + UNREACHABLE_PAUSE;
        profile.failing_since.get_or_insert(now);
    }

    /// A session to the router stands.
    pub(crate) fn reached(&mut self, router: &RouterHash) {
        if let Some(profile) = self.table.get_mut(router) {
            profile.unreachable_until = Tick(0);
        }
    }

    fn blame<'a>(
        &mut self,
        now: Tick,
        hops: impl ExactSizeIterator<Item = &'a RouterHash>,
        points: u32,
        kind: fn(&mut Profile) -> &mut u32,
    ) {
        let share = points / u32::try_from(hops.len().max(1)).unwrap_or(1);
        for hop in hops {
            let profile = self.entry(now, hop);
            let count = kind(profile);
            *count = count.saturating_add(share);
            profile.failing_since.get_or_insert(now);
        }
    }

    fn entry(&mut self, now: Tick, router: &RouterHash) -> &mut Profile {
        if self.table.len() >= MAX_PROFILES && !self.table.contains_key(router) {
            let oldest = self.table.iter().min_by_key(|(hash, profile)| (profile.touched, **hash)).map(|(hash, _)| *hash);
            if let Some(oldest) = oldest {
                self.table.remove(&oldest);
            }
        }
        let profile = self.table.entry(*router).or_insert_with(|| Profile { halved: now, ..Profile::default() });
        profile.decay(now);
        profile.touched = now;
        profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RouterHash = RouterHash([1; 32]);

    fn at(secs: u64) -> Tick {
        Tick(secs * 1_000_000_000)
    }

    #[test]
    fn a_decline_pauses_and_is_forgotten() {
        let mut profiles = Profiles::new();
        profiles.agreed(at(0), &A);
        assert_eq!(profiles.standing(at(0), &A), Standing::Good);
        profiles.declined(at(1), &A);
        assert_eq!(profiles.standing(at(2), &A), Standing::Bad);
        assert_eq!(profiles.standing(at(400), &A), Standing::Good);
    }

    #[test]
    fn silence_is_shared_and_good_deeds_mend() {
        let mut profiles = Profiles::new();
        let hops = [A, RouterHash([2; 32]), RouterHash([3; 32])];
        for _ in 0..5 {
            profiles.no_reply(at(1), hops.iter());
        }
        assert_eq!(profiles.standing(at(2), &A), Standing::Bad);
        assert_eq!(profiles.failing_since(&A), Some(at(1)));
        profiles.agreed(at(3), &A);
        assert_eq!(profiles.standing(at(4), &A), Standing::Good);
        assert_eq!(profiles.failing_since(&A), None);
    }

    #[test]
    fn the_one_that_fails_most_has_most_against_it() {
        let mut profiles = Profiles::new();
        let (dead, alive) = (A, RouterHash([2; 32]));
        for n in 0..8 {
            profiles.no_reply(at(n), [dead, alive].iter());
            profiles.agreed(at(n), &alive);
        }
        assert!(profiles.blemish(at(9), &alive) < profiles.blemish(at(9), &dead));
        profiles.unreachable(at(9), &alive);
        assert!(profiles.blemish(at(10), &alive) > profiles.blemish(at(10), &dead));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut profiles = Profiles::new();
        for n in 0..5000u32 {
            let mut hash = [0; 32];
            hash[..4].copy_from_slice(&n.to_be_bytes());
            profiles.agreed(at(u64::from(n)), &RouterHash(hash));
        }
        assert_eq!(profiles.len(), MAX_PROFILES);
    }
}
