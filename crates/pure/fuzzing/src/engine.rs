//! Targets of `ramson-engine`, by its public interface: messages of every kind, in order and nearly so, among commands and time.

pub mod network;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::noise::SymmetricState;
use ramson_crypto::rng::SeededRng;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_engine::{Command, DestinationConfig, IdentityId, Output, RequestId, StreamId, StreamRings};
use ramson_lane::{Fault, LaneEvent, LaneStats};
use ramson_wire::i2np::{
    DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, Garlic, LookupKind, ReplyKey, StoreEntry, StoreReply,
};
use ramson_wire::tunnel::build::{HopRole, ShortRequest, TUNNEL_LIFETIME_SECS};
use ramson_wire::{
    CloveDelivery, Codec, DestinationKeys, GarlicBlock, GarlicClove, I2npMessage, Lease, LeaseSet2, LeaseSet2Builder, Mapping,
    MessageId, MessageKind, NetDbKey, RouterHash, Seconds32, SessionTag, TunnelId, garlic,
};

use crate::ops::Ops;
use crate::seeds::routers::router;
use network::{NODES, Network, into_tunnel, secrets};

/// Operations, by number.
pub mod op {
    #![allow(missing_docs, reason = "named by what they do")]
    pub const RUN: u8 = 0;
    pub const DELIVER: u8 = 1;
    pub const LOSE: u8 = 2;
    pub const REPEAT: u8 = 3;
    pub const CHANGE: u8 = 4;
    pub const MESSAGE: u8 = 5;
    pub const LANE: u8 = 6;
    pub const OPEN: u8 = 7;
    pub const CLOSE: u8 = 8;
    pub const CONNECT: u8 = 9;
    pub const ASK: u8 = 10;
    pub const PASS: u8 = 11;
    pub const WRITE: u8 = 12;
    pub const RESEED: u8 = 13;
    pub const FLUSH: u8 = 14;
    pub const COUNT: u8 = 15;
}

/// Messages of [`op::MESSAGE`], by number.
pub mod kind {
    #![allow(missing_docs, reason = "named by what they are")]
    pub const RAW: u8 = 0;
    pub const STORE_ROUTER: u8 = 1;
    pub const STORE_LEASES: u8 = 2;
    pub const LOOKUP: u8 = 3;
    pub const SEARCH_REPLY: u8 = 4;
    pub const STATUS: u8 = 5;
    pub const BUILD: u8 = 6;
    pub const COUNT: u8 = 7;
}

/// Ways of [`op::MESSAGE`], by number.
pub mod way {
    #![allow(missing_docs, reason = "named by what they are")]
    pub const DIRECT: u8 = 0;
    pub const TUNNEL: u8 = 1;
    pub const GARLIC: u8 = 2;
    pub const COUNT: u8 = 3;
}

/// What stands between the engine and its driver. The sound one changes nothing; tests plant faults here.
pub trait Border {
    /// An output on its way.
    fn output(&mut self, output: Output) -> Vec<Output> {
        vec![output]
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}

/// Runs the targets `engine`, `netdb` and `tunnels`, which differ in their corpora.
pub fn engine(data: &[u8]) {
    engine_with(data, &mut Sound);
}

/// [`engine`] with a border of one's own.
pub fn engine_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let floodfill = ops.byte() % 2 == 1;
    let mut world = World { network: Network::new(floodfill, border), streams: Vec::new(), opened: BTreeSet::new(), next: 0 };
    let mut operations = 0;
    while let Some(op) = ops.next_op(op::COUNT).filter(|_| operations < 60) {
        operations += 1;
        world.step(op, &mut ops);
        world.network.check();
    }
    world.network.end();
}

struct World<'a, B> {
    network: Network<'a, B>,
    streams: Vec<(IdentityId, StreamId, Arc<StreamRings>)>,
    opened: BTreeSet<IdentityId>,
    next: u64,
}

fn keys(number: u8) -> DestinationKeys {
    DestinationKeys::generate(&mut SeededRng::new([number; 32]).child("destination"))
}

impl<B: Border> World<'_, B> {
    fn step(&mut self, op: u8, ops: &mut Ops<'_>) {
        let which = ops.byte();
        match op {
            op::RUN => self.network.run(usize::from(which % 64)),
            op::DELIVER => {
                for _ in 0..=which % 16 {
                    self.network.deliver();
                }
            }
            op::LOSE | op::REPEAT | op::CHANGE => self.tamper(op, which, ops),
            op::MESSAGE => self.message(which, ops),
            op::LANE => self.lane(which, ops),
            op::OPEN => self.open(which, ops),
            op::CLOSE => self.network.command(Command::CloseDestination { id: IdentityId(u32::from(which % 4)) }),
            op::CONNECT => self.connect(which, ops.byte()),
            op::ASK => self.ask(which, ops.byte()),
            op::PASS => self.network.pass(Duration::from_millis(u64::from(ops.number()) * (1 + u64::from(which % 4) * 10))),
            op::RESEED => self.reseed(which, ops),
            op::FLUSH => self.network.flush(),
            _ => self.write(which, usize::from(ops.number())),
        }
    }

    fn reseed(&mut self, which: u8, ops: &mut Ops<'_>) {
        let known = self.network.infos.iter().map(|info| info.bytes().clone());
        let strangers = (0..which % 32).map(|number| router(number.wrapping_add(which)).info.bytes().clone());
        let mut routers: Vec<Bytes> = if which >= 128 { known.collect() } else { strangers.collect() };
        let mut broken = ops.long_part().to_vec();
        ops.change(&mut broken);
        routers.push(broken.into());
        self.network.command(Command::Reseed { routers });
    }

    fn tamper(&mut self, op: u8, which: u8, ops: &mut Ops<'_>) {
        let Some(at) = usize::from(which).checked_rem(self.network.flying.len()) else { return };
        let Some(mut flying) = self.network.flying.remove(at) else { return };
        match op {
            op::LOSE => {}
            op::REPEAT => {
                self.network.flying.push_back(flying.clone());
                self.network.flying.push_front(flying);
            }
            _ => {
                let mut body = flying.message.body.to_vec();
                ops.change(&mut body);
                flying.message.body = body.into();
                self.network.flying.push_front(flying);
            }
        }
    }

    fn message(&mut self, which: u8, ops: &mut Ops<'_>) {
        let (kind, body) = match which % kind::COUNT {
            kind::RAW => (MessageKind(ops.byte()), ops.long_part().to_vec()),
            kind::STORE_ROUTER => (MessageKind::DATABASE_STORE, self.store_router(ops)),
            kind::STORE_LEASES => (MessageKind::DATABASE_STORE, self.store_leases(ops)),
            kind::LOOKUP => (MessageKind::DATABASE_LOOKUP, self.lookup(ops).to_bytes()),
            kind::SEARCH_REPLY => {
                let routers = (0..ops.byte() % 8).map(|_| self.a_router(ops.byte())).collect();
                let reply = DatabaseSearchReply { key: self.key(ops.byte()), routers, from: self.a_router(ops.byte()) };
                (MessageKind::DATABASE_SEARCH_REPLY, reply.to_bytes())
            }
            kind::STATUS => {
                let token = self.network.tokens.iter().rev().nth(usize::from(ops.byte() % 8)).copied();
                let status = DeliveryStatus { id: MessageId(token.unwrap_or(7)), time: self.network.now.date };
                (MessageKind::DELIVERY_STATUS, status.to_bytes())
            }
            _ => (MessageKind::SHORT_TUNNEL_BUILD, self.build(ops)),
        };
        let mut body = body;
        ops.change(&mut body);
        self.next += 1;
        let id = MessageId(u32::try_from(self.next).unwrap_or(0));
        let message = I2npMessage::new(kind, id, self.network.now.date + Duration::from_secs(8), body);
        let from = Some(self.network.hash(1 + usize::from(ops.byte()) % (NODES - 1)));
        match ops.byte() % way::COUNT {
            way::DIRECT => self.network.message(from, message),
            way::TUNNEL => {
                if let Some(tunnel) = self.network.own_tunnel(ops.byte()) {
                    self.network.message(from, into_tunnel(tunnel, &message));
                }
            }
            _ => {
                let clove = GarlicClove { delivery: CloveDelivery::Local, message };
                let time = GarlicBlock::DateTime(self.network.now.date.to_seconds_rounded());
                let sealed = router_garlic(id.0, &garlic::encode_blocks(&[time, GarlicBlock::Clove(clove)]));
                let expiration = self.network.now.date + Duration::from_secs(8);
                self.network.message(from, I2npMessage::new(MessageKind::GARLIC, id, expiration, sealed));
            }
        }
    }

    fn a_router(&self, number: u8) -> RouterHash {
        if usize::from(number) < NODES { self.network.hash(usize::from(number)) } else { router(number).hash() }
    }

    fn key(&self, number: u8) -> NetDbKey {
        match number % 3 {
            0 => keys(number / 3).destination().hash().into(),
            1 => self.a_router(number / 3).into(),
            _ => NetDbKey([number; 32]),
        }
    }

    fn reply(&self, ops: &mut Ops<'_>) -> Option<StoreReply> {
        let how = ops.byte();
        let gateway = self.network.hash(usize::from(how / 4) % NODES);
        (!how.is_multiple_of(4)).then(|| StoreReply {
            token: u32::from(how),
            tunnel: TunnelId::new(u32::from(how % 4 - 1)),
            gateway,
        })
    }

    fn store_router(&self, ops: &mut Ops<'_>) -> Vec<u8> {
        let number = ops.byte();
        let info = self.network.infos.get(usize::from(number)).cloned().unwrap_or_else(|| router(number).info.clone());
        DatabaseStore::router_info(&info, self.reply(ops)).to_bytes()
    }

    fn store_leases(&self, ops: &mut Ops<'_>) -> Vec<u8> {
        let number = ops.byte();
        let owner = keys(number);
        let now = self.network.now.date;
        let lease = |at: u8| Lease {
            gateway: self.network.hash(1 + usize::from(at) % (NODES - 1)),
            tunnel: TunnelId::new(1 + u32::from(at)).unwrap(),
            end: Seconds32(now.to_seconds_floor().0 + 300 + u32::from(at)).to_date(),
        };
        let builder = LeaseSet2Builder {
            destination: owner.destination().clone(),
            published: Seconds32(now.to_seconds_floor().0.saturating_sub(u32::from(ops.byte()))),
            lifetime: Duration::from_secs(600),
            unpublished: false,
            options: Mapping::new(),
            key: PrivateKey::from_bytes(&[number; 32]).public(),
            more_keys: Vec::new(),
            leases: (0..ops.byte() % 4).map(lease).collect(),
        };
        let set = LeaseSet2::sign(&builder, owner.signing_key()).unwrap();
        match ops.byte() {
            200.. => {
                let entry = StoreEntry::Other { kind: 5, data: Bytes::from_static(&[1; 50]) };
                DatabaseStore { key: self.key(number), reply: self.reply(ops), entry }.to_bytes()
            }
            _ => DatabaseStore::lease_set2(&set, self.reply(ops)).to_bytes(),
        }
    }

    fn lookup(&self, ops: &mut Ops<'_>) -> DatabaseLookup {
        let (key, how) = (self.key(ops.byte()), ops.byte());
        let kinds = [LookupKind::Any, LookupKind::LeaseSet, LookupKind::RouterInfo, LookupKind::Exploratory];
        DatabaseLookup {
            key,
            from: self.network.hash(usize::from(ops.byte()) % (NODES + 1)),
            reply_tunnel: TunnelId::new(u32::from(how / 16 % 3)),
            kind: kinds[usize::from(how % 4)],
            excluded: (0..how / 4 % 4).map(|at| self.a_router(at)).collect(),
            reply_key: (how >= 128).then_some(ReplyKey { key: [how; 32], tag: SessionTag([how; 8]) }),
        }
    }

    /// A build with a genuine record for the watched engine, among others.
    fn build(&mut self, ops: &mut Ops<'_>) -> Vec<u8> {
        let (role, how) = (ops.byte(), ops.byte());
        let roles = [HopRole::Participant, HopRole::InboundGateway, HopRole::OutboundEndpoint];
        let tunnel = |id: u8| TunnelId::new(1 + u32::from(id % 16)).unwrap();
        let request = ShortRequest {
            receive_tunnel: tunnel(ops.byte()),
            next_tunnel: tunnel(ops.byte()),
            next: self.network.hash(usize::from(ops.byte()) % (NODES + 1)),
            role: roles[usize::from(role % 3)],
            layer_type: u8::from(how == 255),
            request_minutes: self.network.now.date.to_minutes().wrapping_add(u32::from(how / 64)).wrapping_sub(1),
            lifetime_secs: TUNNEL_LIFETIME_SECS,
            next_message_id: MessageId(9),
            options: Mapping::new(),
        };
        let mut clear = request.to_bytes();
        ops.change(&mut clear);
        self.next += 1;
        let record = seal(u32::try_from(self.next).unwrap_or(0), &self.network.hash(0).0[..16], &clear);
        let mut records = vec![vec![how; 218]; usize::from(how % 4)];
        records.insert(usize::from(role) % (records.len() + 1), record);
        [&[u8::try_from(records.len()).unwrap_or(0)], records.concat().as_slice()].concat()
    }

    fn lane(&mut self, which: u8, ops: &mut Ops<'_>) {
        let peer = self.a_router(ops.byte());
        let event = match which % 8 {
            0 => LaneEvent::Connected { peer, inbound: true, clock_skew_secs: 3 },
            1 => LaneEvent::Disconnected { peer },
            2 => {
                LaneEvent::ConnectFailed { peer, fault: [Fault::Peer, Fault::Network, Fault::Local][usize::from(ops.byte() % 3)] }
            }
            3 => LaneEvent::PeerWanted { peer },
            4 | 5 => LaneEvent::Congestion { peer, congested: which % 8 == 4 },
            6 => LaneEvent::RouterInfo { info: router(ops.byte()).info.clone(), from: peer, flood: ops.byte().is_multiple_of(2) },
            _ => LaneEvent::Stats(LaneStats { transit_bytes: u64::from(ops.number()) * 1000, ..LaneStats::default() }),
        };
        self.network.event(event);
    }

    fn open(&mut self, which: u8, ops: &mut Ops<'_>) {
        let how = ops.byte();
        let config = DestinationConfig {
            inbound_length: how % 3,
            outbound_length: how / 3 % 3,
            inbound_quantity: 1,
            outbound_quantity: 1,
            publish: how & 64 != 0,
            accept: how & 128 != 0,
            ..DestinationConfig::default()
        };
        let (keys, id) = (Box::new(keys(which % 4)), IdentityId(u32::from(which % 4)));
        // The shell never uses a number again.
        if self.opened.insert(id) {
            self.network.command(Command::OpenDestination { id, name: String::new(), keys, config });
        }
    }

    fn connect(&mut self, which: u8, to: u8) {
        self.next += 1;
        let (id, stream, rings) = (IdentityId(u32::from(which % 4)), StreamId(self.next), Arc::new(StreamRings::new()));
        self.streams.push((id, stream, Arc::clone(&rings)));
        let to = keys(to % 8).destination().hash();
        self.network.command(Command::Connect { id, stream, to, from_port: 1, to_port: 80, rings });
    }

    fn ask(&mut self, which: u8, what: u8) {
        self.next += 1;
        let request = RequestId(self.next);
        let command = match which % 8 {
            7 => Command::Status { request },
            id => {
                let hash = keys(what % 8).destination().hash();
                Command::LookupDestination { id: IdentityId(u32::from(id % 4)), request, hash }
            }
        };
        self.network.command(command);
    }

    fn write(&mut self, which: u8, len: usize) {
        let Some(at) = usize::from(which).checked_rem(self.streams.len()) else { return };
        let (id, stream, rings) = &self.streams[at];
        match which / 64 {
            0 | 1 => drop(rings.try_write(&vec![7; len])),
            2 => rings.shutdown(),
            _ => rings.reset(),
        }
        let command = Command::StreamDirty { id: *id, stream: *stream };
        self.network.command(command);
    }
}

/// Noise N to the watched engine: `prefix` · ephemeral key · sealed.
fn seal(number: u32, prefix: &[u8], clear: &[u8]) -> Vec<u8> {
    seal_to(&secrets(0).encryption_key.public(), number, prefix, clear)
}

/// The same to any router.
pub(crate) fn seal_to(to: &PublicKey, number: u32, prefix: &[u8], clear: &[u8]) -> Vec<u8> {
    let ephemeral = PrivateKey::generate(&mut SeededRng::new([7; 32]).child(&number.to_string()));
    let mut noise = SymmetricState::new(b"Noise_N_25519_ChaChaPoly_SHA256");
    noise.mix_prologue(&[]);
    noise.mix_hash(&to.0);
    noise.mix_hash(&ephemeral.public().0);
    noise.mix_key(ephemeral.diffie_hellman(to).unwrap().as_bytes());
    let mut sealed = [prefix, &ephemeral.public().0].concat();
    let at = sealed.len();
    sealed.extend_from_slice(clear);
    noise.encrypt_and_hash(&mut sealed, at);
    sealed
}

fn router_garlic(number: u32, blocks: &[u8]) -> Vec<u8> {
    Garlic(seal(number, &[], blocks).into()).to_bytes()
}
