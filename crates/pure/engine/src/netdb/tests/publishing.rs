//! Publications reach the closest floodfills, are confirmed, verified, and repeated.

use ramson_wire::i2np::StoreEntry;

use super::*;

pub(super) fn stored(net: &Net, key: NetDbKey) -> BTreeSet<usize> {
    let holds = |node: &Node| {
        node.netdb.get(&RouterHash(key.0)).is_some()
            || node.netdb.floodfill.lease_sets.get(net.now().date, &DestinationHash(key.0)).is_some()
    };
    (0..net.nodes.len()).filter(|n| holds(&net.nodes[*n])).collect()
}

pub(super) fn states(net: &Net, node: usize) -> Vec<PublicationState> {
    let state = |event: &NetDbOutput| match event {
        NetDbOutput::Publication { state, .. } => Some(*state),
        _ => None,
    };
    net.nodes[node].events.iter().filter_map(state).collect()
}

#[test]
fn a_router_info_is_published_flooded_and_found() {
    let mut net = Net::new(8, 2, |_, other| other < 8);
    let now = net.now();
    let info = net.nodes[8].signer.info(now.date);
    let key = NetDbKey::from(info.hash());
    net.netdb(8).publish_router_info(now, info.clone());
    net.run(1_000);
    assert_eq!(net.netdb(8).published(Owner::Router), Some(PublicationState::Stored));
    // The closest got it and gave it to its three closest.
    let closest = net.netdb(9).closest_floodfills(now, key, 4, &BTreeSet::new());
    let closest: BTreeSet<_> = closest.into_iter().map(|hash| net.index(hash).unwrap()).collect();
    assert_eq!(stored(&net, key), closest);
    let now = net.now();
    net.netdb(9).lookup_router(now, info.hash(), LookupRequest(1));
    net.run(1_000);
    assert!(matches!(&net.results(9)[..], [(_, LookupResult::Router(found))] if *found == info));
}

/// Routers of a network of 1,000 that had just begun stored their RouterInfos where nobody looked, and were never found.
#[test]
fn a_router_info_stored_far_away_gets_to_where_others_look() {
    let (floodfills, publishers) = (40, 40..48);
    let seeker = publishers.end;
    let mut net = Net::new(floodfills, publishers.len() + 1, |node, other| match node {
        0 => other < 3,
        _ if publishers.contains(&node) => other == 0 || other == 5,
        _ => other < floodfills,
    });
    let now = net.now();
    let infos: Vec<RouterInfo> = publishers.clone().map(|node| net.nodes[node].signer.info(now.date)).collect();
    for (node, info) in publishers.zip(&infos) {
        net.netdb(node).publish_router_info(now, info.clone());
    }
    let mut found = |after: u64, first: u64| {
        net.run(after);
        let now = net.now();
        let requests = (first..).zip(&infos);
        requests.for_each(|(request, info)| net.netdb(seeker).lookup_router(now, info.hash(), LookupRequest(request)));
        net.run(4_000);
        net.results(seeker).iter().filter(|(_, result)| matches!(result, LookupResult::Router(_))).count()
    };
    assert!(found(1_000, 0) < infos.len(), "some lie where nobody looks at first");
    assert_eq!(found(60_000, 100), infos.len());
}

#[test]
fn a_silent_floodfill_is_passed_over() {
    let mut net = Net::new(4, 1, |_, other| other < 4);
    let now = net.now();
    let info = net.nodes[4].signer.info(now.date);
    let closest = net.netdb(4).closest_floodfills(now, info.hash().into(), 1, &BTreeSet::new());
    let silent = net.index(closest[0]).unwrap();
    net.nodes[silent].silent = true;
    net.netdb(4).publish_router_info(now, info);
    net.run(2_900);
    assert_eq!(net.netdb(4).published(Owner::Router), Some(PublicationState::Sending));
    net.run(200);
    assert_eq!(net.netdb(4).published(Owner::Router), Some(PublicationState::Stored));
}

#[test]
fn a_lease_set_is_stored_verified_and_found_by_others() {
    let mut net = Net::new(8, 2, |_, other| other < 8);
    let (server, client) = (net.identity(8, 1, 0), net.identity(9, 1, 1));
    let bystander = net.identity(8, 2, 2);
    let service = Service::new(1);
    let now = net.now();
    net.netdb(8).publish_lease_set(now, server, service.lease_set(now.date));
    net.run(15_000);
    assert_eq!(states(&net, 8), [PublicationState::Stored, PublicationState::Verified]);
    assert_eq!(stored(&net, service.hash().into()).len(), 4);
    let now = net.now();
    net.netdb(9).lookup_lease_set(now, client, service.hash(), None, LookupRequest(1));
    net.run(1_000);
    assert!(matches!(&net.results(9)[..], [(_, LookupResult::LeaseSet(set))] if set.destination().hash() == service.hash()));
    // Publishing shows it to nobody else in the same router, and the router doesn't answer with it.
    assert_eq!(net.netdb(8).lease_set_count(), 0);
    assert_eq!(net.netdb(8).published(Owner::Identity(bystander)), None);
}

#[test]
fn versions_keep_their_distance_and_the_last_one_counts() {
    let mut net = Net::new(4, 1, |_, other| other < 4);
    let id = net.identity(4, 1, 0);
    let service = Service::new(1);
    for second in 0..4 {
        let now = net.now();
        net.netdb(4).publish_lease_set(now, id, service.lease_set(at(second * 1_000).date));
        net.run(1_000);
    }
    let stores = |net: &Net| {
        let stores = net.served.iter().filter(|(_, kind)| *kind == MessageKind::DATABASE_STORE);
        stores.count()
    };
    // One publication and its three floods.
    assert_eq!(stores(&net), 4);
    net.run(42_000);
    let holders = stored(&net, service.hash().into());
    for node in holders {
        let kept = net.nodes[node].netdb.floodfill.lease_sets.get(net.now().date, &service.hash());
        assert_eq!(kept.unwrap().published(), at(3_000).date);
    }
    assert_eq!(net.netdb(4).published(Owner::Identity(id)), Some(PublicationState::Verified));
}

#[test]
fn what_a_floodfill_loses_is_published_again() {
    let mut net = Net::new(5, 1, |n, other| n == 5 && other < 5);
    let id = net.identity(5, 1, 0);
    let service = Service::new(1);
    let now = net.now();
    // Floodfills that don't know each other don't flood, so the verification finds nothing.
    net.netdb(5).publish_lease_set(now, id, service.lease_set(now.date));
    net.run(60_000);
    assert!(stored(&net, service.hash().into()).len() >= 2);
}

#[test]
fn midnight_brings_other_floodfills_and_each_owner_its_own_time() {
    let midnight = 12 * 3_600_000;
    let mut net = Net::new(40, 1, |_, other| other < 40);
    net.ms = midnight - 60_000;
    let (a, b) = (net.identity(40, 1, 0), net.identity(40, 2, 1));
    let (first, second) = (Service::new(1), Service::new(2));
    let now = net.now();
    net.netdb(40).publish_lease_set(now, a, first.lease_set(now.date));
    net.netdb(40).publish_lease_set(now, b, second.lease_set(now.date));
    net.run(50_000);
    // Within ten minutes of midnight it went to tomorrow's floodfills as well.
    let tomorrow = at(midnight);
    for service in [&first, &second] {
        let next = net.netdb(40).closest_floodfills(tomorrow, service.hash().into(), 2, &BTreeSet::new());
        for hash in next {
            assert!(stored(&net, service.hash().into()).contains(&net.index(hash).unwrap()));
        }
    }
    let mut times = Vec::new();
    let end = midnight + 180_000;
    let mut seen = states(&net, 40).len();
    while net.ms < end {
        net.run(10);
        let count = states(&net, 40).len();
        if count > seen {
            times.push(net.ms);
            seen = count;
        }
    }
    assert!(times.len() >= 4, "both stored and verified anew: {times:?}");
    assert!(times.iter().all(|ms| *ms > midnight + 2_000));
    assert!(times[1] - times[0] > 100);
    for service in [&first, &second] {
        let closest = net.netdb(40).closest_floodfills(tomorrow, service.hash().into(), 1, &BTreeSet::new());
        assert!(stored(&net, service.hash().into()).contains(&net.index(closest[0]).unwrap()));
    }
}

#[test]
fn a_confirmation_of_the_last_version_counts_while_a_new_one_waits() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let id = net.identity(3, 1, 0);
    let (service, owner) = (Service::new(1), Owner::Identity(id));
    let netdb = net.netdb(3);
    netdb.publish_lease_set(at(0), id, service.lease_set(at(0).date));
    let tokens = |outputs: Vec<NetDbOutput>| -> Vec<MessageId> {
        let token = |output| match output {
            NetDbOutput::ThroughTunnel { message, .. } if message.kind == MessageKind::DATABASE_STORE => {
                let store = DatabaseStore::from_bytes(&message.body).unwrap();
                store.reply.map(|reply| MessageId(reply.token))
            }
            _ => None,
        };
        outputs.into_iter().filter_map(token).collect()
    };
    let first = tokens(drain(netdb));
    netdb.publish_lease_set(at(1_000), id, service.lease_set(at(1_000).date));
    assert!(tokens(drain(netdb)).is_empty());
    assert!(!netdb.handle_delivery_status(at(1_100), Owner::Router, first[0]));
    assert!(netdb.handle_delivery_status(at(1_100), owner, first[0]));
    assert!(!netdb.handle_delivery_status(at(1_200), owner, first[0]));
    assert_eq!(netdb.published(owner), Some(PublicationState::Stored));
    netdb.handle_timeout(at(34_900));
    assert!(tokens(drain(netdb)).is_empty());
    netdb.handle_timeout(at(35_000));
    let second = tokens(drain(netdb));
    assert_eq!(second.len(), 1);
    // Nobody confirms in time; the late one still counts.
    netdb.handle_timeout(at(40_000));
    assert_eq!(tokens(drain(netdb)).len(), 1);
    assert!(netdb.handle_delivery_status(at(40_100), owner, second[0]));
}

/// What one floodfill stores and passes on, and what the next is given a moment later, count as one each.
#[test]
fn a_version_that_comes_while_another_one_is_sent_waits_as_long() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let id = net.identity(3, 1, 0);
    let service = Service::new(1);
    let netdb = net.netdb(3);
    let versions = |outputs: Vec<NetDbOutput>| -> Vec<Date> {
        let version = |output| match output {
            NetDbOutput::ThroughTunnel { message, .. } if message.kind == MessageKind::DATABASE_STORE => {
                match DatabaseStore::from_bytes(&message.body).unwrap().entry {
                    StoreEntry::LeaseSet2(set) => Some(set.published()),
                    _ => None,
                }
            }
            _ => None,
        };
        outputs.into_iter().filter_map(version).collect()
    };
    netdb.publish_lease_set(at(0), id, service.lease_set(at(0).date));
    assert_eq!(versions(drain(netdb)), [at(0).date]);
    netdb.publish_lease_set(at(1_000), id, service.lease_set(at(1_000).date));
    // Nobody confirms: others are given the same.
    netdb.handle_timeout(at(10_000));
    assert_eq!(versions(drain(netdb)), [at(0).date]);
    netdb.handle_timeout(at(36_000));
    assert_eq!(versions(drain(netdb)), [at(1_000).date]);
}

#[test]
fn a_lease_set_that_has_ended_is_published_no_more() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let (netdb, id) = (net.netdb(3), IdentityId(1));
    let (service, owner) = (Service::new(1), Owner::Identity(id));
    netdb.open_identity(id);
    netdb.publish_lease_set(at(0), id, service.lease_set(at(0).date));
    netdb.handle_timeout(at(601_000));
    assert_eq!(netdb.published(owner), Some(PublicationState::Sending));
    let paths = Paths { outbound: true, inbound: vec![ReplyPath { gateway: RouterHash([1; 32]), tunnel: TunnelId::new(5) }] };
    netdb.set_paths(at(602_000), owner, paths);
    netdb.handle_timeout(at(610_000));
    drain(netdb);
    netdb.publish_lease_set(at(611_000), id, service.lease_set(at(611_000).date));
    assert_eq!(drain(netdb).len(), 1);
}
