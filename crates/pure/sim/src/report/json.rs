//! Reports for programs; their layout is told by [`super`].

use std::time::Duration;

use serde_json::{Value, json};

use super::{Index, Run};
use crate::expect::{Bound, Outcome};
use crate::measure::{Sample, Spread, Visit};

pub(super) fn report(run: &Run<'_>) -> String {
    let measures = run.measures;
    let violations = measures.violations.iter();
    let report = json!({
        "scenario": run.scenario.name,
        "seed": measures.seed,
        "commit": run.commit,
        "replay": run.replay,
        "held": run.held(),
        "trace_hash": measures.trace_hash,
        "routers": measures.routers,
        "steps": measures.steps,
        "simulated_secs": secs(measures.simulated),
        "wall_secs": secs(run.wall),
        "peak_rss_bytes": run.peak_rss_bytes,
        "expectations": run.outcomes.iter().map(expectation).collect::<Vec<_>>(),
        "violations": violations
            .map(|violation| json!({ "oracle": violation.oracle, "at_ms": millis(violation.at), "what": violation.what }))
            .collect::<Vec<_>>(),
        "samples": measures.samples.iter().map(sample).collect::<Vec<_>>(),
        "ready_after_ms": times(&measures.ready_after),
        "reachable_again_ms": times(&measures.reachable_again),
        "pages": visits(&measures.pages),
        "bulk": visits(&measures.bulk),
        "short_lived": visits(&measures.short_lived),
        "excused": measures.excused,
    });
    lines(&report)
}

pub(super) fn index(index: &Index<'_>) -> String {
    let seeds = index.rows.iter().map(|row| {
        let measured: serde_json::Map<_, _> =
            row.outcomes.iter().map(|outcome| (outcome.name.to_owned(), json!(outcome.measured))).collect();
        json!({
            "seed": row.seed,
            "held": row.held(),
            "report": row.folder,
            "trace_hash": row.trace_hash,
            "wall_secs": secs(row.wall),
            "peak_rss_bytes": row.peak_rss_bytes,
            "measured": measured,
        })
    });
    lines(&json!({
        "scenario": index.scenario.name,
        "commit": index.commit,
        "held": index.held(),
        "seeds": seeds.collect::<Vec<_>>(),
    }))
}

/// A line for each key, so that a person can search and compare, and for each item of its list, as there may be thousands.
fn lines(object: &Value) -> String {
    let mut text = String::from("{\n");
    let count = object.as_object().map_or(0, serde_json::Map::len);
    for (index, (key, value)) in object.as_object().into_iter().flatten().enumerate() {
        let value = match value {
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let items: Vec<_> = items.iter().map(|item| format!("    {item}")).collect();
                format!("[\n{}\n  ]", items.join(",\n"))
            }
            other => other.to_string(),
        };
        let comma = if index + 1 < count { "," } else { "" };
        text.push_str(&format!("  {}: {value}{comma}\n", Value::from(key.as_str())));
    }
    text.push_str("}\n");
    text
}

fn expectation(outcome: &Outcome) -> Value {
    json!({
        "name": outcome.name,
        "bound": outcome.bound.value(),
        "at_least": matches!(outcome.bound, Bound::AtLeast(_)),
        "measured": outcome.measured,
        "held": outcome.held,
    })
}

fn sample(sample: &Sample) -> Value {
    json!({
        "at_ms": millis(sample.at),
        "routers_up": sample.routers_up,
        "routers_ready": sample.routers_ready,
        "builds_tried": sample.builds_tried,
        "builds_accepted": sample.builds_accepted,
        "lookups_asked": sample.lookups_asked,
        "lookups_found": sample.lookups_found,
        "lease_sets_sought": sample.lease_sets_sought,
        "lease_sets_soon": sample.lease_sets_soon,
        "delivered_bytes": sample.delivered_bytes,
        "wire_bytes": sample.wire_bytes,
        "drops": sample.drops,
        "memory_bytes": spread(sample.memory),
        "busy_permille": spread(sample.busy_permille),
    })
}

fn spread(spread: Spread) -> Value {
    json!({ "least": spread.least, "median": spread.median, "most": spread.most, "total": spread.total })
}

fn visits(visits: &[Visit]) -> Vec<Value> {
    let visit = |visit: &Visit| {
        json!({
            "started_ms": millis(visit.started),
            "ended_ms": millis(visit.ended),
            "bytes": visit.bytes,
            "failure": visit.failure,
        })
    };
    visits.iter().map(visit).collect()
}

fn times(times: &[Option<Duration>]) -> Vec<Value> {
    times.iter().map(|time| json!(time.map(millis))).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// To the millisecond.
fn secs(time: Duration) -> Value {
    if time.subsec_millis() == 0 {
        return json!(time.as_secs());
    }
    json!(Duration::from_millis(millis(time)).as_secs_f64())
}
