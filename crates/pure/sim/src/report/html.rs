//! Reports for people: a page that needs no other file and no network.

mod chart;
mod plots;
mod scale;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Index, Row, Run};
use crate::expect::Outcome;
use crate::measure::Visit;
use crate::show;

const STYLE: &str = include_str!("html/style.css");
/// More of a list than this is for `report.json`.
const LINES: usize = 50;

pub(super) fn report(run: &Run<'_>) -> String {
    let (scenario, measures) = (run.scenario, run.measures);
    let broken = run.outcomes.iter().filter(|outcome| !outcome.held).count();
    let mut body = head(&scenario.name, &scenario.about, (broken, run.outcomes.len()), "expectations");
    body.push_str(&facts(run));
    body.push_str("<h2>Expectations</h2>\n");
    body.push_str(&expectations(run.outcomes));
    if !measures.violations.is_empty() {
        let _ = writeln!(body, "<h2>Violations{}</h2>", first_of(measures.violations.len()));
        let rows = measures.violations.iter().take(LINES).map(|violation| {
            format!(
                "<tr><td class=\"bad\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
                escape(violation.oracle),
                show::time(violation.at),
                escape(&violation.what)
            )
        });
        body.push_str(&table("<th>Oracle</th><th class=\"number\">At</th><th>What was seen</th>", rows));
    }
    let failures = failures(run);
    if !failures.is_empty() {
        body.push_str("<h2>Failed visits</h2>\n");
        body.push_str(&table("<th>Kind</th><th>Reason</th><th class=\"number\">Times</th>", failures.into_iter()));
    }
    let _ = write!(body, "<h2>Over time</h2>\n<div class=\"plots\">\n{}</div>\n", plots::all(run));
    page(&format!("{}, seed {}", scenario.name, measures.seed), &body)
}

pub(super) fn index(index: &Index<'_>) -> String {
    let broken = index.rows.iter().filter(|row| !row.held()).count();
    let mut body = head(&index.scenario.name, &index.scenario.about, (broken, index.rows.len()), "seeds");
    let commit = index.commit.unwrap_or("unknown");
    let _ = writeln!(body, "<p class=\"soft\">Commit <code>{}</code></p>\n<h2>Seeds</h2>", escape(commit));
    let outcomes = index.rows.first().map(|row| row.outcomes.as_slice()).unwrap_or_default();
    let mut names = "<th>Seed</th><th>Result</th>".to_owned();
    for outcome in outcomes {
        let _ = write!(
            names,
            "<th class=\"number\" title=\"{}\">{}<br><span class=\"bound\">{}</span></th>",
            escape(outcome.about),
            outcome.name,
            outcome.show_bound()
        );
    }
    names.push_str("<th class=\"number\">Took</th><th>Trace hash</th>");
    body.push_str(&table(&names, index.rows.iter().map(index_row)));
    page(&format!("{}, {} seeds", index.scenario.name, index.rows.len()), &body)
}

fn index_row(row: &Row) -> String {
    let (class, word) = verdict(row.held());
    let mut text =
        format!("<tr><td><a href=\"{}/report.html\">{}</a></td><td class=\"{class}\">{word}</td>", escape(&row.folder), row.seed);
    for outcome in &row.outcomes {
        let class = if outcome.held { "" } else { " bad" };
        let _ = write!(text, "<td class=\"number{class}\">{}</td>", outcome.show_measured());
    }
    let hash: String = row.trace_hash.chars().take(16).collect();
    let _ = writeln!(text, "<td class=\"number\">{}</td><td><code>{}</code></td></tr>", show::time(row.wall), escape(&hash));
    text
}

fn head(name: &str, about: &str, (broken, all): (usize, usize), of: &str) -> String {
    let (class, _) = verdict(broken == 0);
    let result = if broken == 0 { "held".to_owned() } else { format!("{broken} of {all} {of} not held") };
    format!(
        "<div class=\"head\"><h1>{}</h1><span class=\"verdict {class}\">{result}</span></div>\n<p class=\"about\">{}</p>\n",
        escape(name),
        escape(about)
    )
}

fn verdict(held: bool) -> (&'static str, &'static str) {
    if held { ("good", "held") } else { ("bad", "not held") }
}

fn facts(run: &Run<'_>) -> String {
    let measures = run.measures;
    let wall = run.wall.as_millis().max(1);
    let speed = u64::try_from(measures.simulated.as_millis() * 10 / wall).unwrap_or(u64::MAX);
    let memory = run.peak_rss_bytes.map_or_else(|| "unknown".to_owned(), show::bytes);
    let code = |text: &str| format!("<code>{}</code>", escape(text));
    let facts = [
        ("", "Seed", measures.seed.to_string()),
        ("", "Routers", show::count(u64::try_from(measures.routers).unwrap_or(0))),
        ("", "Simulated", show::time(measures.simulated)),
        ("", "Took", show::time(run.wall)),
        ("", "Speed", format!("{} × real time", show::scaled(speed, 10))),
        ("", "Peak memory", memory),
        ("", "Steps", show::count(measures.steps)),
        ("", "Commit", code(&run.commit.unwrap_or("unknown").chars().take(12).collect::<String>())),
        (" class=\"wide\"", "Trace hash", code(&measures.trace_hash)),
        (" class=\"wide\"", "Run it again", code(run.replay)),
    ];
    let facts: String =
        facts.iter().map(|(class, name, value)| format!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>\n")).collect();
    format!("<dl class=\"card facts\">\n{facts}</dl>\n")
}

fn expectations(outcomes: &[Outcome]) -> String {
    let rows = outcomes.iter().map(|outcome| {
        let (class, word) = verdict(outcome.held);
        format!(
            "<tr><td><code>{}</code><br><span class=\"soft\">{}</span></td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"{class}\">{word}</td></tr>\n",
            outcome.name,
            outcome.about,
            outcome.show_bound(),
            outcome.show_measured()
        )
    });
    let names = "<th>Expectation</th><th class=\"number\">Bound</th><th class=\"number\">Measured</th><th>Result</th>";
    table(names, rows)
}

/// Rows, the most frequent reasons first.
fn failures(run: &Run<'_>) -> Vec<String> {
    let measures = run.measures;
    let kinds: [(&str, &[Visit]); 3] =
        [("page", &measures.pages), ("bulk stream", &measures.bulk), ("short-lived destination", &measures.short_lived)];
    let mut counts = BTreeMap::new();
    for (kind, visits) in kinds {
        for failure in visits.iter().filter_map(|visit| visit.failure.as_deref()) {
            *counts.entry((kind, failure)).or_insert(0_u64) += 1;
        }
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let row = |((kind, failure), count): ((&str, &str), u64)| {
        format!("<tr><td>{kind}</td><td>{}</td><td class=\"number\">{}</td></tr>\n", escape(failure), show::count(count))
    };
    counts.into_iter().take(LINES).map(row).collect()
}

fn first_of(count: usize) -> String {
    if count > LINES { format!(" (the first {LINES} of {count})") } else { String::new() }
}

fn table(names: &str, rows: impl Iterator<Item = String>) -> String {
    let rows: String = rows.collect();
    format!("<div class=\"card scroll\"><table>\n<thead><tr>{names}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n")
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{body}</main>\n</body>\n</html>\n",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
