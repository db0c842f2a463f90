//! The engine with a wire in our hands: destinations with tunnels of no hops, so that what goes in and comes out lies open.

mod greeting;
mod local;
mod owners;
mod reseeding;
mod sharing;

use ramson_crypto::ed25519;
use ramson_leaks::{Watch, watch_thread};
use ramson_wire::garlic::GarlicClove;
use ramson_wire::i2np::{
    DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, LookupKind, ReplyKey, StoreEntry, TunnelGateway,
};
use ramson_wire::{
    CloveDelivery, Codec, Date, DestinationHash, DestinationKeys, I2npMessage, Lease, LeaseSet2, LeaseSet2Builder, Mapping,
    MessageId, MessageKind, NetDbKey, RouterIdentity, Seconds32, TunnelId,
};

use super::*;
use crate::interface::{DestinationConfig, Record};
use crate::netdb::Source;
use crate::session::{Sessions, router_garlic};
use crate::status::DestinationStatus;

const A: IdentityId = IdentityId(1);
const B: IdentityId = IdentityId(2);
const NET: u8 = 77;
/// 2026-06-01 12:00 UTC.
const NOON: u64 = 1_780_315_200_000;
/// Where the stranger can be reached.
const STRANGERS_GATEWAY: RouterHash = RouterHash([5; 32]);

fn rng(label: &str) -> SeededRng {
    SeededRng::new([7; 32]).child(label)
}

fn secrets(label: &str) -> RouterSecrets {
    let mut rng = rng(label);
    let (signing_key, encryption_key) = (ed25519::SigningKey::generate(&mut rng), x25519::PrivateKey::generate(&mut rng));
    RouterSecrets {
        identity: RouterIdentity::new(&encryption_key.public(), &signing_key.public(), &mut rng),
        signing_key,
        encryption_key,
        ntcp2_key: x25519::PrivateKey::generate(&mut rng),
        ntcp2_iv: [1; 16],
    }
}

fn keys(label: &str) -> DestinationKeys {
    DestinationKeys::generate(&mut rng(label))
}

/// A LeaseSet of a stranger.
fn lease_set(keys: &DestinationKeys, key: x25519::PublicKey, now: Date) -> LeaseSet2 {
    let builder = LeaseSet2Builder {
        destination: keys.destination().clone(),
        published: Seconds32(u32::try_from(now.0 / 1_000).unwrap()),
        lifetime: Duration::from_secs(600),
        unpublished: false,
        options: Mapping::default(),
        key,
        more_keys: Vec::new(),
        leases: vec![Lease {
            gateway: STRANGERS_GATEWAY,
            tunnel: TunnelId::new(6).unwrap(),
            end: now + Duration::from_secs(600),
        }],
    };
    LeaseSet2::sign(&builder, keys.signing_key()).unwrap()
}

/// An engine that serves as a floodfill, and knows one other: us.
struct Bench {
    engine: Engine,
    floodfill: RouterSecrets,
    now: Now,
    /// Ids of our tunnels towards us, in the order in which they came.
    tunnels: Vec<TunnelId>,
    sent: Vec<(RouterHash, I2npMessage)>,
    /// Keys for the answers to the questions that the floodfill got.
    reply_keys: Vec<(NetDbKey, ReplyKey)>,
    events: Vec<Event>,
    /// Hashes of routers in the order in which they went to the disk.
    saved: Vec<RouterHash>,
    leaks: Watch,
}

impl Bench {
    fn new(net_id: u8) -> Self {
        let leaks = watch_thread();
        let now = Now { tick: Tick(1_000_000_000), date: Date(NOON) };
        let floodfill = secrets("floodfill");
        let config = |host: [u8; 4]| EngineConfig {
            net_id,
            floodfill: true,
            ignore_subnets: true,
            addresses: vec![SocketAddr::from((host, 12_345))],
            ipv4: true,
            ipv6: false,
            limits: EngineLimits::default(),
        };
        let info = own_router::sign(&floodfill, now.date, &config([10, 0, 0, 2])).unwrap();
        let snapshot = Snapshot { reseed: vec![info.bytes().clone()], ..Snapshot::default() };
        let engine = Engine::new(now, config([10, 1, 0, 3]), secrets("us"), snapshot, Box::new(rng("engine"))).unwrap();
        let mut bench = Self {
            engine,
            floodfill,
            now,
            tunnels: Vec::new(),
            sent: Vec::new(),
            reply_keys: Vec::new(),
            events: Vec::new(),
            saved: Vec::new(),
            leaks,
        };
        bench.drain();
        bench
    }

    fn drain(&mut self) -> Option<Tick> {
        loop {
            match self.engine.poll_output() {
                Output::Lane(LaneCommand::InstallOwn { tunnel, .. }) => self.tunnels.push(tunnel),
                Output::Lane(LaneCommand::Send { to, message, .. }) => self.sent.push((to, message)),
                Output::Event(event) => self.events.push(event),
                Output::Store(Record::Router { hash, .. }) => self.saved.push(hash),
                Output::Lane(_) | Output::Store(_) => {}
                Output::Timeout(due) => {
                    self.engine.bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{bound:?}"));
                    return due;
                }
            }
        }
    }

    fn run(&mut self, ms: u64) {
        let end = self.now.tick + Duration::from_millis(ms);
        let mut due = self.drain();
        while let Some(at) = due.filter(|at| *at <= end) {
            self.advance(at.max(self.now.tick + Duration::from_millis(1)));
            self.engine.handle_timeout(self.now);
            due = self.drain();
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Tick) {
        let step = to.saturating_since(self.now.tick);
        self.now = Now { tick: self.now.tick + step, date: self.now.date + step };
    }

    /// Opens a destination without hops and gives the id of its tunnel towards us.
    fn open(&mut self, id: IdentityId, publish: bool) -> TunnelId {
        let config = DestinationConfig {
            inbound_length: 0,
            outbound_length: 0,
            inbound_quantity: 1,
            outbound_quantity: 1,
            publish,
            accept: publish,
            ..DestinationConfig::default()
        };
        let before = self.tunnels.len();
        let keys = Box::new(keys(&format!("destination {}", id.0)));
        self.engine.handle_command(self.now, Command::OpenDestination { id, name: "test".to_owned(), keys, config });
        self.run(1_000);
        self.tunnels.get(before).copied().unwrap()
    }

    fn message(&self, kind: MessageKind, body: Vec<u8>) -> I2npMessage {
        I2npMessage::new(kind, MessageId(1), self.now.date + Duration::from_secs(30), body)
    }

    /// Straight to the router.
    fn give(&mut self, kind: MessageKind, body: Vec<u8>) {
        let message = self.message(kind, body);
        self.engine.handle_lane(self.now, LaneEvent::Message { from: Some(self.floodfill.identity.hash()), message });
        self.run(10);
    }

    /// Down a tunnel of ours.
    fn give_through(&mut self, tunnel: TunnelId, kind: MessageKind, body: Vec<u8>) {
        let message = self.message(kind, body).encode_long().into();
        self.give(MessageKind::TUNNEL_GATEWAY, TunnelGateway { tunnel, message }.to_bytes());
    }

    /// What the floodfill can read of what was sent to it, since last asked.
    fn asked(&mut self) -> Vec<I2npMessage> {
        let mut read = Vec::new();
        for (to, message) in std::mem::take(&mut self.sent) {
            if to == self.floodfill.identity.hash() && message.kind == MessageKind::GARLIC {
                let cloves = router_garlic::open(self.now, &self.floodfill.encryption_key, &message.body).unwrap();
                read.extend(cloves.into_iter().map(|clove| clove.message));
            }
        }
        let lookups = read.iter().filter(|message| message.kind == MessageKind::DATABASE_LOOKUP);
        let keys = lookups.filter_map(|message| DatabaseLookup::from_bytes(&message.body).ok());
        self.reply_keys.extend(keys.filter_map(|lookup| Some((lookup.key, lookup.reply_key?))));
        read
    }

    /// The key for the answer to the last question about this.
    fn reply_key(&mut self, asked: DestinationHash) -> ReplyKey {
        let found = self.reply_keys.iter().rev().find(|(key, _)| *key == asked.into());
        found.map(|(_, key)| key.clone()).unwrap()
    }

    /// An answer as a floodfill sends it: sealed, down a tunnel of ours.
    fn answer_through(&mut self, tunnel: TunnelId, key: &ReplyKey, kind: MessageKind, body: Vec<u8>) {
        let clove = GarlicClove { delivery: CloveDelivery::Local, message: self.message(kind, body) };
        let garlic = router_garlic::seal_one_time(&key.key, key.tag, &clove, &mut rng("floodfill's answer")).unwrap();
        self.give_through(tunnel, MessageKind::GARLIC, garlic.to_vec());
    }

    fn lookups(&mut self, hash: DestinationHash) -> usize {
        let lookup =
            |message: &I2npMessage| DatabaseLookup::from_bytes(&message.body).is_ok_and(|lookup| lookup.key == hash.into());
        self.asked().iter().filter(|message| message.kind == MessageKind::DATABASE_LOOKUP && lookup(message)).count()
    }

    /// The LeaseSet store among what the floodfill was sent.
    fn stored(&mut self) -> Option<(u32, LeaseSet2)> {
        let asked = self.asked();
        let stores = asked.iter().filter(|message| message.kind == MessageKind::DATABASE_STORE);
        let mut sets = stores.filter_map(|message| match DatabaseStore::from_bytes(&message.body).unwrap() {
            DatabaseStore { entry: StoreEntry::LeaseSet2(set), reply: Some(reply), .. } => {
                Some((reply.token, set.verify().unwrap()))
            }
            _ => None,
        });
        sets.next()
    }

    fn look_up(&mut self, id: IdentityId, request: u64, hash: DestinationHash) {
        self.engine.handle_command(self.now, Command::LookupDestination { id, request: RequestId(request), hash });
        self.run(10);
    }

    /// Answers to [`Self::look_up`] so far.
    fn found(&self) -> Vec<(u64, bool)> {
        let result = |event: &Event| match event {
            Event::LookupResult { request, destination } => Some((request.0, destination.is_some())),
            _ => None,
        };
        self.events.iter().filter_map(result).collect()
    }

    fn is_ready(&self, wanted: IdentityId) -> bool {
        self.events.iter().any(|event| matches!(event, Event::DestinationReady { id } if *id == wanted))
    }

    fn status(&self) -> Vec<DestinationStatus> {
        self.engine.status(self.now).destinations
    }

    /// Asks us as a floodfill, as anybody on the network may, and says the kind of the answer.
    fn network_asks(&mut self, hash: DestinationHash) -> Vec<MessageKind> {
        self.sent.clear();
        let asker = RouterHash([8; 32]);
        let lookup = DatabaseLookup {
            key: hash.into(),
            from: asker,
            reply_tunnel: None,
            kind: LookupKind::Any,
            excluded: Vec::new(),
            reply_key: None,
        };
        self.give(MessageKind::DATABASE_LOOKUP, lookup.to_bytes());
        self.sent.iter().filter(|(to, _)| *to == asker).map(|(_, message)| message.kind).collect()
    }
}

#[test]
fn what_it_knows_goes_to_the_disk_at_a_start_and_before_a_stop() {
    let mut bench = Bench::new(NET);
    assert_eq!(bench.saved, [bench.floodfill.identity.hash()], "the reseed");
    bench.run(1);
    let config = EngineConfig { addresses: vec![SocketAddr::from(([10, 2, 0, 4], 12_345))], ..bench.engine.config.clone() };
    let info = own_router::sign(&secrets("newcomer"), bench.now.date, &config).unwrap();
    let hash = info.hash();
    bench.engine.netdb.add_router(bench.now, info, Source::Handshake);
    bench.engine.flush(bench.now);
    bench.drain();
    assert_eq!(bench.saved.last(), Some(&hash));
}

/// Else the watch over each engine would show nothing.
#[test]
fn what_cannot_be_read_is_logged() {
    let mut bench = Bench::new(NET);
    bench.give(MessageKind::DATABASE_STORE, vec![1]);
    assert!(bench.leaks.heard("ramson_engine", tracing::Level::DEBUG));
}

#[test]
fn a_look_ups_answer_counts_only_through_the_tunnel_of_who_asked() {
    let mut bench = Bench::new(NET);
    let (through_a, through_b) = (bench.open(A, false), bench.open(B, false));
    let stranger = keys("stranger");
    let hash = stranger.destination().hash();
    bench.sent.clear();
    bench.look_up(A, 1, hash);
    assert_eq!(bench.lookups(hash), 1);
    let set = lease_set(&stranger, x25519::PublicKey([9; 32]), bench.now.date);
    let store = DatabaseStore::lease_set2(&set, None).to_bytes();
    let nothing = DatabaseSearchReply { key: hash.into(), routers: Vec::new(), from: bench.floodfill.identity.hash() }.to_bytes();
    let key = bench.reply_key(hash);
    bench.answer_through(through_b, &key, MessageKind::DATABASE_STORE, store.clone());
    bench.give(MessageKind::DATABASE_SEARCH_REPLY, nothing);
    assert_eq!(bench.found(), []);
    bench.answer_through(through_a, &key, MessageKind::DATABASE_STORE, store);
    assert_eq!(bench.found(), [(1, true)]);
    // Neither the network nor B is told what A knows: B asks for itself, A needn't any more.
    assert_eq!(bench.network_asks(hash), [MessageKind::DATABASE_SEARCH_REPLY]);
    bench.sent.clear();
    bench.look_up(B, 2, hash);
    assert_eq!((bench.lookups(hash), bench.found().len()), (1, 1));
    bench.look_up(A, 3, hash);
    assert_eq!((bench.lookups(hash), bench.found().len()), (0, 2));
}

#[test]
fn look_ups_are_counted() {
    let mut bench = Bench::new(NET);
    let through_a = bench.open(A, false);
    let before = bench.engine.status(bench.now).lookups;
    let (stranger, nobody) = (keys("stranger"), keys("nobody").destination().hash());
    bench.sent.clear();
    bench.look_up(A, 1, stranger.destination().hash());
    assert_eq!(bench.lookups(stranger.destination().hash()), 1);
    bench.look_up(A, 2, stranger.destination().hash());
    bench.look_up(A, 3, nobody);
    assert_eq!(bench.lookups(nobody), 1);
    let keys = [stranger.destination().hash(), nobody].map(|hash| bench.reply_key(hash));
    let set = lease_set(&stranger, x25519::PublicKey([9; 32]), bench.now.date);
    bench.answer_through(through_a, &keys[0], MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&set, None).to_bytes());
    let nothing = DatabaseSearchReply { key: nobody.into(), routers: Vec::new(), from: bench.floodfill.identity.hash() };
    bench.answer_through(through_a, &keys[1], MessageKind::DATABASE_SEARCH_REPLY, nothing.to_bytes());
    // Till the second branch has found nobody else to ask.
    bench.run(300);
    let after = bench.engine.status(bench.now).lookups;
    let counts = [after.asked - before.asked, after.found - before.found, after.failed - before.failed];
    assert_eq!(counts, [2, 1, 1], "two that want the same make one search");
}

#[test]
fn a_look_ups_answer_counts_only_under_its_own_key() {
    let mut bench = Bench::new(NET);
    let through = bench.open(A, true);
    let key_of_a = bench.stored().unwrap().1.x25519_key().unwrap();
    let (first, second) = (keys("first"), keys("second"));
    let hashes = [&first, &second].map(|keys| keys.destination().hash());
    bench.sent.clear();
    bench.look_up(A, 1, hashes[0]);
    assert_eq!(bench.lookups(hashes[0]), 1);
    bench.look_up(A, 2, hashes[1]);
    assert_eq!(bench.lookups(hashes[1]), 1);
    let key = |bench: &mut Bench, at: usize| bench.reply_key(hashes[at]);
    let (now, own) = (bench.now.date, x25519::PrivateKey::generate(&mut rng("stranger's key")));
    let public = own.public();
    let store = |keys: &DestinationKeys| DatabaseStore::lease_set2(&lease_set(keys, public, now), None).to_bytes();
    let from = bench.floodfill.identity.hash();
    let nothing = |at: usize| DatabaseSearchReply { key: hashes[at].into(), routers: Vec::new(), from }.to_bytes();
    // In clear, and from a stranger in a session that it begins.
    let mut sessions = Sessions::new(own, Box::new(rng("stranger's sessions")));
    for at in 0..2 {
        bench.give_through(through, MessageKind::DATABASE_SEARCH_REPLY, nothing(at));
        let message = bench.message(MessageKind::DATABASE_SEARCH_REPLY, nothing(at));
        let clove = GarlicClove { delivery: CloveDelivery::Local, message };
        let garlic = sessions.encrypt(bench.now, &key_of_a, &[clove], false).unwrap().body.to_vec();
        bench.give_through(through, MessageKind::GARLIC, garlic);
    }
    bench.give_through(through, MessageKind::DATABASE_STORE, store(&first));
    // Under the other question's key, which is used up by it.
    let other = key(&mut bench, 1);
    bench.answer_through(through, &other, MessageKind::DATABASE_STORE, store(&first));
    bench.answer_through(through, &other, MessageKind::DATABASE_STORE, store(&second));
    assert_eq!(bench.found(), []);
    assert_eq!(bench.lookups(hashes[0]) + bench.lookups(hashes[1]), 0, "nobody was asked again for it");
    let right = key(&mut bench, 0);
    bench.answer_through(through, &right, MessageKind::DATABASE_STORE, store(&first));
    assert_eq!(bench.found(), [(1, true)]);
}

#[test]
fn a_question_through_a_destinations_tunnel_has_no_answer() {
    let mut bench = Bench::new(NET);
    let through_a = bench.open(A, false);
    let ours = keys("destination 1").destination().hash();
    assert_eq!(bench.network_asks(ours), [MessageKind::DATABASE_SEARCH_REPLY]);
    bench.sent.clear();
    let asker = RouterHash([8; 32]);
    for key in [ours.into(), bench.engine.router_info.hash().into()] {
        let lookup =
            DatabaseLookup { key, from: asker, reply_tunnel: None, kind: LookupKind::Any, excluded: Vec::new(), reply_key: None };
        bench.give_through(through_a, MessageKind::DATABASE_LOOKUP, lookup.to_bytes());
    }
    assert!(bench.sent.iter().all(|(to, _)| *to != asker));
}

#[test]
fn a_confirmation_counts_only_for_the_destination_whose_tunnel_it_came_through() {
    let mut bench = Bench::new(NET);
    let through_b = bench.open(B, false);
    bench.sent.clear();
    let through_a = bench.open(A, true);
    let (token, set) = bench.stored().unwrap();
    assert_eq!(set.destination().hash(), keys("destination 1").destination().hash());
    let confirmation = DeliveryStatus { id: MessageId(token), time: bench.now.date }.to_bytes();
    bench.give_through(through_b, MessageKind::DELIVERY_STATUS, confirmation.clone());
    bench.give(MessageKind::DELIVERY_STATUS, confirmation.clone());
    assert!(bench.status().iter().all(|destination| !destination.published));
    assert!(bench.is_ready(B) && !bench.is_ready(A));
    bench.give_through(through_a, MessageKind::DELIVERY_STATUS, confirmation);
    assert_eq!(bench.status().iter().map(|destination| destination.published).collect::<Vec<_>>(), [true, false]);
    assert!(bench.is_ready(A));
    // As a floodfill we know it no more than others tell us.
    assert_eq!(bench.network_asks(set.destination().hash()), [MessageKind::DATABASE_SEARCH_REPLY]);
}

#[test]
fn garlic_to_one_destination_means_nothing_through_anothers_tunnel() {
    let mut bench = Bench::new(NET);
    let through_b = bench.open(B, true);
    bench.sent.clear();
    let through_a = bench.open(A, true);
    let key_of_a = bench.stored().unwrap().1.x25519_key().unwrap();
    let (stranger, own) = (keys("stranger"), x25519::PrivateKey::generate(&mut rng("stranger's key")));
    let set = lease_set(&stranger, own.public(), bench.now.date);
    let store = DatabaseStore::lease_set2(&set, None).to_bytes();
    let clove = GarlicClove { delivery: CloveDelivery::Local, message: bench.message(MessageKind::DATABASE_STORE, store) };
    let mut sessions = Sessions::new(own, Box::new(rng("stranger's sessions")));
    let garlic = sessions.encrypt(bench.now, &key_of_a, &[clove], true).unwrap().body.to_vec();
    bench.sent.clear();
    let replies = |bench: &Bench| bench.sent.iter().filter(|(to, _)| *to == STRANGERS_GATEWAY).count();
    bench.give_through(through_b, MessageKind::GARLIC, garlic.clone());
    bench.give(MessageKind::GARLIC, garlic.clone());
    bench.run(3_000);
    assert_eq!(replies(&bench), 0);
    bench.give_through(through_a, MessageKind::GARLIC, garlic);
    bench.run(3_000);
    assert!(replies(&bench) > 0);
}

#[test]
fn a_closed_destination_answers_who_still_waits() {
    let mut bench = Bench::new(NET);
    bench.open(A, false);
    bench.look_up(A, 1, DestinationHash([3; 32]));
    assert_eq!(bench.found(), []);
    bench.engine.handle_command(bench.now, Command::CloseDestination { id: A });
    bench.drain();
    assert_eq!(bench.found(), [(1, false)]);
    bench.look_up(A, 2, DestinationHash([3; 32]));
    assert_eq!(bench.found(), [(1, false), (2, false)]);
}

/// Opens ten destinations at once; says when each had a tunnel, in seconds.
fn start_times(net_id: u8, publish: bool, wait: u64) -> Vec<u64> {
    let mut bench = Bench::new(net_id);
    bench.run(wait * 1_000);
    for number in 0..10 {
        let config = DestinationConfig { inbound_length: 0, outbound_length: 0, publish, ..DestinationConfig::default() };
        let keys = Box::new(keys(&format!("destination {number}")));
        let command = Command::OpenDestination { id: IdentityId(number), name: String::new(), keys, config };
        bench.engine.handle_command(bench.now, command);
    }
    let promised: Vec<u64> = bench.status().iter().map(|destination| destination.starts_in_secs).collect();
    let mut times = vec![None; 10];
    for second in 0..=122 {
        for (time, destination) in times.iter_mut().zip(bench.status()) {
            if destination.inbound > 0 {
                time.get_or_insert(second);
                assert_eq!(destination.starts_in_secs, 0);
            }
        }
        bench.run(1_000);
    }
    let times: Vec<u64> = times.into_iter().map(Option::unwrap).collect();
    assert!(promised.iter().zip(&times).all(|(promised, time)| (0..=3).contains(&(time - promised))), "{promised:?} {times:?}");
    times
}

#[test]
fn servers_of_the_public_network_come_up_apart_and_others_at_once() {
    let times = start_times(2, true, 0);
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > 60, "{times:?}");
    assert_eq!(times, start_times(2, true, 0), "the seed decides");
    for (net_id, publish, wait) in [(2, false, 0), (NET, true, 0), (2, true, 121)] {
        assert!(start_times(net_id, publish, wait).iter().all(|time| *time <= 2));
    }
}
