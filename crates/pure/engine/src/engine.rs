//! The machine that joins the others: routes each message to the part that it is for, and each part's wishes to the lane.
//!
//! One direction each way. From the lane: tunnel messages to [`Tunnels`], which gives back what came through tunnels, with its owner;
//! netDb messages to [`NetDb`]; garlic to the router's own key or to the destination whose tunnel it came through. Towards the lane:
//! destinations and netDb name a tunnel owner and a router, [`Tunnels`] makes tunnel messages of it.
//!
//! Invariant: what came through a tunnel of an identity goes to that identity's [`Destination`] and to its part of the netDb, nowhere
//! else; what came otherwise never reaches one.

mod applications;
mod bounds;
mod congestion;
mod dear;
mod destinations;
#[cfg(test)]
mod flooded;
mod glue;
mod limits;
mod load;
mod local;
mod memory;
mod repetitions;
mod report;
mod reseed;
mod routing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::{CryptoRng, kdf, x25519};
use ramson_lane::{Fault, LaneCommand, LaneEvent, LaneStats};
use ramson_wire::{Now, RouterHash, RouterInfo, Tick};

use crate::destination::{Destination, LastDates};
use crate::identity::{IdentityId, Owner};
use crate::interface::{Command, Event, Output, Progress, RequestId, Snapshot};
use crate::netdb::{self, NetDb};
use crate::own_router::{self, RouterSecrets};
use crate::tunnel::{LocalRouter, PoolConfig, Tunnels, TunnelsConfig};
use applications::Applications;
use congestion::CongestionLetter;
use dear::DearWork;
use destinations::{Lookups, PUBLIC_NET};
pub use limits::EngineLimits;
use load::TransitLoad;
use local::LocalPost;
use memory::Memory;
use repetitions::Repetitions;
use reseed::Reseeding;
use routing::RouterReplies;

/// Our RouterInfo is signed anew at a random time within these, whatever destinations do.
const RESIGN_MS: (u64, u64) = (20 * 60_000, 30 * 60_000);

/// How the engine takes part in its network.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Which network: 2 is the public one.
    pub net_id: u8,
    /// Serve as a floodfill.
    pub floodfill: bool,
    /// Build tunnels with several routers of one subnet.
    pub ignore_subnets: bool,
    /// What we publish: at most one address of each family.
    pub addresses: Vec<SocketAddr>,
    /// We dial IPv4. With addresses these are their families: peers take us from no other.
    pub ipv4: bool,
    /// We dial IPv6.
    pub ipv6: bool,
    /// How much we do for others and for each application.
    pub limits: EngineLimits,
}

/// See the module.
pub struct Engine {
    config: EngineConfig,
    secrets: RouterSecrets,
    encryption_key: Arc<x25519::PrivateKey>,
    router_info: RouterInfo,
    resign_at: Tick,
    started: Tick,
    netdb: NetDb,
    tunnels: Tunnels,
    destinations: BTreeMap<IdentityId, Destination>,
    /// Destinations that wait to open their pools.
    starting: BTreeMap<IdentityId, (Tick, PoolConfig)>,
    /// Of destinations that were closed a moment ago.
    last_dates: LastDates,
    /// Destinations whose `DestinationReady` was said.
    ready: BTreeSet<IdentityId>,
    /// Destinations beyond the limit.
    refused_destinations: u64,
    lookups: Lookups,
    replies: RouterReplies,
    dear: DearWork,
    local: LocalPost,
    repetitions: Repetitions,
    reseeding: Reseeding,
    connected: BTreeSet<RouterHash>,
    congested: BTreeSet<RouterHash>,
    /// Congestion or tunnels changed: destinations are to be told whom to hold back.
    congestion_changed: bool,
    lane_stats: LaneStats,
    transit_load: TransitLoad,
    congestion_letter: CongestionLetter,
    memory: Memory,
    applications: Applications,
    progress: Option<Progress>,
    rng: SeededRng,
    /// The reading of the last call.
    now: Now,
    outputs: VecDeque<Output>,
}

impl Engine {
    /// An engine whose exploratory pool begins to build as soon as routers are known.
    ///
    /// # Errors
    /// Our own RouterInfo can't be made from the secrets and the configuration.
    pub fn new(
        now: Now,
        config: EngineConfig,
        secrets: RouterSecrets,
        mut snapshot: Snapshot,
        mut rng: Box<dyn CryptoRng + Send>,
    ) -> Result<Self, own_router::OwnRouterError> {
        let mut rng = SeededRng::new(rng::bytes(&mut *rng));
        let congestion_letter = CongestionLetter::new(config.limits.transit);
        let router_info = own_router::sign_with(&secrets, now.date, &config, congestion_letter.letter())?;
        let hash = router_info.hash();
        let encryption_key = Arc::new(x25519::PrivateKey::from_bytes(&secrets.encryption_key.to_bytes()));
        let mut netdb_config = netdb::Config { floodfill: config.floodfill, ..netdb::Config::new(config.net_id, hash) };
        memory::fit_netdb(&mut netdb_config.limits, config.limits.memory_bytes);
        let netdb = NetDb::new(now, netdb_config, std::mem::take(&mut snapshot.routers), Box::new(rng.child("netdb")));
        let tunnels_config = TunnelsConfig {
            net_id: config.net_id,
            ipv4: config.ipv4,
            ipv6: config.ipv6,
            ignore_subnets: config.ignore_subnets,
            ours: config.addresses.iter().map(SocketAddr::ip).collect(),
        };
        let local = LocalRouter { hash, key: Arc::clone(&encryption_key) };
        let mut tunnels = Tunnels::new(now, tunnels_config, local, Box::new(rng.child("tunnels")));
        tunnels.set_reachable(!config.addresses.is_empty());
        tunnels.restore(now, &mut snapshot);
        let order_secret = Some(kdf::hkdf(&[], &secrets.encryption_key.to_bytes()[..], b"tunnel order of the router"));
        tunnels.open_pool(now, Owner::Router, PoolConfig { order_secret, ..PoolConfig::exploratory() });
        let local = LocalPost::new(config.net_id == PUBLIC_NET, rng.child("local post"));
        let resign = Duration::from_millis(rng::between(&mut rng, RESIGN_MS.0, RESIGN_MS.1));
        let applications = Applications::new(config.limits.application_bytes_per_sec);
        let transit_load = TransitLoad::new(now.tick, config.limits.transit_bytes_per_sec);
        let mut engine = Self {
            config,
            secrets,
            encryption_key,
            router_info: router_info.clone(),
            resign_at: now.tick + resign,
            started: now.tick,
            netdb,
            tunnels,
            destinations: BTreeMap::new(),
            starting: BTreeMap::new(),
            last_dates: LastDates::default(),
            ready: BTreeSet::new(),
            refused_destinations: 0,
            lookups: Lookups::default(),
            replies: RouterReplies::default(),
            dear: DearWork::default(),
            local,
            repetitions: Repetitions::new(now.tick),
            reseeding: Reseeding::new(now.tick),
            connected: BTreeSet::new(),
            congested: BTreeSet::new(),
            congestion_changed: false,
            lane_stats: LaneStats::default(),
            transit_load,
            congestion_letter,
            memory: Memory::new(now.tick),
            applications,
            progress: None,
            rng,
            now,
            outputs: VecDeque::new(),
        };
        let reseeded = !snapshot.reseed.is_empty();
        engine.reseed(now, snapshot.reseed);
        engine.reseed_later(now, reseeded);
        engine.decide_congestion_later(now);
        engine.netdb.publish_router_info(now, router_info);
        engine.settle(now);
        Ok(engine)
    }

    /// Ours as signed last: what the lane begins with.
    #[must_use]
    pub fn router_info(&self) -> &RouterInfo {
        &self.router_info
    }

    /// Takes one event of the lane. What it leaves to be opened waits for [`Self::handle_timeout`], which is then due at once: so all that
    /// came together is taken before anything dear.
    pub fn handle_lane(&mut self, now: Now, event: LaneEvent) {
        self.now = now;
        match event {
            LaneEvent::PeerWanted { peer } => self.peer_wanted(now, peer),
            LaneEvent::Connected { peer, .. } => {
                self.connected.insert(peer);
                self.netdb.handle_connected(now, peer);
                self.tunnels.handle_connected(now, peer);
            }
            LaneEvent::ConnectFailed { peer, fault } => {
                self.netdb.handle_send_failed(now, peer);
                // Our own limits are nothing that a peer's profile suffers for.
                if fault != Fault::Local {
                    self.tunnels.handle_connect_failed(now, peer);
                }
            }
            LaneEvent::Disconnected { peer } => {
                self.connected.remove(&peer);
                self.congestion_changed |= self.congested.remove(&peer);
                self.netdb.handle_disconnected(&peer);
                self.tunnels.handle_disconnected(now, peer);
            }
            LaneEvent::RouterInfo { info, from, flood } => self.router_info_came(now, info, from, flood),
            LaneEvent::Message { from, message } => self.handle_message(now, from, message),
            LaneEvent::Congestion { peer, congested } => {
                self.congestion_changed |= if congested { self.congested.insert(peer) } else { self.congested.remove(&peer) };
            }
            LaneEvent::Stats(stats) => {
                self.transit_load.add(now.tick, stats.transit_bytes);
                self.lane_stats = stats;
            }
        }
        self.settle(now);
    }

    /// Takes one wish of the services.
    pub fn handle_command(&mut self, now: Now, command: Command) {
        self.now = now;
        match command {
            Command::OpenDestination { id, name, keys, config } => self.open_destination(now, id, name, &keys, config),
            Command::CloseDestination { id } => self.close_destination(now, id),
            Command::Connect { id, stream, to, from_port, to_port, rings } => {
                self.connect(now, id, to, crate::destination::Connect { stream, from_port, to_port, rings });
            }
            Command::StreamDirty { id, stream } => self.with_destination(id, |destination| destination.handle_dirty(now, stream)),
            Command::LimitTunnels { id, most } => self.tunnels.limit_pool(now, Owner::Identity(id), most),
            Command::LookupDestination { id, request, hash } => self.look_up_destination(now, id, request, hash),
            Command::Reseed { routers } => self.reseed(now, routers),
            Command::Status { request } => {
                let status = Box::new(self.status(now));
                self.event(Event::Status { request, status });
            }
        }
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        if self.resign_at <= now.tick {
            self.resign(now);
        }
        self.decide_congestion(now);
        self.hold_memory(now);
        self.release_applications(now);
        if self.netdb.deadline() <= now.tick {
            self.netdb.handle_timeout(now);
        }
        if self.tunnels.deadline().is_some_and(|due| due <= now.tick) {
            self.tunnels.handle_timeout(now, &glue::Hops(&self.netdb));
        }
        for destination in self.destinations.values_mut() {
            if destination.deadline().is_some_and(|due| due <= now.tick) {
                destination.handle_timeout(now);
            }
        }
        self.deliver_local(now);
        self.reseed_if_due(now);
        self.start_due(now);
        self.replies.expire(now.tick);
        self.work(now);
        self.settle(now);
    }

    /// Puts out what the disk doesn't have yet, before the router is stopped.
    pub fn flush(&mut self, now: Now) {
        self.now = now;
        self.netdb.flush();
        self.tunnels.save(now);
        self.settle(now);
    }

    /// The next thing to do. Drain until [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Timeout(Some(self.deadline())))
    }

    fn deadline(&self) -> Tick {
        if !self.dear.is_empty() || self.tunnels.waiting_requests() > 0 {
            return self.now.tick;
        }
        let destinations = self.destinations.values().filter_map(Destination::deadline).min();
        let starting = self.starting.values().map(|(at, _)| *at).min();
        let own = [self.congestion_letter.due(), self.applications.due()];
        let parts = [self.tunnels.deadline(), destinations, starting, self.local.deadline(), self.reseed_due()];
        parts.into_iter().chain(own).flatten().fold(self.netdb.deadline().min(self.resign_at), Tick::min)
    }

    fn resign(&mut self, now: Now) {
        let wait = rng::between(&mut self.rng, RESIGN_MS.0, RESIGN_MS.1);
        self.resign_at = now.tick + Duration::from_millis(wait);
        match own_router::sign_with(&self.secrets, now.date, &self.config, self.congestion_letter.letter()) {
            Ok(info) => {
                self.router_info = info.clone();
                self.netdb.publish_router_info(now, info.clone());
                self.lane(LaneCommand::SetRouterInfo { info, announce: true });
            }
            // Nothing of it has changed since it could be made, so this is a bug; the old one serves for hours.
            Err(error) => tracing::error!(%error, "our RouterInfo can't be renewed"),
        }
    }

    fn lane(&mut self, command: LaneCommand) {
        self.outputs.push_back(Output::Lane(command));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn answer_lookup(&mut self, request: RequestId) {
        self.event(Event::LookupResult { request, destination: None });
    }
}
