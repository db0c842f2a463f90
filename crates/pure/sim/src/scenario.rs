//! What is to be simulated: from a TOML file, or made in Rust.
//!
//! A scenario is plain values with their units in their names; everything has a default. [`Scenario::from_toml`] checks what it reads;
//! who makes one in Rust calls [`Scenario::check`].

mod check;
mod expect;
mod fault;
mod parse;
mod short;

use std::time::Duration;

use serde::Deserialize;

pub use check::WrongValue;
pub use expect::Expect;
pub use fault::{Churn, ClockJump, Crash, Disk, Fault, Flood, FloodOf, Partition};
pub use parse::ScenarioError;

/// A network, what is done with it, what goes wrong in it, and how good it must be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Scenario {
    /// The file's, without folder and `.toml`.
    #[serde(skip)]
    pub name: String,
    /// For people.
    pub about: String,
    /// Routers that start.
    pub routers: usize,
    /// The first so many of them are floodfills.
    pub floodfills: usize,
    /// Virtual time.
    pub duration_secs: u64,
    /// Routers of the short form; none: as many.
    pub short_routers: Option<usize>,
    /// Virtual time of the short form; none: as long. Times of faults and loads shrink with it.
    pub short_duration_secs: Option<u64>,
    /// Time between two samples.
    pub sample_secs: u64,
    /// A router starts within so long after the one before.
    pub start_spread_ms: u64,
    /// Routers that share one /16.
    pub addresses_per_subnet: usize,
    /// The network.
    pub links: Links,
    /// Clocks of the routers.
    pub clocks: Clocks,
    /// Processors of the routers.
    pub cpu: Cpu,
    /// What users do.
    pub load: Load,
    /// What goes wrong.
    #[serde(deserialize_with = "parse::apart")]
    pub faults: Vec<Fault>,
    /// How good it must be nevertheless.
    pub expect: Expect,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            name: "unnamed".to_owned(),
            about: String::new(),
            routers: 20,
            floodfills: 5,
            duration_secs: 600,
            short_routers: None,
            short_duration_secs: None,
            sample_secs: 10,
            start_spread_ms: 500,
            addresses_per_subnet: 1,
            links: Links::default(),
            clocks: Clocks::default(),
            cpu: Cpu::default(),
            load: Load::default(),
            faults: Vec::new(),
            expect: Expect::default(),
        }
    }
}

impl Scenario {
    /// Virtual time.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_secs(self.duration_secs)
    }

    /// When the last fault is over; none without faults.
    #[must_use]
    pub fn last_fault_ends(&self) -> Option<Duration> {
        self.faults.iter().map(Fault::ends).max()
    }
}

/// Two ends of a range, both within it; in TOML `[least, most]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "[T; 2]")]
pub struct Between<T> {
    /// The lower end.
    pub least: T,
    /// The upper end.
    pub most: T,
}

impl<T> From<[T; 2]> for Between<T> {
    fn from([least, most]: [T; 2]) -> Self {
        Self { least, most }
    }
}

/// The network between the routers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Links {
    /// One way, drawn for each pair of routers.
    pub latency_ms: Between<u64>,
    /// Up to so much is added, anew for each packet.
    pub jitter_ms: u64,
    /// Packets that get lost. TCP sends them again: that costs time, and makes its window smaller.
    pub loss_permille: u32,
    /// Packets that are overtaken.
    pub reorder_permille: u32,
    /// Of a router's line, each way, drawn for each router. A kilobyte is 1,000 bytes.
    pub rate_kbytes_per_sec: Between<u64>,
    /// The largest IP packet.
    pub mtu: u32,
    /// TCP connections that the network resets, for each router.
    pub resets_per_hour: u32,
}

impl Default for Links {
    fn default() -> Self {
        Self {
            latency_ms: Between { least: 20, most: 120 },
            jitter_ms: 5,
            loss_permille: 0,
            reorder_permille: 0,
            rate_kbytes_per_sec: Between { least: 500, most: 4_000 },
            mtu: 1_500,
            resets_per_hour: 0,
        }
    }
}

/// The routers' clocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Clocks {
    /// How far a router's clock is ahead of true time, drawn for each router; less than zero: behind it.
    pub skew_ms: Between<i64>,
}

/// The routers' processors.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Cpu {
    /// What work costs, of the measured table; 0: nothing.
    pub scale_percent: u32,
}

impl Default for Cpu {
    fn default() -> Self {
        Self { scale_percent: 100 }
    }
}

/// What users do; what isn't there isn't done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Load {
    /// Pages of published sites.
    pub pages: Option<Pages>,
    /// Long streams.
    pub bulk: Option<Bulk>,
    /// Destinations that live shortly.
    pub short_lived: Option<ShortLived>,
}

/// Sites, and visitors who fetch pages from them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Pages {
    /// Published destinations.
    pub sites: usize,
    /// So many of them live on one router; what shares routers an observer may find out, and must not.
    pub sites_per_router: usize,
    /// Destinations that fetch.
    pub visitors: usize,
    /// The first fetches; sites and visitors are opened before, when their router is ready.
    pub from_secs: u64,
    /// Time between a visitor's fetches, about.
    pub every_secs: u64,
    /// Of a page, drawn for each.
    pub bytes: Between<u64>,
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            sites: 4,
            sites_per_router: 1,
            visitors: 8,
            from_secs: 60,
            every_secs: 10,
            bytes: Between { least: 1_000, most: 100_000 },
        }
    }
}

/// Long streams, each between two destinations of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Bulk {
    /// All at once.
    pub streams: usize,
    /// When they begin.
    pub from_secs: u64,
    /// Of each.
    pub bytes: u64,
}

impl Default for Bulk {
    fn default() -> Self {
        Self { streams: 2, from_secs: 60, bytes: 5_000_000 }
    }
}

/// Destinations that are opened, visited once and closed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ShortLived {
    /// When the first is opened.
    pub from_secs: u64,
    /// Time from one opening to the next, over the whole network.
    pub every_secs: u64,
    /// From opening to closing.
    pub life_secs: u64,
    /// Of the page that is fetched from it.
    pub bytes: u64,
}

impl Default for ShortLived {
    fn default() -> Self {
        Self { from_secs: 60, every_secs: 30, life_secs: 60, bytes: 10_000 }
    }
}
