//! What all owners use and none may leave traces of itself in: settings, RouterInfos, randomness, the output queue.

use std::collections::{BTreeSet, VecDeque};

use ramson_crypto::{CryptoRng, rng};
use ramson_wire::i2np::ReplyKey;
use ramson_wire::{I2npMessage, NetDbKey, Now, RouterHash, RoutingKey, SessionTag};

use super::answers::Answers;
use super::config::Config;
use super::output::{NetDbOutput, Paths, ReplyPath};
use super::routers::{Mark, RouterStore};
use crate::identity::Owner;
use crate::status::LookupCounts;

/// A RouterInfo that an answer named and that we don't have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) hash: RouterHash,
    /// Who named it.
    pub(super) ask: Option<RouterHash>,
    /// For whom.
    pub(super) whose: Owner,
}

impl Fetch {
    /// How the router may ask for it.
    pub(super) fn prefer(&self) -> Prefer {
        match self.whose {
            Owner::Router => Prefer::Tunnels,
            Owner::Identity(_) => Prefer::OnlyTunnels,
        }
    }
}

/// Who asks, through which tunnels, and what it knows of those that it may ask.
pub(super) struct Asker<'a> {
    pub(super) owner: Owner,
    pub(super) paths: &'a Paths,
    pub(super) answers: &'a mut Answers,
}

/// Floodfills closest to a key among which one is chosen.
const NEAR: usize = 8;

/// How the router likes to ask. Identities always use their tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefer {
    /// Straight to the floodfill if it can be reached: what we need at once.
    Direct,
    /// Through exploratory tunnels while they stand, else straight.
    Tunnels,
    /// Through exploratory tunnels or not at all: what might tell of our destinations. A floodfill that names a router nobody else
    /// knows in its answer to a destination would otherwise be asked for it by the destination's router.
    OnlyTunnels,
}

/// The way to a floodfill and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Straight there and straight back.
    Direct,
    /// Through tunnels of the owner, back to this one.
    Tunnels(ReplyPath),
    /// The owner has none at the moment.
    NoTunnels,
    /// Neither can we reach it nor are there tunnels, or it has been asked enough by all ways.
    Unreachable,
}

/// See the module.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) routers: RouterStore,
    pub(super) connected: BTreeSet<RouterHash>,
    pub(super) rng: Box<dyn CryptoRng + Send>,
    pub(super) out: VecDeque<NetDbOutput>,
    /// RouterInfos to be fetched by the router; emptied within each call.
    pub(super) fetches: Vec<Fetch>,
    /// Routers whose lookup ended; emptied within each call.
    pub(super) settled: Vec<RouterHash>,
    /// For the operator: explorations left out.
    pub(super) lookups: LookupCounts,
    /// Explorations that were answered.
    pub(super) explored: u64,
}

impl Shared {
    /// The way to a floodfill for a question, such that it will be answered: a Java floodfill ignores what is too much for one way back.
    pub(super) fn route_question(&mut self, now: Now, asker: &Asker<'_>, to: RouterHash, prefer: Prefer) -> Route {
        self.route(asker, to, prefer, |reply| asker.answers.may_ask(now.tick, to, reply))
    }

    /// The way to a floodfill for something that it is to keep: straight, if the owner may.
    pub(super) fn route_store(&mut self, asker: &Asker<'_>, to: RouterHash) -> Route {
        self.route(asker, to, Prefer::Direct, |_| true)
    }

    fn route(&mut self, asker: &Asker<'_>, to: RouterHash, prefer: Prefer, fits: impl Fn(ReplyPath) -> bool) -> Route {
        let ways: Vec<ReplyPath> =
            asker.paths.inbound.iter().copied().filter(|path| asker.paths.outbound && fits(*path)).collect();
        let tunnels = self.draw(&ways).map(Route::Tunnels);
        if asker.owner != Owner::Router || prefer == Prefer::OnlyTunnels {
            let has_none = !asker.paths.outbound || asker.paths.inbound.is_empty();
            return tunnels.unwrap_or(if has_none { Route::NoTunnels } else { Route::Unreachable });
        }
        let direct = (self.can_reach(&to) && fits(self.ourselves())).then_some(Route::Direct);
        let route = match prefer {
            Prefer::Direct => direct.or(tunnels),
            Prefer::Tunnels | Prefer::OnlyTunnels => tunnels.or(direct),
        };
        route.unwrap_or(Route::Unreachable)
    }

    fn draw(&mut self, ways: &[ReplyPath]) -> Option<ReplyPath> {
        let count = u32::try_from(ways.len()).ok().filter(|count| *count > 0)?;
        let index = usize::try_from(rng::below(&mut *self.rng, count)).ok()?;
        ways.get(index).copied()
    }

    /// The floodfill closest to a key that `skip` doesn't name. Those that didn't answer this owner come last, and before the closest
    /// comes one near it that nobody can say to be of one operator with `others`.
    pub(super) fn choose_floodfill<'a>(
        &self,
        now: Now,
        answers: &Answers,
        key: &RoutingKey,
        others: impl Iterator<Item = &'a RouterHash>,
        skip: impl Fn(&RouterHash) -> bool,
    ) -> Option<RouterHash> {
        let routers = &self.routers;
        let near = routers.preferred_floodfills(now.tick, key, NEAR, |hash| skip(hash) || answers.comes_last(now.tick, hash));
        let Some(first) = near.first().copied() else {
            return routers.preferred_floodfills(now.tick, key, 1, skip).first().copied();
        };
        let taken: Vec<Mark> = others.flat_map(|other| routers.marks(other)).collect();
        let apart = |hash: &&RouterHash| !routers.marks(hash).iter().any(|mark| taken.contains(mark));
        Some(near.iter().find(apart).copied().unwrap_or(first))
    }

    fn can_reach(&self, to: &RouterHash) -> bool {
        let dialable = |to| {
            let info = self.routers.get(to)?;
            info.ntcp2_addresses().find(|address| address.host.is_some())
        };
        self.connected.contains(to) || dialable(to).is_some()
    }

    /// Sends a lookup of `asked` that `make` builds, with a one-time key for the answer if it comes through a tunnel.
    pub(super) fn send(
        &mut self,
        now: Now,
        asker: &mut Asker<'_>,
        (to, route): (RouterHash, Route),
        asked: NetDbKey,
        make: impl FnOnce(&mut dyn CryptoRng, ReplyPath, Option<ReplyKey>) -> I2npMessage,
    ) {
        let owner = asker.owner;
        let Route::Tunnels(reply) = route else {
            let reply = self.ourselves();
            asker.answers.note_question(now.tick, to, reply);
            let message = make(&mut *self.rng, reply, None);
            self.out.push_back(NetDbOutput::Direct { to, message });
            return;
        };
        asker.answers.note_question(now.tick, to, reply);
        let key = ReplyKey { tag: SessionTag(rng::bytes(&mut *self.rng)), key: rng::bytes(&mut *self.rng) };
        let message = make(&mut *self.rng, reply, Some(key.clone()));
        self.out.push_back(NetDbOutput::ExpectReply { owner, asked, key });
        self.push_wrapped(owner, to, message);
    }

    /// Sends a message sealed to `to` through a tunnel of `owner`.
    pub(super) fn push_wrapped(&mut self, owner: Owner, to: RouterHash, message: I2npMessage) {
        self.out.push_back(NetDbOutput::ThroughTunnel { owner, to, message, wrap: true });
    }

    /// The reply path that needs no tunnel.
    pub(super) fn ourselves(&self) -> ReplyPath {
        ReplyPath { gateway: self.config.our_hash, tunnel: None }
    }

    /// A random number of milliseconds between two.
    pub(super) fn draw_ms(&mut self, (low, high): (u64, u64)) -> std::time::Duration {
        std::time::Duration::from_millis(rng::between(&mut *self.rng, low, high))
    }

    /// A store token: neither 0 (none) nor all ones (taken by tunnel ends).
    pub(super) fn draw_token(&mut self) -> u32 {
        u32::try_from(rng::between(&mut *self.rng, 1, 0xffff_fffe)).unwrap_or(1)
    }
}
