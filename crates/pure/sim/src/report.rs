//! What is left of a run: `report.json` for programs, `report.html` for people; for several seeds an index of both kinds.
//!
//! # `report.json`
//! One object. Names end in their units; a kilobyte is 1,000 bytes; times of happenings count from the start of the simulation.
//!
//! | key | value |
//! |---|---|
//! | `scenario`, `seed`, `commit`, `replay` | what ran: name, number, commit or null, the command that runs it again |
//! | `held` | true if every expectation is held |
//! | `trace_hash` | hex; equal runs have equal ones |
//! | `routers`, `steps` | routers started in all; turns of machines and happenings |
//! | `simulated_secs`, `wall_secs` | virtual time; real time |
//! | `peak_rss_bytes` | most memory of the whole process up to the run's end, runs of seeds before it included; null if unknown |
//! | `expectations` | list of `name` (key in the scenario's file, unit at its end; `oracle-violations` counts), `bound`, `at_least` (else at most), `measured` (null: nothing to measure, or never), `held` |
//! | `violations` | list of `oracle`, `at_ms`, `what` |
//! | `samples` | list of `at_ms`; now: `routers_up`, `routers_ready`; totals since the start: `builds_tried`, `builds_accepted`, `lookups_asked`, `lookups_found`, `lease_sets_sought`, `lease_sets_soon`, `delivered_bytes`, `wire_bytes`, `drops` (reason to count); over the routers, each with `least`, `median`, `most`, `total`: `memory_bytes`, `busy_permille` |
//! | `ready_after_ms` | for each router, from its first start; null: never |
//! | `reachable_again_ms` | for each published destination, from the last fault's end; null: never |
//! | `pages`, `bulk`, `short_lived` | lists of `started_ms`, `ended_ms`, `bytes`, `failure` (null: none) |
//! | `excused` | further visits, which failed while a router at one of their ends was down |
//!
//! # `index.json`
//! `scenario`, `commit`, `held` (all of them), and `seeds`: a list of `seed`, `held`, `report` (folder), `trace_hash`, `wall_secs`, `peak_rss_bytes`, and
//! `measured`, which has each expectation's value by name.

mod html;
mod json;

use std::time::Duration;

use crate::expect::Outcome;
use crate::measure::Measures;
use crate::scenario::Scenario;

/// A run and all that is to be told about it.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// What was to be simulated.
    pub scenario: &'a Scenario,
    /// What was found out.
    pub measures: &'a Measures,
    /// How good that is.
    pub outcomes: &'a [Outcome],
    /// Of the program, if it is known.
    pub commit: Option<&'a str>,
    /// The command that does it again.
    pub replay: &'a str,
    /// How long it took.
    pub wall: Duration,
    /// The most memory that the process had, if it is known.
    pub peak_rss_bytes: Option<u64>,
}

impl Run<'_> {
    /// Every expectation is held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.held)
    }

    /// `report.json`.
    #[must_use]
    pub fn json(&self) -> String {
        json::report(self)
    }

    /// `report.html`, which needs no other file.
    #[must_use]
    pub fn html(&self) -> String {
        html::report(self)
    }
}

/// What an index tells about one of its runs.
#[derive(Clone, Debug)]
pub struct Row {
    /// The run's seed.
    pub seed: u64,
    /// Where its report is, from the index's folder.
    pub folder: String,
    /// Of equal runs equal.
    pub trace_hash: String,
    /// How long it took.
    pub wall: Duration,
    /// The most memory that the process had so far, if it is known.
    pub peak_rss_bytes: Option<u64>,
    /// How good it was.
    pub outcomes: Vec<Outcome>,
}

impl Row {
    /// Every expectation is held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.held)
    }
}

/// Runs of one scenario by several seeds.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    /// What was to be simulated.
    pub scenario: &'a Scenario,
    /// Of the program, if it is known.
    pub commit: Option<&'a str>,
    /// In the order of their runs.
    pub rows: &'a [Row],
}

impl Index<'_> {
    /// Every expectation of every run is held.
    #[must_use]
    pub fn held(&self) -> bool {
        self.rows.iter().all(Row::held)
    }

    /// `index.json`.
    #[must_use]
    pub fn json(&self) -> String {
        json::index(self)
    }

    /// `index.html`.
    #[must_use]
    pub fn html(&self) -> String {
        html::index(self)
    }
}

#[cfg(test)]
mod tests;
