//! All routers, their network and their time, from one seed.

mod ending;
mod lives;
mod start;
mod strangers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::sha256;
use ramson_engine::{Command, IdentityId, Progress, Status};
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_wire::bounds::Bound;
use ramson_wire::{Date, RouterInfo, Tick};

use crate::cpu::Costs;
use crate::disk::{Disk, DiskFaults};
use crate::measure::Violation;
use crate::net::{LinkConfig, Net, NetHappening};
use crate::node::{Around, Letter, Node, User};
use crate::schedule::Schedule;
use crate::tamper::{Honest, Tamper};
use crate::trace::Trace;
use crate::watch::Watch;

pub use start::NET_ID;

/// Steps without virtual time advancing, for each router. A deadline that stays in the past would take more.
const MAX_STEPS_AT_ONCE: u64 = 2_000;

/// What happens at a moment.
pub(crate) enum Happening {
    Net(NetHappening),
    LaneTurn {
        router: usize,
        life: u32,
    },
    EngineTurn {
        router: usize,
        life: u32,
    },
    /// A batch of the lane reaches the engine.
    ToEngine {
        router: usize,
        life: u32,
        events: Vec<LaneEvent>,
    },
    /// What came to a router before comes to its engine again.
    Repeated {
        router: usize,
        life: u32,
        event: LaneEvent,
    },
    /// A batch of the engine reaches the lane.
    ToLane {
        router: usize,
        life: u32,
        commands: Vec<LaneCommand>,
    },
    /// A wish of a user reaches the engine.
    Command {
        router: usize,
        life: u32,
        command: Command,
    },
    /// A router's shell commits to disk.
    Flush {
        router: usize,
        life: u32,
    },
    /// RouterInfos from outside reach a router that asked for them.
    Reseed {
        router: usize,
        life: u32,
    },
    /// The engine of a router that is stopped has ended.
    StopLane {
        router: usize,
        life: u32,
    },
}

impl From<NetHappening> for Happening {
    fn from(happening: NetHappening) -> Self {
        Self::Net(happening)
    }
}

/// What all routers have in common.
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// The network between them.
    pub links: LinkConfig,
    /// What work costs.
    pub costs: Costs,
    /// Each router's clock is wrong by something between these.
    pub skew_millis: (i64, i64),
    /// Routers that share one /16.
    pub routers_per_subnet: usize,
    /// RouterInfos of floodfills that a reseed has at most: a third, as in bundles of the public network.
    pub reseed_floodfills: usize,
    /// Look for what must never be. Off only to measure what that costs.
    pub oracles: bool,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            links: LinkConfig::default(),
            costs: Costs::measured(),
            skew_millis: (-1_000, 1_000),
            routers_per_subnet: 1,
            reseed_floodfills: 20,
            oracles: true,
        }
    }
}

/// A network of routers with users of one kind.
pub struct World<U> {
    config: WorldConfig,
    seed: SeededRng,
    schedule: Schedule<Happening>,
    net: Net,
    places: Vec<Place<U>>,
    /// For routers that are still to come.
    tampers: BTreeMap<usize, Box<dyn Tamper>>,
    /// RouterInfos of all that ever started, and whether they are floodfills'.
    infos: Vec<(bool, Bytes)>,
    trace: Trace,
    pub(crate) watch: Watch,
    steps: u64,
    at_once: u64,
}

/// Where a router runs: what outlives it.
struct Place<U> {
    node: Option<Node<U>>,
    /// The users of a router that is down.
    user: Option<U>,
    lives: u32,
    disk: Disk,
    tamper: Box<dyn Tamper>,
    floodfill: bool,
    address: SocketAddr,
    skew_millis: i64,
    started: Tick,
    ready_after: Option<Duration>,
    /// Busy time of the lives before.
    spent: Duration,
    /// From when to when it didn't run; without end if it still doesn't.
    down: Vec<(Tick, Tick)>,
}

impl<U: User> World<U> {
    /// Without routers.
    #[must_use]
    pub fn new(seed: u64, config: WorldConfig) -> Self {
        let seed = SeededRng::new(sha256(&seed.to_be_bytes()));
        let mut watch = Watch::new(config.oracles, seed.child("oracles"));
        watch.clocks_differ(Duration::from_millis(config.skew_millis.0.abs_diff(config.skew_millis.1)));
        Self {
            schedule: Schedule::new(seed.child("order")),
            net: Net::new(seed.child("network"), config.links.clone()),
            places: Vec::new(),
            tampers: BTreeMap::new(),
            infos: Vec::new(),
            trace: Trace::default(),
            watch,
            steps: 0,
            at_once: 0,
            config,
            seed,
        }
    }

    /// Draws for a purpose, the same in each run of this seed.
    #[must_use]
    pub fn draws(&self, purpose: &str) -> SeededRng {
        self.seed.child(purpose)
    }

    /// The virtual time.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.schedule.now()
    }

    /// True time, which routers' clocks are near.
    #[must_use]
    pub fn date(&self) -> Date {
        self.first_date() + self.now().saturating_since(Tick(0))
    }

    /// Routers there are, those that are down included.
    #[must_use]
    pub fn routers(&self) -> usize {
        self.places.len()
    }

    /// Whether a router runs.
    #[must_use]
    pub fn is_up(&self, router: usize) -> bool {
        self.node(router).is_some()
    }

    /// How far a router is.
    #[must_use]
    pub fn progress(&self, router: usize) -> Option<Progress> {
        self.node(router).and_then(|node| node.progress)
    }

    /// Whether a destination of a router was ready.
    #[must_use]
    pub fn is_ready(&self, router: usize, id: IdentityId) -> bool {
        self.node(router).is_some_and(|node| node.ready.contains(&id))
    }

    /// Whether all routers that run are ready.
    #[must_use]
    pub fn all_ready(&self) -> bool {
        self.places.iter().flat_map(|place| &place.node).all(|node| node.progress == Some(Progress::Ready))
    }

    /// From a router's first start to its readiness.
    #[must_use]
    pub fn ready_after(&self, router: usize) -> Option<Duration> {
        self.places.get(router).and_then(|place| place.ready_after)
    }

    /// What a router shows to its operator.
    #[must_use]
    pub fn status(&self, router: usize) -> Option<Status> {
        let node = self.node(router)?;
        Some(node.engine.status(node.now(self.now())))
    }

    /// What a router publishes of itself.
    #[must_use]
    pub fn router_info(&self, router: usize) -> Option<&RouterInfo> {
        self.node(router).map(|node| node.engine.router_info())
    }

    /// What a router holds against its limits.
    pub fn bounds(&self, router: usize, visit: &mut dyn FnMut(Bound)) {
        if let Some(node) = self.node(router) {
            node.bounds(visit);
        }
    }

    /// The users of a router, whether it runs or not.
    pub fn user(&mut self, router: usize) -> Option<&mut U> {
        let place = self.places.get_mut(router)?;
        place.node.as_mut().map(|node| &mut node.user).or(place.user.as_mut())
    }

    /// Lets a router's users be polled now, since something outside told them to do something.
    pub fn wake_user(&mut self, router: usize) {
        let now = self.now();
        if let Some(node) = self.places.get_mut(router).and_then(|place| place.node.as_mut()) {
            node.wake_engine(&mut self.schedule, now);
        }
    }

    /// The hash of all that happened.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        self.trace.hash()
    }

    /// Turns and happenings so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Bytes on links so far.
    #[must_use]
    pub fn wire_bytes(&self) -> u64 {
        self.net.sent_bytes
    }

    /// What the oracles saw.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        self.watch.violations()
    }

    /// What the strict peer looked at, and what was violated.
    #[cfg(test)]
    pub(crate) fn judged(&self) -> (&BTreeMap<&'static str, u64>, &[Violation]) {
        (self.watch.looked_at(), self.violations())
    }

    /// Time that a router's threads were busy, over all its lives.
    #[must_use]
    pub fn busy(&self, router: usize) -> Duration {
        let Some(place) = self.places.get(router) else { return Duration::ZERO };
        place.spent + place.node.as_ref().map_or(Duration::ZERO, |node| node.lane_thread.spent + node.engine_thread.spent)
    }

    fn node(&self, router: usize) -> Option<&Node<U>> {
        self.places.get(router).and_then(|place| place.node.as_ref())
    }

    /// A router does from now on, or from its start on if it is still to come, what `tamper` makes of it.
    pub fn tamper(&mut self, router: usize, tamper: Box<dyn Tamper>) {
        match self.places.get_mut(router) {
            Some(place) => place.tamper = tamper,
            None => drop(self.tampers.insert(router, tamper)),
        }
    }

    /// What goes wrong on a router's disk from now on.
    pub fn set_disk_faults(&mut self, router: usize, faults: DiskFaults) {
        if let Some(place) = self.places.get_mut(router) {
            place.disk.faults = faults;
        }
    }

    /// A router's clock is set forward, or back.
    pub fn jump_clock(&mut self, router: usize, millis: i64) {
        let Some(place) = self.places.get_mut(router) else { return };
        place.skew_millis = place.skew_millis.saturating_add(millis);
        self.watch.clocks_differ(Duration::from_millis(millis.unsigned_abs()));
        if let Some(node) = &mut place.node {
            node.epoch.0 = node.epoch.0.saturating_add_signed(millis);
        }
    }

    /// Puts a router on a side of the network: only routers of one side see each other.
    pub fn set_side(&mut self, router: usize, side: u32) {
        self.net.set_side(router, side);
    }

    /// Whether a router has a connection that can break.
    #[must_use]
    pub fn has_connections(&self, router: usize) -> bool {
        self.net.connections(router).next().is_some()
    }

    /// One of a router's connections breaks, if it has any.
    pub fn reset_connection(&mut self, router: usize, draw: u32) -> bool {
        self.net.reset_one(&mut self.schedule, router, draw)
    }

    /// Sends a command to a router's lane as if its engine had.
    pub fn command_lane(&mut self, router: usize, command: LaneCommand) {
        let Some(node) = self.places.get_mut(router).and_then(|place| place.node.as_mut()) else { return };
        node.take_commands(&mut self.schedule, vec![command]);
    }

    /// Lets virtual time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets virtual time pass until something is so. False: it wasn't within the limit.
    pub fn run_until(&mut self, limit: Duration, so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now() + limit;
        while !so(self) {
            if !self.step(end) {
                return so(self);
            }
        }
        true
    }

    /// When the next thing happens.
    #[must_use]
    pub fn next_at(&self) -> Option<Tick> {
        self.schedule.next_at()
    }

    /// Does the next thing. False: there is none until `end`, which is now.
    pub fn step(&mut self, end: Tick) -> bool {
        let before = self.now();
        let Some(happening) = self.schedule.next(end) else { return false };
        self.steps += 1;
        self.at_once = if self.now() > before { 0 } else { self.at_once + 1 };
        let most = MAX_STEPS_AT_ONCE * (1 + u64::try_from(self.places.len()).unwrap_or(0));
        assert!(self.at_once < most, "time stands still at {:?}", self.now());
        self.happen(happening);
        true
    }

    /// Lets a router that runs, and is the one that was meant, do something.
    fn with(&mut self, router: usize, life: Option<u32>, work: impl FnOnce(&mut Node<U>, &mut Around<'_>)) {
        let Some(place) = self.places.get_mut(router) else { return };
        let Some(node) = place.node.as_mut().filter(|node| life.is_none_or(|life| life == node.life)) else { return };
        let mut around = Around {
            schedule: &mut self.schedule,
            net: &mut self.net,
            trace: &mut self.trace,
            disk: &mut place.disk,
            watch: &mut self.watch,
            tamper: &mut *place.tamper,
            costs: &self.config.costs,
        };
        work(node, &mut around);
        if place.ready_after.is_none() && node.progress == Some(Progress::Ready) {
            place.ready_after = Some(around.schedule.now().saturating_since(place.started));
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Net(happening) => self.happen_on_net(happening),
            Happening::LaneTurn { router, life } => {
                self.with(router, Some(life), Node::lane_turn);
                self.end_if_over(router);
            }
            Happening::EngineTurn { router, life } => self.with(router, Some(life), Node::engine_turn),
            Happening::ToEngine { router, life, events } => {
                self.with(router, Some(life), |node, around| node.take_letter(around.schedule, Letter::Lane(events)));
            }
            Happening::Repeated { router, life, event } => {
                self.with(router, Some(life), |node, around| node.take_repeated(around, event));
            }
            Happening::ToLane { router, life, commands } => {
                self.with(router, Some(life), |node, around| node.take_commands(around.schedule, commands));
            }
            Happening::Command { router, life, command } => {
                self.with(router, Some(life), |node, around| node.take_letter(around.schedule, Letter::Command(command)));
            }
            Happening::Flush { router, life } => self.with(router, Some(life), |_, around| {
                if let Some(again) = around.disk.flush(around.schedule.now()) {
                    around.schedule.add(again, Happening::Flush { router, life });
                }
            }),
            Happening::Reseed { router, life } => self.reseed_again(router, life),
            Happening::StopLane { router, life } => {
                self.with(router, Some(life), |node, around| node.stop_lane(around.schedule));
            }
        }
    }

    fn happen_on_net(&mut self, happening: NetHappening) {
        let (net, schedule) = (&mut self.net, &mut self.schedule);
        match happening {
            NetHappening::Syn { link, tries } => {
                if let Some((listener, dialer)) = net.syn(schedule, link, tries) {
                    let port = 32_768 + u16::try_from(link % 28_000).unwrap_or(0);
                    let Some(ip) = self.places.get(dialer).map(|place| place.address.ip()) else { return };
                    let remote = SocketAddr::new(ip, port);
                    self.trace.add(schedule.now(), listener, ("arrives", link), 0);
                    self.with(listener, None, |node, around| node.take_incoming(around.schedule, (link, 1), remote));
                }
            }
            NetHappening::Standing { link } => {
                if let Some((router, conn)) = net.at((link, 0)) {
                    self.trace.add(schedule.now(), router, ("stands", conn.0), 0);
                    self.with(router, None, |node, around| node.take_standing(around.schedule, conn, true));
                }
            }
            NetHappening::Refused { router, life, conn } => {
                self.trace.add(schedule.now(), router, ("refused", conn.0), 0);
                self.with(router, Some(life), |node, around| node.take_standing(around.schedule, conn, false));
            }
            NetHappening::Bytes { to, bytes } => {
                let size = bytes.len();
                if let Some((router, conn)) = net.arrived(schedule, to, bytes) {
                    self.trace.add(schedule.now(), router, ("bytes", conn.0), size);
                    self.with(router, None, |node, around| node.take_readable(around.schedule, conn));
                }
            }
            NetHappening::Through { to, bytes } => {
                let size = bytes.len();
                if let Some((router, conn)) = net.came(schedule, to, bytes) {
                    self.trace.add(schedule.now(), router, ("bytes", conn.0), size);
                    self.with(router, None, |node, around| node.take_readable(around.schedule, conn));
                }
            }
            NetHappening::Retry { to } => {
                if let Some((router, conn)) = net.retry(schedule, to) {
                    self.with(router, None, |node, around| node.take_readable(around.schedule, conn));
                }
            }
            NetHappening::GaveUp { at } => {
                let now = schedule.now();
                if let Some((router, conn)) = net.gave_up(now, at) {
                    self.trace.add(now, router, ("gave up", conn.0), 0);
                    self.with(router, None, |node, around| node.take_readable(around.schedule, conn));
                }
            }
            NetHappening::Acknowledged { at } => {
                let now = schedule.now();
                if let Some((router, conn)) = net.pump(schedule, now, at) {
                    self.with(router, None, |node, around| node.take_writable(around.schedule, conn));
                }
            }
        }
    }
}
