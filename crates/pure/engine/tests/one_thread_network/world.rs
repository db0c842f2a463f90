//! Six routers, their network and their time, all from one seed.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::{ed25519, sha256, x25519};
use ramson_engine::{
    Command, DestinationConfig, Engine, EngineConfig, IdentityId, Progress, RequestId, RouterSecrets, Snapshot, Status,
};
use ramson_lane::{Lane, LaneConfig, LocalIdentity};
use ramson_leaks::Watch;
use ramson_wire::{Date, DestinationHash, DestinationKeys, Now, RouterHash, RouterIdentity, Tick};

use crate::net::{Happening, Net};
use crate::node::{Node, Surroundings};
use crate::services::{Services, Visit};
use crate::trace::Trace;

pub(crate) const ROUTERS: usize = 6;
pub(crate) const FLOODFILLS: usize = 3;
/// Who hosts the site, and who visits it.
pub(crate) const HOST: usize = ROUTERS - 2;
pub(crate) const VISITOR: usize = ROUTERS - 1;
pub(crate) const SITE: IdentityId = IdentityId(1);
pub(crate) const BROWSER: IdentityId = IdentityId(2);
const NET_ID: u8 = 99;
const FIRST_PORT: u16 = 20_001;
/// Steps without virtual time advancing. A deadline that stays in the past would take more.
const MAX_STEPS_AT_ONCE: u32 = 2_000;
/// Steps within one virtual second.
const MAX_STEPS_PER_SECOND: u32 = 50_000;

pub(crate) struct World {
    seed: SeededRng,
    net: Net,
    nodes: Vec<Option<Node>>,
    lives: [u32; ROUTERS],
    disks: [BTreeMap<RouterHash, Bytes>; ROUTERS],
    infos: Vec<Bytes>,
    pub(crate) trace: Trace,
    pub(crate) site: DestinationHash,
    pub(crate) steps: u64,
    at_once: u32,
    second: (u64, u32),
    /// Most steps that any second took.
    pub(crate) most_steps: u32,
    fetched: u64,
    /// Over all that these routers log; it fails the test when the world is dropped.
    pub(crate) leaks: Watch,
}

impl World {
    /// Starts the routers one after the other; each begins with the RouterInfos of those before it.
    pub(crate) fn new(seed: u64) -> Self {
        let seed = SeededRng::new(sha256(&seed.to_be_bytes()));
        let site = site_keys(&seed).destination().hash();
        let mut world = Self {
            net: Net::new(seed.child("network")),
            nodes: Vec::new(),
            lives: [0; ROUTERS],
            disks: Default::default(),
            infos: Vec::new(),
            trace: Trace::default(),
            site,
            steps: 0,
            at_once: 0,
            second: (0, 0),
            most_steps: 0,
            fetched: 0,
            seed,
            leaks: ramson_leaks::watch_thread(),
        };
        world.leaks.forbid_hash("a destination", &site.0);
        world.leaks.forbid("a request", "HTTP/1.1");
        for number in 0..ROUTERS {
            world.nodes.push(None);
            let reseed = world.infos.clone();
            world.start(number, Snapshot { routers: Vec::new(), reseed });
            let mut rng = world.seed.child(&format!("start {number}"));
            world.run(Duration::from_millis(rng::between(&mut rng, 0, 500)));
        }
        world
    }

    /// Opens the site and the visitor's destination, and waits for them. False: not in time.
    pub(crate) fn open_destinations(&mut self, limit: Duration) -> bool {
        let reachable = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
        self.open(HOST, SITE, site_keys(&self.seed), reachable);
        let keys = DestinationKeys::generate(&mut self.seed.child("browser keys"));
        self.open(VISITOR, BROWSER, keys, DestinationConfig::default());
        self.run_until(limit, |world| world.is_ready(HOST, SITE) && world.is_ready(VISITOR, BROWSER))
    }

    pub(crate) fn open(&mut self, router: usize, id: IdentityId, keys: DestinationKeys, config: DestinationConfig) {
        let command = Command::OpenDestination { id, name: "test".to_owned(), keys: Box::new(keys), config };
        self.command(router, command);
    }

    pub(crate) fn open_site(&mut self) {
        let reachable = DestinationConfig { publish: true, accept: true, ..DestinationConfig::default() };
        self.open(HOST, SITE, site_keys(&self.seed), reachable);
    }

    /// Lets the visitor fetch a page of so many bytes.
    pub(crate) fn fetch(&mut self, size: usize) {
        self.fetched += 1;
        let (now, site, number) = (self.net.now, self.site, self.fetched);
        let node = self.nodes[VISITOR].as_mut().expect("the visitor runs");
        let command = node.services.fetch(now, BROWSER, site, number, size);
        self.command(VISITOR, command);
    }

    /// Fetches a page and waits for it.
    pub(crate) fn fetch_now(&mut self, size: usize) -> Visit {
        self.fetch(size);
        self.run_until(Duration::from_secs(120), |world| !world.visitor().busy());
        self.visits().last().expect("a visit ended").clone()
    }

    pub(crate) fn visits(&self) -> &[Visit] {
        &self.visitor().visits
    }

    fn visitor(&self) -> &Services {
        &self.nodes[VISITOR].as_ref().expect("the visitor runs").services
    }

    pub(crate) fn now(&self) -> Tick {
        self.net.now
    }

    pub(crate) fn is_ready(&self, router: usize, id: IdentityId) -> bool {
        self.nodes[router].as_ref().is_some_and(|node| node.ready.contains(&id))
    }

    pub(crate) fn progress(&self, router: usize) -> Option<Progress> {
        self.nodes[router].as_ref().and_then(|node| node.progress)
    }

    pub(crate) fn all_ready(&self) -> bool {
        (0..ROUTERS).all(|router| self.nodes[router].is_none() || self.progress(router) == Some(Progress::Ready))
    }

    /// What a router shows to its operator.
    pub(crate) fn status(&mut self, router: usize) -> Box<Status> {
        self.command(router, Command::Status { request: RequestId(1) });
        self.run(Duration::from_millis(50));
        self.nodes[router].as_mut().and_then(|node| node.services.status.take()).expect("the engine answers")
    }

    /// The router is killed. `silent`: its machine goes down, and nobody is told.
    pub(crate) fn crash(&mut self, router: usize, silent: bool) {
        self.nodes[router] = None;
        self.net.gone(router, silent);
    }

    /// A killed router starts with the keys and the disk it had.
    pub(crate) fn restart(&mut self, router: usize) {
        let routers = self.disks[router].iter().map(|(hash, bytes)| (*hash, bytes.clone())).collect();
        self.start(router, Snapshot { routers, reseed: Vec::new() });
    }

    pub(crate) fn disk(&self, router: usize) -> usize {
        self.disks[router].len()
    }

    fn start(&mut self, number: usize, snapshot: Snapshot) {
        let life = self.lives[number];
        self.lives[number] += 1;
        let secrets = secrets(&mut self.seed.child(&format!("router {number}")));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + u16::try_from(number).expect("few routers")));
        let mut clock = self.seed.child(&format!("clock {number}"));
        let day = rng::between(&mut self.seed.child("date"), 0, 86_400_000);
        // Clocks differ by up to two seconds.
        let epoch = Date(1_790_000_000_000 + day + rng::between(&mut clock, 0, 2_000));
        let now = Now { tick: self.net.now, date: epoch + Duration::from_nanos(self.net.now.0) };
        self.leaks.forbid_hash("a router's hash", &secrets.identity.hash().0);
        let local = Arc::new(LocalIdentity {
            hash: secrets.identity.hash(),
            static_key: x25519::PrivateKey::from_bytes(&secrets.ntcp2_key.to_bytes()),
            iv: secrets.ntcp2_iv,
            net_id: NET_ID,
        });
        let config = EngineConfig {
            net_id: NET_ID,
            floodfill: number < FLOODFILLS,
            ignore_subnets: true,
            addresses: vec![address],
            ipv4: true,
            ipv6: false,
        };
        let draws = |what: &str| Box::new(self.seed.child(&format!("{what} {number} life {life}")));
        let engine = Engine::new(now, config, secrets, snapshot, draws("engine")).expect("our RouterInfo can be made");
        let info = engine.router_info().clone();
        if life == 0 {
            self.infos.push(info.bytes().clone());
        }
        let lane_config = LaneConfig { transit_bytes_per_sec: None, ..LaneConfig::closed_network(NET_ID) };
        let lane = Lane::new(now, lane_config, local, info, draws("lane"));
        self.net.listeners.insert(address, number);
        self.nodes[number] = Some(Node {
            number,
            life,
            lane,
            engine,
            lane_due: Some(now.tick),
            engine_due: Some(now.tick),
            services: Services::default(),
            progress: None,
            ready: Default::default(),
            conns: BTreeMap::new(),
            to_lane_last: now.tick,
            to_engine_last: now.tick,
            epoch,
        });
    }

    fn command(&mut self, router: usize, command: Command) {
        let Some(node) = self.nodes[router].as_mut() else { return };
        let at = self.net.hand_over(&mut node.to_engine_last);
        self.net.schedule(at, Happening::Command { router, life: node.life, command });
    }

    /// Lets virtual time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets virtual time pass until something is so. False: it wasn't within the limit.
    pub(crate) fn run_until(&mut self, limit: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = self.net.now + limit;
        while !so(self) {
            if !self.step(end) {
                self.net.now = end;
                return so(self);
            }
        }
        true
    }

    /// Does the next thing, unless it is after `end`.
    fn step(&mut self, end: Tick) -> bool {
        let due = self.nodes.iter().flatten().flat_map(|node| {
            let lane = node.lane_due.map(|at| (at, node.number, true));
            [lane, node.engine_due.map(|at| (at, node.number, false))].into_iter().flatten()
        });
        let due = due.min();
        let coming = self.net.next_at();
        let timer = due.filter(|(at, _, _)| coming.is_none_or(|coming| *at < coming));
        let Some(at) = timer.map(|(at, _, _)| at).or(coming).filter(|at| *at <= end) else { return false };
        self.advance(at);
        match timer {
            Some((_, router, true)) => self.lane_turn(router, |_, _| {}),
            Some((_, router, false)) => self.with(router, |node, around| node.end_engine_turn(around, Vec::new())),
            None => {
                if let Some(happening) = self.net.take_next() {
                    self.happen(happening);
                }
            }
        }
        true
    }

    /// Moves the clock, and sees to it that it moves.
    fn advance(&mut self, at: Tick) {
        self.steps += 1;
        self.at_once = if at > self.net.now { 0 } else { self.at_once + 1 };
        assert!(self.at_once < MAX_STEPS_AT_ONCE, "time stands still at {at:?}");
        self.net.now = self.net.now.max(at);
        let second = self.net.now.0 / 1_000_000_000;
        self.second = if self.second.0 == second { (second, self.second.1 + 1) } else { (second, 1) };
        self.most_steps = self.most_steps.max(self.second.1);
        assert!(self.second.1 < MAX_STEPS_PER_SECOND, "too much to do in one second at {at:?}");
    }

    fn with(&mut self, router: usize, work: impl FnOnce(&mut Node, &mut Surroundings<'_>)) {
        if let Some(node) = self.nodes[router].as_mut() {
            let mut around = Surroundings { net: &mut self.net, trace: &mut self.trace, disk: &mut self.disks[router] };
            work(node, &mut around);
        }
    }

    fn lane_turn(&mut self, router: usize, feed: impl FnOnce(&mut Lane, Now)) {
        self.with(router, |node, around| node.lane_turn(around, feed));
    }

    /// Whether what was meant for a router is for the one that runs now.
    fn lives(&self, router: usize, life: u32) -> bool {
        self.nodes[router].as_ref().is_some_and(|node| node.life == life)
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.net.now;
        match happening {
            Happening::Arrives { link } => self.arrives(link),
            Happening::Stands { link } => {
                if let Some((router, conn)) = self.net.at((link, 0)) {
                    self.trace.add(now, router, ("stands", conn.0), 0);
                    self.lane_turn(router, |lane, now| lane.handle_connected(now, conn));
                }
            }
            Happening::Refused { router, life, conn } if self.lives(router, life) => {
                self.trace.add(now, router, ("refused", conn.0), 0);
                self.lane_turn(router, |lane, now| lane.handle_connect_failed(now, conn));
            }
            Happening::Bytes { to, bytes } => {
                if let Some((router, conn)) = self.net.arrived(to, bytes.len()) {
                    self.trace.add(now, router, ("bytes", conn.0), bytes.len());
                    self.lane_turn(router, |lane, now| lane.handle_bytes(now, conn, &bytes));
                }
            }
            Happening::Eof { to } => {
                if let Some((router, conn)) = self.net.ended(to) {
                    self.trace.add(now, router, ("eof", conn.0), 0);
                    self.with(router, |node, around| {
                        node.conns.remove(&conn);
                        node.lane_turn(around, |lane, now| lane.handle_eof(now, conn));
                    });
                }
            }
            Happening::Room { at } => {
                if let Some((router, conn)) = self.net.at(at) {
                    self.with(router, |node, around| {
                        node.write(around, conn);
                        node.lane_turn(around, |_, _| {});
                    });
                }
            }
            Happening::ToEngine { router, life, events } if self.lives(router, life) => {
                self.with(router, |node, around| node.handle_events(around, events));
            }
            Happening::ToLane { router, life, commands } if self.lives(router, life) => {
                let feed = |lane: &mut Lane, now| commands.into_iter().for_each(|command| lane.handle_command(now, command));
                self.lane_turn(router, feed);
            }
            Happening::Command { router, life, command } if self.lives(router, life) => {
                self.with(router, |node, around| node.handle_command(around, command));
            }
            // Meant for a router that was killed since.
            Happening::Refused { .. } | Happening::ToEngine { .. } | Happening::ToLane { .. } | Happening::Command { .. } => {}
        }
    }

    fn arrives(&mut self, link: u64) {
        let Some(dialer) = self.net.links.get(&link).map(|link| link.ends[0].router) else { return };
        let Some(router) = self.net.links.get(&link).map(|link| link.ends[1].router) else { return };
        let port = 32_768 + u16::try_from(link % 28_000).unwrap_or(0);
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        self.trace.add(self.net.now, router, ("arrives", u64::try_from(dialer).unwrap_or(0)), 0);
        let mut conn = None;
        self.with(router, |node, around| {
            node.lane_turn(around, |lane, now| conn = lane.handle_incoming(now, remote));
            if let Some(conn) = conn {
                node.conns.insert(conn, (link, 1));
            }
        });
        self.net.answered(link, conn);
    }
}

fn site_keys(seed: &SeededRng) -> DestinationKeys {
    DestinationKeys::generate(&mut seed.child("site keys"))
}

fn secrets(rng: &mut SeededRng) -> RouterSecrets {
    let signing_key = ed25519::SigningKey::generate(rng);
    let encryption_key = x25519::PrivateKey::generate(rng);
    RouterSecrets {
        identity: RouterIdentity::new(&encryption_key.public(), &signing_key.public(), rng),
        signing_key,
        encryption_key,
        ntcp2_key: x25519::PrivateKey::generate(rng),
        ntcp2_iv: rng::bytes(rng),
    }
}
