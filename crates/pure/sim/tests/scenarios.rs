//! The scenarios at the repository's root hold what they expect: in short form always, whole over ten seeds in the long run.

#![expect(clippy::expect_used, reason = "helpers of tests, outside of test functions")]

use std::path::PathBuf;

use ramson_sim::expect::judge;
use ramson_sim::run::run;
use ramson_sim::scenario::Scenario;

#[path = "common/replay.rs"]
mod replay;

/// Seeds of the long run; the short form takes the first.
const SEEDS: std::ops::Range<u64> = 1..11;

fn scenario(name: &str) -> Scenario {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../../scenarios/{name}.toml"));
    let text = std::fs::read_to_string(&path).expect("the scenario is there");
    Scenario::from_toml(&text, &path.display().to_string()).expect("the scenario is right")
}

fn holds(name: &str, short: bool, seed: u64) {
    let whole = scenario(name);
    let (scenario, option) = if short { (whole.short(), " --short") } else { (whole, "") };
    replay::note_line(seed, format!("cargo run --release -p ramson -- sim scenarios/{name}.toml --seed {seed}{option}"));
    // What routers log while all that goes wrong names nobody.
    let _leaks = ramson_leaks::watch_thread();
    let measures = run(&scenario, seed);
    let missed: Vec<_> = judge(&scenario, &measures).into_iter().filter(|outcome| !outcome.held).collect();
    assert!(missed.is_empty(), "{missed:#?}\n{:#?}", measures.violations);
}

macro_rules! scenarios {
    ($($name:ident: $file:literal,)*) => {
        mod short {
            $(#[test]
            fn $name() {
                super::holds($file, true, super::SEEDS.start);
            })*
        }

        mod whole {
            $(#[test]
            #[ignore = "takes minutes"]
            fn $name() {
                for seed in super::SEEDS {
                    super::holds($file, false, seed);
                }
            })*
        }
    };
}

scenarios! {
    calm: "calm",
    lossy: "lossy",
    churn: "churn",
    partition: "partition",
    skew: "skew",
    bad_disk: "bad-disk",
    bulk: "bulk",
    flood: "flood",
    floods: "floods",
}

/// A thousand routers take minutes and some gigabytes: once is enough, by `ramson sim thousand`.
#[test]
fn thousand_in_short_form() {
    holds("thousand", true, SEEDS.start);
}
