//! The rates of single destinations, each way.
//!
//! What a destination may not send yet it isn't asked for: it is told that its first hops are congested, so that its streams hold back.
//! What comes for it beyond its rate is dropped, which streams of the other end take as a sign to slow down.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_lane::bucket::Bucket;
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Now, Tick};

use super::Engine;
use super::destinations::MAX_DESTINATIONS;
use crate::identity::IdentityId;

/// What may come or go at once.
const DEPTH: Duration = Duration::from_secs(1);

struct Rates {
    towards_us: Bucket,
    away: Bucket,
    /// It was told to hold back.
    held: bool,
}

/// See the module.
pub(super) struct Applications {
    bytes_per_sec: Option<u64>,
    rates: BTreeMap<IdentityId, Rates>,
    pub(super) dropped: u64,
}

impl Applications {
    pub(super) fn new(bytes_per_sec: Option<u64>) -> Self {
        Self { bytes_per_sec, rates: BTreeMap::new(), dropped: 0 }
    }

    /// Nothing is kept without a rate.
    fn of(&mut self, id: IdentityId) -> Option<&mut Rates> {
        let rate = self.bytes_per_sec?;
        let bucket = Bucket::new(Some(rate), DEPTH);
        Some(self.rates.entry(id).or_insert(Rates { towards_us: bucket, away: bucket, held: false }))
    }

    /// Something came for it. False: it is more than it may have.
    pub(super) fn takes(&mut self, now: Tick, id: IdentityId, bytes: usize) -> bool {
        let takes = self.of(id).is_none_or(|rates| rates.towards_us.take(now, bytes));
        self.dropped += u64::from(!takes);
        takes
    }

    /// It sent something. True: it is to hold back from now on.
    pub(super) fn sent(&mut self, now: Tick, id: IdentityId, bytes: usize) -> bool {
        self.of(id).is_some_and(|rates| {
            rates.away.spend(now, bytes);
            rates.away.is_low(now) && !std::mem::replace(&mut rates.held, true)
        })
    }

    pub(super) fn is_held(&self, id: IdentityId) -> bool {
        self.rates.get(&id).is_some_and(|rates| rates.held)
    }

    /// Lets those go on who may. True: there were some.
    fn release(&mut self, now: Tick) -> bool {
        let mut released = false;
        for rates in self.rates.values_mut().filter(|rates| rates.held && !rates.away.is_low(now)) {
            rates.held = false;
            released = true;
        }
        released
    }

    /// When the next one may go on.
    pub(super) fn due(&self) -> Option<Tick> {
        self.rates.values().filter(|rates| rates.held).map(|rates| rates.away.half_at()).min()
    }

    pub(super) fn forget(&mut self, id: IdentityId) {
        self.rates.remove(&id);
    }

    pub(super) fn bound(&self) -> Bound {
        Bound::new("application-rates", self.rates.len(), MAX_DESTINATIONS, entries::<(IdentityId, Rates)>(self.rates.len()))
            .lasting()
    }
}

impl Engine {
    /// Destinations that waited for their rate go on.
    pub(super) fn release_applications(&mut self, now: Now) {
        self.congestion_changed |= self.applications.release(now.tick);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: IdentityId = IdentityId(1);

    #[test]
    fn a_destination_holds_back_until_its_rate_allows_more() {
        let mut applications = Applications::new(Some(100_000));
        let mut now = Tick(0);
        let (mut sent, mut held) = (0, 0);
        for _ in 0..10_000 {
            now = now + Duration::from_millis(1);
            applications.release(now);
            if applications.is_held(ID) {
                held += 1;
            } else {
                applications.sent(now, ID, 1_000);
                sent += 1_000;
            }
        }
        assert!((950_000..=1_150_000).contains(&sent), "{sent} in ten seconds");
        assert!(held > 8_000 && !applications.is_held(IdentityId(2)));
        assert_eq!(applications.bound().fill, 1);
        applications.forget(ID);
        assert_eq!((applications.bound().fill, applications.due()), (0, None));
    }

    #[test]
    fn what_comes_beyond_the_rate_is_dropped_and_counted() {
        let mut applications = Applications::new(Some(100_000));
        let taken = (0..1_000).filter(|_| applications.takes(Tick(0), ID, 1_000)).count();
        assert_eq!((taken, applications.dropped), (100, 900));
        assert!(applications.takes(Tick(0), IdentityId(2), 1_000), "each for itself");
        let mut free = Applications::new(None);
        assert!((0..1_000).all(|_| free.takes(Tick(0), ID, usize::MAX) && !free.sent(Tick(0), ID, usize::MAX)));
        assert_eq!(free.bound().fill, 0);
    }
}
