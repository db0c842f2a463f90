//! Tests of the machine: alone, and in a small set of machines whose messages are handed over in memory.

use std::net::SocketAddr;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};
use ramson_leaks::{Watched, watch_thread};
use ramson_wire::i2np::{DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus};
use ramson_wire::{
    Codec, Destination, I2npMessage, Lease, LeaseSet2Builder, Mapping, MessageId, MessageKind, NetDbKey, Ntcp2Address,
    RouterIdentity, RouterInfoBuilder, TunnelId,
};

use super::*;

mod alone;
mod branches;
mod faults;
mod liars;
mod lookups;
mod midnight;
mod publishing;
mod serving;
mod stores;

const NET_ID: u8 = 99;
/// 2026-06-01 12:00 UTC.
const NOON: u64 = 1_780_315_200_000;

fn at(ms: u64) -> Now {
    Now { tick: Tick(1_000_000_000) + Duration::from_millis(ms), date: Date(NOON + ms) }
}

/// A router that can sign.
struct Signer {
    key: ed25519::SigningKey,
    identity: RouterIdentity,
    static_key: x25519::PublicKey,
    port: u16,
}

impl Signer {
    fn new(number: u16) -> Signer {
        let mut rng = SeededRng::new([3; 32]).child(&format!("router {number}"));
        let key = ed25519::SigningKey::generate(&mut rng);
        let static_key = x25519::PrivateKey::generate(&mut rng).public();
        Signer { identity: RouterIdentity::new(&static_key, &key.public(), &mut rng), key, static_key, port: 10_000 + number }
    }

    fn hash(&self) -> RouterHash {
        self.identity.hash()
    }

    fn info_with(&self, published: Date, caps: &str, net_id: &str) -> RouterInfo {
        let mut options = Mapping::new();
        for (name, value) in [("router.version", "0.9.67"), ("netId", net_id), ("caps", caps)] {
            options.insert(name, value).unwrap();
        }
        let address = Ntcp2Address {
            host: Some(SocketAddr::from(([127, 0, 0, 1], self.port))),
            static_key: self.static_key,
            iv: Some([1; 16]),
            ipv4: true,
            ipv6: false,
        };
        let builder =
            RouterInfoBuilder { identity: self.identity.clone(), published, addresses: vec![address.to_address(3)], options };
        RouterInfo::sign(&builder, &self.key).unwrap()
    }

    fn info(&self, published: Date) -> RouterInfo {
        self.info_with(published, "LR", "99")
    }

    fn floodfill(&self, published: Date) -> RouterInfo {
        self.info_with(published, "XfR", "99")
    }
}

/// A destination that can sign.
struct Service {
    key: ed25519::SigningKey,
    destination: Destination,
}

impl Service {
    fn new(number: u16) -> Service {
        let mut rng = SeededRng::new([4; 32]).child(&format!("service {number}"));
        let key = ed25519::SigningKey::generate(&mut rng);
        Service { destination: Destination::new(&key.public(), &mut rng), key }
    }

    fn hash(&self) -> DestinationHash {
        self.destination.hash()
    }

    fn builder(&self, published: Date) -> LeaseSet2Builder {
        LeaseSet2Builder {
            destination: self.destination.clone(),
            published: published.to_seconds_floor(),
            lifetime: Duration::from_secs(600),
            unpublished: false,
            options: Mapping::new(),
            key: x25519::PublicKey([9; 32]),
            more_keys: Vec::new(),
            leases: vec![Lease {
                gateway: RouterHash([1; 32]),
                tunnel: TunnelId::new(7).unwrap(),
                end: published + Duration::from_secs(600),
            }],
        }
    }

    fn lease_set(&self, published: Date) -> LeaseSet2 {
        LeaseSet2::sign(&self.builder(published), &self.key).unwrap()
    }
}

fn unverified(set: &LeaseSet2) -> Unverified<LeaseSet2> {
    Unverified::<LeaseSet2>::parse(set.bytes().clone()).unwrap()
}

fn machine(now: Now, config: Config) -> Watched<NetDb> {
    let rng = SeededRng::new([5; 32]).child(&format!("{:?}", config.our_hash.0));
    watch_thread().over(NetDb::new(now, config, [], Box::new(rng)))
}

fn drain(netdb: &mut NetDb) -> Vec<NetDbOutput> {
    std::iter::from_fn(|| netdb.poll_output()).collect()
}

/// The messages of a kind that go straight to peers.
fn direct(outputs: &[NetDbOutput], kind: MessageKind) -> Vec<RouterHash> {
    let to = |output: &NetDbOutput| match output {
        NetDbOutput::Direct { to, message } if message.kind == kind => Some(*to),
        _ => None,
    };
    outputs.iter().filter_map(to).collect()
}

struct Node {
    signer: Signer,
    netdb: Watched<NetDb>,
    events: Vec<NetDbOutput>,
    silent: bool,
}

/// What becomes of an output of a node; none: it is lost.
type Alter = Box<dyn FnMut(usize, NetDbOutput) -> Option<NetDbOutput>>;

/// Machines that know some of each other; what they send arrives at once. A tunnel is a number at a gateway.
struct Net {
    ms: u64,
    nodes: Vec<Node>,
    tunnels: BTreeMap<(RouterHash, TunnelId), (usize, Owner)>,
    /// Floodfills that were asked or given something, in order.
    served: Vec<(usize, MessageKind)>,
    /// Passes everything unless a test changes it.
    alter: Alter,
}

impl Net {
    /// `floodfills` of them first, then ordinary routers; `knows` says who starts with whose RouterInfo.
    fn new(floodfills: usize, others: usize, knows: impl Fn(usize, usize) -> bool) -> Net {
        let count = floodfills + others;
        let signers: Vec<_> = (0..count).map(|n| Signer::new(u16::try_from(n).unwrap())).collect();
        let start = at(0);
        let infos: Vec<_> = (0..count)
            .map(|n| match n < floodfills {
                true => signers[n].floodfill(start.date - Duration::from_secs(60)),
                false => signers[n].info(start.date - Duration::from_secs(60)),
            })
            .collect();
        let nodes = signers.into_iter().enumerate().map(|(n, signer)| {
            let mut config = Config::new(NET_ID, signer.hash());
            config.floodfill = n < floodfills;
            config.limits.explore_below = 0;
            let mut netdb = machine(start, config);
            for (other, info) in infos.iter().enumerate() {
                if other != n && knows(n, other) {
                    let result = netdb.add_router(start, info.clone(), Source::Reseed);
                    assert_eq!(result, AddResult::New);
                }
            }
            Node { signer, netdb, events: Vec::new(), silent: false }
        });
        Net {
            ms: 0,
            nodes: nodes.collect(),
            tunnels: BTreeMap::new(),
            served: Vec::new(),
            alter: Box::new(|_, output| Some(output)),
        }
    }

    fn now(&self) -> Now {
        at(self.ms)
    }

    fn netdb(&mut self, node: usize) -> &mut NetDb {
        &mut self.nodes[node].netdb
    }

    fn index(&self, hash: RouterHash) -> Option<usize> {
        self.nodes.iter().position(|node| node.signer.hash() == hash)
    }

    /// Opens an identity with one tunnel each way, whose gateway is another router.
    fn identity(&mut self, node: usize, id: u32, gateway: usize) -> IdentityId {
        let (now, identity) = (self.now(), IdentityId(id));
        let owner = Owner::Identity(identity);
        let gateway = self.nodes[gateway].signer.hash();
        let mut inbound = Vec::new();
        for _ in 0..3 {
            let tunnel = TunnelId::new(1000 + u32::try_from(self.tunnels.len()).unwrap()).unwrap();
            self.tunnels.insert((gateway, tunnel), (node, owner));
            inbound.push(ReplyPath { gateway, tunnel: Some(tunnel) });
        }
        let paths = Paths { outbound: true, inbound };
        self.netdb(node).open_identity(identity);
        self.netdb(node).set_paths(now, owner, paths);
        identity
    }

    fn deliver(&mut self, to: usize, from: Option<RouterHash>, via: Via, message: &I2npMessage) {
        let now = self.now();
        let node = &mut self.nodes[to];
        if node.silent {
            return;
        }
        self.served.push((to, message.kind));
        let owner = match via {
            Via::Tunnel(owner) => owner,
            Via::Direct | Via::Garlic => Owner::Router,
        };
        let body = &message.body;
        match message.kind {
            MessageKind::DATABASE_STORE => {
                let store = DatabaseStore::from_bytes(body).unwrap();
                node.netdb.handle_store(now, from, via, store);
            }
            MessageKind::DATABASE_LOOKUP => {
                let lookup = DatabaseLookup::from_bytes(body).unwrap();
                node.netdb.handle_lookup(now, from, via, lookup);
            }
            MessageKind::DATABASE_SEARCH_REPLY => {
                let reply = DatabaseSearchReply::from_bytes(body).unwrap();
                node.netdb.handle_search_reply(now, owner, &reply);
            }
            MessageKind::DELIVERY_STATUS => {
                let status = DeliveryStatus::from_bytes(body).unwrap();
                node.netdb.handle_delivery_status(now, owner, status.id);
            }
            _ => unreachable!(),
        }
    }

    fn route(&mut self, from: usize, output: NetDbOutput) {
        let sender = Some(self.nodes[from].signer.hash());
        match output {
            NetDbOutput::Direct { to, message } => {
                let to = self.index(to).unwrap();
                self.deliver(to, sender, Via::Direct, &message);
            }
            NetDbOutput::ThroughTunnel { to, message, wrap, .. } => {
                assert!(wrap);
                let to = self.index(to).unwrap();
                self.deliver(to, None, Via::Garlic, &message);
            }
            NetDbOutput::Reply { path, message, .. } => match path.tunnel {
                Some(tunnel) => {
                    let (to, owner) = self.tunnels[&(path.gateway, tunnel)];
                    self.deliver(to, None, Via::Tunnel(owner), &message);
                }
                None => {
                    let to = self.index(path.gateway).unwrap();
                    self.deliver(to, sender, Via::Direct, &message);
                }
            },
            event => self.nodes[from].events.push(event),
        }
    }

    /// Hands everything over until all are quiet.
    fn settle(&mut self) {
        while let Some((from, output)) =
            self.nodes.iter_mut().enumerate().find_map(|(n, node)| node.netdb.poll_output().map(|output| (n, output)))
        {
            if let Some(output) = (self.alter)(from, output) {
                self.route(from, output);
            }
        }
    }

    /// Lets time pass, deadline by deadline.
    fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        loop {
            self.settle();
            let next = self.nodes.iter().map(|node| node.netdb.deadline()).min();
            let next = next.unwrap().saturating_since(at(0).tick);
            let next = u64::try_from(next.as_millis()).unwrap().max(self.ms + 1);
            if next > end {
                break;
            }
            self.ms = next;
            for node in &mut self.nodes {
                node.netdb.handle_timeout(at(next));
            }
        }
        self.ms = end;
    }

    /// The results of a node's lookups since last asked.
    fn results(&mut self, node: usize) -> Vec<(LookupRequest, LookupResult)> {
        let events = std::mem::take(&mut self.nodes[node].events);
        let done = |event| match event {
            NetDbOutput::LookupDone { request, result, .. } => Some((request, result)),
            _ => None,
        };
        events.into_iter().filter_map(done).collect()
    }
}
