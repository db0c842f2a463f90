//! Our own LeaseSet: signed anew when our inbound tunnels change.
//!
//! Floodfills take one only if it is dated later than what they have, in whole seconds, and that may be of a run before: of a
//! router that was killed and is back within the same second. So the first one of a run is dated the next second, and the others
//! are never dated ahead: they wait for their second to begin. A destination that was closed and is opened again within that second
//! goes on from its last date: see [`LastDates`].

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_crypto::{ed25519, x25519};
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Destination, DestinationHash, Lease, LeaseSet2, LeaseSet2Builder, Mapping, Now, Seconds32, Tick};

use crate::tunnel::InboundLease;

/// Changes that come close together make one LeaseSet.
const GATHER: Duration = Duration::from_millis(500);
/// A second that begins later than this isn't waited for: the clock went back.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Most leases (common structures, "LeaseSet2").
const MAX_LEASES: usize = 16;

/// Dates of destinations that were closed a moment ago.
#[derive(Default)]
pub(crate) struct LastDates(BTreeMap<DestinationHash, u32>);

/// Destinations remembered. Beyond: the one dated first is forgotten.
const MAX_LAST_DATES: usize = 256;

impl LastDates {
    /// A destination closes; its last LeaseSet was of this date.
    pub(crate) fn closed(&mut self, now: Now, hash: DestinationHash, published: Option<Seconds32>) {
        let ahead = |date: u32| Seconds32(date).to_date() > now.date;
        self.0.retain(|_, date| ahead(*date));
        let Some(published) = published.filter(|date| ahead(date.0)) else {
            return;
        };
        if self.0.len() >= MAX_LAST_DATES
            && let Some(first) = self.0.iter().min_by_key(|(_, date)| **date).map(|(hash, _)| *hash)
        {
            self.0.remove(&first);
        }
        self.0.insert(hash, published.0);
    }

    /// A destination opens: the date of its last LeaseSet, if that hasn't come yet.
    pub(crate) fn opened(&mut self, now: Now, hash: &DestinationHash) -> Option<Seconds32> {
        self.0.remove(hash).map(Seconds32).filter(|date| date.to_date() > now.date)
    }

    pub(crate) fn bound(&self) -> Bound {
        let bytes = entries::<(DestinationHash, u32)>(self.0.len());
        Bound::new("engine-last-dates", self.0.len(), MAX_LAST_DATES, bytes).lasting()
    }
}

pub(super) struct OwnLeaseSet {
    address: Destination,
    key: x25519::PublicKey,
    unpublished: bool,
    leases: Vec<Lease>,
    current: Option<LeaseSet2>,
    /// Seconds of the last one.
    published: Option<u32>,
    version: u64,
    due: Option<Tick>,
}

impl OwnLeaseSet {
    pub(super) fn new(address: Destination, key: x25519::PublicKey, unpublished: bool) -> Self {
        Self { address, key, unpublished, leases: Vec::new(), current: None, published: None, version: 0, due: None }
    }

    /// The destination had a LeaseSet of this date before it was opened anew.
    pub(super) fn go_on_from(&mut self, published: Option<Seconds32>) {
        self.published = published.map(|published| published.0);
    }

    /// The date of the last one.
    pub(super) fn published(&self) -> Option<Seconds32> {
        self.published.map(Seconds32)
    }

    pub(super) fn address(&self) -> &Destination {
        &self.address
    }

    pub(super) fn current(&self) -> Option<&LeaseSet2> {
        self.current.as_ref()
    }

    /// Counts the LeaseSets of this run.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn set_leases(&mut self, now: Now, leases: Vec<InboundLease>) {
        let leases: Vec<Lease> = leases
            .into_iter()
            .take(MAX_LEASES)
            .map(|lease| Lease { gateway: lease.gateway, tunnel: lease.tunnel, end: lease.end })
            .collect();
        if leases == self.leases {
            return;
        }
        self.leases = leases;
        let wait = self.wait(now);
        self.due.get_or_insert(now.tick + wait);
    }

    /// The first one is made at once: the destination waits for it.
    fn wait(&self, now: Now) -> Duration {
        let Some(published) = self.published else { return Duration::ZERO };
        let next = Seconds32(published.saturating_add(1)).to_date();
        let begins = next.saturating_since(now.date);
        if begins > MAX_WAIT { GATHER } else { begins.max(GATHER) }
    }

    pub(super) fn renewal_due(&self, now: Tick) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.due
    }

    /// Signs a new LeaseSet if one is due. Without tunnels the old one stays: it ends by itself.
    pub(super) fn renew(&mut self, now: Now, signing_key: &ed25519::SigningKey) -> Option<LeaseSet2> {
        if !self.renewal_due(now.tick) {
            return None;
        }
        self.due = None;
        let end = self.leases.iter().map(|lease| lease.end).max()?;
        let seconds = u32::try_from(now.date.0 / 1000).unwrap_or(u32::MAX);
        let seconds = self.published.map_or(seconds.saturating_add(1), |last| seconds.max(last.saturating_add(1)));
        let published = Seconds32(seconds);
        let lifetime = Duration::from_millis(end.0.saturating_sub(published.to_date().0));
        let builder = LeaseSet2Builder {
            destination: self.address.clone(),
            published,
            lifetime,
            unpublished: self.unpublished,
            options: Mapping::default(),
            key: self.key,
            more_keys: Vec::new(),
            leases: self.leases.clone(),
        };
        match LeaseSet2::sign(&builder, signing_key) {
            Ok(set) => {
                self.published = Some(seconds);
                self.version += 1;
                self.current = Some(set.clone());
                Some(set)
            }
            Err(error) => {
                tracing::error!(%error, "our own LeaseSet can't be made");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
