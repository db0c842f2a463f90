//! Some floodfills are silent, or lie: what is published is found all the same, and what is stored with them alone is stored again.

use super::publishing::{states, stored};
use super::*;

const FLOODFILLS: usize = 20;
const SERVER: usize = FLOODFILLS;
const CLIENT: usize = FLOODFILLS + 1;
const SERVICES: u16 = 30;

fn lies(node: usize) -> bool {
    node < FLOODFILLS && node % 5 < 2
}

/// Services whose LeaseSets honest floodfills were given, and one who will look for them.
fn published() -> (Net, IdentityId, Vec<Service>) {
    let mut net = Net::new(FLOODFILLS, 2, |_, other| other < FLOODFILLS);
    let (now, services) = (net.now(), (0..SERVICES).map(Service::new).collect::<Vec<_>>());
    for (number, service) in (1..).zip(&services) {
        let id = net.identity(SERVER, number, 0);
        net.netdb(SERVER).publish_lease_set(now, id, service.lease_set(now.date));
    }
    // Stored and verified.
    net.run(20_000);
    let client = net.identity(CLIENT, 1, 1);
    (net, client, services)
}

/// Of all services, how many the client finds in time, and the dates of what it found.
fn found(net: &mut Net, client: IdentityId, services: &[Service], newer_than: Option<Date>, within: u64) -> Vec<Date> {
    let now = net.now();
    for (number, service) in (0..).zip(services) {
        net.netdb(CLIENT).lookup_lease_set(now, client, service.hash(), newer_than, LookupRequest(number));
    }
    net.run(within);
    let date = |(_, result)| match result {
        LookupResult::LeaseSet(set) => Some(LeaseSet2::published(&set)),
        _ => None,
    };
    net.results(CLIENT).into_iter().filter_map(date).collect()
}

/// The key of an answer.
fn answered_key(message: &I2npMessage) -> NetDbKey {
    NetDbKey(message.body[..32].try_into().unwrap())
}

/// Liars give this instead of their answers to lookups.
fn lie(net: &mut Net, answer: impl Fn(usize, NetDbKey, &I2npMessage) -> Option<(MessageKind, Vec<u8>)> + 'static) {
    net.alter = Box::new(move |from, output| match output {
        NetDbOutput::Reply { path, message, encrypt } if lies(from) && message.kind != MessageKind::DELIVERY_STATUS => {
            let (kind, body) = answer(from, answered_key(&message), &message)?;
            let message = I2npMessage::new(kind, message.id, message.expiration, body);
            Some(NetDbOutput::Reply { path, message, encrypt })
        }
        honest => Some(honest),
    });
}

/// Services whose LeaseSet lies with anyone who doesn't lie.
fn to_be_found(net: &Net, services: &[Service]) -> usize {
    let honest = |service: &&Service| stored(net, service.hash().into()).iter().any(|node| !lies(*node));
    services.iter().filter(honest).count()
}

#[test]
fn lookups_succeed_while_some_floodfills_are_silent() {
    let (mut net, client, services) = published();
    lie(&mut net, |_, _, _| None);
    let all = to_be_found(&net, &services);
    assert_eq!(found(&mut net, client, &services, None, 5_000).len(), all);
    // By now who is silent is known, and asked last.
    net.run(60_000);
    let before = net.served.len();
    assert_eq!(found(&mut net, client, &services, None, 1_000).len(), all);
    let asked = net.served[before..].iter().filter(|(node, kind)| lies(*node) && *kind == MessageKind::DATABASE_LOOKUP);
    assert!(asked.count() < services.len() / 2, "silent ones come last");
}

#[test]
fn lookups_succeed_while_some_floodfills_name_far_routers_only() {
    let (mut net, client, services) = published();
    let us: Vec<RouterHash> = net.nodes.iter().map(|node| node.signer.hash()).collect();
    lie(&mut net, move |from, key, _| {
        // Known liars, and routers that nobody has.
        let invented = (0..2u8).map(|n| RouterHash(ramson_crypto::sha256(&[&key.0[..], &[n]].concat())));
        let routers = us.iter().copied().take(2).chain(invented).collect();
        let reply = DatabaseSearchReply { key, routers, from: us[from] };
        Some((MessageKind::DATABASE_SEARCH_REPLY, reply.to_bytes()))
    });
    let all = to_be_found(&net, &services);
    assert_eq!(found(&mut net, client, &services, None, 1_000).len(), all);
}

#[test]
fn lookups_succeed_while_some_floodfills_give_what_has_ended() {
    let (mut net, client, services) = published();
    let long_ago = net.now().date - Duration::from_secs(700);
    let ended: Vec<LeaseSet2> = services.iter().map(|service| service.lease_set(long_ago)).collect();
    lie(&mut net, move |_, key, message| {
        let set = ended.iter().find(|set| NetDbKey::from(set.destination().hash()) == key)?;
        // Who has none says so; the others lie.
        let store = DatabaseStore::lease_set2(set, None).to_bytes();
        Some(if message.kind == MessageKind::DATABASE_STORE {
            (message.kind, store)
        } else {
            (message.kind, message.body.to_vec())
        })
    });
    let all = to_be_found(&net, &services);
    assert_eq!(found(&mut net, client, &services, None, 1_000).len(), all);
}

/// A LeaseSet of before is properly signed and lasts: only who knows that one sees that it isn't the latest.
#[test]
fn who_has_a_lease_set_gets_a_later_one_past_those_that_give_the_same() {
    let (mut net, client, services) = published();
    let first = at(0).date - Duration::from_secs(1);
    let old: Vec<LeaseSet2> = services.iter().map(|service| service.lease_set(first)).collect();
    lie(&mut net, move |_, key, message| {
        let set = old.iter().find(|set| NetDbKey::from(set.destination().hash()) == key)?;
        let store = DatabaseStore::lease_set2(set, None).to_bytes();
        Some(if message.kind == MessageKind::DATABASE_STORE {
            (message.kind, store)
        } else {
            (message.kind, message.body.to_vec())
        })
    });
    let all = to_be_found(&net, &services);
    let dates = found(&mut net, client, &services, Some(first), 2_000);
    assert_eq!(dates.len(), services.len(), "the old one has to do if there is no later one");
    // Three answers without a later one are enough to stop.
    let later = dates.iter().filter(|date| **date > first).count();
    assert!((all - 3..=all).contains(&later), "{later} of {all}");
}

#[test]
fn without_a_later_lease_set_the_same_one_has_to_do() {
    let (mut net, client, services) = published();
    let known = at(0).date;
    let before = net.served.len();
    assert_eq!(found(&mut net, client, &services[..1], Some(known), 7_000).len(), 1);
    let asked = net.served[before..].iter().filter(|(_, kind)| *kind == MessageKind::DATABASE_LOOKUP).count();
    assert!(asked <= 7, "{asked}");
}

/// The closest floodfill confirms and forgets: nobody else gets it, and it says that it has none.
#[test]
fn what_one_floodfill_swallows_is_stored_with_others_and_verified() {
    let mut net = Net::new(8, 1, |_, other| other < 8);
    let id = net.identity(8, 1, 0);
    let service = Service::new(1);
    let now = net.now();
    let closest = net.netdb(8).closest_floodfills(now, service.hash().into(), 1, &BTreeSet::new());
    let swallows = net.index(closest[0]).unwrap();
    let name = closest[0];
    net.alter = Box::new(move |from, output| match output {
        NetDbOutput::Direct { .. } if from == swallows => None,
        NetDbOutput::Reply { path, message, encrypt } if from == swallows && message.kind == MessageKind::DATABASE_STORE => {
            let reply = DatabaseSearchReply { key: answered_key(&message), routers: Vec::new(), from: name };
            let kind = MessageKind::DATABASE_SEARCH_REPLY;
            let message = I2npMessage::new(kind, message.id, message.expiration, reply.to_bytes());
            Some(NetDbOutput::Reply { path, message, encrypt })
        }
        other => Some(other),
    });
    net.netdb(8).publish_lease_set(now, id, service.lease_set(now.date));
    net.run(1_000);
    assert_eq!(stored(&net, service.hash().into()), BTreeSet::from([swallows]));
    assert_eq!(states(&net, 8), [PublicationState::Stored]);
    net.run(40_000);
    assert!(stored(&net, service.hash().into()).len() >= 4);
    assert_eq!(states(&net, 8).last(), Some(&PublicationState::Verified));
}
