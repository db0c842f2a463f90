use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::Devnet;
use crate::support::running::Running;

#[test]
fn soon_and_without_net_json() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let net = Devnet::start(&["--routers", "5", "--latency-ms", "500"]);
        // Clients that wait for something must not hold it up.
        let mut browser = TcpStream::connect(net.port(0, "http_proxy")).unwrap();
        browser.write_all(format!("GET http://{}/ HTTP/1.1\r\n\r\n", net.site()).as_bytes()).unwrap();
        let mut client = TcpStream::connect(net.port(1, "sam")).unwrap();
        client.write_all(b"HELLO VERSION\nSESSION CREATE STYLE=STREAM ID=a DESTINATION=TRANSIENT\n").unwrap();
        let Devnet { running, folder, .. } = net;
        running.send(signal);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(!folder.path().join("net/net.json").exists());
    }
}

#[test]
fn while_the_network_comes_up_too() {
    let folder = tempfile::tempdir().unwrap();
    let running = Running::start(&["--log", "debug", "devnet", "--routers", "200", "--dir", folder.path().to_str().unwrap()]);
    while !folder.path().join("lock").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    running.send(Signal::SIGTERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, [""; 0], "it was not ready before");
}
