//! A router flooded by strangers with all that is dear: what it holds stays bounded, and its own work goes on.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::{ed25519, x25519};
use ramson_lane::{Class, LaneCommand, LaneEvent};
use ramson_leaks::{Watched, watch_thread};
use ramson_wire::i2np::{DatabaseLookup, DatabaseStore, LookupKind, StoreReply};
use ramson_wire::{
    Codec, Date, I2npMessage, MessageId, MessageKind, NetDbKey, Now, RouterHash, RouterIdentity, RouterInfo, Tick,
};

use super::{Engine, EngineConfig, EngineLimits};
use crate::interface::{Output, Snapshot};
use crate::own_router::{self, RouterSecrets};

const NET_ID: u8 = 99;
const FLOOD: u64 = 10_000;
const SENDERS: u64 = 50;
const START: Date = Date(1_780_315_200_000);

fn at(micros: u64) -> Now {
    let since = Duration::from_micros(micros);
    Now { tick: Tick(1_000_000_000) + since, date: START + since }
}

fn secrets(rng: &mut SeededRng) -> RouterSecrets {
    let signing_key = ed25519::SigningKey::generate(rng);
    let encryption_key = x25519::PrivateKey::generate(rng);
    RouterSecrets {
        identity: RouterIdentity::new(&encryption_key.public(), &signing_key.public(), rng),
        signing_key,
        encryption_key,
        ntcp2_key: x25519::PrivateKey::generate(rng),
        ntcp2_iv: rng::bytes(rng),
    }
}

fn info(rng: &mut SeededRng, floodfill: bool) -> RouterInfo {
    let host = SocketAddr::from((rng::bytes::<4>(rng), 20_000));
    own_router::sign(&secrets(rng), START - Duration::from_secs(60), &config(floodfill, host)).unwrap()
}

fn config(floodfill: bool, host: SocketAddr) -> EngineConfig {
    EngineConfig {
        net_id: NET_ID,
        floodfill,
        ignore_subnets: true,
        addresses: vec![host],
        ipv4: true,
        ipv6: false,
        limits: EngineLimits::default(),
    }
}

/// An engine that knows some routers, and what it wanted at once.
fn engine(floodfill: bool) -> (Watched<Engine>, Vec<Output>) {
    let mut rng = SeededRng::new([1; 32]);
    let reseed = (0..30).map(|number| info(&mut rng, number < 5).bytes().clone()).collect();
    let config = config(floodfill, SocketAddr::from(([192, 0, 2, 1], 20_000)));
    let snapshot = Snapshot { reseed, ..Snapshot::default() };
    let leaks = watch_thread();
    let engine = Engine::new(at(0), config, secrets(&mut rng), snapshot, Box::new(rng.child("engine"))).unwrap();
    let mut engine = leaks.over(engine);
    let outputs = drain(&mut engine);
    (engine, outputs)
}

fn drain(engine: &mut Engine) -> Vec<Output> {
    std::iter::from_fn(|| Some(engine.poll_output()).filter(|output| !matches!(output, Output::Timeout(_)))).collect()
}

/// Delivers the messages within one second from 50 senders, and gives all that the engine wanted in and right after it.
fn flood(engine: &mut Engine, mut message: impl FnMut(u64, &mut SeededRng) -> I2npMessage) -> Vec<Output> {
    let mut rng = SeededRng::new([2; 32]);
    let mut outputs = Vec::new();
    for number in 0..FLOOD {
        let now = at(number * 1_000_000 / FLOOD);
        let sender = u8::try_from(number % SENDERS).unwrap();
        let event = LaneEvent::Message { from: Some(RouterHash([sender; 32])), message: message(number, &mut rng) };
        engine.handle_lane(now, event);
        outputs.extend(drain(engine));
        if number % 100 == 0 {
            engine.handle_timeout(now);
            outputs.extend(drain(engine));
            engine.bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{bound:?}"));
        }
        assert!(engine.dear.len() <= 512 && engine.tunnels.waiting_requests() <= 128);
        assert!(engine.lookups.len() <= 48);
    }
    outputs
}

fn bare(kind: MessageKind, number: u64, body: impl Into<Bytes>) -> I2npMessage {
    let id = MessageId(u32::try_from(number).unwrap());
    I2npMessage { kind, id, expiration: START + Duration::from_secs(30), body: body.into() }
}

fn sent(outputs: &[Output], wanted: impl Fn(&I2npMessage, Class) -> bool) -> usize {
    let sent = |output: &&Output| match output {
        Output::Lane(LaneCommand::Send { message, class, .. }) => wanted(message, *class),
        _ => false,
    };
    outputs.iter().filter(sent).count()
}

/// Builds of our own go out, whatever came in.
fn builds(outputs: &[Output]) -> usize {
    sent(outputs, |message, class| class == Class::Control && message.kind == MessageKind::SHORT_TUNNEL_BUILD)
}

#[test]
fn by_stores() {
    for floodfill in [true, false] {
        let (mut engine, mut outputs) = engine(floodfill);
        let known = engine.netdb.router_count();
        outputs.extend(flood(&mut engine, |number, rng| {
            let reply = Some(StoreReply { token: 7, tunnel: None, gateway: RouterHash(rng::bytes(rng)) });
            let store = DatabaseStore::router_info(&info(rng, number % 2 == 0), reply);
            bare(MessageKind::DATABASE_STORE, number, store.to_bytes())
        }));
        // 50 senders, each with a burst of 100 and 10 a second.
        let kept = engine.netdb.router_count() - known;
        assert!(if floodfill { kept > 0 && kept <= 50 * 111 } else { kept == 0 }, "{kept} kept");
        let answers = sent(&outputs, |message, _| message.kind == MessageKind::DELIVERY_STATUS);
        assert!(answers <= 50 * 111, "{answers} answers");
        assert!(builds(&outputs) > 0);
    }
}

#[test]
fn by_look_ups_and_answers_to_strangers() {
    let (mut engine, mut outputs) = engine(true);
    outputs.extend(flood(&mut engine, |number, rng| {
        let lookup = DatabaseLookup {
            key: NetDbKey(rng::bytes(rng)),
            from: RouterHash(rng::bytes(rng)),
            kind: LookupKind::RouterInfo,
            reply_tunnel: None,
            excluded: Vec::new(),
            reply_key: None,
        };
        bare(MessageKind::DATABASE_LOOKUP, number, lookup.to_bytes())
    }));
    let answers = sent(&outputs, |message, _| message.kind == MessageKind::DATABASE_SEARCH_REPLY);
    assert!(answers > 0 && answers <= 50 * 63, "{answers} answers");
    assert!(builds(&outputs) > 0);
}

#[test]
fn by_garlic_and_builds() {
    let (mut engine, mut outputs) = engine(false);
    outputs.extend(flood(&mut engine, |number, rng| match number % 3 {
        0 => {
            let mut body = 396_u32.to_be_bytes().to_vec();
            (0..99).for_each(|_| body.extend(rng::bytes::<4>(rng)));
            bare(MessageKind::GARLIC, number, body)
        }
        1 => {
            let mut body = vec![4];
            (0..218).for_each(|_| body.extend(rng::bytes::<4>(rng)));
            bare(MessageKind::SHORT_TUNNEL_BUILD, number, body)
        }
        _ => bare(MessageKind::TUNNEL_DATA, number, vec![5; 1028]),
    }));
    assert_eq!(sent(&outputs, |_, class| class == Class::Transit), 0);
    assert!(builds(&outputs) > 0);
}

/// Routers that nobody knows, as next hops of tunnels and receivers of answers.
#[test]
fn by_names_of_routers() {
    let (mut engine, _) = engine(false);
    let mut rng = SeededRng::new([3; 32]);
    let mut refused = 0;
    for number in 0..FLOOD {
        let event = LaneEvent::PeerWanted { peer: RouterHash(rng::bytes(&mut rng)) };
        engine.handle_lane(at(number * 100), event);
        assert!(engine.lookups.len() <= 48);
        let refusals = |output: &&Output| matches!(output, Output::Lane(LaneCommand::NoPeer { .. }));
        refused += drain(&mut engine).iter().filter(refusals).count();
    }
    assert!(refused >= 9_900, "{refused} answered at once");
}
