//! One direction of a TCP connection: what may be under way, and when segments arrive.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng;
use ramson_lane::ConnId;
use ramson_wire::Tick;

use super::{EndId, Net, NetHappening};
use crate::schedule::Schedule;
use crate::world::Happening;

/// Bytes under way and unread in one direction: the receiver's buffer.
const WINDOW: usize = 256 * 1024;
/// Bytes written and not sent yet: the sender's buffer.
const SEND_BUFFER: usize = 128 * 1024;
/// Headers of IP and TCP.
const HEADERS: u32 = 40;
/// The congestion window begins with so many packets, and never has fewer than two.
const FIRST_PACKETS: usize = 10;
/// Largest segment: what a sender hands over at once is cut at random.
const SEGMENT: u64 = 16 * 1024;
/// A retransmission after a time-out comes no sooner.
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);
/// Who hears nothing of what it sent for so long takes the connection for dead, as the production driver asks of the system.
pub(super) const GIVE_UP: Duration = Duration::from_secs(60);
/// A line's queue holds what it carries in so long.
const LINE_QUEUE: Duration = Duration::from_millis(300);
/// How often a held up connection finds out whether the network is whole again.
const RETRY_MILLIS: (u64, u64) = (200, 2_000);

pub(super) struct Direction {
    packet: usize,
    unsent: VecDeque<Bytes>,
    unsent_bytes: usize,
    /// Nothing more is written, and the end is to be told when all is sent.
    finishing: bool,
    /// Sent, and not known to be read.
    in_flight: usize,
    /// When what was read is known to be.
    acks: VecDeque<(Tick, usize)>,
    /// Congestion window.
    window: usize,
    /// Above this it grows slowly.
    threshold: usize,
    /// Waits for the next acknowledgement to send on.
    waits: bool,
    /// Goes on then.
    pumped_at: Option<Tick>,
    /// The buffer was full when there was more to write.
    blocked: bool,
    /// When the last segment sent from here arrives.
    last_arrival: Tick,
    /// Until then a full queue makes the window no smaller: it was, and that still has to be felt there.
    cut_until: Tick,
}

impl Direction {
    pub(super) fn new(mtu: u32) -> Self {
        let packet = usize::try_from(mtu.saturating_sub(HEADERS).max(64)).unwrap_or(1_460);
        Self {
            packet,
            unsent: VecDeque::new(),
            unsent_bytes: 0,
            finishing: false,
            in_flight: 0,
            acks: VecDeque::new(),
            window: packet * FIRST_PACKETS,
            threshold: WINDOW,
            waits: false,
            pumped_at: None,
            blocked: false,
            last_arrival: Tick(0),
            cut_until: Tick(0),
        }
    }

    /// Nothing more will be written.
    pub(super) fn finish(&mut self) {
        self.finishing = true;
    }

    /// What wasn't sent never is.
    pub(super) fn abort(&mut self) {
        self.unsent.clear();
        self.unsent_bytes = 0;
    }

    /// Notes that so much was read, which is known here at `at`. Then the sender is to be woken, if it waits.
    pub(super) fn acknowledged(&mut self, at: Tick, size: usize) -> Option<Tick> {
        self.acks.push_back((at, size));
        std::mem::take(&mut self.waits).then_some(at)
    }

    fn room(&mut self, now: Tick) -> usize {
        while let Some((at, size)) = self.acks.front().copied()
            && at <= now
        {
            self.acks.pop_front();
            self.in_flight = self.in_flight.saturating_sub(size);
            // Doubles in a round trip at first, then grows by one packet in each.
            let grown = if self.window < self.threshold { size } else { self.packet * size / self.window.max(1) };
            self.window = (self.window + grown).min(WINDOW);
        }
        self.window.saturating_sub(self.in_flight)
    }

    /// A line's queue is so long at the sender or the receiver: too long a one drops packets, which is felt once in a round trip.
    fn overflows(&mut self, now: Tick, queue: Duration, latency: Duration) {
        if queue > LINE_QUEUE && now >= self.cut_until {
            self.cut_until = now + queue + latency * 2;
            self.lost(false);
        }
    }

    /// A packet was lost: half the window, or the smallest when everything waits for a time-out.
    fn lost(&mut self, timeout: bool) {
        self.threshold = (self.window / 2).max(2 * self.packet);
        self.window = if timeout { 2 * self.packet } else { self.threshold };
    }
}

impl Net {
    /// How many bytes an end can write now. Without room its router is told when there is.
    pub(crate) fn room(&mut self, (link, side): EndId) -> usize {
        let Some(state) = self.links.get_mut(&link) else { return 0 };
        let out = &mut state.ends[side].out;
        let room = SEND_BUFFER.saturating_sub(out.unsent_bytes);
        out.blocked = room == 0;
        room
    }

    /// Writes bytes at an end, which are sent as the window has it.
    pub(crate) fn write(&mut self, schedule: &mut Schedule<Happening>, at: Tick, end: EndId, bytes: Bytes) {
        let Some(state) = self.links.get_mut(&end.0) else { return };
        self.sent_bytes += u64::try_from(bytes.len()).unwrap_or(0);
        let out = &mut state.ends[end.1].out;
        out.unsent_bytes += bytes.len();
        out.unsent.push_back(bytes);
        self.pump(schedule, at, end);
    }

    /// Sends what the window has room for. The router and connection to be told that there is room to write again.
    pub(crate) fn pump(&mut self, schedule: &mut Schedule<Happening>, at: Tick, (link, side): EndId) -> Option<(usize, ConnId)> {
        let to = (link, 1 - side);
        loop {
            let out = &mut self.links.get_mut(&link)?.ends[side].out;
            let room = out.room(at);
            let Some(mut bytes) = out.unsent.pop_front() else { break };
            if room == 0 {
                out.unsent.push_front(bytes);
                match out.acks.front().copied() {
                    Some((when, _)) if out.pumped_at.is_none_or(|pumped| pumped <= at) => {
                        out.pumped_at = Some(when);
                        schedule.add(when, NetHappening::Acknowledged { at: (link, side) }.into());
                    }
                    Some(_) => {}
                    None => out.waits = true,
                }
                break;
            }
            let (arrives, segment) = self.segment(at, (link, side), &mut bytes, room)?;
            schedule.add(arrives, NetHappening::Bytes { to, bytes: segment }.into());
            if !bytes.is_empty() {
                self.links.get_mut(&link)?.ends[side].out.unsent.push_front(bytes);
            }
        }
        let state = self.links.get_mut(&link)?;
        let latency = state.latency;
        let end = &mut state.ends[side];
        if end.out.finishing && end.out.unsent.is_empty() {
            end.out.finishing = false;
            let last = end.out.last_arrival.max(at + latency) + Duration::from_nanos(1);
            end.out.last_arrival = last;
            schedule.add(last, NetHappening::Bytes { to, bytes: Bytes::new() }.into());
        }
        let wake = end.out.blocked && end.out.unsent_bytes < SEND_BUFFER / 2;
        end.out.blocked &= !wake;
        end.conn.filter(|_| wake).map(|conn| (end.router, conn))
    }

    /// Cuts one segment off and says when it arrives.
    fn segment(&mut self, at: Tick, (link, side): EndId, bytes: &mut Bytes, room: usize) -> Option<(Tick, Bytes)> {
        let state = self.links.get_mut(&link)?;
        let (from, to) = (state.ends[side].router, state.ends[1 - side].router);
        let longest = if rng::below(&mut state.rng, 4) == 0 { 600 } else { SEGMENT };
        let cut = usize::try_from(rng::between(&mut state.rng, 1, longest)).unwrap_or(1).min(bytes.len()).min(room);
        let segment = bytes.split_to(cut);
        let up = self.lines.get_mut(from)?;
        let departs = at.max(up.up_free) + up.time(cut);
        up.up_free = departs;
        let jitter = Duration::from_micros(rng::between(&mut state.rng, 0, self.config.jitter_micros));
        let mut arrives = departs + state.latency + jitter;
        if rng::below(&mut state.rng, 1_000) < self.config.reorder_permille {
            arrives = arrives + state.latency;
        }
        let queue = up.up_free.saturating_since(at);
        let out = &mut state.ends[side].out;
        out.unsent_bytes = out.unsent_bytes.saturating_sub(cut);
        out.in_flight += cut;
        out.overflows(at, queue, state.latency);
        let packets = u32::try_from(cut / out.packet + 1).unwrap_or(u32::MAX);
        if rng::below(&mut state.rng, 1_000) < self.config.loss_permille.saturating_mul(packets) {
            // With enough behind it the receiver's answers tell of the loss; else only time does.
            let timeout = out.in_flight < 4 * out.packet;
            out.lost(timeout);
            let wait = if timeout { LEAST_TIMEOUT.max(state.latency * 2) } else { Duration::ZERO };
            arrives = arrives + state.latency * 2 + wait;
        }
        arrives = arrives + self.lines.get(to)?.time(cut);
        // In order: a moment later than the one before at least.
        arrives = arrives.max(out.last_arrival + Duration::from_nanos(1));
        out.last_arrival = arrives;
        Some((arrives, segment))
    }

    /// Bytes reach the line of the router at an end; none: the other end closed. They come through at once, or when all that came before
    /// them has. The router and connection that can read now, if it is open.
    pub(crate) fn arrived(&mut self, schedule: &mut Schedule<Happening>, to: EndId, bytes: Bytes) -> Option<(usize, ConnId)> {
        let now = schedule.now();
        let router = self.links.get(&to.0)?.ends[to.1].router;
        let down = self.lines.get_mut(router)?;
        let queue = down.down_free.saturating_since(now);
        // On a free line the last byte comes now: that is when the segment was to arrive.
        let time = down.time(bytes.len()).max(Duration::from_nanos(1));
        let through = now.max(down.down_free + time);
        if !bytes.is_empty() {
            down.down_free = through;
        }
        if through > now {
            let state = self.links.get_mut(&to.0)?;
            let latency = state.latency;
            state.ends[1 - to.1].out.overflows(now, queue, latency);
            schedule.add(through, NetHappening::Through { to, bytes }.into());
            return None;
        }
        self.came(schedule, to, bytes)
    }

    /// Bytes arrive at an end; none: the other end closed. The router and connection that can read now, if it is open.
    pub(crate) fn came(&mut self, schedule: &mut Schedule<Happening>, to: EndId, bytes: Bytes) -> Option<(usize, ConnId)> {
        let apart = self.is_cut(to);
        let state = self.links.get_mut(&to.0)?;
        let sender = &mut state.ends[1 - to.1];
        if (state.dead || apart) && sender.gives_up_at.is_none() {
            let at = schedule.now() + GIVE_UP;
            sender.gives_up_at = Some(at);
            schedule.add(at, NetHappening::GaveUp { at: (to.0, 1 - to.1) }.into());
        }
        let end = &mut Some(state).filter(|state| !state.dead)?.ends[to.1];
        if apart || !end.held_up.is_empty() {
            let first = end.held_up.is_empty();
            end.held_up.push_back(bytes);
            if first {
                self.retry_later(schedule, to);
            }
            return None;
        }
        self.deliver(to, bytes)
    }

    /// Tries again to bring through what was held up.
    pub(crate) fn retry(&mut self, schedule: &mut Schedule<Happening>, to: EndId) -> Option<(usize, ConnId)> {
        if self.is_cut(to) {
            self.retry_later(schedule, to);
            return None;
        }
        let state = self.links.get_mut(&to.0).filter(|state| !state.dead)?;
        state.ends[1 - to.1].gives_up_at = None;
        let held_up = std::mem::take(&mut state.ends[to.1].held_up);
        held_up.into_iter().filter_map(|bytes| self.deliver(to, bytes)).last()
    }

    /// The connection is dead for an end that still has heard nothing. The other one has to find out for itself.
    pub(crate) fn gave_up(&mut self, now: Tick, (link, side): EndId) -> Option<(usize, ConnId)> {
        let state = self.links.get_mut(&link).filter(|state| state.ends[side].gives_up_at == Some(now))?;
        state.dead = true;
        let end = &mut state.ends[side];
        end.unread.clear();
        end.fin = true;
        let reader = end.conn.map(|conn| (end.router, conn));
        if state.ends.iter().all(|end| end.closed) {
            self.remove(link);
        }
        reader
    }

    fn is_cut(&self, to: EndId) -> bool {
        self.links.get(&to.0).is_some_and(|link| self.apart(link.ends[0].router, link.ends[1].router))
    }

    fn retry_later(&mut self, schedule: &mut Schedule<Happening>, to: EndId) {
        let Some(state) = self.links.get_mut(&to.0).filter(|state| !state.dead) else { return };
        let wait = Duration::from_millis(rng::between(&mut state.rng, RETRY_MILLIS.0, RETRY_MILLIS.1));
        state.ends[1 - to.1].out.lost(true);
        schedule.add(schedule.now() + wait, NetHappening::Retry { to }.into());
    }

    fn deliver(&mut self, to: EndId, bytes: Bytes) -> Option<(usize, ConnId)> {
        let state = self.links.get_mut(&to.0)?;
        let other_is_closed = state.ends[1 - to.1].closed;
        let end = &mut state.ends[to.1];
        let reader = end.conn.map(|conn| (end.router, conn));
        // After a reset nothing comes any more of what was under way.
        if end.fin && !bytes.is_empty() {
            return None;
        }
        end.fin |= bytes.is_empty();
        if end.closed {
            if end.fin && other_is_closed {
                self.remove(to.0);
            }
            return None;
        }
        if !bytes.is_empty() {
            end.unread.push_back(bytes);
        }
        reader
    }
}
