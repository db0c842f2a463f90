//! Two machines, joined by a link that delays, loses, reorders and repeats from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::ed25519::SigningKey;
use ramson_crypto::rng::{self, SeededRng};
use ramson_leaks::{Watch, watch_thread};
use ramson_wire::{Date, Destination, DestinationHash, Now, Tick};

use crate::streaming::*;

/// What the link does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Link {
    pub(super) latency: Duration,
    /// Added at random.
    pub(super) jitter: Duration,
    /// In 1/1000.
    pub(super) loss: u32,
    pub(super) repeats: u32,
    /// Share of packets that are much later, in 1/1000.
    pub(super) late: u32,
    /// Smallest gap between packets, one way: the bandwidth.
    pub(super) gap: Duration,
    /// Packets that queue for their turn; more are lost.
    pub(super) queue: u32,
    /// The link vouches for the sender.
    pub(super) proven: bool,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(10),
            jitter: Duration::ZERO,
            loss: 0,
            repeats: 0,
            late: 0,
            gap: Duration::ZERO,
            queue: 10_000,
            proven: true,
        }
    }
}

pub(super) struct Host {
    pub(super) streaming: Streaming,
    pub(super) destination: Destination,
    pub(super) hash: DestinationHash,
    pub(super) signer: Arc<DestinationSigner>,
    pub(super) incoming: Vec<(StreamId, Arc<StreamRings>)>,
    pub(super) closed: BTreeMap<StreamId, CloseReason>,
    pub(super) connected: Vec<StreamId>,
    /// The peer's port of each foreign stream.
    pub(super) ports: BTreeMap<StreamId, u16>,
    pub(super) sent: usize,
    pub(super) resent: usize,
    busy_until: Tick,
    _leaks: Watch,
}

/// Gets the sender and the packet.
pub(super) type Filter = Box<dyn FnMut(usize, &Bytes) -> bool>;

pub(super) struct Pair {
    pub(super) hosts: [Host; 2],
    pub(super) now: Now,
    pub(super) link: Link,
    pub(super) lost: usize,
    rng: SeededRng,
    flying: BTreeMap<(Tick, u64), (usize, Incoming)>,
    count: u64,
    next_stream: u64,
    /// Sees each packet before it leaves; false loses it.
    pub(super) filter: Filter,
    /// The first packets that left, by their sender, so that they can come again.
    pub(super) history: Vec<(usize, Incoming)>,
}

/// Packets kept in `Pair::history`.
const HISTORY: usize = 400;

pub(super) fn host(rng: &SeededRng, label: &str, config: StreamingConfig) -> Host {
    let leaks = watch_thread();
    let mut own = rng.child(label);
    let key = SigningKey::generate(&mut own);
    let destination = Destination::new(&key.public(), &mut own);
    let signer = Arc::new(DestinationSigner::new(destination.clone(), key));
    Host {
        streaming: Streaming::new(Arc::clone(&signer), config, Box::new(own)),
        hash: destination.hash(),
        destination,
        signer,
        incoming: Vec::new(),
        closed: BTreeMap::new(),
        connected: Vec::new(),
        ports: BTreeMap::new(),
        sent: 0,
        resent: 0,
        busy_until: Tick(0),
        _leaks: leaks,
    }
}

impl Pair {
    pub(super) fn new(seed: u8, link: Link) -> Self {
        let rng = SeededRng::new([seed; 32]);
        let hosts = [host(&rng, "a", StreamingConfig::default()), host(&rng, "b", StreamingConfig::default())];
        Self {
            hosts,
            now: Now { tick: Tick(1_000_000_000), date: Date(1_700_000_000_000) },
            link,
            lost: 0,
            rng: rng.child("link"),
            flying: BTreeMap::new(),
            count: 0,
            next_stream: 0,
            filter: Box::new(|_, _| true),
            history: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self, from: usize) -> (StreamId, Arc<StreamRings>) {
        let rings = Arc::new(StreamRings::new());
        (self.connect_with(from, &rings), rings)
    }

    pub(super) fn connect_with(&mut self, from: usize, rings: &Arc<StreamRings>) -> StreamId {
        let id = StreamId(self.next_stream);
        self.next_stream += 1;
        let to = self.hosts[1 - from].destination.clone();
        self.hosts[from].streaming.connect(self.now, id, to, 1, 2, Arc::clone(rings));
        self.drain();
        id
    }

    /// Opens a stream from a port of its own, by which the other side knows it again.
    pub(super) fn connect_from_port(&mut self, from: usize, port: u16) -> (StreamId, Arc<StreamRings>) {
        let (id, rings) = (StreamId(self.next_stream), Arc::new(StreamRings::new()));
        self.next_stream += 1;
        let to = self.hosts[1 - from].destination.clone();
        self.hosts[from].streaming.connect(self.now, id, to, port, 2, Arc::clone(&rings));
        self.drain();
        (id, rings)
    }

    pub(super) fn news(&mut self, host: usize, id: StreamId, rings: &StreamRings) {
        if rings.take_notify() {
            self.hosts[host].streaming.handle_dirty(self.now, id);
            self.drain();
        }
    }

    pub(super) fn inject(&mut self, host: usize, packet: Incoming) {
        self.hosts[host].streaming.handle_packet(self.now, packet);
        self.drain();
    }

    pub(super) fn drain(&mut self) {
        for from in 0..2 {
            while let Some(output) = self.hosts[from].streaming.poll_output() {
                match output {
                    StreamingOutput::Transmit { to, from_port, to_port, packet, retransmission } => {
                        self.hosts[from].sent += 1;
                        self.hosts[from].resent += usize::from(retransmission);
                        assert!(packet.len() < 4096);
                        let proven_sender = self.link.proven.then_some(self.hosts[from].hash);
                        let to = if to == self.hosts[0].hash { 0 } else { 1 };
                        let incoming = Incoming { from_port, to_port, packet, proven_sender };
                        if self.history.len() < HISTORY {
                            self.history.push((from, incoming.clone()));
                        }
                        if (self.filter)(from, &incoming.packet) {
                            self.fly(from, to, incoming);
                        }
                    }
                    StreamingOutput::Incoming { stream, rings, from_port, .. } => {
                        self.hosts[from].ports.insert(stream, from_port);
                        self.hosts[from].incoming.push((stream, rings));
                    }
                    StreamingOutput::Connected { stream } => self.hosts[from].connected.push(stream),
                    StreamingOutput::Closed { stream, reason } => {
                        assert!(self.hosts[from].closed.insert(stream, reason).is_none());
                    }
                }
            }
        }
    }

    fn chance(&mut self, share: u32) -> bool {
        rng::below(&mut self.rng, 1000) < share
    }

    fn fly(&mut self, from: usize, to: usize, packet: Incoming) {
        let start = self.hosts[from].busy_until.max(self.now.tick);
        let backlog = start.saturating_since(self.now.tick);
        if self.chance(self.link.loss) || backlog > self.link.gap * self.link.queue {
            self.lost += 1;
            return;
        }
        self.hosts[from].busy_until = start + self.link.gap;
        let copies = if self.chance(self.link.repeats) { 2 } else { 1 };
        for _ in 0..copies {
            let jitter = u64::try_from(self.link.jitter.as_nanos()).unwrap();
            let mut delay = self.link.latency + Duration::from_nanos(rng::between(&mut self.rng, 0, jitter));
            if self.chance(self.link.late) {
                delay += self.link.latency;
            }
            self.count += 1;
            self.flying.insert((start + delay, self.count), (to, packet.clone()));
        }
    }

    /// Goes to the next thing that happens; false if nothing will before `until`.
    pub(super) fn step(&mut self, until: Tick) -> bool {
        let mut next = self.flying.first_key_value().map(|((at, _), _)| *at);
        for host in &self.hosts {
            next = match (next, host.streaming.deadline()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        let Some(at) = next.filter(|at| *at <= until) else {
            self.advance_to(until);
            return false;
        };
        self.advance_to(at.max(self.now.tick));
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > self.now.tick {
                break;
            }
            let (to, packet) = entry.remove();
            self.hosts[to].streaming.handle_packet(self.now, packet);
        }
        for host in &mut self.hosts {
            host.streaming.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    fn advance_to(&mut self, at: Tick) {
        let passed = at.saturating_since(self.now.tick);
        self.now = Now { tick: at, date: self.now.date + passed };
    }

    pub(super) fn run(&mut self, time: Duration) {
        let until = self.now.tick + time;
        while self.step(until) {}
    }
}

/// One end of a transfer: writes `total` bytes of a pattern and checks what it reads against the peer's.
pub(super) struct End {
    pub(super) host: usize,
    pub(super) id: StreamId,
    pub(super) rings: Arc<StreamRings>,
    pub(super) write_salt: u64,
    pub(super) read_salt: u64,
    pub(super) total: usize,
    pub(super) written: usize,
    pub(super) read: usize,
    pub(super) end: Option<Result<(), CloseReason>>,
}

pub(super) fn pattern(salt: u64, at: usize) -> u8 {
    let x = (u64::try_from(at).unwrap() ^ salt.rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x >> 56).to_le_bytes()[0]
}

impl End {
    pub(super) fn new(host: usize, id: StreamId, rings: &Arc<StreamRings>, total: usize) -> Self {
        Self {
            host,
            id,
            rings: Arc::clone(rings),
            write_salt: u64::try_from(host).unwrap(),
            read_salt: 1 - u64::try_from(host).unwrap(),
            total,
            written: 0,
            read: 0,
            end: None,
        }
    }

    pub(super) fn write(&mut self, limit: usize) {
        while self.written < self.total.min(limit) {
            let end = (self.written + 7000).min(self.total).min(limit);
            let chunk: Vec<u8> = (self.written..end).map(|at| pattern(self.write_salt, at)).collect();
            match self.rings.try_write(&chunk) {
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(_)) | Poll::Pending => return,
            }
        }
        if self.written == self.total {
            self.rings.shutdown();
        }
    }

    pub(super) fn read(&mut self, limit: usize) {
        let mut buf = vec![0; limit];
        while self.end.is_none() {
            match self.rings.try_read(&mut buf) {
                Poll::Ready(Ok(0)) => self.end = Some(Ok(())),
                Poll::Ready(Ok(count)) => {
                    for byte in &buf[..count] {
                        assert_eq!(*byte, pattern(self.read_salt, self.read), "byte {}", self.read);
                        self.read += 1;
                    }
                }
                Poll::Ready(Err(reason)) => self.end = Some(Err(reason)),
                Poll::Pending => return,
            }
        }
    }

    pub(super) fn done(&self) -> bool {
        self.end.is_some() && self.written == self.total
    }
}

/// Sends `sizes` both ways at once over one stream and returns the time taken.
pub(super) fn transfer(pair: &mut Pair, sizes: [usize; 2], limit: Duration) -> Duration {
    let start = pair.now.tick;
    let until = start + limit;
    let (id, rings) = pair.connect(0);
    let mut ends = vec![End::new(0, id, &rings, sizes[0])];
    loop {
        if ends.len() == 1
            && let Some((id, rings)) = pair.hosts[1].incoming.pop()
        {
            ends.push(End::new(1, id, &rings, sizes[1]));
        }
        for end in &mut ends {
            end.write(usize::MAX);
            end.read(65_536);
            pair.news(end.host, end.id, &end.rings);
        }
        if ends.len() == 2 && ends.iter().all(End::done) {
            break;
        }
        if !pair.step(until) {
            let state: Vec<_> = ends.iter().map(|end| (end.written, end.read, end.end)).collect();
            panic!("stuck after {limit:?}: {state:?}, {:?}", pair.hosts[0].closed);
        }
    }
    let taken = pair.now.tick.saturating_since(start);
    assert_eq!((ends[1].read, ends[0].read), (sizes[0], sizes[1]));
    assert!(ends.iter().all(|end| end.end == Some(Ok(()))));
    taken
}
