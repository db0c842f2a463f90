//! An engine, and other engines as the hops of its tunnels, joined by lanes that do no more than their duty.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::{ed25519, x25519};
use ramson_engine::{
    Command, Engine, EngineConfig, EngineLimits, Event, IdentityId, Output, RequestId, RouterSecrets, Snapshot, StreamId,
};
use ramson_lane::tunnel_data::{Endpoint, Gateway};
use ramson_lane::{LaneCommand, LaneEvent, Relay, RelayRole};
use ramson_wire::i2np::{DatabaseStore, TunnelData, TunnelGateway};
use ramson_wire::{
    Codec, I2npMessage, MessageId, MessageKind, Now, RouterHash, RouterIdentity, RouterInfo, Tick, TunnelDelivery, TunnelId,
};

use super::Border;
use crate::seeds::routers::{NET_ID, START};

/// Engines in all; number 0 is the one that is watched.
pub const NODES: usize = 6;

/// The keys of an engine of this number.
pub fn secrets(number: u8) -> RouterSecrets {
    let mut rng = SeededRng::new([number; 32]).child("engine");
    let (signing_key, encryption_key) = (ed25519::SigningKey::generate(&mut rng), x25519::PrivateKey::generate(&mut rng));
    RouterSecrets {
        identity: RouterIdentity::new(&encryption_key.public(), &signing_key.public(), &mut rng),
        signing_key,
        encryption_key,
        ntcp2_key: x25519::PrivateKey::generate(&mut rng),
        ntcp2_iv: [1; 16],
    }
}

/// A router that finds this when it starts.
pub(crate) fn engine(number: u8, floodfill: bool, snapshot: Snapshot) -> Engine {
    let config = EngineConfig {
        net_id: NET_ID,
        floodfill,
        ignore_subnets: true,
        addresses: vec![SocketAddr::from(([10, 100 + number, 0, 1], 9000))],
        ipv4: true,
        ipv6: false,
        limits: EngineLimits::default(),
    };
    Engine::new(START, config, secrets(number), snapshot, Box::new(SeededRng::new([number; 32]))).expect("an engine")
}

thread_local! {
    /// RouterInfos of all engines, with number 0 as a floodfill or not: signatures take time.
    static INFOS: RefCell<BTreeMap<bool, Vec<RouterInfo>>> = const { RefCell::new(BTreeMap::new()) };
}

struct Installed {
    relay: Relay,
    gateway: Gateway,
    endpoint: Endpoint,
}

struct Node {
    engine: Engine,
    relays: BTreeMap<TunnelId, Installed>,
    own: BTreeMap<TunnelId, Tick>,
    deadline: Option<Tick>,
}

/// A message between two lanes.
#[derive(Clone)]
pub struct Flying {
    from: RouterHash,
    to: RouterHash,
    /// What it is.
    pub message: I2npMessage,
}

/// See the module.
pub struct Network<'a, B> {
    border: &'a mut B,
    /// The time.
    pub now: Now,
    nodes: Vec<Node>,
    /// All RouterInfos.
    pub infos: Vec<RouterInfo>,
    /// What is under way.
    pub flying: VecDeque<Flying>,
    /// Tokens of stores that the watched engine wants confirmed.
    pub tokens: Vec<u32>,
    open: BTreeSet<IdentityId>,
    asked: BTreeSet<RequestId>,
    streams: BTreeSet<(IdentityId, StreamId)>,
    count: u32,
}

impl<'a, B: Border> Network<'a, B> {
    /// Engines that know each other; those of the last two numbers are floodfills.
    pub fn new(floodfill: bool, border: &'a mut B) -> Self {
        let is_floodfill = |number: usize| if number == 0 { floodfill } else { number + 2 >= NODES };
        let numbers = || (0..NODES).map(|number| (u8::try_from(number).unwrap_or(0), is_floodfill(number)));
        let make =
            || numbers().map(|(n, ff)| engine(n, ff, Snapshot::default()).router_info().clone()).collect::<Vec<RouterInfo>>();
        let infos = INFOS.with_borrow_mut(|known| known.entry(floodfill).or_insert_with(make).clone());
        let known: Vec<_> = infos.iter().map(|info| info.bytes().clone()).collect();
        let node = |(number, floodfill)| {
            let snapshot = Snapshot { reseed: if number == 0 { known.clone() } else { Vec::new() }, ..Snapshot::default() };
            Node { engine: engine(number, floodfill, snapshot), relays: BTreeMap::new(), own: BTreeMap::new(), deadline: None }
        };
        let mut network = Self {
            border,
            now: START,
            nodes: numbers().map(node).collect(),
            infos,
            flying: VecDeque::new(),
            tokens: Vec::new(),
            open: BTreeSet::new(),
            asked: BTreeSet::new(),
            streams: BTreeSet::new(),
            count: 0,
        };
        for number in 0..NODES {
            network.drain(number);
        }
        for number in 1..NODES {
            let peer = network.hash(number);
            network.event(LaneEvent::Connected { peer, inbound: false, clock_skew_secs: 0 });
        }
        network
    }

    /// The hash of an engine, or of nobody.
    pub fn hash(&self, number: usize) -> RouterHash {
        self.infos.get(number).map_or(RouterHash([9; 32]), RouterInfo::hash)
    }

    /// An event of the watched engine's lane.
    pub fn event(&mut self, event: LaneEvent) {
        self.nodes[0].engine.handle_lane(self.now, event);
        self.drain(0);
    }

    /// A message for the watched engine; it may not have it send many.
    pub fn message(&mut self, from: Option<RouterHash>, message: I2npMessage) {
        let before = self.flying.len();
        self.arrive(0, from, message);
        assert!(self.flying.len() <= before + 24, "one message has us send {}", self.flying.len() - before);
    }

    /// A command of the watched engine's services.
    pub fn command(&mut self, command: Command) {
        match &command {
            Command::OpenDestination { id, .. } => drop(self.open.insert(*id)),
            Command::CloseDestination { id } => drop(self.open.remove(id)),
            Command::LookupDestination { request, .. } | Command::Status { request } => drop(self.asked.insert(*request)),
            Command::Connect { id, stream, .. } => drop(self.streams.insert((*id, *stream))),
            Command::StreamDirty { .. } | Command::LimitTunnels { .. } | Command::Reseed { .. } => {}
        }
        self.nodes[0].engine.handle_command(self.now, command);
        self.drain(0);
    }

    /// The watched engine saves what it learned, as before a stop.
    pub fn flush(&mut self) {
        self.nodes[0].engine.flush(self.now);
        self.drain(0);
    }

    /// An own inbound tunnel of the watched engine.
    pub fn own_tunnel(&self, which: u8) -> Option<TunnelId> {
        let own = &self.nodes[0].own;
        own.keys().nth(usize::from(which).checked_rem(own.len())?).copied()
    }

    /// Delivers the oldest message.
    pub fn deliver(&mut self) -> bool {
        let Some(Flying { from, to, message }) = self.flying.pop_front() else { return false };
        if let Some(number) = self.infos.iter().position(|info| info.hash() == to) {
            self.arrive(number, Some(from), message);
        }
        true
    }

    /// Lets time pass for the watched engine.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.tick + time;
        for calls in 0.. {
            assert!(calls < 20_000, "due again and again");
            let Some(due) = self.nodes[0].deadline.filter(|due| *due <= end) else { break };
            // A step at least, as on any machine: what is due at once is done in the next turn of the driver's loop.
            self.go(due.max(self.now.tick + Duration::from_micros(100)));
            self.nodes[0].engine.handle_timeout(self.now);
            self.drain(0);
        }
        self.go(end);
    }

    fn go(&mut self, to: Tick) {
        let passed = to.saturating_since(self.now.tick);
        self.now = Now { tick: self.now.tick.max(to), date: self.now.date + passed };
    }

    /// Delivers everything, and lets time pass, in turn.
    pub fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for _ in 0..200 {
                if !self.deliver() {
                    break;
                }
            }
            self.pass(Duration::from_millis(200));
        }
    }

    fn drain(&mut self, number: usize) {
        for outputs in 0.. {
            assert!(outputs < 20_000, "outputs without end");
            let output = self.nodes[number].engine.poll_output();
            let output = if number == 0 { self.border.output(output) } else { vec![output] };
            for output in output {
                match output {
                    Output::Timeout(deadline) => {
                        self.nodes[number].deadline = deadline;
                        return;
                    }
                    Output::Lane(command) => self.lane(number, command),
                    Output::Event(event) if number == 0 => self.check_event(event),
                    Output::Event(_) | Output::Store(_) => {}
                }
            }
        }
    }

    fn lane(&mut self, number: usize, command: LaneCommand) {
        let now = self.now;
        match command {
            LaneCommand::Send { to, message, .. } => {
                if number == 0 {
                    let store =
                        (message.kind == MessageKind::DATABASE_STORE).then(|| DatabaseStore::from_bytes(&message.body).ok());
                    self.tokens.extend(store.flatten().and_then(|store| store.reply).map(|reply| reply.token));
                }
                self.send(number, to, message);
            }
            LaneCommand::Install(relay) => {
                self.count += 1;
                let gateway = Gateway::new(Box::new(SeededRng::new([self.count.to_be_bytes()[3]; 32])));
                let node = &mut self.nodes[number];
                assert!(!node.own.contains_key(&relay.tunnel), "an id of our own is given away");
                let old = node.relays.insert(relay.tunnel, Installed { relay: *relay, gateway, endpoint: Endpoint::new() });
                assert!(old.is_none_or(|old| old.relay.expires <= now.tick), "the id of a living tunnel");
            }
            LaneCommand::Remove { tunnel } => drop(self.nodes[number].relays.remove(&tunnel)),
            LaneCommand::InstallOwn { tunnel, expires } => {
                let node = &mut self.nodes[number];
                assert!(node.relays.get(&tunnel).is_none_or(|relay| relay.relay.expires <= now.tick), "the id of a relay");
                let old = node.own.insert(tunnel, expires);
                assert!(old.is_none_or(|expires| expires <= now.tick), "an own id twice");
            }
            LaneCommand::RemoveOwn { tunnel } => drop(self.nodes[number].own.remove(&tunnel)),
            LaneCommand::Connect { .. }
            | LaneCommand::NoPeer { .. }
            | LaneCommand::SetRouterInfo { .. }
            | LaneCommand::Disconnect { .. } => {}
        }
    }

    fn send(&mut self, from: usize, to: RouterHash, message: I2npMessage) {
        if self.flying.len() < 1000 {
            self.flying.push_back(Flying { from: self.hash(from), to, message });
        }
    }

    /// What a lane does with a message.
    fn arrive(&mut self, number: usize, from: Option<RouterHash>, message: I2npMessage) {
        let (now, node) = (self.now, &mut self.nodes[number]);
        let out = match message.kind {
            MessageKind::TUNNEL_DATA => {
                let Ok(TunnelData { tunnel, mut data }) = TunnelData::from_bytes(&message.body) else { return };
                match node.relays.get_mut(&tunnel) {
                    Some(installed) if installed.relay.expires > now.tick => {
                        if installed.relay.previous.is_some_and(|previous| Some(previous) != from) {
                            return;
                        }
                        installed.relay.keys.encrypt(&mut data);
                        relayed(now, installed, data)
                    }
                    _ if !node.own.contains_key(&tunnel) => return,
                    _ => return self.up(number, from, message),
                }
            }
            MessageKind::TUNNEL_GATEWAY => {
                let Ok(TunnelGateway { tunnel, message: inner }) = TunnelGateway::from_bytes(&message.body) else { return };
                match node.relays.get_mut(&tunnel) {
                    Some(installed) if installed.relay.expires > now.tick => entered(now, installed, &inner),
                    _ if !node.own.contains_key(&tunnel) => return,
                    _ => return self.up(number, from, message),
                }
            }
            _ => return self.up(number, from, message),
        };
        for (to, message) in out {
            if to == self.hash(number) { self.up(number, None, message) } else { self.send(number, to, message) }
        }
    }

    fn up(&mut self, number: usize, from: Option<RouterHash>, message: I2npMessage) {
        self.nodes[number].engine.handle_lane(self.now, LaneEvent::Message { from, message });
        self.drain(number);
        // The clock of hops stands still but for this: what is dear to open waits for the next turn, which is due at once.
        if number != 0 && self.nodes[number].deadline.is_some_and(|due| due <= self.now.tick) {
            self.nodes[number].engine.handle_timeout(self.now);
            self.drain(number);
        }
    }

    fn check_event(&mut self, event: Event) {
        match event {
            Event::LookupResult { request, .. } | Event::Status { request, .. } => {
                assert!(self.asked.remove(&request), "an answer that nobody asked for, or one twice");
            }
            Event::DestinationReady { id } => assert!(self.open.contains(&id), "ready and not open"),
            Event::Incoming { id, stream, .. } => {
                assert!(self.open.contains(&id), "a stream to nobody");
                assert!(self.streams.insert((id, stream)), "a name twice");
            }
            Event::Datagram { id, .. } => assert!(self.open.contains(&id), "a payload to nobody"),
            Event::StreamConnected { id, stream } => assert!(self.streams.contains(&(id, stream)), "which stream?"),
            Event::StreamClosed { id, stream, .. } => assert!(self.streams.remove(&(id, stream)), "closed twice"),
            Event::Progress(_) | Event::ReseedWanted => {}
        }
    }

    /// What holds between any two calls.
    pub fn check(&self) {
        crate::within_bounds(&mut |visit| self.nodes[0].engine.bounds(visit));
    }

    /// Destinations are closed, and an hour passes.
    pub fn end(&mut self) {
        for id in self.open.clone() {
            self.command(Command::CloseDestination { id });
        }
        self.flying.clear();
        self.pass(Duration::from_secs(120));
        self.flying.clear();
        self.pass(Duration::from_secs(1200));
        assert!(self.asked.is_empty(), "a question without an answer");
        assert!(self.streams.is_empty(), "a stream without an end");
        let now = self.now.tick;
        self.nodes[0].own.retain(|_, expires| *expires > now);
        self.nodes[0].engine.bounds(&mut |bound| {
            assert!(
                bound.identity.is_none() || bound.fill == 0,
                "{}: {} of a destination that is closed",
                bound.name,
                bound.fill
            );
        });
    }
}

/// TunnelData under our layer: where it goes.
fn relayed(now: Now, installed: &mut Installed, data: Box<[u8; 1024]>) -> Vec<(RouterHash, I2npMessage)> {
    match installed.relay.role {
        RelayRole::Participant { next, next_tunnel } => vec![(next, tunnel_data(now, next_tunnel, data))],
        RelayRole::Gateway { .. } => Vec::new(),
        RelayRole::Endpoint => {
            let messages = installed.endpoint.handle(now, &data).unwrap_or_default();
            messages.into_iter().filter_map(|(delivery, message)| delivered(delivery, message)).collect()
        }
    }
}

fn delivered(delivery: TunnelDelivery, message: I2npMessage) -> Option<(RouterHash, I2npMessage)> {
    match delivery {
        TunnelDelivery::Local => None,
        TunnelDelivery::Router(to) => Some((to, message)),
        TunnelDelivery::Tunnel { gateway, tunnel } => Some((gateway, into_tunnel(tunnel, &message))),
    }
}

/// A message for the gateway of a tunnel.
pub fn into_tunnel(tunnel: TunnelId, message: &I2npMessage) -> I2npMessage {
    let body = TunnelGateway { tunnel, message: message.encode_long().into() }.to_bytes();
    I2npMessage::new(MessageKind::TUNNEL_GATEWAY, message.id, message.expiration, body)
}

fn entered(now: Now, installed: &mut Installed, inner: &[u8]) -> Vec<(RouterHash, I2npMessage)> {
    let RelayRole::Gateway { next, next_tunnel } = installed.relay.role else { return Vec::new() };
    let Ok(inner) = I2npMessage::decode_long(inner) else { return Vec::new() };
    if installed.gateway.push(TunnelDelivery::Local, &inner).is_err() {
        return Vec::new();
    }
    let flushed = installed.gateway.flush().into_iter();
    flushed
        .map(|mut data| {
            installed.relay.keys.encrypt(&mut data);
            (next, tunnel_data(now, next_tunnel, data))
        })
        .collect()
}

fn tunnel_data(now: Now, tunnel: TunnelId, data: Box<[u8; 1024]>) -> I2npMessage {
    let id = MessageId(u32::from_be_bytes([data[0], data[1], data[2], data[3]]));
    I2npMessage::new(MessageKind::TUNNEL_DATA, id, now.date + Duration::from_secs(8), TunnelData { tunnel, data }.to_bytes())
}
