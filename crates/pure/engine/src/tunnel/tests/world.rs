//! Several machines with a small lane each, joined by a queue: one virtual network in one thread.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};
use ramson_lane::tunnel_data::{Endpoint, Gateway};
use ramson_lane::{LaneCommand, Relay, RelayRole};
use ramson_leaks::{Watch, watch_thread};
use ramson_wire::i2np::{TunnelData, TunnelGateway};
use ramson_wire::{
    Codec, Date, I2npMessage, Mapping, MessageId, MessageKind, Now, Ntcp2Address, RouterHash, RouterIdentity, RouterInfo,
    RouterInfoBuilder, Tick, TunnelDelivery, TunnelId,
};

use crate::identity::Owner;
use crate::interface::Record;
use crate::session::router_garlic;
use crate::tunnel::{HopSource, LocalRouter, PoolConfig, TunnelOutput, Tunnels, TunnelsConfig};

pub(super) const NET: u8 = 77;

pub(super) struct Known(pub(super) Vec<RouterInfo>);

impl HopSource for Known {
    fn count(&self) -> usize {
        self.0.len()
    }
    fn for_each(&self, visit: &mut dyn FnMut(&RouterInfo)) {
        let mut infos: Vec<&RouterInfo> = self.0.iter().collect();
        infos.sort_by_key(|info| info.hash());
        infos.into_iter().for_each(visit);
    }
}

struct Installed {
    relay: Relay,
    gateway: Gateway,
    endpoint: Endpoint,
}

pub(super) struct Node {
    pub(super) machine: Tunnels,
    pub(super) info: RouterInfo,
    pub(super) key: Arc<x25519::PrivateKey>,
    relays: BTreeMap<TunnelId, Installed>,
    own: BTreeSet<TunnelId>,
    /// Out of own tunnels.
    pub(super) received: Vec<(Owner, I2npMessage)>,
    /// Messages for this router that are nothing about tunnels.
    pub(super) others: Vec<I2npMessage>,
    pub(super) changed: usize,
    /// For the disk.
    pub(super) stored: Vec<Record>,
    /// Relays that the machine had installed.
    pub(super) installed: u64,
    pub(super) dead: bool,
    /// Routers that it asked to have a session with, or sent something to: they can answer it.
    pub(super) met: BTreeSet<RouterHash>,
    /// Nobody else knows its RouterInfo.
    pub(super) unknown: bool,
}

/// What happens to messages on their way, shares in 1/100.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    pub(super) loss: u32,
    pub(super) doubled: u32,
    /// Longest delay in milliseconds: any shorter one is as likely, so messages overtake each other.
    pub(super) delay: u64,
    /// Tunnel data suffers too.
    pub(super) data: bool,
}

type Filter = Box<dyn FnMut(&RouterHash, &RouterHash, &mut I2npMessage) -> bool>;

pub(super) struct World {
    pub(super) now: Now,
    pub(super) nodes: Vec<Node>,
    index: BTreeMap<RouterHash, usize>,
    pub(super) known: Known,
    queue: VecDeque<(RouterHash, RouterHash, I2npMessage)>,
    /// Delayed ones, by the time of arrival.
    late: BTreeMap<(Tick, u64), (RouterHash, RouterHash, I2npMessage)>,
    count: u64,
    pub(super) faults: Faults,
    /// Builds that came to their receiver.
    pub(super) reached: BTreeSet<(RouterHash, Bytes)>,
    /// Says whether a message gets through.
    pub(super) filter: Filter,
    /// All build messages that were sent, with sender and receiver.
    pub(super) builds: Vec<(RouterHash, RouterHash, I2npMessage)>,
    rng: SeededRng,
    _leaks: Watch,
}

pub(super) fn router_info(
    n: u16,
    key: &x25519::PublicKey,
    date: Date,
    change: impl FnOnce(&mut Mapping),
    rng: &mut SeededRng,
) -> RouterInfo {
    router_info_at(&[host(n)], key, date, change, rng)
}

fn host(n: u16) -> SocketAddr {
    let [a, b] = n.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, a.wrapping_mul(2) ^ b, a, 1)), 9000 + n)
}

pub(super) fn router_info_at(
    hosts: &[SocketAddr],
    key: &x25519::PublicKey,
    date: Date,
    change: impl FnOnce(&mut Mapping),
    rng: &mut SeededRng,
) -> RouterInfo {
    let signing = ed25519::SigningKey::generate(rng);
    let address = |host: &SocketAddr| Ntcp2Address {
        host: Some(*host),
        static_key: *key,
        iv: Some([1; 16]),
        ipv4: host.is_ipv4(),
        ipv6: host.is_ipv6(),
    };
    let mut options = Mapping::new();
    for (name, value) in [("caps", "XR"), ("netId", "77"), ("router.version", "0.9.67")] {
        options.insert(name, value).unwrap();
    }
    change(&mut options);
    let identity = RouterIdentity::new(key, &signing.public(), rng);
    let builder = RouterInfoBuilder {
        identity,
        published: date,
        addresses: hosts.iter().map(|host| address(host).to_address(3)).collect(),
        options,
    };
    RouterInfo::sign(&builder, &signing).unwrap()
}

impl World {
    /// `count` hops and node 0, the creator, which knows them all.
    pub(super) fn new(count: u16, seed: u8) -> World {
        World::with_hosts(count, seed, host)
    }

    /// They live where the function says.
    pub(super) fn with_hosts(count: u16, seed: u8, host: impl Fn(u16) -> SocketAddr) -> World {
        let mut rng = SeededRng::new([seed; 32]);
        let now = Now { tick: Tick(1_000_000_000_000), date: Date(1_800_000_000_000) };
        let mut world = World {
            now,
            nodes: Vec::new(),
            index: BTreeMap::new(),
            known: Known(Vec::new()),
            queue: VecDeque::new(),
            late: BTreeMap::new(),
            count: 0,
            faults: Faults::default(),
            reached: BTreeSet::new(),
            filter: Box::new(|_, _, _| true),
            builds: Vec::new(),
            rng: rng.child("world"),
            _leaks: watch_thread(),
        };
        for n in 0..=count {
            let key = Arc::new(x25519::PrivateKey::generate(&mut rng));
            let info = router_info_at(&[host(n)], &key.public(), now.date, |_| {}, &mut rng);
            let local = LocalRouter { hash: info.hash(), key: Arc::clone(&key) };
            let config = TunnelsConfig { net_id: NET, ipv4: true, ipv6: false, ignore_subnets: false, ours: Vec::new() };
            let machine = Tunnels::new(now, config, local, Box::new(rng.child(&format!("node {n}"))));
            world.index.insert(info.hash(), world.nodes.len());
            world.known.0.push(info.clone());
            world.nodes.push(Node {
                machine,
                info,
                key,
                relays: BTreeMap::new(),
                own: BTreeSet::new(),
                received: Vec::new(),
                others: Vec::new(),
                changed: 0,
                stored: Vec::new(),
                installed: 0,
                dead: false,
                met: BTreeSet::new(),
                unknown: false,
            });
        }
        world
    }

    /// The creator draws other lots from now on.
    pub(super) fn redraw(&mut self, seed: u8) {
        self.nodes[0].machine.rng = Box::new(SeededRng::new([seed; 32]));
    }

    pub(super) fn creator(&mut self) -> &mut Node {
        &mut self.nodes[0]
    }

    pub(super) fn hash(&self, n: usize) -> RouterHash {
        self.nodes[n].info.hash()
    }

    pub(super) fn open(&mut self, owner: Owner, config: PoolConfig) {
        let now = self.now;
        self.creator().machine.open_pool(now, owner, config);
    }

    pub(super) fn random(&mut self, below: u32) -> usize {
        usize::try_from(ramson_crypto::rng::below(&mut self.rng, below)).unwrap()
    }

    /// Lets time pass in steps that end at deadlines or after 100 ms, and delivers all that is sent.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now.tick + time;
        loop {
            let now = self.now;
            self.nodes[0].machine.handle_timeout(now, &self.known);
            self.settle();
            if self.now.tick >= end {
                return;
            }
            let step = Duration::from_millis(100);
            self.now = Now { tick: self.now.tick + step, date: self.now.date + step };
        }
    }

    /// Delivers until nothing moves.
    pub(super) fn settle(&mut self) {
        loop {
            for n in 0..self.nodes.len() {
                self.drain(n);
            }
            let Some((from, to, mut message)) = self.queue.pop_front().or_else(|| self.pop_late()) else {
                return;
            };
            if [MessageKind::SHORT_TUNNEL_BUILD, MessageKind::VARIABLE_TUNNEL_BUILD].contains(&message.kind) {
                self.builds.push((from, to, message.clone()));
            }
            if !(self.filter)(&from, &to, &mut message) {
                continue;
            }
            let Some(n) = self.index.get(&to).copied() else {
                continue;
            };
            if let Some(sender) = self.index.get(&from) {
                self.nodes[*sender].met.insert(to);
            }
            let node = &self.nodes[n];
            if !node.dead && (!node.unknown || node.met.contains(&from)) {
                if message.kind == MessageKind::SHORT_TUNNEL_BUILD {
                    self.reached.insert((to, message.body.clone()));
                }
                self.arrive(n, Some(from), message);
            }
        }
    }

    fn pop_late(&mut self) -> Option<(RouterHash, RouterHash, I2npMessage)> {
        let entry = self.late.first_entry().filter(|entry| entry.key().0 <= self.now.tick)?;
        Some(entry.remove())
    }

    /// Puts a message on its way. Doubled are builds and what is for gateways: a lane drops doubled tunnel data by its IV, and what
    /// leaves tunnels may come as often as their ends like.
    fn send(&mut self, from: RouterHash, to: RouterHash, message: I2npMessage) {
        let Faults { loss, doubled, delay, data } = self.faults;
        let is_data = message.kind == MessageKind::TUNNEL_DATA;
        let spared = is_data && !data;
        if !spared && self.random(100) < usize::try_from(loss).unwrap() {
            return;
        }
        let may_double = [MessageKind::SHORT_TUNNEL_BUILD, MessageKind::TUNNEL_GATEWAY].contains(&message.kind);
        let copies = if may_double && self.random(100) < usize::try_from(doubled).unwrap() { 2 } else { 1 };
        for _ in 0..copies {
            if spared || delay == 0 {
                self.queue.push_back((from, to, message.clone()));
                continue;
            }
            let delay = Duration::from_millis(ramson_crypto::rng::between(&mut self.rng, 0, delay));
            self.count += 1;
            self.late.insert((self.now.tick + delay, self.count), (from, to, message.clone()));
        }
    }

    fn drain(&mut self, n: usize) {
        let now = self.now;
        let us = self.hash(n);
        self.nodes[n].machine.work(now, 16);
        while let Some(output) = self.nodes[n].machine.poll_output() {
            let node = &mut self.nodes[n];
            match output {
                TunnelOutput::Received { owner, message } => node.received.push((owner, message)),
                TunnelOutput::PoolChanged { .. } => node.changed += 1,
                TunnelOutput::Store(record) => node.stored.push(record),
                TunnelOutput::Meet { peer } => {
                    node.met.insert(peer);
                }
                TunnelOutput::Lane(LaneCommand::Send { to, message, .. }) if to == us => self.arrive(n, None, message),
                TunnelOutput::Lane(LaneCommand::Send { to, message, .. }) => self.send(us, to, message),
                TunnelOutput::Lane(LaneCommand::Install(relay)) => {
                    node.installed += 1;
                    let gateway = Gateway::new(Box::new(self.rng.child(&format!("{n} {}", relay.tunnel.get()))));
                    let old = node.relays.insert(relay.tunnel, Installed { relay: *relay, gateway, endpoint: Endpoint::new() });
                    assert!(old.is_none_or(|old| old.relay.expires <= now.tick), "tunnel ids are unique");
                }
                TunnelOutput::Lane(LaneCommand::InstallOwn { tunnel, .. }) => {
                    node.own.insert(tunnel);
                }
                TunnelOutput::Lane(LaneCommand::RemoveOwn { tunnel }) => {
                    node.own.remove(&tunnel);
                }
                TunnelOutput::Lane(other) => panic!("unexpected {other:?}"),
            }
        }
    }

    /// What a node's lane does with a message.
    pub(super) fn arrive(&mut self, n: usize, from: Option<RouterHash>, message: I2npMessage) {
        let now = self.now;
        match message.kind {
            MessageKind::TUNNEL_DATA => {
                let TunnelData { tunnel, mut data } = TunnelData::from_bytes(&message.body).unwrap();
                if self.nodes[n].own.contains(&tunnel) {
                    self.nodes[n].machine.handle_message(now, from, message);
                    return;
                }
                let Some(installed) = self.nodes[n].relays.get_mut(&tunnel) else {
                    return;
                };
                if installed.relay.previous != from || installed.relay.expires <= now.tick {
                    return;
                }
                installed.relay.keys.encrypt(&mut data);
                match installed.relay.role {
                    RelayRole::Participant { next, next_tunnel } => self.pass(n, next, next_tunnel, data),
                    RelayRole::Endpoint => {
                        let messages = installed.endpoint.handle(now, &data).unwrap();
                        for (delivery, message) in messages {
                            self.deliver(n, delivery, message);
                        }
                    }
                    RelayRole::Gateway { .. } => panic!("tunnel data for a gateway"),
                }
            }
            MessageKind::TUNNEL_GATEWAY => {
                let TunnelGateway { tunnel, message: inner } = TunnelGateway::from_bytes(&message.body).unwrap();
                let Some(installed) = self.nodes[n].relays.get_mut(&tunnel) else {
                    self.nodes[n].machine.handle_message(now, from, message);
                    return;
                };
                let RelayRole::Gateway { next, next_tunnel } = installed.relay.role else {
                    return;
                };
                let inner = I2npMessage::decode_long(&inner).unwrap();
                installed.gateway.push(TunnelDelivery::Local, &inner).unwrap();
                let mut ready = installed.gateway.flush();
                for data in &mut ready {
                    installed.relay.keys.encrypt(data);
                }
                for data in ready {
                    self.pass(n, next, next_tunnel, data);
                }
            }
            _ => {
                let Some(message) = self.nodes[n].machine.handle_message(now, from, message) else {
                    return;
                };
                let node = &mut self.nodes[n];
                if message.kind != MessageKind::GARLIC {
                    node.others.push(message);
                    return;
                }
                for clove in router_garlic::open(now, &node.key, &message.body).unwrap() {
                    node.machine.handle_message(now, None, clove.message);
                }
            }
        }
    }

    fn pass(&mut self, n: usize, to: RouterHash, tunnel: TunnelId, data: Box<[u8; 1024]>) {
        let id = MessageId(u32::try_from(self.random(u32::MAX)).unwrap());
        let body = TunnelData { tunnel, data }.to_bytes();
        let message = I2npMessage::new(MessageKind::TUNNEL_DATA, id, self.now.date + Duration::from_secs(8), body);
        self.send(self.hash(n), to, message);
    }

    fn deliver(&mut self, n: usize, delivery: TunnelDelivery, message: I2npMessage) {
        let us = self.hash(n);
        let (to, message) = match delivery {
            TunnelDelivery::Local => panic!("local delivery out of an outbound tunnel"),
            TunnelDelivery::Router(to) => (to, message),
            TunnelDelivery::Tunnel { gateway, tunnel } => {
                let body = TunnelGateway { tunnel, message: message.encode_long().into() }.to_bytes();
                (gateway, I2npMessage::new(MessageKind::TUNNEL_GATEWAY, message.id, message.expiration, body))
            }
        };
        if to == us {
            self.arrive(n, None, message);
        } else {
            self.send(us, to, message);
        }
    }

    /// A message from some other router into an inbound tunnel of the creator.
    pub(super) fn send_into(&mut self, gateway: RouterHash, tunnel: TunnelId, message: &I2npMessage) {
        let body = TunnelGateway { tunnel, message: message.encode_long().into() }.to_bytes();
        let outer = I2npMessage::new(MessageKind::TUNNEL_GATEWAY, MessageId(1), message.expiration, body);
        self.send(RouterHash([9; 32]), gateway, outer);
        self.settle();
    }

    pub(super) fn message(&mut self, kind: MessageKind, len: usize) -> I2npMessage {
        let id = MessageId(u32::try_from(self.random(u32::MAX)).unwrap());
        let body: Vec<u8> = (0..len).map(|n| u8::try_from((n * 31 + len) % 251).unwrap()).collect();
        I2npMessage::new(kind, id, self.now.date + Duration::from_secs(8), body)
    }
}
