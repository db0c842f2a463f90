//! An observer at the floodfills doesn't find out which destinations live on one router.
//!
//! All floodfills together see each new LeaseSet: when it comes, through which router, to whom the answer goes, which gateways it names
//! and when its tunnels end. The observer is then given a destination, the one that lives beside it, and one of another router, and says
//! which of the two is the companion, by one trait at a time. Right in more than [`CHANCE`] + [`BETTER`] of the cases, and the
//! scatter of as few pairs as there were, is a violation. First publications don't count: when applications start is theirs to choose.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_lane::LaneCommand;
use ramson_wire::i2np::{DatabaseStore, StoreEntry};
use ramson_wire::{Codec, Date, DestinationHash, MessageKind, RouterHash, Tick};

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
/// Publications of a destination that are needed.
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

    /// A larger share can't be chance.
    #[must_use]
    pub fn most(&self) -> u64 {
        // The place of the companion among the others is even between first and last, if nothing is known: a variance of 1/12.
        let scatter = (DEVIATIONS * 1_000).pow(2) / 12 / self.pairs.max(1);
        CHANCE + BETTER + scatter.isqrt()
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
}

struct Home {
    router: usize,
    hash: RouterHash,
    opened: Tick,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Pairing {
    seen: BTreeMap<DestinationHash, Seen>,
    homes: BTreeMap<DestinationHash, Home>,
    /// Routers that went down: all that lives there goes and comes with them.
    fell: BTreeSet<usize>,
    /// Who sent a floodfill the last garlic.
    sender: BTreeMap<usize, RouterHash>,
}

impl Pairing {
    /// A destination that publishes was opened. If it was there before, it goes on.
    pub(crate) fn opened(&mut self, at: Tick, destination: DestinationHash, (router, hash): (usize, RouterHash)) {
        self.homes.entry(destination).or_insert(Home { router, hash, opened: at });
    }

    pub(crate) fn fell(&mut self, router: usize) {
        self.fell.insert(router);
    }

    /// A floodfill gets garlic: a store, perhaps.
    pub(crate) fn garlic(&mut self, floodfill: usize, from: RouterHash) {
        self.sender.insert(floodfill, from);
    }

    /// What a floodfill does then: new LeaseSets go to others, and the publisher gets an answer.
    pub(crate) fn commands(&mut self, at: Tick, floodfill: usize, commands: &[LaneCommand]) {
        let mut stored = BTreeSet::new();
        for command in commands {
            let LaneCommand::Send { message, .. } = command else { continue };
            if message.kind != MessageKind::DATABASE_STORE {
                continue;
            }
            let Ok(DatabaseStore { entry: StoreEntry::LeaseSet2(set), .. }) = DatabaseStore::from_bytes(&message.body) else {
                continue;
            };
            let hash = set.destination().hash();
            let Some(home) = self.homes.get(&hash).filter(|home| at.saturating_since(home.opened) > SETTLED) else { continue };
            let seen = self.seen.entry(hash).or_default();
            if home.router == floodfill || !seen.versions.insert(set.published()) {
                continue;
            }
            let Ok(set) = set.verify() else { continue };
            seen.times.push(i64::try_from(at.0 / 1_000_000).unwrap_or(i64::MAX));
            seen.ends.extend(set.leases().iter().map(|lease| lease.end));
            seen.routers.extend(set.leases().iter().map(|lease| lease.gateway));
            stored.insert(hash);
        }
        for hash in stored {
            let answers = commands.iter().filter_map(|command| match command {
                LaneCommand::Send { to, message, .. } if message.kind == MessageKind::TUNNEL_GATEWAY => Some(*to),
                _ => None,
            });
            let routers: Vec<RouterHash> = answers.chain(self.sender.get(&floodfill).copied()).collect();
            self.seen.entry(hash).or_default().routers.extend(routers);
        }
    }

    /// What the observer says.
    pub(crate) fn guess(&self) -> Vec<Guesses> {
        let known = |hash: &DestinationHash| self.seen.get(hash).filter(|seen| seen.versions.len() >= LEAST_SEEN);
        let mut homes: BTreeMap<usize, Vec<&Seen>> = BTreeMap::new();
        for (hash, home) in self.homes.iter().filter(|(_, home)| !self.fell.contains(&home.router)) {
            if let Some(seen) = known(hash) {
                homes.entry(home.router).or_default().push(seen);
            }
        }
        homes.retain(|_, seen| seen.len() >= 2);
        let hosts: BTreeSet<RouterHash> = self.homes.values().map(|home| home.hash).collect();
        vec![
            guess_by(&homes, "times", |one, other| -apart(&one.times, &other.times)),
            guess_by(&homes, "ends", alike_ends),
            guess_by(&homes, "routers", |one, other| shared(one, other, &hosts)),
        ]
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

fn guess_by(homes: &BTreeMap<usize, Vec<&Seen>>, by: &'static str, alike: impl Fn(&Seen, &Seen) -> i64) -> Guesses {
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

fn alike_ends(one: &Seen, other: &Seen) -> i64 {
    let millis =
        |ends: &BTreeSet<Date>| -> Vec<i64> { ends.iter().map(|end| i64::try_from(end.0).unwrap_or(i64::MAX)).collect() };
    -apart(&millis(&one.ends), &millis(&other.ends))
}

/// The share of routers that both have to do with. Hosts are left out: that a router is no hop of its own tunnels shows where nearly all
/// others are, as in no large network.
fn shared(one: &Seen, other: &Seen, hosts: &BTreeSet<RouterHash>) -> i64 {
    let count = |routers: &mut dyn Iterator<Item = &RouterHash>| {
        i64::try_from(routers.filter(|router| !hosts.contains(*router)).count()).unwrap_or(0)
    };
    count(&mut one.routers.intersection(&other.routers)) * 1_000_000 / count(&mut one.routers.union(&other.routers)).max(1)
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
