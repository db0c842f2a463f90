use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::running::{Running, exchange, free_port, status};

/// Clock ticks of processor time, a hundred a second.
fn processor_ticks(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<_> = text.rsplit_once(") ").unwrap().1.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn on_every_listener() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let data_dir = folder.path().to_str().unwrap();
    let port_text = port.to_string();
    let arguments = [
        "run",
        "--data-dir",
        data_dir,
        "--net-id",
        "99",
        "--reseed",
        "none",
        "--bind",
        "127.0.0.1",
        "--port",
        &port_text,
        "--danger-allow-reserved-peers",
        "--http-proxy",
        "127.0.0.1:0",
        "--sam",
        "127.0.0.1:0",
    ];
    let running = Running::start_with_descriptors(48, &arguments);
    let (proxy, sam) = (running.address_of("HTTP proxy"), running.address_of("SAM"));
    let running = running.up();
    let transport = SocketAddr::from(([127, 0, 0, 1], port));
    let crowd: Vec<_> = [proxy, sam, transport]
        .into_iter()
        .flat_map(|address| (0..60).map(move |_| TcpStream::connect(address).unwrap()))
        .collect();
    // A loop that tries again at once would take all of a processor meanwhile.
    let before = processor_ticks(running.id());
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let used = processor_ticks(running.id()) - before;
    assert!(used < 60, "{used} of 200 ticks were used to do nothing");
    drop(crowd);
    let answer = exchange(proxy, b"GET http://nobody.i2p/ HTTP/1.1\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(exchange(sam, b"HELLO VERSION\nQUIT\n").starts_with("HELLO REPLY RESULT=OK"));
    status(folder.path());
    running.send(Signal::SIGTERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}
