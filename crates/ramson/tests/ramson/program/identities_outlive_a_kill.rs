use nix::sys::signal::Signal;

use crate::support::running::{Running, TUNNEL, status, write_settings};

#[test]
fn of_the_router_and_of_its_tunnels() {
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), TUNNEL);
    let identities = || {
        let status = status(folder.path());
        let destinations = status["destinations"].as_array().unwrap();
        let web = destinations.iter().find(|destination| destination["name"] == "web").unwrap();
        (status["router"]["hash"].clone(), web["b32"].clone())
    };
    let running = Running::run(folder.path(), &[]).up();
    let before = identities();
    running.send(Signal::SIGKILL);
    assert_eq!(running.ended().code, None);
    assert!(folder.path().join("control.sock").exists(), "a killed router can't clean up");
    let _running = Running::run(folder.path(), &[]).up();
    assert_eq!(identities(), before);
}

#[test]
fn until_then_nobody_answers_for_the_dead() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::run(folder.path(), &[]).up();
    running.send(Signal::SIGKILL);
    running.ended();
    let asked = Running::start(&["status", "--data-dir", folder.path().to_str().unwrap()]).ended();
    assert_eq!(asked.code, Some(1));
    assert!(asked.stderr.contains("no router runs"));
}
