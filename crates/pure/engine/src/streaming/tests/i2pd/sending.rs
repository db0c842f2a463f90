//! How i2pd sends.

use std::collections::BTreeSet;

use bytes::Bytes;
use ramson_crypto::rng;

use super::*;

impl I2pd {
    pub(super) fn first(&mut self, now: f64) {
        let hash = packet::hash_as_nacks(&self.peer);
        let answers = self.remote != 0;
        let flags = packet::SYN | packet::SIGNED | packet::FROM | if answers { 0 } else { packet::NO_ACK };
        let head = Head {
            send_id: self.remote,
            receive_id: self.local,
            nacks: if answers { &[] } else { &hash },
            flags,
            max_size: Some(1812),
            ..Head::default()
        };
        let len = self.to_send.min(PAYLOAD);
        let (bytes, _) = head.write_signed(&self.signer, |out| out.extend_from_slice(&vec![0; len]));
        self.to_send -= len;
        self.next = 1;
        self.sent.insert(0, Sent { at: now, resent: false, len });
        self.out.push(bytes);
        self.ack_at = None;
        self.last_send = now;
        self.may_send = false;
        self.schedule_send(now);
        self.resend_at = Some(now + self.rto);
    }

    pub(super) fn schedule_send(&mut self, exact: f64) {
        let random = 10.0 + f64::from(rng::below(&mut self.rng, 2000)) / 1000.0;
        self.send_at = Some(exact + random.max(self.pace.interval));
    }

    pub(super) fn send_buffer(&mut self, now: f64, exact: f64) {
        self.schedule_send(exact);
        let room = self.pace.window as i64 - i64::try_from(self.sent.len()).unwrap();
        if room <= 0 || !self.may_send {
            self.last_send = now;
            return;
        }
        let count = usize::try_from(room).unwrap().min(self.to_leave);
        let was_empty = self.sent.is_empty();
        let mut left = false;
        for _ in 0..count {
            if self.to_send == 0 || self.remote == 0 {
                break;
            }
            let len = self.to_send.min(PAYLOAD);
            self.to_send -= len;
            let ask = self.last_ask == 0.0 || now - self.last_ask > self.pace.least / 10.0;
            if ask {
                self.last_ask = now;
            }
            self.put(self.next, len, ask);
            self.sent.insert(self.next, Sent { at: now, resent: false, len });
            self.next += 1;
            left = true;
        }
        if left {
            if self.saved.is_empty() {
                self.ack_at = None;
            }
            self.last_send = now;
            self.may_send = false;
            if was_empty {
                self.resend_at = Some(exact + self.rto);
            }
        }
    }

    pub(super) fn put(&mut self, sequence: u32, len: usize, ask: bool) {
        let head = Head {
            send_id: self.remote,
            receive_id: self.local,
            sequence,
            ack_through: u32::try_from(self.last.max(0)).unwrap(),
            delay: ask.then_some(0),
            ..Head::default()
        };
        let mut out = head.write(len);
        out.extend_from_slice(&vec![0; len]);
        self.out.push(Bytes::from(out));
    }

    pub(super) fn on_send_timer(&mut self, now: f64, exact: f64) {
        if !(self.last_send > 0.0 && now > self.last_send + self.pace.interval) {
            self.schedule_send(exact);
            return;
        }
        let due = self.pace.left_over + now - self.last_send;
        self.to_leave = (due / self.pace.interval) as usize;
        self.pace.left_over = due - self.to_leave as f64 * self.pace.interval;
        self.may_send = true;
        if self.pace.grow > 0 && (self.pace.window < MAX_WINDOW || self.pace.target > 0.0) && self.to_send > 0 {
            self.pace.widen(self.to_leave, (self.last_grow > 0.0).then_some(now - self.last_grow));
        }
        self.last_grow = now;
        if !self.nacked.is_empty() || self.resend_needed || self.choked {
            self.resend(now, exact);
        } else if self.pace.window as usize > self.sent.len() {
            self.send_buffer(now, exact);
        }
    }

    pub(super) fn resend(&mut self, now: f64, exact: f64) {
        let nacked = !self.nacked.is_empty() && !self.choked;
        let mut again = Vec::new();
        for (&sequence, sent) in &mut self.sent {
            if again.len() >= self.to_leave {
                break;
            }
            if now >= sent.at + self.rto && (!nacked || self.nacked.contains(&sequence)) {
                sent.resent = now < sent.at + self.rto * 3.0;
                sent.at = now;
                again.push((sequence, sent.len));
            }
        }
        if !again.is_empty() && self.may_send {
            if nacked {
                self.attempts = 1;
            } else if self.by_timeout {
                self.attempts += 1;
            }
            if !(self.attempts == 1 && self.rto != INITIAL_RTO) && self.by_timeout {
                self.rto = INITIAL_RTO;
                self.pace.target = INITIAL_WINDOW;
                self.pace.last_drop = 0.0;
                self.pace.grow = 0;
                self.dropped = true;
                self.first_sample = true;
                self.drop_until = 0;
                self.ignore_sample = true;
                self.last_heard = 0.0;
                self.heard_every = ACK_DELAY;
                self.pace.update();
            }
            for (sequence, len) in again {
                self.put(sequence, len, false);
            }
            self.last_send = now;
        } else if !self.choked {
            self.send_buffer(now, exact);
        }
        self.may_send = false;
        if self.by_timeout {
            self.resend_at = Some(exact + self.rto);
        } else if !self.nacked.is_empty() || self.resend_needed || self.choked {
            self.schedule_send(exact);
        }
    }

    pub(super) fn on_ack(&mut self, now: f64, exact: f64, packet: &Packet) {
        if packet.ack_through > self.next {
            return;
        }
        let nacks: BTreeSet<u32> = if packet.has(packet::SYN) { BTreeSet::new() } else { packet.nacks().collect() };
        self.nacked.clear();
        self.resend_needed = false;
        let mut sample = f64::MAX;
        let mut acked = 0usize;
        let covered: Vec<u32> = self.sent.range(..=packet.ack_through).map(|(sequence, _)| *sequence).collect();
        for sequence in covered {
            if nacks.contains(&sequence) {
                self.nacked.insert(sequence);
                continue;
            }
            let sent = self.sent.remove(&sequence).unwrap();
            let age = now - sent.at;
            if sequence == 0 {
                self.first_sample = true;
                sample = age;
            } else if !sent.resent {
                sample = sample.min(age);
            }
            acked += 1;
        }
        let gained = if self.ignore_sample || self.dropped { 0 } else { acked };
        if self.last_heard > 0.0 {
            self.heard_every = (self.heard_every + now - self.last_heard) / 2.0;
        }
        self.last_heard = now;
        if sample < f64::MAX {
            self.on_sample(sample, gained);
            let initial = self.rto == INITIAL_RTO;
            self.rto = (self.pace.rtt * 1.3 + self.pace.jitter + self.heard_every).max(20.0).floor();
            if initial {
                self.resend_at = Some(exact + self.rto);
            }
        }
        self.end_pauses(i64::from(packet.ack_through));
        if acked > 0 || !self.nacked.is_empty() {
            self.resend_at = Some(exact + self.rto);
        }
        if self.to_send == 0 && !self.sent.is_empty() {
            self.resend_needed = true;
            self.rto = (self.pace.rtt * 1.5 + self.pace.jitter + self.heard_every).max(20.0).floor();
        }
        if self.sent.is_empty() && self.to_send == 0 {
            self.resend_at = None;
            self.send_at = None;
            self.last_heard = 0.0;
            self.heard_every = ACK_DELAY;
        }
        if acked > 0 {
            self.ignore_sample = false;
            self.attempts = 0;
            self.by_timeout = false;
            self.send_buffer(now, exact);
        }
    }

    pub(super) fn on_sample(&mut self, sample: f64, gained: usize) {
        let buffer_empty = self.to_send == 0;
        if self.first_sample && !self.ignore_sample {
            self.pace.begin(sample);
            self.first_sample = false;
        } else {
            self.pace.rtt = (self.pace.before + sample) / 2.0;
        }
        if !self.dropped {
            self.pace.measure(sample);
        }
        if buffer_empty || self.pace.is_high() {
            self.pace.grow = 0;
        } else {
            self.pace.grow += gained;
        }
        if self.pace.slow > self.pace.least + self.pace.jitter * 6.0 && !self.dropped && !self.choked {
            self.pace.drop_window();
            self.drop_until = i64::from(self.next) + self.pace.target as i64;
            self.ignore_sample = true;
            self.dropped = true;
        }
        self.pace.update();
        self.pace.before = sample;
    }

    pub(super) fn end_pauses(&mut self, through: i64) {
        if self.choked && (through >= self.drop_until || self.sent.is_empty()) {
            self.choked = false;
        }
        if self.dropped && through > self.drop_until {
            self.first_sample = true;
            self.dropped = false;
        }
        if self.pace.target > 0.0 && self.sent.len() <= self.pace.target as usize {
            self.pace.window = self.pace.target;
            self.pace.target = 0.0;
        }
    }
}
