use ramson_crypto::rng::SeededRng;
use ramson_wire::{DestinationKeys, LeaseSet2Builder, Mapping, RouterHash, Seconds32, TunnelId};

use super::*;

/// 2026-06-01 12:00 UTC.
const NOON: u64 = 1_780_315_200;

fn at(ms: u64) -> Now {
    Now { tick: Tick(1_000_000_000) + Duration::from_millis(ms), date: Date(NOON * 1_000 + ms) }
}

fn rng() -> SeededRng {
    SeededRng::new([1; 32])
}

fn keys(number: u64) -> DestinationKeys {
    DestinationKeys::generate(&mut rng().child(&format!("peer {number}")))
}

/// Made at `made` seconds, with leases that end at these seconds.
fn lease_set(keys: &DestinationKeys, key: u8, made: u32, ends: &[u64]) -> LeaseSet2 {
    let lease = |(number, end): (u32, &u64)| Lease {
        gateway: RouterHash([1; 32]),
        tunnel: TunnelId::new(number).unwrap(),
        end: Date((NOON + end) * 1_000),
    };
    let builder = LeaseSet2Builder {
        destination: keys.destination().clone(),
        published: Seconds32(u32::try_from(NOON).unwrap() + made),
        lifetime: Duration::from_secs(660),
        unpublished: false,
        options: Mapping::default(),
        key: x25519::PublicKey([key; 32]),
        more_keys: Vec::new(),
        leases: (1..).zip(ends).map(lease).collect(),
    };
    LeaseSet2::sign(&builder, keys.signing_key()).unwrap()
}

fn peer_with(ends: &[u64]) -> Peer {
    Peer { lease_set: Some(lease_set(&keys(1), 9, 0, ends)), ..Peer::new(at(0).tick) }
}

fn hash(number: u32) -> DestinationHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    DestinationHash(hash)
}

fn request(number: u64) -> Waiter {
    Waiter::Request(RequestId(number))
}

fn held() -> Held {
    Held { framed: vec![1], retransmission: false }
}

#[test]
fn one_lease_is_kept_until_it_nears_its_end() {
    let (mut peer, mut rng) = (peer_with(&[300, 400, 500, 600]), rng());
    let first = peer.lease(at(0), false, &mut rng).unwrap();
    let last_good = (first.end - LEASE_MARGIN).0 - at(0).date.0 - 1;
    for ms in (0..last_good).step_by(5_000).chain([last_good]) {
        assert_eq!(peer.lease(at(ms), false, &mut rng), Some(first));
    }
    assert_ne!(peer.lease(at(last_good + 1), false, &mut rng), Some(first));
    assert_eq!(peer.switches, 0);
}

#[test]
fn loss_changes_lease_and_route_but_not_at_every_packet() {
    let (mut peer, mut rng) = (peer_with(&[300, 400, 500, 600]), rng());
    let first = peer.lease(at(0), false, &mut rng);
    let route = peer.take_hint();
    assert_eq!((route, peer.take_hint()), ((0, true), (0, false)));
    assert_eq!(peer.lease(at(1_999), true, &mut rng), first);
    let second = peer.lease(at(2_000), true, &mut rng);
    assert_ne!(second, first);
    assert_eq!(peer.take_hint(), (1, true));
    // The packets lost with it come now.
    assert_eq!(peer.lease(at(3_000), true, &mut rng), second);
    assert!(!peer.wants_refresh(at(3_000)));
    assert_ne!(peer.lease(at(4_000), true, &mut rng), second);
    assert!(peer.wants_refresh(at(4_000)), "the LeaseSet may be outdated");
    peer.heard(at(4_000).tick);
    assert!(!peer.wants_refresh(at(4_000)));
}

#[test]
fn the_only_lease_is_used_again_through_another_tunnel() {
    let (mut peer, mut rng) = (peer_with(&[300]), rng());
    let only = peer.lease(at(0), false, &mut rng);
    assert_eq!(peer.lease(at(5_000), true, &mut rng), only);
    assert_eq!(peer.take_hint().0, 1);
}

#[test]
fn a_lease_works_for_a_while_after_its_end() {
    let (mut peer, mut rng) = (peer_with(&[100, 60]), rng());
    assert!(peer.wants_refresh(at(41_000)));
    let lease = peer.lease(at(129_000), false, &mut rng).unwrap();
    assert_eq!(lease.end, Date((NOON + 100) * 1_000));
    assert!(peer.usable_lease_set(at(129_999).date).is_some());
    assert!(peer.usable_lease_set(at(130_000).date).is_none());
    assert_eq!(peer.lease(at(130_000), false, &mut rng), None);
    assert!(!is_current(&lease_set(&keys(1), 9, 121, &[600]), at(0).date), "from the future");
    assert_eq!(peer_with(&[]).lease(at(0), false, &mut rng), None);
}

#[test]
fn held_packets_are_bounded() {
    let mut peer = peer_with(&[300]);
    (0..1_000).for_each(|_| peer.hold(held()));
    assert_eq!(peer.held.len(), MAX_HELD);
}

#[test]
fn an_older_lease_set_changes_nothing() {
    let (keys, mut peers) = (keys(1), Peers::new(at(0).tick));
    let hash = keys.destination().hash();
    let newer = lease_set(&keys, 9, 10, &[600]);
    peers.learn(at(0), newer.clone());
    peers.learn(at(1), lease_set(&keys, 8, 9, &[500]));
    assert_eq!(peers.by_hash[&hash].lease_set(), Some(&newer));
    assert_eq!(peers.owner_of(&x25519::PublicKey([8; 32])), None);
    assert_eq!(peers.owner_of(&x25519::PublicKey([9; 32])), Some(hash));
    assert!(peers.prove(&x25519::PublicKey([9; 32]), hash, newer.published()));
}

#[test]
fn a_new_key_replaces_the_old_one_and_ends_what_it_knew() {
    let (keys, mut peers) = (keys(1), Peers::new(at(0).tick));
    let hash = keys.destination().hash();
    let (old, new) = (x25519::PublicKey([8; 32]), x25519::PublicKey([9; 32]));
    peers.learn(at(0), lease_set(&keys, 8, 0, &[600]));
    peers.lease_set_sent(&hash, 1, at(0).tick, Some(AckId(5)));
    peers.learn(at(1), lease_set(&keys, 9, 1, &[600]));
    assert_eq!((peers.owner_of(&old), peers.owner_of(&new)), (None, Some(hash)));
    peers.acked(AckId(5));
    assert!(peers.by_hash[&hash].needs_lease_set(1, at(1).tick), "the new session's peer hasn't got it");
    assert_eq!((peers.owners.len(), peers.acks.len()), (1, 0));
}

#[test]
fn our_lease_set_is_repeated_until_it_is_confirmed() {
    let (keys, mut peers) = (keys(1), Peers::new(at(0).tick));
    let hash = keys.destination().hash();
    peers.learn(at(0), lease_set(&keys, 9, 0, &[600]));
    let needs = |peers: &Peers, version, ms| peers.by_hash[&hash].needs_lease_set(version, at(ms).tick);
    assert!(needs(&peers, 1, 0));
    peers.lease_set_sent(&hash, 1, at(0).tick, Some(AckId(1)));
    assert!(!needs(&peers, 1, 4_999) && needs(&peers, 1, 5_000) && needs(&peers, 2, 0));
    peers.lease_set_sent(&hash, 1, at(5_000).tick, Some(AckId(2)));
    peers.acked(AckId(1));
    assert!(needs(&peers, 1, 60_000), "an acknowledgement given up");
    peers.acked(AckId(2));
    assert!(!needs(&peers, 1, 60_000) && needs(&peers, 2, 60_000));
    peers.session_ended(&x25519::PublicKey([9; 32]));
    assert!(needs(&peers, 1, 60_000));
    assert!(peers.acks.is_empty());
}

#[test]
fn a_full_table_forgets_the_longest_unused_that_nobody_waits_for() {
    let mut peers = Peers::new(at(0).tick);
    peers.wait(at(0).tick, hash(0), request(1)).unwrap();
    let keys = keys(1);
    let known = keys.destination().hash();
    peers.learn(at(1), lease_set(&keys, 9, 0, &[600]));
    peers.lease_set_sent(&known, 1, at(1).tick, Some(AckId(1)));
    for number in 1..5_000 {
        peers.entry(at(u64::from(number) + 1).tick, hash(number));
    }
    assert_eq!(peers.by_hash.len(), MAX_PEERS);
    assert!(peers.by_hash.contains_key(&hash(0)) && !peers.by_hash.contains_key(&known));
    assert_eq!((peers.owners.len(), peers.acks.len()), (0, 0));
    let (_, requests) = peers.take_waiting(&hash(0));
    assert_eq!(requests, [RequestId(1)]);
    peers.expire(at(3_600_000));
    assert!(peers.by_hash.is_empty() && peers.deadline().is_none());
}

/// Anybody may send his LeaseSet along, under any number of names.
#[test]
fn strangers_push_out_strangers() {
    let mut peers = Peers::new(at(0).tick);
    let (asked, regular, passer) = (hash(1), hash(2), hash(3));
    peers.wait(at(0).tick, asked, request(1)).unwrap();
    peers.take_waiting(&asked);
    peers.entry(at(0).tick, regular).heard(at(59_999).tick);
    assert!(!peers.by_hash[&regular].settled);
    peers.entry(at(60_000).tick, regular).heard(at(60_000).tick);
    peers.entry(at(60_000).tick, passer).heard(at(60_000).tick);
    for number in 100..10_000 {
        peers.entry(at(60_000 + u64::from(number)).tick, hash(number));
    }
    assert_eq!([asked, regular, passer].map(|hash| peers.by_hash.contains_key(&hash)), [true, true, false]);
    assert_eq!(peers.by_hash.len(), MAX_PEERS);
}

#[test]
fn those_who_wait_are_bounded_for_each_and_in_all() {
    let (mut peers, now) = (Peers::new(at(0).tick), at(0).tick);
    let taken = (0..1_000).filter(|n| peers.wait(now, hash(0), request(*n)).is_ok());
    assert_eq!(taken.count(), MAX_REQUESTS);
    let taken = (1..5_000).filter(|n| peers.wait(now, hash(*n), request(0)).is_ok());
    assert_eq!(taken.count(), MAX_WAITED_FOR - 1);
    assert_eq!(peers.by_hash.len(), MAX_WAITED_FOR);
    for number in peers.waited_for() {
        peers.take_waiting(&number);
    }
    assert!(peers.wait(now, hash(1), request(0)).is_ok());
}

#[test]
fn a_look_up_is_joined_then_repeated_while_somebody_waits_and_has_patience() {
    let (mut peers, wanted) = (Peers::new(at(0).tick), hash(1));
    peers.wait(at(0).tick, wanted, request(1)).unwrap();
    assert!(peers.entry(at(0).tick, wanted).begin_lookup(at(0).tick));
    peers.wait(at(1).tick, wanted, request(2)).unwrap();
    assert!(!peers.entry(at(1).tick, wanted).begin_lookup(at(1).tick));
    let mut ms = 1_000;
    let mut retries = 0;
    loop {
        peers.get_mut(&wanted).unwrap().lookup_ended(at(ms).tick);
        if !peers.retry_later(at(ms).tick, wanted) {
            break;
        }
        assert_eq!(peers.retries.len(), 1);
        assert_eq!(peers.next_retry(at(ms + 1_999).tick), None);
        ms += 2_000;
        assert_eq!(peers.next_retry(at(ms).tick), Some(wanted));
        assert!(peers.get_mut(&wanted).unwrap().begin_retry());
        retries += 1;
    }
    assert_eq!(retries, 10);
    // Without anybody who waits a look-up isn't repeated, and a new one has its distance.
    peers.take_waiting(&wanted);
    assert!(!peers.get_mut(&wanted).unwrap().begin_retry());
    assert!(!peers.get_mut(&wanted).unwrap().begin_lookup(at(ms + 4_999).tick));
    assert!(peers.get_mut(&wanted).unwrap().begin_lookup(at(ms + 5_000).tick));
}

#[test]
fn what_was_found_meanwhile_is_looked_up_no_more() {
    let (mut peers, wanted) = (Peers::new(at(0).tick), hash(1));
    peers.wait(at(0).tick, wanted, request(1)).unwrap();
    peers.entry(at(0).tick, wanted).begin_lookup(at(0).tick);
    peers.get_mut(&wanted).unwrap().lookup_ended(at(10).tick);
    assert!(peers.retry_later(at(10).tick, wanted));
    peers.take_waiting(&wanted);
    assert!(peers.retries.is_empty());
}
