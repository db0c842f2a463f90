use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::running::{Running, TUNNEL, write_settings};

#[test]
fn soon_and_without_its_socket() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        write_settings(folder.path(), TUNNEL);
        let running = Running::run(folder.path(), &[]);
        // Clients that wait for something must not hold it up.
        let proxy = running.address_of("HTTP proxy");
        let sam = running.address_of("SAM");
        let running = running.up();
        let mut browser = TcpStream::connect(proxy).unwrap();
        browser.write_all(b"GET http://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b32.i2p/ HTTP/1.1\r\n\r\n").unwrap();
        let mut client = TcpStream::connect(sam).unwrap();
        client.write_all(b"HELLO VERSION\nSESSION CREATE STYLE=STREAM ID=a DESTINATION=TRANSIENT\n").unwrap();
        running.send(signal);
        let ended = running.ended();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        assert!(!folder.path().join("control.sock").exists());
    }
}
