//! The machine: connections, routers, and what passes between them.
//!
//! **Connections** are dialing (no session yet), shaking hands, open, or closing (their last bytes go out).
//! **Routers** are in the table while they have a session or are wanted: then messages wait for them.
//!
//! Of one router there is one *active* session, on which we send, and at most one *second*, on which we only receive:
//!
//! - A new inbound session replaces an open one: who dials has none. The old one becomes the second and is closed after a while,
//!   so that nothing under way in it is lost. i2pd and Java do the same, less the while.
//! - An inbound one while our own dial hasn't sent message 3: the dial is given up. The peer never learns of it as a session.
//! - An inbound one while our own dial has just sent message 3: both sides dialed at once. i2pd and Java close their own
//!   dial when our message 3 comes, so ours must live and we go on sending on it; the other is the second. If it still
//!   lives after a while the peer is one like us and both sides do the same: the dial of the router with the smaller
//!   hash stays. The other router changes over first and waits, so that nothing under way is lost.
//! - Two i2pd that dial each other at once close both connections. Here at least one always lives.

mod backoff;
mod bounds;
mod connections;
mod duplicates;
mod handshakes;
mod inbound;
mod memory;
mod pace;
mod peers;
mod places;
mod traffic;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    net::SocketAddr,
    sync::Arc,
};

use ramson_crypto::{
    CryptoRng,
    rng::{self, SeededRng},
};
use ramson_transport::ntcp2::{LocalIdentity, ReplayCache};
use ramson_wire::{Now, RouterHash, RouterInfo, Tick};

use crate::{
    ConnId, DropReason, LaneCommand, LaneConfig, LaneEvent, LaneOutput, LaneStats, Relay,
    limits::STATS_INTERVAL,
    relay::RelayTable,
    timers::{Timer, Timers},
};
use backoff::Backoffs;
use connections::Conn;
use handshakes::Handshakes;
use inbound::Inbound;
use pace::Pace;
use peers::Peer;
use traffic::Allowance;

/// All transport sessions of a router and its relay table.
///
/// Contract: feed it by `handle_*` and `end_turn`, then drain [`Lane::poll_output`] until it gives
/// [`LaneOutput::Timeout`]; call [`Lane::handle_timeout`] at that time (early calls are harmless). After a batch of
/// `handle_*` calls always call [`Lane::handle_timeout`], in which handshakes of strangers get their turn, and
/// [`Lane::end_turn`]: relayed messages move only there.
/// A connection is known from `handle_incoming` or `Dial` until `Close`; calls for others are ignored.
pub struct Lane {
    config: LaneConfig,
    local: Arc<LocalIdentity>,
    router_info: RouterInfo,
    rng: SeededRng,
    replay: ReplayCache,
    conns: BTreeMap<ConnId, Conn>,
    last_conn: u64,
    peers: BTreeMap<RouterHash, Peer>,
    /// How many of `peers` have a session.
    connected: usize,
    /// Bytes waiting in `peers` for a session.
    pending_bytes: usize,
    backoffs: Backoffs,
    inbound: Inbound,
    handshakes: Handshakes,
    pace: Pace,
    /// Of what comes out of transit tunnels for us.
    unknown_up: Allowance,
    /// Nothing more is taken from strangers.
    memory_short: bool,
    /// Some stranger's session was silent for so long that another stranger's may have its place.
    has_silent: bool,
    table: RelayTable,
    timers: Timers,
    outputs: VecDeque<LaneOutput>,
    /// Connections that may have something to write and whose driver doesn't know.
    writable: BTreeSet<ConnId>,
    stats: LaneStats,
    reported: LaneStats,
    reported_at: Option<Tick>,
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field("conns", &self.conns.len())
            .field("peers", &self.peers.len())
            .field("connected", &self.connected)
            .field("pending_bytes", &self.pending_bytes)
            .field("relays", &self.table.len())
            .finish_non_exhaustive()
    }
}

impl Lane {
    /// A lane without connections.
    pub fn new(
        now: Now,
        config: LaneConfig,
        local: Arc<LocalIdentity>,
        router_info: RouterInfo,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Self {
        let mut rng = SeededRng::new(rng::bytes(&mut *rng));
        let table = RelayTable::new(now, &config, local.hash, &mut rng);
        let pace = Pace::new(&config);
        Self {
            config,
            local,
            router_info,
            rng,
            replay: ReplayCache::new(),
            conns: BTreeMap::new(),
            last_conn: 0,
            peers: BTreeMap::new(),
            connected: 0,
            pending_bytes: 0,
            backoffs: Backoffs::default(),
            inbound: Inbound::default(),
            handshakes: Handshakes::default(),
            pace,
            unknown_up: Allowance::default(),
            memory_short: false,
            has_silent: false,
            table,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            writable: BTreeSet::new(),
            stats: LaneStats::default(),
            reported: LaneStats::default(),
            reported_at: None,
        }
    }

    /// Totals up to now.
    pub fn stats(&self) -> &LaneStats {
        &self.stats
    }

    /// Does what the engine asks.
    pub fn handle_command(&mut self, now: Now, command: LaneCommand) {
        match command {
            LaneCommand::Send { to, message, class } => self.send(now, to, message, class, None),
            LaneCommand::Connect { info } => self.connect(now, info),
            LaneCommand::NoPeer { peer } => self.no_peer(peer),
            LaneCommand::Install(relay) => self.install(now, *relay),
            LaneCommand::Remove { tunnel } => {
                self.timers.set(Timer::Relay(tunnel), None);
                self.table.remove(tunnel, &mut self.stats);
            }
            LaneCommand::InstallOwn { tunnel, expires } => {
                if self.table.install_own(tunnel) {
                    self.timers.set(Timer::Own(tunnel), Some(expires));
                } else {
                    self.stats.drop(DropReason::RelayLimit, 1);
                }
            }
            LaneCommand::RemoveOwn { tunnel } => {
                self.timers.set(Timer::Own(tunnel), None);
                self.table.remove_own(tunnel);
            }
            LaneCommand::SetRouterInfo { info, announce } => self.set_router_info(now, info, announce),
            LaneCommand::Disconnect { peer } => self.disconnect(now, peer),
        }
    }

    /// A connection came in. `None`: refused by a limit, and the driver closes it.
    pub fn handle_incoming(&mut self, now: Now, remote: SocketAddr) -> Option<ConnId> {
        self.admit(now, remote)
    }

    /// A dialed connection stands.
    pub fn handle_connected(&mut self, now: Now, conn: ConnId) {
        self.dial_connected(now, conn);
    }

    /// A dialed connection failed.
    pub fn handle_connect_failed(&mut self, now: Now, conn: ConnId) {
        self.dial_refused(now, conn);
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        self.received(now, conn, bytes);
    }

    /// The peer closed the connection, or it broke in either direction.
    pub fn handle_eof(&mut self, now: Now, conn: ConnId) {
        self.ended(now, conn);
    }

    /// Ends a turn: all transit messages that came in it get our layer as one batch and go into the queues of sessions.
    pub fn end_turn(&mut self, now: Now) {
        self.relay_turn(now);
        self.report(now.tick);
    }

    /// Appends bytes for a connection while `out` is shorter than `limit` (and at most one frame beyond it).
    /// Sealed bytes must be sent: keep what the socket doesn't take.
    pub fn write_into(&mut self, now: Now, conn: ConnId, out: &mut Vec<u8>, limit: usize) {
        self.write(now, conn, out, limit);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        // As many as there are now: one set anew for this moment waits for the next call.
        for _ in 0..self.timers.len() {
            let Some(timer) = self.timers.pop_due(now.tick) else {
                break;
            };
            match timer {
                Timer::Conn(conn) => self.conn_due(now, conn),
                Timer::Peer(peer) => self.peer_due(now, peer),
                Timer::Relay(tunnel) => self.table.remove(tunnel, &mut self.stats),
                Timer::Own(tunnel) => self.table.remove_own(tunnel),
                Timer::Sweep => {
                    if self.table.sweep(now.tick, &mut self.stats) {
                        self.sweep_later(now.tick);
                    }
                }
                Timer::Turn => self.relay_turn(now),
                Timer::Handshakes => self.shake_hands(now),
                Timer::Pace => self.release(now.tick),
                Timer::Tidy => {
                    self.end_silent(now);
                    self.hold_memory(now);
                }
                Timer::Stats => {}
            }
        }
        self.report(now.tick);
    }

    /// The next thing for the driver to do, up to [`LaneOutput::Timeout`].
    pub fn poll_output(&mut self) -> LaneOutput {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        if let Some(conn) = self.writable.pop_first() {
            return LaneOutput::Writable { conn };
        }
        LaneOutput::Timeout(self.timers.next())
    }

    fn event(&mut self, event: LaneEvent) {
        self.outputs.push_back(LaneOutput::Event(event));
    }

    fn install(&mut self, now: Now, relay: Relay) {
        let (tunnel, expires) = (relay.tunnel, relay.expires);
        if expires <= now.tick {
            return;
        }
        match self.table.install(relay) {
            Ok(()) => self.timers.set(Timer::Relay(tunnel), Some(expires)),
            Err(reason) => self.stats.drop(reason, 1),
        }
    }

    /// Tells the totals if they changed, once in [`STATS_INTERVAL`].
    fn report(&mut self, now: Tick) {
        self.stats.sessions = u64::try_from(self.connected).unwrap_or(u64::MAX);
        self.stats.relays = u64::try_from(self.table.len()).unwrap_or(u64::MAX);
        if self.stats == self.reported {
            return;
        }
        let due = self.reported_at.map_or(now, |at| at + STATS_INTERVAL);
        if now < due {
            self.timers.at_latest(Timer::Stats, due);
            return;
        }
        self.reported = self.stats.clone();
        self.reported_at = Some(now);
        self.event(LaneEvent::Stats(self.reported.clone()));
    }

    fn child_rng(&mut self) -> Box<dyn CryptoRng + Send> {
        Box::new(SeededRng::new(rng::bytes(&mut self.rng)))
    }
}
