//! Two and three lanes on a bad network: connections break, stand still or are never answered, lanes restart, commands come in
//! any order. When that is over, each pair that wants to talk does, over one session, and what was closed is gone.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use ramson_lane::{Class, LaneCommand, LaneConfig, LaneEvent};
use ramson_wire::{I2npMessage, RouterHash};

use crate::network::{NET_ID, Network, note};

/// Cases of each property in the usual run, and in the long one.
const CASES: u32 = 160;
const LONG_CASES: u32 = 6_000;
/// Messages flow again this long after the last fault: the longest backoff, and what a dial and a stalled session take.
const RECOVERY: Duration = Duration::from_secs(320 + 60);
/// One session of each pair is left this long after the last was established.
const SETTLED: Duration = Duration::from_secs(12);

#[derive(Clone, Debug)]
enum Step {
    Connect(usize, usize),
    /// Both dial each other in one moment.
    Both(usize, usize),
    Send(usize, usize, Class, usize),
    Disconnect(usize, usize),
    NoPeer(usize, usize),
    /// The others are told by their systems, or not.
    Restart(usize, bool),
    Online(usize, bool),
    /// The engine answers no questions for RouterInfos, or does again.
    Deaf(usize, bool),
    Cut(usize, usize, bool),
    Reset(usize),
    Delay(u64, u64),
    Move(u8),
    Wait(u32),
}

fn step(nodes: usize) -> impl Strategy<Value = Step> {
    let node = move || 0..nodes;
    let class = prop_oneof![Just(Class::Control), Just(Class::Own), Just(Class::Transit)];
    let wait = prop_oneof![6 => 0..500u32, 3 => 0..15_000u32, 1 => 0..400_000u32];
    prop_oneof![
        3 => (node(), node()).prop_map(|(a, b)| Step::Connect(a, b)),
        2 => (node(), node()).prop_map(|(a, b)| Step::Both(a, b)),
        6 => (node(), node(), class, 0..9000usize).prop_map(|(a, b, class, len)| Step::Send(a, b, class, len)),
        1 => (node(), node()).prop_map(|(a, b)| Step::Disconnect(a, b)),
        1 => (node(), node()).prop_map(|(a, b)| Step::NoPeer(a, b)),
        1 => (node(), any::<bool>()).prop_map(|(a, told)| Step::Restart(a, told)),
        1 => (node(), any::<bool>()).prop_map(|(a, online)| Step::Online(a, online)),
        1 => (node(), any::<bool>()).prop_map(|(a, deaf)| Step::Deaf(a, deaf)),
        2 => (node(), node(), any::<bool>()).prop_map(|(a, b, on)| Step::Cut(a.min(b), a.max(b), on)),
        2 => any::<u8>().prop_map(|which| Step::Reset(usize::from(which))),
        1 => (0..300u64, 0..2_000u64).prop_map(|(least, more)| Step::Delay(least, least + more)),
        8 => any::<u8>().prop_map(Step::Move),
        4 => wait.prop_map(Step::Wait),
    ]
}

/// The network, and what it was given to carry.
struct World {
    net: Network,
    sent: BTreeMap<u32, (usize, usize, I2npMessage)>,
    arrived: BTreeMap<u32, u32>,
    /// Who has a session with whom, as the events of each node tell it.
    connected: Vec<BTreeMap<RouterHash, bool>>,
}

impl World {
    fn new(nodes: usize, seed: u8) -> Self {
        let net = Network::new(nodes, seed);
        Self { net, sent: BTreeMap::new(), arrived: BTreeMap::new(), connected: vec![BTreeMap::new(); nodes] }
    }

    fn apply(&mut self, step: &Step) {
        let net = &mut self.net;
        match *step {
            Step::Connect(a, b) => net.connect(a, b),
            Step::Both(a, b) => {
                net.connect(a, b);
                net.connect(b, a);
            }
            Step::Send(a, b, class, len) => drop(self.send(a, b, class, len)),
            Step::Disconnect(a, b) => {
                let peer = net.nodes[b].hash;
                net.command(a, LaneCommand::Disconnect { peer });
            }
            Step::NoPeer(a, b) => {
                let peer = net.nodes[b].hash;
                net.command(a, LaneCommand::NoPeer { peer });
            }
            Step::Restart(a, told) => {
                self.take_events();
                self.connected[a].clear();
                let config = LaneConfig::closed_network(NET_ID);
                if told { self.net.crash(a, config) } else { self.net.restart(a, config) }
            }
            Step::Online(a, online) => net.nodes[a].online = online,
            Step::Deaf(a, deaf) => net.nodes[a].answers = !deaf,
            Step::Cut(a, b, true) => drop(net.cut.insert((a, b))),
            Step::Cut(a, b, false) => drop(net.cut.remove(&(a, b))),
            Step::Reset(which) => net.reset(which),
            Step::Delay(least, most) => net.delay = (Duration::from_millis(least), Duration::from_millis(most)),
            Step::Move(count) => drop((0..count).find(|_| !net.step())),
            Step::Wait(millis) => net.advance(Duration::from_millis(u64::from(millis))),
        }
        self.take_events();
    }

    fn send(&mut self, from: usize, to: usize, class: Class, len: usize) -> u32 {
        let id = u32::try_from(self.sent.len()).unwrap() + 1;
        let message = note(self.net.now, id, len);
        self.sent.insert(id, (from, to, message.clone()));
        self.net.send(from, to, message, class);
        id
    }

    /// What the lanes said must be true at any moment.
    fn take_events(&mut self) {
        for at in 0..self.net.nodes.len() {
            for event in std::mem::take(&mut self.net.nodes[at].events) {
                match event {
                    LaneEvent::Connected { peer, .. } => {
                        assert!(self.connected[at].insert(peer, true).is_none(), "connected twice");
                    }
                    LaneEvent::Disconnected { peer } => {
                        assert!(self.connected[at].remove(&peer).is_some(), "disconnected twice");
                    }
                    LaneEvent::Message { from, message } => {
                        let (sender, to, sent) = self.sent.get(&message.id.0).unwrap();
                        let said = from.unwrap_or(self.net.nodes[*sender].hash);
                        assert_eq!((said, at), (self.net.nodes[*sender].hash, *to));
                        assert_eq!(message, *sent);
                        *self.arrived.entry(message.id.0).or_default() += 1;
                        assert_eq!(self.arrived[&message.id.0], 1, "delivered twice");
                    }
                    _ => {}
                }
            }
        }
    }

    fn end_faults(&mut self) {
        self.net.cut.clear();
        self.net.delay = (Duration::from_millis(20), Duration::from_millis(80));
        for node in &mut self.net.nodes {
            node.online = true;
            node.answers = true;
        }
    }

    /// All talk to all now and then until the time in which the lanes must have recovered is over; then once more, and all arrives.
    fn recover(&mut self) {
        let nodes = self.net.nodes.len();
        let pairs: Vec<(usize, usize)> =
            (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b))).filter(|(a, b)| a != b).collect();
        let turns = 10;
        for _ in 0..turns {
            for (a, b) in &pairs {
                self.send(*a, *b, Class::Own, 100);
            }
            self.net.advance(RECOVERY / turns);
            self.take_events();
        }
        let ids: Vec<u32> = pairs.iter().map(|(a, b)| self.send(*a, *b, Class::Own, 5000)).collect();
        self.net.advance(SETTLED);
        self.take_events();
        for id in ids {
            assert!(self.arrived.contains_key(&id), "from {} to {} nothing moves", self.sent[&id].0, self.sent[&id].1);
        }
        assert_eq!(self.net.connections(), nodes * (nodes - 1) / 2);
        assert!(self.connected.iter().all(|peers| peers.len() == nodes - 1), "{:?}", self.connected);
    }

    /// All is closed: nothing may be left.
    fn close(&mut self) {
        for a in 0..self.net.nodes.len() {
            for b in 0..self.net.nodes.len() {
                let peer = self.net.nodes[b].hash;
                self.net.command(a, LaneCommand::Disconnect { peer });
            }
        }
        self.net.advance(Duration::from_secs(30));
        self.take_events();
        assert!(self.connected.iter().all(BTreeMap::is_empty));
        assert_eq!(self.net.connections(), 0);
        for node in &self.net.nodes {
            let left = format!("{:?}", node.lane);
            assert_eq!(left, "Lane { conns: 0, peers: 0, connected: 0, pending_bytes: 0, relays: 0, .. }");
            assert_eq!(node.deadline(), None, "something is still waited for");
        }
    }
}

fn run(nodes: usize, seed: u8, steps: &[Step]) {
    let mut world = World::new(nodes, seed);
    for step in steps {
        world.apply(step);
    }
    world.end_faults();
    world.recover();
    world.close();
}

fn case(nodes: usize, most: usize) -> impl Strategy<Value = (u8, Vec<Step>)> {
    (any::<u8>(), proptest::collection::vec(step(nodes), 1..most))
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(CASES))]

    #[test]
    fn a_pair_recovers_from_anything((seed, steps) in case(2, 60)) {
        run(2, seed, &steps);
    }

    #[test]
    fn a_triple_recovers_from_anything((seed, steps) in case(3, 60)) {
        run(3, seed, &steps);
    }
}

proptest! {
    #![proptest_config(config(LONG_CASES))]

    #[test]
    #[ignore = "takes minutes"]
    fn a_pair_recovers_from_anything_long((seed, steps) in case(2, 200)) {
        run(2, seed, &steps);
    }

    #[test]
    #[ignore = "takes minutes"]
    fn a_triple_recovers_from_anything_long((seed, steps) in case(3, 200)) {
        run(3, seed, &steps);
    }
}
