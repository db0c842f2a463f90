//! Virtual time and virtual TCP: byte streams with latency, bandwidth, a bounded window and arbitrary segments.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::Command;
use ramson_lane::{ConnId, LaneCommand, LaneEvent};
use ramson_wire::Tick;

/// Bytes under way in one direction of a connection.
const WINDOW: usize = 128 * 1024;
/// One-way latency between two routers lies within these.
const LATENCY_MICROS: (u64, u64) = (2_000, 80_000);
/// Bandwidth of a connection lies within these.
const BYTES_PER_MILLI: (u64, u64) = (1_000, 8_000);
/// Largest segment.
const SEGMENT: u64 = 16 * 1024;

/// One end of a connection: which connection, and 0 for who dialed, 1 for who was dialed.
pub(crate) type EndId = (u64, usize);

/// What happens at a moment.
pub(crate) enum Happening {
    /// A connection arrives at a listener.
    Arrives { link: u64 },
    /// The dialer learns that its connection stands.
    Stands { link: u64 },
    /// The dialer learns that nobody listens.
    Refused { router: usize, life: u32, conn: ConnId },
    /// Bytes arrive at an end.
    Bytes { to: EndId, bytes: Vec<u8> },
    /// An end learns that the other closed.
    Eof { to: EndId },
    /// An end that filled the window can go on.
    Room { at: EndId },
    /// A batch of the lane reaches the engine.
    ToEngine { router: usize, life: u32, events: Vec<LaneEvent> },
    /// A batch of the engine reaches the lane.
    ToLane { router: usize, life: u32, commands: Vec<LaneCommand> },
    /// A wish of a service reaches the engine.
    Command { router: usize, life: u32, command: Command },
}

/// One end of a connection.
pub(crate) struct End {
    pub(crate) router: usize,
    /// The name its lane has for the connection; none: not open yet, or closed.
    pub(crate) conn: Option<ConnId>,
    /// Sent from here and not arrived yet.
    in_flight: usize,
    /// The window was full when the lane had more.
    blocked: bool,
    /// When the last segment sent from here arrives.
    last_arrival: Tick,
}

impl End {
    fn new(router: usize, conn: Option<ConnId>) -> Self {
        Self { router, conn, in_flight: 0, blocked: false, last_arrival: Tick(0) }
    }
}

/// One TCP connection.
pub(crate) struct Link {
    pub(crate) ends: [End; 2],
    /// The other router dropped off the network: nothing arrives at either end any more.
    dead: bool,
    latency: Duration,
    bytes_per_milli: u64,
    rng: SeededRng,
}

/// The network, its clock and what is going to happen.
pub(crate) struct Net {
    pub(crate) now: Tick,
    rng: SeededRng,
    seed: SeededRng,
    coming: BTreeMap<(Tick, u64), Happening>,
    numbered: u64,
    pub(crate) listeners: BTreeMap<SocketAddr, usize>,
    pub(crate) links: BTreeMap<u64, Link>,
}

impl Net {
    pub(crate) fn new(seed: SeededRng) -> Self {
        Self {
            now: Tick(0),
            rng: seed.child("hand-over"),
            seed,
            coming: BTreeMap::new(),
            numbered: 0,
            listeners: BTreeMap::new(),
            links: BTreeMap::new(),
        }
    }

    /// When the next thing happens.
    pub(crate) fn next_at(&self) -> Option<Tick> {
        self.coming.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes it.
    pub(crate) fn take_next(&mut self) -> Option<Happening> {
        self.coming.pop_first().map(|(_, happening)| happening)
    }

    /// Lets something happen; of things at one moment the first scheduled is the first to happen.
    pub(crate) fn schedule(&mut self, at: Tick, happening: Happening) {
        self.numbered += 1;
        self.coming.insert((at.max(self.now), self.numbered), happening);
    }

    /// When something handed over between threads now arrives, not before `last`.
    pub(crate) fn hand_over(&mut self, last: &mut Tick) -> Tick {
        let delay = Duration::from_nanos(rng::between(&mut self.rng, 2_000, 300_000));
        *last = (*last).max(self.now + delay);
        *last
    }

    /// A router dials.
    pub(crate) fn dial(&mut self, router: usize, life: u32, conn: ConnId, remote: SocketAddr) -> Option<u64> {
        self.numbered += 1;
        let id = self.numbered;
        let mut rng = self.seed.child(&format!("connection {id}"));
        let Some(other) = self.listeners.get(&remote).copied() else {
            let wait = Duration::from_micros(rng::between(&mut rng, LATENCY_MICROS.0, LATENCY_MICROS.1));
            self.schedule(self.now + wait * 2, Happening::Refused { router, life, conn });
            return None;
        };
        let latency = self.latency(router, other);
        let bytes_per_milli = rng::between(&mut rng, BYTES_PER_MILLI.0, BYTES_PER_MILLI.1);
        let ends = [End::new(router, Some(conn)), End::new(other, None)];
        self.links.insert(id, Link { ends, dead: false, latency, bytes_per_milli, rng });
        self.schedule(self.now + latency, Happening::Arrives { link: id });
        Some(id)
    }

    /// The same for all connections of two routers, whoever dials.
    fn latency(&self, one: usize, other: usize) -> Duration {
        let label = format!("latency {} {}", one.min(other), one.max(other));
        let mut rng = self.seed.child(&label);
        Duration::from_micros(rng::between(&mut rng, LATENCY_MICROS.0, LATENCY_MICROS.1))
    }

    /// What the listener's lane said to a connection.
    pub(crate) fn answered(&mut self, link: u64, conn: Option<ConnId>) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let latency = state.latency;
        state.ends[1].conn = conn;
        self.schedule(self.now + latency, Happening::Stands { link });
        if conn.is_none() {
            self.schedule(self.now + latency, Happening::Eof { to: (link, 0) });
        }
    }

    /// How many bytes an end can send now.
    pub(crate) fn room(&mut self, (link, side): EndId) -> usize {
        let Some(state) = self.links.get_mut(&link) else { return 0 };
        let end = &mut state.ends[side];
        let room = WINDOW.saturating_sub(end.in_flight);
        end.blocked = room == 0;
        room
    }

    /// Sends bytes from an end, in segments as the seed has it.
    pub(crate) fn send(&mut self, (link, side): EndId, mut bytes: &[u8]) {
        let Some(state) = self.links.get_mut(&link) else { return };
        state.ends[side].in_flight += bytes.len();
        let mut segments = Vec::new();
        let longest = if rng::below(&mut state.rng, 4) == 0 { 600 } else { SEGMENT };
        while !bytes.is_empty() {
            let cut = usize::try_from(rng::between(&mut state.rng, 1, longest)).unwrap_or(1).min(bytes.len());
            let (segment, rest) = bytes.split_at(cut);
            let size = u64::try_from(cut).unwrap_or(u64::MAX);
            let jitter = rng::between(&mut state.rng, 0, 2_000_000);
            let way = state.latency + Duration::from_nanos(size * 1_000_000 / state.bytes_per_milli + jitter);
            let end = &mut state.ends[side];
            end.last_arrival = end.last_arrival.max(self.now + way);
            segments.push((end.last_arrival, segment.to_vec()));
            bytes = rest;
        }
        for (at, bytes) in segments {
            self.schedule(at, Happening::Bytes { to: (link, 1 - side), bytes });
        }
    }

    /// Notes that bytes arrived at an end; gives the router and connection that they are for, if it is still open.
    pub(crate) fn arrived(&mut self, (link, side): EndId, size: usize) -> Option<(usize, ConnId)> {
        let state = self.links.get_mut(&link)?;
        if state.dead {
            return None;
        }
        let latency = state.latency;
        let sender = &mut state.ends[1 - side];
        sender.in_flight = sender.in_flight.saturating_sub(size);
        let wake = sender.blocked && sender.in_flight < WINDOW / 2;
        sender.blocked &= !wake;
        let end = &state.ends[side];
        let target = end.conn.map(|conn| (end.router, conn));
        if wake {
            self.schedule(self.now + latency, Happening::Room { at: (link, 1 - side) });
        }
        target
    }

    /// Who is at an end, if it is open.
    pub(crate) fn at(&self, (link, side): EndId) -> Option<(usize, ConnId)> {
        let state = self.links.get(&link).filter(|state| !state.dead)?;
        let end = &state.ends[side];
        end.conn.map(|conn| (end.router, conn))
    }

    /// Closes an end: what it sent still arrives, then the other end learns of it.
    pub(crate) fn close(&mut self, (link, side): EndId) {
        let Some(state) = self.links.get_mut(&link) else { return };
        let end = &mut state.ends[side];
        end.conn = None;
        let at = end.last_arrival.max(self.now + state.latency);
        if state.dead {
            self.links.remove(&link);
        } else {
            self.schedule(at, Happening::Eof { to: (link, 1 - side) });
        }
    }

    /// An end learnt that the other is closed: the connection is no more.
    pub(crate) fn ended(&mut self, (link, side): EndId) -> Option<(usize, ConnId)> {
        let target = self.at((link, side));
        self.links.remove(&link);
        target
    }

    /// A router is gone. `silent`: its machine too, so that nobody is told.
    pub(crate) fn gone(&mut self, router: usize, silent: bool) {
        self.listeners.retain(|_, whose| *whose != router);
        let of_router = |link: &Link, side: usize| link.ends[side].router == router;
        let ends: Vec<EndId> = self
            .links
            .iter()
            .flat_map(|(id, link)| [0, 1].map(|side| (*id, side, of_router(link, side))))
            .filter(|(_, _, mine)| *mine)
            .map(|(id, side, _)| (id, side))
            .collect();
        for end in ends {
            if silent {
                if let Some(link) = self.links.get_mut(&end.0) {
                    link.dead = true;
                    link.ends[end.1].conn = None;
                }
            } else {
                self.close(end);
            }
        }
    }
}
