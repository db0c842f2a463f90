//! Targets of `ramson-lane`: the lane among hostile peers, and the endpoint of a tunnel.

pub mod bench;

use std::time::Duration;

use ramson_aes::LayerKeys;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::sha256_parts;
use ramson_lane::tunnel_data::{Endpoint, Gateway, MAX_PAYLOAD, MESSAGE_LEN};
use ramson_lane::{Class, LaneCommand, LaneConfig, LaneOutput, Relay, RelayRole};
use ramson_wire::i2np::{TunnelData, TunnelGateway};
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, Now, RouterHash, Tick, TunnelDelivery, TunnelId};

use crate::ops::Ops;
use crate::seeds::routers::{NET_ID, START, router};
use bench::Bench;

/// Operations of [`lane_with`], by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const INCOMING: u8 = 0;
    pub const SHAKE: u8 = 1;
    pub const FRAME: u8 = 2;
    pub const TUNNEL_DATA: u8 = 3;
    pub const GATEWAY: u8 = 4;
    pub const RAW: u8 = 5;
    pub const EOF: u8 = 6;
    pub const DIALED: u8 = 7;
    pub const SEND: u8 = 8;
    pub const CONNECT: u8 = 9;
    pub const NO_PEER: u8 = 10;
    pub const INSTALL: u8 = 11;
    pub const REMOVE: u8 = 12;
    pub const OWN: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const PASS: u8 = 15;
    pub const ROUTER_INFO: u8 = 16;
    pub const FRAGMENTS: u8 = 17;
    pub const MESSAGE: u8 = 18;
    pub const COUNT: u8 = 19;
}

/// What stands between the lane and its driver. The sound one changes nothing; tests plant faults here.
pub trait Border {
    /// The settings that the lane gets.
    fn config(&self, config: LaneConfig) -> LaneConfig {
        config
    }

    /// An output on its way.
    fn output(&mut self, output: LaneOutput) -> Option<LaneOutput> {
        Some(output)
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}

/// The limits that are asserted: small, so that they are met.
pub fn config() -> LaneConfig {
    LaneConfig {
        max_sessions: 6,
        max_pending_inbound: 4,
        max_pending_inbound_per_ip: 2,
        max_inbound_sessions_per_ip: 3,
        max_relays: 4,
        transit_bytes_per_sec: Some(20_000),
        ..LaneConfig::closed_network(NET_ID)
    }
}

/// Target: the lane.
pub fn lane(data: &[u8]) {
    lane_with(data, Sound);
}

/// [`lane`] with a border of one's own.
pub fn lane_with(data: &[u8], border: impl Border) {
    let mut ops = Ops::new(data);
    let mut bench = Bench::new(border);
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 150) {
        operations += 1;
        step(op, &mut ops, &mut bench);
        bench.check();
    }
    bench.end();
}

fn tunnel(ops: &mut Ops<'_>) -> TunnelId {
    TunnelId::new(1 + u32::from(ops.byte() % 8)).unwrap()
}

fn step<B: Border>(op: u8, ops: &mut Ops<'_>, bench: &mut Bench<B>) {
    match op {
        op::INCOMING => bench.incoming(ops.byte()),
        op::SHAKE => bench.shake(ops.byte()),
        op::FRAME => {
            let conn = ops.byte();
            bench.frame(conn, ops.long_part());
        }
        op::TUNNEL_DATA | op::GATEWAY | op::FRAGMENTS | op::MESSAGE => {
            let conn = ops.byte();
            let message = message(op, ops, bench.now);
            let count = 1 + ops.byte() % 3;
            let block = crate::ntcp2::block(3, &message.encode_short());
            bench.frame(conn, &block.repeat(usize::from(count)));
        }
        op::RAW => {
            let conn = ops.byte();
            bench.raw(conn, ops.part());
        }
        op::EOF => bench.eof(ops.byte()),
        op::DIALED => {
            let conn = ops.byte();
            bench.dialed(conn, !ops.byte().is_multiple_of(4));
        }
        op::PASS => bench.pass(Duration::from_millis(u64::from(ops.number()) * 10)),
        _ => command(op, ops, bench),
    }
}

fn message(op: u8, ops: &mut Ops<'_>, now: Now) -> I2npMessage {
    let id = MessageId(u32::from(ops.byte()));
    let (kind, body) = match op {
        op::TUNNEL_DATA => {
            let mut data = Box::new([ops.byte(); MESSAGE_LEN]);
            ops.change(data.as_mut_slice());
            (MessageKind::TUNNEL_DATA, TunnelData { tunnel: tunnel(ops), data }.to_bytes())
        }
        op::GATEWAY => {
            let mut inner =
                I2npMessage::new(MessageKind(ops.byte() % 30), id, now.date, vec![3; usize::from(ops.number() % 4000)]);
            inner.expiration = inner.expiration + Duration::from_secs(u64::from(ops.byte()));
            let mut message = inner.encode_long();
            ops.change(&mut message);
            (MessageKind::TUNNEL_GATEWAY, TunnelGateway { tunnel: tunnel(ops), message: message.into() }.to_bytes())
        }
        op::FRAGMENTS => {
            let tunnel = tunnel(ops);
            let mut data = clear(ops.long_part(), &[ops.byte(); 16]);
            layer().decrypt(&mut data);
            (MessageKind::TUNNEL_DATA, TunnelData { tunnel, data: Box::new(data) }.to_bytes())
        }
        _ => (MessageKind(ops.byte()), ops.long_part().to_vec()),
    };
    let expiration = now.date + Duration::from_secs(u64::from(ops.byte() % 200));
    I2npMessage::new(kind, id, ramson_wire::Date(expiration.0.saturating_sub(70_000 * u64::from(ops.byte() % 2))), body)
}

/// Keys of all tunnels here.
pub(crate) fn layer() -> LayerKeys {
    LayerKeys::new(&[1; 32], &[2; 32])
}

/// A clear tunnel message with a right checksum around any fragments.
pub fn clear(fragments: &[u8], iv: &[u8; 16]) -> [u8; MESSAGE_LEN] {
    let fragments = &fragments[..fragments.len().min(MAX_PAYLOAD)];
    let mut message = [1; MESSAGE_LEN];
    message[..16].copy_from_slice(iv);
    message[16..20].copy_from_slice(&sha256_parts(&[fragments, iv])[..4]);
    let at = MESSAGE_LEN - fragments.len();
    message[at - 1] = 0;
    message[at..].copy_from_slice(fragments);
    message
}

fn command<B: Border>(op: u8, ops: &mut Ops<'_>, bench: &mut Bench<B>) {
    let number = ops.byte();
    let peer = bench.peer(number);
    match op {
        op::SEND => {
            let class = [Class::Control, Class::Own, Class::Transit][usize::from(ops.byte() % 3)];
            let len = usize::from(ops.number());
            for _ in 0..=ops.byte() % 20 {
                let message = I2npMessage::new(MessageKind::DATA, MessageId(9), bench.now.date, vec![7; len]);
                bench.command(LaneCommand::Send { to: peer, message, class });
            }
        }
        op::CONNECT => bench.connect(number),
        op::NO_PEER => bench.command(LaneCommand::NoPeer { peer }),
        op::INSTALL => {
            let tunnel = tunnel(ops);
            let (next, next_tunnel) = (bench.peer(ops.byte()), self::tunnel(ops));
            let role = match ops.byte() % 3 {
                0 => RelayRole::Participant { next, next_tunnel },
                1 => RelayRole::Gateway { next, next_tunnel },
                _ => RelayRole::Endpoint,
            };
            let expires = bench.now.tick + Duration::from_secs(u64::from(ops.byte()) * 3);
            let previous = (ops.byte() % 2 == 1).then_some(peer);
            bench.install(Relay { tunnel, role, keys: layer(), previous, expires });
        }
        op::REMOVE => bench.command(LaneCommand::Remove { tunnel: tunnel(ops) }),
        op::OWN if number.is_multiple_of(2) => {
            let expires = bench.now.tick + Duration::from_secs(u64::from(ops.byte()) * 3);
            bench.command(LaneCommand::InstallOwn { tunnel: tunnel(ops), expires });
        }
        op::OWN => bench.command(LaneCommand::RemoveOwn { tunnel: tunnel(ops) }),
        op::DISCONNECT => bench.command(LaneCommand::Disconnect { peer }),
        _ => bench.command(LaneCommand::SetRouterInfo { info: router(1).info.clone(), announce: number.is_multiple_of(2) }),
    }
}

/// A message out of a tunnel, with where it goes.
type Delivered = (TunnelDelivery, I2npMessage);

/// What stands before an endpoint. The sound one changes nothing.
pub trait EndpointBorder {
    /// What one tunnel message completed.
    fn delivered(&mut self, messages: Vec<Delivered>) -> Vec<Delivered> {
        messages
    }
}

impl EndpointBorder for Sound {}

/// How long an endpoint knows a message again that it has put together.
const REMEMBERED: Duration = Duration::from_secs(45);

/// Target: the endpoint of a tunnel. Messages go through a gateway; their fragments come in any order, twice, changed, or not.
pub fn tunnel_endpoint(data: &[u8]) {
    tunnel_endpoint_with(data, &mut Sound);
}

/// [`tunnel_endpoint`] with a border of one's own.
pub fn tunnel_endpoint_with(data: &[u8], border: &mut impl EndpointBorder) {
    let mut ops = Ops::new(data);
    let mut gateway = Gateway::new(Box::new(SeededRng::new([3; 32])));
    let mut endpoint = Endpoint::new();
    let (mut now, mut sent, mut flying) = (START, Vec::<(Delivered, Option<Tick>)>::new(), Vec::new());
    // Fragments that no gateway made can complete anything.
    let mut forged = false;
    let mut operations = 0;
    while let Some(op) = ops.next_op(8).filter(|_| operations < 300) {
        operations += 1;
        let came = match op {
            0 | 1 if sent.len() < 100 => {
                let message = (delivery(&mut ops), numbered(sent.len(), usize::from(ops.number())));
                if gateway.push(message.0, &message.1).is_ok() {
                    sent.push((message, None));
                } else {
                    assert!(message.1.body.len() > 60_000, "refused though it fits");
                }
                Vec::new()
            }
            2 => {
                let pending = gateway.pending();
                let flushed = gateway.flush();
                assert_eq!(flushed.len(), pending);
                flying.extend(flushed);
                Vec::new()
            }
            3 | 4 => {
                let at = usize::from(ops.byte()) % flying.len().max(1);
                let keep = op == 4;
                match flying.get(at).cloned() {
                    Some(message) => {
                        if !keep {
                            flying.swap_remove(at);
                        }
                        endpoint.handle(now, &message).expect("the gateway's own")
                    }
                    None => Vec::new(),
                }
            }
            5 => {
                forged = true;
                endpoint.handle(now, &clear(ops.long_part(), &[ops.byte(); 16])).expect("the checksum is right")
            }
            6 => {
                let mut message = clear(ops.part(), &[0; 16]);
                ops.change(&mut message);
                forged = true;
                endpoint.handle(now, &message).unwrap_or_default()
            }
            _ => {
                let passed = Duration::from_millis(u64::from(ops.number()));
                now = Now { tick: now.tick + passed, date: now.date + passed };
                endpoint.expire(now.tick);
                Vec::new()
            }
        };
        check_delivered(now.tick, border.delivered(came), &mut sent, forged);
        assert!(endpoint.buffered_bytes() <= 512 * 1024, "more than an endpoint may hold");
        assert!(endpoint.deadline().is_none_or(|due| due > now.tick || op != 7), "what is old was kept");
    }
    endpoint.expire(now.tick + Duration::from_secs(46));
    assert_eq!((endpoint.buffered_bytes(), endpoint.deadline()), (0, None), "fragments are kept for ever");
}

/// Each message at most once while its id is remembered; what fits one tunnel message has no id by which a copy could be known.
fn check_delivered(now: Tick, came: Vec<Delivered>, sent: &mut [(Delivered, Option<Tick>)], forged: bool) {
    for message in came {
        let again = |at: Tick| now.saturating_since(at) < REMEMBERED && message.1.body.len() > MAX_PAYLOAD;
        let known = sent.iter_mut().find(|(sent, at)| *sent == message && !at.is_some_and(again));
        match known {
            Some((_, at)) => *at = Some(now),
            None => assert!(forged, "a message that nobody sent, or one twice"),
        }
    }
}

fn numbered(number: usize, len: usize) -> I2npMessage {
    let number = u32::try_from(number).unwrap_or(0);
    let mut body = vec![number.to_be_bytes()[3]; len];
    body.extend_from_slice(&number.to_be_bytes());
    I2npMessage::new(MessageKind::DATA, MessageId(number), START.date, body)
}

fn delivery(ops: &mut Ops<'_>) -> TunnelDelivery {
    match ops.byte() % 3 {
        0 => TunnelDelivery::Local,
        1 => TunnelDelivery::Router(RouterHash([ops.byte(); 32])),
        _ => TunnelDelivery::Tunnel { gateway: RouterHash([ops.byte(); 32]), tunnel: tunnel(ops) },
    }
}
