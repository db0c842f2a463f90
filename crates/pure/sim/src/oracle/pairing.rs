//! An observer at the floodfills doesn't find out which destinations live on one router.
//!
//! All floodfills together see each new LeaseSet: when it comes, through which router, to whom the answer goes, which gateways it names
//! and when its tunnels end. The observer is then given a destination, the one that lives beside it, and one of another router, and says
//! which of the two is the companion, by one trait at a time. Right in more than [`CHANCE`] + [`BETTER`] of the cases, and the
//! scatter of as few pairs as there were, is a violation. First publications don't count: when applications start is theirs to choose.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_lane::LaneCommand;
use ramson_wire::i2np::{DatabaseStore, StoreEntry};
use ramson_wire::{Codec, Date, DestinationHash, MessageKind, RouterHash, Tick};

use super::{Notes, PAIRING};

/// Guesses that are right without knowing anything.
const CHANCE: f64 = 0.5;
/// So much better is still no finding.
const BETTER: f64 = 0.05;
/// Standard deviations that chance may give.
const DEVIATIONS: f64 = 3.5;
/// With fewer pairs nothing can be said.
const LEAST_PAIRS: usize = 6;
/// A destination counts from so long after its opening.
const SETTLED: Duration = Duration::from_secs(60);
/// Publications of a destination that are needed.
const LEAST_SEEN: usize = 2;

/// How often an observer was right by one trait.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Guesses {
    /// The trait.
    pub by: &'static str,
    /// Right ones; half of those where both looked alike.
    pub right: f64,
    /// All.
    pub all: f64,
    /// Routers with two destinations.
    pub pairs: usize,
}

impl Guesses {
    /// Together with those of another network.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { by: self.by, right: self.right + other.right, all: self.all + other.all, pairs: self.pairs + other.pairs }
    }

    /// The share of right ones.
    #[must_use]
    pub fn share(&self) -> f64 {
        if self.all > 0.0 { self.right / self.all } else { CHANCE }
    }

    /// More than so many can't be chance.
    #[must_use]
    pub fn most(&self) -> f64 {
        let pairs = u32::try_from(self.pairs.max(1)).unwrap_or(u32::MAX);
        // The place of the companion among the others is even between first and last, if nothing is known.
        CHANCE + BETTER + DEVIATIONS * (1.0 / 12.0 / f64::from(pairs)).sqrt()
    }
}

/// What is seen of one destination.
#[derive(Default)]
struct Seen {
    times: Vec<f64>,
    ends: BTreeSet<Date>,
    routers: BTreeSet<RouterHash>,
    versions: BTreeSet<Date>,
}

struct Home {
    router: usize,
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
    pub(crate) fn opened(&mut self, at: Tick, hash: DestinationHash, router: usize) {
        self.homes.entry(hash).or_insert(Home { router, opened: at });
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
            seen.times.push(Duration::from_nanos(at.0).as_secs_f64());
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
        let traits: [(&'static str, fn(&Seen, &Seen) -> f64); 3] =
            [("times", |one, other| -apart(&one.times, &other.times)), ("ends", alike_ends), ("routers", shared)];
        traits.into_iter().map(|(by, alike)| guess_by(&homes, by, alike)).collect()
    }

    /// Notes what can't be chance.
    pub(crate) fn judge(&self, at: Tick, notes: &mut Notes) {
        for guesses in self.guess().into_iter().filter(|guesses| guesses.pairs >= LEAST_PAIRS) {
            if guesses.share() > guesses.most() {
                let (share, pairs) = (guesses.share() * 100.0, guesses.pairs);
                notes.violated(at, PAIRING, format!("{share:.0} % of guesses by {} are right, of {pairs} pairs", guesses.by));
            }
        }
    }
}

fn guess_by(homes: &BTreeMap<usize, Vec<&Seen>>, by: &'static str, alike: fn(&Seen, &Seen) -> f64) -> Guesses {
    let mut guesses = Guesses { by, right: 0.0, all: 0.0, pairs: homes.len() };
    for (home, here) in homes {
        for (index, one) in here.iter().enumerate() {
            let companions = here.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, seen)| alike(one, seen));
            for companion in companions {
                let strangers = homes.iter().filter(|(other, _)| *other != home).flat_map(|(_, there)| there.iter());
                for stranger in strangers.map(|stranger| alike(one, stranger)) {
                    guesses.all += 1.0;
                    if companion > stranger {
                        guesses.right += 1.0;
                    } else if companion >= stranger {
                        guesses.right += 0.5;
                    }
                }
            }
        }
    }
    guesses
}

/// From each of some moments to the nearest of others, in the middle of both directions.
fn apart(one: &[f64], other: &[f64]) -> f64 {
    let mean = |from: &[f64], to: &[f64]| {
        let nearest = |at: &f64| to.iter().map(|other| (at - other).abs()).fold(f64::INFINITY, f64::min);
        from.iter().map(nearest).sum::<f64>() / f64::from(u32::try_from(from.len().max(1)).unwrap_or(u32::MAX))
    };
    mean(one, other) + mean(other, one)
}

fn alike_ends(one: &Seen, other: &Seen) -> f64 {
    let secs = |ends: &BTreeSet<Date>| -> Vec<f64> {
        ends.iter().map(|end| Duration::from_millis(end.0.saturating_sub(1_700_000_000_000)).as_secs_f64()).collect()
    };
    -apart(&secs(&one.ends), &secs(&other.ends))
}

/// The share of routers that both have to do with.
fn shared(one: &Seen, other: &Seen) -> f64 {
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    count(one.routers.intersection(&other.routers).count()) / count(one.routers.union(&other.routers).count().max(1))
}
