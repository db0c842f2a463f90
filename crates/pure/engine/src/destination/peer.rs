//! Remote destinations as one local destination knows them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::{CryptoRng, rng, x25519};
use ramson_wire::{Date, DestinationHash, Lease, LeaseSet2, Now, Tick};

use crate::interface::RequestId;
use crate::session::AckId;
use crate::streaming::{StreamId, StreamRings};

/// Remote destinations remembered. Beyond: the one longest unused is forgotten.
const MAX_PEERS: usize = 4_096;
/// Streams that wait for one LeaseSet. Beyond: refused.
pub(super) const MAX_CONNECTS: usize = 256;
/// Questions that wait for one LeaseSet. Beyond: answered with nothing.
pub(super) const MAX_REQUESTS: usize = 64;
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

/// A framed packet that can't go yet.
pub(super) struct Held {
    pub(super) framed: Vec<u8>,
    pub(super) retransmission: bool,
}

/// One remote destination.
pub(super) struct Peer {
    lease_set: Option<LeaseSet2>,
    pub(super) connects: Vec<Connect>,
    pub(super) requests: Vec<RequestId>,
    pub(super) held: VecDeque<Held>,
    looking_up: bool,
    next_lookup: Tick,
    /// Since when somebody waits for the LeaseSet.
    wanted_since: Option<Tick>,
    lease: Option<Lease>,
    /// Chooses our outbound tunnel.
    route: u64,
    switched: Tick,
    /// Changes because of losses since the peer was last heard.
    switches: u32,
    bundle: Bundle,
    used: Tick,
}

/// What the peer knows of our LeaseSet.
#[derive(Clone, Copy, PartialEq, Eq)]
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
            switched: now,
            switches: 0,
            bundle: Bundle::Nothing,
            used: now,
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

    /// True if a look-up is to be started now. Whoever waits joins the one that is going on, or gets a new one at once.
    pub(super) fn begin_lookup(&mut self, now: Tick) -> bool {
        let start = !self.looking_up && (self.next_lookup <= now || self.is_waited_for() && self.wanted_since.is_none());
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

    /// Those who waited, to be told.
    pub(super) fn take_waiting(&mut self) -> (Vec<Connect>, Vec<RequestId>) {
        self.wanted_since = None;
        (std::mem::take(&mut self.connects), std::mem::take(&mut self.requests))
    }

    pub(super) fn lookup_ended(&mut self, now: Tick) {
        self.looking_up = false;
        self.next_lookup = now + LOOKUP_EVERY;
    }

    /// A message of the peer came.
    pub(super) fn heard(&mut self) {
        self.switches = 0;
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

    pub(super) fn hint(&self) -> u64 {
        self.route
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
        let chosen = pick(&good, rng)
            .or(self.lease.filter(keeps))
            .or_else(|| set.leases().iter().copied().filter(|lease| lease.end + LEASE_GRACE > now.date).max_by_key(|lease| lease.end));
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

    pub(super) fn lease_set_sent(&mut self, version: u64, at: Tick, ack: Option<AckId>) {
        self.bundle = Bundle::Sent { version, at, ack };
    }
}

fn pick(leases: &[Lease], rng: &mut dyn CryptoRng) -> Option<Lease> {
    let count = u32::try_from(leases.len()).ok()?;
    let index = usize::try_from(rng::below(rng, count)).ok()?;
    leases.get(index).copied()
}

/// Whose a session key is.
#[derive(Clone, Copy)]
struct Claim {
    /// Nobody's while several destinations name the key and none has proven to have it.
    by: Option<DestinationHash>,
    /// A session under this key brought the LeaseSet.
    proven: bool,
}

/// All of them.
pub(super) struct Peers {
    by_hash: BTreeMap<DestinationHash, Peer>,
    /// Keys of verified LeaseSets. At most one for each peer.
    by_key: BTreeMap<x25519::PublicKey, Claim>,
    next_sweep: Tick,
    /// Look-ups to be made again.
    retries: BTreeSet<(Tick, DestinationHash)>,
    /// Gives each peer a route of its own.
    routes: u64,
}

impl Peers {
    pub(super) fn new(now: Tick) -> Self {
        Self { by_hash: BTreeMap::new(), by_key: BTreeMap::new(), next_sweep: now + SWEEP, retries: BTreeSet::new(), routes: 0 }
    }

    pub(super) fn get(&self, hash: &DestinationHash) -> Option<&Peer> {
        self.by_hash.get(hash)
    }

    /// The peer, made if it is new; in use from now.
    pub(super) fn entry(&mut self, now: Tick, hash: DestinationHash) -> &mut Peer {
        if !self.by_hash.contains_key(&hash) && self.by_hash.len() >= MAX_PEERS {
            let idle = self.by_hash.iter().filter(|(_, peer)| peer.connects.is_empty() && peer.requests.is_empty());
            if let Some(oldest) = idle.min_by_key(|(_, peer)| peer.used).map(|(hash, _)| *hash) {
                self.remove(&oldest);
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
        if let Some(key) = self.by_hash.remove(hash).and_then(|peer| peer.lease_set?.x25519_key()) {
            self.disclaim(&key, *hash);
        }
    }

    fn disclaim(&mut self, key: &x25519::PublicKey, hash: DestinationHash) {
        if self.by_key.get(key).is_some_and(|claim| claim.by.is_none_or(|by| by == hash)) {
            self.by_key.remove(key);
        }
    }

    /// A LeaseSet names this key. Anyone can name another's: that must not take the other's messages from it.
    fn claim(&mut self, key: x25519::PublicKey, hash: DestinationHash) {
        let claim = self.by_key.entry(key).or_insert(Claim { by: Some(hash), proven: false });
        if claim.by != Some(hash) && !claim.proven {
            claim.by = None;
        }
    }

    /// A session under this key brought the LeaseSet of the destination, which names the key.
    pub(super) fn proven(&mut self, key: x25519::PublicKey, hash: DestinationHash) {
        if self.get(&hash).and_then(|peer| peer.lease_set()?.x25519_key()) == Some(key) {
            self.by_key.insert(key, Claim { by: Some(hash), proven: true });
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
            peer.bundle = Bundle::Nothing;
            if let Some(key) = before {
                self.disclaim(&key, hash);
            }
        }
        if let Some(key) = after {
            self.claim(key, hash);
        }
    }

    /// The destination in whose LeaseSet this key stands, if it is one.
    pub(super) fn owner_of(&self, key: &x25519::PublicKey) -> Option<DestinationHash> {
        self.by_key.get(key)?.by
    }

    pub(super) fn acked(&mut self, id: AckId) {
        let sent = self.by_hash.values_mut().find(|peer| matches!(peer.bundle, Bundle::Sent { ack: Some(ack), .. } if ack == id));
        if let Some(peer) = sent
            && let Bundle::Sent { version, .. } = peer.bundle
        {
            peer.bundle = Bundle::Known { version };
        }
    }

    /// The peer may have forgotten us.
    pub(super) fn session_ended(&mut self, key: &x25519::PublicKey) {
        if let Some(peer) = self.owner_of(key).and_then(|hash| self.by_hash.get_mut(&hash)) {
            peer.bundle = Bundle::Nothing;
        }
    }

    /// Peers with the hints of their routes.
    pub(super) fn hints(&self) -> Vec<(DestinationHash, u64)> {
        self.by_hash.iter().map(|(hash, peer)| (*hash, peer.route)).collect()
    }

    pub(super) fn take_connects(&mut self) -> Vec<Connect> {
        self.by_hash.values_mut().flat_map(|peer| std::mem::take(&mut peer.connects)).collect()
    }

    pub(super) fn expire(&mut self, now: Now) {
        if now.tick < self.next_sweep {
            return;
        }
        self.next_sweep = now.tick + SWEEP;
        let idle = |peer: &Peer| peer.connects.is_empty() && peer.requests.is_empty() && now.tick.saturating_since(peer.used) > FORGET_AFTER;
        let gone: Vec<DestinationHash> = self.by_hash.iter().filter(|(_, peer)| idle(peer)).map(|(hash, _)| *hash).collect();
        for hash in gone {
            self.remove(&hash);
        }
    }

    /// After a look-up that found nothing: true if it will be made again.
    pub(super) fn retry_later(&mut self, now: Tick, hash: DestinationHash) -> bool {
        let Some(peer) = self.by_hash.get(&hash).filter(|peer| peer.has_patience(now)) else {
            return false;
        };
        self.retries.insert((now + RETRY_EVERY, hash));
        true
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
mod claims {
    use ramson_crypto::ed25519;
    use ramson_crypto::rng::SeededRng;
    use ramson_wire::{Destination, LeaseSet2Builder, Mapping, RouterHash, TunnelId};

    use super::*;

    const KEY: x25519::PublicKey = x25519::PublicKey([9; 32]);
    const NOW: Now = Now { tick: Tick(1), date: Date(1_780_315_200_000) };

    fn lease_set(number: u8, key: x25519::PublicKey, later: u64) -> LeaseSet2 {
        let mut rng = SeededRng::new([number; 32]);
        let signing_key = ed25519::SigningKey::generate(&mut rng);
        let published = NOW.date + Duration::from_secs(later);
        let end = published + Duration::from_secs(600);
        let builder = LeaseSet2Builder {
            destination: Destination::new(&signing_key.public(), &mut rng),
            published: published.to_seconds_floor(),
            lifetime: Duration::from_secs(600),
            unpublished: false,
            options: Mapping::new(),
            key,
            more_keys: Vec::new(),
            leases: vec![Lease { gateway: RouterHash([1; 32]), tunnel: TunnelId::new(7).unwrap(), end }],
        };
        LeaseSet2::sign(&builder, &signing_key).unwrap()
    }

    fn hash(number: u8) -> DestinationHash {
        lease_set(number, KEY, 0).destination().hash()
    }

    #[test]
    fn naming_anothers_key_takes_nothing_from_it() {
        for first in [1, 2] {
            let mut peers = Peers::new(NOW.tick);
            peers.learn(NOW, lease_set(first, KEY, 0));
            assert_eq!(peers.owner_of(&KEY), Some(hash(first)));
            peers.learn(NOW, lease_set(3 - first, KEY, 0));
            assert_eq!(peers.owner_of(&KEY), None, "who it is must be seen by signatures");
            // Its session brings its LeaseSet.
            peers.proven(KEY, hash(1));
            assert_eq!(peers.owner_of(&KEY), Some(hash(1)));
            for other in [2, 3] {
                peers.learn(NOW, lease_set(other, KEY, 1));
                assert_eq!(peers.owner_of(&KEY), Some(hash(1)));
            }
            // The liar takes another key, then goes.
            peers.learn(NOW, lease_set(2, x25519::PublicKey([8; 32]), 2));
            peers.remove(&hash(3));
            assert_eq!(peers.owner_of(&KEY), Some(hash(1)));
            peers.remove(&hash(1));
            peers.remove(&hash(2));
            assert!(peers.by_key.is_empty() && peers.by_hash.is_empty());
        }
    }

    #[test]
    fn only_a_key_in_the_lease_set_is_proven() {
        let mut peers = Peers::new(NOW.tick);
        peers.learn(NOW, lease_set(1, KEY, 0));
        peers.proven(x25519::PublicKey([8; 32]), hash(1));
        peers.proven(KEY, hash(2));
        assert_eq!(peers.owner_of(&x25519::PublicKey([8; 32])), None);
        assert_eq!(peers.owner_of(&KEY), Some(hash(1)));
    }
}
