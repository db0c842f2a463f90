//! Networks from one seed: what is sent arrives, routers that leave are missed for a while only, and the same seed gives the same run.

use std::collections::BTreeSet;
use std::time::Duration;

use ramson_sim::measure::{Measures, Visit};
use ramson_sim::scenario::{Bulk, Churn, ClockJump, Crash, Disk, Fault, Flood, FloodOf, Pages, Partition, Scenario, ShortLived};
use ramson_sim::tamper::Tamper;
use replay::{begin, finish, run};
use tracing::Level;

#[path = "common/replay.rs"]
mod replay;

/// From so long after a router is gone visits must succeed again: tests find the tunnels that went through it, others are built.
const RECOVERY: Duration = Duration::from_secs(120);
/// Turns and happenings of a router without users, each second.
const QUIET_STEPS: u64 = 12;
/// The run of this seed is compared between processes.
const SHOWN_SEED: u64 = 7;
/// Told to a process that shall fail.
const FAIL: &str = "RAMSON_SIM_TEST_FAILS";
const MARK: &str = "trace hash: ";
/// Who must have logged something, or a test of logs shows nothing.
const HEARD: [(&str, Level); 3] =
    [("ramson_transport", Level::DEBUG), ("ramson_engine", Level::DEBUG), ("ramson_engine", Level::TRACE)];

/// Some routers, with a site on the last one and a visitor on the one before it.
fn small_network(routers: usize, secs: u64) -> Scenario {
    let mut scenario = Scenario { routers, floodfills: routers / 3, duration_secs: secs, ..Scenario::default() };
    scenario.load.pages = Some(Pages { sites: 1, visitors: 1, from_secs: 20, ..Pages::default() });
    scenario
}

fn busy_network() -> Scenario {
    let mut scenario = small_network(12, 150);
    scenario.load.pages = Some(Pages { sites: 2, visitors: 4, from_secs: 20, ..Pages::default() });
    scenario.load.bulk = Some(Bulk { streams: 1, from_secs: 30, bytes: 1_000_000 });
    scenario.load.short_lived = Some(ShortLived { from_secs: 30, every_secs: 20, life_secs: 30, bytes: 5_000 });
    scenario
}

/// Also the other process of `a_failure_tells_how_to_repeat_it`.
#[test]
fn fails_if_told_to() {
    let _ = run(&small_network(3, 1), SHOWN_SEED);
    assert!(std::env::var_os(FAIL).is_none(), "as told");
}

#[test]
fn a_failure_tells_how_to_repeat_it() {
    let own = std::env::current_exe().expect("a test knows its program");
    let output = std::process::Command::new(own).args(["--exact", "fails_if_told_to"]).env(FAIL, "1").output();
    let text = String::from_utf8(output.expect("the program starts again").stdout).expect("it is text");
    let commit = text.split_once(&format!("not held: seed {SHOWN_SEED}, commit ")).map(|(_, rest)| rest);
    let commit = commit.and_then(|rest| rest.lines().next()).expect("seed and commit");
    assert!(commit == "unknown" || commit.trim_end_matches("-dirty").len() == 40, "{commit}");
    let line = "run it again: cargo test -p ramson-sim --test network -- --include-ignored --exact fails_if_told_to";
    assert!(text.lines().any(|told| told == line), "{text}");
}

/// Gives the application another byte than came.
struct FlipsAByte;

impl Tamper for FlipsAByte {
    fn read(&mut self, bytes: &mut Vec<u8>) {
        bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1);
    }
}

/// Else the tests here would see only what they ask for.
#[test]
#[should_panic(expected = "streams-exact")]
fn what_an_oracle_sees_fails_a_test() {
    let mut run = begin(&small_network(6, 60), 1);
    for router in 0..6 {
        run.world.tamper(router, Box::new(FlipsAByte));
    }
    let _ = finish(run);
}

fn failed(visits: &[Visit]) -> Vec<&Visit> {
    visits.iter().filter(|visit| visit.failure.is_some()).collect()
}

#[test]
fn what_is_sent_arrives() {
    for seed in 0..4 {
        let measures = run(&busy_network(), seed);
        assert!(measures.pages.len() > 30 && measures.bulk.len() == 1 && measures.short_lived.len() >= 3, "{measures:?}");
        for visits in [&measures.pages, &measures.bulk, &measures.short_lived] {
            assert!(failed(visits).is_empty(), "seed {seed}: {:?}", failed(visits));
        }
        assert!(
            measures.ready_after.iter().all(|after| after.is_some_and(|after| after < Duration::from_secs(30))),
            "seed {seed}"
        );
    }
}

#[test]
fn one_seed_gives_one_run() {
    let one = run(&busy_network(), 2);
    assert_eq!(one, run(&busy_network(), 2));
    let hashes: BTreeSet<String> = (2..6).map(|seed| run(&small_network(6, 60), seed).trace_hash).collect();
    assert_eq!(hashes.len(), 4, "other seeds give other runs");
}

/// Nothing of a scenario is without effect.
#[test]
fn whatever_the_network_does_is_felt() {
    let hash = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = small_network(6, 60);
        change(&mut scenario);
        run(&scenario, 3).trace_hash
    };
    let fault = |fault: Fault| hash(&|scenario| scenario.faults = vec![fault.clone()]);
    let (at_secs, from_secs, to_secs) = (30, 30, 40);
    let crash = Crash { at_secs, routers: 1, down_secs: 5, silent: false, clean: false };
    let disk = Disk { from_secs: 0, to_secs: 60, torn_permille: 0, lost_permille: 0, failing_permille: 0, crashes: 1 };
    let hashes = [
        ("nothing", hash(&|_| {})),
        ("latency", hash(&|scenario| scenario.links.latency_ms = [20, 121].into())),
        ("jitter", hash(&|scenario| scenario.links.jitter_ms = 6)),
        ("loss", hash(&|scenario| scenario.links.loss_permille = 1)),
        ("reordering", hash(&|scenario| scenario.links.reorder_permille = 20)),
        ("rate", hash(&|scenario| scenario.links.rate_kbytes_per_sec = [500, 4_001].into())),
        ("mtu", hash(&|scenario| scenario.links.mtu = 1_280)),
        ("resets", hash(&|scenario| scenario.links.resets_per_hour = 60)),
        ("skew", hash(&|scenario| scenario.clocks.skew_ms = [0, 5_000].into())),
        ("processors", hash(&|scenario| scenario.cpu.scale_percent = 101)),
        ("partition", fault(Fault::Partition(Partition { from_secs, to_secs, share_permille: 400 }))),
        ("clock jump", fault(Fault::ClockJump(ClockJump { at_secs, routers_permille: 500, by_ms: 200_000 }))),
        ("crash", fault(Fault::Crash(crash.clone()))),
        ("silent crash", fault(Fault::Crash(Crash { silent: true, ..crash.clone() }))),
        ("clean stop", fault(Fault::Crash(Crash { clean: true, ..crash }))),
        ("disk and crash", fault(Fault::Disk(disk.clone()))),
        ("losing disk", fault(Fault::Disk(Disk { lost_permille: 1_000, ..disk.clone() }))),
        ("tearing disk", fault(Fault::Disk(Disk { torn_permille: 1_000, ..disk }))),
        (
            "flood",
            fault(Fault::Flood(Flood {
                from_secs,
                to_secs,
                of: FloodOf::Builds,
                times_capacity: 1,
                routers: 1,
                of_users: false,
            })),
        ),
    ];
    for (number, (name, hash)) in hashes.iter().enumerate() {
        let same = hashes.iter().take(number).find(|(_, other)| other == hash);
        assert!(same.is_none(), "{name} is as {same:?}");
    }
}

#[test]
fn another_process_gives_the_same_run() {
    let own_hash = run(&busy_network(), SHOWN_SEED).trace_hash;
    let own = std::env::current_exe().expect("a test knows its program");
    let arguments = ["--exact", "shows_its_trace_hash", "--nocapture"];
    let output = std::process::Command::new(own).args(arguments).output().expect("the program starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    let theirs = text.lines().find_map(|line| line.split_once(MARK)).map(|(_, hash)| hash);
    assert_eq!(theirs, Some(own_hash.as_str()), "{text}");
}

/// Also the other process of `another_process_gives_the_same_run`.
#[test]
#[expect(clippy::print_stdout, reason = "read by the process that started this one")]
fn shows_its_trace_hash() {
    println!("\n{MARK}{}", run(&busy_network(), SHOWN_SEED).trace_hash);
}

/// 25 minutes: each tunnel is replaced at least twice, each LeaseSet many times.
#[test]
fn visits_go_on_while_tunnels_turn_over() {
    for seed in 20..23 {
        let measures = run(&small_network(6, 1_500), seed);
        assert!(measures.pages.len() > 100, "seed {seed}: {} visits", measures.pages.len());
        assert!(failed(&measures.pages).is_empty(), "seed {seed}: {:?}", failed(&measures.pages));
    }
}

/// Deadlines that come too often show as steps; the world itself asserts that none stays in the past.
#[test]
fn a_network_without_users_is_quiet() {
    let mut scenario = small_network(6, 3_600);
    scenario.load.pages = None;
    let measures = run(&scenario, 50);
    let each = measures.steps / (3_600 * 6);
    assert!(each <= QUIET_STEPS, "{each} steps a second");
}

/// A router drops out of the middle of everything, with a visit about every ten seconds before, at and after that.
fn survives(seed: u64, victim: usize, silent: bool) {
    let mut scenario = small_network(6, 400);
    scenario.load.pages =
        Some(Pages { sites: 1, visitors: 2, from_secs: 20, bytes: [20_000, 20_000].into(), ..Pages::default() });
    let mut run = begin(&scenario, seed);
    let crash = Duration::from_millis(60_700 + seed * 111);
    run.run_to(crash);
    run.world.crash(victim, silent);
    let measures = finish(run);
    let late = |visit: &&Visit| visit.started >= crash + RECOVERY;
    let late: Vec<Visit> = measures.pages.iter().filter(late).cloned().collect();
    assert!(late.len() >= 20, "seed {seed}: {} visits", late.len());
    assert!(failed(&late).is_empty(), "seed {seed}, router {victim}, silent {silent}, down at {crash:?}: {:?}", failed(&late));
}

#[test]
fn visits_go_on_after_a_router_is_gone() {
    for seed in 30..34 {
        for silent in [false, true] {
            survives(seed, 0, silent);
            survives(seed, 2, silent);
        }
    }
}

#[test]
#[ignore = "takes half a minute"]
fn many_networks_survive_the_loss_of_any_router() {
    for seed in 100..130 {
        for victim in 0..3 {
            survives(seed, victim, seed % 2 == 0);
        }
    }
}

#[test]
fn a_router_comes_back_with_its_keys_and_disk() {
    for seed in 40..43 {
        let mut run = begin(&small_network(6, 300), seed);
        run.run_to(Duration::from_secs(90));
        let site = 5;
        let before = run.world.status(site).expect("it runs").hash;
        run.world.crash(site, false);
        run.run_to(Duration::from_secs(110));
        run.world.restart(site);
        let known = run.world.status(site).expect("it runs again").routers;
        assert!(known >= 2, "seed {seed}: knows {known} routers from its disk");
        run.run_to(Duration::from_secs(170));
        let after = run.world.status(site).expect("it runs");
        assert!(after.hash == before && after.ready, "seed {seed}");
        let measures = finish(run);
        let late = |visit: &&Visit| visit.started >= Duration::from_secs(110) + RECOVERY;
        let late: Vec<Visit> = measures.pages.iter().filter(late).cloned().collect();
        assert!(!late.is_empty() && failed(&late).is_empty(), "seed {seed}: {:?}", failed(&late));
    }
}

fn troubled() -> Measures {
    let mut scenario = busy_network();
    let churn = Churn {
        from_secs: 40,
        to_secs: 120,
        leave_permille_per_10_minutes: 3_000,
        crash_permille: 500,
        stop_permille: 250,
        return_permille: 500,
    };
    scenario.faults.push(Fault::Churn(churn));
    scenario.links.resets_per_hour = 60;
    run(&scenario, 60)
}

/// Whatever happens, the logs name nobody; here so much happens that they tell of it.
#[test]
fn nobody_is_named_in_logs() {
    let leaks = ramson_leaks::watch_thread();
    let measures = troubled();
    assert!(!measures.pages.is_empty());
    for (target, level) in HEARD {
        assert!(leaks.heard(target, level), "{target} has logged nothing at {level}");
    }
}
