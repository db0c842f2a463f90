//! An observer at the floodfills doesn't find out which destinations live on one router.
//!
//! All floodfills together see what tunnels bring them. Of each new LeaseSet: when it comes, out of whose hands, to whom the answer goes,
//! which tunnels it names and when they end. Of each look-up of a LeaseSet: when it comes, out of whose hands, for which key, and the
//! tunnel for the answer, by which it is known to be of the destination whose LeaseSet names that tunnel. The observer is then given a
//! destination, the one that lives beside it, and one of another router, and says which of the two is the companion, by one trait at a
//! time. What comes first doesn't count: when applications start is theirs to choose.
//!
//! Of very many pairs he may be right in [`Guesses::ALLOWED`] of the cases. Of few pairs chance alone makes him right more often. For one
//! destination, the share of strangers that look less alike than the companion is evenly between 0 and 1 if nothing is known, with a
//! variance of 1/12. So a violation is a share above 50 % + 5 % + 3.5 · √(1 / (12 · pairs)): 87 % for 10 pairs, 60 % for 400. Fewer than
//! [`LEAST_PAIRS`] aren't judged.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_wire::i2np::{DatabaseLookup, DatabaseStore, LookupKind, StoreEntry};
use ramson_wire::{Codec, Date, DestinationHash, I2npMessage, MessageKind, RouterHash, Tick, TunnelId};

use super::{Notes, PAIRING};

/// Guesses that are right without knowing anything, in ten-thousandths.
const CHANCE: u64 = 5_000;
/// So much better is still no finding.
const BETTER: u64 = 500;
/// Standard deviations that chance may give, in tenths.
const DEVIATIONS: u64 = 35;
/// With fewer pairs nothing can be said.
const LEAST_PAIRS: u64 = 6;
/// A destination counts from so long after its opening.
const SETTLED: Duration = Duration::from_secs(60);
/// Publications of a destination that are needed, and look-ups.
const LEAST_SEEN: usize = 2;

/// How often an observer was right by one trait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guesses {
    /// The trait.
    pub by: &'static str,
    /// Right ones twice, and once those where both looked alike.
    pub right: u64,
    /// All.
    pub all: u64,
    /// Routers with two destinations.
    pub pairs: u64,
}

impl Guesses {
    /// A share of right ones that is no finding, however many pairs there are, in ten-thousandths.
    pub const ALLOWED: u64 = CHANCE + BETTER;

    /// Together with those of another network.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { by: self.by, right: self.right + other.right, all: self.all + other.all, pairs: self.pairs + other.pairs }
    }

    /// The share of right ones, in ten-thousandths.
    #[must_use]
    pub fn share(&self) -> u64 {
        (self.right * 5_000).checked_div(self.all).unwrap_or(CHANCE)
    }

    /// A larger share can't be chance. See the module.
    #[must_use]
    pub fn most(&self) -> u64 {
        // The place of the companion among the others is even between first and last, if nothing is known: a variance of 1/12.
        let scatter = (DEVIATIONS * 1_000).pow(2) / 12 / self.pairs.max(1);
        Self::ALLOWED + scatter.isqrt()
    }
}

/// What is seen of one destination.
#[derive(Default)]
struct Seen {
    /// In milliseconds.
    times: Vec<i64>,
    ends: BTreeSet<Date>,
    routers: BTreeSet<RouterHash>,
    versions: BTreeSet<Date>,
    tunnels: BTreeSet<(RouterHash, TunnelId)>,
}

/// And of its look-ups.
struct Lookups {
    times: Vec<i64>,
    /// Where its look-ups came out, and where the answers went.
    routers: BTreeSet<RouterHash>,
    own: DestinationHash,
    /// How often each.
    keys: BTreeMap<DestinationHash, i64>,
}

impl Lookups {
    fn asked_for(&self, other: &Self) -> i64 {
        self.keys.get(&other.own).copied().unwrap_or(0)
    }
}

/// A look-up of a LeaseSet by nobody knows whom.
struct Lookup {
    at: Tick,
    floodfill: usize,
    from: RouterHash,
    key: DestinationHash,
}

struct Home {
    router: usize,
    hash: RouterHash,
    opened: Tick,
}

impl Home {
    /// Whether what comes to a floodfill then counts: what a router sees of itself doesn't.
    fn counts(&self, at: Tick, floodfill: usize) -> bool {
        self.router != floodfill && at.saturating_since(self.opened) > SETTLED
    }
}

/// See the module.
#[derive(Default)]
pub(crate) struct Pairing {
    seen: BTreeMap<DestinationHash, Seen>,
    homes: BTreeMap<DestinationHash, Home>,
    /// By the tunnel that the answer goes to.
    lookups: BTreeMap<(RouterHash, TunnelId), Vec<Lookup>>,
    /// Routers that went down: all that lives there goes and comes with them.
    fell: BTreeSet<usize>,
}

impl Pairing {
    /// A destination that publishes was opened. If it was there before, it goes on.
    pub(crate) fn opened(&mut self, at: Tick, destination: DestinationHash, (router, hash): (usize, RouterHash)) {
        self.homes.entry(destination).or_insert(Home { router, hash, opened: at });
    }

    pub(crate) fn fell(&mut self, router: usize) {
        self.fell.insert(router);
    }

    /// What a floodfill finds in garlic that came from there: from the end of a tunnel.
    pub(crate) fn asked(&mut self, at: Tick, floodfill: usize, from: RouterHash, message: &I2npMessage) {
        match message.kind {
            MessageKind::DATABASE_STORE => {
                if let Ok(store) = DatabaseStore::from_bytes(&message.body) {
                    self.stored(at, floodfill, from, store);
                }
            }
            MessageKind::DATABASE_LOOKUP => {
                if let Ok(lookup) = DatabaseLookup::from_bytes(&message.body)
                    && let (LookupKind::LeaseSet | LookupKind::Any, Some(tunnel)) = (lookup.kind, lookup.reply_tunnel)
                {
                    let key = DestinationHash(lookup.key.0);
                    self.lookups.entry((lookup.from, tunnel)).or_default().push(Lookup { at, floodfill, from, key });
                }
            }
            _ => {}
        }
    }

    fn stored(&mut self, at: Tick, floodfill: usize, from: RouterHash, store: DatabaseStore) {
        let StoreEntry::LeaseSet2(set) = store.entry else { return };
        let hash = set.destination().hash();
        if !self.homes.get(&hash).is_some_and(|home| home.counts(at, floodfill)) {
            return;
        }
        let Ok(set) = set.verify() else { return };
        let seen = self.seen.entry(hash).or_default();
        seen.routers.insert(from);
        seen.routers.extend(store.reply.map(|reply| reply.gateway));
        if seen.versions.insert(set.published()) {
            seen.times.push(millis(at));
            seen.ends.extend(set.leases().iter().map(|lease| lease.end));
            seen.routers.extend(set.leases().iter().map(|lease| lease.gateway));
            seen.tunnels.extend(set.leases().iter().map(|lease| (lease.gateway, lease.tunnel)));
        }
    }

    /// What the observer says.
    pub(crate) fn guess(&self) -> Vec<Guesses> {
        let stores = self.homes(|hash| self.seen.get(hash).filter(|seen| seen.versions.len() >= LEAST_SEEN));
        let lookups = self.homes(|hash| self.looked_up(hash).filter(|lookups| lookups.times.len() >= LEAST_SEEN));
        let hosts: BTreeSet<RouterHash> = self.homes.values().map(|home| home.hash).collect();
        // Hosts are left out: that a router is no hop of its own tunnels shows where nearly all others are, as in no large network.
        let routers = |routers: &BTreeSet<RouterHash>| -> BTreeSet<RouterHash> { routers.difference(&hosts).copied().collect() };
        vec![
            guess_by(&stores, "times", |one, other| -apart(&one.times, &other.times)),
            guess_by(&stores, "ends", |one, other| -apart_ends(&one.ends, &other.ends)),
            guess_by(&stores, "routers", |one, other| shared(&routers(&one.routers), &routers(&other.routers))),
            guess_by(&lookups, "times of look-ups", |one, other| -apart(&one.times, &other.times)),
            guess_by(&lookups, "routers of look-ups", |one, other| shared(&routers(&one.routers), &routers(&other.routers))),
            guess_by(&lookups, "keys of look-ups", |one, other| shared(&one.keys.keys().collect(), &other.keys.keys().collect())),
            guess_by(&lookups, "look-ups of the other", |one, other| one.asked_for(other) + other.asked_for(one)),
        ]
    }

    /// What is known of the destinations of routers with two of them or more.
    fn homes<T>(&self, known: impl Fn(&DestinationHash) -> Option<T>) -> BTreeMap<usize, Vec<T>> {
        let mut homes: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        for (hash, home) in self.homes.iter().filter(|(_, home)| !self.fell.contains(&home.router)) {
            if let Some(known) = known(hash) {
                homes.entry(home.router).or_default().push(known);
            }
        }
        homes.retain(|_, known| known.len() >= 2);
        homes
    }

    /// The look-ups whose answers went to tunnels of this destination.
    fn looked_up(&self, hash: &DestinationHash) -> Option<Lookups> {
        let (seen, home) = (self.seen.get(hash)?, self.homes.get(hash)?);
        let mut found = Lookups { times: Vec::new(), routers: BTreeSet::new(), own: *hash, keys: BTreeMap::new() };
        for tunnel in &seen.tunnels {
            let lookups = self.lookups.get(tunnel).into_iter().flatten();
            for lookup in lookups.filter(|lookup| home.counts(lookup.at, lookup.floodfill)) {
                found.times.push(millis(lookup.at));
                found.routers.extend([lookup.from, tunnel.0]);
                *found.keys.entry(lookup.key).or_default() += 1;
            }
        }
        Some(found)
    }

    /// Notes what can't be chance.
    pub(crate) fn judge(&self, at: Tick, notes: &mut Notes) {
        for guesses in self.guess().into_iter().filter(|guesses| guesses.pairs >= LEAST_PAIRS) {
            if guesses.share() > guesses.most() {
                let (share, pairs) = (guesses.share() / 100, guesses.pairs);
                notes.violated(at, PAIRING, format!("{share} % of guesses by {} are right, of {pairs} pairs", guesses.by));
            }
        }
    }
}

fn guess_by<T>(homes: &BTreeMap<usize, Vec<T>>, by: &'static str, alike: impl Fn(&T, &T) -> i64) -> Guesses {
    let mut guesses = Guesses { by, right: 0, all: 0, pairs: u64::try_from(homes.len()).unwrap_or(0) };
    for (home, here) in homes {
        for (index, one) in here.iter().enumerate() {
            let companions = here.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, seen)| alike(one, seen));
            for companion in companions {
                let strangers = homes.iter().filter(|(other, _)| *other != home).flat_map(|(_, there)| there.iter());
                for stranger in strangers.map(|stranger| alike(one, stranger)) {
                    guesses.all += 1;
                    guesses.right += match companion.cmp(&stranger) {
                        Ordering::Greater => 2,
                        Ordering::Equal => 1,
                        Ordering::Less => 0,
                    };
                }
            }
        }
    }
    guesses
}

/// From each of some moments to the nearest of others, in the middle of both directions.
fn apart(one: &[i64], other: &[i64]) -> i64 {
    let mean = |from: &[i64], to: &[i64]| {
        let nearest = |at: &i64| to.iter().map(|other| at.saturating_sub(*other).saturating_abs()).min().unwrap_or(0);
        let sum: i64 = from.iter().map(nearest).sum();
        sum / i64::try_from(from.len().max(1)).unwrap_or(1)
    };
    mean(one, other) + mean(other, one)
}

fn apart_ends(one: &BTreeSet<Date>, other: &BTreeSet<Date>) -> i64 {
    let millis =
        |ends: &BTreeSet<Date>| -> Vec<i64> { ends.iter().map(|end| i64::try_from(end.0).unwrap_or(i64::MAX)).collect() };
    apart(&millis(one), &millis(other))
}

fn millis(at: Tick) -> i64 {
    i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX)
}

/// The share of what both have to do with.
fn shared<T: Ord>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> i64 {
    let count = |count: usize| i64::try_from(count).unwrap_or(0);
    count(one.intersection(other).count()) * 1_000_000 / count(one.union(other).count()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_pairs_scatter_more() {
        let guesses = |right, pairs| Guesses { by: "times", right, all: 100, pairs };
        assert_eq!(guesses(120, 1).share(), 6_000);
        assert_eq!(guesses(0, 10).and(guesses(200, 10)), Guesses { by: "times", right: 200, all: 200, pairs: 20 });
        assert!(guesses(0, 6).most() < 10_000 && guesses(0, 6).most() > guesses(0, 10).most());
        assert_eq!(guesses(0, 1_000_000).most(), 5_510);
    }

    #[test]
    fn distances_are_to_the_nearest() {
        assert_eq!(apart(&[0, 100], &[10]), (10 + 90) / 2 + 10);
        assert_eq!(apart(&[5], &[5]), 0);
    }
}
