//! The end of a run: what the oracles can only see then.

use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::bounds::Bound;
use ramson_wire::{DestinationKeys, I2npMessage, RouterHash};

use super::World;
use crate::node::User;
use crate::oracle::limits::{DRAINED_AFTER, Draining, FREED_AFTER, LEFT_ALONE};
use crate::oracle::quotas::{self, Tally};
use crate::oracle::{ANSWERS, Answer, Guesses};

impl<U: User> World<U> {
    /// How often an observer at the floodfills was right so far, by each trait, when it said which destinations live on one router.
    #[must_use]
    pub fn guesses(&self) -> Vec<Guesses> {
        self.watch.guesses()
    }

    /// Asks routers for their destinations, and judges what was gathered. Routers notice, so nothing is measured after it.
    pub fn question(&mut self) {
        if !self.config.oracles {
            return;
        }
        let mut rng = self.seed.child("questions");
        for router in 0..self.routers() {
            self.with(router, None, |node, around| node.ask_for_destinations(around, &mut rng));
        }
        self.watch.ends(self.now());
        self.flood_some(&mut rng);
    }

    /// Floods some routers and a destination on each, twice.
    fn flood_some(&mut self, rng: &mut SeededRng) {
        let mut flooded = self.routers_up();
        rng::shuffle(rng, &mut flooded);
        flooded.truncate(quotas::ROUTERS);
        for router in &flooded {
            let keys = DestinationKeys::generate(rng);
            self.with(*router, None, |node, around| node.open_flooded(around, keys));
        }
        self.run(quotas::OPENS_IN);
        let first = self.flood(&flooded, rng, true);
        self.run(quotas::RECOVERED_AFTER);
        let second = self.flood(&flooded, rng, false);
        for ((router, first), second) in flooded.into_iter().zip(first).zip(second) {
            self.with(router, None, |node, around| node.close_flooded(around));
            let (Some(first), Some(second)) = (first, second) else {
                self.watch.violated(self.now(), ANSWERS, format!("router {router}: a destination without hops can't be reached"));
                continue;
            };
            for ((whose, first), second) in ["the router", "its destination"].iter().zip(first).zip(second) {
                if !first.is_like(&second) {
                    let what =
                        format!("router {router}: {whose} gave {first:?} to a flood, {second:?} when flooded in another order");
                    self.watch.violated(self.now(), ANSWERS, what);
                }
            }
        }
    }

    fn flood(&mut self, routers: &[usize], rng: &mut SeededRng, router_first: bool) -> Vec<Option<[Tally; 2]>> {
        let mut tallies = vec![None; routers.len()];
        for (router, tally) in routers.iter().zip(&mut tallies) {
            self.with(*router, None, |node, around| *tally = node.flooded(around, rng, router_first));
        }
        tallies
    }

    fn routers_up(&self) -> Vec<usize> {
        (0..self.routers()).filter(|router| self.is_up(*router) && !self.is_ending(*router)).collect()
    }

    /// What a router does with a message of a stranger, at once. Nothing of it goes out. From nobody: it comes out of a tunnel's end.
    pub fn ask(&mut self, router: usize, from: impl Into<Option<RouterHash>>, message: I2npMessage) -> Answer {
        let (mut answer, from) = (Answer::default(), from.into());
        self.with(router, None, |node, around| answer = node.answer_to(around, around.schedule.now(), from, message));
        answer
    }

    /// After all destinations were closed: nothing may be held for them, nor for anybody by routers that are left alone.
    pub fn empty(&mut self) {
        if !self.config.oracles {
            return;
        }
        self.run(FREED_AFTER * 2);
        for router in 0..self.routers() {
            for bound in self.all_bounds(router) {
                self.watch.held(self.now(), router, &bound);
            }
        }
        let mut left = self.routers_up();
        rng::shuffle(&mut self.seed.child("who is left"), &mut left);
        // Of some connections they learn that they end, of others they don't.
        for (number, router) in left.split_off(left.len().min(LEFT_ALONE)).into_iter().enumerate() {
            self.crash(router, number % 2 == 0);
        }
        for (number, router) in left.iter().enumerate() {
            self.set_side(*router, u32::try_from(number + 1).unwrap_or(u32::MAX));
        }
        let (mut draining, end) = (vec![Draining::default(); left.len()], self.now() + DRAINED_AFTER);
        while self.now() < end {
            self.run(Duration::from_millis(500));
            for (router, draining) in left.iter().zip(&mut draining) {
                draining.look(&self.all_bounds(*router));
            }
        }
        for (router, draining) in left.iter().zip(&draining) {
            self.watch.alone(self.now(), *router, draining);
        }
    }

    fn all_bounds(&self, router: usize) -> Vec<Bound> {
        let mut bounds = Vec::new();
        self.bounds(router, &mut |bound| bounds.push(bound));
        bounds
    }
}
