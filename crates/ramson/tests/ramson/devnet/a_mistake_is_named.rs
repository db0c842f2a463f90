use std::net::{Ipv4Addr, TcpListener};

use super::Devnet;
use crate::support::running::{Running, assert_names};

fn refused(more: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["devnet", "--dir", folder.path().to_str().unwrap()];
    arguments.extend(more);
    Running::start(&arguments).refused()
}

#[test]
fn with_what_is_allowed() {
    assert_names(&refused(&["--routers", "4"]), &["--routers", "4", "5..=200"]);
    assert_names(&refused(&["--routers", "201"]), &["--routers", "201", "5..=200"]);
    assert_names(&refused(&["--latency-ms", "501"]), &["--latency-ms", "501", "0..=500"]);
    assert_names(&refused(&["--loss", "31"]), &["--loss", "31", "0 to 30 percent"]);
    assert_names(&refused(&["--loss", "x"]), &["--loss", "x", "0 to 30 percent"]);
    assert_names(&refused(&["--seed", "-1"]), &["-1"]);
    assert_names(&Running::start(&["devnet"]).refused(), &["--dir"]);
}

#[test]
fn with_the_port_that_cannot_be_had() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert_names(&refused(&["--sam-base", &port]), &["SAM", &port, "router 0", "--sam-base"]);
    assert_names(&refused(&["--proxy-base", &port]), &["HTTP proxy", &port, "router 0", "--proxy-base"]);
    // Ports of other programs may be met before the last one there is, and are named too.
    assert_names(&refused(&["--sam-base", "65535"]), &["--sam-base"]);
}

#[test]
fn with_the_folder_that_cannot_be_used() {
    let net = Devnet::start(&["--routers", "5"]);
    let dir = net.dir();
    let message = Running::start(&["devnet", "--dir", dir.to_str().unwrap()]).refused();
    assert_names(&message, &["another ramson", dir.to_str().unwrap(), "--dir"]);
    assert!(dir.join("net.json").exists(), "it is of the one that runs");

    let file = net.folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let message = Running::start(&["devnet", "--dir", file.to_str().unwrap()]).refused();
    assert_names(&message, &["cannot make the folder", file.to_str().unwrap(), "--dir"]);
}

#[test]
fn and_what_an_earlier_run_left_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.json");
    std::fs::write(&path, "of a run that was killed").unwrap();
    let running = Running::start(&["devnet", "--routers", "5", "--dir", folder.path().to_str().unwrap()]);
    running.said("ports: ");
    assert!(std::fs::read_to_string(&path).unwrap().contains("\"routers\""));
}
