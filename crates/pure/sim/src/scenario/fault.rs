//! What goes wrong in a network, and when.

use std::time::Duration;

use serde::Deserialize;

/// Something that goes wrong; in TOML a `[[faults]]` with its `kind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `churn`: routers leave and come.
    Churn(Churn),
    /// `partition`: two groups of routers see only themselves.
    Partition(Partition),
    /// `clock-jump`: clocks are set, and stay so.
    ClockJump(ClockJump),
    /// `disk`: what is written isn't what is read.
    Disk(Disk),
    /// `crash`: routers are killed, and started again.
    Crash(Crash),
    /// `flood`: more work than a router can do.
    Flood(Flood),
}

impl Fault {
    /// All of them, as in TOML.
    pub const KINDS: [&str; 6] = ["churn", "partition", "clock-jump", "disk", "crash", "flood"];

    /// As in TOML.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Churn(_) => "churn",
            Self::Partition(_) => "partition",
            Self::ClockJump(_) => "clock-jump",
            Self::Disk(_) => "disk",
            Self::Crash(_) => "crash",
            Self::Flood(_) => "flood",
        }
    }

    /// When it begins.
    #[must_use]
    pub fn begins(&self) -> Duration {
        Duration::from_secs(self.times().0)
    }

    /// When it is over: crashed routers start again, a jump is over at once.
    #[must_use]
    pub fn ends(&self) -> Duration {
        Duration::from_secs(self.times().1)
    }

    pub(super) fn times(&self) -> (u64, u64) {
        match self {
            Self::Churn(fault) => (fault.from_secs, fault.to_secs),
            Self::Partition(fault) => (fault.from_secs, fault.to_secs),
            Self::ClockJump(fault) => (fault.at_secs, fault.at_secs),
            Self::Disk(fault) => (fault.from_secs, fault.to_secs),
            Self::Crash(fault) => (fault.at_secs, fault.at_secs.saturating_add(fault.down_secs)),
            Self::Flood(fault) => (fault.from_secs, fault.to_secs),
        }
    }

    /// Changes every time in it: `begin` when it begins, `end` when it ends or how long it lasts.
    pub(super) fn map_times(&mut self, begin: impl Fn(u64) -> u64, end: impl Fn(u64) -> u64) {
        let (from, to) = match self {
            Self::Churn(Churn { from_secs, to_secs, .. })
            | Self::Partition(Partition { from_secs, to_secs, .. })
            | Self::Disk(Disk { from_secs, to_secs, .. })
            | Self::Flood(Flood { from_secs, to_secs, .. }) => (from_secs, Some(to_secs)),
            Self::Crash(Crash { at_secs, down_secs, .. }) => (at_secs, Some(down_secs)),
            Self::ClockJump(ClockJump { at_secs, .. }) => (at_secs, None),
        };
        *from = begin(*from);
        if let Some(to) = to {
            *to = end(*to);
        }
    }
}

/// Routers leave all the time, and as many come. Floodfills do it as all others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Churn {
    /// From then.
    pub from_secs: u64,
    /// Until then.
    pub to_secs: u64,
    /// So many leave in ten minutes, of all routers.
    #[serde(default = "Churn::leave")]
    pub leave_permille_per_10_minutes: u32,
    /// Of them: killed, their connections reset.
    #[serde(default = "Churn::quarter")]
    pub crash_permille: u32,
    /// Of them: stopped by their operator. The others leave a silent line, as a machine that is switched off.
    #[serde(default = "Churn::quarter")]
    pub stop_permille: u32,
    /// Of those that come: routers that left before, with what their disk has. The others are new. Routers with users always
    /// come back.
    #[serde(default = "Churn::half")]
    pub return_permille: u32,
}

impl Churn {
    fn leave() -> u32 {
        200
    }

    fn quarter() -> u32 {
        250
    }

    fn half() -> u32 {
        500
    }
}

/// The network falls apart into two.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Partition {
    /// From then.
    pub from_secs: u64,
    /// Until then.
    pub to_secs: u64,
    /// Routers of the smaller part.
    #[serde(default = "Partition::share")]
    pub share_permille: u32,
}

impl Partition {
    fn share() -> u32 {
        400
    }
}

/// Clocks are set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClockJump {
    /// Then.
    pub at_secs: u64,
    /// Of so many routers.
    #[serde(default = "ClockJump::routers")]
    pub routers_permille: u32,
    /// By so much; less than zero: back.
    pub by_ms: i64,
}

impl ClockJump {
    fn routers() -> u32 {
        200
    }
}

/// Bad disks. Shares are of the writes; what a write does to its file is seen when the router starts again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Disk {
    /// From then.
    pub from_secs: u64,
    /// Until then.
    pub to_secs: u64,
    /// Only the beginning is written; what follows is missing, or zeros.
    #[serde(default)]
    pub torn_permille: u32,
    /// Said to be written, and isn't.
    #[serde(default)]
    pub lost_permille: u32,
    /// Fail with an error.
    #[serde(default)]
    pub failing_permille: u32,
    /// So many times one of the routers that run is killed, in the middle half of the time, and comes back 5 s later with what its disk
    /// has. At most as many as leave half of the routers running then.
    #[serde(default = "Disk::some")]
    pub crashes: u32,
}

impl Disk {
    /// A router that is killed comes back so long after.
    pub(crate) const DOWN_SECS: u64 = 5;

    fn some() -> u32 {
        4
    }
}

/// Routers are killed, or stopped, and come back with what their disk has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Crash {
    /// Then.
    pub at_secs: u64,
    /// So many.
    #[serde(default = "Crash::one")]
    pub routers: usize,
    /// They come back so long after.
    #[serde(default = "Crash::down")]
    pub down_secs: u64,
    /// Their connections aren't reset: nothing comes from there any more.
    #[serde(default)]
    pub silent: bool,
    /// They are stopped instead, by their operators.
    #[serde(default)]
    pub clean: bool,
}

impl Crash {
    fn one() -> usize {
        1
    }

    fn down() -> u64 {
        30
    }
}

/// What hostile routers send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FloodOf {
    /// Build requests.
    #[default]
    Builds,
    /// Connections from everywhere, with first messages of handshakes.
    Handshakes,
    /// Look-ups.
    Netdb,
    /// First messages of ratchet sessions, to the victims' destinations.
    Sessions,
    /// Data of tunnels. The capacity is what is shared of the bandwidth.
    Transit,
}

/// Work for a router, of hostile ones.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Flood {
    /// From then.
    pub from_secs: u64,
    /// Until then.
    pub to_secs: u64,
    /// What it consists of.
    #[serde(default)]
    pub of: FloodOf,
    /// So many times what a router can do, to each of its victims.
    #[serde(default = "Flood::three")]
    pub times_capacity: u32,
    /// So many victims: the first routers.
    #[serde(default = "Flood::one")]
    pub routers: usize,
    /// The victims are drawn from the routers with sites and visitors instead, as far as there are so many.
    #[serde(default)]
    pub of_users: bool,
}

impl Flood {
    fn three() -> u32 {
        3
    }

    fn one() -> usize {
        1
    }
}
