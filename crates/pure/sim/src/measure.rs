//! What a simulation found out.

use std::collections::BTreeMap;
use std::time::Duration;

/// A value over all routers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// The smallest.
    pub least: u64,
    /// The middle one.
    pub median: u64,
    /// The largest.
    pub most: u64,
    /// The sum.
    pub total: u64,
}

impl Spread {
    /// Of these values; all zero without any.
    #[must_use]
    pub fn of(mut values: Vec<u64>) -> Self {
        values.sort_unstable();
        let at = |index: usize| values.get(index).copied().unwrap_or(0);
        Self {
            least: at(0),
            median: at(values.len() / 2),
            most: at(values.len().saturating_sub(1)),
            total: values.iter().fold(0, |sum, value| sum.saturating_add(*value)),
        }
    }
}

/// The network at a moment. Counts are totals since the start over all routers, those that are gone included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Since the start.
    pub at: Duration,
    /// Routers that run.
    pub routers_up: usize,
    /// Those with own tunnels both ways and a published RouterInfo.
    pub routers_ready: usize,
    /// Own tunnels that were begun.
    pub builds_tried: u64,
    /// Those that all hops accepted.
    pub builds_accepted: u64,
    /// LeaseSets and RouterInfos asked for.
    pub lookups_asked: u64,
    /// Those that came.
    pub lookups_found: u64,
    /// Searches of destinations for LeaseSets that ended.
    pub lease_sets_sought: u64,
    /// Those that found within [`ramson_engine::LookupCounts::SOON`].
    pub lease_sets_soon: u64,
    /// Application bytes that arrived at the other end of a stream.
    pub delivered_bytes: u64,
    /// Bytes on links.
    pub wire_bytes: u64,
    /// Messages dropped, by reason.
    pub drops: BTreeMap<&'static str, u64>,
    /// Bytes of a router by its registered bounds.
    pub memory: Spread,
    /// How much of the time since the last sample a router's processors were busy, in thousandths.
    pub busy_permille: Spread,
}

/// A page, a bulk stream or a visit to a short-lived destination. Times since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Asked for.
    pub started: Duration,
    /// The last byte came, or it failed.
    pub ended: Duration,
    /// Bytes asked for.
    pub bytes: u64,
    /// What went wrong.
    pub failure: Option<String>,
}

/// Something that must never be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub oracle: &'static str,
    /// Since the start.
    pub at: Duration,
    /// What was seen.
    pub what: String,
}

/// All of one simulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measures {
    /// Of what all randomness was made.
    pub seed: u64,
    /// Routers started, those that came later included.
    pub routers: usize,
    /// Virtual time that passed.
    pub simulated: Duration,
    /// Turns of machines and happenings on the network.
    pub steps: u64,
    /// Of all typed events, times and sizes: equal runs have equal ones.
    pub trace_hash: String,
    /// Evenly over time.
    pub samples: Vec<Sample>,
    /// From each router's first start to its readiness.
    pub ready_after: Vec<Option<Duration>>,
    /// Pages, in the order of their ends.
    pub pages: Vec<Visit>,
    /// Bulk streams likewise.
    pub bulk: Vec<Visit>,
    /// Visits to short-lived destinations likewise.
    pub short_lived: Vec<Visit>,
    /// Visits of all kinds that failed while a router at one of their ends was down: they are in no list.
    pub excused: usize,
    /// From the end of the last fault to the first successful visit, for each published destination.
    pub reachable_again: Vec<Option<Duration>>,
    /// Empty in a good run.
    pub violations: Vec<Violation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_ends_and_middle() {
        assert_eq!(Spread::of(vec![3, 1, 2]), Spread { least: 1, median: 2, most: 3, total: 6 });
        assert_eq!(Spread::of(Vec::new()), Spread::default());
    }
}
