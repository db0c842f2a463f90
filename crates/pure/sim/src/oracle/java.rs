//! A strict Java router as every router's peer: what a router gives to others, Java I2P must not refuse, drop, ban or rank down for.
//!
//! Java I2P is most of the network, and does without a word to whom it dropped something of. So its published checks, windows and
//! throttles stand here, each as it is there (Java I2P 2.8.0), and look at all that routers send: at what engines give to lanes, at what
//! hops and floodfills open with their keys, and at what comes out of inbound tunnels to a destination. What the transport writes itself
//! is in clear nowhere here; `ntcp2/tests/java.rs` of `ramson_transport` reads that as strictly.
//!
//! | module | looks at | class in Java |
//! |---|---|---|
//! | [`router_info`] | size below 3072, 1 to 16 addresses, options sorted as Java signs them, time, `netId`, `i` of 24 letters, one `s`, `v`, ports, caps, version | `RouterInfo`, `KademliaNetworkDatabaseFacade`, `TransportUtil`, `TunnelPeerSelector` |
//! | [`messages`] | expiration −90 s to +240 s, into tunnels −60 s; no id with the same expiration twice; kinds down tunnels; tunnel 0 | `MessageValidator`, `TunnelDispatcher`, `InboundMessageDistributor` |
//! | [`builds`] | 4, 5 or 8 records; 8 minutes to 5 ahead; tunnel ids, flags, next hops; repetitions; layers | `BuildHandler`, `BuildMessageProcessor`, `BuildRequestRecord` |
//! | [`builds`] | 7 requests in 110 s and 4 tunnels in 220 s at a neighbour | `RequestThrottler`, `ParticipatingThrottler` |
//! | [`net_db`] | 14 look-ups for one way back in 2 minutes, 3 at others than floodfills; no key of zeros | `LookupThrottler`, `HandleDatabaseLookupMessageJob` |
//! | [`net_db`] | LeaseSets: signature, 1 to 8 keys, 1 to 16 leases, −10 to +16 minutes, strictly newer, 3 versions in 90 s | `LeaseSet2`, `KademliaNetworkDatabaseFacade`, `FloodThrottler` |
//! | [`garlic`] | order of blocks, a date first and a clove in new sessions, −5 to +2 minutes, length not 2 modulo 16, 16 acks | `RatchetPayload`, `ECIESAEADEngine`, `MuxedEngine` |
//! | [`packets`] | order of options, signatures of SYN, CLOSE and RESET, NACKs of a SYN, 3 early packets, chokes, sizes | `Packet`, `PacketLocal`, `ConnectionPacketHandler`, `MessageHandler` |
//!
//! Times are judged by the sender's clock where it is known, else by another router's, and then clocks may differ as the scenario has it.
//! In small networks routers keep to wider throttles, or no pool would fill; so do Java's with `i2np.allowLocal`.

mod builds;
mod garlic;
mod messages;
mod net_db;
mod noise;
mod packets;
mod router_info;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_crypto::x25519;
use ramson_engine::{Peeked, PeekedKind};
use ramson_lane::Class;
use ramson_lane::tunnel_data::Endpoint;
use ramson_wire::i2np::{Data, DatabaseLookup, DatabaseStore, StoreEntry, TunnelData, TunnelGateway};
use ramson_wire::tunnel::build::HopRole;
use ramson_wire::{
    CloveDelivery, Codec, Date, DestinationHash, GarlicClove, I2npMessage, MessageKind, Now, RouterHash, RouterInfo, Tick,
    TunnelId, payload,
};

use super::paths::{Paths, Place};
use super::{JAVA, Notes};
use crate::world::NET_ID;
use builds::{Builds, Request};
use messages::Messages;
use net_db::NetDb;
use packets::Packets;

const MINUTE: Duration = Duration::from_secs(60);
/// In networks of so many routers everything is opened, in larger ones one of so many messages, and what comes out of one of so many
/// tunnels.
const SMALL: usize = 12;
const ONE_OF: u32 = 8;
/// Own tunnels beyond which those that ended are looked for.
const MANY: usize = 1024;

/// Nothing, or why the message is refused.
type Verdict = Result<(), &'static str>;

fn ensure(so: bool, otherwise: &'static str) -> Verdict {
    if so { Ok(()) } else { Err(otherwise) }
}

/// A time, and how far it may be off.
#[derive(Clone, Copy)]
struct Clock {
    now: Date,
    off: Duration,
}

impl Clock {
    fn exact(now: Date) -> Self {
        Self { now, off: Duration::ZERO }
    }

    fn earliest(self) -> Date {
        self.now - self.off
    }

    fn latest(self) -> Date {
        self.now + self.off
    }
}

/// A router as the others know it.
struct Peer {
    key: x25519::PrivateKey,
    floodfill: bool,
    announced: Option<RouterInfo>,
}

/// Who sends a message, whereto, and how much it knows.
pub(crate) struct Sent<'a> {
    pub(crate) from: RouterHash,
    pub(crate) to: RouterHash,
    pub(crate) message: &'a I2npMessage,
    pub(crate) class: Class,
    /// Routers that the sender knows.
    pub(crate) known: &'a dyn Fn() -> usize,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Java {
    peers: BTreeMap<RouterHash, Peer>,
    /// How far two clocks may differ.
    clocks_differ: Duration,
    messages: Messages,
    builds: Builds,
    net_db: NetDb,
    packets: Packets,
    /// Inbound tunnels at their owners, until when, and what came out of them in part.
    tunnels: BTreeMap<Place, (Tick, Endpoint)>,
    tidy_at: usize,
    seen: u32,
    /// What it came to see, and how often.
    looked_at: BTreeMap<&'static str, u64>,
}

impl Java {
    #[cfg(test)]
    pub(crate) fn looked_at(&self) -> &BTreeMap<&'static str, u64> {
        &self.looked_at
    }

    /// Clocks may differ by so much more.
    pub(crate) fn clocks_differ(&mut self, by: Duration) {
        self.clocks_differ += by;
    }

    /// A router starts.
    pub(crate) fn starts(&mut self, router: RouterHash, key: x25519::PrivateKey, floodfill: bool) {
        self.peers.insert(router, Peer { key, floodfill, announced: None });
        self.builds.starts(router);
        self.net_db.starts(router);
    }

    /// A destination is opened, maybe again, and then nobody knows what was published of it before.
    pub(crate) fn opened(&mut self, destination: DestinationHash) {
        self.net_db.opened(destination.into());
    }

    /// What a router says of itself.
    pub(crate) fn says(&mut self, at: Now, router: usize, info: &RouterInfo, notes: &mut Notes) {
        self.looks_at("router infos");
        let verdict = router_info::check(info, Clock::exact(at.date), NET_ID);
        if let Some(peer) = self.peers.get_mut(&info.hash()) {
            peer.announced = Some(info.clone());
        }
        note(at.tick, router, verdict, notes);
    }

    /// What an engine sends.
    pub(crate) fn sent(&mut self, at: Now, router: usize, sent: &Sent<'_>, notes: &mut Notes) {
        let verdict = messages::check(sent.message, Clock::exact(at.date))
            .and_then(|()| self.messages.sent(at.tick, sent.to, sent.message))
            .and_then(|()| self.content(at, sent));
        note(at.tick, router, verdict, notes);
    }

    fn content(&mut self, at: Now, sent: &Sent<'_>) -> Verdict {
        match sent.message.kind {
            MessageKind::SHORT_TUNNEL_BUILD => self.request(at, sent),
            MessageKind::DATABASE_STORE => self.store(at.tick, Clock::exact(at.date), sent.to, sent.from, &sent.message.body),
            MessageKind::DATABASE_LOOKUP => self.lookup(at.tick, sent.to, &sent.message.body),
            _ => Ok(()),
        }
    }

    fn request(&mut self, at: Now, sent: &Sent<'_>) -> Verdict {
        // Those of others are passed on behind all else.
        let own = sent.class != Class::Transit;
        let opens = self.opens() || own;
        self.looks_at("requests");
        let Some(peer) = self.peers.get(&sent.to) else { return Ok(()) };
        let request = Request { hop: sent.to, key: &peer.key, from: Some(sent.from), message: sent.message, own };
        let role = self.builds.check(at.tick, self.other_clock(at), &request, opens)?;
        if own {
            self.builds.asks(at.tick, sent.from, sent.to, sent.known)?;
            if role.is_some_and(|role| role != HopRole::InboundGateway) {
                self.builds.neighbour(at.tick, sent.from, sent.to, sent.known)?;
            }
        }
        Ok(())
    }

    fn looks_at(&mut self, what: &'static str) {
        *self.looked_at.entry(what).or_default() += 1;
    }

    fn other_clock(&self, at: Now) -> Clock {
        Clock { now: at.date, off: self.clocks_differ }
    }

    /// Whether to open the next thing that costs a key agreement.
    fn opens(&mut self) -> bool {
        self.seen = self.seen.wrapping_add(1);
        self.peers.len() <= SMALL || self.seen.is_multiple_of(ONE_OF)
    }

    fn lookup(&mut self, at: Tick, asked: RouterHash, body: &[u8]) -> Verdict {
        self.looks_at("look-ups");
        let lookup = DatabaseLookup::from_bytes(body).map_err(|_| "a look-up that can't be read")?;
        let is_floodfill = self.peers.get(&asked).is_some_and(|peer| peer.floodfill);
        self.net_db.lookup(at, asked, is_floodfill, &lookup)
    }

    fn store(&mut self, at: Tick, clock: Clock, holder: RouterHash, from: RouterHash, body: &[u8]) -> Verdict {
        self.looks_at("stores");
        let store = DatabaseStore::from_bytes(body).map_err(|_| "a store that can't be read")?;
        if let StoreEntry::RouterInfo(info) = &store.entry
            && info.hash() == from
        {
            let announced = self.peers.get(&from).and_then(|peer| peer.announced.as_ref());
            ensure(announced.is_none_or(|announced| announced.bytes() == info.bytes()), "a RouterInfo of before")?;
            ensure(info.published() + MINUTE * 54 > clock.earliest(), "an own RouterInfo older than 54 minutes")?;
        }
        self.net_db.store(at, clock, holder, &store)
    }

    /// A router has an inbound tunnel of its own.
    pub(crate) fn own_tunnel(
        &mut self,
        at: Tick,
        (router, place, expires): (usize, Place, Tick),
        paths: &Paths,
        known: &dyn Fn() -> usize,
        notes: &mut Notes,
    ) {
        if self.peers.len() <= SMALL || place.1.get().is_multiple_of(ONE_OF) {
            if self.tunnels.len() >= self.tidy_at {
                self.tunnels.retain(|_, (end, _)| *end > at);
                self.tidy_at = MANY.max(self.tunnels.len() * 2);
            }
            self.tunnels.insert(place, (expires, Endpoint::new()));
        }
        if let Some(before) = paths.before(place) {
            note(at, router, self.builds.neighbour(at, place.0, before.0, known), notes);
        }
    }

    /// What a lane tells a router's engine. Gives the garlic for a destination that came with it, and the tunnel that it came through.
    pub(crate) fn came(
        &mut self,
        at: Now,
        (router, hash): (usize, RouterHash),
        message: &I2npMessage,
        from: Option<RouterHash>,
        (paths, notes): (&Paths, &mut Notes),
    ) -> Vec<(TunnelId, I2npMessage)> {
        let (clock, mut garlic) = (self.other_clock(at), Vec::new());
        if !messages::in_time(message, clock) {
            return garlic;
        }
        match message.kind {
            MessageKind::GARLIC if self.opens() => note(at.tick, router, self.router_garlic(at, hash, message), notes),
            MessageKind::SHORT_TUNNEL_BUILD if from.is_none() => {
                note(at.tick, router, self.request_out_of_tunnel(at, hash, message), notes);
            }
            MessageKind::TUNNEL_DATA | MessageKind::TUNNEL_GATEWAY => {
                let found = self.out_of_tunnel(at, hash, message, paths);
                for (tunnel, message) in found.into_iter().filter(|(_, message)| messages::in_time(message, clock)) {
                    note(at.tick, router, messages::down_tunnel(&message, clock), notes);
                    if message.kind == MessageKind::GARLIC {
                        garlic.push((tunnel, message));
                    }
                }
            }
            _ => {}
        }
        garlic
    }

    /// Garlic to the router's own key, if it is that.
    fn router_garlic(&mut self, at: Now, hash: RouterHash, message: &I2npMessage) -> Verdict {
        let sealed = message.body.get(4..).unwrap_or_default();
        let Some(payload) = self.peers.get(&hash).and_then(|peer| noise::open(sealed, &peer.key)) else { return Ok(()) };
        self.looks_at("garlic to routers");
        for clove in garlic::check(&payload.into(), garlic::Kind::Router, self.other_clock(at))? {
            ensure(clove.delivery == CloveDelivery::Local, "a clove to a router that isn't for it")?;
            if clove.message.kind == MessageKind::SHORT_TUNNEL_BUILD {
                self.request_out_of_tunnel(at, hash, &clove.message)?;
            }
        }
        Ok(())
    }

    fn request_out_of_tunnel(&mut self, at: Now, hash: RouterHash, message: &I2npMessage) -> Verdict {
        self.looks_at("requests out of tunnels");
        let clock = self.other_clock(at);
        let Some(peer) = self.peers.get(&hash) else { return Ok(()) };
        let request = Request { hop: hash, key: &peer.key, from: None, message, own: true };
        self.builds.check(at.tick, clock, &request, true).map(drop)
    }

    /// What a tunnel's owner finds in what came through it.
    fn out_of_tunnel(&mut self, at: Now, hash: RouterHash, message: &I2npMessage, paths: &Paths) -> Vec<(TunnelId, I2npMessage)> {
        let id = message.body.first_chunk().and_then(|id| TunnelId::new(u32::from_be_bytes(*id)));
        let Some(id) = id else { return Vec::new() };
        let Some((_, endpoint)) = self.tunnels.get_mut(&(hash, id)) else { return Vec::new() };
        let found = if message.kind == MessageKind::TUNNEL_DATA {
            let Ok(TunnelData { mut data, .. }) = TunnelData::from_bytes(&message.body) else { return Vec::new() };
            if !paths.peel((hash, id), &mut data) {
                return Vec::new();
            }
            endpoint.handle(at, &data).unwrap_or_default().into_iter().map(|(_, message)| message).collect()
        } else {
            let gateway = TunnelGateway::from_bytes(&message.body).ok();
            gateway.and_then(|gateway| I2npMessage::decode_long(&gateway.message).ok()).into_iter().collect::<Vec<_>>()
        };
        found.into_iter().map(|message| (id, message)).collect()
    }

    /// What a floodfill is asked in garlic.
    pub(crate) fn asked(&mut self, at: Now, (router, hash): (usize, RouterHash), message: &I2npMessage, notes: &mut Notes) {
        let clock = self.other_clock(at);
        if !messages::in_time(message, clock) {
            return;
        }
        let verdict = match message.kind {
            // Nobody knows who sends it.
            MessageKind::DATABASE_STORE => self.store(at.tick, clock, hash, hash, &message.body),
            MessageKind::DATABASE_LOOKUP => self.lookup(at.tick, hash, &message.body),
            _ => Ok(()),
        };
        note(at.tick, router, verdict, notes);
    }

    /// What a destination finds in garlic.
    pub(crate) fn read(&mut self, at: Now, router: usize, peeked: &Peeked, notes: &mut Notes) {
        let verdict = self.session(at, peeked);
        note(at.tick, router, verdict, notes);
    }

    fn session(&mut self, at: Now, peeked: &Peeked) -> Verdict {
        let clock = self.other_clock(at);
        let (kind, name) = match peeked.kind {
            PeekedKind::New => (garlic::Kind::New(peeked.len), "new sessions"),
            PeekedKind::Reply => (garlic::Kind::Reply, "replies"),
            PeekedKind::Existing => (garlic::Kind::Existing, "sessions"),
        };
        self.looks_at(name);
        for clove in garlic::check(&peeked.payload, kind, clock)? {
            self.clove(at, peeked, &clove)?;
        }
        Ok(())
    }

    fn clove(&mut self, at: Now, peeked: &Peeked, clove: &GarlicClove) -> Verdict {
        let clock = self.other_clock(at);
        if !messages::in_time(&clove.message, clock) {
            return Ok(());
        }
        messages::check(&clove.message, clock)?;
        match (clove.message.kind, clove.delivery) {
            (MessageKind::DATABASE_STORE, _) => {
                let store = DatabaseStore::from_bytes(&clove.message.body).map_err(|_| "a bundled store that can't be read")?;
                ensure(store.reply.is_none(), "a bundled store that asks for an answer")?;
                let StoreEntry::LeaseSet2(set) = store.entry else { return Err("a bundled store of anything but a LeaseSet") };
                let set = set.verify().map_err(|_| "a bundled LeaseSet with a wrong signature")?;
                ensure(set.x25519_key() == peeked.peer, "a bundled LeaseSet with another key than the session's")?;
                net_db::lease_set(&set, clock)
            }
            (MessageKind::DATA, CloveDelivery::Destination(to)) => {
                let data = Data::from_bytes(&clove.message.body).map_err(|_| "data that can't be read")?;
                let data = payload::decode(&data.0, payload::MAX_PAYLOAD_LEN).map_err(|_| "data whose framing can't be read")?;
                self.looks_at("packets");
                if data.protocol == payload::STREAMING { self.packets.check(at.tick, to, &data.data) } else { Ok(()) }
            }
            (MessageKind::DATA, _) => Err("data that names no destination"),
            _ => Ok(()),
        }
    }
}

fn note(at: Tick, router: usize, verdict: Verdict, notes: &mut Notes) {
    if let Err(why) = verdict {
        notes.violated(at, JAVA, format!("router {router}: {why}"));
    }
}
