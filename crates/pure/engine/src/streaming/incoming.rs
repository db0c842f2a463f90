//! Where a packet belongs: a living stream, one that is over, a new one, or none.

use std::sync::Arc;

use bytes::Bytes;
use ramson_wire::{Destination, DestinationHash, Tick};

use super::admission::Verdict;
use super::packet::{self, Head, Packet};
use super::rings::StreamRings;
use super::stream::{Ends, Stream};
use super::{Incoming, StreamId, Streaming, StreamingOutput};

/// Bytes of a ping that its answer repeats.
const MAX_PONG: usize = 32;

impl Streaming {
    pub(super) fn dispatch(&mut self, now: Tick, packet: Packet, incoming: Incoming) {
        let proven = incoming.proven_sender;
        if packet.send_id != 0 {
            if self.streams.contains_key(&packet.send_id) {
                self.with(now, packet.send_id, |stream, ctx| stream.on_packet(ctx, &packet, proven));
            } else if packet.has(packet::ECHO) {
                self.answer_ping(now, &packet, &incoming);
            } else if !packet.has(packet::RESET) {
                self.answer_stray(now, &packet, &incoming);
            }
        } else if packet.has(packet::ECHO) {
            // A pong: we never ask.
        } else if packet.has(packet::SYN) && packet.sequence == 0 {
            self.on_first(now, packet, incoming);
        } else if let Some(hash) = proven
            && let Some(&local) = self.foreign.get(&(hash, packet.receive_id))
        {
            self.with(now, local, |stream, ctx| stream.on_packet(ctx, &packet, proven));
        } else if self.config.accept && packet.receive_id != 0 {
            self.early.keep(now, packet.receive_id, incoming);
            self.expect_sweep(now);
        }
    }

    /// Someone opens a stream, or sends the opening again.
    fn on_first(&mut self, now: Tick, packet: Packet, incoming: Incoming) {
        let Some(from) = packet.from.clone().filter(|_| self.config.accept && packet.receive_id != 0) else {
            return;
        };
        let hash = from.hash();
        let proven = incoming.proven_sender;
        if proven.is_some_and(|proven| proven != hash) || !packet.is_for(&self.signer.destination().hash()) {
            return;
        }
        if let Some(&local) = self.foreign.get(&(hash, packet.receive_id)) {
            // Our answer was lost, or someone replays: a stream opens once.
            self.with(now, local, Stream::on_first_again);
            return;
        }
        let half_open = self.half_open >= self.config.max_half_open;
        if half_open || proven.is_none() && !(self.verifications.take(now) && packet.verify(&from, self.date)) {
            return;
        }
        let verdict = self.admission.judge(now, &self.config.rules, hash);
        if verdict == Verdict::Silence {
            return;
        }
        let of_peer = self.by_peer.range((hash, 0)..=(hash, u32::MAX)).count();
        if verdict == Verdict::Reset
            || of_peer >= self.config.max_streams_per_peer
            || self.streams.len() >= self.config.max_streams
        {
            if self.answers.take(now) {
                let ports = (incoming.to_port, incoming.from_port);
                self.send_reset(hash, packet.receive_id, 0, ports);
            }
            return;
        }
        self.open(now, &packet, &incoming, from);
    }

    fn open(&mut self, now: Tick, packet: &Packet, incoming: &Incoming, from: Destination) {
        let hash = from.hash();
        let memory = self.known_path(now, hash);
        let rings = Arc::new(StreamRings::new());
        let id = StreamId(self.next_incoming);
        self.next_incoming = self.next_incoming.wrapping_add(1);
        let ends =
            Ends { id, local: self.free_id(), peer: from.clone(), local_port: incoming.to_port, peer_port: incoming.from_port };
        let local = ends.local;
        self.insert(Stream::new(now, ends, packet.receive_id, Arc::clone(&rings), memory));
        self.out.push_back(StreamingOutput::Incoming {
            stream: id,
            from,
            from_port: incoming.from_port,
            to_port: incoming.to_port,
            rings,
        });
        self.with(now, local, |stream, ctx| stream.accept(ctx, packet));
        for early in self.early.take(hash, packet.receive_id) {
            if let Ok(packet) = Packet::parse(&early.packet) {
                self.with(now, local, |stream, ctx| stream.on_packet(ctx, &packet, early.proven_sender));
            }
        }
    }

    /// A packet for a stream that doesn't live: acks for one that ended well, RESET for others, within a rate and only to
    /// whom has proven himself.
    fn answer_stray(&mut self, now: Tick, packet: &Packet, incoming: &Incoming) {
        if self.graves.contains(packet.send_id) {
            // Asking for a sign of life, the peer believes in a stream that is over.
            let asks = packet.sequence == 0 && packet.delay == Some(0);
            let reset = self.graves.reset(packet.send_id);
            if !(reset || asks || packet.sequence > 0) {
                return;
            }
            let from = incoming.proven_sender;
            let Some(grave) = self.graves.answer(now, packet.send_id, from, packet.receive_id) else {
                return;
            };
            if reset || asks {
                self.send_reset(grave.peer, grave.remote, packet.send_id, grave.ports);
            } else {
                let head =
                    Head { send_id: grave.remote, receive_id: packet.send_id, ack_through: grave.ack_through, ..Head::default() };
                self.send(grave.peer, grave.ports, Bytes::from(head.write(0)));
            }
            return;
        }
        // A late ack needs no answer. Asking for a sign of life, the peer waits in a stream that we lost with a restart.
        let asks = packet.delay == Some(0);
        if packet.sequence == 0 && !packet.has(packet::SYN) && !asks || !self.answers.take(now) {
            return;
        }
        if let Some(peer) = self.who(now, packet, incoming) {
            let ports = (incoming.to_port, incoming.from_port);
            self.send_reset(peer, packet.receive_id, packet.send_id, ports);
        }
    }

    /// Who sent a packet that belongs to no stream, if proven.
    fn who(&mut self, now: Tick, packet: &Packet, incoming: &Incoming) -> Option<DestinationHash> {
        if incoming.proven_sender.is_some() {
            return incoming.proven_sender;
        }
        let from = packet.from.as_ref()?;
        (self.verifications.take(now) && packet.verify(from, self.date)).then(|| from.hash())
    }

    fn answer_ping(&mut self, now: Tick, packet: &Packet, incoming: &Incoming) {
        if !self.config.answer_pings || !self.answers.take(now) {
            return;
        }
        if let Some(peer) = self.who(now, packet, incoming) {
            let head = Head { receive_id: packet.send_id, flags: packet::ECHO, ..Head::default() };
            let mut out = head.write(MAX_PONG);
            out.extend_from_slice(packet.payload.get(..MAX_PONG).unwrap_or(&packet.payload));
            self.send(peer, (incoming.to_port, incoming.from_port), Bytes::from(out));
        }
    }

    fn send_reset(&mut self, to: DestinationHash, remote: u32, local: u32, ports: (u16, u16)) {
        let head =
            Head { send_id: remote, receive_id: local, flags: packet::RESET | packet::SIGNED | packet::FROM, ..Head::default() };
        let (bytes, _) = head.write_signed(&self.signer, |_| {});
        self.send(to, ports, bytes);
    }

    fn send(&mut self, to: DestinationHash, (from_port, to_port): (u16, u16), packet: Bytes) {
        self.out.push_back(StreamingOutput::Transmit { to, from_port, to_port, packet, retransmission: false });
    }
}
