//! The end of a run: what the oracles can only see then.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_wire::bounds::Bound;
use ramson_wire::{I2npMessage, RouterHash};

use super::World;
use crate::node::User;
use crate::oracle::limits::{DRAINED_AFTER, Draining, FREED_AFTER};
use crate::oracle::{Answer, Guesses};

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
    }

    /// What a router does with a message of a stranger, at once. Nothing of it goes out. From nobody: it comes out of a tunnel's end.
    pub fn ask(&mut self, router: usize, from: impl Into<Option<RouterHash>>, message: I2npMessage) -> Answer {
        let (mut answer, from) = (Answer::default(), from.into());
        self.with(router, None, |node, around| answer = node.answer_to(around, around.schedule.now(), from, message));
        answer
    }

    /// After all destinations were closed: nothing may be held for them, nor for anybody by a router that is left alone.
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
        let up: Vec<usize> = (0..self.routers()).filter(|router| self.is_up(*router)).collect();
        let mut rng = self.seed.child("who is left");
        let draw = usize::try_from(rng::below(&mut rng, u32::try_from(up.len()).unwrap_or(0))).unwrap_or(0);
        let Some(left) = up.get(draw).copied() else { return };
        for router in up.into_iter().filter(|router| *router != left) {
            self.crash(router, false);
        }
        let (mut draining, end) = (Draining::default(), self.now() + DRAINED_AFTER);
        while self.now() < end {
            self.run(Duration::from_millis(500));
            draining.look(&self.all_bounds(left));
        }
        self.watch.alone(self.now(), left, &draining);
    }

    fn all_bounds(&self, router: usize) -> Vec<Bound> {
        let mut bounds = Vec::new();
        self.bounds(router, &mut |bound| bounds.push(bound));
        bounds
    }
}
