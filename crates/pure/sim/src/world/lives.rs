//! Routers end, cleanly or not, and start again.

use ramson_engine::{Command, Owner};
use ramson_wire::{RouterHash, Tick};

use super::World;
use crate::node::{Letter, Life, User};

/// Not over yet.
const NEVER: Tick = Tick(u64::MAX);

impl<U: User> World<U> {
    /// The router is killed. `silent`: its machine goes down, and nobody is told.
    pub fn crash(&mut self, router: usize, silent: bool) {
        let now = self.now();
        let Some(place) = self.places.get_mut(router) else { return };
        let Some(node) = place.node.take() else { return };
        place.spent += node.lane_thread.spent + node.engine_thread.spent;
        place.user = Some(node.user);
        place.disk.end();
        place.down.push((now, NEVER));
        self.watch.fell(router);
        self.net.gone(&mut self.schedule, router, silent);
    }

    /// The router is told to end, which takes it a moment: its peers learn of it, and what it knows is saved.
    pub fn stop(&mut self, router: usize) {
        self.with(router, None, |node, around| node.take_letter(around.schedule, Letter::Stop));
    }

    /// Both its threads ended by themselves: the shell writes what it has, and nothing of the router is left.
    pub(super) fn end_if_over(&mut self, router: usize) {
        let now = self.now();
        let Some(place) = self.places.get_mut(router) else { return };
        if place.node.as_ref().is_some_and(|node| node.running == Life::Over) {
            // It doesn't try twice.
            let _ = place.disk.flush(now);
            self.crash(router, false);
        }
    }

    /// Whether a router was told to end and still runs.
    #[must_use]
    pub fn is_ending(&self, router: usize) -> bool {
        self.node(router).is_some_and(|node| node.running != Life::Whole)
    }

    /// A router that is down starts with the keys and the disk it had.
    pub fn restart(&mut self, router: usize) {
        let now = self.now();
        let Some(place) = self.places.get_mut(router).filter(|place| place.node.is_none()) else { return };
        if let Some((_, to)) = place.down.last_mut() {
            *to = now;
        }
        let found = place.disk.read();
        self.start(router, found);
    }

    /// Whether a router was down at any time between these.
    #[must_use]
    pub fn was_down(&self, router: usize, from: Tick, to: Tick) -> bool {
        self.places.get(router).is_some_and(|place| place.down.iter().any(|(down, up)| *down <= to && *up >= from))
    }

    /// Whom a router keeps next to itself in tunnels of its own or of a destination: towards it, and away from it.
    #[must_use]
    pub fn next_to(&self, router: usize, owner: Owner) -> [Vec<RouterHash>; 2] {
        self.node(router).map(|node| node.engine.next_to_us(owner)).unwrap_or_default()
    }

    /// The routers of an owner's tunnels in use, gateways first: towards it, and away from it.
    #[must_use]
    pub fn tunnel_hops(&self, router: usize, owner: Owner) -> [Vec<Vec<RouterHash>>; 2] {
        self.node(router).map(|node| node.engine.tunnel_hops(owner)).unwrap_or_default()
    }

    /// Whether a router avoids another one as a hop, for what it did.
    #[must_use]
    pub fn avoids(&self, router: usize, other: &RouterHash) -> bool {
        self.node(router).is_some_and(|node| node.engine.avoids(node.now(self.now()), other))
    }

    /// How many RouterInfos of floodfills reseeds have from now on, at most.
    pub fn set_reseed_floodfills(&mut self, most: usize) {
        self.config.reseed_floodfills = most;
    }

    /// What a router asked for comes.
    pub(super) fn reseed_again(&mut self, router: usize, life: u32) {
        let mut rng = self.seed.child(&format!("reseed {router} at {}", self.now().0));
        let routers = self.reseed(&mut rng);
        self.with(router, Some(life), |node, around| {
            node.take_letter(around.schedule, Letter::Command(Command::Reseed { routers }));
        });
    }
}
