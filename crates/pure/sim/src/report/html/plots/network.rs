//! Plots of the network and its machines.

use super::super::chart::Chart;
use super::super::scale::Scale;
use super::{BYTES, RATE, Step, millis, over_time};
use crate::measure::{Sample, Spread};
use crate::report::Run;
use crate::show;

/// Colours for reasons to drop.
const COLOURS: usize = 7;

pub(super) fn builds(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let about = "own tunnels that all hops accepted, of those that were begun";
    let mut chart = over_time(run, "Build success", about, Scale::share());
    share(&mut chart, steps, ("accepted", "tunnels"), |sample| sample.builds_tried, |sample| sample.builds_accepted);
    expected(&mut chart, run.scenario.expect.builds_permille);
    chart
}

pub(super) fn lookups(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let about = "LeaseSets and RouterInfos that were found, of those that were asked for";
    let mut chart = over_time(run, "Lookup success", about, Scale::share());
    share(&mut chart, steps, ("found", "lookups"), |sample| sample.lookups_asked, |sample| sample.lookups_found);
    expected(&mut chart, run.scenario.expect.lookups_permille);
    chart
}

fn expected(chart: &mut Chart, permille: Option<u32>) {
    if let Some(permille) = permille.map(u64::from) {
        chart.bound(permille, &format!("expected in calm: {}", show::percent(permille)));
    }
}

/// A line of per cents, with gaps where nothing was tried.
fn share(
    chart: &mut Chart,
    steps: &[Step<'_>],
    (good_name, all_name): (&str, &str),
    all: fn(&Sample) -> u64,
    good: fn(&Sample) -> u64,
) {
    let value = |step: &Step<'_>| (step.change(good) * 1_000).checked_div(step.change(all)).map(|share| share.min(1_000));
    let points: Vec<_> = steps.iter().map(|step| (step.at(), value(step))).collect();
    chart.line("c1", good_name, &points);
    for step in steps {
        let shown = value(step).map_or_else(|| format!("no {all_name}"), |value| format!("{} {good_name}", show::percent(value)));
        chart.title_over(step.span(), &format!("{}: {shown}, of {} {all_name}", step.when(), show::count(step.change(all))));
    }
}

/// How many were ready after which time.
pub(super) fn ready(run: &Run<'_>) -> Chart {
    let times = &run.measures.ready_after;
    let mut there: Vec<_> = times.iter().flatten().map(|time| millis(*time)).collect();
    there.sort_unstable();
    let deadline = run.scenario.expect.ready_within_secs.map(|secs| secs * 1_000);
    let end = there.last().copied().unwrap_or(0).max(deadline.unwrap_or(0)).max(1_000);
    let end = end + end / 20;
    let never = match times.len() - there.len() {
        0 => String::new(),
        never => format!("; {} of {} never were", never, times.len()),
    };
    let about = format!("routers that were ready, by the time since their own start{never}");
    let mut chart = Chart::new("Time to ready", about, Scale::time(end), "since the router's start", Scale::share());
    if let Some(deadline) = deadline {
        chart.deadline(deadline, &format!("expected within {}", show::time(std::time::Duration::from_millis(deadline))));
    }
    let share = |count: usize| u64::try_from(count * 1_000 / times.len().max(1)).unwrap_or(0);
    let mut outline = vec![(0, 0)];
    for (index, time) in there.iter().enumerate() {
        outline.extend([(*time, share(index)), (*time, share(index + 1))]);
    }
    outline.push((end, share(there.len())));
    if !there.is_empty() {
        let base: Vec<_> = outline.iter().map(|(x, _)| (*x, 0)).collect();
        chart.area("c1", "", &base, &outline);
        chart.line("c1", "ready", &outline.iter().map(|(x, y)| (*x, Some(*y))).collect::<Vec<_>>());
    }
    for strip in 0..60 {
        let (from, to) = (end * strip / 60, end * (strip + 1) / 60);
        let count = there.partition_point(|time| *time <= to);
        let time = show::time(std::time::Duration::from_millis(to));
        chart.title_over((from, to), &format!("after {time}: {count} of {} ready", times.len()));
    }
    chart
}

pub(super) fn routers(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let number = |count: usize| u64::try_from(count).unwrap_or(0);
    let most = steps.iter().map(|step| number(step.after.routers_up)).max().unwrap_or(0);
    let about = "routers that run, and those with tunnels both ways and a published RouterInfo";
    let mut chart = over_time(run, "Routers", about, Scale::linear(most, &[(1, "")]));
    let points = |value: fn(&Sample) -> usize| -> Vec<_> {
        steps.iter().map(|step| (step.span().1, Some(number(value(step.after))))).collect()
    };
    chart.line("c2", "up", &points(|sample| sample.routers_up));
    chart.line("c1", "ready", &points(|sample| sample.routers_ready));
    for step in steps {
        let (up, ready) = (step.after.routers_up, step.after.routers_ready);
        chart.title_over(step.span(), &format!("at {}: {ready} ready, {up} up", show::time(step.after.at)));
    }
    chart
}

pub(super) fn goodput(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let about = "application bytes that arrived at the other end of a stream, over the whole network";
    rate(run, steps, ("Goodput", about, "delivered", "c3"), |sample| sample.delivered_bytes)
}

pub(super) fn traffic(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let about = "bytes on all links: every hop of every tunnel counts, and all that the routers say among themselves";
    rate(run, steps, ("Traffic", about, "on links", "c4"), |sample| sample.wire_bytes)
}

fn rate(
    run: &Run<'_>,
    steps: &[Step<'_>],
    (title, about, name, class): (&'static str, &str, &str, &str),
    total: fn(&Sample) -> u64,
) -> Chart {
    let most = steps.iter().map(|step| step.per_sec(total)).max().unwrap_or(0);
    let mut chart = over_time(run, title, about, Scale::linear(most, &RATE));
    let points: Vec<_> = steps.iter().map(|step| (step.at(), step.per_sec(total))).collect();
    let base: Vec<_> = points.iter().map(|(x, _)| (*x, 0)).collect();
    chart.area(class, "", &base, &points);
    chart.line(class, name, &points.iter().map(|(x, y)| (*x, Some(*y))).collect::<Vec<_>>());
    for step in steps {
        let (rate, sum) = (show::rate(step.per_sec(total)), show::bytes(total(step.after)));
        chart.title_over(step.span(), &format!("{}: {rate} {name}; {sum} since the start", step.when()));
    }
    chart
}

/// Columns of the most frequent reasons, the others together on top.
pub(super) fn drops(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let last = run.measures.samples.last();
    let mut totals: Vec<_> = last.into_iter().flat_map(|sample| &sample.drops).filter(|(_, count)| **count > 0).collect();
    totals.sort_unstable_by(|one, other| other.1.cmp(one.1).then(one.0.cmp(other.0)));
    let of = |reason: &'static str| move |sample: &Sample| sample.drops.get(reason).copied().unwrap_or(0);
    let shown: Vec<&'static str> = totals.iter().take(COLOURS - 1).map(|(reason, _)| **reason).collect();
    let others: Vec<&'static str> = totals.iter().skip(COLOURS - 1).map(|(reason, _)| **reason).collect();
    let sum_of = |reasons: &[&'static str], step: &Step<'_>| reasons.iter().map(|reason| step.change(of(reason))).sum::<u64>();
    let most = steps.iter().map(|step| sum_of(&shown, step) + sum_of(&others, step)).max().unwrap_or(0);
    let units = [(1, "messages"), (1_000, "thousand"), (1_000_000, "million")];
    let mut chart = over_time(run, "Drops", "messages that were dropped, by reason", Scale::linear(most, &units));
    let groups: Vec<_> =
        shown.iter().map(std::slice::from_ref).chain((!others.is_empty()).then_some(others.as_slice())).collect();
    for step in steps {
        let (mut sum, mut parts) = (0, Vec::new());
        for (index, reasons) in groups.iter().enumerate() {
            let count = sum_of(reasons, step);
            chart.column(&class(index), step.span(), (sum, sum + count));
            sum += count;
            if count > 0 {
                parts.push(format!("{} {}", show::count(count), name(reasons)));
            }
        }
        let parts = if parts.is_empty() { "none".to_owned() } else { parts.join("\n") };
        chart.title_over(step.span(), &format!("{}:\n{parts}", step.when()));
    }
    for (index, reasons) in groups.iter().enumerate() {
        let total = last.map_or(0, |sample| reasons.iter().map(|reason| of(reason)(sample)).sum());
        chart.legend(&format!("area solid {}", class(index)), &format!("{} ({})", name(reasons), show::count(total)));
    }
    chart
}

fn class(index: usize) -> String {
    format!("c{}", (index + 1).min(COLOURS))
}

fn name(reasons: &[&'static str]) -> String {
    match reasons {
        [only] => (*only).to_owned(),
        _ => format!("{} other reasons", reasons.len()),
    }
}

pub(super) fn memory(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let most = steps.iter().map(|step| step.memory.most).max().unwrap_or(0);
    let about = "bytes by its registered bounds, over all routers";
    let mut chart = over_time(run, "Memory of a router", about, Scale::linear(most, &BYTES));
    spread(&mut chart, steps, |step| step.memory, show::bytes);
    chart
}

pub(super) fn busy(run: &Run<'_>, steps: &[Step<'_>]) -> Chart {
    let most = steps.iter().map(|step| step.busy.most).max().unwrap_or(0);
    let about = "time that a router's virtual processor worked, over all routers";
    let mut chart =
        over_time(run, "Busy processors", about, if most > 500 { Scale::share() } else { Scale::linear(most, &[(10, "%")]) });
    spread(&mut chart, steps, |step| step.busy, show::percent);
    chart
}

fn spread(chart: &mut Chart, steps: &[Step<'_>], value: fn(&Step<'_>) -> Spread, shown: fn(u64) -> String) {
    let points = |of: fn(Spread) -> u64| -> Vec<_> { steps.iter().map(|step| (step.span().1, of(value(step)))).collect() };
    chart.area("c1", "least to most", &points(|spread| spread.least), &points(|spread| spread.most));
    let median: Vec<_> = points(|spread| spread.median).into_iter().map(|(x, y)| (x, Some(y))).collect();
    chart.line("c1", "median", &median);
    for step in steps {
        let Spread { least, median, most, .. } = value(step);
        let (least, median, most) = (shown(least), shown(median), shown(most));
        chart.title_over(step.span(), &format!("{}: least {least}, median {median}, most {most}", step.when()));
    }
}
