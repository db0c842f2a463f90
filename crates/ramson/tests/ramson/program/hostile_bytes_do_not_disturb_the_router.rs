use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::running::{Running, free_port, status};

/// Bytes that look random and are the same in every run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(len)
    .collect()
}

/// Resident memory in KiB.
fn memory_kib(process: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Sends what the other side takes, and sees to it that it closes.
fn throw(address: SocketAddr, bytes: &[u8]) {
    let Ok(mut socket) = TcpStream::connect(address) else {
        return;
    };
    socket.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    // It may close at any time.
    let _ = socket.write_all(bytes);
}

#[test]
fn of_any_kind() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let flags = ["--port", &port.to_string(), "--host", "127.0.0.1", "--danger-allow-reserved-peers"];
    let running = Running::run(folder.path(), &flags).up();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let before = memory_kib(running.id());

    // Handshakes that stop half-way and wait: they tie up little and don't keep others out.
    let waiting: Vec<_> = (0..200)
        .map(|n| {
            let mut socket = TcpStream::connect(address).unwrap();
            let _ = socket.write_all(&noise(n, usize::try_from(n % 64).unwrap()));
            socket
        })
        .collect();
    for n in 0..1500 {
        let len = usize::try_from(n % 200).unwrap();
        throw(address, &noise(n, len));
    }
    for len in [0, 1, 63, 64, 65, 500, 65_536, 4 << 20] {
        throw(address, &vec![0; len]);
        throw(address, &vec![0xff; len]);
        throw(address, &noise(7, len));
    }
    let start = Instant::now();
    let status = status(folder.path());
    assert!(start.elapsed() < Duration::from_secs(5), "status took {:?}", start.elapsed());
    assert_eq!(status["sessions"]["ntcp2"], 0);
    let grown = memory_kib(running.id()).saturating_sub(before);
    assert!(grown < 16 * 1024, "memory grew by {grown} KiB");

    // Whoever says nothing sensible is let go.
    for (number, mut socket) in waiting.into_iter().enumerate() {
        socket.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let mut rest = Vec::new();
        let end = socket.read_to_end(&mut rest);
        let closed = end.as_ref().err().is_none_or(|error| error.kind() == std::io::ErrorKind::ConnectionReset);
        assert!(closed && rest.is_empty(), "connection {number}: {end:?}");
    }
    running.send(Signal::SIGTERM);
    let ended = running.ended();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let shown = |line: &&str| !line.contains(" DEBUG ") && !line.contains(" TRACE ");
    assert!(ended.stderr.lines().filter(shown).count() < 20, "strangers fill the log: {}", ended.stderr);
}
