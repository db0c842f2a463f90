//! Target: the streams of two destinations, over a link that loses, repeats, reorders and forges packets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::ed25519::SigningKey;
use ramson_crypto::rng::SeededRng;
use ramson_engine::fuzz::{Streams, StreamsOutput};
use ramson_engine::{StreamId, StreamRings};
use ramson_wire::{Destination, DestinationHash, Now, Tick};

use crate::ops::Ops;
use crate::seeds::routers::START;

/// Operations, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const CONNECT: u8 = 0;
    pub const WRITE: u8 = 1;
    pub const READ: u8 = 2;
    pub const HANDLE: u8 = 3;
    pub const DELIVER: u8 = 4;
    pub const ALL: u8 = 5;
    pub const LOSE: u8 = 6;
    pub const REPEAT: u8 = 7;
    pub const FORGE: u8 = 8;
    pub const INJECT: u8 = 9;
    pub const PASS: u8 = 10;
    pub const BLOCK: u8 = 11;
    pub const RUN: u8 = 12;
    pub const COUNT: u8 = 13;
}

/// What stands between a stream's rings and its reader. The sound one changes nothing.
pub trait Border {
    /// Bytes that were read.
    fn read(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}

/// One end of a stream.
struct End {
    host: usize,
    id: StreamId,
    rings: Arc<StreamRings>,
    written: usize,
    read: Vec<u8>,
    detached: bool,
}

#[derive(Clone)]
struct Flying {
    from: usize,
    packet: Bytes,
}

struct World<'a, B> {
    border: &'a mut B,
    now: Now,
    hosts: [Streams; 2],
    destinations: [Destination; 2],
    flying: Vec<Flying>,
    ends: Vec<End>,
    closed: BTreeSet<(usize, StreamId)>,
    known: BTreeMap<(usize, StreamId), usize>,
    next: u64,
    /// Packets that a destination didn't write came from it: its streams may hold anything.
    forged: bool,
}

/// Runs the target.
pub fn streams(data: &[u8]) {
    streams_with(data, &mut Sound);
}

/// [`streams`] with a border of one's own.
pub fn streams_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let host = |seed: u8| {
        let mut rng = SeededRng::new([seed; 32]);
        let key = SigningKey::generate(&mut rng);
        let destination = Destination::new(&key.public(), &mut rng);
        (Streams::new(destination.clone(), key, seed), destination)
    };
    let ((a, own), (b, peer)) = (host(1), host(2));
    let mut world = World {
        border,
        now: START,
        hosts: [a, b],
        destinations: [own, peer],
        flying: Vec::new(),
        ends: Vec::new(),
        closed: BTreeSet::new(),
        known: BTreeMap::new(),
        next: 0,
        forged: false,
    };
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 150) {
        operations += 1;
        world.step(op, &mut ops);
        world.check();
    }
    world.end();
}

/// The byte at this place of what an end writes.
fn pattern(host: usize, at: usize) -> u8 {
    (at.wrapping_mul(131) ^ (at >> 7) ^ (host * 77)).to_le_bytes()[0]
}

impl<B: Border> World<'_, B> {
    fn hash(&self, host: usize) -> DestinationHash {
        self.destinations[host].hash()
    }

    fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let which = ops.byte();
        let host = usize::from(which % 2);
        match op {
            op::CONNECT => self.connect(host),
            op::WRITE => self.write(which, usize::from(ops.number())),
            op::READ => self.read(which, usize::from(ops.number())),
            op::HANDLE => self.handle(which, ops.byte()),
            op::DELIVER => {
                if let Some(packet) = self.take(which) {
                    self.arrive(packet);
                }
            }
            op::ALL => {
                for packet in std::mem::take(&mut self.flying) {
                    self.arrive(packet);
                }
            }
            op::LOSE => drop(self.take(which)),
            op::REPEAT => {
                if let Some(packet) = self.take(which) {
                    self.flying.push(packet.clone());
                    self.arrive(packet);
                }
            }
            op::FORGE => self.forge(which, ops),
            op::INJECT => {
                self.forged = true;
                let packet = Bytes::copy_from_slice(ops.long_part());
                let proven = ops.byte().is_multiple_of(2).then(|| self.hash(1 - host));
                self.hosts[host].handle_packet(self.now, packet, proven);
            }
            op::PASS => self.pass(Duration::from_millis(u64::from(ops.number()) * if host == 0 { 1 } else { 10 })),
            op::BLOCK => {
                let (to, how) = (self.hash(1 - host), ops.byte());
                match how % 3 {
                    2 => self.hosts[host].set_unreachable(self.now, to),
                    blocked => self.hosts[host].set_blocked(self.now, to, blocked == 1),
                }
            }
            _ => self.run(usize::from(which)),
        }
        self.drain();
    }

    fn connect(&mut self, host: usize) {
        let (id, rings) = (StreamId(self.next), Arc::new(StreamRings::new()));
        self.next += 1;
        self.adopt(host, id, &rings);
        let to = self.destinations[1 - host].clone();
        self.hosts[host].connect(self.now, id, to, rings);
    }

    fn adopt(&mut self, host: usize, id: StreamId, rings: &Arc<StreamRings>) {
        assert!(self.known.insert((host, id), self.ends.len()).is_none(), "a name twice");
        self.ends.push(End { host, id, rings: Arc::clone(rings), written: 0, read: Vec::new(), detached: false });
    }

    fn end_at(&self, which: u8) -> Option<usize> {
        usize::from(which).checked_rem(self.ends.len()).filter(|at| !self.ends[*at].detached)
    }

    fn news(&mut self, at: usize) {
        let end = &self.ends[at];
        if end.rings.take_notify() {
            self.hosts[end.host].handle_dirty(self.now, end.id);
        }
    }

    fn write(&mut self, which: u8, len: usize) {
        let Some(at) = self.end_at(which) else { return };
        let end = &mut self.ends[at];
        let bytes: Vec<u8> = (end.written..end.written + len).map(|place| pattern(end.host, place)).collect();
        if let Poll::Ready(Ok(count)) = end.rings.try_write(&bytes) {
            assert!(count <= len);
            end.written += count;
        }
        self.news(at);
    }

    fn read(&mut self, which: u8, len: usize) {
        let Some(at) = self.end_at(which) else { return };
        let mut buffer = vec![0; len];
        let end = &mut self.ends[at];
        if let Poll::Ready(Ok(count)) = end.rings.try_read(&mut buffer) {
            buffer.truncate(count);
            end.read.extend(self.border.read(buffer));
        }
        self.news(at);
    }

    fn handle(&mut self, which: u8, how: u8) {
        let Some(at) = self.end_at(which) else { return };
        match how % 4 {
            0 | 1 => self.ends[at].rings.shutdown(),
            2 => self.ends[at].rings.reset(),
            _ => {
                self.ends[at].rings.detach();
                self.ends[at].detached = true;
            }
        }
        self.news(at);
    }

    fn take(&mut self, which: u8) -> Option<Flying> {
        let at = usize::from(which).checked_rem(self.flying.len())?;
        Some(self.flying.remove(at))
    }

    fn arrive(&mut self, flying: Flying) {
        let proven = Some(self.hash(flying.from));
        self.hosts[1 - flying.from].handle_packet(self.now, flying.packet, proven);
    }

    /// A packet of a peer that isn't nice: one of its own, changed.
    fn forge(&mut self, which: u8, ops: &mut Ops<'_>) {
        let Some(flying) = self.take(which) else { return };
        let mut packet = flying.packet.to_vec();
        ops.change(&mut packet);
        let proven = (!ops.byte().is_multiple_of(4)).then(|| self.hash(flying.from));
        self.forged |= packet != flying.packet;
        self.hosts[1 - flying.from].handle_packet(self.now, packet.into(), proven);
    }

    fn drain(&mut self) {
        for host in 0..2 {
            for outputs in 0.. {
                assert!(outputs < 20_000, "outputs without end");
                let Some(output) = self.hosts[host].poll_output() else { break };
                match output {
                    StreamsOutput::Transmit { to, packet } => {
                        assert!(packet.len() < 4096, "longer than others take");
                        assert_eq!(to, self.hash(1 - host));
                        if self.flying.len() < 400 {
                            self.flying.push(Flying { from: host, packet });
                        }
                    }
                    StreamsOutput::Incoming { stream, from, rings } => {
                        assert_eq!(from, self.hash(1 - host), "a stream of nobody");
                        self.adopt(host, stream, &rings);
                    }
                    StreamsOutput::Connected(stream) => assert!(self.known.contains_key(&(host, stream))),
                    StreamsOutput::Closed(stream, _) => {
                        assert!(self.known.contains_key(&(host, stream)), "closed what never was");
                        assert!(self.closed.insert((host, stream)), "closed twice");
                    }
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now.tick + time;
        for calls in 0.. {
            assert!(calls < 20_000, "due again and again");
            let due = self.hosts.iter().filter_map(Streams::deadline).min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.go(due);
            self.hosts.iter_mut().for_each(|host| host.handle_timeout(self.now));
            self.drain();
        }
        self.go(end);
    }

    fn go(&mut self, to: Tick) {
        let passed = to.saturating_since(self.now.tick);
        self.now = Now { tick: self.now.tick.max(to), date: self.now.date + passed };
    }

    /// A while in which the link does nothing but its duty.
    fn run(&mut self, rounds: usize) {
        for _ in 0..rounds % 64 {
            for packet in std::mem::take(&mut self.flying) {
                self.arrive(packet);
            }
            self.drain();
            self.pass(Duration::from_millis(50));
            for at in 0..self.ends.len() {
                self.read(u8::try_from(at).unwrap_or(0), 5000);
            }
            self.drain();
        }
    }

    fn check(&self) {
        for host in &self.hosts {
            crate::within_bounds(&mut |visit| host.bounds(visit));
        }
        if !self.forged {
            for end in &self.ends {
                let right = end.read.iter().enumerate().all(|(at, byte)| *byte == pattern(1 - end.host, at));
                assert!(right, "other bytes than were written");
                let written = self.ends.iter().filter(|other| other.host != end.host).map(|other| other.written).max();
                assert!(end.read.len() <= written.unwrap_or(0), "more bytes than were written");
            }
        }
    }

    /// When the other side is silent everything comes to its end.
    fn end(&mut self) {
        self.flying.clear();
        for at in 0..self.ends.len() {
            if !self.ends[at].detached {
                self.ends[at].rings.detach();
            }
            self.news(at);
        }
        self.drain();
        for host in 0..2 {
            let to = self.hash(1 - host);
            self.hosts[host].set_blocked(self.now, to, false);
        }
        self.pass(Duration::from_secs(3600));
        self.flying.clear();
        // Bytes that nobody read count as long as their rings live.
        self.ends.clear();
        self.pass(Duration::from_secs(3600));
        for host in &self.hosts {
            host.bounds(&mut |bound| {
                let kept = ["streaming-memory", "streaming-graves", "streaming-foreign"].contains(&bound.name) || bound.lasting;
                assert!(bound.fill == 0 || kept, "{}: {} are kept", bound.name, bound.fill);
            });
        }
        assert_eq!(self.closed.len(), self.known.len(), "a stream without an end");
    }
}
