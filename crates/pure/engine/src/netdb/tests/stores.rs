//! What is kept and what isn't.

use super::lease_sets::LeaseSets;
use super::*;

fn add(netdb: &mut NetDb, now: Now, key: NetDbKey, info: &RouterInfo) -> AddResult {
    let info = Unverified::<RouterInfo>::parse(info.bytes().clone()).unwrap();
    let Shared { routers, config, .. } = &mut netdb.shared;
    routers.add_unverified(now, config, &key, info, Source::Lookup)
}

#[test]
fn router_infos_are_checked() {
    let (us, other) = (Signer::new(1), Signer::new(2));
    let mut netdb = machine(at(0), Config::new(NET_ID, us.hash()));
    let (now, date) = (at(1_000), at(0).date);
    let good = other.info(date);
    let key = NetDbKey::from(other.hash());
    let reject = |netdb: &mut NetDb, key, info: &RouterInfo| match add(netdb, now, key, info) {
        AddResult::Rejected(reject) => reject,
        result => unreachable!("{result:?}"),
    };
    assert_eq!(reject(&mut netdb, us.hash().into(), &good), Reject::WrongKey);
    let foreign = other.info_with(date, "LR", "2");
    assert_eq!(reject(&mut netdb, key, &foreign), Reject::WrongNetwork);
    let future = other.info(now.date + Duration::from_secs(121));
    assert_eq!(reject(&mut netdb, key, &future), Reject::FromFuture);
    let old = other.info(now.date - Duration::from_secs(48 * 3600 + 1));
    assert_eq!(reject(&mut netdb, key, &old), Reject::TooOld);
    let own = us.info(date);
    assert_eq!(reject(&mut netdb, us.hash().into(), &own), Reject::Own);
    let mut bytes = good.bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Unverified::<RouterInfo>::parse(bytes.into()).unwrap();
    let Shared { routers, config, .. } = &mut netdb.shared;
    let result = routers.add_unverified(now, config, &key, forged, Source::Lookup);
    assert_eq!(result, AddResult::Rejected(Reject::BadSignature));
    assert_eq!(netdb.router_count(), 0);

    assert_eq!(add(&mut netdb, now, key, &good), AddResult::New);
    assert_eq!(add(&mut netdb, now, key, &good), AddResult::Known);
    let newer = other.floodfill(date + Duration::from_millis(1));
    assert_eq!(add(&mut netdb, now, key, &newer), AddResult::Updated);
    assert_eq!(add(&mut netdb, now, key, &good), AddResult::Known);
    assert_eq!(netdb.floodfill_count(), 1);
    let plain = other.info(date + Duration::from_millis(2));
    assert_eq!(add(&mut netdb, now, key, &plain), AddResult::Updated);
    assert_eq!((netdb.router_count(), netdb.floodfill_count()), (1, 0));
}

#[test]
fn lease_sets_are_checked() {
    let mut sets = LeaseSets::new(Signer::new(1).hash(), 10);
    let (service, now) = (Service::new(1), at(0));
    let key = NetDbKey::from(service.hash());
    let mut add = |builder: &LeaseSet2Builder| {
        let set = LeaseSet2::sign(builder, &service.key).unwrap();
        sets.add(now, &key, unverified(&set))
    };
    let good = service.builder(now.date);
    let mut long = good.clone();
    long.leases[0].end = now.date + Duration::from_secs(17 * 60);
    assert_eq!(add(&long), AddResult::Rejected(Reject::FromFuture));
    let future = service.builder(now.date + Duration::from_secs(125));
    assert_eq!(add(&future), AddResult::Rejected(Reject::FromFuture));
    let ended = service.builder(now.date - Duration::from_secs(601));
    assert_eq!(add(&ended), AddResult::Rejected(Reject::TooOld));
    let mut empty = good.clone();
    empty.leases.clear();
    assert_eq!(add(&empty), AddResult::Rejected(Reject::TooOld));
    let mut unpublished = good.clone();
    unpublished.unpublished = true;
    assert_eq!(add(&unpublished), AddResult::Rejected(Reject::Unpublished));
    assert_eq!(add(&good), AddResult::New);
    assert_eq!(add(&good), AddResult::Known);
    assert_eq!(add(&service.builder(now.date + Duration::from_secs(1))), AddResult::Updated);

    let other = Service::new(2);
    let mut bytes = other.lease_set(now.date).bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Unverified::<LeaseSet2>::parse(bytes.into()).unwrap();
    let add = |sets: &mut LeaseSets, key, set| sets.add(now, &NetDbKey::from(key), set);
    let result = add(&mut sets, other.hash(), forged.clone());
    assert_eq!(result, AddResult::Rejected(Reject::BadSignature));
    let known = unverified(&service.lease_set(now.date));
    let result = add(&mut sets, other.hash(), known);
    assert_eq!(result, AddResult::Rejected(Reject::WrongKey));
    assert!(sets.get(now.date, &service.hash()).is_some());
    assert!(sets.get(at(601_000).date, &service.hash()).is_none());
    sets.expire(at(602_000).date);
    assert_eq!(sets.len(), 0);
}

#[test]
fn a_full_table_gives_way_only_to_what_we_asked_for() {
    let mut config = Config::new(NET_ID, Signer::new(1).hash());
    config.limits.routers = 50;
    let mut netdb = machine(at(0), config);
    let now = at(1_000);
    for n in 10..60 {
        let info = Signer::new(n).info(at(u64::from(n)).date);
        assert_eq!(netdb.add_router(now, info, Source::Stranger), AddResult::New);
    }
    let full = AddResult::Rejected(Reject::Full);
    let info = Signer::new(60).info(now.date);
    assert_eq!(netdb.add_router(now, info.clone(), Source::Stranger), full);
    assert_eq!(netdb.add_router(now, info.clone(), Source::Followup), full);
    assert_eq!(netdb.add_router(now, info, Source::Lookup), AddResult::New);
    assert_eq!(netdb.router_count(), 50);
    assert!(netdb.get(&Signer::new(10).hash()).is_none());
    assert!(netdb.get(&Signer::new(11).hash()).is_some());
    assert_eq!(netdb.drops()[&Reject::Full], 2);
}

#[test]
fn routers_survive_a_restart_and_expire() {
    let us = Signer::new(1);
    let mut netdb = machine(at(0), Config::new(NET_ID, us.hash()));
    for n in 10..80 {
        let info = Signer::new(n).floodfill(at(u64::from(n)).date);
        netdb.add_router(at(1_000), info, Source::Handshake);
    }
    drain(&mut netdb);
    netdb.handle_timeout(at(31_000));
    let mut disk = BTreeMap::new();
    for output in drain(&mut netdb) {
        if let NetDbOutput::Store { key, value } = output {
            disk.insert(key, value.unwrap());
        }
    }
    assert_eq!(disk.len(), 70);
    netdb.flush();
    assert!(drain(&mut netdb).is_empty());

    let broken = Signer::new(10).hash();
    disk.insert(broken, Bytes::from_static(b"torn"));
    let swapped = Signer::new(11).hash();
    disk.insert(swapped, disk[&Signer::new(12).hash()].clone());
    let rng = Box::new(SeededRng::new([1; 32]));
    let day = 24 * 3600 * 1000;
    let config = Config::new(NET_ID, us.hash());
    let mut again = NetDb::new(at(day), config, disk.clone(), rng);
    assert_eq!((again.router_count(), again.floodfill_count()), (68, 68));
    let deleted: Vec<_> = drain(&mut again)
        .into_iter()
        .filter_map(|output| match output {
            NetDbOutput::Store { key, value: None } => Some(key),
            _ => None,
        })
        .collect();
    assert_eq!(BTreeSet::from_iter(deleted), BTreeSet::from([broken, swapped]));
    // An hour later the age limit counts, but the last ones stay.
    again.handle_timeout(at(day + 3_700_000));
    assert_eq!(again.router_count(), 68);
    again.handle_timeout(at(day + 5 * 3_600_000));
    assert_eq!(again.router_count(), config::KEEP_AT_LEAST);
    let gone = drain(&mut again).into_iter().filter(|output| matches!(output, NetDbOutput::Store { value: None, .. }));
    assert_eq!(gone.count(), 28);
}

#[test]
fn changes_are_put_out_before_they_are_too_many() {
    let mut netdb = machine(at(0), Config::new(NET_ID, Signer::new(1).hash()));
    for number in 2..1_200 {
        netdb.add_router(at(0), Signer::new(number).info(at(0).date), Source::Handshake);
        netdb.bounds(&mut |bound| assert!(bound.fill <= bound.limit || bound.name == "netdb-outputs", "{bound:?}"));
    }
    let stored = drain(&mut netdb).iter().filter(|output| matches!(output, NetDbOutput::Store { value: Some(_), .. })).count();
    assert_eq!(stored, 1_024);
}
