//! Target: a server tunnel, with peers on one side and a local server on the other that both do what they like.

mod check;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_fuzzing::ops::Ops;
use ramson_proxy::{ServerTunnel, TunnelKind};
use ramson_router::{DestinationConfig, Server};
use ramson_wire::{Destination, DestinationKeys};
use tokio::task::JoinHandle;

use super::http::marked;
use super::network::{Line, Network};
use super::pipe::{Near, pipe};
use super::talker::Talker;
use super::{Border, Sound, play, settle};
use crate::seeds::{REQUESTS, RESPONSES};

/// Operations, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const INCOMING: u8 = 0;
    pub const REQUEST: u8 = 1;
    pub const DATA: u8 = 2;
    pub const BULK: u8 = 3;
    pub const END: u8 = 4;
    pub const HOLD: u8 = 5;
    pub const RESPONSE: u8 = 6;
    pub const SAY: u8 = 7;
    pub const MUCH: u8 = 8;
    pub const SERVER: u8 = 9;
    pub const MODE: u8 = 10;
    pub const PASS: u8 = 11;
    pub const STALL: u8 = 12;
    pub const STOP: u8 = 13;
    pub const COUNT: u8 = 14;
}

/// Connections to the server at once.
const MAX_CONNECTIONS: usize = 6;
/// Of them from one peer.
const MAX_OF_PEER: usize = 3;
/// Streams of a run.
const MAX_LINES: usize = 40;
/// Operations of a run.
const MAX_OPS: usize = 100;

thread_local! {
    static CAST: (String, Vec<Destination>) = {
        let keys = |seed: u8| DestinationKeys::generate(&mut SeededRng::new([seed; 32]));
        (keys(40).to_base64().to_string(), (41..44).map(|seed| keys(seed).destination().clone()).collect())
    };
}

/// How the local server takes connections.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Takes,
    Refuses,
    Hangs,
}

/// The local server's door.
struct Shop(Arc<Mutex<(Mode, Vec<Talker>)>>);

impl Server for Shop {
    type Socket = Near;

    async fn connect(&self) -> io::Result<Near> {
        let mode = self.0.lock().unwrap().0;
        match mode {
            Mode::Takes => {
                let mut shop = self.0.lock().unwrap();
                let (near, program) = pipe([usize::MAX, 1, 300][shop.1.len() % 3]);
                shop.1.push(Talker::new(program));
                Ok(near)
            }
            Mode::Refuses => Err(io::ErrorKind::ConnectionRefused.into()),
            Mode::Hangs => std::future::pending().await,
        }
    }
}

struct World<'a, B> {
    border: &'a mut B,
    http: bool,
    peers: Vec<Destination>,
    network: Network,
    shop: Arc<Mutex<(Mode, Vec<Talker>)>>,
    tunnel: JoinHandle<()>,
}

/// Runs the target. The first byte chooses what flows through the tunnel.
pub fn tunnel(data: &[u8]) {
    tunnel_with(data, &mut Sound);
}

/// [`tunnel`] with a border of one's own.
pub fn tunnel_with(data: &[u8], border: &mut impl Border) {
    let Some((kind, data)) = data.split_first() else { return };
    let (keys, peers) = CAST.with(Clone::clone);
    play(async {
        let network = Network::default();
        let config = DestinationConfig { accept: true, publish: true, ..DestinationConfig::default() };
        let destination = network.router.open("web", DestinationKeys::from_base64(&keys).unwrap(), config);
        let shop = Arc::new(Mutex::new((Mode::Takes, Vec::new())));
        let http = kind.is_multiple_of(2);
        let flow = if http { TunnelKind::HttpServer } else { TunnelKind::Server };
        let tunnel = ServerTunnel::new(destination, flow, Shop(Arc::clone(&shop))).with_limits(MAX_CONNECTIONS, MAX_OF_PEER);
        let mut world = World { border, http, peers, network, shop, tunnel: tokio::spawn(tunnel.serve()) };
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

/// Bytes of one that has this number: the first two tell it.
fn numbered(number: usize, from: usize, len: usize) -> Vec<u8> {
    super::sam::stream_bytes(number, from, len)
}

impl<B: Border> World<'_, B> {
    async fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let which = ops.byte();
        match op {
            op::INCOMING => {
                let (from, count) = (self.peers[usize::from(ops.byte()) % self.peers.len()].clone(), ops.byte());
                for _ in 0..=count % 5 {
                    if self.network.lines.len() < MAX_LINES {
                        self.network.incoming(which, &from, (7, 80));
                    }
                }
            }
            op::REQUEST => {
                let request = REQUESTS[usize::from(ops.byte()) % REQUESTS.len()];
                self.deliver(which, |number| marked(request, number));
            }
            op::DATA => {
                let bytes = ops.part();
                self.deliver(which, |_| bytes.to_vec());
            }
            op::BULK => {
                let len = usize::from(ops.number());
                self.deliver(which, |_| vec![b'b'; len]);
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
            op::STOP => match which % 8 {
                0 if ops.byte() % 4 == 1 => self.tunnel.abort(),
                1 if ops.byte() % 4 == 1 => self.network.stop(),
                _ => {}
            },
            _ => self.server(op, which, ops),
        }
    }

    /// What the local server does.
    fn server(&mut self, op: u8, which: u8, ops: &mut Ops<'_>) {
        let mut shop = self.shop.lock().unwrap();
        if op == op::MODE {
            shop.0 = [Mode::Takes, Mode::Refuses, Mode::Hangs][usize::from(which) % 3];
            return;
        }
        let bytes = match op {
            op::RESPONSE => marked(RESPONSES[usize::from(ops.byte()) % RESPONSES.len()], usize::from(which)),
            op::SAY => ops.part().to_vec(),
            op::MUCH => vec![b'a'; usize::from(ops.number())],
            _ => vec![ops.byte()],
        };
        let Some(at) = usize::from(which).checked_rem(shop.1.len()) else { return };
        let talker = &mut shop.1[at];
        match op {
            op::SERVER => talker.act(bytes[0]),
            _ if self.http => talker.say(&bytes, 0),
            _ => talker.say(&numbered(at, talker.sent.len(), bytes.len()), 0),
        }
    }

    /// A peer says something; in a plain tunnel something by which its stream is known.
    fn deliver(&mut self, which: u8, bytes: impl FnOnce(usize) -> Vec<u8>) {
        let delivered = self.network.live_at(which).map_or(0, |line| line.delivered.len());
        let http = self.http;
        self.network.deliver(which, |number| {
            let bytes = bytes(number);
            if http { bytes } else { numbered(number, delivered, bytes.len()) }
        });
    }

    /// Until nothing moves any more.
    async fn turn(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 2_000, "never at rest");
            settle().await;
            let mut moved = self.network.pump(self.border);
            for talker in &mut self.shop.lock().unwrap().1 {
                moved |= talker.read(self.border);
            }
            if !moved {
                break;
            }
        }
        self.check();
    }
}
