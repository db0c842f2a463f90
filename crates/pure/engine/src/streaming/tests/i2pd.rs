//! An endpoint whose timing is that of i2pd's streaming (2.59): when it sends, what it makes of acks, when it acks. What it sends are
//! zeros; it neither closes nor changes tunnels. Floats, since i2pd reckons in them.

#![expect(clippy::cast_possible_truncation, reason = "times and windows of a test, small")]

mod pace;
mod sending;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::{DestinationHash, Tick};

use crate::streaming::DestinationSigner;
use crate::streaming::packet::{self, Head, Packet};
use pace::Pace;

const INITIAL_WINDOW: f64 = 10.0;
const MAX_WINDOW: f64 = 512.0;
const MIN_WINDOW: f64 = 3.0;
const INITIAL_RTT: f64 = 1500.0;
const INITIAL_RTO: f64 = 9000.0;
const ACK_DELAY: f64 = 200.0;
const PAYLOAD: usize = 1812;

struct Sent {
    /// In milliseconds, as all times here.
    at: f64,
    resent: bool,
    len: usize,
}

pub(super) struct I2pd {
    signer: Arc<DestinationSigner>,
    peer: DestinationHash,
    rng: SeededRng,
    local: u32,
    remote: u32,
    /// Bytes it still has to send.
    pub(super) to_send: usize,
    next: u32,
    sent: BTreeMap<u32, Sent>,
    nacked: BTreeSet<u32>,
    pace: Pace,
    rto: f64,
    drop_until: i64,
    dropped: bool,
    first_sample: bool,
    ignore_sample: bool,
    resend_needed: bool,
    by_timeout: bool,
    may_send: bool,
    choked: bool,
    to_leave: usize,
    attempts: u32,
    last_send: f64,
    last_grow: f64,
    last_ask: f64,
    last_heard: f64,
    heard_every: f64,
    send_at: Option<f64>,
    resend_at: Option<f64>,
    ack_at: Option<f64>,
    /// The last in order.
    last: i64,
    saved: BTreeMap<u32, usize>,
    last_ack: f64,
    /// Bytes received in order.
    pub(super) received: usize,
    pub(super) duplicates: usize,
    pub(super) out: Vec<Bytes>,
}

fn millis(now: Tick) -> f64 {
    (now.0 / 1_000_000) as f64
}

impl I2pd {
    pub(super) fn new(signer: Arc<DestinationSigner>, peer: DestinationHash, mut rng: SeededRng, to_send: usize) -> Self {
        let local = u32::from_be_bytes(rng::bytes(&mut rng)) | 1;
        Self {
            signer,
            peer,
            rng,
            local,
            remote: 0,
            to_send,
            next: 0,
            sent: BTreeMap::new(),
            nacked: BTreeSet::new(),
            pace: Pace::new(),
            rto: INITIAL_RTO,
            drop_until: INITIAL_WINDOW as i64,
            dropped: true,
            first_sample: false,
            ignore_sample: false,
            resend_needed: false,
            by_timeout: false,
            may_send: true,
            choked: false,
            to_leave: 0,
            attempts: 0,
            last_send: 0.0,
            last_grow: 0.0,
            last_ask: 0.0,
            last_heard: 0.0,
            heard_every: ACK_DELAY,
            send_at: None,
            resend_at: None,
            ack_at: None,
            last: -1,
            saved: BTreeMap::new(),
            last_ack: -1.0,
            received: 0,
            duplicates: 0,
            out: Vec::new(),
        }
    }

    pub(super) fn hash(&self) -> DestinationHash {
        self.signer.destination().hash()
    }

    /// More bytes are to be sent.
    pub(super) fn write(&mut self, now: Tick, bytes: usize) {
        self.to_send += bytes;
        if self.next > 0 {
            self.send_buffer(millis(now), now.0 as f64 / 1e6);
        }
    }

    /// For a look while tuning.
    pub(super) fn state(&self) -> String {
        let Pace { window, target, rtt, least, slow, jitter, .. } = &self.pace;
        format!("window {window:.0} target {target:.0} rtt {rtt:.0} least {least:.0} slow {slow:.0} jitter {jitter:.0}")
    }

    /// Opens the stream, with data in the first packet.
    pub(super) fn open(&mut self, now: Tick) {
        self.first(millis(now));
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        let at = [self.send_at, self.resend_at, self.ack_at].into_iter().flatten().min_by(f64::total_cmp)?;
        // A little later, so that rounding makes it due.
        Some(Tick((at * 1e6) as u64 + 1_000))
    }

    pub(super) fn handle_timeout(&mut self, now: Tick) {
        let exact = now.0 as f64 / 1e6;
        let now = millis(now);
        let due = |at: Option<f64>| at.is_some_and(|at| at <= exact);
        if due(self.ack_at) {
            self.ack_at = None;
            self.ack(now, None);
        }
        if due(self.resend_at) {
            self.resend_at = None;
            self.may_send = true;
            self.rto = self.rto.min(INITIAL_RTO);
            self.send_at = None;
            self.by_timeout = true;
            self.nacked.clear();
            self.resend_needed = false;
            self.to_leave = 1;
            self.resend(now, exact);
        }
        if due(self.send_at) {
            self.send_at = None;
            self.on_send_timer(now, exact);
        }
    }

    pub(super) fn handle_packet(&mut self, now: Tick, bytes: &Bytes) {
        let exact = now.0 as f64 / 1e6;
        let now = millis(now);
        let packet = Packet::parse(bytes).unwrap();
        if self.remote == 0 {
            self.remote = packet.receive_id;
        }
        if !packet.has(packet::NO_ACK) {
            self.on_ack(now, exact, &packet);
        }
        if packet.sequence == 0 && self.last >= 0 {
            self.on_options(now, exact, &packet);
            return;
        }
        self.on_data(now, exact, &packet);
    }

    // Receiving.

    fn ack_wait(&self, exact: f64) -> f64 {
        exact + (self.pace.rtt / 10.0).clamp(2.0, ACK_DELAY)
    }

    fn on_options(&mut self, now: f64, exact: f64, packet: &Packet) {
        match packet.delay {
            Some(0) if self.last_ack != now => {
                self.ack(now, None);
                if self.ack_at.is_some() {
                    self.ack_at = Some(self.ack_wait(exact));
                }
            }
            Some(delay) if delay >= 60_000 && !self.choked => {
                self.choked = true;
                if delay != 65_535 {
                    self.pace.target = MIN_WINDOW;
                    self.pace.last_drop = 0.0;
                    self.pace.grow = 0;
                    self.dropped = false;
                    self.first_sample = true;
                }
                self.drop_until = i64::from(self.next) - 1;
            }
            _ => {}
        }
    }

    fn on_data(&mut self, now: f64, exact: f64, packet: &Packet) {
        let sequence = i64::from(packet.sequence);
        if sequence == self.last + 1 {
            self.on_options(now, exact, packet);
            self.last = sequence;
            self.received += packet.payload.len();
            while let Some(len) = self.saved.remove(&u32::try_from(self.last + 1).unwrap()) {
                self.last += 1;
                self.received += len;
            }
            if packet.has(packet::SYN) && self.next == 0 {
                self.first(now);
            } else if self.ack_at.is_none() {
                self.ack_at = Some(self.ack_wait(exact));
            }
            return;
        }
        if sequence <= self.last {
            self.duplicates += 1;
        } else {
            let refused = if self.saved.is_empty() {
                sequence - self.last >= 256
            } else {
                let newest = i64::from(*self.saved.last_key_value().unwrap().0);
                let missing = newest - self.last - i64::try_from(self.saved.len()).unwrap();
                missing + (sequence - newest) >= 256
            };
            if refused || sequence - self.last >= MAX_WINDOW as i64 * 3 {
                self.ack(now, Some(65_535));
                return;
            }
            self.saved.insert(packet.sequence, packet.payload.len());
        }
        if self.ack_at.is_none() {
            self.ack(now, None);
            self.ack_at = Some(self.ack_wait(exact));
        }
    }

    fn ack(&mut self, now: f64, delay: Option<u16>) {
        if self.last < 0 || self.remote == 0 {
            return;
        }
        let through = self.saved.last_key_value().map_or(u32::try_from(self.last).unwrap(), |(newest, _)| *newest);
        let first = u32::try_from(self.last + 1).unwrap();
        let nacks: Vec<u32> = (first..through).filter(|sequence| !self.saved.contains_key(sequence)).take(255).collect();
        let head =
            Head { send_id: self.remote, receive_id: self.local, ack_through: through, nacks: &nacks, delay, ..Head::default() };
        self.out.push(Bytes::from(head.write(0)));
        self.last_ack = now;
    }
}
