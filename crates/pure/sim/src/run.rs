//! A scenario comes to pass: what users do and what goes wrong, at the times that scenario and seed say.

mod faults;
mod floods;
mod sampling;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::Tick;

use crate::cpu::Costs;
use crate::disk::DiskFaults;
use crate::load::Load;
use crate::measure::Measures;
use crate::net::LinkConfig;
use crate::scenario::{Links, Scenario};
use crate::world::{World, WorldConfig};
use users::Users;

/// How often users are looked after: what is due is opened, closed, asked for and noted.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// A router that is to start and still ends is looked at again so soon.
const ENDING: Duration = Duration::from_millis(100);

/// Runs a scenario with all randomness made of `seed`.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Measures {
    Run::new(scenario, seed).finish()
}

/// A scenario under way: for who wants to meddle with its world. [`run`] is all that others need.
pub struct Run {
    scenario: Scenario,
    /// The routers.
    pub world: World<Load>,
    plans: BTreeMap<(Tick, u64), Plan>,
    planned: u64,
    users: Users,
    rng: SeededRng,
    /// Routers that left, and may come back.
    gone: BTreeSet<usize>,
    /// Hostile ones, not part of what is measured.
    hostile: Vec<usize>,
    /// Of all disks now.
    disk_faults: DiskFaults,
    /// Of each flood.
    victims: BTreeMap<usize, Vec<usize>>,
    measures: Measures,
    counted: Vec<sampling::Counted>,
    sampled_at: Tick,
}

/// What the scenario does at a moment.
#[derive(Clone, Copy, Debug)]
enum Plan {
    AddRouter { floodfill: bool },
    AddHostile,
    Tend,
    Sample,
    Fault { index: usize, begins: bool },
    Leave(Leaving),
    Come { again: bool },
    Crash,
    Restart { router: usize },
    Reset,
    Flood { index: usize },
}

/// How a router leaves, and what comes in its place.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    end: End,
    back: Duration,
    /// If it can: a router that left before.
    again: bool,
}

/// How a router ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Silent,
    Killed,
    Stopped,
}

impl Run {
    /// At the first moment, before anything happened.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        Self::watched(scenario, seed, true)
    }

    /// Without oracles: only to measure what they cost.
    #[must_use]
    pub fn unwatched(scenario: &Scenario, seed: u64) -> Self {
        Self::watched(scenario, seed, false)
    }

    fn watched(scenario: &Scenario, seed: u64, oracles: bool) -> Self {
        let config = WorldConfig {
            links: link_config(&scenario.links),
            costs: Costs { scale_percent: u64::from(scenario.cpu.scale_percent), ..Costs::measured() },
            skew_millis: (scenario.clocks.skew_ms.least, scenario.clocks.skew_ms.most),
            routers_per_subnet: scenario.addresses_per_subnet,
            oracles,
            ..WorldConfig::default()
        };
        let world = World::new(seed, config);
        let mut run = Self {
            rng: world.draws("scenario"),
            users: Users::new(scenario, &world),
            scenario: scenario.clone(),
            world,
            plans: BTreeMap::new(),
            planned: 0,
            gone: BTreeSet::new(),
            hostile: Vec::new(),
            disk_faults: DiskFaults::default(),
            victims: BTreeMap::new(),
            measures: Measures { seed, ..Measures::default() },
            counted: Vec::new(),
            sampled_at: Tick(0),
        };
        run.plan_start();
        run.plan_faults();
        run.plan(Duration::ZERO, Plan::Tend);
        run.plan(Duration::from_secs(scenario.sample_secs), Plan::Sample);
        run
    }

    fn plan_start(&mut self) {
        let mut at = Duration::ZERO;
        for number in 0..self.scenario.routers {
            self.plan(at, Plan::AddRouter { floodfill: number < self.scenario.floodfills });
            at += Duration::from_millis(rng::between(&mut self.rng, 0, self.scenario.start_spread_ms));
        }
    }

    fn plan(&mut self, at: Duration, plan: Plan) {
        self.planned += 1;
        self.plans.insert((Tick(0) + at, self.planned), plan);
    }

    fn after(&mut self, wait: Duration, plan: Plan) {
        let at = self.elapsed() + wait;
        self.plan(at, plan);
    }

    fn elapsed(&self) -> Duration {
        self.world.now().saturating_since(Tick(0))
    }

    /// Runs on to a time since the start.
    pub fn run_to(&mut self, time: Duration) {
        let end = Tick(0) + time;
        while let Some(((at, number), plan)) = self.plans.first_key_value().map(|(key, plan)| (*key, *plan)) {
            if at > end {
                break;
            }
            self.plans.remove(&(at, number));
            while self.world.step(at) {}
            self.act(plan);
        }
        while self.world.step(end) {}
    }

    /// Runs to the end and tells what was found out.
    #[must_use]
    pub fn finish(mut self) -> Measures {
        self.run_to(self.scenario.duration());
        self.conclude()
    }

    fn act(&mut self, plan: Plan) {
        match plan {
            Plan::AddRouter { floodfill } => self.add_router(floodfill),
            Plan::AddHostile => {
                let number = self.world.add_router(false, Load::default());
                self.hostile.push(number);
            }
            Plan::Tend => {
                self.users.tend(&mut self.world, &mut self.measures);
                self.after(TEND_EVERY, Plan::Tend);
            }
            Plan::Sample => {
                self.sample();
                self.after(Duration::from_secs(self.scenario.sample_secs), Plan::Sample);
            }
            Plan::Fault { index, begins } => self.fault(index, begins),
            Plan::Leave(leaving) => self.leave(leaving),
            Plan::Come { again } => self.come(again),
            Plan::Crash => self.crash_one(),
            Plan::Restart { router } if self.world.is_ending(router) => self.after(ENDING, Plan::Restart { router }),
            Plan::Restart { router } => self.world.restart(router),
            Plan::Reset => drop(self.reset()),
            Plan::Flood { index } => self.flood(index),
        }
    }
}

fn link_config(links: &Links) -> LinkConfig {
    LinkConfig {
        latency_micros: (links.latency_ms.least * 1_000, links.latency_ms.most * 1_000),
        jitter_micros: links.jitter_ms * 1_000,
        loss_permille: links.loss_permille,
        reorder_permille: links.reorder_permille,
        bytes_per_sec: (links.rate_kbytes_per_sec.least * 1_000, links.rate_kbytes_per_sec.most * 1_000),
        mtu: links.mtu,
    }
}
