use std::net::TcpListener;

use crate::support::running::{Running, assert_names};

#[test]
fn with_the_flag_that_mends_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for (flag, value) in
        [("--port", address.port().to_string()), ("--http-proxy", address.to_string()), ("--sam", address.to_string())]
    {
        let folder = tempfile::tempdir().unwrap();
        let message = Running::run(folder.path(), &[flag, &value]).refused();
        assert_names(&message, &[&address.to_string(), flag, "in use"]);
        assert!(!folder.path().join("control.sock").exists());
    }
}

#[test]
fn and_an_address_of_another_machine_is_too() {
    let folder = tempfile::tempdir().unwrap();
    let message = Running::run(folder.path(), &["--bind", "192.0.2.7"]).refused();
    assert_names(&message, &["192.0.2.7", "--bind"]);
}
