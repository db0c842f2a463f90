//! How much of the machine and its line a router may use, and how much of that others get.

use ramson_engine::EngineLimits;
use ramson_lane::LaneConfig;

use crate::error::StartError;

/// Without rates a router counts as having one megabyte a second each way, of which others get their share. Its own traffic takes what
/// there is.
const USUAL_BYTES_PER_SEC: u64 = 1_000_000;
/// Of the memory the lane may hold one half, the engine the other.
const PARTS_OF_MEMORY: usize = 2;
/// Sessions by what is shared: as many times as Java gives each class.
const SESSIONS: usize = 75;
/// As Java: a floodfill meets more.
const FLOODFILL_PERCENT: usize = 170;

/// See the module. Rates are bytes a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Taken from all sockets; none: no limit.
    pub in_bytes_per_sec: Option<u64>,
    /// Given to all sockets; none: no limit.
    pub out_bytes_per_sec: Option<u64>,
    /// Take tunnels of others.
    pub transit: bool,
    /// Of the smaller one of both rates, so much for others.
    pub transit_percent: u8,
    /// Most tunnels of others at once.
    pub max_transit_tunnels: usize,
    /// Most sessions with other routers; none: by class.
    pub max_connections: Option<usize>,
    /// What one destination gets, each way; none: all that there is.
    pub application_bytes_per_sec: Option<u64>,
    /// Memory that the router's tables and queues may hold.
    pub memory_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_bytes_per_sec: None,
            out_bytes_per_sec: None,
            transit: true,
            transit_percent: 80,
            max_transit_tunnels: 10_000,
            max_connections: None,
            application_bytes_per_sec: None,
            memory_bytes: 512 * 1024 * 1024,
        }
    }
}

impl Limits {
    /// Least rate: below it no tunnel of our own works well.
    pub const LEAST_RATE: u64 = 16_000;
    /// Largest rate.
    pub const LARGEST_RATE: u64 = 1_000_000_000;
    /// Least memory: our own tables and some of others.
    pub const LEAST_MEMORY: usize = 64 * 1024 * 1024;

    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let rates = [self.in_bytes_per_sec, self.out_bytes_per_sec, self.application_bytes_per_sec];
        if !rates.iter().flatten().all(|rate| (Self::LEAST_RATE..=Self::LARGEST_RATE).contains(rate)) {
            return Err(StartError::Setting(
                "bandwidth-in, bandwidth-out, application-bandwidth: a rate of 16 KB/s to 1 GB/s, such as \"500 KB/s\"",
            ));
        }
        if !(1..=100).contains(&self.transit_percent) {
            return Err(StartError::Setting("transit-share: 1 to 100, in percent of the bandwidth; for none, transit = false"));
        }
        if !(1..=10_000).contains(&self.max_transit_tunnels) {
            return Err(StartError::Setting("max-transit-tunnels: 1 to 10000"));
        }
        if self.max_connections.is_some_and(|most| !(50..=LaneConfig::MAX_SESSIONS).contains(&most)) {
            return Err(StartError::Setting("max-connections: 50 to 2000"));
        }
        if self.memory_bytes < Self::LEAST_MEMORY {
            return Err(StartError::Setting("memory-max: at least 64 MiB, such as \"512 MiB\""));
        }
        Ok(())
    }

    /// What others get of the bandwidth.
    #[must_use]
    pub fn transit_bytes_per_sec(&self) -> u64 {
        let rate = |rate: Option<u64>| rate.unwrap_or(USUAL_BYTES_PER_SEC);
        let both = match (self.in_bytes_per_sec, self.out_bytes_per_sec) {
            // One that isn't limited doesn't limit the other.
            (Some(one), None) | (None, Some(one)) => one,
            (one, other) => rate(one).min(rate(other)),
        };
        both.saturating_mul(u64::from(self.transit_percent)) / 100
    }

    /// Most sessions with other routers.
    #[must_use]
    pub fn connections(&self, floodfill: bool) -> usize {
        let of_class = match self.transit_bytes_per_sec() / 1_000 {
            0..12 => 1,
            12..48 => 2,
            48..64 => 3,
            64..128 => 5,
            128..256 => 9,
            256..2_000 => 11,
            _ => 14,
        };
        let percent = if floodfill { FLOODFILL_PERCENT } else { 100 };
        self.max_connections.unwrap_or(SESSIONS * of_class * percent / 100).min(LaneConfig::MAX_SESSIONS)
    }

    /// Whether no rate was given.
    pub(crate) fn is_without_rate(&self) -> bool {
        self.in_bytes_per_sec.is_none() && self.out_bytes_per_sec.is_none()
    }

    /// `transit`: what others get, if that is limited.
    pub(crate) fn of_engine(&self, transit: Option<u64>) -> EngineLimits {
        EngineLimits {
            transit: self.transit,
            max_transit_tunnels: self.max_transit_tunnels,
            transit_bytes_per_sec: transit,
            application_bytes_per_sec: self.application_bytes_per_sec,
            memory_bytes: self.memory_bytes / PARTS_OF_MEMORY,
        }
    }

    pub(crate) fn of_lane(&self, transit: Option<u64>, floodfill: bool, base: LaneConfig) -> LaneConfig {
        LaneConfig {
            max_sessions: self.connections(floodfill),
            max_relays: self.max_transit_tunnels,
            transit_bytes_per_sec: transit,
            in_bytes_per_sec: self.in_bytes_per_sec,
            out_bytes_per_sec: self.out_bytes_per_sec,
            memory_bytes: self.memory_bytes / PARTS_OF_MEMORY,
            ..base
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_get_their_share_of_the_smaller_rate() {
        let limits = |into, out| Limits { in_bytes_per_sec: into, out_bytes_per_sec: out, ..Limits::default() };
        assert_eq!(limits(None, None).transit_bytes_per_sec(), 800_000);
        assert_eq!(limits(Some(5_000_000), None).transit_bytes_per_sec(), 4_000_000);
        assert_eq!(limits(Some(5_000_000), Some(100_000)).transit_bytes_per_sec(), 80_000);
        let half = Limits { transit_percent: 50, ..limits(None, Some(100_000)) };
        assert_eq!(half.transit_bytes_per_sec(), 50_000);
    }

    #[test]
    fn connections_follow_the_class() {
        let limits = |rate| Limits { out_bytes_per_sec: Some(rate), ..Limits::default() };
        let most = [20_000, 100_000, 1_000_000, 10_000_000].map(|rate| limits(rate).connections(false));
        assert_eq!(most, [150, 375, 825, 1_050]);
        assert_eq!((limits(1_000_000).connections(true), limits(10_000_000).connections(true)), (1_402, 1_785));
        let set = Limits { max_connections: Some(77), ..Limits::default() };
        assert_eq!((set.connections(false), set.connections(true)), (77, 77));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_is_allowed() {
        let default = Limits::default;
        for (limits, wanted) in [
            (Limits { in_bytes_per_sec: Some(15_999), ..default() }, "bandwidth-in"),
            (Limits { application_bytes_per_sec: Some(u64::MAX), ..default() }, "16 KB/s to 1 GB/s"),
            (Limits { transit_percent: 0, ..default() }, "1 to 100"),
            (Limits { max_transit_tunnels: 10_001, ..default() }, "1 to 10000"),
            (Limits { max_connections: Some(49), ..default() }, "50 to 2000"),
            (Limits { memory_bytes: 1, ..default() }, "64 MiB"),
        ] {
            let error = limits.check().unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
        default().check().unwrap();
    }
}
