//! What we have seen of other routers as hops of our own tunnels: agreed, declined, silent, failing, slow, fast.
//!
//! Only what a router did to us counts, never a third party's claim. Everything decays: counts are halved each hour, whether the router
//! is met again or not, and marks expire. The table is bounded; when it is full the entry that was touched longest ago goes. What changed
//! is put out from time to time and comes back at the next start, older by the time between.
//!
//! What follows from it is a [`Tier`], made anew each time it is asked for. *Failing*: to be used only where nothing better is left.
//! *Standard*: nothing that speaks for or against it. *High capacity*: agrees more often than it does not. *Fast*: one of those through
//! which tests come back in no more than the middle time, and through which most was carried. The middles are those of the routers known
//! to be of high capacity, taken once a minute.

mod stored;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Date, Now, RouterHash, Tick};

/// Most routers remembered. The entry not touched for the longest time is dropped for a new one.
pub(crate) const MAX_PROFILES: usize = 4096;

/// A router that we failed to reach is left alone this long (i2pd: 480 s).
const UNREACHABLE_PAUSE: Duration = Duration::from_secs(480);
/// Counts are halved after this time.
const HALF_LIFE: Duration = Duration::from_secs(3600);
/// One tunnel agreed to. Refusals count as parts or multiples of it.
const AGREED: u32 = 4;
/// Refusals without any agreement from which on a router is no use (i2pd: five).
const ALWAYS_REFUSED: u32 = 5 * AGREED;
/// A blame that all hops of a tunnel share: this many points for a build without an answer, divided by the number of hops.
const NO_REPLY_POINTS: u32 = 120;
/// Likewise for a tunnel whose tests failed.
const TEST_POINTS: u32 = 240;
/// Points above which a router counts as failing: five unanswered three-hop builds more than answered ones.
const FAILING_POINTS: u32 = 200;
/// What a good deed takes off the points.
const GOOD_POINTS: u32 = 60;
/// Routers of high capacity whose speed is known, from which on some of them are called fast.
const LEAST_COMPARED: usize = 8;
/// How often the middles are taken.
const COMPARE_EVERY: Duration = Duration::from_secs(60);
/// A measured time counts for one part in so many.
const LATENCY_PARTS: u32 = 8;

/// How a router may be used, best first. Made of what was seen, at the moment of asking.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Tier {
    /// Of high capacity, and quicker and stronger than most of these.
    Fast,
    /// Agrees more often than not.
    HighCapacity,
    /// Nothing known that counts.
    Standard,
    /// To be used only where nothing better is left.
    Failing,
}

/// What a refusal's code says, and what follows.
struct Refusal {
    /// Left alone this long when there are others.
    pause: Duration,
    /// How much it counts.
    weight: u32,
}

impl Refusal {
    /// 10: drawn by lot, the next request may pass. 20: overloaded for a moment. 50: it can't at all, as in a shutdown. 30 is
    /// bandwidth, and what routers say that want to tell nothing: so are all other codes (pause as i2pd).
    fn of(code: u8) -> Refusal {
        let (secs, weight) = match code {
            10 => (30, AGREED / 4),
            20 => (120, AGREED / 2),
            50 => (1_800, AGREED * 4),
            _ => (330, AGREED),
        };
        Refusal { pause: Duration::from_secs(secs), weight }
    }
}

/// What decays.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Counts {
    /// In parts of [`AGREED`].
    agreed: u32,
    declined: u32,
    /// For builds without an answer; agreeing mends it.
    silent: u32,
    /// For tunnels that lost messages; only messages that pass mend it, or who agrees and then drops would look good.
    lossy: u32,
    /// Most that was carried through it, bytes a second.
    speed: u32,
}

impl Counts {
    fn halved(self, times: u32) -> Counts {
        let half = |count: u32| count.checked_shr(times).unwrap_or(0);
        Counts {
            agreed: half(self.agreed),
            declined: half(self.declined),
            silent: half(self.silent),
            lossy: half(self.lossy),
            speed: half(self.speed),
        }
    }

    fn points(self) -> u32 {
        self.silent.saturating_add(self.lossy)
    }
}

fn half_lives(time: Duration) -> u32 {
    u32::try_from(time.as_secs() / HALF_LIFE.as_secs()).unwrap_or(u32::MAX)
}

#[derive(Default)]
struct Profile {
    counts: Counts,
    /// Of a test, there and back, divided by the routers on its way: milliseconds, 0 if never measured.
    latency_ms: u32,
    declined_until: Tick,
    unreachable_until: Tick,
    /// Since when it fails without a good deed in between. By the calendar: it is kept over a restart.
    failing_since: Option<Date>,
    halved: Tick,
    touched: Tick,
}

/// What sets fast routers apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Middle {
    speed: u32,
    latency_ms: u32,
}

impl Profile {
    fn decay(&mut self, now: Tick) {
        let times = half_lives(now.saturating_since(self.halved));
        self.counts = self.counts.halved(times);
        self.halved = self.halved + HALF_LIFE.saturating_mul(times);
    }

    /// As they are now.
    fn counts(&self, now: Tick) -> Counts {
        self.counts.halved(half_lives(now.saturating_since(self.halved)))
    }

    fn mended(&mut self) {
        if self.counts.silent < FAILING_POINTS && self.counts.lossy == 0 {
            self.failing_since = None;
        }
    }

    fn tier(&self, now: Tick, middle: Option<Middle>) -> Tier {
        let counts = self.counts(now);
        let often_declined = (counts.agreed == 0 && counts.declined >= ALWAYS_REFUSED)
            || counts.agreed.saturating_mul(4) < counts.declined && counts.agreed > 0;
        if now < self.unreachable_until || now < self.declined_until || counts.points() >= FAILING_POINTS || often_declined {
            Tier::Failing
        } else if counts.agreed == 0 || counts.agreed < counts.declined || counts.points() >= FAILING_POINTS / 2 {
            Tier::Standard
        } else if middle.is_some_and(|middle| {
            counts.speed > 0 && counts.speed >= middle.speed && self.latency_ms > 0 && self.latency_ms <= middle.latency_ms
        }) {
            Tier::Fast
        } else {
            Tier::HighCapacity
        }
    }
}

/// Profiles of the routers that we tried as hops. Shared by all owners, as transport sessions are: it holds nothing about an identity.
#[derive(Default)]
pub(crate) struct Profiles {
    table: BTreeMap<RouterHash, Profile>,
    /// Of which disk doesn't know yet.
    changed: BTreeSet<RouterHash>,
    middle: Option<Middle>,
    compared: Option<Tick>,
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
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = entries::<(RouterHash, Profile)>(self.table.len());
        visit(Bound::new("profiles", self.table.len(), MAX_PROFILES, bytes).lasting());
        let bytes = entries::<RouterHash>(self.changed.len());
        visit(Bound::new("profiles-unsaved", self.changed.len(), MAX_CHANGED, bytes).lasting());
    }

    /// What is thought of a router now.
    pub(crate) fn tier(&self, now: Tick, router: &RouterHash) -> Tier {
        self.table.get(router).map_or(Tier::Standard, |profile| profile.tier(now, self.middle))
    }

    /// How much speaks against a router, for a choice among bad ones: that we can't reach it, then its points.
    pub(crate) fn blemish(&self, now: Tick, router: &RouterHash) -> (bool, u32) {
        self.table.get(router).map_or((false, 0), |profile| (now < profile.unreachable_until, profile.counts(now).points()))
    }

    /// Since when the router fails without a good deed in between.
    pub(crate) fn failing_since(&self, router: &RouterHash) -> Option<Date> {
        self.table.get(router)?.failing_since
    }

    /// The router accepted a hop of ours.
    pub(crate) fn agreed(&mut self, now: Now, router: &RouterHash) {
        let profile = self.entry(now.tick, router);
        profile.counts.agreed = profile.counts.agreed.saturating_add(AGREED);
        profile.declined_until = Tick(0);
        profile.unreachable_until = Tick(0);
        profile.counts.silent = profile.counts.silent.saturating_sub(GOOD_POINTS);
        profile.mended();
    }

    /// The router answered a build of ours with a code other than 0.
    pub(crate) fn declined(&mut self, now: Now, router: &RouterHash, code: u8) {
        let Refusal { pause, weight } = Refusal::of(code);
        let profile = self.entry(now.tick, router);
        profile.counts.declined = profile.counts.declined.saturating_add(weight);
        profile.declined_until = profile.declined_until.max(now.tick + pause);
    }

    /// A build over these hops got no answer: any of them may be the cause.
    pub(crate) fn no_reply<'a>(&mut self, now: Now, hops: impl ExactSizeIterator<Item = &'a RouterHash>) {
        self.blame(now, hops, NO_REPLY_POINTS, |counts| &mut counts.silent);
    }

    /// A tunnel over these hops failed its tests.
    pub(crate) fn test_failed<'a>(&mut self, now: Now, hops: impl ExactSizeIterator<Item = &'a RouterHash>) {
        self.blame(now, hops, TEST_POINTS, |counts| &mut counts.lossy);
    }

    /// Something passed a tunnel over these hops, since which time so many bytes a second did.
    pub(crate) fn passed<'a>(&mut self, now: Now, hops: impl Iterator<Item = &'a RouterHash>, bytes_per_sec: u32) {
        for hop in hops {
            let profile = self.entry(now.tick, hop);
            profile.counts.lossy = profile.counts.lossy.saturating_sub(GOOD_POINTS);
            profile.counts.speed = profile.counts.speed.max(bytes_per_sec);
            profile.mended();
        }
    }

    /// A test came back over these hops, after so long for each of them.
    pub(crate) fn took<'a>(&mut self, now: Now, hops: impl Iterator<Item = &'a RouterHash>, each: Duration) {
        let ms = u32::try_from(each.as_millis()).unwrap_or(u32::MAX).max(1);
        for hop in hops {
            let latency = &mut self.entry(now.tick, hop).latency_ms;
            *latency = match *latency {
                0 => ms,
                before => (before - before / LATENCY_PARTS).saturating_add(ms / LATENCY_PARTS).max(1),
            };
        }
    }

    /// We could not open a session to the router.
    pub(crate) fn unreachable(&mut self, now: Now, router: &RouterHash) {
        let profile = self.entry(now.tick, router);
        profile.unreachable_until = now.tick + UNREACHABLE_PAUSE;
        profile.failing_since.get_or_insert(now.date);
    }

    /// A session to the router stands.
    pub(crate) fn reached(&mut self, router: &RouterHash) {
        if let Some(profile) = self.table.get_mut(router) {
            profile.unreachable_until = Tick(0);
        }
    }

    /// Takes the middles anew, if it is time.
    pub(crate) fn compare(&mut self, now: Tick) {
        if self.compared.is_some_and(|at| now.saturating_since(at) < COMPARE_EVERY) {
            return;
        }
        self.compared = Some(now);
        let able = self.table.values().filter(|profile| profile.tier(now, None) == Tier::HighCapacity);
        let mut speeds = Vec::new();
        let mut latencies = Vec::new();
        for (speed, latency) in able.map(|profile| (profile.counts(now).speed, profile.latency_ms)) {
            if speed > 0 && latency > 0 {
                speeds.push(speed);
                latencies.push(latency);
            }
        }
        let at = speeds.len() / 2;
        speeds.sort_unstable();
        latencies.sort_unstable();
        let middle = speeds.get(at).zip(latencies.get(at)).map(|(speed, latency)| Middle { speed: *speed, latency_ms: *latency });
        self.middle = middle.filter(|_| speeds.len() >= LEAST_COMPARED);
    }

    fn blame<'a>(
        &mut self,
        now: Now,
        hops: impl ExactSizeIterator<Item = &'a RouterHash>,
        points: u32,
        kind: fn(&mut Counts) -> &mut u32,
    ) {
        let share = points / u32::try_from(hops.len().max(1)).unwrap_or(1);
        for hop in hops {
            let profile = self.entry(now.tick, hop);
            let count = kind(&mut profile.counts);
            *count = count.saturating_add(share);
            profile.failing_since.get_or_insert(now.date);
        }
    }

    fn entry(&mut self, now: Tick, router: &RouterHash) -> &mut Profile {
        if self.table.len() >= MAX_PROFILES && !self.table.contains_key(router) {
            self.drop_oldest();
        }
        self.note_change(*router);
        let profile = self.table.entry(*router).or_insert_with(|| Profile { halved: now, ..Profile::default() });
        profile.decay(now);
        profile.touched = now;
        profile
    }

    fn drop_oldest(&mut self) {
        let oldest = self.table.iter().min_by_key(|(hash, profile)| (profile.touched, **hash)).map(|(hash, _)| *hash);
        if let Some(oldest) = oldest {
            self.table.remove(&oldest);
            self.note_change(oldest);
        }
    }
}

/// Routers of which disk doesn't know what is thought of them. Beyond: the next ones aren't written until those are.
const MAX_CHANGED: usize = 2 * MAX_PROFILES;

/// Over a restart.
impl Profiles {
    fn note_change(&mut self, router: RouterHash) {
        if self.changed.len() < MAX_CHANGED {
            self.changed.insert(router);
        }
    }

    /// Whether disk doesn't know everything.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What disk is to write: of each router, or nothing if it isn't remembered any more.
    pub(crate) fn take_changes(&mut self, now: Now) -> Vec<(RouterHash, Option<Bytes>)> {
        let changed = std::mem::take(&mut self.changed);
        changed
            .into_iter()
            .map(|router| (router, self.table.get(&router).map(|profile| stored::encode(now, &router, profile))))
            .collect()
    }

    /// Takes what disk had at the start. What can't be read, is old or too much is to be deleted.
    pub(crate) fn restore(&mut self, now: Now, found: impl IntoIterator<Item = (RouterHash, Bytes)>) {
        for (router, bytes) in found {
            match stored::decode(now, &router, &bytes) {
                Some(profile) if self.table.len() < MAX_PROFILES => drop(self.table.insert(router, profile)),
                _ => self.note_change(router),
            }
        }
    }
}
