mod made_up;

use serde_json::Value;

use super::*;
use crate::expect::judge;

const REPLAY: &str = "ramson sim scenarios/made-up.toml --seed 42";

fn with_run<T>(scenario: &Scenario, measures: &Measures, then: impl Fn(&Run<'_>) -> T) -> T {
    let outcomes = judge(scenario, measures);
    let wall = Duration::from_millis(12_345);
    then(&Run {
        scenario,
        measures,
        outcomes: &outcomes,
        commit: Some("0123abcd"),
        replay: REPLAY,
        wall,
        peak_rss_bytes: Some(1 << 28),
    })
}

#[test]
fn json_has_its_documented_keys() {
    let text = with_run(&made_up::scenario(), &made_up::measures(), |run| run.json());
    let report: Value = serde_json::from_str(&text).unwrap();
    // As in the module's text.
    let documented: Vec<_> = include_str!("../report.rs").lines().filter(|line| line.starts_with("//! | `")).collect();
    let mut names: Vec<_> =
        documented.iter().filter_map(|line| line.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect();
    names.sort_unstable();
    assert_eq!(report.as_object().unwrap().keys().collect::<Vec<_>>(), names);
    let sample = &report["samples"][3];
    let line = documented.iter().find(|line| line.contains("`samples`")).unwrap();
    for name in sample.as_object().unwrap().keys() {
        assert!(line.contains(&format!("`{name}`")), "{name}");
    }
    assert_eq!((&report["scenario"], &report["seed"], &report["routers"]), (&"made-up".into(), &42.into(), &34.into()));
    assert_eq!((&report["simulated_secs"], &report["wall_secs"]), (&600.into(), &12.345.into()));
    assert_eq!(
        (&report["held"], &report["commit"], &report["peak_rss_bytes"]),
        (&false.into(), &"0123abcd".into(), &(1 << 28).into())
    );
    assert_eq!(report["samples"].as_array().unwrap().len(), 121);
    assert_eq!(report["samples"][1]["at_ms"], 5_000);
    assert_eq!(report["ready_after_ms"][33], Value::Null);
    assert_eq!(report["violations"][0]["oracle"], "delivery");
    let first = &report["expectations"][0];
    assert_eq!((&first["name"], &first["bound"], &first["measured"]), (&"oracle-violations".into(), &0.into(), &1.into()));
    assert_eq!((&first["at_least"], &first["held"]), (&false.into(), &false.into()));
}

#[test]
fn a_page_needs_nothing_else() {
    let html = with_run(&made_up::scenario(), &made_up::measures(), |run| run.html());
    for outside in ["http:", "https:", "src=", "<link", "@import", "url(", "<script"] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html.matches("<figure>").count(), 10);
    for plot in [
        "Build success",
        "Time to ready",
        "Lookup success",
        "Goodput",
        "Drops",
        "Memory of a router",
        "Busy processors",
        "Page times",
    ] {
        assert!(html.contains(&format!("<h3>{plot}</h3>")), "{plot}");
    }
    assert!(html.contains(REPLAY));
    assert!(html.contains("4 bytes &amp; more &lt;than&gt; were sent"));
    assert!(html.contains("&lt;all&gt; of it must &quot;heal&quot;"));
    assert!(!html.contains("nothing was measured"));
    assert_eq!(
        html.matches("<td class=\"bad\">not held</td>").count(),
        with_run(&made_up::scenario(), &made_up::measures(), broken)
    );
}

fn broken(run: &Run<'_>) -> usize {
    run.outcomes.iter().filter(|outcome| !outcome.held).count()
}

#[test]
fn every_tag_is_closed() {
    for html in [
        with_run(&made_up::scenario(), &made_up::measures(), |run| run.html()),
        with_run(&Scenario::default(), &made_up::empty(), |run| run.html()),
        with_index(|index| index.html()),
    ] {
        let mut open = Vec::new();
        for tag in html.split('<').skip(1).filter_map(|rest| rest.split_once('>')).map(|(tag, _)| tag) {
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None if tag.ends_with('/') || ["!DOCTYPE", "meta", "br"].contains(&name) => {}
                None => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }
}

#[test]
fn a_run_without_anything_is_told_so() {
    let html = with_run(&Scenario::default(), &made_up::empty(), |run| run.html());
    assert!(html.contains("nothing was measured"));
    let report: Value = serde_json::from_str(&with_run(&Scenario::default(), &Measures::default(), |run| run.json())).unwrap();
    assert_eq!(report["held"], true);
}

/// Two seeds, the second of them good.
fn with_index<T>(then: impl Fn(&Index<'_>) -> T) -> T {
    let scenario = made_up::scenario();
    let row = |seed: u64, measures: &Measures| Row {
        seed,
        folder: format!("seed-{seed}"),
        trace_hash: "ab".repeat(32),
        wall: Duration::from_millis(1_500),
        peak_rss_bytes: None,
        outcomes: judge(&scenario, measures),
    };
    let mut good = row(2, &made_up::measures());
    good.outcomes.iter_mut().for_each(|outcome| outcome.held = true);
    let rows = [row(1, &made_up::measures()), good];
    then(&Index { scenario: &scenario, commit: None, rows: &rows })
}

#[test]
fn an_index_has_a_row_for_each_seed() {
    let index: Value = serde_json::from_str(&with_index(|index| index.json())).unwrap();
    assert_eq!((&index["held"], &index["commit"], &index["scenario"]), (&false.into(), &Value::Null, &"made-up".into()));
    let held: Vec<_> = index["seeds"].as_array().unwrap().iter().map(|seed| seed["held"].as_bool().unwrap()).collect();
    assert_eq!(held, [false, true]);
    assert_eq!((&index["seeds"][1]["report"], &index["seeds"][1]["wall_secs"]), (&"seed-2".into(), &1.5.into()));
    assert_eq!(index["seeds"][0]["measured"]["oracle-violations"], 1);
    let html = with_index(|index| index.html());
    assert!(html.contains("<a href=\"seed-1/report.html\">1</a>") && html.contains("<a href=\"seed-2/report.html\">2</a>"));
    assert!(html.contains("1 of 2 seeds not held"));
}
