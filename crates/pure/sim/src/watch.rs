//! The eyes of the oracles: they see every byte on links and everything between lanes and engines.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519;
use ramson_engine::{Command, Peeked};
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_wire::bounds::Bound;
use ramson_wire::{DestinationHash, I2npMessage, MessageKind, Now, RouterHash, RouterInfo, Tick, TunnelId};

use crate::cpu;
use crate::measure::Violation;
use crate::oracle::answers::Answers;
use crate::oracle::clear_text::ClearText;
use crate::oracle::java::{Java, Sent};
use crate::oracle::limits::{Draining, Limits};
use crate::oracle::own_name::OwnName;
use crate::oracle::pairing::Pairing;
use crate::oracle::paths::Paths;
use crate::oracle::replays::{Replay, Replays};
use crate::oracle::tunnel_hops::TunnelHops;
use crate::oracle::{Guesses, Notes};

/// One of so many own tunnel messages is followed through its tunnel.
const FOLLOW_ONE_OF: u64 = 8;

/// In networks of so many routers what belongs to others is compared around each message through a destination's tunnel.
const SMALL: usize = 8;
/// In larger ones around one of so many.
const COMPARE_ONE_OF: u64 = 16;

/// See the module.
pub(crate) struct Watch {
    on: bool,
    notes: Notes,
    /// By number.
    routers: Vec<RouterHash>,
    numbers: BTreeMap<RouterHash, usize>,
    floodfills: BTreeSet<usize>,
    paths: Paths,
    clear_text: ClearText,
    tunnel_hops: TunnelHops,
    tunnel_messages: u64,
    replays: Replays,
    limits: Limits,
    pairing: Pairing,
    answers: Answers,
    own_name: OwnName,
    java: Java,
    /// Messages through tunnels of destinations.
    of_destinations: u64,
}

impl Watch {
    pub(crate) fn new(on: bool, rng: SeededRng) -> Self {
        Self {
            on,
            notes: Notes::default(),
            routers: Vec::new(),
            numbers: BTreeMap::new(),
            floodfills: BTreeSet::new(),
            paths: Paths::default(),
            clear_text: ClearText::default(),
            tunnel_hops: TunnelHops::default(),
            tunnel_messages: 0,
            replays: Replays::new(rng),
            limits: Limits::default(),
            pairing: Pairing::default(),
            answers: Answers::default(),
            own_name: OwnName::default(),
            java: Java::default(),
            of_destinations: 0,
        }
    }

    pub(crate) fn violations(&self) -> &[Violation] {
        self.notes.all()
    }

    /// Notes that a rule was broken.
    pub(crate) fn violated(&mut self, at: Tick, oracle: &'static str, what: String) {
        self.notes.violated(at, oracle, what);
    }

    /// Two routers' clocks may differ by so much more from now on.
    pub(crate) fn clocks_differ(&mut self, by: Duration) {
        self.java.clocks_differ(by);
    }

    /// A router starts, for the first time or again. They come in the order of their numbers.
    pub(crate) fn starts(
        &mut self,
        number: usize,
        router: RouterHash,
        key: x25519::PrivateKey,
        (address, floodfill): (SocketAddr, bool),
    ) {
        self.java.starts(router, key, floodfill);
        if floodfill {
            self.floodfills.insert(number);
        }
        if number == self.routers.len() {
            self.routers.push(router);
            self.numbers.insert(router, number);
            self.tunnel_hops.starts(router, address);
        }
        self.own_name.starts(number);
        self.replays.starts(number);
        self.limits.starts(number);
    }

    /// What a router says of itself.
    pub(crate) fn says(&mut self, at: Now, router: usize, info: &RouterInfo) {
        if self.on {
            self.java.says(at, router, info, &mut self.notes);
        }
    }

    /// Bytes on a link.
    pub(crate) fn link(&mut self, at: Tick, router: usize, bytes: &[u8]) {
        if self.on {
            self.clear_text.look(at, router, bytes, "on a link", &mut self.notes);
        }
    }

    /// What a lane tells its engine, at this time by the router's clock.
    pub(crate) fn event(&mut self, at: Now, router: usize, event: &LaneEvent) {
        if let LaneEvent::Message { from, message } = event
            && self.on
        {
            self.replays.received(at, router, *from, message, &self.routers);
            self.own_name.came(router, message);
            self.clear_text.look(at.tick, router, &message.body, "in a message that a router received", &mut self.notes);
        }
    }

    /// What came to a destination in garlic with that, and the tunnels that it came through.
    pub(crate) fn garlic_for_destinations(&mut self, at: Now, router: usize, event: &LaneEvent) -> Vec<(TunnelId, I2npMessage)> {
        let Some(hash) = self.routers.get(router).copied().filter(|_| self.on) else { return Vec::new() };
        let LaneEvent::Message { from, message } = event else { return Vec::new() };
        self.java.came(at, (router, hash), message, *from, (&self.paths, &mut self.notes))
    }

    /// What the strict peer looked at, and how often.
    #[cfg(test)]
    pub(crate) fn looked_at(&self) -> &BTreeMap<&'static str, u64> {
        self.java.looked_at()
    }

    /// What was in that.
    pub(crate) fn read(&mut self, at: Now, router: usize, peeked: &Peeked) {
        self.java.read(at, router, peeked, &mut self.notes);
    }

    /// The first bytes on a connection that a router took.
    pub(crate) fn greeting(&mut self, at: Tick, router: usize, bytes: &[u8]) {
        if self.on {
            self.replays.greeting(at, router, bytes);
        }
    }

    /// What is to be repeated to a router now.
    pub(crate) fn repetitions(&mut self, at: Tick, router: usize) -> Vec<Replay> {
        self.replays.due(at, router)
    }

    /// What an engine, which knows so many routers, asks of its lane. Nothing that is done here costs the router time.
    pub(crate) fn commands(&mut self, now: Now, router: usize, commands: &[LaneCommand], known: &dyn Fn() -> usize) {
        let Some(hash) = self.routers.get(router).copied().filter(|_| self.on) else { return };
        let at = now.tick;
        for command in commands {
            match command {
                LaneCommand::Send { to, message, class } => {
                    let sent = Sent { from: hash, to: *to, message, class: *class, known };
                    self.java.sent(now, router, &sent, &mut self.notes);
                    self.sent(at, (router, hash), *to, message);
                }
                LaneCommand::Install(relay) => {
                    self.paths.install(at, hash, relay);
                    self.own_name.installed(at, hash, relay);
                    self.tunnel_hops.built(at, &self.paths, (hash, relay.tunnel), &mut self.notes);
                }
                LaneCommand::InstallOwn { tunnel, expires } => {
                    let tunnel = (router, (hash, *tunnel), *expires);
                    self.java.own_tunnel(at, tunnel, &self.paths, known, &mut self.notes);
                }
                LaneCommand::SetRouterInfo { info, .. } => self.java.says(now, router, info, &mut self.notes),
                _ => {}
            }
        }
        cpu::forget_work();
    }

    /// Whether an observer sits at a router and wants to know what it is asked in garlic.
    pub(crate) fn observes(&self, router: usize) -> bool {
        self.on && self.floodfills.contains(&router)
    }

    /// What such a router is asked in garlic.
    pub(crate) fn asked(&mut self, now: Now, router: usize, from: RouterHash, garlic: &I2npMessage, message: &I2npMessage) {
        let at = now.tick;
        if let Some(hash) = self.routers.get(router) {
            self.java.asked(now, (router, *hash), message, &mut self.notes);
        }
        self.pairing.asked(at, router, from, message);
        self.own_name.asked(at, from, garlic, message, &mut self.notes);
        self.own_name.came(router, message);
    }

    /// What the applications on a router ask of it, whatever becomes of that.
    pub(crate) fn wishes(&mut self, at: Tick, router: usize, wishes: &[Command]) {
        for wish in wishes {
            match wish {
                Command::OpenDestination { id, keys, config, .. } => {
                    let hash = keys.destination().hash();
                    self.limits.used(at, router, id.0, true);
                    self.answers.opened(router, id.0, hash);
                    self.java.opened(hash);
                    let Some(host) = self.routers.get(router).copied() else { continue };
                    self.own_name.opened((router, host), hash, config);
                    if config.publish {
                        self.pairing.opened(at, hash, (router, host));
                    }
                }
                Command::CloseDestination { id } => {
                    self.limits.used(at, router, id.0, false);
                    self.answers.closed(router, id.0);
                }
                Command::Connect { to: hash, .. } | Command::LookupDestination { hash, .. } => {
                    self.own_name.wants(router, *hash);
                }
                _ => {}
            }
        }
        cpu::forget_work();
    }

    /// A router crashed.
    pub(crate) fn fell(&mut self, router: usize) {
        self.pairing.fell(router);
    }

    /// Whether to look at what a router holds, in this turn of it, in which so much came.
    pub(crate) fn looks_at_bounds(&mut self, came: usize) -> bool {
        self.on && self.limits.look(self.routers.len() <= SMALL, came)
    }

    /// One of the things that a router holds.
    pub(crate) fn held(&mut self, at: Tick, router: usize, bound: &Bound) {
        self.limits.held(at, router, bound, &mut self.notes);
    }

    /// What a router held of what doesn't last, since it is alone.
    pub(crate) fn alone(&mut self, at: Tick, router: usize, draining: &Draining) {
        draining.judge(at, router, &mut self.notes);
    }

    /// Whether to compare what belongs to others before and after a message through a destination's tunnel.
    pub(crate) fn compares_others(&mut self) -> bool {
        self.of_destinations += 1;
        let one_of = if self.routers.len() <= SMALL { 1 } else { COMPARE_ONE_OF };
        self.on && self.of_destinations.is_multiple_of(one_of)
    }

    /// Destinations of a router, and whether it was sent their LeaseSet.
    pub(crate) fn destinations_of(&self, router: usize) -> Vec<(DestinationHash, bool)> {
        self.answers.of(router).map(|hash| (hash, self.own_name.has(router, hash))).collect()
    }

    /// What the observer at the floodfills says.
    pub(crate) fn guesses(&self) -> Vec<Guesses> {
        self.pairing.guess()
    }

    /// The run ends.
    pub(crate) fn ends(&mut self, at: Tick) {
        if self.on {
            self.pairing.judge(at, &mut self.notes);
        }
    }

    fn sent(&mut self, at: Tick, (router, hash): (usize, RouterHash), to: RouterHash, message: &I2npMessage) {
        self.clear_text.look(at, router, &message.body, "in a message that a router sends", &mut self.notes);
        self.own_name.sent(at, (router, hash), message, &mut self.notes);
        if message.kind == MessageKind::TUNNEL_GATEWAY
            && let Some(gateway) = self.numbers.get(&to)
        {
            self.replays.sent(at, *gateway, hash, message);
        }
        if message.kind != MessageKind::TUNNEL_DATA {
            return;
        }
        self.tunnel_messages += 1;
        if self.tunnel_messages.is_multiple_of(FOLLOW_ONE_OF) {
            let (steps, clear) = self.paths.follow(hash, to, message);
            if let Some(clear) = clear {
                self.clear_text.look(at, router, &*clear, "at a tunnel's endpoint", &mut self.notes);
            }
            // The first hop gets what is sent, which was looked at.
            for step in steps.iter().skip(1) {
                self.clear_text.look(at, router, &step.message.body, "at a tunnel's hop", &mut self.notes);
            }
            for step in steps {
                if let Some(hop) = self.numbers.get(&step.place.0) {
                    self.replays.sent(at, *hop, step.from, &step.message);
                }
            }
        }
    }
}
