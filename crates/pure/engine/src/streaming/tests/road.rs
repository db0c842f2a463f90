//! Streams between pairs of endpoints, ours or such as i2pd's, whose data shares one hop of limited rate. Everything else of the way is
//! delay, jitter and loss, from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{Date, Now, Tick};

use super::i2pd::I2pd;
use super::pair::{Host, host};
use crate::streaming::*;

/// Bytes without end.
pub(super) const ENDLESS: usize = usize::MAX / 2;
/// What a message costs on the way besides the packet: garlic, framing, tunnel headers.
const OVERHEAD: usize = 150;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Ours,
    I2pd,
}

/// The hop that all data passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hop {
    /// Bytes a second; 0 for one without limit.
    pub(super) rate: u64,
    /// What would wait longer is dropped.
    pub(super) queue: Duration,
    /// Bytes that may pass at once at a hop that doesn't queue but drops what is above its rate.
    pub(super) burst: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Way {
    /// One way, and as long back.
    pub(super) latency: Duration,
    /// Added at random, in order.
    pub(super) jitter: Duration,
    /// In 1/1000, each way.
    pub(super) loss: u32,
    pub(super) hop: Hop,
}

impl Way {
    pub(super) fn new(round_trip_millis: u64, rate: u64) -> Self {
        let hop = Hop { rate, queue: Duration::from_secs(10), burst: 0 };
        Self { latency: Duration::from_millis(round_trip_millis) / 2, jitter: Duration::ZERO, loss: 0, hop }
    }
}

enum Machine {
    Ours(Box<Host>, Option<(StreamId, Arc<StreamRings>)>),
    I2pd(Box<I2pd>),
}

struct Node {
    machine: Machine,
    to_send: usize,
    /// Bytes that come before it begins to send.
    after: usize,
    received: usize,
}

/// Two endpoints; the first opens.
struct Flow {
    nodes: [Node; 2],
    /// Who sends the data that passes the hop.
    source: usize,
    size: usize,
    done_at: Option<Tick>,
}

pub(super) struct Road {
    pub(super) now: Now,
    way: Way,
    rng: SeededRng,
    flows: Vec<Flow>,
    flying: BTreeMap<(Tick, u64), (usize, usize, Incoming)>,
    last_arrival: BTreeMap<(usize, usize), Tick>,
    count: u64,
    free_at: Tick,
    tokens: u64,
    refilled: Tick,
    pub(super) passed: usize,
    pub(super) dropped: usize,
    /// Time in the hop's queue, in microseconds, of each packet since the last look.
    pub(super) waits: Vec<u64>,
    /// Packets against the data's direction.
    pub(super) acks: usize,
}

impl Road {
    pub(super) fn new(seed: u8, way: Way) -> Self {
        Self {
            now: Now { tick: Tick(1_000_000_000), date: Date(1_700_000_000_000) },
            way,
            rng: SeededRng::new([seed; 32]),
            flows: Vec::new(),
            flying: BTreeMap::new(),
            last_arrival: BTreeMap::new(),
            count: 0,
            free_at: Tick(0),
            tokens: way.hop.burst,
            refilled: Tick(1_000_000_000),
            passed: 0,
            dropped: 0,
            waits: Vec::new(),
            acks: 0,
        }
    }

    /// Opens a stream; `sizes` go each way, those of the side that answers after the first bytes came. The hop is on the way of the longer.
    pub(super) fn add(&mut self, kinds: [Kind; 2], sizes: [usize; 2]) -> usize {
        let index = self.flows.len();
        let hosts = ["a", "b"].map(|side| host(&self.rng, &format!("{side}{index}"), StreamingConfig::default()));
        let ids = [0, 1].map(|side: usize| (Arc::clone(&hosts[side].signer), hosts[1 - side].hash));
        let peer = hosts[1].destination.clone();
        let mut side = 0;
        let mut nodes = hosts.map(|host| {
            let (signer, peer) = ids[side].clone();
            let machine = match kinds[side] {
                Kind::Ours => Machine::Ours(Box::new(host), None),
                Kind::I2pd => {
                    let rng = self.rng.child(&format!("i2pd {side} {index}"));
                    Machine::I2pd(Box::new(I2pd::new(signer, peer, rng, if side == 0 { sizes[0] } else { 0 })))
                }
            };
            let node = Node { machine, to_send: sizes[side], after: side, received: 0 };
            side += 1;
            node
        });
        match &mut nodes[0].machine {
            Machine::Ours(host, own) => {
                let (id, rings) = (StreamId(1), Arc::new(StreamRings::new()));
                nodes[0].to_send = write(&rings, nodes[0].to_send);
                host.streaming.connect(self.now, id, peer, 1, 2, Arc::clone(&rings));
                *own = Some((id, rings));
            }
            Machine::I2pd(i2pd) => {
                nodes[0].to_send = 0;
                i2pd.open(self.now.tick);
            }
        }
        let source = usize::from(sizes[1] > sizes[0]);
        self.flows.push(Flow { nodes, source, size: sizes[source], done_at: None });
        self.work(index);
        index
    }

    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Bytes that came out at the far end of a stream.
    pub(super) fn received(&self, flow: usize) -> usize {
        self.flows[flow].nodes[1 - self.flows[flow].source].received
    }

    /// When the receiver had all.
    pub(super) fn took(&self, flow: usize) -> Option<Duration> {
        self.flows[flow].done_at.map(|at| at.saturating_since(Tick(1_000_000_000)))
    }

    /// What our side's congestion control thinks, for a look while tuning.
    pub(super) fn state(&self, flow: usize) -> String {
        let flow = &self.flows[flow];
        match &flow.nodes[flow.source].machine {
            Machine::Ours(host, _) => host.streaming.streams.values().map(|stream| format!("{:?}", stream.congestion)).collect(),
            Machine::I2pd(i2pd) => i2pd.state(),
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now.tick + time;
        while self.step(until) {}
        self.advance_to(until);
    }

    fn step(&mut self, until: Tick) -> bool {
        let nodes = self.flows.iter().flat_map(|flow| &flow.nodes).filter_map(Node::deadline).min();
        let flying = self.flying.first_key_value().map(|((at, _), _)| *at);
        let Some(at) = nodes.into_iter().chain(flying).min().filter(|at| *at <= until) else {
            return false;
        };
        self.advance_to(at.max(self.now.tick));
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > self.now.tick {
                break;
            }
            let (flow, side, packet) = entry.remove();
            self.flows[flow].nodes[side].handle(self.now, packet);
            self.work(flow);
        }
        for flow in 0..self.flows.len() {
            let mut due = false;
            for node in &mut self.flows[flow].nodes {
                if node.deadline().is_some_and(|at| at <= self.now.tick) {
                    node.on_timeout(self.now);
                    due = true;
                }
            }
            if due {
                self.work(flow);
            }
        }
        true
    }

    /// Lets the applications of a flow read and write, and takes what its endpoints send.
    fn work(&mut self, flow: usize) {
        for side in 0..2 {
            let packets = self.flows[flow].nodes[side].work(self.now);
            for packet in packets {
                self.send(flow, side, packet);
            }
        }
        let Flow { nodes, source, size, done_at } = &mut self.flows[flow];
        if done_at.is_none() && nodes[1 - *source].received == *size {
            *done_at = Some(self.now.tick);
        }
    }

    fn send(&mut self, flow: usize, side: usize, packet: Incoming) {
        let mut at = self.now.tick;
        if side == self.flows[flow].source {
            let Some(out) = self.through_hop(packet.packet.len() + OVERHEAD) else {
                return;
            };
            at = out;
        } else {
            self.acks += 1;
        }
        if rng::below(&mut self.rng, 1000) < self.way.loss {
            return;
        }
        let jitter = u64::try_from(self.way.jitter.as_nanos()).unwrap();
        at = at + self.way.latency + Duration::from_nanos(rng::between(&mut self.rng, 0, jitter));
        let last = self.last_arrival.entry((flow, side)).or_insert(at);
        *last = at.max(*last);
        self.count += 1;
        self.flying.insert((*last, self.count), (flow, 1 - side, packet));
    }

    /// When a packet leaves the hop.
    fn through_hop(&mut self, len: usize) -> Option<Tick> {
        let (hop, now) = (self.way.hop, self.now.tick);
        let len = u64::try_from(len).unwrap();
        if hop.rate == 0 {
            self.passed += 1;
            return Some(now);
        }
        if hop.burst > 0 {
            let gained = now.saturating_since(self.refilled).as_nanos() * u128::from(hop.rate) / 1_000_000_000;
            self.tokens = (self.tokens + u64::try_from(gained).unwrap()).min(hop.burst);
            self.refilled = now;
            if self.tokens < len {
                self.dropped += 1;
                return None;
            }
            self.tokens -= len;
            self.passed += 1;
            return Some(now);
        }
        let start = self.free_at.max(now);
        let wait = start.saturating_since(now);
        if wait > hop.queue {
            self.dropped += 1;
            return None;
        }
        self.waits.push(u64::try_from(wait.as_micros()).unwrap());
        self.passed += 1;
        self.free_at = start + Duration::from_nanos(len * 1_000_000_000 / hop.rate);
        Some(self.free_at)
    }

    fn advance_to(&mut self, at: Tick) {
        let passed = at.saturating_since(self.now.tick);
        self.now = Now { tick: at, date: self.now.date + passed };
    }
}

impl Node {
    fn deadline(&self) -> Option<Tick> {
        match &self.machine {
            Machine::Ours(host, _) => host.streaming.deadline(),
            Machine::I2pd(i2pd) => i2pd.deadline(),
        }
    }

    fn on_timeout(&mut self, now: Now) {
        match &mut self.machine {
            Machine::Ours(host, _) => host.streaming.handle_timeout(now),
            Machine::I2pd(i2pd) => i2pd.handle_timeout(now.tick),
        }
    }

    fn handle(&mut self, now: Now, packet: Incoming) {
        match &mut self.machine {
            Machine::Ours(host, _) => host.streaming.handle_packet(now, packet),
            Machine::I2pd(i2pd) => i2pd.handle_packet(now.tick, &packet.packet),
        }
    }

    fn work(&mut self, now: Now) -> Vec<Incoming> {
        let mut packets = Vec::new();
        match &mut self.machine {
            Machine::Ours(host, own) => {
                outputs(host, own, &mut packets);
                // The application goes on as long as there is something for it: nothing else may wake this endpoint for long.
                while let Some((id, rings)) = own {
                    self.received += read(rings);
                    if self.received >= self.after {
                        self.to_send = write(rings, self.to_send);
                    }
                    if !rings.take_notify() {
                        break;
                    }
                    host.streaming.handle_dirty(now, *id);
                }
                outputs(host, own, &mut packets);
            }
            Machine::I2pd(i2pd) => {
                self.received = i2pd.received;
                if self.received >= self.after && self.to_send > 0 {
                    i2pd.write(now.tick, std::mem::take(&mut self.to_send));
                }
                let hash = i2pd.hash();
                for packet in i2pd.out.drain(..) {
                    packets.push(Incoming { from_port: 1, to_port: 2, packet, proven_sender: Some(hash) });
                }
            }
        }
        packets
    }
}

fn outputs(host: &mut Host, own: &mut Option<(StreamId, Arc<StreamRings>)>, packets: &mut Vec<Incoming>) {
    while let Some(output) = host.streaming.poll_output() {
        match output {
            StreamingOutput::Transmit { from_port, to_port, packet, .. } => {
                packets.push(Incoming { from_port, to_port, packet, proven_sender: Some(host.hash) });
            }
            StreamingOutput::Incoming { stream, rings, .. } => *own = Some((stream, rings)),
            StreamingOutput::Closed { reason, .. } => panic!("closed: {reason:?}"),
            StreamingOutput::Connected { .. } => {}
        }
    }
}

/// Writes zeros as long as there is room; returns what is left to write.
fn write(rings: &StreamRings, mut left: usize) -> usize {
    let zeros = [0; 8192];
    while left > 0 {
        match rings.try_write(&zeros[..left.min(zeros.len())]) {
            Poll::Ready(Ok(count)) => left -= count,
            _ => break,
        }
    }
    left
}

fn read(rings: &StreamRings) -> usize {
    let mut buf = [0; 16_384];
    let mut count = 0;
    while let Poll::Ready(Ok(read @ 1..)) = rings.try_read(&mut buf) {
        count += read;
    }
    count
}
