use ramson_crypto::rng::SeededRng;
use ramson_leaks::{Watched, watch_thread};
use ramson_wire::{Date, DestinationKeys, RouterHash, TunnelId};

use super::*;

const NOON: u64 = 1_780_315_200_000;

fn at(ms: u64) -> Now {
    Now { tick: Tick(1_000_000_000) + Duration::from_millis(ms), date: Date(NOON + ms) }
}

fn lease(number: u32) -> InboundLease {
    InboundLease { gateway: RouterHash([1; 32]), tunnel: TunnelId::new(number).unwrap(), end: Date(NOON + 600_000) }
}

fn ours(unpublished: bool) -> (Watched<OwnLeaseSet>, DestinationKeys) {
    let keys = DestinationKeys::generate(&mut SeededRng::new([1; 32]));
    let leaks = watch_thread();
    let own = OwnLeaseSet::new(keys.destination().clone(), x25519::PublicKey([9; 32]), unpublished);
    (leaks.over(own), keys)
}

#[test]
fn the_first_is_made_at_once_and_changes_are_gathered() {
    let (mut own, keys) = ours(false);
    assert_eq!(own.deadline(), None);
    own.set_leases(at(0), vec![lease(1)]);
    let first = own.renew(at(0), keys.signing_key()).unwrap();
    assert_eq!((first.leases().len(), own.version(), own.deadline()), (1, 1, None));
    own.set_leases(at(10_000), vec![lease(1), lease(2)]);
    own.set_leases(at(10_400), vec![lease(1), lease(2), lease(3)]);
    assert_eq!(own.deadline(), Some(at(10_500).tick), "a later change doesn't put it off");
    assert!(own.renew(at(10_499), keys.signing_key()).is_none());
    let second = own.renew(at(10_500), keys.signing_key()).unwrap();
    assert_eq!((second.leases().len(), own.version()), (3, 2));
    own.set_leases(at(20_000), vec![lease(1), lease(2), lease(3)]);
    assert_eq!(own.deadline(), None, "nothing changed");
}

#[test]
fn its_date_grows_even_if_the_clock_stands_or_goes_back() {
    let (mut own, keys) = ours(false);
    let mut before = Date(0);
    for step in 1..10 {
        let now = Now { date: Date(NOON - u64::from(step) * 700), ..at(u64::from(step) * 500) };
        own.set_leases(now, vec![lease(step)]);
        let later = Now { tick: now.tick + GATHER, ..now };
        let set = own.renew(later, keys.signing_key()).unwrap();
        assert!(set.published() > before);
        before = set.published();
    }
}

#[test]
fn without_tunnels_the_old_one_stays() {
    let (mut own, keys) = ours(false);
    own.set_leases(at(0), vec![lease(1)]);
    let first = own.renew(at(0), keys.signing_key()).unwrap();
    own.set_leases(at(1_000), Vec::new());
    assert!(own.renew(at(2_000), keys.signing_key()).is_none());
    assert_eq!((own.current(), own.version(), own.deadline()), (Some(&first), 1, None));
}

#[test]
fn it_says_whether_it_is_to_be_published_and_holds_at_most_16_leases() {
    for unpublished in [false, true] {
        let (mut own, keys) = ours(unpublished);
        own.set_leases(at(0), (1..30).map(lease).collect());
        let set = own.renew(at(0), keys.signing_key()).unwrap();
        assert_eq!((set.is_unpublished(), set.leases().len()), (unpublished, MAX_LEASES));
        assert_eq!(set.expires(), Date(NOON + 600_000));
    }
}

/// A router that is killed and back within a second: what the floodfills have is dated before all that they get.
#[test]
fn the_first_of_a_run_is_later_than_all_of_the_run_before() {
    let (mut before, keys) = ours(false);
    let mut killed = Vec::new();
    for step in 0..40 {
        let now = at(u64::from(step) * 270);
        before.set_leases(now, vec![lease(step + 1)]);
        let Some(set) = before.renew(now, keys.signing_key()) else { continue };
        if killed.is_empty() {
            assert_eq!(set.published(), Date(NOON + 1_000), "dated the next second");
        } else {
            assert!(set.published() <= now.date && killed.last() < Some(&set.published()));
            let (mut after, _) = ours(false);
            after.set_leases(now, vec![lease(100)]);
            assert!(after.renew(now, keys.signing_key()).unwrap().published() > set.published());
        }
        killed.push(set.published());
    }
    assert!(killed.len() > 6, "one for each second or so");
}

#[test]
fn one_opened_again_within_its_second_is_dated_later() {
    let (mut own, keys) = ours(false);
    own.set_leases(at(100), vec![lease(1)]);
    let first = own.renew(at(100), keys.signing_key()).unwrap();
    assert_eq!(first.published(), at(1_000).date);
    let hash = first.destination().hash();
    let mut dates = LastDates::default();
    dates.closed(at(200), hash, own.published());
    let (mut again, _) = ours(false);
    again.go_on_from(dates.opened(at(300), &hash));
    again.set_leases(at(400), vec![lease(1)]);
    let due = again.deadline().unwrap().saturating_since(at(0).tick);
    let second = again.renew(at(u64::try_from(due.as_millis()).unwrap()), keys.signing_key()).unwrap();
    assert!(second.published() > first.published());
    // Later it has nothing to go on from.
    dates.closed(at(200), hash, own.published());
    assert_eq!(dates.opened(at(1_000), &hash), None);
    dates.closed(at(1_000), hash, own.published());
    assert_eq!(dates.bound().fill, 0);
}

#[test]
fn dates_of_closed_ones_are_bounded() {
    let mut dates = LastDates::default();
    for number in 0..1_000u16 {
        let mut hash = [0; 32];
        hash[..2].copy_from_slice(&number.to_be_bytes());
        dates.closed(at(0), ramson_wire::DestinationHash(hash), Some(at(1_000).date.to_seconds_floor()));
    }
    assert_eq!(dates.bound().fill, MAX_LAST_DATES);
}
