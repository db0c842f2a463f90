//! Routers: who is wanted, dialed, left alone; what waits for them.

use std::{collections::VecDeque, time::Duration};

use ramson_crypto::rng;
use ramson_transport::ntcp2::{Class, SendError, Session, TerminationReason};
use ramson_wire::{I2npMessage, MessageKind, Now, RouterHash, RouterInfo, Tick, TunnelId};

use super::{
    Lane,
    bounds::enough_connections,
    connections::{Conn, Plan, Stage},
};
use crate::{
    ConnId, DropReason, Fault, LaneEvent, LaneOutput,
    address::{Candidate, candidates},
    limits::{
        CONGESTION_QUEUE, CONNECT_TIMEOUT, DIAL_ROUNDS, EXPIRED_BY, MAX_PENDING_BYTES, MAX_PENDING_MESSAGES, MAX_PENDING_TOTAL,
        MAX_WANTED, MAX_WANTED_BY_TRANSIT, ROUND_PAUSE, WANTED_TIMEOUT,
    },
    timers::Timer,
};

/// A router with a session, or wanted.
#[derive(Default)]
pub(super) struct Peer {
    /// The session on which we send.
    pub(super) active: Option<ConnId>,
    /// A session on which we only receive.
    pub(super) second: Option<ConnId>,
    pub(super) dial: Dial,
    pending: Pending,
    pub(super) congested: bool,
    /// When something of our own went there, or came from there, last.
    pub(super) ours_at: Option<Tick>,
}

impl Peer {
    /// Messages that wait for a session, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.pending.messages.len(), self.pending.bytes)
    }
}

/// The way to a session of ours.
#[derive(Default)]
pub(super) enum Dial {
    /// None: connected, or just made.
    #[default]
    None,
    /// The engine looks for the RouterInfo.
    Wanted,
    /// A connection is under way; `rest` are addresses not tried in this round.
    Under { conn: ConnId, rest: Vec<Candidate>, round: u8, info: RouterInfo },
    /// Between two rounds.
    Pause { round: u8, info: RouterInfo },
}

impl Dial {
    pub(super) fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Under { conn, .. } => Some(*conn),
            Self::None | Self::Wanted | Self::Pause { .. } => None,
        }
    }

    pub(super) fn stop(&mut self) {
        *self = Self::None;
    }
}

/// Messages for an unconnected router.
#[derive(Default)]
struct Pending {
    messages: VecDeque<(Class, I2npMessage)>,
    bytes: usize,
}

impl Pending {
    fn push(&mut self, class: Class, message: I2npMessage) {
        self.bytes = self.bytes.saturating_add(message.body.len());
        self.messages.push_back((class, message));
    }

    fn has_room(&self, len: usize) -> bool {
        self.messages.len() < MAX_PENDING_MESSAGES && self.bytes.saturating_add(len) <= MAX_PENDING_BYTES
    }

    /// Drops the oldest transit message; false if there is none.
    fn drop_transit(&mut self) -> bool {
        let oldest = self.messages.iter().position(|(class, _)| *class == Class::Transit);
        let Some((_, message)) = oldest.and_then(|at| self.messages.remove(at)) else {
            return false;
        };
        self.bytes = self.bytes.saturating_sub(message.body.len());
        true
    }

    fn own_bytes(&self) -> usize {
        self.bytes_of(Class::Own)
    }

    fn transit_bytes(&self) -> usize {
        self.bytes_of(Class::Transit)
    }

    fn bytes_of(&self, wanted: Class) -> usize {
        self.messages.iter().filter(|(class, _)| *class == wanted).map(|(_, message)| message.body.len()).sum()
    }
}

impl Lane {
    /// Sends to a router, or lets the message wait for a session. `endpoint` is the relay whose instructions named the router.
    pub(super) fn send(&mut self, now: Now, to: RouterHash, message: I2npMessage, class: Class, endpoint: Option<TunnelId>) {
        if to == self.local.hash {
            return self.loop_back(now, message);
        }
        let ours = is_ours(class, message.kind);
        match self.usable_session(now, to) {
            Some(conn) => self.send_on(now, to, conn, message, class),
            None => self.wait(now, to, message, class, endpoint),
        }
        if ours {
            self.note_ours(now.tick, to);
        }
    }

    /// The active connection if its session takes messages. One that broke, and only pretends not to, is given up.
    fn usable_session(&mut self, now: Now, peer: RouterHash) -> Option<ConnId> {
        loop {
            let conn = self.peers.get(&peer)?.active?;
            if self.conns.get_mut(&conn).and_then(Conn::session).is_some_and(|session| session.is_established()) {
                return Some(conn);
            }
            self.detach(now, conn, Fault::Network);
        }
    }

    fn send_on(&mut self, now: Now, peer: RouterHash, conn: ConnId, message: I2npMessage, class: Class) {
        let Some(session) = self.conns.get_mut(&conn).and_then(Conn::session) else {
            return;
        };
        // The session counts what it refuses, except this.
        if session.send(now, message, class) == Err(SendError::Closed) {
            self.stats.drop(DropReason::SessionClosed, 1);
        }
        self.refresh(conn);
        if class == Class::Own {
            self.check_congestion(peer);
        }
    }

    /// Queues for an unconnected router, and asks for it if nobody has.
    fn wait(&mut self, now: Now, to: RouterHash, message: I2npMessage, class: Class, endpoint: Option<TunnelId>) {
        let transit = class == Class::Transit;
        if !self.peers.contains_key(&to) {
            if let Some(backoff) = self.backoffs.current(now.tick, to) {
                self.stats.drop(DropReason::Backoff, 1);
                if !transit {
                    self.event(LaneEvent::ConnectFailed { peer: to, fault: backoff.fault });
                }
                return;
            }
            let wanted = self.peers.len().saturating_sub(self.connected);
            if wanted >= if transit { MAX_WANTED_BY_TRANSIT } else { MAX_WANTED } {
                return self.stats.drop(DropReason::WantedPeers, 1);
            }
            if endpoint.is_some_and(|tunnel| !self.table.allow_target(now.tick, tunnel)) {
                return self.stats.drop(DropReason::EndpointTargets, 1);
            }
            self.peers.insert(to, Peer { dial: Dial::Wanted, ..Peer::default() });
            self.timers.set(Timer::Peer(to), Some(now.tick + WANTED_TIMEOUT));
            self.event(LaneEvent::PeerWanted { peer: to });
        }
        self.enqueue(to, message, class);
        if class == Class::Own {
            self.check_congestion(to);
        }
    }

    fn enqueue(&mut self, to: RouterHash, message: I2npMessage, class: Class) {
        let Some(peer) = self.peers.get_mut(&to) else {
            return;
        };
        let len = message.body.len();
        let before = peer.pending.bytes;
        let mut evicted = 0;
        if class != Class::Transit {
            while !peer.pending.has_room(len) && peer.pending.drop_transit() {
                evicted += 1;
            }
        }
        let total = if class == Class::Transit { MAX_PENDING_TOTAL / 4 * 3 } else { MAX_PENDING_TOTAL };
        if peer.pending.has_room(len) && self.pending_bytes.saturating_add(len) <= total {
            peer.pending.push(class, message);
        } else {
            evicted += 1;
        }
        self.pending_bytes = self.pending_bytes.saturating_add(peer.pending.bytes).saturating_sub(before);
        self.stats.drop(DropReason::PendingQueue, evicted);
    }

    /// Transit that waits for sessions goes, the router's that has most of it first; bytes that are free now.
    pub(super) fn forget_waiting_transit(&mut self, wanted: usize) -> usize {
        let mut freed = 0_usize;
        let mut dropped = 0;
        while freed < wanted {
            let most = self.peers.values_mut().max_by_key(|peer| peer.pending.transit_bytes());
            let Some(peer) = most.filter(|peer| peer.pending.transit_bytes() > 0) else { break };
            let before = peer.pending.bytes;
            while freed.saturating_add(before.saturating_sub(peer.pending.bytes)) < wanted && peer.pending.drop_transit() {
                dropped += 1;
            }
            freed = freed.saturating_add(before.saturating_sub(peer.pending.bytes));
        }
        self.pending_bytes = self.pending_bytes.saturating_sub(freed);
        self.stats.drop(DropReason::Memory, dropped);
        freed
    }

    /// Gives what waited to the session that now stands.
    pub(super) fn flush_pending(&mut self, now: Now, peer: RouterHash) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let pending = std::mem::take(&mut entry.pending);
        self.pending_bytes = self.pending_bytes.saturating_sub(pending.bytes);
        for (class, message) in pending.messages {
            if class == Class::Transit && message.expiration + EXPIRED_BY < now.date {
                self.stats.drop(DropReason::Expired, 1);
            } else {
                self.send(now, peer, message, class, None);
            }
        }
        self.check_congestion(peer);
    }

    /// Drops what waits for a router that can't be had, and the router.
    fn drop_peer(&mut self, peer: RouterHash, reason: DropReason) {
        let Some(entry) = self.peers.remove(&peer) else {
            return;
        };
        self.timers.set(Timer::Peer(peer), None);
        self.pending_bytes = self.pending_bytes.saturating_sub(entry.pending.bytes);
        self.stats.drop(reason, u64::try_from(entry.pending.messages.len()).unwrap_or(u64::MAX));
        if entry.congested {
            self.event(LaneEvent::Congestion { peer, congested: false });
        }
    }

    pub(super) fn no_peer(&mut self, peer: RouterHash) {
        if self.peers.get(&peer).is_some_and(|entry| matches!(entry.dial, Dial::Wanted)) {
            self.drop_peer(peer, DropReason::NoPeer);
        }
    }

    /// Dials by a RouterInfo, unless there is a session, a dial, or a reason to leave the router alone.
    pub(super) fn connect(&mut self, now: Now, info: RouterInfo) {
        let peer = info.hash();
        let busy = self
            .peers
            .get(&peer)
            .is_some_and(|entry| entry.active.is_some() || matches!(entry.dial, Dial::Under { .. } | Dial::Pause { .. }));
        if peer == self.local.hash || busy {
            return;
        }
        if let Some(backoff) = self.backoffs.current(now.tick, peer) {
            if info.published() <= backoff.published {
                return self.connect_failed(peer, backoff.fault, DropReason::Backoff);
            }
            self.backoffs.clear(peer);
        }
        let known = self.peers.contains_key(&peer);
        let others = self.peers.len().saturating_sub(usize::from(known));
        let full = others >= self.config.max_sessions && !self.make_place(now, true);
        if full || self.conns.len() >= enough_connections(&self.config) {
            return self.connect_failed(peer, Fault::Local, DropReason::SessionLimit);
        }
        let other_network = info.net_id().is_some_and(|id| id != self.config.net_id);
        let found = candidates(&self.config, &info);
        if other_network || found.is_empty() {
            self.backoffs.add(now.tick, peer, Fault::Peer, info.published());
            return self.connect_failed(peer, Fault::Peer, DropReason::ConnectFailed);
        }
        self.peers.entry(peer).or_default();
        self.dial(now, peer, found, 1, info);
    }

    pub(super) fn connect_failed(&mut self, peer: RouterHash, fault: Fault, reason: DropReason) {
        self.drop_peer(peer, reason);
        self.event(LaneEvent::ConnectFailed { peer, fault });
    }

    fn dial(&mut self, now: Now, peer: RouterHash, mut rest: Vec<Candidate>, round: u8, info: RouterInfo) {
        if rest.is_empty() {
            return;
        }
        let candidate = rest.remove(0);
        let remote = candidate.remote;
        let conn = self.next_conn();
        let mut entry = Conn::new(now.tick, Stage::Dialing(candidate), false, Some(peer));
        entry.plan = Some((now.tick + CONNECT_TIMEOUT, Plan::GiveUp));
        self.conns.insert(conn, entry);
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.dial = Dial::Under { conn, rest, round, info };
        }
        self.timers.set(Timer::Peer(peer), None);
        self.refresh(conn);
        self.outputs.push_back(LaneOutput::Dial { conn, remote });
    }

    /// The connection of a dial failed: next address, next round, or the end.
    pub(super) fn dial_failed(&mut self, now: Now, peer: RouterHash, fault: Fault) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let Dial::Under { rest, round, info, .. } = std::mem::take(&mut entry.dial) else {
            return;
        };
        if !rest.is_empty() {
            return self.dial(now, peer, rest, round, info);
        }
        if round < DIAL_ROUNDS && fault != Fault::Peer {
            entry.dial = Dial::Pause { round, info };
            let pause = u64::try_from(ROUND_PAUSE.as_millis()).unwrap_or(u64::MAX);
            let pause = rng::between(&mut self.rng, pause, pause.saturating_mul(2));
            return self.timers.set(Timer::Peer(peer), Some(now.tick + Duration::from_millis(pause)));
        }
        self.backoffs.add(now.tick, peer, fault, info.published());
        self.connect_failed(peer, fault, DropReason::ConnectFailed);
    }

    /// An inbound session stands: our own dial isn't needed, if message 3 isn't out. What waits stays.
    pub(super) fn give_up_dial(&mut self, peer: RouterHash, inbound: ConnId) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let dialed = entry.dial.conn();
        entry.dial.stop();
        self.timers.set(Timer::Peer(peer), None);
        if let Some(conn) = dialed
            && conn != inbound
        {
            self.forget(conn);
        }
    }

    /// The engine didn't answer, or the pause between two rounds is over.
    pub(super) fn peer_due(&mut self, now: Now, peer: RouterHash) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        match std::mem::take(&mut entry.dial) {
            Dial::Wanted => self.drop_peer(peer, DropReason::NoPeer),
            Dial::Pause { round, info } => {
                let found = candidates(&self.config, &info);
                self.dial(now, peer, found, round.saturating_add(1), info);
            }
            other => entry.dial = other,
        }
    }

    pub(super) fn disconnect(&mut self, now: Now, peer: RouterHash) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let (second, dialed) = (entry.second, entry.dial.conn());
        entry.dial.stop();
        for conn in second.into_iter().chain(dialed) {
            self.close(now, conn, TerminationReason::Normal);
        }
        if let Some(conn) = self.peers.get(&peer).and_then(|entry| entry.active) {
            self.close(now, conn, TerminationReason::Normal);
        }
        self.drop_peer(peer, DropReason::ConnectFailed);
    }

    /// From now on in handshakes; to the connected too, if asked.
    pub(super) fn set_router_info(&mut self, now: Now, info: RouterInfo, announce: bool) {
        self.router_info = info;
        if !announce {
            return;
        }
        let active: Vec<ConnId> = self.peers.values().filter_map(|peer| peer.active).collect();
        for conn in active {
            if let Some(session) = self.conns.get_mut(&conn).and_then(Conn::session) {
                // A full control queue is counted by the session; the peer learns it another time.
                let _counted = session.send_router_info(now, self.router_info.bytes().clone(), false);
            }
            self.refresh(conn);
        }
    }

    /// Says when the own queue towards a router passes one of its marks.
    pub(super) fn check_congestion(&mut self, peer: RouterHash) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        let session = entry.active.and_then(|conn| self.conns.get_mut(&conn)).and_then(Conn::session);
        let queued = session.map_or(0, |session| Session::queued(session).own.bytes);
        let own = queued.saturating_add(entry.pending.own_bytes());
        let congested = if entry.congested { own > CONGESTION_QUEUE / 4 } else { own > CONGESTION_QUEUE / 4 * 3 };
        if congested != entry.congested {
            entry.congested = congested;
            self.event(LaneEvent::Congestion { peer, congested });
        }
    }
}

/// Data and requests of tunnels of our own. Answers to strangers are no sign that a router is one of our hops.
fn is_ours(class: Class, kind: MessageKind) -> bool {
    let of_tunnels = [MessageKind::TUNNEL_DATA, MessageKind::SHORT_TUNNEL_BUILD, MessageKind::VARIABLE_TUNNEL_BUILD];
    class != Class::Transit && of_tunnels.contains(&kind)
}
