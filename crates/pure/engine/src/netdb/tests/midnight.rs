//! Around midnight (UTC) the keys by which floodfills are close change: what is published is where they are looked for by either day.

use super::publishing::stored;
use super::*;

const MIDNIGHT: u64 = 12 * 3_600_000;
const MINUTE: u64 = 60_000;
const FLOODFILLS: usize = 40;
const PUBLISHER: usize = FLOODFILLS;
const SEEKER: usize = FLOODFILLS + 1;

/// So long before midnight.
fn before_midnight(ms: u64) -> Net {
    let mut net = Net::new(FLOODFILLS, 2, |_, other| other < FLOODFILLS);
    net.ms = MIDNIGHT - ms;
    net
}

/// Whether the floodfill that is the closest after midnight has it.
fn is_at_tomorrows(net: &mut Net, key: NetDbKey) -> bool {
    let closest = net.netdb(PUBLISHER).closest_floodfills(at(MIDNIGHT), key, 1, &BTreeSet::new());
    stored(net, key).contains(&net.index(closest[0]).unwrap())
}

#[test]
fn a_router_info_of_before_goes_to_the_next_days_floodfills_too() {
    let mut net = before_midnight(50 * MINUTE);
    let now = net.now();
    let info = net.nodes[PUBLISHER].signer.info(now.date);
    let key = NetDbKey::from(info.hash());
    net.netdb(PUBLISHER).publish_router_info(now, info.clone());
    net.run(4 * MINUTE);
    assert!(!is_at_tomorrows(&mut net, key), "its time hasn't come");
    net.run(21 * MINUTE);
    assert!(is_at_tomorrows(&mut net, key));
    assert_eq!(net.netdb(PUBLISHER).published(Owner::Router), Some(PublicationState::Verified), "of today's");
    // Before the publisher notices the new day.
    net.run(25 * MINUTE + 500);
    let (now, asked) = (net.now(), net.served.len());
    net.netdb(SEEKER).lookup_router(now, info.hash(), LookupRequest(1));
    net.run(500);
    assert!(matches!(&net.results(SEEKER)[..], [(_, LookupResult::Router(found))] if *found == info));
    let asked = net.served[asked..].iter().filter(|(_, kind)| *kind == MessageKind::DATABASE_LOOKUP);
    assert_eq!(asked.count(), 1, "the first that is asked has it");
}

#[test]
fn a_lease_set_goes_there_only_if_it_lasts_beyond_midnight() {
    let mut net = before_midnight(12 * MINUTE);
    let (a, b) = (net.identity(PUBLISHER, 1, 0), net.identity(PUBLISHER, 2, 1));
    let (ends, lasts) = (Service::new(1), Service::new(2));
    let now = net.now();
    net.netdb(PUBLISHER).publish_lease_set(now, a, ends.lease_set(now.date));
    let mut longer = lasts.builder(now.date);
    longer.lifetime = Duration::from_secs(15 * 60);
    longer.leases[0].end = now.date + Duration::from_secs(15 * 60);
    net.netdb(PUBLISHER).publish_lease_set(now, b, LeaseSet2::sign(&longer, &lasts.key).unwrap());
    net.run(10 * MINUTE);
    assert!(!is_at_tomorrows(&mut net, ends.hash().into()));
    assert!(is_at_tomorrows(&mut net, lasts.hash().into()));
    // A later version within the window goes there as well.
    let now = net.now();
    net.netdb(PUBLISHER).publish_lease_set(now, b, lasts.lease_set(now.date));
    net.run(MINUTE);
    let closest = net.netdb(PUBLISHER).closest_floodfills(at(MIDNIGHT), lasts.hash().into(), 1, &BTreeSet::new());
    let closest = net.index(closest[0]).unwrap();
    let kept = net.nodes[closest].netdb.floodfill.lease_sets.get(net.now().date, &lasts.hash());
    assert_eq!(kept.unwrap().published(), now.date);
}

/// No floodfill passes it on, and the publisher hasn't published by the new day's key.
#[test]
fn a_lookup_by_one_days_key_goes_by_the_others_as_well() {
    for clock in [MIDNIGHT - 30_000, MIDNIGHT + 30_000] {
        let mut net = Net::new(FLOODFILLS, 2, |node, other| node >= FLOODFILLS && other < FLOODFILLS);
        let client = net.identity(SEEKER, 1, 0);
        let service = Service::new(1);
        let other_day = if clock < MIDNIGHT { at(MIDNIGHT) } else { at(MIDNIGHT - 1) };
        let holder = net.netdb(SEEKER).closest_floodfills(other_day, service.hash().into(), 1, &BTreeSet::new());
        let holder = net.index(holder[0]).unwrap();
        net.ms = clock;
        let now = net.now();
        let store = DatabaseStore::lease_set2(&service.lease_set(now.date), None);
        net.netdb(holder).handle_store(now, None, Via::Direct, store);
        // Those of the own day are silent, or they would be asked up in no time.
        let own_day = net.netdb(SEEKER).closest_floodfills(now, service.hash().into(), 3, &BTreeSet::new());
        for hash in own_day {
            let node = net.index(hash).unwrap();
            net.nodes[node].silent = node != holder;
        }
        net.netdb(SEEKER).lookup_lease_set(now, client, service.hash(), None, LookupRequest(1));
        net.run(1_000);
        assert!(matches!(&net.results(SEEKER)[..], [(_, LookupResult::LeaseSet(_))]), "{clock}");
    }
}
