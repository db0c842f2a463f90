//! Our own LeaseSet: signed anew when our inbound tunnels change.
//!
//! Floodfills take one only if it is dated later than what they have, in whole seconds, and that may be of a run before: of a
//! router that was killed and is back within the same second. So the first one of a run is dated the next second, and the others
//! are never dated ahead: they wait for their second to begin.

use std::time::Duration;

use ramson_crypto::{ed25519, x25519};
use ramson_wire::{Destination, Lease, LeaseSet2, LeaseSet2Builder, Mapping, Now, Seconds32, Tick};

use crate::tunnel::InboundLease;

/// Changes that come close together make one LeaseSet.
const GATHER: Duration = Duration::from_millis(500);
/// A second that begins later than this isn't waited for: the clock went back.
const MAX_WAIT: Duration = Duration::from_secs(2);
/// Most leases (common structures, "LeaseSet2").
const MAX_LEASES: usize = 16;

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
