//! The harnesses can fail: with a fault planted in what a target aims at, its short run finds it.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod engine;
mod lane;
mod ntcp2;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ramson_fuzzing::TARGETS;
use ramson_fuzzing::mutate::short_run;

/// Runs the short run of `target` with a broken harness; that must panic, and on an input, not on the way there.
fn finds(target: &str, broken: impl Fn(&[u8])) {
    let target = TARGETS.iter().find(|known| known.name == target).unwrap();
    let seeds: Vec<Vec<u8>> = (target.seeds)().into_iter().map(|(_, bytes)| bytes).collect();
    let run = catch_unwind(AssertUnwindSafe(|| short_run(&seeds, 1, target.runs, broken)));
    assert!(run.is_err(), "{}: the planted bug wasn't found", target.name);
}
