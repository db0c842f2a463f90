//! What a stream has sent and not seen acknowledged: acks, loss, retransmission.
//!
//! Each transmission of a packet gets the next number. A packet that the peer NACKed is lost when three transmissions
//! made later are known to have arrived, or when one made later has and an eighth of a round trip went by on top of one;
//! both grow once reordering was seen. Repeated loss of the same packet is found the same way. Only what lies behind everything
//! acknowledged needs the timeout, and that sends just the last packet, whose ack then tells what else is missing.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ramson_wire::Tick;
use ramson_wire::bounds::entries;

use super::congestion::Congestion;
use super::rtt::Rtt;

/// Later arrivals that make a NACKed packet lost; doubled each time that proves wrong.
const REORDERING: u64 = 3;
const MAX_REORDERING: u64 = 24;
/// Eighths of a round trip that a packet may come late; one more each time that proves wrong.
const SLACK: u32 = 1;
const MAX_SLACK: u32 = 2;

/// What is needed to send a packet again.
#[derive(Debug, Clone)]
pub(super) enum Body {
    /// A data packet: its header is written anew.
    Data(Bytes),
    /// A signed packet, sent again as it is.
    Whole(Bytes),
}

#[derive(Debug)]
struct Sent {
    body: Body,
    number: u64,
    at: Tick,
    /// When it was sent the time before.
    before: Option<Tick>,
    acked: bool,
}

/// What an ack did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Acked {
    pub(super) packets: u32,
    pub(super) progress: bool,
}

#[derive(Debug)]
pub(super) struct Sender {
    /// Sequence of the front of `packets`.
    first: u32,
    packets: VecDeque<Sent>,
    /// Sequences below `high` that aren't acked.
    holes: BTreeSet<u32>,
    /// One past the highest sequence that an ack has covered.
    high: u32,
    /// Found lost, to be sent again.
    lost: BTreeSet<u32>,
    in_flight: u32,
    transmissions: u64,
    /// One past the newest transmission known to have arrived.
    arrived: u64,
    reordering: u64,
    slack: u32,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self {
            first: 0,
            packets: VecDeque::new(),
            holes: BTreeSet::new(),
            high: 0,
            lost: BTreeSet::new(),
            in_flight: 0,
            transmissions: 1,
            arrived: 0,
            reordering: REORDERING,
            slack: SLACK,
        }
    }

    /// The sequence of the next new packet.
    pub(super) fn next(&self) -> u32 {
        self.first.saturating_add(u32::try_from(self.packets.len()).unwrap_or(u32::MAX))
    }

    /// Packets from the first unacked to the last sent.
    pub(super) fn span(&self) -> usize {
        self.packets.len()
    }

    /// Memory of what isn't acked, each packet taken as a full one.
    pub(super) fn held_bytes(&self, max_payload: usize) -> usize {
        let unacked = self.holes.len().max(usize::try_from(self.in_flight).unwrap_or(usize::MAX)).min(self.packets.len());
        self.packets.capacity() * size_of::<Sent>() + unacked * max_payload + entries::<u32>(self.holes.len() + self.lost.len())
    }

    /// Differs after any packet or ack.
    pub(super) fn position(&self) -> (u32, usize, u32, usize, usize, u64, u64) {
        (self.first, self.packets.len(), self.high, self.holes.len(), self.lost.len(), self.transmissions, self.arrived)
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The lowest sequence that isn't acked, or the next one.
    pub(super) fn first(&self) -> u32 {
        self.first
    }

    pub(super) fn all_acked(&self) -> bool {
        self.packets.is_empty()
    }

    /// Whether the packet with this sequence is acked.
    pub(super) fn is_acked(&self, sequence: u32) -> bool {
        sequence < self.first || self.index(sequence).and_then(|i| self.packets.get(i)).is_some_and(|sent| sent.acked)
    }

    pub(super) fn newest(&self) -> u64 {
        self.transmissions
    }

    fn index(&self, sequence: u32) -> Option<usize> {
        sequence.checked_sub(self.first).and_then(|i| usize::try_from(i).ok())
    }

    /// Records a new packet as sent now.
    pub(super) fn push(&mut self, now: Tick, body: Body) {
        let number = self.transmissions;
        self.transmissions += 1;
        self.packets.push_back(Sent { body, number, at: now, before: None, acked: false });
        self.in_flight += 1;
    }

    /// The lowest lost packet, now taken as sent again.
    pub(super) fn resend_lost(&mut self, now: Tick) -> Option<(u32, Body)> {
        let sequence = self.lost.pop_first()?;
        self.in_flight += 1;
        self.resend(now, sequence)
    }

    pub(super) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// The last packet that isn't acked, taken as sent again, to draw an ack.
    pub(super) fn probe(&mut self, now: Tick) -> Option<(u32, Body)> {
        let back = self.packets.iter().rev().position(|sent| !sent.acked)?;
        let index = self.packets.len() - 1 - back;
        let sequence = self.first.saturating_add(u32::try_from(index).ok()?);
        if self.lost.remove(&sequence) {
            self.in_flight += 1;
        }
        self.resend(now, sequence)
    }

    fn resend(&mut self, now: Tick, sequence: u32) -> Option<(u32, Body)> {
        let number = self.transmissions;
        let index = self.index(sequence)?;
        let sent = self.packets.get_mut(index)?;
        self.transmissions += 1;
        sent.number = number;
        sent.before = Some(std::mem::replace(&mut sent.at, now));
        Some((sequence, sent.body.clone()))
    }

    /// Everything in flight counts as lost: after the second timeout in a row.
    pub(super) fn lose_all(&mut self) {
        for (sequence, sent) in (self.first..).zip(&self.packets) {
            if !sent.acked {
                self.lost.insert(sequence);
            }
        }
        self.in_flight = 0;
    }

    /// What was sent before `then` and isn't acked counts as lost, without judging the path: the peer had no room for it.
    pub(super) fn lose_older(&mut self, then: Tick) {
        for (sequence, sent) in (self.first..).zip(&self.packets) {
            if !sent.acked && sent.at < then && self.lost.insert(sequence) {
                self.in_flight = self.in_flight.saturating_sub(1);
            }
        }
    }

    /// Takes one packet as lost without judging the path.
    pub(super) fn lose(&mut self, sequence: u32) {
        if !self.is_acked(sequence) && self.index(sequence).is_some_and(|i| i < self.packets.len()) && self.lost.insert(sequence)
        {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
    }

    /// An ack: everything up to `through` arrived, but the sorted `nacks`. None if it acks what was never sent.
    pub(super) fn ack(
        &mut self,
        now: Tick,
        through: u32,
        nacks: &[u32],
        limited: bool,
        rtt: &mut Rtt,
        congestion: &mut Congestion,
    ) -> Option<Acked> {
        if through >= self.next() {
            return None;
        }
        let mut result = Acked::default();
        let mut sample: Option<(u64, Duration)> = None;
        let end = through.saturating_add(1);
        if !self.holes.is_empty() {
            let filled: Vec<u32> =
                self.holes.range(..end).copied().filter(|sequence| nacks.binary_search(sequence).is_err()).collect();
            for sequence in filled {
                self.holes.remove(&sequence);
                self.arrive(now, sequence, limited, &mut sample, rtt, congestion, &mut result);
            }
        }
        for sequence in self.high.max(self.first)..end {
            if !nacks.is_empty() && nacks.binary_search(&sequence).is_ok() {
                self.holes.insert(sequence);
            } else {
                self.arrive(now, sequence, limited, &mut sample, rtt, congestion, &mut result);
            }
        }
        self.high = self.high.max(end);
        while self.packets.front().is_some_and(|sent| sent.acked) {
            self.packets.pop_front();
            self.first = self.first.saturating_add(1);
            result.progress = true;
        }
        if let Some((_, sample)) = sample {
            rtt.sample(now, sample);
            congestion.on_rtt(sample);
        }
        Some(result)
    }

    #[expect(clippy::too_many_arguments, reason = "one step of `ack`, kept apart for the two loops")]
    fn arrive(
        &mut self,
        now: Tick,
        sequence: u32,
        limited: bool,
        sample: &mut Option<(u64, Duration)>,
        rtt: &Rtt,
        congestion: &mut Congestion,
        result: &mut Acked,
    ) {
        let newest = self.transmissions;
        let Some(sent) = self.index(sequence).and_then(|i| self.packets.get_mut(i)) else {
            return;
        };
        if sent.acked {
            return;
        }
        sent.acked = true;
        sent.body = Body::Data(Bytes::new());
        result.packets += 1;
        let age = now.saturating_since(sent.at);
        let mut number = sent.number;
        if sent.before.is_some() && rtt.fresh_base(now).is_some_and(|base| age < base * 3 / 4) {
            // An answer faster than the path can be: an earlier transmission did arrive.
            congestion.on_spurious();
            self.reordering = (self.reordering * 2).min(MAX_REORDERING);
            self.slack = (self.slack + 1).min(MAX_SLACK);
            number = 0;
        } else if sent.before.is_none_or(|before| rtt.is_over(now.saturating_since(before)))
            && sample.is_none_or(|(latest, _)| sent.number > latest)
        {
            // To this transmission and no earlier one.
            *sample = Some((sent.number, age));
        }
        self.arrived = self.arrived.max(number.saturating_add(1));
        if !self.lost.remove(&sequence) {
            self.in_flight = self.in_flight.saturating_sub(1);
        }
        congestion.on_ack(now, number, newest, limited, rtt);
    }

    /// Finds NACKed packets that are lost by now. Returns when to look again.
    pub(super) fn detect(&mut self, now: Tick, rtt: &Rtt, congestion: &mut Congestion) -> Option<Tick> {
        let wait = rtt.estimate().max(rtt.latest()) * (8 + self.slack) / 8 + Duration::from_millis(1);
        let mut again: Option<Tick> = None;
        let mut found = Vec::new();
        for &sequence in &self.holes {
            if self.lost.contains(&sequence) {
                continue;
            }
            let Some(sent) = self.index(sequence).and_then(|i| self.packets.get(i)) else {
                continue;
            };
            if sent.number >= self.arrived {
                continue;
            }
            let due = sent.at + wait;
            if sent.number + self.reordering < self.arrived || due <= now {
                found.push((sequence, sent.number));
            } else {
                again = Some(again.map_or(due, |tick| tick.min(due)));
            }
        }
        for (sequence, number) in found {
            self.lost.insert(sequence);
            self.in_flight = self.in_flight.saturating_sub(1);
            congestion.on_loss(number);
        }
        again
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.holes.clear();
        self.lost.clear();
        self.in_flight = 0;
    }
}

#[cfg(test)]
mod tests;
