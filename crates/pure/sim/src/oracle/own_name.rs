//! What a router does for a destination on it, it never does in its own name: that would say who lives there.
//!
//! Judged is what a router's engine sends straight, not out of a tunnel, and what floodfills find in garlic. A LeaseSet of a destination
//! goes straight from its router only if it came there before, as to a floodfill. A router itself needs no LeaseSets, and nothing that its
//! destinations look for, so it never asks for one of them. And no answer for a destination, and no lease of it, names its own router as
//! the tunnel's beginning. Destinations whose tunnels are to have no hops have asked for all that, so they are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_crypto::sha256;
use ramson_engine::DestinationConfig;
use ramson_lane::{Relay, RelayRole};
use ramson_wire::i2np::{DatabaseLookup, DatabaseStore, LookupKind, StoreEntry, TunnelGateway};
use ramson_wire::{Codec, DestinationHash, I2npMessage, MessageKind, RouterHash, Tick};

use super::paths::Place;
use super::{Notes, OWN_NAME};

/// Garlic is good for no longer, and tunnels are spoken of for no longer after their end.
const REMEMBERED: Duration = Duration::from_secs(120);

/// A router by number and name.
pub(crate) type Who = (usize, RouterHash);

/// Where a destination lives.
struct Home {
    router: Who,
    /// Whether its tunnels have hops.
    inbound: bool,
    outbound: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct OwnName {
    homes: BTreeMap<DestinationHash, Home>,
    /// Routers that have had destinations, and whether one of them did without hops.
    hosts: BTreeMap<RouterHash, (usize, bool)>,
    /// What destinations on a router look for.
    sought: BTreeSet<(usize, DestinationHash)>,
    /// LeaseSets that came to a router otherwise than through tunnels of its own.
    came: BTreeSet<(usize, DestinationHash)>,
    /// Garlic that engines sent straight, by sender and digest. What a lane relays isn't among it.
    garlic: BTreeSet<(RouterHash, [u8; 32])>,
    /// Where tunnels of others begin.
    gateways: BTreeSet<Place>,
    /// What is forgotten when.
    ends: BTreeSet<(Tick, Forgotten)>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Forgotten {
    Garlic(RouterHash, [u8; 32]),
    Gateway(Place),
}

impl OwnName {
    /// A router starts: what it served is forgotten.
    pub(crate) fn starts(&mut self, router: usize) {
        self.came.retain(|(holder, _)| *holder != router);
    }

    /// A destination is to be opened.
    pub(crate) fn opened(&mut self, router: Who, destination: DestinationHash, config: &DestinationConfig) {
        let (inbound, outbound) = (config.inbound_length > 0, config.outbound_length > 0);
        self.homes.insert(destination, Home { router, inbound, outbound });
        self.hosts.entry(router.1).or_insert((router.0, false)).1 |= !inbound || !outbound;
    }

    /// An application wants to reach or to know this one.
    pub(crate) fn wants(&mut self, router: usize, hash: DestinationHash) {
        self.sought.insert((router, hash));
    }

    /// A hop agreed.
    pub(crate) fn installed(&mut self, at: Tick, router: RouterHash, relay: &Relay) {
        self.forget(at);
        if matches!(relay.role, RelayRole::Gateway { .. }) {
            let place = (router, relay.tunnel);
            self.gateways.insert(place);
            self.ends.insert((relay.expires + REMEMBERED, Forgotten::Gateway(place)));
        }
    }

    fn forget(&mut self, now: Tick) {
        while let Some((end, what)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            self.ends.remove(&(end, what));
            match what {
                Forgotten::Garlic(router, digest) => drop(self.garlic.remove(&(router, digest))),
                Forgotten::Gateway(place) => drop(self.gateways.remove(&place)),
            }
        }
    }

    /// A LeaseSet came to a router as to a floodfill.
    pub(crate) fn came(&mut self, router: usize, message: &I2npMessage) {
        if let Some((hash, _)) = lease_set(message) {
            self.came.insert((router, hash));
        }
    }

    /// Whether a router was given a LeaseSet.
    pub(crate) fn has(&self, router: usize, destination: DestinationHash) -> bool {
        self.came.contains(&(router, destination))
    }

    /// What an engine sends straight.
    pub(crate) fn sent(&mut self, at: Tick, router: Who, message: &I2npMessage, notes: &mut Notes) {
        match message.kind {
            MessageKind::GARLIC => {
                let digest = sha256(&message.body);
                self.garlic.insert((router.1, digest));
                self.ends.insert((at + REMEMBERED, Forgotten::Garlic(router.1, digest)));
            }
            MessageKind::TUNNEL_GATEWAY => {
                let gateway = TunnelGateway::from_bytes(&message.body).ok();
                if let Some(inner) = gateway.and_then(|gateway| I2npMessage::decode_long(&gateway.message).ok()) {
                    self.says(at, router, &inner, notes);
                }
            }
            _ => self.says(at, router, message, notes),
        }
    }

    /// What a floodfill finds in garlic that a router gave to it.
    pub(crate) fn asked(&self, at: Tick, from: RouterHash, garlic: &I2npMessage, inner: &I2npMessage, notes: &mut Notes) {
        // Whoever sent it, if it isn't the end of a tunnel.
        let itself = self.hosts.get(&from).filter(|_| self.garlic.contains(&(from, sha256(&garlic.body))));
        if let Some((number, _)) = itself {
            self.says(at, (*number, from), inner, notes);
        }
        self.look_at_tunnels(at, inner, notes);
    }

    /// A router says this in its own name.
    fn says(&self, at: Tick, (number, router): Who, message: &I2npMessage, notes: &mut Notes) {
        if let Some((hash, _)) = lease_set(message) {
            let home = self.homes.get(&hash).filter(|home| home.router.0 == number && home.outbound);
            if home.is_some() && !self.has(number, hash) {
                notes.violated(at, OWN_NAME, format!("router {number} stores the LeaseSet of a destination of it"));
            }
        }
        let hosts_with_hops = self.hosts.get(&router).is_some_and(|(_, without)| !without);
        if let Some(lookup) = lookup(message).filter(|_| hosts_with_hops) {
            let key = DestinationHash(lookup.key.0);
            let own = self.homes.get(&key).is_some_and(|home| home.router.0 == number);
            if own || of_lease_set(&lookup) || self.sought.contains(&(number, key)) {
                let what = format!("router {number} looks up what only destinations of it want ({:?})", lookup.kind);
                notes.violated(at, OWN_NAME, what);
            }
        }
    }

    /// Where the tunnels begin that are named in what came for a destination.
    fn look_at_tunnels(&self, at: Tick, message: &I2npMessage, notes: &mut Notes) {
        if let Some((hash, store)) = lease_set(message)
            && let Some(home) = self.homes.get(&hash).filter(|home| home.inbound)
            && let StoreEntry::LeaseSet2(set) = store.entry
        {
            let (number, router) = home.router;
            if store.reply.is_some_and(|reply| reply.gateway == router) {
                notes.violated(at, OWN_NAME, format!("router {number} is to be told that a LeaseSet of it is stored"));
            }
            if set.verify().is_ok_and(|set| set.leases().iter().any(|lease| lease.gateway == router)) {
                notes.violated(at, OWN_NAME, format!("router {number} is in a lease of a destination of it"));
            }
        }
        if let Some(lookup) = lookup(message).filter(of_lease_set) {
            let begins_here = lookup.reply_tunnel.is_none_or(|tunnel| !self.gateways.contains(&(lookup.from, tunnel)));
            let host = self.hosts.get(&lookup.from).filter(|(_, without)| begins_here && !without);
            if let Some((number, _)) = host {
                notes.violated(at, OWN_NAME, format!("router {number} is to be given an answer for a destination of it"));
            }
        }
    }
}

fn lease_set(message: &I2npMessage) -> Option<(DestinationHash, DatabaseStore)> {
    let store = (message.kind == MessageKind::DATABASE_STORE).then(|| DatabaseStore::from_bytes(&message.body).ok())??;
    matches!(store.entry, StoreEntry::LeaseSet2(_)).then(|| (DestinationHash(store.key.0), store))
}

fn lookup(message: &I2npMessage) -> Option<DatabaseLookup> {
    (message.kind == MessageKind::DATABASE_LOOKUP).then(|| DatabaseLookup::from_bytes(&message.body).ok())?
}

/// Routers look only for routers, and say so.
fn of_lease_set(lookup: &DatabaseLookup) -> bool {
    matches!(lookup.kind, LookupKind::LeaseSet | LookupKind::Any)
}
