//! Destinations of one router that talk with each other, and what a destination passes on.

use super::owners::{changed_by, through};
use super::*;
use crate::streaming::{StreamId, StreamRings};

/// A published B and a client A, which is about to connect to it.
struct Two {
    bench: Bench,
    through_a: TunnelId,
    set: LeaseSet2,
    rings: Arc<StreamRings>,
}

impl Two {
    fn new(net_id: u8) -> Self {
        let mut bench = Bench::new(net_id);
        // Past the time in which servers come up apart.
        bench.run(121_000);
        bench.sent.clear();
        bench.open(B, true);
        let (_, set) = bench.stored().unwrap();
        let through_a = bench.open(A, false);
        bench.sent.clear();
        Self { bench, through_a, set, rings: Arc::new(StreamRings::new()) }
    }

    fn connect(&mut self) {
        let (to, rings) = (self.set.destination().hash(), Arc::clone(&self.rings));
        let connect = Command::Connect { id: A, stream: StreamId(1), to, from_port: 5, to_port: 80, rings };
        self.bench.engine.handle_command(self.bench.now, connect);
    }

    /// What the floodfill answers to A's question.
    fn answer(&mut self) -> LaneEvent {
        let hash = self.set.destination().hash();
        assert!(self.bench.lookups(hash) > 0);
        let (key, body) = (self.bench.reply_key(hash), DatabaseStore::lease_set2(&self.set, None).to_bytes());
        let clove =
            GarlicClove { delivery: CloveDelivery::Local, message: self.bench.message(MessageKind::DATABASE_STORE, body) };
        let garlic = router_garlic::seal_one_time(&key.key, key.tag, &clove, &mut rng("floodfill's answer")).unwrap();
        through(&self.bench, self.through_a, 200, MessageKind::GARLIC, garlic.to_vec())
    }

    fn met(&self) -> (bool, bool) {
        let any = |wanted: fn(&Event) -> bool| self.bench.events.iter().any(wanted);
        (
            any(|event| matches!(event, Event::Incoming { id: B, .. })),
            any(|event| matches!(event, Event::StreamConnected { id: A, .. })),
        )
    }

    /// Milliseconds until both know.
    fn meet(&mut self) -> u64 {
        let begin = self.bench.now.tick;
        while self.met() != (true, true) {
            self.bench.run(10);
            assert!(self.bench.now.tick.saturating_since(begin) < Duration::from_secs(5), "{:?}", self.met());
        }
        u64::try_from(self.bench.now.tick.saturating_since(begin).as_millis()).unwrap()
    }
}

#[test]
fn two_destinations_of_one_router_meet_inside_once_the_lease_set_was_found() {
    let mut two = Two::new(NET);
    two.connect();
    two.bench.run(2_000);
    assert_eq!(two.met(), (false, false), "nobody knows a neighbour by himself");
    let answer = two.answer();
    assert_eq!(changed_by(&mut two.bench, answer), [Owner::Identity(A)], "what A then sends reaches B later");
    two.bench.sent.clear();
    assert!(two.meet() < 1_000);
    let floodfill = two.bench.floodfill.identity.hash();
    assert!(two.bench.sent.iter().all(|(to, _)| *to == floodfill), "only questions leave the router");
    two.bench.engine.handle_command(two.bench.now, Command::CloseDestination { id: A });
    two.bench.run(100);
    let closed = |event: &Event| matches!(event, Event::StreamClosed { id: B, .. });
    assert!(two.bench.events.iter().any(closed), "the end of a stream arrives after its destination is gone");
}

#[test]
fn neighbours_of_the_public_network_are_no_nearer_than_others() {
    let mut two = Two::new(2);
    two.connect();
    two.bench.run(100);
    let answer = two.answer();
    two.bench.engine.handle_lane(two.bench.now, answer);
    let took = two.meet();
    assert!((400..2_000).contains(&took), "{took} ms there and back");
}

#[test]
fn a_restarted_destination_has_another_key() {
    let key = |seed: u8| {
        let rng = SeededRng::new([seed; 32]);
        let config = DestinationConfig::default();
        let now = Now { tick: Tick(0), date: Date(NOON) };
        Destination::new(now, A, String::new(), &keys("kept"), config, &rng).encryption_key()
    };
    // Java lets no second session of one key take the first one's place for two minutes, so a kept key would be answered in the old one.
    assert_ne!(key(1), key(2));
}

#[test]
fn payloads_of_other_protocols_are_passed_on_with_their_ports() {
    let mut bench = Bench::new(NET);
    let through_a = bench.open(A, true);
    let key_of_a = bench.stored().unwrap().1.x25519_key().unwrap();
    let (stranger, own) = (keys("stranger"), x25519::PrivateKey::generate(&mut rng("stranger's key")));
    let set = lease_set(&stranger, own.public(), bench.now.date);
    let mut sessions = Sessions::new(own, Box::new(rng("stranger's sessions")));
    for bundled in [false, true] {
        let framed = ramson_wire::payload::encode(7, 9, ramson_wire::payload::RAW, b"hello");
        let data = bench.message(MessageKind::DATA, ramson_wire::i2np::Data(framed.into()).to_bytes());
        let mut cloves = vec![GarlicClove { delivery: CloveDelivery::Local, message: data }];
        if bundled {
            let store = bench.message(MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&set, None).to_bytes());
            cloves.push(GarlicClove { delivery: CloveDelivery::Local, message: store });
        }
        let garlic = sessions.encrypt(bench.now, &key_of_a, &cloves, false).unwrap().body.to_vec();
        bench.give_through(through_a, MessageKind::GARLIC, garlic);
        let Some(Event::Datagram { id: A, protocol: 18, from, from_port: 7, to_port: 9, payload }) = bench.events.pop() else {
            panic!("{:?}", bench.events)
        };
        assert_eq!((from, &payload[..]), (bundled.then(|| stranger.destination().hash()), &b"hello"[..]));
    }
}
