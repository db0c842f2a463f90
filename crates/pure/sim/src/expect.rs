//! Whether a network was as good as its scenario expects.

pub(crate) mod calm;

use std::time::Duration;

use calm::{Calm, Phase};

use crate::measure::{Measures, Sample, Visit};
use crate::scenario::Scenario;
use crate::show;

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// This or more.
    AtLeast(u64),
    /// This or less.
    AtMost(u64),
}

impl Bound {
    /// The number.
    #[must_use]
    pub fn value(self) -> u64 {
        match self {
            Self::AtLeast(value) | Self::AtMost(value) => value,
        }
    }

    fn holds(self, measured: u64) -> bool {
        match self {
            Self::AtLeast(least) => measured >= least,
            Self::AtMost(most) => measured <= most,
        }
    }
}

/// What numbers of an outcome count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds; what was measured is rounded up.
    Seconds,
    /// Milliseconds, rounded up.
    Milliseconds,
    /// Thousandths, rounded down.
    Permille,
    /// 1,000 bytes a second, rounded down.
    KbytesPerSec,
    /// Bytes.
    Bytes,
    /// Pieces.
    Count,
}

impl Unit {
    /// For people.
    #[must_use]
    pub fn show(self, value: u64) -> String {
        match self {
            Self::Seconds => format!("{value} s"),
            Self::Milliseconds => show::time(Duration::from_millis(value)),
            Self::Permille => show::percent(value),
            Self::KbytesPerSec => show::rate(value.saturating_mul(1_000)),
            Self::Bytes => show::bytes(value),
            Self::Count => show::count(value),
        }
    }
}

/// An expectation and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The expectation's key in the scenario's file; `oracle-violations` has none.
    pub name: &'static str,
    /// In words, for people.
    pub about: &'static str,
    /// Of both numbers.
    pub unit: Unit,
    /// What it must be.
    pub bound: Bound,
    /// What it was; none: there was nothing to measure, or a part of it never came to be. Then it isn't held.
    pub measured: Option<u64>,
    /// Whether it is within the bound.
    pub held: bool,
}

impl Outcome {
    /// The bound, for people.
    #[must_use]
    pub fn show_bound(&self) -> String {
        let words = if matches!(self.bound, Bound::AtLeast(_)) { "at least" } else { "at most" };
        format!("{words} {}", self.unit.show(self.bound.value()))
    }

    /// What was measured, for people.
    #[must_use]
    pub fn show_measured(&self) -> String {
        self.measured.map_or_else(|| "never".to_owned(), |measured| self.unit.show(measured))
    }
}

/// Checks everything that the scenario expects, and that no oracle was violated. In the order of the scenario's keys.
#[must_use]
pub fn judge(scenario: &Scenario, measures: &Measures) -> Vec<Outcome> {
    let judge = Judge { scenario, measures, calm: Calm::of(scenario) };
    let violations = Row {
        name: "oracle-violations",
        about: "violations of rules that always hold",
        unit: Unit::Count,
        bound: Some(Bound::AtMost(0)),
        measured: u64::try_from(measures.violations.len()).ok(),
    };
    let rows =
        std::iter::once(violations).chain(judge.network()).chain(judge.visits()).chain(judge.floods()).chain(judge.machines());
    rows.filter_map(Row::outcome).collect()
}

struct Row {
    name: &'static str,
    about: &'static str,
    unit: Unit,
    bound: Option<Bound>,
    measured: Option<u64>,
}

impl Row {
    fn outcome(self) -> Option<Outcome> {
        let Self { name, about, unit, bound, measured } = self;
        let bound = bound?;
        Some(Outcome { name, about, unit, bound, measured, held: measured.is_some_and(|measured| bound.holds(measured)) })
    }
}

struct Judge<'a> {
    scenario: &'a Scenario,
    measures: &'a Measures,
    calm: Calm,
}

impl Judge<'_> {
    fn network(&self) -> [Row; 5] {
        let (expect, measures) = (&self.scenario.expect, self.measures);
        let in_calm = |tried: fn(&Sample) -> u64, good: fn(&Sample) -> u64| self.share_in_calm(tried, good);
        [
            Row {
                name: "ready-within-secs",
                about: "until the routers were ready, from their first start",
                unit: Unit::Seconds,
                bound: expect.ready_within_secs.map(Bound::AtMost),
                measured: share_of_the_first(&measures.ready_after, expect.ready_permille).map(secs_up),
            },
            Row {
                name: "ready-at-end-permille",
                about: "routers that were ready in the end",
                unit: Unit::Permille,
                bound: at_least(expect.ready_at_end_permille),
                measured: measures.samples.last().and_then(|last| share(last.routers_ready, last.routers_up)),
            },
            Row {
                name: "builds-permille",
                about: "own tunnels begun in calm that all hops accepted",
                unit: Unit::Permille,
                bound: at_least(expect.builds_permille),
                measured: in_calm(|sample| sample.builds_tried, |sample| sample.builds_accepted),
            },
            Row {
                name: "lookups-permille",
                about: "lookups in calm that found",
                unit: Unit::Permille,
                bound: at_least(expect.lookups_permille),
                measured: in_calm(|sample| sample.lookups_asked, |sample| sample.lookups_found),
            },
            Row {
                name: "lease-sets-soon-permille",
                about: "searches for LeaseSets in calm that found within 5 s",
                unit: Unit::Permille,
                bound: at_least(expect.lease_sets_soon_permille),
                measured: in_calm(|sample| sample.lease_sets_sought, |sample| sample.lease_sets_soon),
            },
        ]
    }

    fn visits(&self) -> [Row; 6] {
        let (expect, measures) = (&self.scenario.expect, self.measures);
        let calm_pages = self.during(&measures.pages, Phase::Calm);
        let streams = self.scenario.load.bulk.as_ref().map_or(0, |bulk| bulk.streams).max(measures.bulk.len());
        let bulk: Vec<_> = measures.bulk.iter().collect();
        let permille = |name, about, bound, measured| Row { name, about, unit: Unit::Permille, bound: at_least(bound), measured };
        [
            permille(
                "pages-permille",
                "page fetches in calm that succeeded",
                expect.pages_permille,
                share(good(&calm_pages), calm_pages.len()),
            ),
            {
                let pages = self.during(&measures.pages, Phase::Fault);
                permille(
                    "pages-in-faults-permille",
                    "page fetches in faults, or shortly after, that succeeded",
                    expect.pages_in_faults_permille,
                    share(good(&pages), pages.len()),
                )
            },
            Row {
                name: "page-median-ms",
                about: "the middle one of the successful page fetches in calm took",
                unit: Unit::Milliseconds,
                bound: expect.page_median_ms.map(Bound::AtMost),
                measured: median(&calm_pages, |visit| millis_up(took(visit))),
            },
            // A stream that hangs until the end is in no list, and failed none the less.
            permille("bulk-permille", "streams that delivered everything", expect.bulk_permille, share(good(&bulk), streams)),
            Row {
                name: "bulk-kbytes-per-sec",
                about: "the middle one of the successful streams was as fast",
                unit: Unit::KbytesPerSec,
                bound: expect.bulk_kbytes_per_sec.map(Bound::AtLeast),
                measured: median(&bulk, |visit| visit.bytes / millis_up(took(visit)).max(1)),
            },
            {
                let visits = self.during(&measures.short_lived, Phase::Calm);
                permille(
                    "short-lived-permille",
                    "visits in calm to short-lived destinations that succeeded",
                    expect.short_lived_permille,
                    share(good(&visits), visits.len()),
                )
            },
        ]
    }

    /// Against calm. A pair of samples counts if the flood lasts from the one to the other.
    fn floods(&self) -> [Row; 2] {
        let expect = &self.scenario.expect;
        let flood = |before: &Sample, after: &Sample| self.calm.is_flood(before.at, after.at);
        let calm = |before: &Sample, after: &Sample| self.calm.phase(before.at, after.at) == Phase::Calm;
        let bytes = |chosen: &dyn Fn(&Sample, &Sample) -> bool| {
            let time = |sample: &Sample| millis_up(sample.at);
            self.ratio_of(chosen, |sample| sample.delivered_bytes.saturating_mul(1_000), time)
        };
        let builds = |chosen: &dyn Fn(&Sample, &Sample) -> bool| {
            self.ratio_of(chosen, |sample| sample.builds_accepted.saturating_mul(1_000_000), |sample| sample.builds_tried)
        };
        let against = |part: Option<u64>, whole: Option<u64>| part?.saturating_mul(1_000).checked_div(whole?);
        [
            Row {
                name: "flood-goodput-permille",
                about: "bytes that reached applications during floods, of as much time in calm",
                unit: Unit::Permille,
                bound: at_least(expect.flood_goodput_permille),
                measured: against(bytes(&flood), bytes(&calm)),
            },
            Row {
                name: "flood-builds-permille",
                about: "own tunnels that all hops accepted during floods, of as many begun in calm",
                unit: Unit::Permille,
                bound: at_least(expect.flood_builds_permille),
                measured: against(builds(&flood), builds(&calm)),
            },
        ]
    }

    /// What was gained of what was spent, between the chosen samples.
    fn ratio_of(
        &self,
        chosen: &dyn Fn(&Sample, &Sample) -> bool,
        gained: impl Fn(&Sample) -> u64,
        spent: impl Fn(&Sample) -> u64,
    ) -> Option<u64> {
        let mut sums = (0_u64, 0_u64);
        for pair in self.measures.samples.windows(2) {
            let [before, after] = pair else { continue };
            if chosen(before, after) {
                sums.0 = sums.0.saturating_add(gained(after).saturating_sub(gained(before)));
                sums.1 = sums.1.saturating_add(spent(after).saturating_sub(spent(before)));
            }
        }
        sums.0.checked_div(sums.1)
    }

    fn machines(&self) -> [Row; 2] {
        let (expect, measures) = (&self.scenario.expect, self.measures);
        [
            Row {
                name: "reachable-again-within-secs",
                about: "until every published destination was reached again, from the last fault's end",
                unit: Unit::Seconds,
                bound: expect.reachable_again_within_secs.map(Bound::AtMost),
                measured: share_of_the_first(&measures.reachable_again, 1_000).map(secs_up),
            },
            Row {
                name: "memory-per-router-bytes",
                about: "the most that a router held, by its registered bounds",
                unit: Unit::Bytes,
                bound: expect.memory_per_router_bytes.map(Bound::AtMost),
                // No router holds nothing.
                measured: measures.samples.iter().map(|sample| sample.memory.most).max().filter(|most| *most > 0),
            },
        ]
    }

    fn during<'a>(&self, visits: &'a [Visit], phase: Phase) -> Vec<&'a Visit> {
        visits.iter().filter(|visit| self.calm.phase(visit.started, visit.ended) == phase).collect()
    }

    /// What was good of what was tried, between samples in calm.
    fn share_in_calm(&self, tried: fn(&Sample) -> u64, good: fn(&Sample) -> u64) -> Option<u64> {
        let mut sums = (0_u64, 0_u64);
        for pair in self.measures.samples.windows(2) {
            let [before, after] = pair else { continue };
            if self.calm.phase(before.at, after.at) == Phase::Calm {
                sums.0 += tried(after).saturating_sub(tried(before));
                sums.1 += good(after).saturating_sub(good(before));
            }
        }
        // What was begun before calm and became good in it could make more than all.
        (sums.0 > 0).then(|| (sums.1.saturating_mul(1_000) / sums.0).min(1_000))
    }
}

fn at_least(permille: Option<u32>) -> Option<Bound> {
    permille.map(|permille| Bound::AtLeast(u64::from(permille)))
}

fn good(visits: &[&Visit]) -> usize {
    visits.iter().filter(|visit| visit.failure.is_none()).count()
}

fn share(good: usize, all: usize) -> Option<u64> {
    let permille = good.saturating_mul(1_000).checked_div(all)?;
    u64::try_from(permille).ok()
}

/// Of the good ones.
fn median(visits: &[&Visit], value: impl Fn(&Visit) -> u64) -> Option<u64> {
    let mut values: Vec<_> = visits.iter().filter(|visit| visit.failure.is_none()).map(|visit| value(visit)).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// When so many of them were there; none if they never were.
fn share_of_the_first(times: &[Option<Duration>], permille: u32) -> Option<Duration> {
    let wanted = times.len().saturating_mul(usize::try_from(permille).ok()?).div_ceil(1_000);
    let mut there: Vec<_> = times.iter().flatten().copied().collect();
    there.sort_unstable();
    there.get(wanted.checked_sub(1)?).copied()
}

fn took(visit: &Visit) -> Duration {
    visit.ended.saturating_sub(visit.started)
}

fn secs_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

fn millis_up(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
