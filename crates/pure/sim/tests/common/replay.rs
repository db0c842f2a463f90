//! Runs that tell how to repeat them when the test fails: their seed, the commit and the one line.
#![allow(dead_code, reason = "each test program uses a part")]

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::Once;

use ramson_leaks::{Watched, watch_thread};
use ramson_sim::load::Load;
use ramson_sim::measure::Measures;
use ramson_sim::run::Run;
use ramson_sim::scenario::Scenario;
use ramson_sim::world::{World, WorldConfig};

thread_local! {
    /// Seed and line of the run that this thread began last: if it fails, then at that.
    static LAST: RefCell<Option<(u64, String)>> = const { RefCell::new(None) };
}

/// [`ramson_sim::run::run`], of honest routers: no oracle may object.
pub(crate) fn run(scenario: &Scenario, seed: u64) -> Measures {
    finish(begin(scenario, seed))
}

/// [`Run::finish`], likewise.
pub(crate) fn finish(run: Watched<Run>) -> Measures {
    let measures = run.end(Run::finish);
    assert_eq!(measures.violations, [], "seed {}", measures.seed);
    measures
}

/// A world of honest routers: if an oracle objected to anything, the test fails when it lets go of it.
pub(crate) struct Sound(pub(crate) Watched<World<Load>>);

impl Deref for Sound {
    type Target = World<Load>;

    fn deref(&self) -> &World<Load> {
        &self.0
    }
}

impl DerefMut for Sound {
    fn deref_mut(&mut self) -> &mut World<Load> {
        &mut self.0
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.violations(), []);
        }
    }
}

/// [`Run::new`], for [`finish`] unless some routers are broken on purpose. What they log names nobody.
pub(crate) fn begin(scenario: &Scenario, seed: u64) -> Watched<Run> {
    note(seed);
    watch_thread().over(Run::new(scenario, seed))
}

/// [`World::new`]. What its routers log names nobody.
pub(crate) fn world(seed: u64, config: WorldConfig) -> Watched<World<Load>> {
    note(seed);
    watch_thread().over(World::new(seed, config))
}

/// A run of this seed begins, which this test repeats.
pub(crate) fn note(seed: u64) {
    let thread = std::thread::current();
    // With a single thread all tests run in that of the program.
    let test = thread.name().filter(|name| *name != "main").map_or_else(String::new, |name| format!(" --exact {name}"));
    note_line(seed, format!("cargo test -p ramson-sim --test {} -- --include-ignored{test}", env!("CARGO_CRATE_NAME")));
}

/// A run of this seed begins, which this line repeats.
pub(crate) fn note_line(seed: u64, line: String) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            if let Some((seed, line)) = LAST.take() {
                eprintln!("not held: seed {seed}, commit {}\nrun it again: {line}", commit());
            }
        }));
    });
    LAST.set(Some((seed, line)));
}

/// As `ramson sim` has it, but of now; and whether there are changes after it.
fn commit() -> String {
    let arguments = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"];
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success());
    output.map_or_else(|| "unknown".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
