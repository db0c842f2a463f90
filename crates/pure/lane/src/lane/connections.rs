//! Connections and their sessions, from the first byte to the last.

use ramson_transport::ntcp2::{CloseReason, Context, Drops, Event, Session, TerminationReason};
use ramson_wire::{Now, RouterHash, RouterInfo, Tick};

use super::{Lane, traffic::Allowance};
use crate::{
    ConnId, DropReason, Fault, LaneEvent, LaneOutput, LaneStats,
    address::{Candidate, Source},
    limits::{CLOSE_TIME, HANDSHAKE_TIMEOUT},
    timers::Timer,
};

/// One TCP connection.
pub(super) struct Conn {
    pub(super) stage: Stage,
    pub(super) inbound: bool,
    /// As dialed, or as proven.
    pub(super) peer: Option<RouterHash>,
    /// Where it holds a place among inbound handshakes.
    pub(super) source: Option<Source>,
    /// Where it counts as an inbound session.
    standing: Option<Source>,
    /// When it was made.
    pub(super) since: Tick,
    /// Bytes of an inbound handshake that wait for their turn.
    pub(super) unread: Vec<u8>,
    /// Messages for the engine that it may bring.
    pub(super) up: Allowance,
    /// When its session was established.
    pub(super) established: Option<Tick>,
    /// What the lane, not the session, does next with it.
    pub(super) plan: Option<(Tick, Plan)>,
    /// The session is over; its last bytes go out.
    closing: bool,
    /// The driver was told that it has bytes, and hasn't taken all yet.
    pub(super) announced: bool,
    /// The session's drops that are counted already.
    counted: Drops,
}

/// How far a connection is.
pub(super) enum Stage {
    /// The driver connects.
    Dialing(Candidate),
    /// A session: handshake, open, or over.
    Session(Box<Session>),
}

/// What the lane does with a connection at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// It took too long to connect or shake hands.
    GiveUp,
    /// It is the second session of its router: end it.
    End,
    /// It is the second session of its router: from now on the active one.
    Promote,
    /// Its last bytes weren't taken in time.
    Forget,
}

impl Conn {
    pub(super) fn new(now: Tick, stage: Stage, inbound: bool, peer: Option<RouterHash>) -> Self {
        Self {
            since: now,
            unread: Vec::new(),
            up: Allowance::default(),
            stage,
            inbound,
            peer,
            source: None,
            standing: None,
            established: None,
            plan: None,
            closing: false,
            announced: false,
            counted: Drops::default(),
        }
    }

    /// The session, as long as it isn't over.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        if self.closing { None } else { self.any_session() }
    }

    fn any_session(&mut self) -> Option<&mut Session> {
        match &mut self.stage {
            Stage::Session(session) => Some(session),
            Stage::Dialing(_) => None,
        }
    }
}

impl Lane {
    pub(super) fn next_conn(&mut self) -> ConnId {
        self.last_conn = self.last_conn.saturating_add(1);
        ConnId(self.last_conn)
    }

    /// A dialed connection stands: begin the handshake with our newest RouterInfo.
    pub(super) fn dial_connected(&mut self, now: Now, conn: ConnId) {
        let rng = self.child_rng();
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        let Stage::Dialing(candidate) = &entry.stage else {
            return;
        };
        let session = Session::initiate(now, &self.local, self.router_info.bytes(), &candidate.peer, rng);
        entry.stage = Stage::Session(Box::new(session));
        entry.plan = Some((now.tick + HANDSHAKE_TIMEOUT, Plan::GiveUp));
        self.pump(now, conn);
    }

    pub(super) fn dial_refused(&mut self, now: Now, conn: ConnId) {
        if self.conns.get(&conn).is_some_and(|entry| matches!(entry.stage, Stage::Dialing(_))) {
            self.detach(now, conn, Fault::Network);
            self.forget(conn);
        }
    }

    pub(super) fn received(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        self.pace.read(now.tick, bytes.len());
        if self.conns.get_mut(&conn).and_then(Conn::session).is_none() {
            return;
        }
        self.stats.received_bytes = self.stats.received_bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.tidy_later(now.tick);
        if !self.keep_for_turn(now, conn, bytes) {
            self.read_session(now, conn, bytes);
        }
    }

    pub(super) fn read_session(&mut self, now: Now, conn: ConnId, bytes: &[u8]) {
        let Some(session) = self.conns.get_mut(&conn).and_then(Conn::session) else {
            return;
        };
        let mut context = Context { replay: &mut self.replay, router_info: self.router_info.bytes() };
        session.handle_bytes(now, bytes, &mut context);
        self.pump(now, conn);
    }

    pub(super) fn ended(&mut self, now: Now, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        match &mut entry.stage {
            Stage::Dialing(_) => self.dial_refused(now, conn),
            Stage::Session(session) => {
                session.handle_eof(now);
                self.pump(now, conn);
                // Nobody takes last bytes any more.
                self.forget(conn);
            }
        }
    }

    pub(super) fn write(&mut self, now: Now, conn: ConnId, out: &mut Vec<u8>, limit: usize) {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        let Some(session) = entry.any_session() else {
            return;
        };
        let queued = session.queued();
        let only_transit = queued.transit.bytes > 0 && queued.own.bytes == 0 && queued.control.bytes == 0;
        let room = self.pace.may_write(now.tick, !only_transit);
        let before = out.len();
        if room == 0 && session.wants_write() {
            entry.announced = false;
            return self.hold(conn, !only_transit);
        }
        session.write_into(now, out, limit.min(before.saturating_add(room)));
        let more = session.wants_write();
        let written = out.len().saturating_sub(before);
        self.pace.wrote(now.tick, written);
        self.stats.sent_bytes = self.stats.sent_bytes.saturating_add(u64::try_from(written).unwrap_or(u64::MAX));
        if written == 0 || !more {
            entry.announced = false;
        }
        let peer = entry.peer;
        if !more && entry.closing {
            return self.forget(conn);
        }
        self.pump(now, conn);
        if let Some(peer) = peer {
            self.check_congestion(peer);
        }
    }

    /// Does what a session or a plan has due.
    pub(super) fn conn_due(&mut self, now: Now, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        if let Some((_, plan)) = entry.plan.take_if(|(at, _)| *at <= now.tick) {
            match plan {
                Plan::GiveUp => {
                    self.detach(now, conn, Fault::Network);
                    return self.forget(conn);
                }
                Plan::Forget => return self.forget(conn),
                Plan::End => self.close(now, conn, TerminationReason::Normal),
                Plan::Promote => self.promote(now, conn),
            }
        } else if let Some(session) = entry.session() {
            session.handle_timeout(now);
        }
        self.pump(now, conn);
    }

    /// Ends a session from our side.
    pub(super) fn close(&mut self, now: Now, conn: ConnId, reason: TerminationReason) {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        match &mut entry.stage {
            Stage::Dialing(_) => {
                self.detach(now, conn, Fault::Local);
                self.forget(conn);
            }
            Stage::Session(session) => {
                session.close(now, reason);
                self.pump(now, conn);
            }
        }
    }

    /// Takes a session's events and looks what it wants next.
    pub(super) fn pump(&mut self, now: Now, conn: ConnId) {
        while let Some(event) = self.conns.get_mut(&conn).and_then(Conn::any_session).and_then(Session::poll_event) {
            match event {
                Event::Message(message) => self.message(now, conn, message),
                Event::RouterInfo { info, flood } => {
                    let from = self.conns.get(&conn).and_then(|entry| entry.peer);
                    if let Some(from) = from {
                        self.event(LaneEvent::RouterInfo { info, from, flood });
                    }
                }
                Event::Established { peer, router_info, clock_skew_secs } => {
                    self.established(now, conn, peer, router_info, clock_skew_secs);
                }
                Event::Closed(reason) => self.closed(now, conn, reason),
                _ => {}
            }
        }
        self.refresh(conn);
    }

    /// Brings timer, writability and drop counts of a connection up to date.
    pub(super) fn refresh(&mut self, conn: ConnId) {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        let plan = entry.plan.map(|(at, _)| at);
        let counted = entry.counted;
        let Some(session) = entry.any_session() else {
            return self.timers.set(Timer::Conn(conn), plan);
        };
        let deadline = session.deadline();
        let drops = session.drops();
        let wants_write = session.wants_write();
        entry.counted = drops;
        if wants_write && !entry.announced {
            entry.announced = true;
            self.writable.insert(conn);
        }
        count_drops(&mut self.stats, counted, drops);
        let next = plan.into_iter().chain(deadline).min();
        self.timers.set(Timer::Conn(conn), next);
    }

    /// A session stands: give it its place beside others of the same router.
    fn established(&mut self, now: Now, conn: ConnId, peer: RouterHash, router_info: Option<RouterInfo>, clock_skew_secs: i64) {
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        let inbound = entry.inbound;
        entry.peer = Some(peer);
        entry.established = Some(now.tick);
        entry.plan = None;
        if let Some(source) = entry.source.take() {
            entry.standing = Some(source);
            self.inbound.over(conn);
            self.inbound.release(source);
            self.inbound.stands(now.tick, source);
        }
        let known = self.peers.get(&peer).is_some_and(|peer| peer.active.is_some());
        if peer == self.local.hash {
            return self.close(now, conn, TerminationReason::Normal);
        }
        if inbound && !known && self.memory_is_short() {
            return self.refuse_for_memory(now, conn);
        }
        if inbound && !known && self.inbound_full() && !self.make_place(now, false) {
            self.stats.drop(DropReason::SessionLimit, 1);
            return self.close(now, conn, TerminationReason::Normal);
        }
        if !inbound && !known && self.connected >= self.config.max_sessions && !self.make_place(now, true) {
            // Others came in while we dialed.
            self.connect_failed(peer, Fault::Local, DropReason::SessionLimit);
            return self.close(now, conn, TerminationReason::Normal);
        }
        self.backoffs.clear(peer);
        if let Some(info) = router_info {
            self.event(LaneEvent::RouterInfo { info, from: peer, flood: false });
        }
        if inbound {
            self.give_up_dial(peer, conn);
        }
        let entry = self.peers.entry(peer).or_default();
        if !inbound {
            entry.dial.stop();
        }
        match entry.active {
            None => {
                entry.active = Some(conn);
                self.timers.set(Timer::Peer(peer), None);
                self.connected = self.connected.saturating_add(1);
                self.event(LaneEvent::Connected { peer, inbound, clock_skew_secs });
                self.flush_pending(now, peer);
            }
            Some(active) => self.second_session(now, peer, active, conn, inbound),
        }
    }

    /// A session is over: its place is free at once, its connection lives on for its last bytes.
    fn closed(&mut self, now: Now, conn: ConnId, reason: CloseReason) {
        self.detach(now, conn, fault(reason));
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        entry.closing = true;
        entry.plan = Some((now.tick + CLOSE_TIME, Plan::Forget));
        let more = entry.any_session().is_some_and(|session| session.wants_write());
        if !more {
            self.forget(conn);
        }
    }

    /// Takes a connection out of its router's places and of the inbound limits.
    pub(super) fn detach(&mut self, now: Now, conn: ConnId, fault: Fault) {
        self.forget_handshake(conn);
        let Some(entry) = self.conns.get_mut(&conn) else {
            return;
        };
        let (peer, established, dialed) = (entry.peer, entry.established.is_some(), !entry.inbound);
        if let Some(source) = entry.source.take() {
            self.inbound.release(source);
        }
        let Some(hash) = peer else { return };
        let Some(peer) = self.peers.get_mut(&hash) else {
            return;
        };
        if dialed && !established && peer.dial.conn() == Some(conn) {
            return self.dial_failed(now, hash, fault);
        }
        if peer.second == Some(conn) {
            peer.second = None;
        }
        if peer.active != Some(conn) {
            return;
        }
        peer.active = peer.second.take();
        if let Some(promoted) = peer.active {
            if let Some(entry) = self.conns.get_mut(&promoted) {
                entry.plan = None;
            }
            return self.refresh(promoted);
        }
        let congested = self.peers.remove(&hash).is_some_and(|peer| peer.congested);
        self.connected = self.connected.saturating_sub(1);
        if congested {
            self.event(LaneEvent::Congestion { peer: hash, congested: false });
        }
        self.event(LaneEvent::Disconnected { peer: hash });
    }

    /// The connection is no more.
    pub(super) fn forget(&mut self, conn: ConnId) {
        self.forget_handshake(conn);
        let Some(mut entry) = self.conns.remove(&conn) else {
            return;
        };
        self.pace.forget(conn);
        let counted = entry.counted;
        if let Some(session) = entry.any_session() {
            count_drops(&mut self.stats, counted, session.drops());
        }
        if let Some(source) = entry.source {
            self.inbound.release(source);
        }
        if let Some(source) = entry.standing {
            self.inbound.gone(source);
        }
        self.writable.remove(&conn);
        self.timers.set(Timer::Conn(conn), None);
        self.outputs.push_back(LaneOutput::Close { conn });
    }
}

fn fault(reason: CloseReason) -> Fault {
    use ramson_transport::ntcp2::Fault as Session;
    match reason.fault() {
        Session::Peer => Fault::Peer,
        Session::None | Session::Network => Fault::Network,
        Session::Local => Fault::Local,
    }
}

/// Counts what a session dropped since it was last looked at.
fn count_drops(stats: &mut LaneStats, old: Drops, new: Drops) {
    let mut count = |reason, old: u64, new: u64| stats.drop(reason, new.saturating_sub(old));
    count(DropReason::OwnQueue, old.control_refused, new.control_refused);
    count(DropReason::OwnQueue, old.own_refused, new.own_refused);
    count(DropReason::TooLarge, old.too_large, new.too_large);
    count(DropReason::TransitQueue, old.transit_aged, new.transit_aged);
    count(DropReason::TransitQueue, old.transit_overflow, new.transit_overflow);
    count(DropReason::Expired, old.transit_expired, new.transit_expired);
    count(DropReason::Memory, old.transit_shed, new.transit_shed);
    count(DropReason::SessionClosed, old.unsent, new.unsent);
}
