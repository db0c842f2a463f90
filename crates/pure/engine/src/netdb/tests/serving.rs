//! The floodfill's side, and strangers who want too much.

use ramson_crypto::rng;
use ramson_wire::SessionTag;
use ramson_wire::i2np::{LookupKind, ReplyKey, StoreReply};

use super::*;

fn floodfill(routers: u16) -> (Watched<NetDb>, Vec<Signer>) {
    let mut config = Config::new(NET_ID, Signer::new(1).hash());
    config.floodfill = true;
    let mut netdb = machine(at(0), config);
    let signers: Vec<_> = (10..10 + routers).map(Signer::new).collect();
    for signer in &signers {
        netdb.add_router(at(0), signer.floodfill(at(0).date), Source::Reseed);
    }
    drain(&mut netdb);
    (netdb, signers)
}

fn lookup(key: NetDbKey, from: RouterHash, kind: LookupKind) -> DatabaseLookup {
    DatabaseLookup { key, from, reply_tunnel: None, kind, excluded: Vec::new(), reply_key: None }
}

fn token(token: u32) -> Option<StoreReply> {
    Some(StoreReply { token, tunnel: TunnelId::new(3), gateway: RouterHash([6; 32]) })
}

fn replies(outputs: &[NetDbOutput]) -> Vec<&I2npMessage> {
    let mut found = Vec::new();
    for output in outputs {
        if let NetDbOutput::Reply { message, .. } = output {
            found.push(message);
        }
    }
    found
}

#[test]
fn stores_with_a_token_are_confirmed_and_flooded_once() {
    let (mut netdb, _) = floodfill(6);
    let set = Service::new(1).lease_set(at(0).date);
    netdb.handle_store(at(10), None, Via::Garlic, DatabaseStore::lease_set2(&set, token(5)));
    let outputs = drain(&mut netdb);
    let [reply] = replies(&outputs)[..] else { unreachable!() };
    assert_eq!(DeliveryStatus::from_bytes(&reply.body).unwrap().id, MessageId(5));
    assert_eq!(direct(&outputs, MessageKind::DATABASE_STORE).len(), 3);
    for output in &outputs {
        if let NetDbOutput::Direct { message, .. } = output {
            assert!(DatabaseStore::from_bytes(&message.body).unwrap().reply.is_none());
        }
    }
    // The same again: confirmed, not flooded. Without token: neither. Taken up by a tunnel end: flooded only.
    netdb.handle_store(at(20), None, Via::Garlic, DatabaseStore::lease_set2(&set, token(6)));
    let outputs = drain(&mut netdb);
    assert_eq!((replies(&outputs).len(), outputs.len()), (1, 1));
    let newer = Service::new(1).lease_set(at(1_000).date);
    netdb.handle_store(at(1_000), None, Via::Direct, DatabaseStore::lease_set2(&newer, None));
    assert!(drain(&mut netdb).is_empty());
    let other = Service::new(2).lease_set(at(0).date);
    netdb.handle_store(at(1_000), None, Via::Direct, DatabaseStore::lease_set2(&other, token(u32::MAX)));
    let outputs = drain(&mut netdb);
    assert_eq!((replies(&outputs).len(), outputs.len()), (0, 3));
}

#[test]
fn what_isnt_for_publication_isnt_kept() {
    let (mut netdb, _) = floodfill(3);
    let service = Service::new(1);
    let mut builder = service.builder(at(0).date);
    builder.unpublished = true;
    let set = LeaseSet2::sign(&builder, &service.key).unwrap();
    netdb.handle_store(at(10), None, Via::Direct, DatabaseStore::lease_set2(&set, token(5)));
    assert_eq!(drain(&mut netdb).len(), 1);
    assert_eq!(netdb.lease_set_count(), 0);
    assert_eq!(netdb.drops()[&Reject::Unpublished], 1);
}

#[test]
fn lookups_are_answered_by_kind() {
    let (mut netdb, signers) = floodfill(6);
    let plain = Signer::new(90);
    netdb.add_router(at(0), plain.info(at(0).date), Source::Reseed);
    let service = Service::new(1);
    let set = service.lease_set(at(0).date);
    netdb.handle_store(at(1), None, Via::Direct, DatabaseStore::lease_set2(&set, None));
    drain(&mut netdb);
    let from = RouterHash([6; 32]);
    let mut ask = |lookup: DatabaseLookup| {
        netdb.handle_lookup(at(10), None, Via::Garlic, lookup);
        let outputs = drain(&mut netdb);
        assert_eq!(outputs.len(), 1);
        outputs.into_iter().next().unwrap()
    };
    let body = |output: &NetDbOutput| match output {
        NetDbOutput::Reply { message, .. } => (message.kind, message.body.clone()),
        _ => unreachable!(),
    };
    let (router, leases) = (plain.hash().into(), service.hash().into());
    for (key, kind, found) in [
        (router, LookupKind::RouterInfo, true),
        (router, LookupKind::Any, true),
        (router, LookupKind::LeaseSet, false),
        (leases, LookupKind::LeaseSet, true),
        (leases, LookupKind::Any, true),
        (leases, LookupKind::RouterInfo, false),
    ] {
        let (answer, _) = body(&ask(lookup(key, from, kind)));
        assert_eq!(answer == MessageKind::DATABASE_STORE, found, "{kind:?}");
    }
    let mut excluding = lookup(NetDbKey([5; 32]), from, LookupKind::LeaseSet);
    excluding.excluded = signers[..4].iter().map(Signer::hash).collect();
    let (_, bytes) = body(&ask(excluding));
    let reply = DatabaseSearchReply::from_bytes(&bytes).unwrap();
    let left: BTreeSet<_> = signers[4..].iter().map(Signer::hash).collect();
    assert_eq!(BTreeSet::from_iter(reply.routers), left);
    let (_, bytes) = body(&ask(lookup(NetDbKey([5; 32]), from, LookupKind::Exploratory)));
    assert_eq!(DatabaseSearchReply::from_bytes(&bytes).unwrap().routers, [plain.hash()]);
    let mut sealed = lookup(leases, from, LookupKind::LeaseSet);
    sealed.reply_tunnel = TunnelId::new(8);
    sealed.reply_key = Some(ReplyKey { key: [1; 32], tag: SessionTag([2; 8]) });
    let NetDbOutput::Reply { path, encrypt, .. } = ask(sealed.clone()) else { unreachable!() };
    assert_eq!((path.gateway, path.tunnel), (from, TunnelId::new(8)));
    assert_eq!(encrypt, sealed.reply_key);
}

#[test]
fn an_identitys_lease_sets_are_no_answer() {
    let (mut netdb, _) = floodfill(2);
    let (id, service) = (IdentityId(1), Service::new(1));
    netdb.open_identity(id);
    netdb.publish_lease_set(at(0), id, service.lease_set(at(0).date));
    drain(&mut netdb);
    let asked = lookup(service.hash().into(), RouterHash([6; 32]), LookupKind::Any);
    netdb.handle_lookup(at(10), None, Via::Garlic, asked);
    let outputs = drain(&mut netdb);
    assert_eq!(replies(&outputs)[0].kind, MessageKind::DATABASE_SEARCH_REPLY);
    // Nor is what others stored here known to an identity.
    let other = Service::new(2);
    let store = DatabaseStore::lease_set2(&other.lease_set(at(0).date), None);
    netdb.handle_store(at(20), None, Via::Direct, store);
    drain(&mut netdb);
    netdb.lookup_lease_set(at(20), id, other.hash(), None, LookupRequest(1));
    assert!(drain(&mut netdb).is_empty());
}

#[test]
fn who_is_no_floodfill_stays_silent() {
    let mut netdb = machine(at(0), Config::new(NET_ID, Signer::new(1).hash()));
    let stranger = Signer::new(9);
    let info = stranger.info(at(0).date);
    let asked = lookup(stranger.hash().into(), RouterHash([6; 32]), LookupKind::Any);
    netdb.handle_lookup(at(10), None, Via::Direct, asked);
    assert!(drain(&mut netdb).is_empty());
    let store = || DatabaseStore::router_info(&info, token(4));
    netdb.handle_store(at(20), Some(RouterHash([7; 32])), Via::Direct, store());
    assert_eq!(drain(&mut netdb).len(), 1, "confirmed, but not kept");
    assert_eq!(netdb.router_count(), 0);
    // A peer's own is welcome.
    netdb.handle_store(at(30), Some(stranger.hash()), Via::Direct, store());
    assert_eq!(netdb.router_count(), 1);
}

#[test]
fn strangers_are_held_to_their_share() {
    let (mut netdb, _) = floodfill(4);
    let noisy = RouterHash([8; 32]);
    for n in 0..1_000u32 {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        let asked = lookup(NetDbKey(key), noisy, LookupKind::LeaseSet);
        netdb.handle_lookup(at(10), Some(noisy), Via::Direct, asked);
    }
    let answered = drain(&mut netdb).len();
    assert_eq!(answered, usize::try_from(config::LOOKUP_BURST).unwrap());
    // A quiet one is still served.
    let asked = lookup(NetDbKey([9; 32]), RouterHash([9; 32]), LookupKind::LeaseSet);
    netdb.handle_lookup(at(10), Some(RouterHash([9; 32])), Via::Direct, asked);
    assert_eq!(drain(&mut netdb).len(), 1);

    // One key, a new version every millisecond: four floods to three floodfills, and the share of stores.
    let pusher = Signer::new(70);
    for n in 0..500 {
        let info = pusher.info(at(n).date);
        let store = DatabaseStore::router_info(&info, token(4));
        netdb.handle_store(at(500), Some(noisy), Via::Direct, store);
    }
    let outputs = drain(&mut netdb);
    assert_eq!(replies(&outputs).len(), usize::try_from(config::STORE_BURST).unwrap());
    let floods = direct(&outputs, MessageKind::DATABASE_STORE).len();
    assert_eq!(floods, usize::try_from(config::FLOOD_BURST).unwrap() * 3);
    assert!(netdb.drops()[&Reject::Throttled] > 1_300);
}

#[test]
fn a_full_store_keeps_the_keys_closest_to_us() {
    let us = Signer::new(1).hash();
    let mut config = Config::new(NET_ID, us);
    config.floodfill = true;
    config.limits.lease_sets = 8;
    let mut netdb = machine(at(0), config);
    let services: Vec<_> = (0..40).map(Service::new).collect();
    for service in &services {
        let store = DatabaseStore::lease_set2(&service.lease_set(at(0).date), None);
        netdb.handle_store(at(10), None, Via::Direct, store);
    }
    let mut by_distance: Vec<_> = services.iter().map(Service::hash).collect();
    by_distance.sort_by_key(|hash| ramson_wire::distance(&ramson_wire::ids::routing_key((*hash).into(), at(0).date), &us));
    let kept = |hash: &&DestinationHash| netdb.floodfill.lease_sets.get(at(10).date, hash).is_some();
    assert!(by_distance[..8].iter().all(|hash| kept(&hash)));
    assert!(!by_distance[8..].iter().any(|hash| kept(&hash)));
}

/// Random calls with random entries: nothing panics, and no table grows past its limit.
#[test]
fn any_order_of_events_keeps_the_bounds() {
    let mut rng = SeededRng::new([8; 32]);
    let mut config = Config::new(NET_ID, Signer::new(1).hash());
    config.floodfill = true;
    config.limits.routers = 12;
    config.limits.floodfills = 6;
    config.limits.lease_sets = 4;
    let mut netdb = machine(at(0), config);
    let signers: Vec<_> = (10..40).map(Signer::new).collect();
    let services: Vec<_> = (0..12).map(Service::new).collect();
    let mut ms = 0;
    let mut last = lookup(NetDbKey([1; 32]), RouterHash([1; 32]), LookupKind::Any);
    for _ in 0..4_000 {
        let mut pick = |n: u32| usize::try_from(rng::below(&mut rng, n)).unwrap();
        ms += u64::try_from(pick(3_000)).unwrap();
        let now = at(ms);
        let (signer, service) = (&signers[pick(30)], &services[pick(12)]);
        let id = IdentityId(u32::try_from(pick(3)).unwrap());
        let owner = [Owner::Router, Owner::Identity(id)][pick(2)];
        let via = [Via::Direct, Via::Garlic, Via::Tunnel(owner)][pick(3)];
        let from = [None, Some(signer.hash())][pick(2)];
        let caps = ["LR", "XfR"][pick(2)];
        let request = LookupRequest(ms);
        match pick(15) {
            0 => netdb.open_identity(id),
            1 => netdb.close_identity(id),
            2 | 3 => {
                let source = [Source::Stranger, Source::Handshake][pick(2)];
                let info = signer.info_with(now.date, caps, "99");
                netdb.add_router(now, info, source);
            }
            4 => netdb.lookup_router(now, signer.hash(), request),
            5 => netdb.lookup_lease_set(now, id, service.hash(), None, request),
            6 => netdb.publish_lease_set(now, id, service.lease_set(now.date)),
            7 => netdb.publish_router_info(now, Signer::new(1).info(now.date)),
            8 => {
                let inbound = vec![ReplyPath { gateway: signer.hash(), tunnel: TunnelId::new(4) }];
                netdb.set_paths(now, owner, Paths { outbound: pick(4) > 0, inbound });
            }
            9 => {
                let info = signer.info_with(now.date, caps, "99");
                netdb.handle_store(now, from, via, DatabaseStore::router_info(&info, token(9)));
            }
            10 => {
                let set = service.lease_set(now.date);
                netdb.handle_store(now, from, via, DatabaseStore::lease_set2(&set, token(9)));
            }
            11 => {
                let routers = signers.iter().take(pick(30)).map(Signer::hash).collect();
                let (key, from) = (last.key, last.from);
                let reply = DatabaseSearchReply { key, routers, from };
                netdb.handle_search_reply(now, owner, &reply);
            }
            12 => netdb.handle_lookup(now, from, via, last.clone()),
            13 => netdb.handle_send_failed(now, signer.hash()),
            _ => netdb.handle_timeout(now),
        }
        for output in drain(&mut netdb) {
            let (to, message) = match output {
                NetDbOutput::Direct { to, message } => (to, message),
                NetDbOutput::ThroughTunnel { to, message, .. } => (to, message),
                _ => continue,
            };
            assert!(netdb.get(&to).is_some());
            if message.kind == MessageKind::DATABASE_LOOKUP {
                last = DatabaseLookup::from_bytes(&message.body).unwrap();
                last.from = to;
            }
        }
        assert!(netdb.router_count() <= 12 && netdb.floodfill_count() <= 6);
        assert!(netdb.lease_set_count() <= 4);
        netdb.handle_timeout(now);
        assert!(netdb.deadline() > now.tick);
        drain(&mut netdb);
    }
}
