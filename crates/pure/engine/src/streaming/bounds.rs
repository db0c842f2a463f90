//! What the streams of one identity hold, and a digest of it.

use std::sync::atomic::Ordering;

use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::{DestinationHash, Tick};

use super::limits::MAX_GRAVES;
use super::outgoing;
use super::packet::MAX_PAYLOAD;
use super::receiver::{MAX_HELD_BYTES, MAX_SPAN};
use super::rings::{RECEIVE_RING_BYTES, SEND_RING_BYTES, UNCHOKE_FILL};
use super::stream::Stream;
use super::{MAX_BLOCKED, Streaming, StreamingOutput};
use crate::fingerprint::Digest;

impl Streaming {
    pub(crate) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let config = &self.config;
        visit(Bound::new("streaming-outputs", self.out.len(), 0, self.out.len() * size_of::<StreamingOutput>()));
        let keys = entries::<(DestinationHash, u32)>(self.by_peer.len()) + entries::<(Tick, u32)>(self.timers.len());
        let bytes = entries::<(u32, Stream)>(self.streams.len()) + keys;
        visit(Bound::new("streams", self.streams.len(), config.max_streams, bytes));
        visit(Bound::new("streaming-half-open", self.half_open, config.max_half_open, 0));
        let bytes = entries::<((DestinationHash, u32), u32)>(self.foreign.len());
        visit(Bound::new("streaming-foreign", self.foreign.len(), config.max_streams + MAX_GRAVES, bytes));
        visit(Bound::new("streaming-blocked", self.blocked.len(), MAX_BLOCKED, entries::<DestinationHash>(self.blocked.len())));
        visit(self.admission.bound());
        self.early.bounds(visit);
        visit(self.graves.bound());
        visit(self.memory.bound());
        // When memory is short each stream may still go on to what its reader is behind then.
        let received = self.held + self.unread.load(Ordering::Relaxed);
        let limit = config.max_received_bytes + config.max_streams * (UNCHOKE_FILL + 2 * MAX_PAYLOAD);
        visit(Bound::new("streaming-received-bytes", received, limit, 0));
        self.stream_bounds(visit);
    }

    fn stream_bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let (mut sent, mut held, mut missing) = (Fullest::default(), Fullest::default(), Fullest::default());
        let (mut written, mut unread) = (Fullest::default(), Fullest::default());
        for stream in self.streams.values() {
            sent.add(stream.sender.span(), stream.sender.held_bytes(stream.max_payload));
            held.add(stream.receiver.held_bytes(), stream.receiver.held_bytes());
            missing.add(stream.receiver.missing(), entries::<u32>(stream.receiver.missing()));
            written.add(stream.rings.queued(), stream.rings.queued());
            unread.add(stream.rings.unread(), stream.rings.unread());
        }
        visit(sent.bound("stream-packets-sent", outgoing::MAX_SPAN));
        visit(held.bound("stream-held-bytes", MAX_HELD_BYTES));
        visit(missing.bound("stream-packets-missing", usize::try_from(MAX_SPAN).unwrap_or(usize::MAX)));
        visit(written.bound("stream-written-bytes", SEND_RING_BYTES));
        visit(unread.bound("stream-unread-bytes", RECEIVE_RING_BYTES));
    }

    /// What messages change.
    pub(crate) fn fingerprint(&self, digest: &mut Digest) {
        for (local, stream) in &self.streams {
            digest.add((local, stream.peer, stream.remote, stream.sender.position(), stream.receiver.position()));
            digest.add((stream.congestion.window(), stream.rtt.smoothed(), stream.rings.unread(), stream.timeouts));
            digest.add((stream.max_payload, stream.acks_owed, stream.no_room, stream.choking, stream.armed));
            digest.add((stream.last_ack, stream.last_request, stream.last_received, stream.last_data));
        }
        for (key, count) in self.early.waiting() {
            digest.add((key, count));
        }
        digest.add((self.graves.len(), self.graves.newest(), self.foreign.len(), self.half_open, self.next_incoming));
    }
}
