//! A lookup asks in two branches that have nothing in common, at the pace that it has learned; the router fetches for each of its
//! identities as if there was no other.

use super::*;

/// A machine that knows these floodfills, with an identity and tunnels.
fn asker(floodfills: &[RouterInfo]) -> (Watched<NetDb>, IdentityId) {
    let mut netdb = machine(at(0), Config::new(NET_ID, RouterHash([1; 32])));
    for info in floodfills {
        netdb.add_router(at(0), info.clone(), Source::Reseed);
    }
    let id = IdentityId(1);
    open(&mut netdb, id);
    let inbound = vec![ReplyPath { gateway: RouterHash([2; 32]), tunnel: TunnelId::new(5) }];
    netdb.set_paths(at(0), Owner::Router, Paths { outbound: true, inbound });
    drain(&mut netdb);
    (netdb, id)
}

fn open(netdb: &mut NetDb, id: IdentityId) {
    netdb.open_identity(id);
    let inbound = vec![ReplyPath { gateway: RouterHash([2; 32]), tunnel: TunnelId::new(100 + id.0) }];
    netdb.set_paths(at(0), Owner::Identity(id), Paths { outbound: true, inbound });
}

fn floodfills(count: u16) -> Vec<RouterInfo> {
    (0..count).map(|number| Signer::new(number).floodfill(at(0).date - Duration::from_secs(60))).collect()
}

/// Whom an owner asks through tunnels, by what is drained.
fn asked(netdb: &mut NetDb, owner: Owner) -> Vec<RouterHash> {
    let to = |output: NetDbOutput| match output {
        NetDbOutput::ThroughTunnel { owner: whose, to, .. } if whose == owner => Some(to),
        _ => None,
    };
    drain(netdb).into_iter().filter_map(to).collect()
}

const WANTED: DestinationHash = DestinationHash([7; 32]);

#[test]
fn a_second_branch_asks_another_floodfill_a_little_later() {
    let (mut netdb, id) = asker(&floodfills(6));
    let owner = Owner::Identity(id);
    netdb.lookup_lease_set(at(0), id, WANTED, None, LookupRequest(1));
    let first = asked(&mut netdb, owner);
    let due = netdb.deadline().saturating_since(at(0).tick);
    assert!((100..=300).contains(&due.as_millis()), "{due:?}");
    netdb.handle_timeout(at(300));
    let second = asked(&mut netdb, owner);
    assert!(first.len() == 1 && second.len() == 1 && first != second);
    netdb.handle_timeout(at(1_900));
    assert!(asked(&mut netdb, owner).is_empty());
}

#[test]
fn the_second_branch_asks_who_shares_no_operator_with_the_first() {
    // By their addresses all are one operator's, but one.
    let mut infos = floodfills(12);
    let apart = Signer::new(500);
    let mut options = Mapping::new();
    for (name, value) in [("router.version", "0.9.67"), ("netId", "99"), ("caps", "XfR")] {
        options.insert(name, value).unwrap();
    }
    let host = Some(SocketAddr::from(([10, 9, 8, 7], 12_345)));
    let address = Ntcp2Address { host, static_key: apart.static_key, iv: Some([1; 16]), ipv4: true, ipv6: false };
    let addresses = vec![address.to_address(3)];
    let builder = RouterInfoBuilder { identity: apart.identity.clone(), published: at(0).date, addresses, options };
    infos.push(RouterInfo::sign(&builder, &apart.key).unwrap());
    let (mut netdb, id) = asker(&infos);
    let mut met = 0;
    for number in 0..20u8 {
        let key = DestinationHash(ramson_crypto::sha256(&[number]));
        let closest = netdb.closest_floodfills(at(0), key.into(), 9, &BTreeSet::new());
        netdb.lookup_lease_set(at(0), id, key, None, LookupRequest(number.into()));
        let first = asked(&mut netdb, Owner::Identity(id));
        netdb.handle_timeout(at(300));
        let second = asked(&mut netdb, Owner::Identity(id));
        // Among the eight closest, besides the first, it is one of the two.
        let near = closest.contains(&apart.hash());
        assert_eq!(near, first == [apart.hash()] || second == [apart.hash()], "{number}");
        met += usize::from(near);
        netdb.close_identity(id);
        open(&mut netdb, id);
        drain(&mut netdb);
    }
    assert!(met >= 5, "{met}");
}

/// What answers to one branch name, the other doesn't ask: they may all be the same one's.
#[test]
fn a_branch_follows_only_its_own_answers() {
    let (mut netdb, id) = asker(&floodfills(2));
    let owner = Owner::Identity(id);
    netdb.lookup_lease_set(at(0), id, WANTED, None, LookupRequest(1));
    let first = asked(&mut netdb, owner);
    netdb.handle_timeout(at(300));
    let second = asked(&mut netdb, owner);
    let sybils: Vec<Signer> = (50..53).map(Signer::new).collect();
    let names: Vec<RouterHash> = sybils.iter().map(Signer::hash).collect();
    let reply = DatabaseSearchReply { key: WANTED.into(), routers: names.clone(), from: first[0] };
    netdb.handle_search_reply(at(400), owner, &reply);
    for sybil in &sybils {
        let store = DatabaseStore::router_info(&sybil.floodfill(at(0).date), None);
        netdb.handle_store(at(500), None, Via::Tunnel(Owner::Router), store);
    }
    let followed = asked(&mut netdb, owner);
    assert!(followed.len() == 1 && names.contains(&followed[0]), "the first branch goes on with them");
    let nothing = DatabaseSearchReply { key: WANTED.into(), routers: Vec::new(), from: second[0] };
    netdb.handle_search_reply(at(600), owner, &nothing);
    assert!(asked(&mut netdb, owner).is_empty(), "the second has nobody left to ask");
}

#[test]
fn the_pace_is_learned() {
    let (mut netdb, id) = asker(&floodfills(6));
    let owner = Owner::Identity(id);
    // When a lookup's first branch goes on that isn't answered, or is after so long.
    let goes_on = |netdb: &mut NetDb, number: u64, answered: Option<u64>| {
        let start = number * 60_000;
        let key = NetDbKey(ramson_crypto::sha256(&number.to_be_bytes()));
        netdb.lookup_lease_set(at(start), id, DestinationHash(key.0), None, LookupRequest(number));
        let first = asked(netdb, owner)[0];
        let mut moved_on = None;
        for ms in (0..3_000).step_by(50) {
            netdb.handle_timeout(at(start + ms));
            if answered == Some(ms) {
                let reply = DatabaseSearchReply { key, routers: Vec::new(), from: first };
                netdb.handle_search_reply(at(start + ms), owner, &reply);
            }
            // The second branch starts within 300 ms.
            if !asked(netdb, owner).is_empty() && ms > 300 {
                moved_on.get_or_insert(ms);
            }
        }
        netdb.handle_timeout(at(start + 21_000));
        drain(netdb);
        moved_on.unwrap()
    };
    assert!((2_000..2_100).contains(&goes_on(&mut netdb, 0, None)));
    for number in 1..30 {
        assert_eq!(goes_on(&mut netdb, number, Some(900)), 900);
    }
    let learned = goes_on(&mut netdb, 30, None);
    assert!((900..1_300).contains(&learned), "{learned}");
}

/// Routers named to one identity, so many more than it may have fetched, leave another's places free; and what wasn't found for one is
/// looked for anew for another, or a floodfill that names it to both would see that they share something.
#[test]
fn fetches_for_one_identity_are_nothing_to_another() {
    let (mut netdb, a) = asker(&floodfills(3));
    let b = IdentityId(2);
    open(&mut netdb, b);
    drain(&mut netdb);
    let bait = |key: NetDbKey| (0..6).map(|n| RouterHash(ramson_crypto::sha256(&[&key.0[..], &[n]].concat()))).collect();
    let ask_and_name = |netdb: &mut NetDb, id: IdentityId, number: u8, routers: Vec<RouterHash>, ms: u64| {
        netdb.lookup_lease_set(at(ms), id, DestinationHash([number; 32]), None, LookupRequest(u64::from(number)));
        let from = asked(netdb, Owner::Identity(id))[0];
        let reply = DatabaseSearchReply { key: NetDbKey([number; 32]), routers, from };
        netdb.handle_search_reply(at(ms), Owner::Identity(id), &reply);
        asked(netdb, Owner::Router).len()
    };
    let fetched: Vec<usize> =
        (10..16).map(|number| ask_and_name(&mut netdb, a, number, bait(NetDbKey([number; 32])), 0)).collect();
    assert_eq!(fetched, [3, 3, 2, 0, 0, 0]);
    let common: Vec<RouterHash> = bait(NetDbKey([10; 32]));
    assert_eq!(ask_and_name(&mut netdb, b, 30, common.clone(), 0), 3, "while they are sought for the other");
    // All floodfills say that they don't know them: for A it is remembered.
    for floodfill in floodfills(3) {
        for hash in &common {
            let reply = DatabaseSearchReply { key: (*hash).into(), routers: Vec::new(), from: floodfill.hash() };
            netdb.handle_search_reply(at(100), Owner::Router, &reply);
        }
    }
    netdb.close_identity(b);
    open(&mut netdb, IdentityId(3));
    drain(&mut netdb);
    assert_eq!(ask_and_name(&mut netdb, IdentityId(3), 40, common, 200), 3, "though they weren't found for another");
    // What was sought for a closed one ends with it.
    for id in [a, IdentityId(3)] {
        netdb.close_identity(id);
    }
    assert_eq!(netdb.router.sought_for_identities(), 0);
}

/// Java floodfills answer no more than 14 questions of one reply tunnel in two minutes.
#[test]
fn questions_are_spread_over_reply_tunnels() {
    let (mut netdb, id) = asker(&floodfills(1));
    let path = |tunnel| ReplyPath { gateway: RouterHash([2; 32]), tunnel: TunnelId::new(tunnel) };
    let owner = Owner::Identity(id);
    netdb.set_paths(at(0), owner, Paths { outbound: true, inbound: vec![path(7), path(8)] });
    let mut counts: BTreeMap<Option<TunnelId>, usize> = BTreeMap::new();
    for number in 0..30u8 {
        netdb.lookup_lease_set(at(0), id, DestinationHash([number; 32]), None, LookupRequest(number.into()));
        for output in drain(&mut netdb) {
            if let NetDbOutput::ThroughTunnel { message, .. } = output {
                *counts.entry(DatabaseLookup::from_bytes(&message.body).unwrap().reply_tunnel).or_default() += 1;
            }
        }
    }
    assert_eq!(counts.into_values().collect::<Vec<_>>(), [13, 13]);
}
