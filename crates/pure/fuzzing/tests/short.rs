//! Every target on its corpus and on changes of it: what a fuzzer would try first.

use ramson_fuzzing::TARGETS;
use ramson_fuzzing::mutate::short_run;

/// Runs the targets whose number leaves this rest, so that the tests share the work.
fn run(share: usize) {
    for target in TARGETS.iter().skip(share).step_by(SHARES) {
        let seeds: Vec<Vec<u8>> = (target.seeds)().into_iter().map(|(_, bytes)| bytes).collect();
        eprintln!("{}", target.name);
        short_run(&seeds, 1, target.runs, target.run);
    }
}

const SHARES: usize = 4;

#[test]
fn first_share() {
    run(0);
}

#[test]
fn second_share() {
    run(1);
}

#[test]
fn third_share() {
    run(2);
}

#[test]
fn fourth_share() {
    run(3);
}
