//! Opening, closing and serving local destinations.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_crypto::rng;
use ramson_wire::bounds::{Bound, by_identity, entries};
use ramson_wire::{DestinationHash, DestinationKeys, LeaseSet2, Now, RouterHash, Tick};

use super::{Engine, local};
use crate::destination::{Connect, Destination, DestinationOutput};
use crate::identity::{IdentityId, Owner};
use crate::interface::{DestinationConfig, Event, RequestId};
use crate::netdb::{LookupRequest, Via};
use crate::streaming::CloseReason;
use crate::tunnel::{MAX_POOLS, PoolConfig};

/// Look-ups of routers that the lane wants. Beyond: it is told at once that there is no such router. Strangers name most of them, as
/// next hops and for replies, so they take less than half of what the netDb looks for at once; our own first hops are known already.
const MAX_PEERS_SOUGHT: usize = 48;
/// LeaseSets that one destination looks for: as many as its netDb lets wait for its look-ups.
const MAX_LEASE_SETS_SOUGHT: usize = 64 * 64;
/// Local destinations: each needs a pool, and the router has one. More aren't opened.
pub(super) const MAX_DESTINATIONS: usize = MAX_POOLS - 1;
/// The public network, where others watch.
pub(super) const PUBLIC_NET: u8 = 2;
/// Destinations that publish, opened within this time of the router's start, wait for up to as long, each for itself.
const START_STAGGER: Duration = Duration::from_secs(120);

/// Look-ups in the netDb and who asked.
#[derive(Default)]
pub(super) struct Lookups {
    next: u64,
    lease_sets: BTreeMap<(IdentityId, LookupRequest), DestinationHash>,
    peers: BTreeMap<LookupRequest, RouterHash>,
}

impl Lookups {
    fn request(&mut self) -> LookupRequest {
        self.next += 1;
        LookupRequest(self.next)
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = entries::<(LookupRequest, RouterHash)>(self.peers.len());
        visit(Bound::new("engine-peers-sought", self.peers.len(), MAX_PEERS_SOUGHT, bytes));
        let bytes = entries::<((IdentityId, LookupRequest), DestinationHash)>(self.lease_sets.len());
        let limit = MAX_LEASE_SETS_SOUGHT * MAX_DESTINATIONS;
        visit(Bound::new("engine-lease-sets-sought-in-all", self.lease_sets.len(), limit, bytes));
        let identities = self.lease_sets.keys().map(|(id, _)| id.0);
        by_identity("engine-lease-sets-sought", MAX_LEASE_SETS_SOUGHT, identities, visit);
    }

    /// What is sought for this identity, in the order of asking.
    pub(super) fn sought_for(&self, id: IdentityId) -> impl Iterator<Item = &DestinationHash> {
        self.lease_sets.range((id, LookupRequest(0))..=(id, LookupRequest(u64::MAX))).map(|(_, hash)| hash)
    }

    fn for_lease_set(&mut self, id: IdentityId, hash: DestinationHash) -> LookupRequest {
        let request = self.request();
        self.lease_sets.insert((id, request), hash);
        request
    }

    /// `None`: too many are sought.
    pub(super) fn for_peer(&mut self, peer: RouterHash) -> Option<LookupRequest> {
        if self.peers.len() >= MAX_PEERS_SOUGHT {
            return None;
        }
        let request = self.request();
        self.peers.insert(request, peer);
        Some(request)
    }

    pub(super) fn take_peer(&mut self, request: LookupRequest) -> Option<RouterHash> {
        self.peers.remove(&request)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.peers.len()
    }

    fn forget(&mut self, id: IdentityId) {
        self.lease_sets.retain(|(whose, _), _| *whose != id);
    }
}

impl Engine {
    pub(super) fn open_destination(
        &mut self,
        now: Now,
        id: IdentityId,
        name: String,
        keys: &DestinationKeys,
        config: DestinationConfig,
    ) {
        if self.destinations.len() >= MAX_DESTINATIONS {
            tracing::warn!(limit = MAX_DESTINATIONS, "one more destination isn't opened");
            self.refused_destinations += 1;
            return;
        }
        let rng = self.rng.child(&format!("destination {}", id.0));
        let pool = PoolConfig {
            inbound_length: config.inbound_length,
            outbound_length: config.outbound_length,
            inbound_quantity: config.inbound_quantity,
            outbound_quantity: config.outbound_quantity,
            inbound_backups: config.inbound_backups,
            outbound_backups: config.outbound_backups,
            inbound_variance: config.inbound_variance,
            outbound_variance: config.outbound_variance,
            order_secret: config.publish.then(|| ordering_secret(keys)),
        };
        let delay = self.start_delay(now, config.publish);
        self.netdb.open_identity(id);
        if delay.is_zero() {
            self.tunnels.open_pool(now, Owner::Identity(id), pool);
        } else {
            self.starting.insert(id, (now.tick + delay, pool));
        }
        let mut destination = Destination::new(now, id, name, keys, config, &rng);
        destination.go_on_from(self.last_dates.opened(now, &destination.hash()));
        self.local.open(destination.hash(), id);
        self.destinations.insert(id, destination);
    }

    /// How long a new destination waits. Services that come up together every time their router does are seen to be one router's.
    fn start_delay(&mut self, now: Now, publish: bool) -> Duration {
        let at_start = now.tick.saturating_since(self.started) < START_STAGGER;
        if !(publish && at_start && self.config.net_id == PUBLIC_NET) {
            return Duration::ZERO;
        }
        let longest = u64::try_from(START_STAGGER.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(rng::between(&mut self.rng, 0, longest))
    }

    /// Opens the pools whose time has come.
    pub(super) fn start_due(&mut self, now: Now) {
        let starting = std::mem::take(&mut self.starting);
        let (due, later) = starting.into_iter().partition(|(_, (at, _))| *at <= now.tick);
        self.starting = later;
        let due: BTreeMap<IdentityId, (Tick, PoolConfig)> = due;
        for (id, (_, pool)) in due {
            self.tunnels.open_pool(now, Owner::Identity(id), pool);
        }
    }

    pub(super) fn close_destination(&mut self, now: Now, id: IdentityId) {
        self.with_destination(id, |destination| destination.shutdown(now));
        // Resets go out before the tunnels do.
        self.settle(now);
        self.starting.remove(&id);
        self.tunnels.close_pool(now, Owner::Identity(id));
        self.netdb.close_identity(id);
        if let Some(destination) = self.destinations.remove(&id) {
            self.last_dates.closed(now, destination.hash(), destination.published());
        }
        self.ready.remove(&id);
        self.lookups.forget(id);
        self.dear.forget(id);
        self.applications.forget(id);
        self.local.close(id);
    }

    pub(super) fn connect(&mut self, now: Now, id: IdentityId, to: DestinationHash, connect: Connect) {
        match self.destinations.get_mut(&id) {
            Some(destination) => destination.connect(now, to, connect),
            None => {
                let (stream, reason) = (connect.stream, CloseReason::Shutdown);
                connect.rings.set_closed(reason);
                self.event(Event::StreamClosed { id, stream, reason });
            }
        }
    }

    pub(super) fn look_up_destination(&mut self, now: Now, id: IdentityId, request: RequestId, hash: DestinationHash) {
        match self.destinations.get_mut(&id) {
            Some(destination) => destination.look_up_for(now, request, hash),
            None => self.answer_lookup(request),
        }
    }

    pub(super) fn with_destination(&mut self, id: IdentityId, call: impl FnOnce(&mut Destination)) {
        if let Some(destination) = self.destinations.get_mut(&id) {
            call(destination);
        }
    }

    /// Passes on what one destination wants.
    pub(super) fn handle_destination(&mut self, now: Now, id: IdentityId, output: DestinationOutput) {
        let owner = Owner::Identity(id);
        match output {
            DestinationOutput::Send { to, hint, delivery, message } => {
                let Some(message) = self.local.post(now.tick, id, to, message) else {
                    return;
                };
                self.congestion_changed |= self.applications.sent(now.tick, id, message.body.len());
                // Without a tunnel it is lost like any packet; streaming sends it again.
                if let Err(error) = self.tunnels.send_through(now, owner, hint, delivery, message) {
                    tracing::debug!(%error, "a destination's message can't be sent");
                }
            }
            DestinationOutput::RouteChanged => {
                self.congestion_changed |= !self.congested.is_empty() || self.applications.is_held(id);
            }
            DestinationOutput::Lookup(hash) => {
                let request = self.lookups.for_lease_set(id, hash);
                let known = self.destinations.get_mut(&id).and_then(|destination| destination.known_since(&hash));
                self.netdb.lookup_lease_set(now, id, hash, known, request);
            }
            DestinationOutput::Publish(set) => self.netdb.publish_lease_set(now, id, set),
            DestinationOutput::NetDb(message) => self.handle_netdb(now, None, Via::Tunnel(owner), message),
            DestinationOutput::Event(event) => self.event(event),
        }
    }

    /// Hands over what destinations here sent to each other.
    pub(super) fn deliver_local(&mut self, now: Now) {
        for _ in 0..local::AT_ONCE {
            let Some((id, message)) = self.local.arrived(now.tick) else {
                return;
            };
            self.garlic_for(now, id, message);
        }
    }

    pub(super) fn lease_set_found(&mut self, now: Now, id: IdentityId, request: LookupRequest, found: Option<LeaseSet2>) {
        if let Some(hash) = self.lookups.lease_sets.remove(&(id, request)) {
            self.with_destination(id, |destination| destination.lookup_done(now, hash, found));
        }
    }
}

/// The secret behind the order of hops of a kept destination: the same after a restart, known to nobody else.
fn ordering_secret(keys: &DestinationKeys) -> [u8; 32] {
    ramson_crypto::kdf::hkdf(&[], &*keys.signing_key().seed(), b"tunnel order")
}
