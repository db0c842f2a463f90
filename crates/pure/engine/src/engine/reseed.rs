//! When to ask for a reseed again: routers that were known at the start may all be gone, and without a floodfill none can be looked up.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{Now, RouterInfo, Tick, Unverified};

use super::Engine;
use crate::interface::Event;

/// Who knows fewer routers than this asks for more: they don't make tunnels of three hops.
const FEW_ROUTERS: usize = 5;
/// From one asking to the next: the first, and the longest. It doubles, and a third is drawn, as many may have lost the network at once.
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);
/// So long at most after there was no need, it is asked for again.
const AFTER_CONTENT: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Reseeding {
    next: Tick,
    wait: Duration,
}

impl Reseeding {
    pub(super) fn new(now: Tick) -> Self {
        Self { next: now, wait: FIRST_WAIT }
    }

    fn asked(&mut self, now: Tick, rng: &mut SeededRng) {
        let wait = u64::try_from(self.wait.as_millis()).unwrap_or(0);
        self.next = now + Duration::from_millis(rng::between(rng, wait * 2 / 3, wait));
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
    }

    /// There is no need, so the next one has nothing to do with those before.
    fn content(&mut self, now: Tick) {
        self.wait = FIRST_WAIT;
        self.next = self.next.min(now + AFTER_CONTENT);
    }
}

impl Engine {
    /// When a reseed is to be asked for, if one is needed.
    pub(super) fn reseed_due(&self) -> Option<Tick> {
        (self.knows_few() || self.connected.is_empty()).then_some(self.reseeding.next)
    }

    fn knows_few(&self) -> bool {
        self.netdb.floodfill_count() == 0 || self.netdb.router_count() < FEW_ROUTERS
    }

    /// What a start brought is to show first what it is worth. `reseeded`: there is no more just now.
    pub(super) fn reseed_later(&mut self, now: Now, reseeded: bool) {
        if reseeded || !self.knows_few() {
            self.reseeding.next = now.tick + FIRST_WAIT;
        }
    }

    pub(super) fn reseed_if_due(&mut self, now: Now) {
        match self.reseed_due() {
            Some(due) if due <= now.tick => {
                self.reseeding.asked(now.tick, &mut self.rng);
                self.event(Event::ReseedWanted);
            }
            Some(_) => {}
            None => self.reseeding.content(now.tick),
        }
    }

    /// A reseed came. It is saved at once: it may be gone when the router starts again.
    pub(super) fn reseed(&mut self, now: Now, routers: Vec<Bytes>) {
        for bytes in routers {
            self.add_reseeded(now, bytes);
        }
        self.netdb.flush();
    }

    fn add_reseeded(&mut self, now: Now, bytes: Bytes) {
        let Ok(info) = Unverified::<RouterInfo>::parse(bytes) else {
            tracing::debug!("a RouterInfo of a reseed is broken");
            return;
        };
        self.netdb.add_reseeded(now, info);
    }
}
