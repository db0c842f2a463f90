//! One bound on all that the lane holds: what strangers filled goes when it is reached, the oldest first.

use ramson_transport::ntcp2::{Session, TerminationReason};
use ramson_wire::Now;

use super::{
    Lane,
    connections::{Conn, Stage},
};
use crate::{ConnId, DropReason};

impl Lane {
    /// Memory held by all that is told.
    pub(super) fn held_bytes(&self) -> usize {
        let mut held = 0_usize;
        self.bounds(&mut |bound| held = held.saturating_add(bound.bytes));
        held
    }

    /// What strangers may fill: a quarter is kept for our own.
    fn memory_of_strangers(&self) -> usize {
        self.config.memory_bytes / 4 * 3
    }

    /// Whether nothing more is taken from strangers.
    pub(super) fn memory_is_short(&self) -> bool {
        self.memory_short
    }

    /// Looks whether too much is held, and lets go of as much: incomplete messages, then transit that waits for a session, then transit
    /// in the queues of sessions, the longest first, and last sessions of strangers.
    pub(super) fn hold_memory(&mut self, now: Now) {
        let most = self.memory_of_strangers();
        let held = self.held_bytes();
        // Up to a tenth below it, so that it isn't passed at once again.
        self.memory_short = held > most / 10 * 9;
        let percent = held.saturating_mul(10).checked_div(most).map_or(100, |tenths| tenths.min(10) * 10);
        self.stats.memory_percent = u64::try_from(percent).unwrap_or(100);
        if self.memory_short {
            self.tidy_later(now.tick);
        }
        if held <= most {
            return;
        }
        let mut over = held.saturating_sub(most / 10 * 9);
        over = over.saturating_sub(self.table.forget_incomplete(over, &mut self.stats));
        over = over.saturating_sub(self.forget_waiting_transit(over));
        over = over.saturating_sub(self.shed_transit(over));
        while over > 0 && self.make_place(now, true) {
            over = over.saturating_sub(size_of::<Session>());
        }
    }

    /// Transit in the queues of sessions, the fullest first.
    fn shed_transit(&mut self, wanted: usize) -> usize {
        let mut queues: Vec<(usize, ConnId)> = self
            .conns
            .iter()
            .filter_map(|(conn, entry)| match &entry.stage {
                Stage::Session(session) => Some((Session::queued(session).transit.bytes, *conn)),
                Stage::Dialing(_) => None,
            })
            .filter(|(bytes, _)| *bytes > 0)
            .collect();
        queues.sort_unstable_by(|one, other| other.cmp(one));
        let mut freed = 0_usize;
        for (_, conn) in queues {
            let Some(left) = wanted.checked_sub(freed).filter(|left| *left > 0) else { break };
            if let Some(session) = self.conns.get_mut(&conn).and_then(Conn::session) {
                freed = freed.saturating_add(session.shed_transit(left));
            }
            self.refresh(conn);
        }
        freed
    }

    /// A session that stands and isn't to be had any more for want of memory.
    pub(super) fn refuse_for_memory(&mut self, now: Now, conn: ConnId) {
        self.stats.drop(DropReason::Memory, 1);
        self.close(now, conn, TerminationReason::Normal);
    }
}
