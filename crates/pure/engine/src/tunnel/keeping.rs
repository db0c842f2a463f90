//! What is kept over a restart: profiles, and who stands next to us.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_wire::{Now, RouterHash, Tick};

use super::build::Direction;
use super::nearest::SetKey;
use super::{TunnelOutput, Tunnels};
use crate::identity::Owner;
use crate::interface::{Record, Snapshot};
use crate::profile::Tier;

/// Profiles that changed are put out so often. What a crash loses of them will be seen again.
const SAVE_MS: (u64, u64) = (240_000, 360_000);

impl Tunnels {
    /// Takes what disk had at the start.
    pub(crate) fn restore(&mut self, now: Now, snapshot: &mut Snapshot) {
        self.profiles.restore(now, std::mem::take(&mut snapshot.profiles));
        self.nearest.restore(now, std::mem::take(&mut snapshot.nearest));
        self.wake(now.tick);
    }

    /// Puts out all that disk doesn't have.
    pub(crate) fn save(&mut self, now: Now) {
        self.save_nearest(now);
        for (router, value) in self.profiles.take_changes(now) {
            self.outputs.push_back(TunnelOutput::Store(Record::Profile { router, value }));
        }
    }

    /// Who stands next to us is put out at once: it is to hold for weeks.
    pub(super) fn save_nearest(&mut self, now: Now) {
        if self.nearest.has_changes() {
            for (SetKey(set), value) in self.nearest.take_changes(now.date) {
                self.outputs.push_back(TunnelOutput::Store(Record::Nearest { set, value }));
            }
        }
    }

    /// Saves what changed, if it is time.
    pub(super) fn save_if_due(&mut self, now: Now) {
        self.save_nearest(now);
        if !self.profiles.has_changes() {
            self.save_at = None;
            return;
        }
        let at = match self.save_at {
            Some(at) => at,
            None => {
                let wait = rng::between(&mut *self.rng, SAVE_MS.0, SAVE_MS.1);
                *self.save_at.insert(now.tick + Duration::from_millis(wait))
            }
        };
        if at <= now.tick {
            self.save_at = None;
            self.save(now);
        }
    }

    /// Who is kept next to us in tunnels of an owner, those towards us first.
    pub(crate) fn next_to_us(&self, owner: Owner) -> [Vec<RouterHash>; 2] {
        let key = self.pools.get(&owner).map(|pool| pool.nearest);
        let of = |direction| key.map(|key| self.nearest.get(&key, direction).routers().copied().collect()).unwrap_or_default();
        [of(Direction::Inbound), of(Direction::Outbound)]
    }

    /// The routers of an owner's tunnels in use, gateways first: towards us, and away from us.
    pub(crate) fn hops_of(&self, owner: Owner) -> [Vec<Vec<RouterHash>>; 2] {
        let (pool, tick) = (self.pools.get(&owner), self.now.tick);
        [Direction::Inbound, Direction::Outbound].map(|direction| {
            let lives = pool.into_iter().flat_map(|pool| pool.lives(direction));
            lives.filter(|life| life.is_testable(tick)).map(|life| life.routers.clone()).collect()
        })
    }

    /// Whether a router is used only where nothing better is left.
    pub(crate) fn is_failing(&self, now: Tick, router: &RouterHash) -> bool {
        self.profiles.tier(now, router) == Tier::Failing
    }

    /// When something is to be saved.
    pub(super) fn next_save(&self) -> Option<Tick> {
        self.save_at
    }
}
