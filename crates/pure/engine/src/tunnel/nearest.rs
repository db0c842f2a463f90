//! The routers that stand next to us: few, kept for weeks, over restarts too, so that an observer who runs many routers doesn't come to
//! stand there by our redrawing.
//!
//! Each direction of a pool has a set of [`NEAREST`], no two of one network, family or port. A router leaves it when its time is over, at
//! a random 14 to 28 days, or when it failed or was gone for a whole day. What is short — a router that is congested for an hour, a limit
//! on how fast tunnels may begin there — never leads to another one while any of the set can serve; if all but one can't, some more are
//! taken in, up to [`MOST_KEPT`].
//!
//! Sets are found by a key that only this router can make. A kept destination has its own. Those that are new at each start take
//! sets by turns, the lowest free number first, so that a router that opens a thousand of them one after another shows itself to no
//! more routers than one that opens as many as it has at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, kdf, rng, sha256};
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Date, DecodeError, Now, Reader, RouterHash, Writer};

use super::MAX_POOLS;
use super::build::Direction;
use super::select::{Candidate, Candidates, Wish};

/// Routers kept next to us, in each direction of a pool.
pub(crate) const NEAREST: usize = 6;
/// If fewer than [`LEAST_SERVING`] of them can serve, others are kept besides, so many in all.
pub(crate) const MOST_KEPT: usize = 12;
const LEAST_SERVING: usize = 2;
/// Sets kept. Beyond: the one whose routers' time is over first is forgotten.
pub(crate) const MAX_SETS: usize = 2 * MAX_POOLS;

/// How long a router is kept, drawn for each.
const KEPT_DAYS: (u64, u64) = (14, 28);
const DAY: Duration = Duration::from_secs(86_400);
const VERSION: u8 = 1;
const CHECK_LEN: usize = 4;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Kept {
    router: RouterHash,
    until: Date,
    /// It is no candidate since then.
    gone_since: Option<Date>,
}

/// The routers that stand next to us in one direction of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Nearest {
    kept: Vec<Kept>,
    /// How many are kept if all can serve.
    wanted: usize,
}

impl Default for Nearest {
    fn default() -> Self {
        Self::of(NEAREST)
    }
}

impl Nearest {
    /// Another number than [`NEAREST`]: for measurements.
    pub(crate) fn of(wanted: usize) -> Self {
        Self { kept: Vec::new(), wanted }
    }

    /// The routers.
    pub(crate) fn routers(&self) -> impl ExactSizeIterator<Item = &RouterHash> {
        self.kept.iter().map(|kept| &kept.router)
    }

    fn holds(&self, router: &RouterHash) -> bool {
        self.kept.iter().any(|kept| kept.router == *router)
    }

    fn last(&self) -> Option<Date> {
        self.kept.iter().map(|kept| kept.until).max()
    }
}

impl Candidates {
    /// The hop next to us: one of the kept ones, of those with the fewest tunnels, and only if none of them can serve at all another one.
    pub(super) fn nearest(&self, wish: &mut Wish<'_>, rng: &mut dyn CryptoRng) -> Option<&Candidate> {
        self.tend(wish, rng);
        for strict in [true, false] {
            let mut serving = self.serving(wish, strict);
            if serving.is_empty() {
                continue;
            }
            if !strict && let Some(least) = serving.iter().map(|one| wish.blemish(one)).min() {
                serving.retain(|one| wish.blemish(one) == least);
            }
            serving.retain(|one| (wish.paced)(&one.hop.router) && wish.has_place_next(one));
            let fewest = serving.iter().map(|one| (wish.uses)(one)).min();
            serving.retain(|one| Some((wish.uses)(one)) == fewest);
            if let Some(at) = serving.len().checked_sub(1) {
                let at = usize::try_from(rng::below(rng, u32::try_from(at + 1).ok()?)).ok()?;
                return serving.get(at).copied();
            }
            // They can, only not just now.
            if self.is_large() {
                return None;
            }
        }
        let may = |candidate: &Candidate| wish.may_stand_next(candidate) && (wish.paced)(&candidate.hop.router);
        self.draw(rng, |candidate| may(candidate) && wish.fits(candidate, &[], true))
            .or_else(|| self.least_bad(wish, rng, |candidate| may(candidate) && wish.fits(candidate, &[], false)))
    }

    /// Those kept that could be next to us, if there is room for a tunnel.
    fn serving<'a>(&'a self, wish: &Wish<'_>, strict: bool) -> Vec<&'a Candidate> {
        let known = wish.nearest.kept.iter().filter_map(|kept| self.get(&kept.router));
        known.filter(|candidate| wish.may_stand_next(candidate) && wish.is_sound(candidate, strict)).collect()
    }

    /// Drops kept routers whose time is over, or that failed or were gone for a day, and fills the places.
    fn tend(&self, wish: &mut Wish<'_>, rng: &mut dyn CryptoRng) {
        let (date, profiles) = (wish.date, wish.profiles);
        wish.nearest.kept.retain_mut(|kept| {
            kept.gone_since = if self.get(&kept.router).is_some() { None } else { kept.gone_since.or(Some(date)) };
            let long = |since: Option<Date>| since.is_some_and(|since| date.saturating_since(since) >= DAY);
            date < kept.until && !long(kept.gone_since) && !long(profiles.failing_since(&kept.router))
        });
        loop {
            let (held, most) = (wish.nearest.kept.len(), self.len());
            let few = held >= wish.nearest.wanted && held < MOST_KEPT && self.serving(wish, true).len() < LEAST_SERVING;
            if held >= most || (held >= wish.nearest.wanted && !few) {
                return;
            }
            let held: Vec<&Candidate> = wish.nearest.routers().filter_map(|router| self.get(router)).collect();
            let found = self.draw(rng, |candidate| {
                wish.may_stand_next(candidate)
                    && wish.is_sound(candidate, true)
                    && !wish.nearest.holds(&candidate.hop.router)
                    && !held.iter().any(|other| candidate.clashes(other, wish.rules.ignore_subnets))
            });
            let Some(router) = found.map(|candidate| candidate.hop.router) else { return };
            let hours = rng::between(rng, KEPT_DAYS.0 * 24, KEPT_DAYS.1 * 24);
            wish.nearest.kept.push(Kept { router, until: date + Duration::from_secs(hours * 3600), gone_since: None });
        }
    }
}

/// Name of a set: nothing can be learnt from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct SetKey(pub(crate) [u8; 32]);

impl SetKey {
    /// Of what has a secret of its own that is kept.
    pub(crate) fn kept(secret: &[u8; 32]) -> Self {
        Self(kdf::hkdf(secret, &[], b"nearest hops"))
    }

    /// Of those that are new at each start, by their number.
    pub(crate) fn numbered(secret: &[u8; 32], number: u32) -> Self {
        let info = [b"nearest hops of number ".as_slice(), &number.to_be_bytes()].concat();
        Self(kdf::hkdf(secret, &[], &info))
    }
}

#[derive(Clone, Default)]
struct Set {
    inbound: Nearest,
    outbound: Nearest,
}

impl Set {
    fn side(&mut self, direction: Direction) -> &mut Nearest {
        match direction {
            Direction::Inbound => &mut self.inbound,
            Direction::Outbound => &mut self.outbound,
        }
    }

    fn last(&self) -> Option<Date> {
        self.inbound.last().max(self.outbound.last())
    }
}

/// All sets, those of closed pools too.
#[derive(Default)]
pub(crate) struct NearestSets {
    sets: BTreeMap<SetKey, Set>,
    /// Of which disk doesn't know yet.
    changed: BTreeSet<SetKey>,
}

impl NearestSets {
    /// A set as it is, to be given back by [`NearestSets::put`].
    pub(crate) fn get(&self, key: &SetKey, direction: Direction) -> Nearest {
        let set = self.sets.get(key);
        set.map_or_else(Nearest::default, |set| match direction {
            Direction::Inbound => set.inbound.clone(),
            Direction::Outbound => set.outbound.clone(),
        })
    }

    /// Keeps a set.
    pub(crate) fn put(&mut self, key: SetKey, direction: Direction, nearest: Nearest) {
        if !self.sets.contains_key(&key) && self.sets.len() >= MAX_SETS {
            let first = self.sets.iter().min_by_key(|(key, set)| (set.last(), **key)).map(|(key, _)| *key);
            if let Some(first) = first {
                self.sets.remove(&first);
                self.changed.insert(first);
            }
        }
        let side = self.sets.entry(key).or_default().side(direction);
        let same = side.kept == nearest.kept;
        *side = nearest;
        if !same {
            self.changed.insert(key);
        }
    }

    /// Whether disk doesn't know everything.
    pub(crate) fn has_changes(&self) -> bool {
        !self.changed.is_empty()
    }

    /// What disk is to write: of each set, or nothing if there is none any more.
    pub(crate) fn take_changes(&mut self, date: Date) -> Vec<(SetKey, Option<Bytes>)> {
        for (key, _) in self.sets.extract_if(.., |_, set| set.last().is_none_or(|last| last <= date)) {
            self.changed.insert(key);
        }
        let changed = std::mem::take(&mut self.changed);
        changed.into_iter().map(|key| (key, self.sets.get(&key).map(|set| encode(&key, set)))).collect()
    }

    /// Takes what disk had at the start. What can't be read or is over is to be deleted.
    pub(crate) fn restore(&mut self, now: Now, found: impl IntoIterator<Item = ([u8; 32], Bytes)>) {
        for (key, bytes) in found {
            let key = SetKey(key);
            match decode(now.date, &key, &bytes) {
                Some(set) if self.sets.len() < MAX_SETS => drop(self.sets.insert(key, set)),
                _ => drop(self.changed.insert(key)),
            }
        }
    }

    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let sides = || self.sets.values().flat_map(|set| [&set.inbound, &set.outbound]);
        let kept = sides().map(|side| side.kept.len());
        let bytes = entries::<(SetKey, Set)>(self.sets.len()) + kept.clone().sum::<usize>() * size_of::<Kept>();
        visit(Bound::new("tunnel-nearest-sets", self.sets.len(), MAX_SETS, bytes).lasting());
        visit(Bound::new("tunnel-nearest", kept.max().unwrap_or(0), MOST_KEPT, 0).lasting());
        let bytes = entries::<SetKey>(self.changed.len());
        visit(Bound::new("tunnel-nearest-unsaved", self.changed.len(), 2 * MAX_SETS, bytes).lasting());
    }
}

/// version 1 · inbound, then outbound: count 1, and of each router hash 32 · until 8 · gone since 8, or 0 · check 4 (SHA-256 of the key
/// and all before it: disks tear).
fn encode(key: &SetKey, set: &Set) -> Bytes {
    let mut w = Writer::new();
    w.u8(VERSION);
    for side in [&set.inbound, &set.outbound] {
        w.u8(u8::try_from(side.kept.len()).unwrap_or(0));
        for kept in &side.kept {
            w.bytes(&kept.router.0);
            w.u64(kept.until.0);
            w.u64(kept.gone_since.map_or(0, |date| date.0));
        }
    }
    let check = check(key, w.as_slice());
    w.bytes(&check);
    w.into_vec().into()
}

/// `None` if it is damaged or of another version, or nothing of it holds any more.
fn decode(date: Date, key: &SetKey, bytes: &[u8]) -> Option<Set> {
    let (body, sum) = bytes.split_last_chunk::<CHECK_LEN>()?;
    if *sum != check(key, body) {
        return None;
    }
    let mut set = read(body).ok()?;
    // Later than any could be: the clock was wrong.
    let latest = date + Duration::from_secs((KEPT_DAYS.1 + 1) * DAY.as_secs());
    for side in [&mut set.inbound, &mut set.outbound] {
        side.kept.retain(|kept| date < kept.until && kept.until <= latest);
        side.kept.truncate(MOST_KEPT);
    }
    set.last().is_some().then_some(set)
}

fn read(body: &[u8]) -> Result<Set, DecodeError> {
    let mut r = Reader::new(body);
    if r.u8("version")? != VERSION {
        return Err(r.error(ramson_wire::DecodeErrorKind::Unsupported, "version"));
    }
    let mut set = Set::default();
    for direction in [Direction::Inbound, Direction::Outbound] {
        let side = set.side(direction);
        for _ in 0..r.u8("count")? {
            let router = RouterHash(r.array("router")?);
            let until = Date(r.u64("until")?);
            let gone = r.u64("gone since")?;
            side.kept.push(Kept { router, until, gone_since: (gone > 0).then_some(Date(gone)) });
        }
    }
    r.finish()?;
    Ok(set)
}

fn check(key: &SetKey, body: &[u8]) -> [u8; CHECK_LEN] {
    let [a, b, c, d, ..] = sha256(&[key.0.as_slice(), body].concat());
    [a, b, c, d]
}
