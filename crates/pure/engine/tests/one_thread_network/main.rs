//! Complete routers on a virtual network in virtual time, all from one seed, in one thread: the machines that the program runs, with
//! this driver in place of threads and sockets.
#![expect(clippy::expect_used, reason = "helpers of tests, outside of test functions")]

mod net;
mod node;
mod services;
mod trace;
mod world;

use std::time::Duration;

use ramson_engine::Progress;
use services::Visit;
use tracing::Level;
use world::{FLOODFILLS, HOST, ROUTERS, SITE, World};

/// In which a network must be ready, and then a destination.
const START: Duration = Duration::from_secs(60);
/// What a page may take while the network is whole.
const PAGE: Duration = Duration::from_secs(15);
/// From so long after a router is gone fetches must succeed again: tests find the tunnels that went through it, others are built.
const RECOVERY: Duration = Duration::from_secs(120);
/// What six routers without users may do in a second.
const QUIET_STEPS: u64 = 60;
/// The hash of a run by this seed is compared between processes.
const SHOWN_SEED: u64 = 7;
const MARK: &str = "trace hash: ";

/// A network that is ready, with a site and a visitor.
fn started(seed: u64) -> World {
    let mut world = World::new(seed);
    assert!(world.run_until(START, World::all_ready), "seed {seed}: not ready in time");
    assert!(world.open_destinations(START), "seed {seed}: destinations not ready in time");
    world
}

/// A run from start to a page fetched, and on for a while.
fn hash_of(seed: u64) -> String {
    let mut world = started(seed);
    assert_eq!(world.fetch_now(50_000).failure, None, "seed {seed}");
    world.run(Duration::from_secs(120));
    world.trace.hash()
}

#[test]
fn a_page_arrives() {
    for seed in 0..6 {
        let mut world = started(seed);
        for size in [0, 1_000, 100_000] {
            let visit = world.fetch_now(size);
            assert_eq!(visit.failure, None, "seed {seed}, {size} bytes");
            let took = visit.ended.saturating_since(visit.started);
            assert!(took < PAGE, "seed {seed}, {size} bytes: {took:?}");
        }
    }
}

#[test]
fn what_is_logged_is_watched() {
    let mut world = started(9);
    assert_eq!(world.fetch_now(1_000).failure, None);
    world.crash(0, false);
    world.run(Duration::from_secs(60));
    for (target, level) in [("ramson_transport", Level::DEBUG), ("ramson_engine", Level::DEBUG), ("ramson_engine", Level::TRACE)]
    {
        assert!(world.leaks.heard(target, level), "{target} has logged nothing at {level}");
    }
    assert_eq!(world.leaks.take(), []);
    tracing::trace!(site = ?world.site.0, "a line that leaks");
    assert_eq!(world.leaks.take().len(), 2, "by its form, and as a known hash");
}

#[test]
fn a_large_page_arrives() {
    let mut world = started(8);
    let visit = world.fetch_now(2_000_000);
    assert_eq!(visit.failure, None);
}

#[test]
fn one_seed_gives_one_trace() {
    assert_eq!(hash_of(1), hash_of(1));
}

#[test]
fn another_seed_gives_another_trace() {
    let hashes: std::collections::BTreeSet<String> = (10..14).map(hash_of).collect();
    assert_eq!(hashes.len(), 4);
}

#[test]
fn another_process_gives_the_same_trace() {
    let own = std::env::current_exe().expect("a test knows its program");
    let output = std::process::Command::new(own)
        .args(["--exact", "shows_its_trace_hash", "--nocapture"])
        .output()
        .expect("the program starts again");
    let text = String::from_utf8_lossy(&output.stdout);
    let theirs = text.lines().find_map(|line| line.split_once(MARK)).map(|(_, hash)| hash);
    assert_eq!(theirs, Some(hash_of(SHOWN_SEED).as_str()), "{text}");
}

/// Also the other process of `another_process_gives_the_same_trace`.
#[test]
#[expect(clippy::print_stdout, reason = "read by the process that started this one")]
fn shows_its_trace_hash() {
    println!("\n{MARK}{}", hash_of(SHOWN_SEED));
}

/// 25 minutes: each tunnel is replaced at least twice, each LeaseSet many times.
#[test]
fn fetches_go_on_while_tunnels_turn_over() {
    for seed in 20..23 {
        let mut world = started(seed);
        let mut failed = Vec::new();
        for _ in 0..50 {
            let visit = world.fetch_now(20_000);
            let next = visit.started + Duration::from_secs(30);
            failed.extend(visit.failure.map(|failure| (visit.started, failure)));
            world.run(next.saturating_since(world.now()));
        }
        assert!(failed.is_empty(), "seed {seed}: {failed:?}");
    }
}

/// Deadlines that come too often, or stay in the past, show as steps; [`World`] itself asserts that none stays in the past.
#[test]
fn a_network_without_users_is_quiet() {
    let mut world = World::new(50);
    assert!(world.run_until(START, World::all_ready));
    let (before, hour) = (world.steps, 3_600);
    world.run(Duration::from_secs(hour));
    let each = (world.steps - before) / hour;
    assert!(each <= QUIET_STEPS, "{each} steps a second");
    assert!(world.most_steps <= 2_000, "{} steps in one second", world.most_steps);
}

/// A router drops out of the middle of everything, with a fetch every ten seconds before, at and after that.
fn survives(seed: u64, victim: usize, silent: bool) {
    let mut world = started(seed);
    assert_eq!(world.fetch_now(20_000).failure, None);
    world.fetch(20_000);
    world.run(Duration::from_millis(700));
    world.crash(victim, silent);
    let crash = world.now();
    while world.now().saturating_since(crash) < RECOVERY * 2 {
        world.fetch(20_000);
        world.run(Duration::from_secs(10));
    }
    world.run(Duration::from_secs(60));
    let late = |visit: &&Visit| visit.started.saturating_since(crash) >= RECOVERY;
    let failed: Vec<&Visit> = world.visits().iter().filter(late).filter(|visit| visit.failure.is_some()).collect();
    assert!(failed.is_empty(), "seed {seed}, router {victim}, silent {silent}, down at {crash:?}: {failed:?}");
    assert!(world.visits().iter().filter(late).count() >= 10);
}

#[test]
fn fetches_go_on_after_a_router_is_killed() {
    for seed in 30..34 {
        survives(seed, 3, false);
        survives(seed, 0, false);
    }
}

#[test]
fn fetches_go_on_after_a_machine_goes_down() {
    for seed in 30..34 {
        survives(seed, 3, true);
        survives(seed, 0, true);
    }
}

#[test]
#[ignore = "takes half a minute"]
fn many_networks_survive_the_loss_of_any_router() {
    for seed in 100..130 {
        for victim in 0..HOST {
            survives(seed, victim, seed % 2 == 0);
        }
    }
}

#[test]
fn a_router_comes_back_with_its_keys_and_disk() {
    for seed in 40..43 {
        let mut world = started(seed);
        assert_eq!(world.fetch_now(1_000).failure, None);
        let hash = world.status(HOST).hash;
        world.run(Duration::from_secs(60));
        assert!(world.disk(HOST) >= FLOODFILLS, "seed {seed}: {} routers stored", world.disk(HOST));
        world.crash(HOST, false);
        world.run(Duration::from_secs(20));
        world.restart(HOST);
        assert!(world.run_until(START, |world| world.progress(HOST) == Some(Progress::Ready)), "seed {seed}: not ready again");
        assert_eq!(world.status(HOST).hash, hash);
        world.open_site();
        assert!(world.run_until(START, |world| world.is_ready(HOST, SITE)), "seed {seed}: the site isn't ready again");
        let back = world.now();
        while let Some(failure) = world.fetch_now(20_000).failure {
            let since = world.now().saturating_since(back);
            assert!(since < RECOVERY, "seed {seed}, {since:?} after the site is back: {failure}");
        }
        for router in 0..ROUTERS {
            let status = world.status(router);
            assert!(status.ready, "seed {seed}, router {router}");
            let builds = status.builds;
            assert!(builds.accepted > 0 && builds.tried >= builds.accepted, "seed {seed}, router {router}: {builds:?}");
        }
    }
}
