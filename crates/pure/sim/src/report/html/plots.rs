//! The plots of a report.

mod network;
mod visits;

use std::time::Duration;

use super::chart::Chart;
use super::scale::Scale;
use crate::measure::{Sample, Spread};
use crate::report::Run;
use crate::scenario::Fault;
use crate::show;

/// A plot has room for so many values.
const COLUMNS: usize = 100;

const BYTES: [(u64, &str); 4] = [(1, "B"), (1_000, "kB"), (1_000_000, "MB"), (1_000_000_000, "GB")];
const RATE: [(u64, &str); 4] = [(1, "B/s"), (1_000, "kB/s"), (1_000_000, "MB/s"), (1_000_000_000, "GB/s")];

/// All of them as figures.
pub(super) fn all(run: &Run<'_>) -> String {
    let start = Sample::default();
    let steps = steps(&start, &run.measures.samples);
    [
        network::builds(run, &steps),
        network::lookups(run, &steps),
        network::ready(run),
        network::routers(run, &steps),
        visits::pages(run),
        network::goodput(run, &steps),
        network::drops(run, &steps),
        network::traffic(run, &steps),
        network::memory(run, &steps),
        network::busy(run, &steps),
    ]
    .iter()
    .map(Chart::figure)
    .collect()
}

/// What happened from one sample to a later one.
struct Step<'a> {
    before: &'a Sample,
    after: &'a Sample,
    /// Over all samples after `before`.
    memory: Spread,
    busy: Spread,
}

impl Step<'_> {
    fn span(&self) -> (u64, u64) {
        (millis(self.before.at), millis(self.after.at))
    }

    /// In the middle.
    fn at(&self) -> u64 {
        let (from, to) = self.span();
        u64::midpoint(from, to)
    }

    fn change(&self, total: impl Fn(&Sample) -> u64) -> u64 {
        total(self.after).saturating_sub(total(self.before))
    }

    fn per_sec(&self, total: impl Fn(&Sample) -> u64) -> u64 {
        let (from, to) = self.span();
        self.change(total).saturating_mul(1_000) / to.saturating_sub(from).max(1)
    }

    fn when(&self) -> String {
        format!("{} to {}", show::time(self.before.at), show::time(self.after.at))
    }
}

/// From the start to the last sample, as many as there is room for.
fn steps<'a>(start: &'a Sample, samples: &'a [Sample]) -> Vec<Step<'a>> {
    let later = samples.iter().position(|sample| sample.at > start.at).unwrap_or(samples.len());
    let samples = samples.split_at(later).1;
    let (mut before, mut steps) = (start, Vec::new());
    for chunk in samples.chunks(samples.len().div_ceil(COLUMNS).max(1)) {
        let Some(after) = chunk.last() else { continue };
        let widest = |spread: fn(&Sample) -> Spread| {
            let least = chunk.iter().map(|sample| spread(sample).least).min().unwrap_or(0);
            let most = chunk.iter().map(|sample| spread(sample).most).max().unwrap_or(0);
            Spread { least, most, ..spread(after) }
        };
        let (memory, busy) = (widest(|sample| sample.memory), widest(|sample| sample.busy_permille));
        steps.push(Step { before, after, memory, busy });
        before = after;
    }
    steps
}

/// A chart over the time of the run, with the faults in it.
fn over_time(run: &Run<'_>, title: &'static str, about: impl Into<String>, y: Scale) -> Chart {
    let end = run.measures.simulated.max(run.measures.samples.last().map_or(Duration::ZERO, |sample| sample.at));
    let mut chart = Chart::new(title, about, Scale::time(millis(end)), "since the start", y);
    let settled = Duration::from_secs(run.scenario.expect.settle_secs);
    if !settled.is_zero() {
        chart.band("settling", (0, millis(settled)), "settling", 0);
    }
    for (row, fault) in run.scenario.faults.iter().enumerate() {
        chart.band("fault", (millis(fault.begins()), millis(fault.ends())), &name(fault), row);
    }
    chart
}

fn name(fault: &Fault) -> String {
    fault.kind().replace('-', " ")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
