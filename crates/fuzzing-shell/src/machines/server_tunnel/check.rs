//! What has to hold of a server tunnel: at any time, and at the end.

use std::sync::Arc;
use std::time::Duration;

use ramson_engine::CloseReason;
use ramson_proxy::fuzz::{Request, Response};

use super::{MAX_CONNECTIONS, MAX_OF_PEER, World, numbered};
use crate::machines::http::{Forward, answer, forward};
use crate::machines::network::Line;
use crate::machines::talker::Talker;
use crate::machines::{Border, tasks};
use crate::request::check_server;
use crate::strict::Head;

/// Longer than anything waits in the tunnel.
const LONG: Duration = Duration::from_secs(700);
/// The tunnel's, and the one at its destination's door.
const OWN_TASKS: usize = 2;
/// What the tunnel itself answers.
const TOLD: [&str; 5] = [
    "503 Service Unavailable",
    "408 Request Timeout",
    "431 Request Header Fields Too Large",
    "400 Bad Request",
    "502 Bad Gateway",
];

impl<B: Border> World<'_, B> {
    /// At any time.
    pub(super) fn check(&mut self) {
        assert!(tasks() <= MAX_CONNECTIONS + OWN_TASKS, "{} tasks", tasks());
        let alive = || self.network.lines.iter().filter(|line| line.closed.is_none() && !line.detached);
        if !self.network.stalled {
            assert!(alive().count() <= MAX_CONNECTIONS, "more connections than there may be");
            for peer in &self.peers {
                assert!(alive().filter(|line| line.peer == peer.hash()).count() <= MAX_OF_PEER, "one peer has too many");
            }
        }
        let shop = Arc::clone(&self.shop);
        let talkers = &shop.lock().unwrap().1;
        assert!(talkers.iter().all(|talker| !talker.program.panicked()), "a connection's task panicked");
        if self.http { self.check_http(talkers) } else { self.check_plain(talkers) }
    }

    /// Bytes pass as they are, each stream's to its own connection and back.
    fn check_plain(&mut self, talkers: &[Talker]) {
        let mut claimed = Vec::new();
        for talker in talkers {
            let ends = talker.sees_end(self.border);
            let [high, low, ..] = talker.got[..] else {
                let quiet = |line: &Line| line.ended && line.delivered.len() <= 1;
                assert!(!ends || self.network.lines.iter().any(quiet), "a stream without an end was closed");
                continue;
            };
            let number = usize::from(high) << 8 | usize::from(low);
            let line = self.network.lines.get(number).expect("a stream that is known");
            assert!(!claimed.contains(&number), "a stream reaches two connections");
            claimed.push(number);
            assert!(talker.got == numbered(number, 0, talker.got.len()), "other bytes than came");
            assert!(line.delivered.starts_with(&talker.got), "more bytes than came");
            assert!(!ends || line.ended && talker.got.len() == line.delivered.len(), "a part looks like the whole");
            assert!(talker.sent.starts_with(&line.taken), "bytes of another connection");
        }
        for line in &self.network.lines {
            let from = |talker: &&Talker| talker.sent.starts_with(&line.taken);
            let whole = |talker: &Talker| talker.left && !talker.broke && talker.sent.len() == line.taken.len();
            let mut sources = talkers.iter().filter(from).peekable();
            assert!(sources.peek().is_some() || line.taken.is_empty(), "bytes of nobody");
            assert!(!line.finished || sources.any(whole), "a part looks like the whole to the peer");
        }
    }

    /// Requests pass with the asker's name, answers without the server's.
    fn check_http(&mut self, talkers: &[Talker]) {
        let forwards: Vec<_> = self.network.lines.iter().map(|line| self.server_gets(line)).collect();
        for talker in talkers.iter().filter(|talker| !talker.got.is_empty()) {
            let of = |forward: &Option<Forward>| forward.as_ref().is_some_and(|forward| passes(talker, forward));
            assert!(forwards.iter().any(of), "nobody asked for that: {}", String::from_utf8_lossy(&talker.got));
        }
        for (line, forward) in self.network.lines.iter().zip(&forwards) {
            let text = || String::from_utf8_lossy(&line.taken).into_owned();
            if line.taken.is_empty() {
                assert!(!line.finished || line.ended, "a request without an answer");
                continue;
            }
            if TOLD.iter().any(|status| line.taken == told(status)) {
                continue;
            }
            let forward = forward.as_ref().unwrap_or_else(|| panic!("an answer to no request: {}", text()));
            let fits = |talker: &Talker| {
                let answer = answer(&talker.sent, talker.left && !talker.broke, forward, Response::from_server);
                let refused = line.taken.strip_prefix(&answer.bytes[..answer.interim]);
                let whole = answer.bytes.starts_with(&line.taken)
                    && (!line.finished || answer.whole && line.taken.len() == answer.bytes.len());
                whole || refused.is_some_and(|rest| TOLD.iter().any(|status| rest == told(status)))
            };
            let mut own = talkers.iter().filter(|talker| passes(talker, forward));
            assert!(own.any(fits), "a wrong answer, or a part: {}", text());
        }
    }

    /// What the server may get of a peer's stream.
    fn server_gets(&self, line: &Line) -> Option<Forward> {
        let from = self.peers.iter().find(|peer| peer.hash() == line.peer)?;
        forward(&line.delivered, |request: &mut Request| {
            let (original, before) = (request.to_bytes(), request.clone());
            request.towards_server(from);
            check_server(&before, &Head::of(&original), &request.to_bytes(), from);
            true
        })
    }

    /// Everything ends with its two sides.
    pub(super) async fn end(&mut self) {
        self.network.stalled = false;
        self.network.lines.iter_mut().for_each(|line| line.held = false);
        self.shop.lock().unwrap().1.iter_mut().for_each(|talker| talker.reading = true);
        self.rest().await;
        let alive = self.network.lines.iter().filter(|line| line.closed.is_none() && !line.detached).count();
        let talked = self.shop.lock().unwrap().1.iter().filter(|talker| talker.program.ending().is_none()).count();
        assert!(talked <= alive || self.network.stopped, "a connection outlives its stream");
        for (number, line) in self.network.lines.iter_mut().enumerate() {
            if number % 2 == 0 { line.end() } else { line.close(CloseReason::Reset) }
        }
        for (at, talker) in self.shop.lock().unwrap().1.iter_mut().enumerate() {
            talker.act(if at % 3 == 0 { 3 } else { 1 });
        }
        self.rest().await;
        assert!(tasks() <= OWN_TASKS, "tasks are left");
        assert!(self.shop.lock().unwrap().1.iter().all(|talker| talker.program.ending().is_some()), "a connection is left");
        self.network.check_empty("web");
        self.tunnel.abort();
        self.rest().await;
        assert_eq!(tasks(), 0, "tasks are left");
        self.network.check_empty("");
    }

    async fn rest(&mut self) {
        for _ in 0..2 {
            self.turn().await;
            tokio::time::sleep(LONG).await;
        }
        self.turn().await;
    }
}

/// What a server got may be this request.
fn passes(talker: &Talker, forward: &Forward) -> bool {
    let switched = talker.sent.windows(13).any(|window| window.starts_with(b"HTTP/1.1 101") || window == b"HTTP/1.0 101 ");
    let most = if forward.upgrade && !switched { forward.head } else { forward.bytes.len() };
    forward.bytes[..most].starts_with(&talker.got)
}

fn told(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
}
