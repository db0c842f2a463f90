//! `ramson sim`: whole networks in virtual time, and whether they were as good as expected.

mod builtin;
mod seeds;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use builtin::SCENARIOS;
use nix::sys::resource::{UsageWho, getrusage};
use ramson_sim::expect::judge;
use ramson_sim::report::{Index, Row, Run};
use ramson_sim::scenario::Scenario;
use seeds::Seeds;

use crate::progress::say;

/// Of the program, if git knew it when it was built; `-dirty` if it was built with changes after it.
const COMMIT: Option<&str> = option_env!("RAMSON_COMMIT");
const DEFAULT_SEED: u64 = 1;
/// More violations than these are for the report.
const SHOWN_VIOLATIONS: usize = 10;

/// What to simulate.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// A TOML file, or one of calm, lossy, churn, partition, skew, bad-disk, bulk, flood, floods, thousand.
    scenario: String,
    /// What all randomness is made of: the same seed and program give the same run [default: 1].
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// A run for each of these seeds, B included.
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Another number of routers, the share of floodfills kept.
    #[arg(long, value_name = "N")]
    routers: Option<usize>,
    /// The scenario's short form.
    #[arg(long)]
    short: bool,
    /// Write report.json and report.html here; of several seeds an index, and a folder for each.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

/// Runs them all. Exit code 0 if everything that was expected held, 1 if something didn't; mistakes in the arguments are errors.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let scenario = scenario(options)?;
    let seeds = options.seeds.clone().map_or_else(|| one(options.seed.unwrap_or(DEFAULT_SEED)), |Seeds(seeds)| seeds);
    let several = seeds.start() < seeds.end();
    if let Some(folder) = &options.report {
        // Before the work that would be lost.
        make(folder)?;
    }
    let mut rows = Vec::new();
    for seed in seeds {
        let row = run_seed(options, &scenario, seed, several)?;
        rows.push(row);
        if let Some(folder) = options.report.as_ref().filter(|_| several) {
            let index = Index { scenario: &scenario, commit: COMMIT, rows: &rows };
            write(folder, "index.json", &index.json())?;
            write(folder, "index.html", &index.html())?;
        }
    }
    let broken: Vec<_> = rows.iter().filter(|row| !row.held()).collect();
    for row in &broken {
        say(&how_to_repeat(options, row.seed));
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is said of a seed that failed.
fn how_to_repeat(options: &Options, seed: u64) -> String {
    format!("not held: seed {seed}, commit {}\nrun it again: {}", COMMIT.unwrap_or("unknown"), replay(options, seed))
}

/// Runs `work`, and tells how to repeat it if it panics: a release ends there.
fn repeatable<T>(how: String, tell: impl Fn(&str) + Send + Sync + 'static, work: impl FnOnce() -> T) -> T {
    let before = Arc::new(std::panic::take_hook());
    let at_panic = Arc::clone(&before);
    std::panic::set_hook(Box::new(move |info| {
        at_panic(info);
        tell(&how);
    }));
    let result = work();
    std::panic::set_hook(Box::new(move |info| before(info)));
    result
}

fn one(seed: u64) -> std::ops::RangeInclusive<u64> {
    seed..=seed
}

/// As the arguments want it.
fn scenario(options: &Options) -> anyhow::Result<Scenario> {
    let name = &options.scenario;
    let mut scenario = if let Some((_, text)) = SCENARIOS.iter().find(|(builtin, _)| builtin == name) {
        Scenario::from_toml(text, name)?
    } else if name.contains(['/', '.']) {
        let text = std::fs::read_to_string(name).with_context(|| format!("cannot read the scenario {name}"))?;
        Scenario::from_toml(&text, name)?
    } else {
        let names: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        bail!("no scenario is called {name:?}: give the path of a TOML file, or one of {}", names.join(", "));
    };
    if options.short {
        scenario = scenario.short();
    }
    if let Some(routers) = options.routers {
        scenario = scenario.with_routers(routers);
        scenario.check().with_context(|| format!("--routers {routers} doesn't go with the scenario"))?;
    }
    Ok(scenario)
}

fn run_seed(options: &Options, scenario: &Scenario, seed: u64, several: bool) -> anyhow::Result<Row> {
    say(&format!("{}, seed {seed}: {} routers, {} s", scenario.name, scenario.routers, scenario.duration_secs));
    let start = Instant::now();
    let measures = repeatable(how_to_repeat(options, seed), say, || ramson_sim::run::run(scenario, seed));
    let wall = start.elapsed();
    let outcomes = judge(scenario, &measures);
    for outcome in &outcomes {
        let verdict = if outcome.held { "held" } else { "NOT HELD" };
        let (measured, bound) = (outcome.show_measured(), outcome.show_bound());
        say(&format!("  {verdict:8}  {:28} {measured:>12}   {bound}", outcome.name));
    }
    for violation in measures.violations.iter().take(SHOWN_VIOLATIONS) {
        say(&format!("  violation at {:?}: {}: {}", violation.at, violation.oracle, violation.what));
    }
    let replay = replay(options, seed);
    let peak_rss_bytes = peak_rss_bytes();
    let run = Run { scenario, measures: &measures, outcomes: &outcomes, commit: COMMIT, replay: &replay, wall, peak_rss_bytes };
    say(&format!("  {}, trace {}", cost(measures.simulated, wall, peak_rss_bytes), measures.trace_hash));
    let folder = if several { format!("seed-{seed}") } else { String::new() };
    if let Some(report) = &options.report {
        let folder = report.join(&folder);
        make(&folder)?;
        write(&folder, "report.json", &run.json())?;
        write(&folder, "report.html", &run.html())?;
    }
    Ok(Row { seed, folder, trace_hash: measures.trace_hash.clone(), wall, peak_rss_bytes, outcomes })
}

fn cost(simulated: Duration, wall: Duration, peak_rss_bytes: Option<u64>) -> String {
    let times = simulated.as_secs_f64() / wall.as_secs_f64().max(0.001);
    let memory = peak_rss_bytes.map_or_else(String::new, |bytes| format!(", {} MB", bytes / 1_000_000));
    format!("{:.1} s, {times:.1} times real time{memory}", wall.as_secs_f64())
}

/// The command line that does the same again.
fn replay(options: &Options, seed: u64) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    let scenario = if options.scenario.chars().all(plain) {
        options.scenario.clone()
    } else {
        format!("'{}'", options.scenario.replace('\'', r"'\''"))
    };
    let mut line = format!("ramson sim {scenario} --seed {seed}");
    if options.short {
        line.push_str(" --short");
    }
    if let Some(routers) = options.routers {
        line.push_str(&format!(" --routers {routers}"));
    }
    line
}

/// The most memory that this process had so far.
fn peak_rss_bytes() -> Option<u64> {
    let kibibytes = getrusage(UsageWho::RUSAGE_SELF).ok()?.max_rss();
    u64::try_from(kibibytes).ok()?.checked_mul(1_024)
}

fn make(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the report's folder {}", folder.display()))
}

fn write(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(scenario: &str) -> Options {
        Options { scenario: scenario.to_owned(), seed: None, seeds: None, routers: None, short: false, report: None }
    }

    #[test]
    fn a_run_can_be_replayed_by_a_line() {
        assert_eq!(replay(&options("calm"), 3), "ramson sim calm --seed 3");
        let all = Options { routers: Some(9), short: true, ..options("my scenarios/it's.toml") };
        assert_eq!(replay(&all, 3), r"ramson sim 'my scenarios/it'\''s.toml' --seed 3 --short --routers 9");
    }

    #[test]
    fn a_run_that_panics_tells_how_to_repeat_it() {
        let (sender, told) = std::sync::mpsc::channel();
        let tell = move |how: &str| sender.send(how.to_owned()).unwrap();
        let how = how_to_repeat(&options("calm"), 3);
        assert!(std::panic::catch_unwind(|| repeatable(how.clone(), tell, || panic!("a router has a bug"))).is_err());
        assert_eq!(told.recv().unwrap(), how);
        assert!(how.contains("seed 3") && how.contains("commit ") && how.ends_with("\nrun it again: ramson sim calm --seed 3"));
    }

    #[test]
    fn routers_are_changed_after_the_short_form() {
        let short = scenario(&Options { short: true, ..options("calm") }).unwrap();
        assert_eq!(scenario(&Options { short: true, routers: Some(24), ..options("calm") }).unwrap(), short.with_routers(24));
        assert!(scenario(&Options { routers: Some(0), ..options("calm") }).is_err());
    }

    #[test]
    fn the_help_names_every_scenario() {
        use clap::Args;
        let help = Options::augment_args(clap::Command::new("sim")).render_long_help().to_string();
        for (name, _) in SCENARIOS {
            assert!(help.contains(name), "{name}");
        }
    }
}
