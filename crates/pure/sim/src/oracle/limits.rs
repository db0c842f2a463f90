//! Nothing is held past its registered limit, and nothing is held for nobody: what belongs to a local destination is gone soon after it
//! closed, and what isn't meant to last is gone some time after all peers left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_wire::Tick;
use ramson_wire::bounds::Bound;

use super::{FREED, LIMITS, Notes};

/// So long after a destination closed nothing is held for it.
pub(crate) const FREED_AFTER: Duration = Duration::from_secs(5);
/// So long after its peers left a router has come to hold nothing but what lasts, each thing at some moment: it goes on to try, ever more
/// seldom.
pub(crate) const DRAINED_AFTER: Duration = Duration::from_secs(1_500);
/// So many routers are left alone at the end of a run.
pub(crate) const LEFT_ALONE: usize = 4;
/// A router's bounds are looked at in one of so many turns of its engine.
const LOOK_ONE_OF: u64 = 64;
/// Likewise in small networks.
const LOOK_ONE_OF_SMALL: u64 = 8;
/// And after each turn in which so much came at once: what fills up shortly does it then.
const BURST: usize = 8;

/// See the module.
#[derive(Default)]
pub(crate) struct Limits {
    /// The least limit that a router has for it. All are configured alike, so a larger one isn't what was registered.
    registered: BTreeMap<&'static str, usize>,
    closed: BTreeMap<(usize, u32), Tick>,
    turns: u64,
}

impl Limits {
    /// Whether to look at the bounds in this turn, in which so much came.
    pub(crate) fn look(&mut self, small: bool, came: usize) -> bool {
        self.turns += 1;
        came >= BURST || self.turns.is_multiple_of(if small { LOOK_ONE_OF_SMALL } else { LOOK_ONE_OF })
    }

    /// A router starts anew.
    pub(crate) fn starts(&mut self, router: usize) {
        self.closed.retain(|(whose, _), _| *whose != router);
    }

    /// A destination was to be opened, or closed.
    pub(crate) fn used(&mut self, at: Tick, router: usize, identity: u32, open: bool) {
        if open {
            self.closed.remove(&(router, identity));
        } else {
            self.closed.insert((router, identity), at);
        }
    }

    /// What a router holds of one thing.
    pub(crate) fn held(&mut self, at: Tick, router: usize, bound: &Bound, notes: &mut Notes) {
        let registered = self.registered.entry(bound.name).or_insert(bound.limit);
        *registered = bound.limit.min(*registered);
        if bound.fill > *registered {
            notes.violated(at, LIMITS, format!("router {router}: {} of {}, limit {registered}", bound.fill, bound.name));
        }
        let closed = bound.identity.and_then(|identity| self.closed.get(&(router, identity)));
        if bound.fill > 0 && closed.is_some_and(|closed| at.saturating_since(*closed) > FREED_AFTER) {
            notes.violated(at, FREED, format!("router {router}: {} of {} for a closed destination", bound.fill, bound.name));
        }
    }
}

/// What a router that is alone still holds.
#[derive(Clone, Default)]
pub(crate) struct Draining {
    filled: BTreeMap<&'static str, usize>,
    emptied: BTreeSet<&'static str>,
}

impl Draining {
    /// All of its bounds at a moment.
    pub(crate) fn look(&mut self, bounds: &[Bound]) {
        let mut fills: BTreeMap<&'static str, usize> = BTreeMap::new();
        for bound in bounds.iter().filter(|bound| !bound.lasting) {
            *fills.entry(bound.name).or_default() += bound.fill;
        }
        self.emptied.extend(self.filled.keys().filter(|name| !fills.contains_key(*name)));
        self.emptied.extend(fills.iter().filter(|(_, fill)| **fill == 0).map(|(name, _)| *name));
        self.filled.extend(fills);
    }

    /// What never was empty.
    pub(crate) fn judge(&self, at: Tick, router: usize, notes: &mut Notes) {
        for (name, fill) in self.filled.iter().filter(|(name, _)| !self.emptied.contains(*name)) {
            notes.violated(at, FREED, format!("router {router}: {fill} of {name} though it is alone"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_in_which_much_comes_are_all_looked_at() {
        let looks = |small, came| {
            let mut limits = Limits::default();
            (0..640).filter(|_| limits.look(small, came)).count()
        };
        assert_eq!((looks(false, 1), looks(true, 1), looks(false, BURST)), (10, 80, 640));
    }

    #[test]
    fn what_never_is_empty_is_told() {
        let bound = |name, fill| Bound::new(name, fill, 100, 0);
        let mut draining = Draining::default();
        for round in 0..4 {
            draining.look(&[bound("kept", 2), bound("now-and-then", round % 2)]);
        }
        let mut notes = Notes::default();
        draining.judge(Tick(0), 7, &mut notes);
        let told: Vec<String> = notes.all().iter().map(|violation| violation.what.clone()).collect();
        assert_eq!(told, ["router 7: 2 of kept though it is alone"]);
    }
}
