//! Lookups end, follow answers, and stay with whom they belong to.

use super::*;

#[test]
fn a_lookup_learns_floodfills_from_answers() {
    // The asker knows one floodfill, that one knows all; the router is known to the floodfills closest to it.
    let mut net = Net::new(12, 2, |n, other| match n {
        13 => other == 0,
        _ => other < 12,
    });
    let now = net.now();
    let info = net.nodes[12].signer.info(now.date);
    let hash = info.hash();
    net.netdb(12).publish_router_info(now, info);
    net.run(5_000);
    let now = net.now();
    net.netdb(13).lookup_router(now, hash, LookupRequest(1));
    net.run(25_000);
    let results = net.results(13);
    assert!(matches!(&results[..], [(LookupRequest(1), LookupResult::Router(info))] if info.hash() == hash));
    assert!(net.netdb(13).get(&hash).is_some());
}

#[test]
fn a_lookup_of_nothing_ends_and_is_remembered() {
    let mut net = Net::new(9, 1, |_, other| other < 9);
    let id = net.identity(9, 1, 0);
    let now = net.now();
    let nowhere = DestinationHash([7; 32]);
    net.netdb(9).lookup_lease_set(now, id, nowhere, None, LookupRequest(1));
    net.netdb(9).lookup_lease_set(now, id, nowhere, None, LookupRequest(2));
    net.run(100);
    let results = net.results(9);
    assert_eq!(results.len(), 2);
    let not_found = |result: &LookupResult| matches!(result, LookupResult::Failed(LookupFailure::NotFound));
    assert!(results.iter().all(|(_, result)| not_found(result)));
    let asked = |net: &Net| {
        let lookups = net.served.iter();
        lookups.filter(|(_, kind)| *kind == MessageKind::DATABASE_LOOKUP).count()
    };
    assert_eq!(asked(&net), usize::from(config::MAX_LEASE_SET_TRIES));
    // Again: from the negative cache. Another identity asks for itself.
    let now = net.now();
    net.netdb(9).lookup_lease_set(now, id, nowhere, None, LookupRequest(3));
    net.run(100);
    assert!(not_found(&net.results(9)[0].1));
    assert_eq!(asked(&net), 7);
    let other = net.identity(9, 2, 1);
    let now = net.now();
    net.netdb(9).lookup_lease_set(now, other, nowhere, None, LookupRequest(4));
    net.run(100);
    assert_eq!(asked(&net), 14);
    // Later it is worth asking again.
    net.run(21_000);
    let now = net.now();
    net.netdb(9).lookup_lease_set(now, id, nowhere, None, LookupRequest(5));
    net.run(100);
    assert_eq!(asked(&net), 21);
}

#[test]
fn silent_floodfills_cost_time_but_no_lookup_hangs() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    for node in 0..3 {
        net.nodes[node].silent = true;
    }
    let id = net.identity(3, 1, 0);
    let now = net.now();
    net.netdb(3).lookup_lease_set(now, id, DestinationHash([7; 32]), None, LookupRequest(1));
    net.netdb(3).lookup_router(now, RouterHash([8; 32]), LookupRequest(2));
    net.run(21_000);
    let results = net.results(3);
    assert_eq!(results.len(), 2);
    for (_, result) in results {
        assert!(matches!(result, LookupResult::Failed(LookupFailure::NoAnswer)));
    }
}

#[test]
fn a_floodfill_that_cannot_be_reached_is_left_at_once() {
    let mut net = Net::new(2, 1, |_, other| other < 2);
    let netdb = net.netdb(2);
    netdb.lookup_router(at(0), RouterHash([8; 32]), LookupRequest(1));
    let first = direct(&drain(netdb), MessageKind::DATABASE_LOOKUP);
    netdb.handle_send_failed(at(10), first[0]);
    let second = direct(&drain(netdb), MessageKind::DATABASE_LOOKUP);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert_ne!(first, second);
    // The next lookup starts with the one that works.
    netdb.lookup_router(at(20), RouterHash([9; 32]), LookupRequest(2));
    assert_eq!(direct(&drain(netdb), MessageKind::DATABASE_LOOKUP), second);
}

#[test]
fn identities_wait_for_tunnels_and_never_go_direct() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let (netdb, id) = (net.netdb(3), IdentityId(1));
    netdb.open_identity(id);
    netdb.lookup_lease_set(at(0), id, DestinationHash([7; 32]), None, LookupRequest(1));
    netdb.handle_timeout(at(1_000));
    assert!(drain(netdb).is_empty());
    let paths = Paths { outbound: true, inbound: vec![ReplyPath { gateway: RouterHash([1; 32]), tunnel: TunnelId::new(5) }] };
    netdb.set_paths(at(1_100), Owner::Identity(id), paths);
    let owner = Owner::Identity(id);
    match &drain(netdb)[..] {
        [
            NetDbOutput::ExpectReply { owner: expects, asked, key },
            NetDbOutput::ThroughTunnel { owner: sends, message, wrap: true, .. },
        ] => {
            assert_eq!((*expects, *sends), (owner, owner));
            assert_eq!(*asked, DestinationHash([7; 32]).into());
            let lookup = DatabaseLookup::from_bytes(&message.body).unwrap();
            assert_eq!(lookup.reply_key, Some(key.clone()));
            assert_eq!((lookup.from, lookup.reply_tunnel), (RouterHash([1; 32]), TunnelId::new(5)));
        }
        outputs => unreachable!("{outputs:?}"),
    }
    netdb.set_paths(at(1_200), owner, Paths::default());
    netdb.handle_timeout(at(20_100));
    let outputs = drain(netdb);
    assert!(matches!(&outputs[..], [NetDbOutput::LookupDone { .. }]));
}

#[test]
fn answers_reach_only_the_identity_that_asked() {
    let mut net = Net::new(1, 1, |_, other| other < 1);
    let (a, b) = (net.identity(1, 1, 0), net.identity(1, 2, 0));
    let service = Service::new(1);
    let (now, set) = (net.now(), service.lease_set(net.now().date));
    net.netdb(1).lookup_lease_set(now, a, service.hash(), None, LookupRequest(1));
    let netdb = net.netdb(1);
    drain(netdb);
    // Unasked for by B, by the router, and from the network.
    for via in [Via::Tunnel(Owner::Identity(b)), Via::Tunnel(Owner::Router), Via::Direct, Via::Garlic] {
        netdb.handle_store(now, None, via, DatabaseStore::lease_set2(&set, None));
    }
    assert!(drain(netdb).is_empty());
    netdb.handle_store(now, None, Via::Tunnel(Owner::Identity(a)), DatabaseStore::lease_set2(&set, None));
    let results = drain(netdb);
    assert!(matches!(&results[..], [NetDbOutput::LookupDone { owner: Owner::Identity(IdentityId(1)), .. }]));
    // A RouterInfo that comes down an identity's tunnel goes nowhere.
    let info = Signer::new(50).info(now.date);
    let store = DatabaseStore::router_info(&info, None);
    netdb.handle_store(now, None, Via::Tunnel(Owner::Identity(a)), store);
    assert!(netdb.get(&info.hash()).is_none());
    // What A found is nothing that B, or the network, is told: B asks for itself.
    assert_eq!(netdb.lease_set_count(), 0);
    netdb.lookup_lease_set(now, b, service.hash(), None, LookupRequest(2));
    let asks = |output: &NetDbOutput| matches!(output, NetDbOutput::ThroughTunnel { owner, .. } if *owner == Owner::Identity(b));
    assert!(drain(netdb).iter().any(asks));
}

#[test]
fn lookups_are_bounded() {
    let mut net = Net::new(1, 1, |_, other| other < 1);
    net.nodes[0].silent = true;
    let id = net.identity(1, 1, 0);
    let now = net.now();
    let netdb = net.netdb(1);
    for n in 0..200u8 {
        let request = LookupRequest(n.into());
        netdb.lookup_lease_set(now, id, DestinationHash([n; 32]), None, request);
    }
    let busy = drain(netdb)
        .into_iter()
        .filter(|output| matches!(output, NetDbOutput::LookupDone { result: LookupResult::Failed(LookupFailure::Busy), .. }));
    assert_eq!(busy.count(), 200 - Limits::default().lookups);
}

#[test]
fn who_knows_few_floodfills_finds_more() {
    let mut net = Net::new(40, 1, |node, other| if node == 40 { other < 2 } else { other < 40 });
    net.netdb(40).shared.config.limits.explore_below = 20;
    net.run(300_000);
    let known = net.netdb(40).floodfill_count();
    assert!(known >= config::FEW_FLOODFILLS / 2, "{known}");
}

#[test]
fn exploration_finds_routers() {
    let mut net = Net::new(1, 6, |n, other| n == 0 || other == 0);
    net.netdb(6).shared.config.limits.explore_below = 20;
    net.run(60_000);
    assert_eq!(net.netdb(6).router_count(), 6);
}

#[test]
fn one_seed_gives_one_course() {
    let course = || {
        let mut net = Net::new(6, 2, |_, other| other < 6);
        let id = net.identity(7, 1, 0);
        let set = Service::new(1).lease_set(net.now().date);
        let now = net.now();
        net.netdb(7).publish_lease_set(now, id, set);
        net.netdb(7).lookup_lease_set(now, id, DestinationHash([7; 32]), None, LookupRequest(1));
        net.run(60_000);
        net.served
    };
    assert_eq!(course(), course());
}

#[test]
fn an_answer_that_cannot_be_kept_costs_no_time() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let id = net.identity(3, 1, 0);
    let (service, owner) = (Service::new(1), Owner::Identity(id));
    let netdb = net.netdb(3);
    netdb.lookup_lease_set(at(0), id, service.hash(), None, LookupRequest(1));
    let asked = |outputs: Vec<NetDbOutput>| match &outputs[..] {
        [_, NetDbOutput::ThroughTunnel { to, .. }] => *to,
        _ => unreachable!("{outputs:?}"),
    };
    let first = asked(drain(netdb));
    let ended = service.lease_set(at(0).date - Duration::from_secs(700));
    let store = DatabaseStore::lease_set2(&ended, None);
    netdb.handle_store(at(10), None, Via::Tunnel(owner), store);
    assert_ne!(asked(drain(netdb)), first);
}

#[test]
fn what_destinations_need_is_fetched_through_exploratory_tunnels() {
    let mut net = Net::new(2, 1, |_, other| other < 2);
    let id = net.identity(2, 1, 0);
    let netdb = net.netdb(2);
    let paths = Paths { outbound: true, inbound: vec![ReplyPath { gateway: RouterHash([1; 32]), tunnel: TunnelId::new(5) }] };
    netdb.set_paths(at(0), Owner::Router, paths);
    let wanted = DestinationHash([7; 32]);
    netdb.lookup_lease_set(at(0), id, wanted, None, LookupRequest(1));
    let from = drain(netdb).iter().find_map(|output| match output {
        NetDbOutput::ThroughTunnel { to, .. } => Some(*to),
        _ => None,
    });
    let reply = DatabaseSearchReply { key: wanted.into(), routers: vec![RouterHash([8; 32])], from: from.unwrap() };
    netdb.handle_search_reply(at(10), Owner::Identity(id), &reply);
    let owners: Vec<_> = drain(netdb)
        .iter()
        .filter_map(|output| match output {
            NetDbOutput::ThroughTunnel { owner, .. } => Some(*owner),
            NetDbOutput::Direct { .. } => unreachable!(),
            _ => None,
        })
        .collect();
    assert_eq!(owners, [Owner::Identity(id), Owner::Router]);
    // What the router needs itself goes straight.
    netdb.lookup_router(at(20), RouterHash([9; 32]), LookupRequest(2));
    assert_eq!(direct(&drain(netdb), MessageKind::DATABASE_LOOKUP).len(), 1);
}

/// A floodfill may name a router that only it has heard of, to see who asks for it.
#[test]
fn what_destinations_need_is_never_asked_for_directly() {
    let mut net = Net::new(2, 1, |_, other| other < 2);
    let id = net.identity(2, 1, 0);
    let netdb = net.netdb(2);
    let wanted = DestinationHash([7; 32]);
    netdb.lookup_lease_set(at(0), id, wanted, None, LookupRequest(1));
    let from = drain(netdb).iter().find_map(|output| match output {
        NetDbOutput::ThroughTunnel { to, .. } => Some(*to),
        _ => None,
    });
    let bait = RouterHash([8; 32]);
    let reply = DatabaseSearchReply { key: wanted.into(), routers: vec![bait], from: from.unwrap() };
    netdb.handle_search_reply(at(10), Owner::Identity(id), &reply);
    for ms in 1..30 {
        netdb.handle_timeout(at(ms * 1000));
        for output in drain(netdb) {
            let direct = matches!(output, NetDbOutput::Direct { .. });
            let router = matches!(output, NetDbOutput::ThroughTunnel { owner: Owner::Router, .. });
            assert!(!direct && !router, "without exploratory tunnels: {output:?}");
        }
    }
}

#[test]
fn only_who_was_asked_can_spoil_a_try() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let netdb = net.netdb(3);
    let wanted = Signer::new(70);
    netdb.lookup_router(at(0), wanted.hash(), LookupRequest(1));
    let asked = direct(&drain(netdb), MessageKind::DATABASE_LOOKUP);
    let old = wanted.info(at(0).date - Duration::from_secs(100 * 24 * 3600));
    let useless = || DatabaseStore::router_info(&old, None);
    for stranger in [Some(RouterHash([7; 32])), None] {
        netdb.handle_store(at(10), stranger, Via::Direct, useless());
    }
    netdb.handle_store(at(10), None, Via::Garlic, useless());
    netdb.handle_store(at(10), None, Via::Tunnel(Owner::Router), useless());
    assert!(direct(&drain(netdb), MessageKind::DATABASE_LOOKUP).is_empty());
    netdb.handle_store(at(20), asked.first().copied(), Via::Direct, useless());
    let next = direct(&drain(netdb), MessageKind::DATABASE_LOOKUP);
    assert!(next.len() == 1 && next != asked);
}

/// A machine with a floodfill, an identity and tunnels; and the floodfill.
fn asker() -> (Watched<NetDb>, IdentityId, RouterHash) {
    let mut netdb = machine(at(0), Config::new(NET_ID, RouterHash([1; 32])));
    let floodfill = Signer::new(1);
    netdb.add_router(at(0), floodfill.floodfill(at(0).date - Duration::from_secs(60)), Source::Reseed);
    let id = IdentityId(1);
    netdb.open_identity(id);
    for (owner, tunnel) in [(Owner::Router, 5), (Owner::Identity(id), 15)] {
        let way = |tunnel| ReplyPath { gateway: RouterHash([2; 32]), tunnel: TunnelId::new(tunnel) };
        // A floodfill is asked only so often with one of them.
        let inbound = (tunnel..tunnel + 10).map(way).collect();
        netdb.set_paths(at(0), owner, Paths { outbound: true, inbound });
    }
    drain(&mut netdb);
    (netdb, id, floodfill.hash())
}

/// The floodfill doesn't know, and names routers that nobody has.
fn invents(netdb: &mut NetDb, owner: Owner, key: NetDbKey, from: RouterHash) {
    let routers = (0..6).map(|n| RouterHash(ramson_crypto::sha256(&[&key.0[..], &[n]].concat()))).collect();
    netdb.handle_search_reply(at(10), owner, &DatabaseSearchReply { key, routers, from });
}

/// Questions for what was invented: its keys aren't one byte repeated.
fn fetches(outputs: &[NetDbOutput]) -> usize {
    let invented = |message: &I2npMessage| message.body[..32].iter().any(|byte| *byte != message.body[0]);
    let fetch = |output: &&NetDbOutput| matches!(output, NetDbOutput::ThroughTunnel { owner: Owner::Router, message, .. } if invented(message));
    outputs.iter().filter(fetch).count()
}

#[test]
fn what_is_fetched_for_an_identity_leaves_room_for_the_router() {
    let (mut netdb, id, floodfill) = asker();
    for number in 0..60 {
        netdb.lookup_lease_set(at(0), id, DestinationHash([number; 32]), None, LookupRequest(u64::from(number)));
        invents(&mut netdb, Owner::Identity(id), NetDbKey([number; 32]), floodfill);
    }
    assert_eq!(fetches(&drain(&mut netdb)), 8);
    for number in 100..148 {
        netdb.lookup_router(at(20), RouterHash([number; 32]), LookupRequest(u64::from(number)));
        let asks = |output: &NetDbOutput| match output {
            NetDbOutput::Direct { to, .. } | NetDbOutput::ThroughTunnel { owner: Owner::Router, to, .. } => *to == floodfill,
            _ => false,
        };
        assert_eq!(drain(&mut netdb).iter().filter(|output| asks(output)).count(), 1, "look-up {number}");
    }
}

#[test]
fn what_a_router_fetches_leaves_room_for_identities() {
    let (mut netdb, id, floodfill) = asker();
    for number in 0..48 {
        netdb.lookup_router(at(0), RouterHash([number; 32]), LookupRequest(u64::from(number)));
        invents(&mut netdb, Owner::Router, NetDbKey([number; 32]), floodfill);
    }
    assert_eq!(fetches(&drain(&mut netdb)), 32);
    netdb.lookup_lease_set(at(20), id, DestinationHash([100; 32]), None, LookupRequest(100));
    invents(&mut netdb, Owner::Identity(id), NetDbKey([100; 32]), floodfill);
    assert_eq!(fetches(&drain(&mut netdb)), 3);
}
