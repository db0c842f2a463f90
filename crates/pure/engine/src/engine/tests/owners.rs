//! Whose state is whose, by digests of it, and what is left of a destination that is closed.

use super::*;

/// A message down a tunnel of ours, as the lane gives it.
pub(super) fn through(bench: &Bench, tunnel: TunnelId, id: u32, kind: MessageKind, body: Vec<u8>) -> LaneEvent {
    let expiration = bench.now.date + Duration::from_secs(30);
    let message = I2npMessage::new(kind, MessageId(id), expiration, body).encode_long().into();
    let body = TunnelGateway { tunnel, message }.to_bytes();
    let message = I2npMessage::new(MessageKind::TUNNEL_GATEWAY, MessageId(id), expiration, body);
    LaneEvent::Message { from: Some(bench.floodfill.identity.hash()), message }
}

/// Gives it and names the owners whose state changed by it.
pub(super) fn changed_by(bench: &mut Bench, event: LaneEvent) -> Vec<Owner> {
    let owners = [Owner::Router, Owner::Identity(A), Owner::Identity(B)];
    let prints = |bench: &Bench| owners.map(|owner| bench.engine.fingerprint(owner));
    // What is due anyway isn't the message's doing.
    bench.engine.handle_timeout(bench.now);
    bench.drain();
    let before = prints(bench);
    assert_eq!(prints(bench), before, "the same of the same state");
    assert!(!bench.engine.has_backlog());
    bench.engine.handle_lane(bench.now, event);
    while bench.engine.has_backlog() {
        bench.engine.handle_timeout(bench.now);
    }
    bench.drain();
    let after = prints(bench);
    (0..owners.len()).filter(|at| before[*at] != after[*at]).map(|at| owners[at]).collect()
}

/// A new session of a stranger, with its LeaseSet.
fn greeting(bench: &Bench, key: &x25519::PublicKey) -> Vec<u8> {
    let own = x25519::PrivateKey::generate(&mut rng("stranger's key"));
    let set = lease_set(&keys("stranger"), own.public(), bench.now.date);
    let store = DatabaseStore::lease_set2(&set, None).to_bytes();
    let clove = GarlicClove { delivery: CloveDelivery::Local, message: bench.message(MessageKind::DATABASE_STORE, store) };
    let mut sessions = Sessions::new(own, Box::new(rng("stranger's sessions")));
    sessions.encrypt(bench.now, key, &[clove], true).unwrap().body.to_vec()
}

#[test]
fn a_message_changes_its_owners_state_alone_and_only_once() {
    let mut bench = Bench::new(NET);
    let through_b = bench.open(B, true);
    bench.sent.clear();
    let through_a = bench.open(A, true);
    assert_eq!(bench.engine.owner_of_tunnel(through_a), Some(Owner::Identity(A)));
    assert_eq!(bench.engine.owner_of_tunnel(through_b), Some(Owner::Identity(B)));
    assert_eq!(bench.engine.owner_of_tunnel(TunnelId::new(7).unwrap()), None);
    let (token, set) = bench.stored().unwrap();
    let (sought, missing) = (keys("sought"), keys("missing").destination().hash());
    bench.look_up(A, 1, sought.destination().hash());
    bench.look_up(A, 2, missing);
    // What B looks for too is nothing that A's answers tell it.
    bench.look_up(B, 3, sought.destination().hash());
    let found = lease_set(&sought, x25519::PublicKey([9; 32]), bench.now.date);
    let nothing = DatabaseSearchReply { key: missing.into(), routers: Vec::new(), from: bench.floodfill.identity.hash() };
    let stray = lease_set(&keys("stray"), x25519::PublicKey([8; 32]), bench.now.date);
    let messages = [
        (MessageKind::DELIVERY_STATUS, DeliveryStatus { id: MessageId(token), time: bench.now.date }.to_bytes()),
        (MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&found, None).to_bytes()),
        (MessageKind::DATABASE_SEARCH_REPLY, nothing.to_bytes()),
        (MessageKind::GARLIC, greeting(&bench, &set.x25519_key().unwrap())),
        (MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&stray, None).to_bytes()),
    ];
    for (id, (kind, body)) in (100..).zip(messages) {
        let event = || through(&bench, through_a, id, kind, body.clone());
        let (first, again) = (event(), event());
        assert_eq!(changed_by(&mut bench, first), [Owner::Identity(A)], "{kind:?}");
        assert_eq!(changed_by(&mut bench, again), [], "{kind:?} again");
    }
}

#[test]
fn a_store_to_the_floodfill_changes_the_routers_state() {
    let mut bench = Bench::new(NET);
    bench.open(A, true);
    let set = lease_set(&keys("stranger"), x25519::PublicKey([9; 32]), bench.now.date);
    let message = bench.message(MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&set, None).to_bytes());
    let event = || LaneEvent::Message { from: Some(bench.floodfill.identity.hash()), message: message.clone() };
    let (first, again) = (event(), event());
    assert_eq!(changed_by(&mut bench, first), [Owner::Router]);
    assert_eq!(changed_by(&mut bench, again), []);
}

/// Bounds of an identity that hold something.
fn held(bench: &Bench, id: IdentityId) -> Vec<&'static str> {
    let mut names = Vec::new();
    bench.engine.bounds(&mut |bound| {
        if bound.identity == Some(id.0) && bound.fill > 0 {
            names.push(bound.name);
        }
    });
    names
}

#[test]
fn nothing_of_a_closed_destination_stays() {
    let mut bench = Bench::new(NET);
    bench.open(B, false);
    bench.sent.clear();
    let through_a = bench.open(A, true);
    let set = bench.stored().unwrap().1;
    let connect = |id: u64, to| {
        let rings = Arc::new(crate::streaming::StreamRings::new());
        Command::Connect { id: A, stream: crate::streaming::StreamId(id), to, from_port: 0, to_port: 80, rings }
    };
    let event = through(&bench, through_a, 100, MessageKind::GARLIC, greeting(&bench, &set.x25519_key().unwrap()));
    bench.engine.handle_lane(bench.now, event);
    bench.drain();
    let commands = [
        connect(1, keys("stranger").destination().hash()),
        connect(2, DestinationHash([3; 32])),
        Command::LookupDestination { id: A, request: RequestId(1), hash: DestinationHash([4; 32]) },
    ];
    for command in commands {
        bench.engine.handle_command(bench.now, command);
    }
    bench.run(10);
    let filled = held(&bench, A);
    for name in
        ["tunnel-own-ids", "netdb-lookups", "engine-lease-sets-sought", "ratchet-sessions", "ratchet-one-time-keys", "streams"]
    {
        assert!(filled.contains(&name), "{name} of {filled:?}");
    }
    bench.engine.handle_command(bench.now, Command::CloseDestination { id: A });
    bench.run(60_000);
    assert_eq!(held(&bench, A), [""; 0]);
    assert!(!held(&bench, B).is_empty());
}

#[test]
fn destinations_beyond_the_limit_are_not_opened() {
    let mut bench = Bench::new(NET);
    for number in 0..300 {
        let keys = Box::new(keys("one for all"));
        let config = DestinationConfig::default();
        let command = Command::OpenDestination { id: IdentityId(number), name: String::new(), keys, config };
        bench.engine.handle_command(bench.now, command);
    }
    bench.drain();
    assert_eq!(bench.status().len(), 255);
    assert_eq!(bench.engine.status(bench.now).drops.get("destination-limit"), Some(&45));
}
