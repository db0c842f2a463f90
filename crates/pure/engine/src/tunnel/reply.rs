//! Replies to our builds.

use ramson_wire::{MessageId, Now, RouterHash};

use super::build::Direction;
use super::manage::{Helper, Pending};
use super::pool::Life;
use super::{TunnelOutput, Tunnels};
use crate::identity::Owner;

impl Tunnels {
    /// Whether a ShortTunnelBuild is the end of an inbound build of ours: our reply id, from the hop before us.
    pub(super) fn is_inbound_reply(&self, from: Option<RouterHash>, id: MessageId) -> bool {
        self.pending.get(&id).is_some_and(|pending| {
            pending.direction == Direction::Inbound && from.is_some() && pending.secrets.routers().last() == from.as_ref()
        })
    }

    /// Takes a reply to an inbound build: the message itself came from the last hop.
    pub(super) fn handle_inbound_reply(&mut self, now: Now, id: MessageId, body: &[u8]) {
        self.handle_reply(now, id, body, |pending| pending.direction == Direction::Inbound);
    }

    /// Takes a reply to an outbound build that came through an inbound tunnel of `via`.
    pub(super) fn handle_outbound_reply(&mut self, now: Now, via: Owner, id: MessageId, body: &[u8]) {
        self.handle_reply(now, id, body, |pending| {
            let expected = match pending.helper {
                Helper::Inbound(owner, _) => owner,
                _ => Owner::Router,
            };
            pending.direction == Direction::Outbound && expected == via
        });
    }

    /// Replies that belong to no pending build, or come another way than asked for, are dropped.
    fn handle_reply(&mut self, now: Now, id: MessageId, body: &[u8], expected: impl Fn(&Pending) -> bool) {
        if !self.pending.get(&id).is_some_and(expected) {
            self.stats.dropped += 1;
            return;
        }
        let Some(pending) = self.pending.remove(&id) else {
            return;
        };
        self.heard(now);
        let answers = match pending.secrets.open_reply(body) {
            Ok(answers) => answers,
            Err(reason) => {
                tracing::debug!(%reason, "tunnel build reply");
                // One that came late was counted as no reply.
                self.stats.bad_replies += u64::from(!pending.overdue);
                self.profiles.no_reply(now, pending.secrets.routers());
                self.give_up(now, pending);
                return;
            }
        };
        let mut agreed = true;
        for answer in &answers {
            if answer.code == 0 {
                self.profiles.agreed(now, &answer.router);
                if let Some(pool) = self.pools.get_mut(&pending.owner) {
                    pool.agreed.see(now.tick, answer.router);
                }
            } else {
                tracing::debug!(code = answer.code, "a hop refused");
                self.profiles.declined(now, &answer.router, answer.code);
                agreed = false;
            }
        }
        self.credit(now, pending.helper);
        if agreed {
            self.install(now, pending);
        } else {
            self.stats.rejected += u64::from(!pending.overdue);
            self.give_up(now, pending);
        }
    }

    fn install(&mut self, now: Now, pending: Pending) {
        let (owner, direction) = (pending.owner, pending.direction);
        let Some(pool) = self.pools.get_mut(&owner) else {
            return;
        };
        pool.side(direction).failures = 0;
        if pending.overdue {
            // It was replaced by another build meanwhile; one too many does no harm, more are of no use.
            if pool.fresh(now.tick, direction) > pool.wanted(direction) {
                self.give_up(now, pending);
                return;
            }
            self.stats.late += 1;
        }
        self.stats.built += 1;
        let routers: Vec<RouterHash> = pending.secrets.routers().copied().collect();
        let layers = pending.secrets.layers();
        let life = Life::new(pending.started, routers, layers, &mut *self.rng);
        match pending.own_id {
            Some(id) => {
                self.add_inbound(owner, life, Some((id, pending.first_tunnel)));
            }
            None => self.add_outbound(owner, life, Some(pending.first_tunnel)),
        }
        self.drop_failed(now, owner);
        self.hurry(now, owner);
        self.outputs.push_back(TunnelOutput::PoolChanged { owner });
        self.wake(now.tick);
    }

    /// New tunnels are what other builds waited for.
    fn hurry(&mut self, now: Now, built: Owner) {
        for (owner, pool) in &mut self.pools {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let side = pool.side(direction);
                if side.failures == 0 && (*owner == built || built == Owner::Router) {
                    side.retry_at = side.retry_at.min(now.tick);
                }
            }
        }
    }

    /// The tunnel that helped works.
    fn credit(&mut self, now: Now, helper: Helper) {
        match helper {
            Helper::Direct => {}
            Helper::Outbound(owner, key) => self.outbound_works(now, owner, key),
            Helper::Inbound(owner, id) => self.inbound_works(now, owner, id),
        }
    }
}
