//! The virtual network.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use ramson_crypto::{
    ed25519,
    rng::{self, SeededRng},
    x25519,
};
use ramson_lane::{Class, ConnId, DropReason, Lane, LaneCommand, LaneConfig, LaneEvent, LaneOutput, LocalIdentity};
use ramson_leaks::{Watch, watch_thread};
use ramson_wire::{
    Date, I2npMessage, Mapping, MessageId, MessageKind, Now, Ntcp2Address, RouterHash, RouterIdentity, RouterInfo,
    RouterInfoBuilder, Tick,
};

pub(crate) const NET_ID: u8 = 77;

/// A router: its lane, and what came out of it.
pub(crate) struct Node {
    pub(crate) lane: Lane,
    pub(crate) hash: RouterHash,
    pub(crate) info: RouterInfo,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<LaneEvent>,
    /// Answer `PeerWanted` with what the network knows.
    pub(crate) answers: bool,
    pub(crate) online: bool,
    deadline: Option<Tick>,
}

impl Node {
    /// Takes out the messages that came up.
    pub(crate) fn messages(&mut self) -> Vec<(Option<RouterHash>, I2npMessage)> {
        let mut messages = Vec::new();
        self.events.retain(|event| match event {
            LaneEvent::Message { from, message } => {
                messages.push((*from, message.clone()));
                false
            }
            _ => true,
        });
        messages
    }

    /// When the lane wants to be called again.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        self.deadline
    }

    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.lane.stats().drops.get(&reason).copied().unwrap_or(0)
    }

    /// What it holds that should be gone when nothing is under way.
    pub(crate) fn unfinished(&self) -> Vec<&'static str> {
        let mut filled = Vec::new();
        self.lane.bounds(&mut |bound| {
            if bound.fill > 0 && !bound.lasting && !STANDING.contains(&bound.name) {
                filled.push(bound.name);
            }
        });
        filled
    }

    pub(crate) fn count(&self, wanted: impl Fn(&LaneEvent) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }
}

/// What it holds as long as sessions and tunnels stand.
const STANDING: [&str; 5] =
    ["relays", "lane-sessions", "lane-connections", "lane-inbound-sessions-of-source", "endpoint-complete-ids"];

/// One direction of a pipe.
struct Flow {
    from: (usize, ConnId),
    to: (usize, ConnId),
    /// With the time at which they can be read.
    bytes: VecDeque<(Tick, Vec<u8>)>,
    ended: bool,
}

pub(crate) struct Network {
    pub(crate) now: Now,
    pub(crate) nodes: Vec<Node>,
    flows: Vec<Flow>,
    rng: SeededRng,
    /// Dials that are under way: dialer, connection, target.
    dials: Vec<(usize, ConnId, SocketAddr)>,
    /// How long bytes are under way, from least to most.
    pub(crate) delay: (Duration, Duration),
    /// Pairs of nodes between which nothing moves, and nobody learns of it.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    _leaks: Watch,
}

impl Network {
    pub(crate) fn new(count: usize, seed: u8) -> Self {
        Self::with_config(count, seed, |_| LaneConfig::closed_network(NET_ID))
    }

    pub(crate) fn with_config(count: usize, seed: u8, config: impl Fn(usize) -> LaneConfig) -> Self {
        let leaks = watch_thread();
        let now = Now { tick: Tick(5_000_000_000), date: Date(1_700_000_000_000) };
        let mut rng = SeededRng::new([seed; 32]);
        let nodes = (0..count).map(|n| node(now, n, config(n), &mut rng)).collect();
        let delay = (Duration::ZERO, Duration::ZERO);
        Self { now, nodes, flows: Vec::new(), rng, dials: Vec::new(), delay, cut: BTreeSet::new(), _leaks: leaks }
    }

    pub(crate) fn command(&mut self, node: usize, command: LaneCommand) {
        self.nodes[node].lane.handle_command(self.now, command);
    }

    pub(crate) fn connect(&mut self, from: usize, to: usize) {
        let info = self.nodes[to].info.clone();
        self.command(from, LaneCommand::Connect { info });
    }

    pub(crate) fn send(&mut self, from: usize, to: usize, message: I2npMessage, class: Class) {
        let to = self.nodes[to].hash;
        self.command(from, LaneCommand::Send { to, message, class });
    }

    pub(crate) fn connections(&self) -> usize {
        self.flows.iter().filter(|flow| !flow.ended).count() / 2
    }

    /// Replaces a lane by a new one, without telling anyone: a crash of the machine.
    pub(crate) fn restart(&mut self, node: usize, config: LaneConfig) {
        self.replace(node, config);
        self.flows.retain(|flow| flow.from.0 != node);
    }

    /// Replaces a lane by a new one, and its connections end: a crash of the program.
    pub(crate) fn crash(&mut self, node: usize, config: LaneConfig) {
        self.replace(node, config);
        for flow in self.flows.iter_mut().filter(|flow| flow.from.0 == node) {
            flow.bytes.clear();
            flow.ended = true;
        }
    }

    fn replace(&mut self, node: usize, config: LaneConfig) {
        self.nodes[node] = self::node(self.now, node, config, &mut self.rng);
        self.dials.retain(|dial| dial.0 != node);
        self.flows.retain(|flow| flow.to.0 != node);
    }

    /// Breaks one of the connections, at both ends at once.
    pub(crate) fn reset(&mut self, which: usize) {
        let Some(flow) = self.flows.get(which % self.flows.len().max(1)) else { return };
        let ends = [flow.from, flow.to];
        self.flows.retain(|flow| !ends.contains(&flow.from));
        for (node, conn) in ends {
            self.nodes[node].lane.handle_eof(self.now, conn);
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn is_ready(&self, flow: &Flow) -> bool {
        let due = flow.bytes.front().map_or(flow.ended, |(at, _)| *at <= self.now.tick);
        due && !self.is_cut(flow.from.0, flow.to.0)
    }

    /// Until nothing moves: outputs are drained, and random pieces of random pipes delivered.
    pub(crate) fn settle(&mut self) {
        while self.step() {}
    }

    /// One move of a random kind; false if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let mut moved = false;
        for node in 0..self.nodes.len() {
            moved |= self.drain(node);
        }
        let ready: Vec<usize> = (0..self.flows.len()).filter(|at| self.is_ready(&self.flows[*at])).collect();
        let dials: Vec<usize> = (0..self.dials.len()).filter(|at| !self.is_lost(&self.dials[*at])).collect();
        let choices = u32::try_from(ready.len() + dials.len()).unwrap();
        if choices == 0 {
            return moved;
        }
        let choice = rng::below(&mut self.rng, choices) as usize;
        match ready.get(choice) {
            Some(flow) => self.deliver(*flow),
            None => self.establish(dials[choice - ready.len()]),
        }
        true
    }

    /// Nobody answers this dial, not even with a refusal.
    fn is_lost(&self, (from, _, remote): &(usize, ConnId, SocketAddr)) -> bool {
        self.nodes.iter().position(|node| node.address == *remote).is_some_and(|to| self.is_cut(*from, to))
    }

    /// Lets time pass, with all timers in it.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now.tick + time;
        self.settle();
        loop {
            let arrivals = self.flows.iter().filter(|flow| !self.is_cut(flow.from.0, flow.to.0));
            let arrivals = arrivals.filter_map(|flow| flow.bytes.front()).map(|(at, _)| *at);
            let next = self.nodes.iter().filter_map(|node| node.deadline).chain(arrivals).min();
            let at = next.map_or(end, |next| next.min(end)).max(self.now.tick);
            let passed = at.saturating_since(self.now.tick);
            self.now = Now { tick: at, date: self.now.date + passed };
            for node in &mut self.nodes {
                if node.deadline.is_some_and(|deadline| deadline <= at) {
                    node.lane.handle_timeout(self.now);
                }
            }
            self.settle();
            if at >= end && self.nodes.iter().all(|node| node.deadline.is_none_or(|next| next > end)) && !self.any_ready() {
                return;
            }
        }
    }

    fn any_ready(&self) -> bool {
        self.flows.iter().any(|flow| self.is_ready(flow))
    }

    fn deliver(&mut self, at: usize) {
        let flow = &mut self.flows[at];
        let (node, conn) = flow.to;
        let Some((_, waiting)) = flow.bytes.front_mut() else {
            let back = (flow.to, flow.from);
            self.flows.remove(at);
            self.flows.retain(|flow| (flow.from, flow.to) != back);
            self.nodes[node].lane.handle_eof(self.now, conn);
            return;
        };
        let most = u32::try_from(waiting.len().min(3000)).unwrap();
        let len = 1 + rng::below(&mut self.rng, most) as usize;
        let bytes: Vec<u8> = waiting.drain(..len).collect();
        if waiting.is_empty() {
            flow.bytes.pop_front();
        }
        let lane = &mut self.nodes[node].lane;
        lane.handle_bytes(self.now, conn, &bytes);
        lane.handle_timeout(self.now);
        lane.end_turn(self.now);
    }

    fn establish(&mut self, at: usize) {
        let (from, conn, remote) = self.dials.remove(at);
        let to = self.nodes.iter().position(|node| node.address == remote && node.online);
        let Some(to) = to else {
            return self.nodes[from].lane.handle_connect_failed(self.now, conn);
        };
        let source = SocketAddr::new(self.nodes[from].address.ip(), 40_000);
        self.nodes[from].lane.handle_connected(self.now, conn);
        let Some(accepted) = self.nodes[to].lane.handle_incoming(self.now, source) else {
            return self.nodes[from].lane.handle_eof(self.now, conn);
        };
        let (a, b) = ((from, conn), (to, accepted));
        for (from, to) in [(a, b), (b, a)] {
            self.flows.push(Flow { from, to, bytes: VecDeque::new(), ended: false });
        }
    }

    fn drain(&mut self, at: usize) -> bool {
        let mut moved = false;
        loop {
            let node = &mut self.nodes[at];
            match node.lane.poll_output() {
                LaneOutput::Timeout(deadline) => {
                    node.deadline = deadline;
                    node.lane.bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{bound:?}"));
                    return moved;
                }
                LaneOutput::Event(LaneEvent::PeerWanted { peer }) if node.answers => {
                    let info = self.nodes.iter().find(|other| other.hash == peer).map(|other| other.info.clone());
                    let answer = info.map_or(LaneCommand::NoPeer { peer }, |info| LaneCommand::Connect { info });
                    self.command(at, answer);
                }
                LaneOutput::Event(event) => node.events.push(event),
                LaneOutput::Dial { conn, remote } => self.dials.push((at, conn, remote)),
                LaneOutput::Close { conn } => {
                    self.dials.retain(|dial| (dial.0, dial.1) != (at, conn));
                    for flow in &mut self.flows {
                        flow.ended |= flow.from == (at, conn);
                    }
                    self.flows.retain(|flow| flow.to != (at, conn));
                }
                LaneOutput::Writable { conn } => self.write(at, conn),
            }
            moved = true;
        }
    }

    fn write(&mut self, at: usize, conn: ConnId) {
        loop {
            let limit = 1 + rng::below(&mut self.rng, 20_000) as usize;
            let mut out = Vec::new();
            self.nodes[at].lane.write_into(self.now, conn, &mut out, limit);
            if out.is_empty() {
                return;
            }
            let (least, most) = self.delay;
            let spread = u64::try_from((most - least).as_nanos()).unwrap();
            let due = self.now.tick + least + Duration::from_nanos(rng::between(&mut self.rng, 0, spread));
            if let Some(flow) = self.flows.iter_mut().find(|flow| flow.from == (at, conn)) {
                // A stream keeps its order.
                let due = flow.bytes.back().map_or(due, |(last, _)| due.max(*last));
                flow.bytes.push_back((due, out));
            }
        }
    }
}

/// The identity and RouterInfo of the router with this number.
pub(crate) fn identity(now: Now, n: usize) -> (Arc<LocalIdentity>, RouterInfo, SocketAddr) {
    let number = u8::try_from(n + 1).unwrap();
    let mut keys = SeededRng::new([number; 32]);
    let ip = IpAddr::V4(Ipv4Addr::new(10, 0, 0, number));
    let address = SocketAddr::new(ip, 10_000);
    let static_key = x25519::PrivateKey::generate(&mut keys);
    let signing = ed25519::SigningKey::generate(&mut keys);
    let encryption = x25519::PrivateKey::generate(&mut keys);
    let identity = RouterIdentity::new(&encryption.public(), &signing.public(), &mut keys);
    let iv = [7; 16];
    let published = Ntcp2Address { host: Some(address), static_key: static_key.public(), iv: Some(iv), ipv4: true, ipv6: false };
    let mut options = Mapping::new();
    for (key, value) in [("caps", "LR"), ("netId", "77"), ("router.version", "0.9.67")] {
        options.insert(key, value).unwrap();
    }
    let builder = RouterInfoBuilder { identity, published: now.date, addresses: vec![published.to_address(3)], options };
    let info = RouterInfo::sign(&builder, &signing).unwrap();
    let local = LocalIdentity { hash: info.hash(), static_key, iv, net_id: NET_ID };
    (Arc::new(local), info, address)
}

fn node(now: Now, n: usize, config: LaneConfig, rng: &mut SeededRng) -> Node {
    let (local, info, address) = identity(now, n);
    let hash = info.hash();
    let rng = Box::new(SeededRng::new(rng::bytes(rng)));
    let lane = Lane::new(now, config, local, info.clone(), rng);
    Node { lane, hash, info, address, events: Vec::new(), answers: true, online: true, deadline: None }
}

/// A message of a kind that the lane doesn't look at.
pub(crate) fn note(now: Now, id: u32, len: usize) -> I2npMessage {
    let body: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
    I2npMessage::new(MessageKind::DATA, MessageId(id), whole_second(now.date + Duration::from_secs(30)), body)
}

/// The short header keeps seconds only.
fn whole_second(date: Date) -> Date {
    Date(date.0 / 1000 * 1000)
}

pub(crate) fn by_id(messages: &[(Option<RouterHash>, I2npMessage)]) -> BTreeMap<u32, usize> {
    let mut ids = BTreeMap::new();
    for (_, message) in messages {
        *ids.entry(message.id.0).or_default() += 1;
    }
    ids
}
