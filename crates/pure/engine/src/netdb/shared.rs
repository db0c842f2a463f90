//! What all owners use and none may leave traces of itself in: settings, RouterInfos, randomness, the output queue.

use std::collections::{BTreeSet, VecDeque};

use ramson_crypto::{CryptoRng, rng};
use ramson_wire::i2np::ReplyKey;
use ramson_wire::{I2npMessage, NetDbKey, RouterHash, SessionTag};

use super::config::Config;
use super::output::{NetDbOutput, Paths, ReplyPath};
use super::routers::RouterStore;
use crate::identity::Owner;
use crate::status::LookupCounts;

/// A RouterInfo that an answer named and that we don't have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) hash: RouterHash,
    /// Who named it.
    pub(super) ask: Option<RouterHash>,
    /// How the router may ask for it.
    pub(super) prefer: Prefer,
}

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
    /// Neither can we reach it nor are there tunnels.
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
}

impl Shared {
    /// The way from `owner` to a floodfill.
    pub(super) fn route(&mut self, owner: Owner, paths: &Paths, to: RouterHash, prefer: Prefer) -> Route {
        let tunnels = self.draw_path(paths).map(Route::Tunnels);
        if owner != Owner::Router || prefer == Prefer::OnlyTunnels {
            return tunnels.unwrap_or(Route::NoTunnels);
        }
        let direct = self.can_reach(&to).then_some(Route::Direct);
        let route = match prefer {
            Prefer::Direct => direct.or(tunnels),
            Prefer::Tunnels | Prefer::OnlyTunnels => tunnels.or(direct),
        };
        route.unwrap_or(Route::Unreachable)
    }

    fn draw_path(&mut self, paths: &Paths) -> Option<ReplyPath> {
        if !paths.outbound {
            return None;
        }
        let count = u32::try_from(paths.inbound.len()).ok()?;
        let index = usize::try_from(rng::below(&mut *self.rng, count)).ok()?;
        paths.inbound.get(index).copied()
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
        owner: Owner,
        to: RouterHash,
        route: Route,
        asked: NetDbKey,
        make: impl FnOnce(&mut dyn CryptoRng, ReplyPath, Option<ReplyKey>) -> I2npMessage,
    ) {
        let Route::Tunnels(reply) = route else {
            let reply = self.ourselves();
            let message = make(&mut *self.rng, reply, None);
            self.out.push_back(NetDbOutput::Direct { to, message });
            return;
        };
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
