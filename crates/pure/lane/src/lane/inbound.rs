//! Who may connect: limits in all and for each source. A stranger ties up no more than these name.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use ramson_transport::ntcp2::Session;
use ramson_wire::bounds::{Bound, Fullest, entries};
use ramson_wire::{Now, Tick};

use super::{
    Lane,
    bounds::enough_connections,
    connections::{Conn, Stage},
};
use crate::{ConnId, DropReason, LaneConfig, address::Source, limits::MAX_RATED_ADDRESSES};

/// The window of [`LaneConfig::max_inbound_per_ip_per_minute`].
const WINDOW: Duration = Duration::from_secs(60);

/// Handshakes going on and connections taken, by source.
#[derive(Debug, Default)]
pub(super) struct Inbound {
    pending: BTreeMap<Source, usize>,
    total: usize,
    /// Connections whose handshake goes on: the smallest is the oldest.
    going_on: BTreeSet<ConnId>,
    /// Of them those whose handshake failed already, which are only kept open so that nobody learns why.
    failed: BTreeSet<ConnId>,
    /// Where sessions came from, with the last time.
    proven: BTreeMap<Source, Tick>,
    proven_by_age: BTreeSet<(Tick, Source)>,
    /// Sessions standing.
    standing: BTreeMap<Source, usize>,
    /// Begin of the window, connections in it.
    rates: BTreeMap<Source, (Tick, u32)>,
    by_age: BTreeSet<(Tick, Source)>,
}

impl Inbound {
    /// Takes a place for a handshake, or says which limit stands against it.
    fn admit(&mut self, now: Tick, config: &LaneConfig, source: Source) -> Result<(), DropReason> {
        // A quarter is for those who had a session before: a flood from everywhere doesn't keep them out.
        let places = config.max_pending_inbound;
        let places = if self.proven.contains_key(&source) { places } else { places.saturating_sub(places / 4) };
        if self.total >= places {
            return Err(DropReason::PendingInbound);
        }
        let pending = self.pending.get(&source).copied().unwrap_or(0);
        if pending >= config.max_pending_inbound_per_ip {
            return Err(DropReason::PendingInboundPerIp);
        }
        // A handshake is a session to be.
        if self.standing.get(&source).copied().unwrap_or(0).saturating_add(pending) >= config.max_inbound_sessions_per_ip {
            return Err(DropReason::SessionsPerIp);
        }
        if !self.count(now, config.max_inbound_per_ip_per_minute, source) {
            return Err(DropReason::InboundRate);
        }
        self.total = self.total.saturating_add(1);
        let pending = self.pending.entry(source).or_default();
        *pending = pending.saturating_add(1);
        Ok(())
    }

    /// A handshake goes on there.
    fn begins(&mut self, conn: ConnId) {
        self.going_on.insert(conn);
    }

    /// It is over, or the connection.
    pub(super) fn over(&mut self, conn: ConnId) {
        self.going_on.remove(&conn);
        self.failed.remove(&conn);
    }

    /// It failed, and the connection stays for a while.
    pub(super) fn fails(&mut self, conn: ConnId) {
        if self.going_on.contains(&conn) {
            self.failed.insert(conn);
        }
    }

    /// One that failed.
    pub(super) fn failed(&self) -> Option<ConnId> {
        self.failed.first().copied()
    }

    /// The one that goes on for longest.
    pub(super) fn oldest(&self) -> Option<ConnId> {
        self.going_on.first().copied()
    }

    fn remember(&mut self, now: Tick, source: Source) {
        if let Some(before) = self.proven.insert(source, now) {
            self.proven_by_age.remove(&(before, source));
        }
        self.proven_by_age.insert((now, source));
        if self.proven.len() > MAX_RATED_ADDRESSES
            && let Some((_, oldest)) = self.proven_by_age.pop_first()
        {
            self.proven.remove(&oldest);
        }
    }

    /// Gives the place back: the handshake is over, one way or the other.
    pub(super) fn release(&mut self, source: Source) {
        let Some(pending) = self.pending.get_mut(&source) else {
            return;
        };
        *pending = pending.saturating_sub(1);
        if *pending == 0 {
            self.pending.remove(&source);
        }
        self.total = self.total.saturating_sub(1);
    }

    /// A handshake from there became a session.
    pub(super) fn stands(&mut self, now: Tick, source: Source) {
        self.remember(now, source);
        let standing = self.standing.entry(source).or_default();
        *standing = standing.saturating_add(1);
    }

    /// That session's connection is gone.
    pub(super) fn gone(&mut self, source: Source) {
        let Some(standing) = self.standing.get_mut(&source) else {
            return;
        };
        *standing = standing.saturating_sub(1);
        if *standing == 0 {
            self.standing.remove(&source);
        }
    }

    pub(super) fn bounds(&self, config: &LaneConfig, visit: &mut dyn FnMut(Bound)) {
        visit(Bound::new("lane-inbound-handshakes", self.total, config.max_pending_inbound, 0));
        let of_source = |counts: &BTreeMap<Source, usize>| {
            let mut fullest = Fullest::default();
            counts.values().for_each(|count| fullest.add(*count, entries::<(Source, usize)>(1)));
            fullest
        };
        visit(of_source(&self.pending).bound("lane-inbound-handshakes-of-source", config.max_pending_inbound_per_ip));
        let standing = of_source(&self.standing);
        visit(standing.bound("lane-inbound-sessions-of-source", config.max_inbound_sessions_per_ip));
        let bytes = entries::<(Source, Tick)>(self.proven.len() * 2);
        visit(Bound::new("lane-inbound-proven", self.proven.len(), MAX_RATED_ADDRESSES, bytes).lasting());
        let bytes = entries::<(Source, (Tick, u32))>(self.rates.len() * 2);
        visit(Bound::new("lane-inbound-rates", self.rates.len(), MAX_RATED_ADDRESSES, bytes).lasting());
    }

    /// Counts a connection; false if the source has had all of its window.
    fn count(&mut self, now: Tick, limit: u32, source: Source) -> bool {
        if let Some((since, count)) = self.rates.get_mut(&source)
            && now.saturating_since(*since) < WINDOW
        {
            *count = count.saturating_add(1);
            return *count <= limit;
        }
        if let Some((since, _)) = self.rates.insert(source, (now, 1)) {
            self.by_age.remove(&(since, source));
        }
        self.by_age.insert((now, source));
        while self.rates.len() > MAX_RATED_ADDRESSES {
            let Some((_, oldest)) = self.by_age.pop_first() else {
                break;
            };
            self.rates.remove(&oldest);
        }
        true
    }
}

impl Lane {
    /// Takes a connection from outside, or refuses it and counts why.
    pub(super) fn admit(&mut self, now: Now, remote: SocketAddr) -> Option<ConnId> {
        let source = Source::of(remote.ip());
        if self.inbound.total >= self.config.max_pending_inbound / 4 * 3 {
            self.give_up_handshake(now);
        }
        let admitted = if !self.config.listen {
            Err(DropReason::NotListening)
        } else if self.memory_is_short() {
            Err(DropReason::Memory)
        } else if self.inbound_full() && !self.has_silent || self.conns.len() >= enough_connections(&self.config) {
            Err(DropReason::SessionLimit)
        } else {
            self.inbound.admit(now.tick, &self.config, source)
        };
        if let Err(reason) = admitted {
            self.stats.drop(reason, 1);
            self.report(now.tick);
            return None;
        }
        let rng = self.child_rng();
        let session = Session::respond(now, &self.local, remote.ip().to_canonical(), rng);
        let conn = self.next_conn();
        let stage = Stage::Session(Box::new(session));
        let mut entry = Conn::new(now.tick, stage, true, None);
        entry.source = Some(source);
        self.inbound.begins(conn);
        self.conns.insert(conn, entry);
        self.refresh(conn);
        Some(conn)
    }

    /// Three quarters of the sessions are taken: the rest is for own dials.
    pub(super) fn inbound_full(&self) -> bool {
        self.connected >= self.config.max_sessions.saturating_sub(self.config.max_sessions / 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_forgotten_by_age_and_bounded() {
        let mut inbound = Inbound::default();
        let config = LaneConfig { max_inbound_per_ip_per_minute: 2, ..LaneConfig::default() };
        let source = |n: u32| Source::of(std::net::Ipv4Addr::from(n).into());
        for n in 0..20_000 {
            assert_eq!(inbound.admit(Tick(u64::from(n)), &config, source(n)), Ok(()));
            inbound.release(source(n));
        }
        assert_eq!(inbound.rates.len(), MAX_RATED_ADDRESSES);
        assert_eq!(inbound.by_age.len(), MAX_RATED_ADDRESSES);
        assert!(inbound.pending.is_empty());
        assert_eq!(inbound.total, 0);
        let late = Tick(0) + WINDOW * 2;
        assert_eq!(inbound.admit(late, &config, source(19_999)), Ok(()));
        assert_eq!(inbound.admit(late, &config, source(19_999)), Ok(()));
        assert_eq!(inbound.admit(late, &config, source(19_999)), Err(DropReason::InboundRate));
        assert_eq!(inbound.rates.len(), inbound.by_age.len());
    }
}
