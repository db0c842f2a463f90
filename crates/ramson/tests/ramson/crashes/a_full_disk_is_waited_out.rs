use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::namespace::inside;
use crate::support::running::{PATIENCE, Running, TUNNEL, assert_names, status, write_settings};
use crate::support::testnet::{introduce, lonely_router};

/// A small disk of this test's own, mounted on `folder`.
fn small_disk(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    mount(None::<&str>, folder, Some("tmpfs"), MsFlags::empty(), Some("size=8m,mode=700")).unwrap();
}

/// Takes all room there is.
fn fill(folder: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(folder.join("filler")).unwrap();
    for size in [65_536, 4096, 1] {
        loop {
            match file.write_all(&vec![0; size]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn make_room(folder: &Path) {
    File::create(folder.join("filler")).unwrap();
}

/// Waits until the router tells that it can't save, or that it can.
fn told(folder: &Path, troubled: bool) -> Value {
    let until = Instant::now() + PATIENCE;
    loop {
        let problem = status(folder)["storage"]["problem"].clone();
        if problem.is_string() == troubled {
            return problem;
        }
        assert!(Instant::now() < until, "it tells {problem}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// RouterInfos of a few routers that don't run.
fn reseed(folder: &Path) -> String {
    let known = folder.join("known");
    std::fs::create_dir_all(&known).unwrap();
    for number in 0..3 {
        let router = lonely_router(&folder.join(number.to_string()));
        introduce(&router, &known);
        router.shutdown();
    }
    known.to_str().unwrap().to_owned()
}

#[test]
fn by_a_running_router() {
    if !inside(&["--mount"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let known_routers = reseed(folder.path());
    let disk = folder.path().join("disk");
    small_disk(&disk);
    write_settings(&disk, TUNNEL);
    let identities = || {
        let status = status(&disk);
        (status["router"]["hash"].clone(), status["destinations"][0]["b32"].clone())
    };
    let running = Running::run(&disk, &[]).up();
    let first = identities();
    assert!(status(&disk)["storage"]["problem"].is_null());
    running.send(Signal::SIGTERM);
    assert_eq!(running.ended().code, Some(0));

    // It starts on a full disk, with what it learns from a reseed; it says once what it can't save, and saves it later.
    fill(&disk);
    let more = ["--reseed", known_routers.as_str(), "--danger-allow-reserved-peers"];
    let running = Running::run(&disk, &more);
    running.said("3 routers known");
    assert_names(told(&disk, true).as_str().unwrap(), &["netdb.redb", "No space left"]);
    assert_eq!(identities(), first);
    let shown = Running::start(&["status", "--data-dir", disk.to_str().unwrap()]).ended();
    assert_names(&shown.stdout.join("\n"), &["disk", "netdb.redb", "No space left"]);
    // Long enough for more than one attempt.
    std::thread::sleep(Duration::from_secs(6));
    make_room(&disk);
    told(&disk, false);
    running.send(Signal::SIGTERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0));
    assert_eq!(ended.stderr.matches("cannot be saved in").count(), 1, "{}", ended.stderr);
    assert_eq!(ended.stderr.matches("are saved again").count(), 1, "{}", ended.stderr);
    assert!(!disk.join("netdb.redb.damaged").exists() && !ended.stderr.contains("panicked"));

    // What was saved is known without the reseed, also by a router that is killed and starts on a full disk again.
    for _ in 0..2 {
        let running = Running::run(&disk, &["--danger-allow-reserved-peers"]);
        running.said("3 routers known");
        running.send(Signal::SIGKILL);
        running.ended();
        fill(&disk);
    }
}

#[test]
fn by_keys_that_are_not_made_yet() {
    if !inside(&["--mount"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    small_disk(&disk);
    std::fs::write(disk.join("lock"), "").unwrap();
    fill(&disk);
    let message = Running::run(&disk, &[]).refused();
    assert_names(&message, &["router.keys", "No space left", "--data-dir"]);
    assert!(!disk.join("router.keys").exists());
    make_room(&disk);
    Running::run(&disk, &[]).up();
    assert!(disk.join("router.keys").exists());
}
