//! Target: the HTTP proxy with many browsers, above an engine whose sites do what they like.

mod check;

use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_fuzzing::ops::Ops;
use ramson_proxy::HttpProxy;
use ramson_router::{DestinationConfig, Names};
use ramson_wire::DestinationKeys;
use tokio::task::JoinHandle;

use super::http::marked;
use super::network::{Line, Network};
use super::pipe::{Callers, Door, pipe};
use super::talker::Talker;
use super::{Border, Sound, play, settle};
use crate::seeds::{REQUESTS, RESPONSES};

/// Operations, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const OPEN: u8 = 0;
    pub const REQUEST: u8 = 1;
    pub const RAW: u8 = 2;
    pub const BODY: u8 = 3;
    pub const BROWSER: u8 = 4;
    pub const READY: u8 = 5;
    pub const ANSWER: u8 = 6;
    pub const RESPONSE: u8 = 7;
    pub const DATA: u8 = 8;
    pub const BULK: u8 = 9;
    pub const END: u8 = 10;
    pub const HOLD: u8 = 11;
    pub const PASS: u8 = 12;
    pub const STALL: u8 = 13;
    pub const STOP: u8 = 14;
    pub const COUNT: u8 = 15;
}

/// Connections of the proxy at once.
const MAX_CONNECTIONS: usize = 6;
/// Browsers of a run.
const MAX_BROWSERS: usize = 16;
/// Operations of a run.
const MAX_OPS: usize = 100;

thread_local! {
    static NAMES: (Arc<Names>, String) = names();
}

/// The book, and the proxy's own keys.
fn names() -> (Arc<Names>, String) {
    let keys = |seed: u8| DestinationKeys::generate(&mut SeededRng::new([seed; 32]));
    let hosts = ["stats.i2p", "zzz.i2p", "forum.i2p", "files.i2p", "chat.i2p"];
    let line = |(seed, host): (u8, &str)| format!("{host}={}\n", keys(seed).destination().to_base64());
    let book: String = (30..).zip(hosts).map(line).collect();
    (Arc::new(ramson_router::fuzz::book(&book).0), keys(29).to_base64().to_string())
}

struct World<'a, B> {
    border: &'a mut B,
    names: Arc<Names>,
    network: Network,
    callers: Callers,
    server: JoinHandle<()>,
    /// The proxy was dropped.
    dropped: bool,
    browsers: Vec<Talker>,
}

/// Runs the target.
pub fn browsers(data: &[u8]) {
    browsers_with(data, &mut Sound);
}

/// [`browsers`] with a border of one's own.
pub fn browsers_with(data: &[u8], border: &mut impl Border) {
    let (names, keys) = NAMES.with(Clone::clone);
    play(async {
        let network = Network::default();
        let (door, callers) = Door::new();
        let keys = DestinationKeys::from_base64(&keys).unwrap();
        let destination = network.router.open("http-proxy", keys, DestinationConfig::default());
        let proxy = HttpProxy::new(destination, Arc::clone(&names)).with_max_connections(MAX_CONNECTIONS);
        let server = tokio::spawn(proxy.serve(door));
        let mut world = World { border, names, network, callers, server, dropped: false, browsers: Vec::new() };
        let mut ops = Ops::new(data);
        let mut operations = 0;
        world.turn().await;
        while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < MAX_OPS) {
            operations += 1;
            world.step(op, &mut ops).await;
            world.turn().await;
        }
        world.end().await;
    });
}

impl<B: Border> World<'_, B> {
    async fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let which = ops.byte();
        match op {
            op::OPEN => self.open(ops.byte()),
            op::REQUEST => {
                let (request, only) = (REQUESTS[usize::from(ops.byte()) % REQUESTS.len()], ops.byte());
                if let Some(at) = usize::from(which).checked_rem(self.browsers.len()) {
                    self.browsers[at].say(&marked(request, at), only);
                }
            }
            op::RAW | op::BODY => {
                let bytes = if op == op::RAW { ops.part().to_vec() } else { vec![b'b'; usize::from(ops.number()) % 20_000] };
                if let Some(browser) = self.browser_at(which) {
                    browser.say(&bytes, 0);
                }
            }
            op::BROWSER => {
                let how = ops.byte();
                if let Some(browser) = self.browser_at(which) {
                    browser.act(how);
                }
            }
            op::READY => self.network.ready(which),
            op::ANSWER => match ops.byte() {
                how if how < 128 => self.network.connected(which),
                how => self.network.close(which, how),
            },
            op::RESPONSE => {
                let response = RESPONSES[usize::from(ops.byte()) % RESPONSES.len()];
                self.network.deliver(which, |number| marked(response, number));
            }
            op::DATA | op::BULK => {
                let bytes = if op == op::DATA { ops.part().to_vec() } else { vec![b'a'; usize::from(ops.number())] };
                self.network.deliver(which, |_| bytes);
            }
            op::END => match ops.byte() {
                how if how < 100 => drop(self.network.live_at(which).map(Line::end)),
                how => self.network.close(which, how),
            },
            op::HOLD => drop(self.network.live_at(which).map(|line| line.held = !line.held)),
            op::PASS => {
                let seconds = u64::from(ops.byte());
                let time = if which < 128 { Duration::from_millis(10 * seconds) } else { Duration::from_secs(seconds) };
                tokio::time::sleep(time).await;
            }
            op::STALL => self.network.stalled = which.is_multiple_of(2),
            _ => match which % 8 {
                0 if ops.byte() % 4 == 1 => {
                    self.server.abort();
                    self.dropped = true;
                }
                1 if ops.byte() % 4 == 1 => self.network.stop(),
                // The door stands as long as its proxy.
                _ => self.callers.send(Err(std::io::ErrorKind::Other.into())).unwrap_or(()),
            },
        }
    }

    fn open(&mut self, how: u8) {
        if self.browsers.len() < MAX_BROWSERS {
            let (near, program) = pipe([usize::MAX, 1, 7, 300][usize::from(how) % 4]);
            self.browsers.push(Talker::new(program));
            // As above.
            let _ = self.callers.send(Ok(near));
        }
    }

    fn browser_at(&mut self, which: u8) -> Option<&mut Talker> {
        let at = usize::from(which).checked_rem(self.browsers.len())?;
        self.browsers.get_mut(at)
    }

    /// Until nothing moves any more.
    async fn turn(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 2_000, "never at rest");
            settle().await;
            let mut moved = self.network.pump(self.border);
            for browser in &mut self.browsers {
                moved |= browser.read(self.border);
            }
            if !moved {
                break;
            }
        }
        self.check();
    }
}
