//! The virtual network: lines of limited rate between routers, and TCP on them as byte streams.
//!
//! A router has one line; what it sends to all others shares the line's rate upwards, what it receives shares it downwards. TCP is
//! modelled by its effects: segments of any size, in order; a window that what is under way and unread must fit; a congestion window
//! that grows with what arrives and halves at a loss; a lost packet is late by a retransmission, and all behind it with it.

mod tcp;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_lane::ConnId;
use ramson_wire::Tick;

use crate::schedule::Schedule;
use crate::world::Happening;
use tcp::Direction;

/// The kernel tries to connect so often, waiting twice as long each time.
const SYN_TRIES: u32 = 5;
/// The first of those waits, and what a lost SYN costs.
const SYN_WAIT: Duration = Duration::from_secs(1);

/// One end of a connection: which connection, and 0 for who dialed, 1 for who was dialed.
pub(crate) type EndId = (u64, usize);

/// What the links are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// One way; drawn for each pair of routers within these.
    pub latency_micros: (u64, u64),
    /// Each segment is late by up to this.
    pub jitter_micros: u64,
    /// Packets lost, in thousandths.
    pub loss_permille: u32,
    /// Segments late by a further latency, in thousandths: to a byte stream reordering is delay.
    pub reorder_permille: u32,
    /// Rate of a router's line, each way; drawn for each router within these.
    pub bytes_per_sec: (u64, u64),
    /// Largest packet.
    pub mtu: u32,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            latency_micros: (2_000, 80_000),
            jitter_micros: 2_000,
            loss_permille: 0,
            reorder_permille: 0,
            bytes_per_sec: (1_000_000, 8_000_000),
            mtu: 1_500,
        }
    }
}

/// What happens on the network.
pub(crate) enum NetHappening {
    /// A connection request arrives at a listener's machine.
    Syn { link: u64, tries: u32 },
    /// The dialer learns that its connection stands.
    Standing { link: u64 },
    /// The dialer learns that nobody listens.
    Refused { router: usize, life: u32, conn: ConnId },
    /// Bytes reach the line of the router at an end; none: the other end closed.
    Bytes { to: EndId, bytes: Bytes },
    /// They came through the line of the router there.
    Through { to: EndId, bytes: Bytes },
    /// An end learns that something was read, and may send on.
    Acknowledged { at: EndId },
    /// What the network held up may come through now.
    Retry { to: EndId },
    /// An end heard nothing of what it sent for too long.
    GaveUp { at: EndId },
}

/// One end of a connection.
struct End {
    router: usize,
    /// The name its lane has for the connection; none: not accepted yet, or closed.
    conn: Option<ConnId>,
    closed: bool,
    unread: VecDeque<Bytes>,
    /// The other end closed, and nothing comes after what is unread.
    fin: bool,
    /// What couldn't come through a cut network, in order; an empty one is the end.
    held_up: VecDeque<Bytes>,
    /// What this end sends is lost, which it takes for the end of the connection then.
    gives_up_at: Option<Tick>,
    /// What this end sends.
    out: Direction,
}

impl End {
    fn new(router: usize, conn: Option<ConnId>, mtu: u32) -> Self {
        Self {
            router,
            conn,
            closed: false,
            unread: VecDeque::new(),
            fin: false,
            held_up: VecDeque::new(),
            gives_up_at: None,
            out: Direction::new(mtu),
        }
    }
}

/// One TCP connection.
struct Link {
    ends: [End; 2],
    /// A router dropped off the network: nothing arrives at either end any more.
    dead: bool,
    /// The listener's machine knows of it.
    reached: bool,
    latency: Duration,
    rng: SeededRng,
}

/// A router's access to the network.
struct Line {
    bytes_per_sec: u64,
    up_free: Tick,
    down_free: Tick,
    /// Only routers of one side see each other.
    side: u32,
}

impl Line {
    fn time(&self, size: usize) -> Duration {
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        Duration::from_nanos(size.saturating_mul(1_000_000_000) / self.bytes_per_sec.max(1))
    }
}

/// See the module.
pub(crate) struct Net {
    config: LinkConfig,
    seed: SeededRng,
    lines: Vec<Line>,
    listeners: BTreeMap<SocketAddr, usize>,
    /// Routers whose machines are off: nobody refuses what comes there.
    dark: BTreeSet<usize>,
    links: BTreeMap<u64, Link>,
    of_router: Vec<BTreeSet<EndId>>,
    dialed: u64,
    /// Bytes given to links.
    pub(crate) sent_bytes: u64,
}

/// What an end finds when it reads.
pub(crate) enum Read {
    Bytes(Bytes),
    Eof,
    Nothing,
}

impl Net {
    pub(crate) fn new(seed: SeededRng, config: LinkConfig) -> Self {
        Self {
            config,
            seed,
            lines: Vec::new(),
            listeners: BTreeMap::new(),
            dark: BTreeSet::new(),
            links: BTreeMap::new(),
            of_router: Vec::new(),
            dialed: 0,
            sent_bytes: 0,
        }
    }

    /// Gives the next router its line.
    pub(crate) fn add_router(&mut self) {
        let number = self.lines.len();
        let mut rng = self.seed.child(&format!("line {number}"));
        let bytes_per_sec = rng::between(&mut rng, self.config.bytes_per_sec.0, self.config.bytes_per_sec.1);
        self.lines.push(Line { bytes_per_sec, up_free: Tick(0), down_free: Tick(0), side: 0 });
        self.of_router.push(BTreeSet::new());
    }

    pub(crate) fn listen(&mut self, address: SocketAddr, router: usize) {
        self.listeners.insert(address, router);
        self.dark.remove(&router);
    }

    /// Puts a router on a side: only routers of one side see each other.
    pub(crate) fn set_side(&mut self, router: usize, side: u32) {
        if let Some(line) = self.lines.get_mut(router) {
            line.side = side;
        }
    }

    fn apart(&self, one: usize, other: usize) -> bool {
        let side = |router: usize| self.lines.get(router).map(|line| line.side);
        side(one) != side(other)
    }

    /// A router dials.
    pub(crate) fn dial(
        &mut self,
        schedule: &mut Schedule<Happening>,
        at: Tick,
        (router, life): (usize, u32),
        conn: ConnId,
        remote: SocketAddr,
        allowed: bool,
    ) -> Option<EndId> {
        self.dialed += 1;
        let id = self.dialed;
        let Some(other) = self.listeners.get(&remote).copied().filter(|_| allowed) else {
            let wait = Duration::from_micros(self.config.latency_micros.1) * 2;
            schedule.add(at + wait, NetHappening::Refused { router, life, conn }.into());
            return None;
        };
        let latency = self.latency(router, other);
        let ends = [End::new(router, Some(conn), self.config.mtu), End::new(other, None, self.config.mtu)];
        self.links
            .insert(id, Link { ends, dead: false, reached: false, latency, rng: self.seed.child(&format!("connection {id}")) });
        for (side, router) in [(0, router), (1, other)] {
            if let Some(ends) = self.of_router.get_mut(router) {
                ends.insert((id, side));
            }
        }
        schedule.add(at + latency, NetHappening::Syn { link: id, tries: 0 }.into());
        Some((id, 0))
    }

    /// The same for all connections of two routers, whoever dials.
    fn latency(&self, one: usize, other: usize) -> Duration {
        let label = format!("latency {} {}", one.min(other), one.max(other));
        let mut rng = self.seed.child(&label);
        let (low, high) = self.config.latency_micros;
        Duration::from_micros(rng::between(&mut rng, low, high))
    }

    /// A connection request came through, and stands. The listening end: its lane still has to accept it, and who dialed.
    pub(crate) fn syn(&mut self, schedule: &mut Schedule<Happening>, id: u64, tries: u32) -> Option<(usize, usize)> {
        let link = self.links.get_mut(&id).filter(|link| !link.dead)?;
        let (dialer, listener) = (link.ends[0].router, link.ends[1].router);
        let (latency, lost) = (link.latency, rng::below(&mut link.rng, 1_000) < self.config.loss_permille);
        if self.apart(dialer, listener) || self.dark.contains(&listener) || lost {
            if tries < SYN_TRIES {
                let again = schedule.now() + SYN_WAIT * 2_u32.saturating_pow(tries);
                schedule.add(again, NetHappening::Syn { link: id, tries: tries + 1 }.into());
            }
            return None;
        }
        self.links.get_mut(&id)?.reached = true;
        schedule.add(schedule.now() + latency, NetHappening::Standing { link: id }.into());
        Some((listener, dialer))
    }

    /// The listener's lane took a connection. True: there is something to read already.
    pub(crate) fn accepted(&mut self, (link, side): EndId, conn: ConnId) -> bool {
        let Some(state) = self.links.get_mut(&link) else { return false };
        let end = &mut state.ends[side];
        end.conn = Some(conn);
        end.fin || !end.unread.is_empty()
    }

    /// Who is at an end, if it is open.
    pub(crate) fn at(&self, (link, side): EndId) -> Option<(usize, ConnId)> {
        let state = self.links.get(&link).filter(|state| !state.dead)?;
        let end = state.ends.get(side)?;
        end.conn.map(|conn| (end.router, conn))
    }

    /// What an end can read now, at most `limit` bytes.
    pub(crate) fn read(&mut self, schedule: &mut Schedule<Happening>, (link, side): EndId, limit: usize) -> Read {
        let now = schedule.now();
        let Some(state) = self.links.get_mut(&link) else { return Read::Nothing };
        let latency = state.latency;
        let Some(end) = state.ends.get_mut(side) else { return Read::Nothing };
        let Some(mut bytes) = end.unread.pop_front() else {
            return if end.fin { Read::Eof } else { Read::Nothing };
        };
        if bytes.len() > limit {
            end.unread.push_front(bytes.split_off(limit));
        }
        if let Some(at) = state.ends[1 - side].out.acknowledged(now + latency, bytes.len()) {
            schedule.add(at, NetHappening::Acknowledged { at: (link, 1 - side) }.into());
        }
        Read::Bytes(bytes)
    }

    /// Closes an end: what it wrote still arrives, then the other end learns of it. Who gives up dialing asks no more.
    pub(crate) fn close(&mut self, schedule: &mut Schedule<Happening>, (link, side): EndId) {
        let now = schedule.now();
        let Some(state) = self.links.get_mut(&link) else { return };
        let other_is_closed = state.ends[1 - side].closed;
        let end = &mut state.ends[side];
        end.conn = None;
        end.closed = true;
        end.unread.clear();
        if state.dead || !state.reached || end.fin && other_is_closed {
            self.remove(link);
        } else {
            end.out.finish();
            self.pump(schedule, now, (link, side));
        }
    }

    fn remove(&mut self, id: u64) {
        if let Some(link) = self.links.remove(&id) {
            for (side, end) in link.ends.iter().enumerate() {
                if let Some(ends) = self.of_router.get_mut(end.router) {
                    ends.remove(&(id, side));
                }
            }
        }
    }

    /// A router is gone. `silent`: its machine too, so that nobody is told, nor that nobody listens there.
    pub(crate) fn gone(&mut self, schedule: &mut Schedule<Happening>, router: usize, silent: bool) {
        if silent {
            self.dark.insert(router);
        } else {
            self.listeners.retain(|_, whose| *whose != router);
        }
        for end in self.of_router.get(router).cloned().unwrap_or_default() {
            if silent {
                if let Some(link) = self.links.get_mut(&end.0) {
                    link.dead = true;
                    link.ends[end.1].conn = None;
                    link.ends[end.1].closed = true;
                }
            } else {
                self.close(schedule, end);
            }
        }
    }

    /// A router's connections that stand for both ends.
    pub(crate) fn connections(&self, router: usize) -> impl Iterator<Item = u64> {
        let stands = |link: &Link| !link.dead && link.ends.iter().all(|end| end.conn.is_some());
        let ends = self.of_router.get(router).into_iter().flatten();
        ends.map(|(link, _)| *link).filter(move |link| self.links.get(link).is_some_and(stands))
    }

    /// One of them breaks, at random; both ends learn of it at once. False: there was none.
    pub(crate) fn reset_one(&mut self, schedule: &mut Schedule<Happening>, router: usize, draw: u32) -> bool {
        let links: Vec<u64> = self.connections(router).collect();
        let index = usize::try_from(draw).unwrap_or(0) % links.len().max(1);
        let Some(link) = links.get(index).copied() else { return false };
        for side in [0, 1] {
            if let Some(state) = self.links.get_mut(&link) {
                state.ends[side].unread.clear();
                state.ends[side].out.abort();
            }
            schedule.add(schedule.now(), NetHappening::Bytes { to: (link, side), bytes: Bytes::new() }.into());
        }
        true
    }
}
