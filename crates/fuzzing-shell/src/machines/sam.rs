//! Target: SAM's bridge with many clients, which say anything at any time, above an engine that does likewise.

mod check;
mod client;
pub mod transcript;

use std::sync::Arc;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_fuzzing::ops::Ops;
use ramson_router::Names;
use ramson_wire::{Destination, DestinationKeys};
use tokio::task::JoinHandle;

use self::client::Client;
use super::network::Network;
use super::pipe::{Callers, Door, pipe};
use super::{Border, Sound, play, settle};

/// Operations, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const OPEN: u8 = 0;
    pub const HELLO: u8 = 1;
    pub const CREATE: u8 = 2;
    pub const CONNECT: u8 = 3;
    pub const ACCEPT: u8 = 4;
    pub const LOOKUP: u8 = 5;
    pub const OTHER: u8 = 6;
    pub const RAW: u8 = 7;
    pub const PAYLOAD: u8 = 8;
    pub const CLIENT: u8 = 9;
    pub const READY: u8 = 10;
    pub const ANSWER: u8 = 11;
    pub const INCOMING: u8 = 12;
    pub const DATA: u8 = 13;
    pub const END: u8 = 14;
    pub const HOLD: u8 = 15;
    pub const FOUND: u8 = 16;
    pub const PASS: u8 = 17;
    pub const STALL: u8 = 18;
    pub const STOP: u8 = 19;
    pub const UNBROKEN: u8 = 20;
    pub const COUNT: u8 = 21;
}

/// Connections of the bridge at once.
const MAX_CONNECTIONS: usize = 10;
/// Its sessions at once.
const MAX_SESSIONS: usize = 3;
/// Clients of a run.
const MAX_CLIENTS: usize = 24;
/// Streams of a run.
const MAX_LINES: usize = 200;
/// Operations of a run.
const MAX_OPS: usize = 120;
/// Names of sessions.
const IDS: [&str; 4] = ["a", "b", "long name", "c"];

/// Destinations that everybody knows.
struct Cast {
    /// Keys of sessions, in base64.
    own: Vec<String>,
    own_public: Vec<Destination>,
    peers: Vec<Destination>,
    names: Arc<Names>,
}

thread_local! {
    static CAST: Cast = cast();
}

fn cast() -> Cast {
    let keys = |seed: u8| DestinationKeys::generate(&mut SeededRng::new([seed; 32]));
    let peers: Vec<_> = (20..23).map(|seed| keys(seed).destination().clone()).collect();
    let (names, _) = ramson_router::fuzz::book(&format!("site.i2p={}\n", peers[0].to_base64()));
    Cast {
        own: (10..13).map(|seed| keys(seed).to_base64().to_string()).collect(),
        own_public: (10..13).map(|seed| keys(seed).destination().clone()).collect(),
        peers,
        names: Arc::new(names),
    }
}

struct World<'a, B> {
    border: &'a mut B,
    cast: &'a Cast,
    network: Network,
    callers: Callers,
    server: JoinHandle<()>,
    /// The bridge was dropped.
    dropped: bool,
    clients: Vec<Client>,
}

/// Runs the target.
pub fn connections(data: &[u8]) {
    connections_with(data, &mut Sound);
}

/// [`connections`] with a border of one's own.
pub fn connections_with(data: &[u8], border: &mut impl Border) {
    CAST.with(|cast| {
        play(async {
            let network = Network::default();
            let (door, callers) = Door::new();
            let bridge = ramson_api::fuzz::server(network.router.clone(), Arc::clone(&cast.names), MAX_CONNECTIONS, MAX_SESSIONS);
            let server = tokio::spawn(bridge.serve(door));
            let mut world = World { border, cast, network, callers, server, dropped: false, clients: Vec::new() };
            let mut ops = Ops::new(data);
            let mut operations = 0;
            while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < MAX_OPS) {
                operations += 1;
                world.step(op, &mut ops).await;
                world.turn().await;
            }
            world.end().await;
        });
    });
}

/// Bytes of the stream with this number: the first two tell it.
pub(super) fn stream_bytes(number: usize, from: usize, len: usize) -> Vec<u8> {
    let low = |value: usize| value.to_le_bytes()[0];
    let byte = |at: usize| match at {
        0 => low(number >> 8),
        1 => low(number),
        _ => low(at.wrapping_mul(167) ^ (at >> 8) ^ number.wrapping_mul(59)),
    };
    (from..from + len).map(byte).collect()
}

impl<B: Border> World<'_, B> {
    async fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let which = ops.byte();
        match op {
            op::OPEN => self.open(ops.byte()).await,
            op::HELLO | op::CREATE | op::CONNECT | op::ACCEPT | op::LOOKUP | op::OTHER => {
                let line = self.line(op, ops);
                self.say(which, &line, ops.byte());
            }
            op::RAW => self.say(which, ops.part(), 0),
            op::PAYLOAD => {
                let len = usize::from(ops.number()) % 20_000;
                self.say(which, &stream_bytes(usize::from(which), 7, len), 0);
            }
            op::UNBROKEN => self.say(which, &vec![b'x'; usize::from(ops.byte()) * 160], 0),
            op::CLIENT => self.client(which, ops.byte()),
            op::PASS => {
                let seconds = u64::from(ops.byte());
                self.pass(if which < 128 { Duration::from_millis(10 * seconds) } else { Duration::from_secs(seconds) }).await;
            }
            op::STOP => match which % 8 {
                0 if ops.byte() % 4 == 1 => {
                    self.server.abort();
                    self.dropped = true;
                }
                1 if ops.byte() % 4 == 1 => self.network.stop(),
                _ => self.callers.send(Err(std::io::ErrorKind::Other.into())).unwrap_or(()),
            },
            _ => self.engine(op, which, ops),
        }
    }

    /// What the engine does.
    fn engine(&mut self, op: u8, which: u8, ops: &mut Ops<'_>) {
        match op {
            op::READY => self.network.ready(which),
            op::ANSWER => match ops.byte() {
                how if how < 128 => self.network.connected(which),
                how => self.network.close(which, how),
            },
            op::INCOMING => {
                let (from, many) = (&self.cast.peers[usize::from(ops.byte()) % self.cast.peers.len()], ops.byte());
                let count = if many > 250 { 70 } else { many % 3 + 1 };
                for _ in 0..count {
                    let number = self.network.lines.len();
                    if number < MAX_LINES {
                        let ports = (u16::try_from(number).unwrap_or(0), u16::from(which));
                        self.network.incoming(which, from, ports);
                    }
                }
            }
            op::DATA => {
                let len = usize::from(ops.number());
                self.deliver(which, len);
            }
            op::END => match ops.byte() {
                how if how < 100 => drop(self.network.live_at(which).map(super::network::Line::end)),
                how => self.network.close(which, how),
            },
            op::HOLD => drop(self.network.live_at(which).map(|line| line.held = !line.held)),
            op::FOUND => {
                let wanted = self.network.questions.get(usize::from(which)).map(|question| question.hash);
                let known = self.cast.peers.iter().chain(&self.cast.own_public);
                let found = known.into_iter().find(|destination| Some(destination.hash()) == wanted).cloned();
                self.network.answer(which, found.filter(|_| ops.byte() < 128));
            }
            _ => self.network.stalled = which.is_multiple_of(2),
        }
    }

    fn deliver(&mut self, which: u8, len: usize) {
        let lines: Vec<_> = self.network.lines.iter().map(|line| line.id).collect();
        let Some(line) = self.network.live_at(which) else { return };
        let number = lines.iter().position(|id| *id == line.id).unwrap_or(0);
        let bytes = stream_bytes(number, line.delivered.len(), len);
        line.deliver(&bytes);
    }

    async fn open(&mut self, how: u8) {
        if self.clients.len() >= MAX_CLIENTS {
            return;
        }
        let (near, program) = pipe([usize::MAX, 1, 7, 300][usize::from(how) % 4]);
        self.clients.push(Client::new(program));
        // The door stands as long as its bridge.
        let _ = self.callers.send(Ok(near));
        settle().await;
        let ended = self.clients.last().is_some_and(|client| client.program.ending().is_some());
        if how >= 64 && !ended {
            let last = u8::try_from(self.clients.len() - 1).unwrap_or(0);
            self.say(last, b"HELLO VERSION\n", 0);
        }
    }

    fn line(&self, op: u8, ops: &mut Ops<'_>) -> Vec<u8> {
        let id = |byte: u8| format!("ID=\"{}\"", IDS[usize::from(byte) % IDS.len()]);
        let silent = |byte: u8| ["", " SILENT=true", " SILENT=false"][usize::from(byte) % 3];
        let (first, second) = (ops.byte(), ops.byte());
        let text = match op {
            op::HELLO => {
                ["HELLO VERSION", "HELLO VERSION MIN=3.0 MAX=3.1", "HELLO VERSION MIN=3.2 MAX=3.3", "HELLO VERSION MIN=9"]
                    [usize::from(first) % 4]
                    .to_owned()
            }
            op::CREATE => {
                let own = &self.cast.own;
                let keys = own.get(usize::from(second) % 5).map_or("TRANSIENT", String::as_str);
                let style = if second >= 250 { "RAW" } else { "STREAM" };
                format!("SESSION CREATE STYLE={style} {} DESTINATION={keys} inbound.length={}", id(first), second / 31)
            }
            op::CONNECT => {
                format!("STREAM CONNECT {} DESTINATION={} TO_PORT={second}{}", id(first), self.target(second), silent(first / 4))
            }
            op::ACCEPT => format!("STREAM ACCEPT {}{}", id(first), silent(first / 4)),
            op::LOOKUP => match second % 8 {
                0 => "NAMING LOOKUP NAME=ME".to_owned(),
                _ => format!("NAMING LOOKUP NAME={}", self.target(first)),
            },
            _ => ["PING x  y", "PING", "DEST GENERATE", "QUIT", "STREAM FORWARD ID=a PORT=1", "", "A B C=\"", "PONG"]
                [usize::from(first) % 8]
                .to_owned(),
        };
        [text.as_bytes(), b"\n"].concat()
    }

    fn target(&self, which: u8) -> String {
        let (peers, own) = (&self.cast.peers, &self.cast.own_public);
        match which % 7 {
            0 | 1 => peers[usize::from(which % 7)].hash().to_b32(),
            2 => peers[2].to_base64(),
            3 => "site.i2p".to_owned(),
            4 => own[0].hash().to_b32(),
            5 => "nobody.i2p".to_owned(),
            _ => "example.com".to_owned(),
        }
    }

    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Until nothing moves any more.
    async fn turn(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 2_000, "never at rest");
            settle().await;
            let mut moved = self.network.pump(self.border);
            for client in &mut self.clients {
                moved |= client.read(self.border);
            }
            if !moved {
                break;
            }
        }
        self.check();
    }
}
