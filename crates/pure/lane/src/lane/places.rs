//! Who keeps a session when places get scarce.
//!
//! A router to which data or requests of our own tunnels went lately, or that brought us their data, is *ours*: a hop of them. Whatever
//! strangers do, its session stays. Of the others the one that was silent for longest goes first; and as
//! the table fills, all of them may be silent for less long.

use std::time::Duration;

use ramson_transport::ntcp2::{Session, TerminationReason};
use ramson_wire::{Now, RouterHash, Tick};

use super::{
    Lane,
    connections::{Conn, Stage},
};
use crate::{
    ConnId, DropReason,
    limits::{EVICTED_BY_OURS, EVICTED_BY_STRANGERS, IDLE_WHEN_EMPTY, IDLE_WHEN_FULL, OURS_FOR, TIDY_INTERVAL},
    timers::Timer,
};

impl Lane {
    /// Something of our own goes there, or came from there.
    pub(super) fn note_ours(&mut self, now: Tick, peer: RouterHash) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.ours_at = Some(now);
        }
    }

    fn is_ours(&self, now: Tick, peer: RouterHash) -> bool {
        let at = self.peers.get(&peer).and_then(|entry| entry.ours_at);
        at.is_some_and(|at| now.saturating_since(at) < OURS_FOR)
    }

    /// Makes room for a session, if one that isn't ours was silent for long enough. `ours`: the new one is dialed for ourselves.
    pub(super) fn make_place(&mut self, now: Now, ours: bool) -> bool {
        let least = if ours { EVICTED_BY_OURS } else { EVICTED_BY_STRANGERS };
        let silent = self.strangers(now.tick).filter(|(_, _, silent)| *silent >= least);
        let Some((_, conn, _)) = silent.max_by_key(|(inbound, _, silent)| (*silent, *inbound)) else {
            return false;
        };
        self.stats.drop(DropReason::Evicted, 1);
        self.close(now, conn, TerminationReason::IdleTimeout);
        true
    }

    /// Active sessions that aren't ours: whether they dialed us, and for how long they were silent.
    fn strangers(&self, now: Tick) -> impl Iterator<Item = (bool, ConnId, Duration)> {
        self.peers.iter().filter_map(move |(peer, entry)| {
            let conn = entry.active.filter(|_| !self.is_ours(now, *peer))?;
            let Conn { stage: Stage::Session(session), inbound, .. } = self.conns.get(&conn)? else { return None };
            let last = Session::last_message(session)?;
            Some((*inbound, conn, now.saturating_since(last)))
        })
    }

    /// How long strangers may be silent now: less and less from half of the places on.
    fn idle_limit(&self) -> Duration {
        let places = self.config.max_sessions.max(2);
        let over = self.connected.saturating_sub(places / 2).min(places / 2);
        let span = IDLE_WHEN_EMPTY.saturating_sub(IDLE_WHEN_FULL);
        let part = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        IDLE_WHEN_EMPTY.saturating_sub(span * part(over) / part(places / 2))
    }

    /// Ends sessions of strangers who were silent for too long for a table so full, the longest first, until half of it is free.
    pub(super) fn end_silent(&mut self, now: Now) {
        self.has_silent = false;
        if self.connected <= self.config.max_sessions / 2 {
            return;
        }
        let limit = self.idle_limit();
        let mut silent: Vec<(Duration, ConnId)> =
            self.strangers(now.tick).filter(|(_, _, time)| *time >= limit).map(|(_, conn, time)| (time, conn)).collect();
        silent.sort_unstable_by(|one, other| other.cmp(one));
        silent.truncate(self.connected.saturating_sub(self.config.max_sessions / 2));
        for (_, conn) in silent {
            self.close(now, conn, TerminationReason::IdleTimeout);
        }
        // Asked for each connection that comes while the table is full, so not sought each time.
        let has_silent = self.strangers(now.tick).any(|(_, _, time)| time >= EVICTED_BY_STRANGERS);
        self.has_silent = has_silent;
        self.tidy_later(now.tick);
    }

    /// Looks at silence and memory again soon: something came.
    pub(super) fn tidy_later(&mut self, now: Tick) {
        self.timers.at_latest(Timer::Tidy, now + TIDY_INTERVAL);
    }
}
