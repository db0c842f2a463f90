//! Remote destinations as one local destination knows them.

mod bounds;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::{CryptoRng, rng, x25519};
use ramson_wire::{Date, Destination, DestinationHash, Lease, LeaseSet2, Now, Tick};

use super::owners::KeyOwners;
use crate::interface::RequestId;
use crate::newcomers::{self, Candidate};
use crate::session::AckId;
use crate::streaming::{StreamId, StreamRings};

/// Remote destinations remembered. Beyond: of those that nobody waits for a newcomer or the one longest unused is forgotten, see
/// [`crate::newcomers`].
const MAX_PEERS: usize = 4_096;
/// LeaseSets that somebody waits for. Beyond: refused.
const MAX_WAITED_FOR: usize = 1_024;
/// Streams that wait for one LeaseSet. Beyond: refused.
const MAX_CONNECTS: usize = 256;
/// Questions that wait for one LeaseSet. Beyond: answered with nothing.
const MAX_REQUESTS: usize = 64;
/// Packets held for one peer. Beyond: dropped, streaming sends them again.
const MAX_HELD: usize = 128;
/// A lease that ends sooner isn't chosen while there are others.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// Clocks differ, and tunnels live a little longer than their leases say.
const LEASE_GRACE: Duration = Duration::from_secs(30);
/// When the last lease ends sooner than this, the LeaseSet is looked up again.
const REFRESH_BEFORE: Duration = Duration::from_secs(60);
/// Leases changed because of losses, without a sign of the peer, after which its LeaseSet is taken for outdated.
const SWITCHES_BEFORE_LOOKUP: u32 = 2;
/// Pause between look-ups of one destination.
const LOOKUP_EVERY: Duration = Duration::from_secs(5);
/// Whoever waits for a LeaseSet that no floodfill has gets it looked up again for so long: i2pd says that a destination is
/// ready before its LeaseSet is out.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between these look-ups.
const RETRY_EVERY: Duration = Duration::from_secs(2);
/// A peer's lease and our tunnel to it change at most this often because of losses.
const SWITCH_EVERY: Duration = Duration::from_secs(2);
/// Our LeaseSet is sent again if its arrival isn't confirmed after this.
const BUNDLE_AGAIN: Duration = Duration::from_secs(5);
/// A peer that still sends when it has been known for so long isn't a newcomer any more.
const SETTLED_AGE: Duration = Duration::from_secs(60);
/// Unused peers are forgotten after this.
const FORGET_AFTER: Duration = Duration::from_secs(30 * 60);
/// How often unused ones are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// LeaseSets from further ahead are refused (Java, i2pd: 2 min).
const MAX_FUTURE: Duration = Duration::from_secs(120);

/// A stream to be opened when its peer is known.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) stream: StreamId,
    pub(crate) from_port: u16,
    pub(crate) to_port: u16,
    pub(crate) rings: Arc<StreamRings>,
}

/// Who waits for a LeaseSet.
#[derive(Debug)]
pub(super) enum Waiter {
    /// A stream to be opened.
    Connect(Connect),
    /// A question for the destination behind the hash.
    Request(RequestId),
}

/// A framed packet that can't go yet.
pub(super) struct Held {
    pub(super) framed: Vec<u8>,
    pub(super) retransmission: bool,
}

/// One remote destination.
pub(super) struct Peer {
    lease_set: Option<LeaseSet2>,
    connects: Vec<Connect>,
    requests: Vec<RequestId>,
    pub(super) held: VecDeque<Held>,
    looking_up: bool,
    next_lookup: Tick,
    /// Since when somebody waits for the LeaseSet.
    wanted_since: Option<Tick>,
    lease: Option<Lease>,
    /// Chooses our outbound tunnel.
    route: u64,
    /// The route that was used last.
    used_route: Option<u64>,
    switched: Tick,
    /// Changes because of losses since the peer was last heard.
    switches: u32,
    bundle: Bundle,
    known_since: Tick,
    used: Tick,
    /// Somebody here has asked for it, or it has gone on sending: strangers alone make no peer so.
    settled: bool,
}

/// What the peer knows of our LeaseSet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Bundle {
    Nothing,
    Sent { version: u64, at: Tick, ack: Option<AckId> },
    Known { version: u64 },
}

/// Whether a LeaseSet is of now: not from the future, and with a lease that hasn't ended.
pub(super) fn is_current(set: &LeaseSet2, now: Date) -> bool {
    set.published() <= now + MAX_FUTURE && set.leases().iter().any(|lease| lease.end + LEASE_GRACE > now)
}

impl Peer {
    fn new(now: Tick) -> Self {
        Self {
            lease_set: None,
            connects: Vec::new(),
            requests: Vec::new(),
            held: VecDeque::new(),
            looking_up: false,
            next_lookup: now,
            wanted_since: None,
            lease: None,
            route: 0,
            used_route: None,
            switched: now,
            switches: 0,
            bundle: Bundle::Nothing,
            known_since: now,
            used: now,
            settled: false,
        }
    }

    pub(super) fn lease_set(&self) -> Option<&LeaseSet2> {
        self.lease_set.as_ref()
    }

    /// The LeaseSet while one of its leases may work.
    pub(super) fn usable_lease_set(&self, now: Date) -> Option<&LeaseSet2> {
        self.lease_set.as_ref().filter(|set| is_current(set, now))
    }

    /// A LeaseSet as new as this is known.
    pub(super) fn knows_since(&self, published: Date) -> bool {
        self.lease_set.as_ref().is_some_and(|set| set.published() >= published)
    }

    fn is_waited_for(&self) -> bool {
        !self.connects.is_empty() || !self.requests.is_empty()
    }

    /// True if a look-up is to be started now; no floodfill has an unpublished one. Whoever waits joins the one that is going on, or gets a new one at once.
    pub(super) fn begin_lookup(&mut self, now: Tick) -> bool {
        let may_be_found = self.is_waited_for() || !self.lease_set.as_ref().is_some_and(LeaseSet2::is_unpublished);
        let is_due = self.next_lookup <= now || self.is_waited_for() && self.wanted_since.is_none();
        let start = !self.looking_up && is_due && may_be_found;
        self.looking_up |= start;
        if self.is_waited_for() {
            self.wanted_since.get_or_insert(now);
        }
        start
    }

    /// The same for one made again.
    pub(super) fn begin_retry(&mut self) -> bool {
        let start = !self.looking_up && self.is_waited_for();
        self.looking_up |= start;
        start
    }

    /// Nothing was found: whether to look again for those who wait.
    fn has_patience(&self, now: Tick) -> bool {
        self.is_waited_for() && self.wanted_since.is_some_and(|since| now.saturating_since(since) < PATIENCE)
    }

    fn wait(&mut self, waiter: Waiter) -> Result<(), Waiter> {
        match waiter {
            Waiter::Connect(connect) if self.connects.len() < MAX_CONNECTS => self.connects.push(connect),
            Waiter::Request(request) if self.requests.len() < MAX_REQUESTS => self.requests.push(request),
            _ => return Err(waiter),
        }
        Ok(())
    }

    pub(super) fn lookup_ended(&mut self, now: Tick) {
        self.looking_up = false;
        self.next_lookup = now + LOOKUP_EVERY;
    }

    /// A message of the peer came.
    pub(super) fn heard(&mut self, now: Tick) {
        self.switches = 0;
        self.settled |= now.saturating_since(self.known_since) >= SETTLED_AGE;
    }

    /// The last lease ends soon, or the peer doesn't answer on several: it gives up tunnels whose tests fail, and doesn't know who
    /// has the LeaseSet with them.
    pub(super) fn wants_refresh(&self, now: Now) -> bool {
        if self.switches >= SWITCHES_BEFORE_LOOKUP {
            return true;
        }
        let end = self.lease_set.as_ref().and_then(|set| set.leases().iter().map(|lease| lease.end).max());
        end.is_none_or(|end| end < now.date + REFRESH_BEFORE)
    }

    pub(super) fn hold(&mut self, held: Held) {
        if self.held.len() < MAX_HELD {
            self.held.push_back(held);
        }
    }

    /// Names our outbound tunnel to this peer, for a message that goes now; true if the last one had another.
    pub(super) fn take_hint(&mut self) -> (u64, bool) {
        (self.route, self.used_route.replace(self.route) != Some(self.route))
    }

    /// The lease to send to: one is kept as long as it lasts, or until packets to it are lost.
    pub(super) fn lease(&mut self, now: Now, lost: bool, rng: &mut dyn CryptoRng) -> Option<Lease> {
        let switch = lost && now.tick.saturating_since(self.switched) >= SWITCH_EVERY;
        let set = self.lease_set.as_ref()?;
        let keeps = |lease: &Lease| lease.end > now.date + LEASE_MARGIN && set.leases().contains(lease);
        if !switch && let Some(lease) = self.lease.filter(keeps) {
            return Some(lease);
        }
        let good: Vec<Lease> = set.leases().iter().copied().filter(|lease| keeps(lease) && Some(*lease) != self.lease).collect();
        let chosen = pick(&good, rng).or(self.lease.filter(keeps)).or_else(|| {
            set.leases().iter().copied().filter(|lease| lease.end + LEASE_GRACE > now.date).max_by_key(|lease| lease.end)
        });
        if switch {
            self.route = self.route.wrapping_add(1);
            self.switched = now.tick;
            self.switches = self.switches.saturating_add(1);
        }
        self.lease = chosen;
        chosen
    }

    pub(super) fn needs_lease_set(&self, current: u64, now: Tick) -> bool {
        match self.bundle {
            Bundle::Nothing => true,
            Bundle::Known { version } => version != current,
            Bundle::Sent { version, at, .. } => version != current || now.saturating_since(at) >= BUNDLE_AGAIN,
        }
    }

    fn awaited_ack(&self) -> Option<AckId> {
        match self.bundle {
            Bundle::Sent { ack, .. } => ack,
            Bundle::Nothing | Bundle::Known { .. } => None,
        }
    }
}

fn pick(leases: &[Lease], rng: &mut dyn CryptoRng) -> Option<Lease> {
    let count = u32::try_from(leases.len()).ok()?;
    let index = usize::try_from(rng::below(rng, count)).ok()?;
    leases.get(index).copied()
}

/// All of them.
///
/// Invariants: who waits for a LeaseSet isn't forgotten, and is in `waited_for`; `owners`, `acks` and `retries` name only peers
/// that are here.
pub(super) struct Peers {
    by_hash: BTreeMap<DestinationHash, Peer>,
    owners: KeyOwners,
    /// Whose LeaseSet somebody waits for.
    waited_for: BTreeSet<DestinationHash>,
    /// Confirmations awaited that our LeaseSet arrived: one of each peer at most.
    acks: BTreeMap<AckId, DestinationHash>,
    next_sweep: Tick,
    /// Look-ups to be made again: one of each LeaseSet that somebody waits for.
    retries: BTreeSet<(Tick, DestinationHash)>,
    /// Gives each peer a route of its own.
    routes: u64,
}

impl Peers {
    pub(super) fn new(now: Tick) -> Self {
        Self {
            by_hash: BTreeMap::new(),
            owners: KeyOwners::default(),
            waited_for: BTreeSet::new(),
            acks: BTreeMap::new(),
            next_sweep: now + SWEEP,
            retries: BTreeSet::new(),
            routes: 0,
        }
    }

    pub(super) fn get_mut(&mut self, hash: &DestinationHash) -> Option<&mut Peer> {
        self.by_hash.get_mut(hash)
    }

    /// The destination behind a hash, if it can be reached now.
    pub(super) fn known_destination(&mut self, now: Now, hash: &DestinationHash) -> Option<Destination> {
        let peer = self.by_hash.get_mut(hash)?;
        peer.used = now.tick;
        peer.usable_lease_set(now.date).map(|set| set.destination().clone())
    }

    /// Lets somebody wait for a LeaseSet; given back if there are too many.
    pub(super) fn wait(&mut self, now: Tick, hash: DestinationHash, waiter: Waiter) -> Result<(), Waiter> {
        if !self.waited_for.contains(&hash) && self.waited_for.len() >= MAX_WAITED_FOR {
            return Err(waiter);
        }
        let peer = self.entry(now, hash);
        peer.wait(waiter)?;
        peer.settled = true;
        self.waited_for.insert(hash);
        Ok(())
    }

    /// Those who waited, to be told.
    pub(super) fn take_waiting(&mut self, hash: &DestinationHash) -> (Vec<Connect>, Vec<RequestId>) {
        if self.waited_for.remove(hash) {
            self.retries.retain(|(_, whose)| whose != hash);
        }
        let Some(peer) = self.by_hash.get_mut(hash) else {
            return Default::default();
        };
        peer.wanted_since = None;
        (std::mem::take(&mut peer.connects), std::mem::take(&mut peer.requests))
    }

    /// The peer, made if it is new; in use from now.
    pub(super) fn entry(&mut self, now: Tick, hash: DestinationHash) -> &mut Peer {
        if !self.by_hash.contains_key(&hash) && self.by_hash.len() >= MAX_PEERS {
            let idle = self.by_hash.iter().filter(|(_, peer)| !peer.is_waited_for());
            let candidates = idle.map(|(hash, peer)| Candidate { key: *hash, newcomer: !peer.settled, worth: peer.used });
            if let Some(least) = newcomers::victim(MAX_PEERS, candidates) {
                self.remove(&least);
            }
        }
        let routes = &mut self.routes;
        let peer = self.by_hash.entry(hash).or_insert_with(|| {
            *routes += 1;
            // Far apart, since a peer counts its own up from here.
            Peer { route: *routes << 32, ..Peer::new(now) }
        });
        peer.used = now;
        peer
    }

    fn remove(&mut self, hash: &DestinationHash) {
        let Some(peer) = self.by_hash.remove(hash) else {
            return;
        };
        if let Some(ack) = peer.awaited_ack() {
            self.acks.remove(&ack);
        }
        if let Some(key) = peer.lease_set.and_then(|set| set.x25519_key()) {
            self.owners.release(&key, hash);
        }
    }

    /// Takes a verified LeaseSet unless a newer one is known.
    pub(super) fn learn(&mut self, now: Now, set: LeaseSet2) {
        let hash = set.destination().hash();
        let peer = self.entry(now.tick, hash);
        if peer.lease_set.as_ref().is_some_and(|known| known.published() > set.published()) {
            return;
        }
        let (before, after) = (peer.lease_set.as_ref().and_then(LeaseSet2::x25519_key), set.x25519_key());
        peer.lease_set = Some(set);
        if before != after {
            self.set_bundle(&hash, Bundle::Nothing);
            if let Some(key) = before {
                self.owners.release(&key, &hash);
            }
        }
        if let Some(key) = after {
            self.owners.claim(key, hash);
        }
    }

    /// The owner of a session's key sent this destination's LeaseSet as its own. True if we know it, or a newer one.
    pub(super) fn prove(&mut self, key: &x25519::PublicKey, hash: DestinationHash, published: Date) -> bool {
        self.owners.prove(key, hash);
        self.by_hash.get(&hash).is_some_and(|peer| peer.knows_since(published))
    }

    /// The destination that proves to be the sender by this key.
    pub(super) fn owner_of(&self, key: &x25519::PublicKey) -> Option<DestinationHash> {
        self.owners.owner_of(key)
    }

    /// Those whom a session with this key serves.
    pub(super) fn users_of(&self, key: &x25519::PublicKey) -> Vec<DestinationHash> {
        self.owners.possible(key)
    }

    fn set_bundle(&mut self, hash: &DestinationHash, bundle: Bundle) {
        let Some(peer) = self.by_hash.get_mut(hash) else {
            return;
        };
        if let Some(ack) = peer.awaited_ack() {
            self.acks.remove(&ack);
        }
        peer.bundle = bundle;
        if let Some(ack) = peer.awaited_ack() {
            self.acks.insert(ack, *hash);
        }
    }

    /// Our LeaseSet of this version goes to the peer.
    pub(super) fn lease_set_sent(&mut self, hash: &DestinationHash, version: u64, at: Tick, ack: Option<AckId>) {
        self.set_bundle(hash, Bundle::Sent { version, at, ack });
    }

    pub(super) fn acked(&mut self, id: AckId) {
        let Some(hash) = self.acks.get(&id).copied() else {
            return;
        };
        if let Some(Bundle::Sent { version, .. }) = self.by_hash.get(&hash).map(|peer| peer.bundle) {
            self.set_bundle(&hash, Bundle::Known { version });
        }
    }

    /// The peer may have forgotten us.
    pub(super) fn session_ended(&mut self, key: &x25519::PublicKey) {
        for hash in self.users_of(key) {
            self.set_bundle(&hash, Bundle::Nothing);
        }
    }

    /// Peers with the hints of their routes.
    pub(super) fn hints(&self) -> impl Iterator<Item = (DestinationHash, u64)> {
        self.by_hash.iter().map(|(hash, peer)| (*hash, peer.route))
    }

    /// Those whose LeaseSet somebody waits for.
    pub(super) fn waited_for(&self) -> Vec<DestinationHash> {
        self.waited_for.iter().copied().collect()
    }

    pub(super) fn expire(&mut self, now: Now) {
        if now.tick < self.next_sweep {
            return;
        }
        self.next_sweep = now.tick + SWEEP;
        let idle = |peer: &Peer| !peer.is_waited_for() && now.tick.saturating_since(peer.used) > FORGET_AFTER;
        let gone: Vec<DestinationHash> = self.by_hash.iter().filter(|(_, peer)| idle(peer)).map(|(hash, _)| *hash).collect();
        for hash in gone {
            self.remove(&hash);
        }
    }

    /// After a look-up that found nothing: true if it will be made again.
    pub(super) fn retry_later(&mut self, now: Tick, hash: DestinationHash) -> bool {
        let retry = self.by_hash.get(&hash).is_some_and(|peer| peer.has_patience(now));
        if retry {
            self.retries.insert((now + RETRY_EVERY, hash));
        }
        retry
    }

    /// A look-up whose time has come.
    pub(super) fn next_retry(&mut self, now: Tick) -> Option<DestinationHash> {
        let (at, hash) = *self.retries.first()?;
        if at > now {
            return None;
        }
        self.retries.pop_first();
        Some(hash)
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let sweep = (!self.by_hash.is_empty()).then_some(self.next_sweep);
        let retry = self.retries.first().map(|(at, _)| *at);
        sweep.into_iter().chain(retry).min()
    }
}

#[cfg(test)]
mod tests;
