//! Streaming of one identity: reliable, ordered byte streams over packets that may be lost, reordered or repeated.
//!
//! [`Streaming`] is a machine. The engine feeds it packets that came for its identity, commands and the news of handles,
//! and drains [`Streaming::poll_output`]. Handle and machine share a [`StreamRings`] per stream. Packets that go out
//! are bare streaming packets: the engine frames them (gzip header with the ports), encrypts and routes them, also
//! to itself when a destination talks to its own or another local one.
//!
//! - `packet`: the format. `rings`: what handle and machine share. `stream`, `outgoing`: one stream. `sender`: acks and loss.
//!   `receiver`: order. `flow`: choking. `timeouts`: silence. `rtt`, `congestion`: when and how much to send; the choice of algorithm is argued there.
//!   `limits`: what is remembered beside streams. `admission`: whose streams are taken.
//!
//! Who sent a packet is proven in one of two ways: by the packet's signature, or by the ratchet session it came through
//! (`proven_sender`). SYN, CLOSE, RESET and pings need proof, data and acks only the stream's two ids, which nobody
//! else has seen. A packet proven to come from another destination than the stream's peer is dropped.
//!
//! Limits and what happens beyond them: see [`StreamingConfig`] and the constants of the modules. Source: Streaming Library
//! Specification; where Java and i2pd differ from it or each other, the comments say what was chosen.

mod admission;
mod bounds;
mod config;
mod congestion;
mod flow;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod incoming;
mod limits;
mod outgoing;
mod packet;
mod receiver;
mod rings;
mod rtt;
mod sender;
mod stream;
mod timeouts;
mod timers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, rng};
use ramson_wire::{Date, Destination, DestinationHash, Now, Tick};

pub use admission::{Access, OpenLimits, StreamRules};
pub(crate) use config::{DestinationSigner, StreamingConfig};
pub use rings::{CloseReason, StreamRings, StreamStatus};

use admission::Admission;
use limits::{Bucket, Early, Grave, Graves, Memory};
use packet::Packet;
use stream::{Context, Ends, Stream};

/// A stream's local name: unique in the engine, chosen by whoever opens it. See [`StreamId::first_incoming`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(pub u64);

impl StreamId {
    /// The name of the first stream that others open to identity number `identity`. Names of foreign streams have the top
    /// bit set, so that names given out by handles (counting up from 0) never meet them.
    #[must_use]
    pub fn first_incoming(identity: u32) -> Self {
        Self(1 << 63 | u64::from(identity) << 32)
    }
}

/// A streaming packet that came for the identity.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// The sender's port.
    pub from_port: u16,
    /// Our port.
    pub to_port: u16,
    /// The packet, without framing.
    pub packet: Bytes,
    /// The destination whose LeaseSet holds the key of the ratchet session that the packet came through, if known.
    pub proven_sender: Option<DestinationHash>,
}

/// What [`Streaming`] wants done.
#[derive(Debug)]
pub(crate) enum StreamingOutput {
    /// Send this packet to a destination.
    Transmit {
        /// To whom.
        to: DestinationHash,
        /// Our port.
        from_port: u16,
        /// The peer's port.
        to_port: u16,
        /// The packet, without framing.
        packet: Bytes,
        /// The path seems dead, or loses much: another tunnel or lease may do better. The packet, or what it carries, was sent before.
        retransmission: bool,
    },
    /// A peer opened a stream. Whoever doesn't want it calls `rings.reset()`.
    Incoming {
        /// Its name.
        stream: StreamId,
        /// The peer.
        from: Destination,
        /// The peer's port.
        from_port: u16,
        /// Our port.
        to_port: u16,
        /// For the handle.
        rings: Arc<StreamRings>,
    },
    /// An own stream has been answered.
    Connected {
        /// Its name.
        stream: StreamId,
    },
    /// A stream is over.
    Closed {
        /// Its name.
        stream: StreamId,
        /// Why.
        reason: CloseReason,
    },
}

/// How often what is remembered beside streams is looked through.
const SWEEP: Duration = Duration::from_secs(10);
/// Destinations that can be held back at a time; beyond it a block is ignored.
const MAX_BLOCKED: usize = 4096;

/// Streaming of one identity. Drain [`Self::poll_output`] after every call; [`Self::deadline`] says when to call
/// [`Self::handle_timeout`], which is harmless when early.
pub(crate) struct Streaming {
    signer: Arc<DestinationSigner>,
    config: StreamingConfig,
    rng: Box<dyn CryptoRng + Send>,
    /// By our id.
    streams: BTreeMap<u32, Stream>,
    by_name: BTreeMap<StreamId, u32>,
    by_peer: BTreeSet<(DestinationHash, u32)>,
    /// Foreign streams, living and over, by peer and the peer's id: our id.
    foreign: BTreeMap<(DestinationHash, u32), u32>,
    timers: BTreeSet<(Tick, u32)>,
    blocked: BTreeSet<DestinationHash>,
    admission: Admission,
    early: Early,
    graves: Graves,
    memory: Memory,
    /// When the last packet came.
    date: Date,
    next_sweep: Option<Tick>,
    next_incoming: u64,
    /// Foreign streams whose opener hasn't acked our answer.
    half_open: usize,
    /// Bytes that streams hold besides their rings, and unread ones in the rings.
    held: usize,
    unread: Arc<AtomicUsize>,
    /// Answers to strangers: RESET and pong.
    answers: Bucket,
    /// Signatures of strangers to be verified.
    verifications: Bucket,
    out: VecDeque<StreamingOutput>,
}

impl Streaming {
    /// Streaming of the identity that `signer` holds.
    #[must_use]
    pub(crate) fn new(signer: Arc<DestinationSigner>, config: StreamingConfig, rng: Box<dyn CryptoRng + Send>) -> Self {
        Self {
            signer,
            next_incoming: config.first_incoming.0,
            config,
            half_open: 0,
            held: 0,
            unread: Arc::default(),
            rng,
            streams: BTreeMap::new(),
            by_name: BTreeMap::new(),
            by_peer: BTreeSet::new(),
            foreign: BTreeMap::new(),
            timers: BTreeSet::new(),
            blocked: BTreeSet::new(),
            admission: Admission::default(),
            early: Early::default(),
            graves: Graves::default(),
            memory: Memory::default(),
            date: Date(0),
            next_sweep: None,
            answers: Bucket::new(20, Duration::from_millis(500)),
            verifications: Bucket::new(400, Duration::from_millis(5)),
            out: VecDeque::new(),
        }
    }

    /// Streams that live.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether no stream lives.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Opens a stream. The first packet waits a little for data if the ring is empty.
    pub(crate) fn connect(
        &mut self,
        now: Now,
        stream: StreamId,
        to: Destination,
        from_port: u16,
        to_port: u16,
        rings: Arc<StreamRings>,
    ) {
        if self.streams.len() >= self.config.max_streams || self.by_name.contains_key(&stream) {
            rings.set_closed(CloseReason::Limit);
            self.out.push_back(StreamingOutput::Closed { stream, reason: CloseReason::Limit });
            return;
        }
        let memory = self.known_path(now.tick, to.hash());
        let ends = Ends { id: stream, local: self.free_id(), peer: to, local_port: from_port, peer_port: to_port };
        let local = ends.local;
        self.insert(Stream::new(now.tick, ends, 0, rings, memory));
        self.with(now.tick, local, Stream::start);
    }

    /// A packet came for the identity.
    pub(crate) fn handle_packet(&mut self, now: Now, incoming: Incoming) {
        self.date = now.date;
        match Packet::parse(&incoming.packet) {
            Ok(packet) => self.dispatch(now.tick, packet, incoming),
            Err(error) => tracing::debug!(%error, "bad packet"),
        }
    }

    /// The handle of this stream wrote, read, closed or was dropped.
    pub(crate) fn handle_dirty(&mut self, now: Now, stream: StreamId) {
        if let Some(&local) = self.by_name.get(&stream) {
            self.with(now.tick, local, Stream::on_dirty);
        }
    }

    /// Data to this destination must wait (its first hop is congested, or it has no lease), or may go on. Acks go on always.
    pub(crate) fn set_blocked(&mut self, now: Now, to: DestinationHash, blocked: bool) {
        let changed =
            if blocked { self.blocked.len() < MAX_BLOCKED && self.blocked.insert(to) } else { self.blocked.remove(&to) };
        if changed {
            let streams: Vec<u32> = self.by_peer.range((to, 0)..=(to, u32::MAX)).map(|(_, local)| *local).collect();
            for local in streams {
                self.with(now.tick, local, |stream, ctx| stream.set_blocked(ctx, blocked));
            }
        }
    }

    /// Whether streams to this destination send no new data, see [`Self::set_full`].
    pub(crate) fn is_full(&self, to: &DestinationHash) -> bool {
        let first = self.by_peer.range((*to, 0)..=(*to, u32::MAX)).next();
        first.and_then(|(_, local)| self.streams.get(local)).is_some_and(|stream| stream.full)
    }

    /// So much to this destination isn't known to have arrived that new data must wait, or may go on. What is lost is sent again
    /// always, and a stream that has nothing under way sends a packet.
    pub(crate) fn set_full(&mut self, now: Now, to: DestinationHash, full: bool) {
        if self.is_full(&to) != full {
            let streams: Vec<u32> = self.by_peer.range((to, 0)..=(to, u32::MAX)).map(|(_, local)| *local).collect();
            for local in streams {
                self.with(now.tick, local, |stream, ctx| stream.set_full(ctx, full));
            }
        }
    }

    /// Ends all streams to this destination that have not been answered: it has no LeaseSet. Living ones go on until they
    /// time out.
    pub(crate) fn set_unreachable(&mut self, now: Now, to: DestinationHash) {
        let streams: Vec<u32> = self.by_peer.range((to, 0)..=(to, u32::MAX)).map(|(_, local)| *local).collect();
        for local in streams {
            self.with(now.tick, local, |stream, _| {
                if stream.phase != stream::Phase::Open {
                    stream.end(CloseReason::Unreachable);
                }
            });
        }
    }

    /// Ends all streams, telling the peers.
    pub(crate) fn shutdown(&mut self, now: Now) {
        let streams: Vec<u32> = self.streams.keys().copied().collect();
        for local in streams {
            self.with(now.tick, local, |stream, ctx| stream.abort(ctx, CloseReason::Shutdown));
        }
    }

    /// Does what is due.
    pub(crate) fn handle_timeout(&mut self, now: Now) {
        while let Some(&(at, local)) = self.timers.first() {
            if at > now.tick {
                break;
            }
            self.with(now.tick, local, Stream::on_timeout);
            // A stream that is due again at the same instant must not keep us here.
            if self.timers.first() == Some(&(at, local)) {
                self.rearm(local, now.tick + Duration::from_micros(100));
            }
        }
        if self.next_sweep.is_some_and(|at| at <= now.tick) {
            self.sweep(now.tick);
        }
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let stream = self.timers.first().map(|(at, _)| *at);
        match (stream, self.next_sweep) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The next thing to do, or `None`.
    pub(crate) fn poll_output(&mut self) -> Option<StreamingOutput> {
        self.out.pop_front()
    }

    /// Calls a stream with what it needs, then books what became of it.
    fn with(&mut self, now: Tick, local: u32, call: impl FnOnce(&mut Stream, &mut Context<'_>)) {
        let Some(stream) = self.streams.get_mut(&local) else {
            return;
        };
        let mut ctx = Context {
            now,
            date: self.date,
            signer: &self.signer,
            config: &self.config,
            out: &mut self.out,
            tight: self.held + self.unread.load(Ordering::Relaxed) >= self.config.max_received_bytes,
        };
        call(stream, &mut ctx);
        let held = stream.receiver.held_bytes();
        self.held = (self.held + held).saturating_sub(stream.counted_bytes);
        stream.counted_bytes = held;
        let half_open = stream.half_open() && stream.ended.is_none();
        if half_open != stream.counted_half_open {
            stream.counted_half_open = half_open;
            self.half_open = if half_open { self.half_open + 1 } else { self.half_open.saturating_sub(1) };
        }
        if stream.ended.is_some() {
            self.bury(now, local);
            return;
        }
        let next = stream.timers.next();
        if next != stream.armed {
            if let Some(at) = stream.armed {
                self.timers.remove(&(at, local));
            }
            if let Some(at) = next {
                self.timers.insert((at, local));
            }
            stream.armed = next;
        }
    }

    fn rearm(&mut self, local: u32, at: Tick) {
        if let Some(stream) = self.streams.get_mut(&local) {
            if let Some(before) = stream.armed.replace(at) {
                self.timers.remove(&(before, local));
            }
            self.timers.insert((at, local));
        }
    }

    fn insert(&mut self, mut stream: Stream) {
        let local = stream.ends.local;
        stream.blocked = self.blocked.contains(&stream.peer);
        stream.full = self.is_full(&stream.peer);
        stream.rings.count_with(&self.unread);
        self.by_name.insert(stream.ends.id, local);
        self.by_peer.insert((stream.peer, local));
        if stream.incoming {
            self.foreign.insert((stream.peer, stream.remote), local);
        }
        self.streams.insert(local, stream);
    }

    /// Takes an ended stream out of the tables, reports it, and keeps what is needed to answer for it.
    fn bury(&mut self, now: Tick, local: u32) {
        let Some(mut stream) = self.streams.remove(&local) else {
            return;
        };
        if let Some(at) = stream.armed {
            self.timers.remove(&(at, local));
        }
        self.by_name.remove(&stream.ends.id);
        self.by_peer.remove(&(stream.peer, local));
        let reason = stream.ended.unwrap_or(CloseReason::Finished);
        self.out.push_back(StreamingOutput::Closed { stream: stream.ends.id, reason });
        if let Some(rtt) = stream.rtt.smoothed() {
            self.memory.put(now, stream.peer, rtt, stream.congestion.window(), stream.congestion.has_found_limit());
        }
        if stream.remote != 0 {
            let grave = Grave {
                peer: stream.peer,
                remote: stream.remote,
                incoming: stream.incoming,
                ports: (stream.ends.local_port, stream.ends.peer_port),
                ack_through: stream.receiver.acks(0, &mut stream.nacks),
                reset: !matches!(reason, CloseReason::Finished | CloseReason::Reset),
                answers: 0,
                answered: Tick(0),
            };
            let forgotten = self.graves.add(now, local, grave);
            self.forget(forgotten);
        }
        self.expect_sweep(now);
    }

    fn forget(&mut self, grave: Option<Grave>) {
        if let Some(grave) = grave.filter(|grave| grave.incoming) {
            self.foreign.remove(&(grave.peer, grave.remote));
        }
    }

    fn expect_sweep(&mut self, now: Tick) {
        self.next_sweep.get_or_insert(now + SWEEP);
    }

    fn sweep(&mut self, now: Tick) {
        self.admission.sweep(now);
        self.early.sweep(now);
        self.memory.sweep(now);
        while let Some(grave) = self.graves.sweep(now) {
            self.forget(Some(grave));
        }
        let left = self.early.len() + self.memory.len() + self.graves.len() > 0;
        self.next_sweep = left.then(|| now + SWEEP);
    }

    /// Round trip and window for one more stream to a peer: its part of those that live, or what those had that ended lately.
    fn known_path(&self, now: Tick, peer: DestinationHash) -> Option<(Duration, u32)> {
        let locals = self.by_peer.range((peer, 0)..=(peer, u32::MAX)).map(|(_, local)| local);
        let (mut rtt, mut window, mut count) = (None, 0u32, 1u32);
        for stream in locals.filter_map(|local| self.streams.get(local)) {
            count += 1;
            if let Some(smoothed) = stream.rtt.smoothed() {
                rtt = Some(smoothed);
                window = window.saturating_add(stream.congestion.window());
            }
        }
        let ended = self.memory.get(now, peer);
        let window = window.max(ended.map_or(0, |(_, window)| window)) / count;
        rtt.or(ended.map(|(rtt, _)| rtt)).map(|rtt| (rtt, window))
    }

    /// An id for a stream that no stream has or had lately.
    fn free_id(&mut self) -> u32 {
        loop {
            let id = u32::from_be_bytes(rng::bytes(self.rng.as_mut()));
            if id != 0 && !self.streams.contains_key(&id) && !self.graves.contains(id) {
                return id;
            }
        }
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streaming").field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
