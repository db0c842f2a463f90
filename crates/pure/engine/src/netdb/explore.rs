//! Exploration: lookups near random keys, for what answers name. Often while little is known of the network, seldom later, and ever
//! more seldom while nobody answers.

use ramson_crypto::rng;
use ramson_wire::{NetDbKey, Now, Tick};

use super::config;
use super::lookup::{Goal, Kind};
use super::owner::OwnerState;
use super::routers::Source;
use super::shared::{Prefer, Shared};
use crate::identity::Owner;

/// When to explore next.
#[derive(Debug)]
pub(super) struct Exploring {
    at: Tick,
    /// Until then a network of which little is known is explored often.
    often_until: Tick,
    /// Answers that had come at the last round, and rounds since one came.
    answered: u64,
    unanswered: u32,
}

impl Exploring {
    pub(super) fn new(shared: &mut Shared, now: Now) -> Exploring {
        let first = shared.draw_ms(config::FIRST_EXPLORE_MS);
        Exploring { at: now.tick + first, often_until: now.tick + config::EXPLORED_OFTEN, answered: 0, unanswered: 0 }
    }

    pub(super) fn deadline(&self) -> Tick {
        self.at
    }

    /// Explores if it is time.
    pub(super) fn step(&mut self, shared: &mut Shared, now: Now, router: &mut OwnerState) {
        if self.at > now.tick {
            return;
        }
        let (known, below) = (shared.routers.len(), shared.config.limits.explore_below);
        let few_floodfills = shared.routers.floodfill_count() < config::FEW_FLOODFILLS;
        let pause = match known < below {
            true if few_floodfills && now.tick < self.often_until => config::FIRST_EXPLORE_MS,
            true => config::EXPLORE_MS,
            false if few_floodfills => config::EXPLORE_MS,
            false => config::SELDOM_EXPLORE_MS,
        };
        let heard = shared.explored != std::mem::replace(&mut self.answered, shared.explored);
        self.unanswered = if heard { 0 } else { (self.unanswered + 1).min(config::MAX_UNANSWERED_EXPLORATIONS + 1) };
        let doublings = self.unanswered.saturating_sub(1);
        self.at = now.tick + shared.draw_ms(pause) * (1 << doublings);
        if below == 0 || shared.routers.floodfill_count() == 0 {
            return;
        }
        let keys = match known {
            known if known < below => config::EXPLORED_KEYS,
            known if known < config::EXPLORED_ENOUGH => 1,
            _ => 0,
        };
        for _ in 0..keys {
            start(shared, now, router, Kind::Exploration);
        }
        if few_floodfills {
            start(shared, now, router, Kind::Floodfills);
        }
    }

    /// A session stands again after there was none.
    pub(super) fn revive(&mut self, shared: &mut Shared, now: Now) {
        self.unanswered = 0;
        let soon = now.tick + shared.draw_ms(config::FIRST_EXPLORE_MS);
        self.at = self.at.min(soon);
    }
}

fn start(shared: &mut Shared, now: Now, router: &mut OwnerState, kind: Kind) {
    let goal = Goal {
        key: NetDbKey(rng::bytes(&mut *shared.rng)),
        kind,
        whose: Owner::Router,
        prefer: Prefer::Tunnels,
        follow: true,
        first: None,
        source: Source::Lookup,
        newer_than: None,
    };
    // With every place taken there is enough to learn from.
    let _ = router.start(shared, now, goal, None);
}
