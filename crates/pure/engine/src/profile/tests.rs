use super::*;

const A: RouterHash = RouterHash([1; 32]);
const DAY: u64 = 86_400;
const START: u64 = 1_800_000_000_000;

fn at(secs: u64) -> Now {
    Now { tick: Tick(secs * 1_000_000_000), date: Date(START + secs * 1000) }
}

fn hash(n: u32) -> RouterHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&n.to_be_bytes());
    RouterHash(hash)
}

#[test]
fn a_decline_pauses_and_is_forgotten() {
    let mut profiles = Profiles::new();
    profiles.agreed(at(0), &A);
    assert_eq!(profiles.tier(at(0).tick, &A), Tier::HighCapacity);
    profiles.declined(at(1), &A, 30);
    assert_eq!(profiles.tier(at(2).tick, &A), Tier::Failing);
    assert_eq!(profiles.tier(at(400).tick, &A), Tier::HighCapacity);
}

/// By lot, for a moment, for bandwidth, for good: how long a router is left alone, and how much it takes until it is no use.
#[test]
fn refusals_differ_by_their_code() {
    let pause = |code| {
        let mut profiles = Profiles::new();
        profiles.declined(at(0), &A, code);
        (0..4_000).find(|secs| profiles.tier(at(*secs).tick, &A) != Tier::Failing)
    };
    assert_eq!([10, 20, 30, 50].map(pause), [Some(30), Some(120), Some(330), Some(1_800)]);
    assert_eq!(pause(77), pause(30), "whatever else is written says no more");
    let until_no_use = |code| {
        let mut profiles = Profiles::new();
        (1..100).find(|_| {
            profiles.declined(at(0), &A, code);
            profiles.tier(at(3_000).tick, &A) == Tier::Failing
        })
    };
    assert_eq!([10, 20, 30, 50].map(until_no_use), [Some(20), Some(10), Some(5), Some(2)]);
    let mut profiles = Profiles::new();
    profiles.agreed(at(0), &A);
    (0..3).for_each(|_| profiles.declined(at(0), &A, 10));
    assert_eq!(profiles.tier(at(60).tick, &A), Tier::HighCapacity, "some lots are lost by everybody");
    (0..3).for_each(|_| profiles.declined(at(0), &A, 30));
    assert_eq!(profiles.tier(at(600).tick, &A), Tier::Standard);
}

#[test]
fn silence_is_shared_and_good_deeds_mend() {
    let mut profiles = Profiles::new();
    let hops = [A, RouterHash([2; 32]), RouterHash([3; 32])];
    for _ in 0..5 {
        profiles.no_reply(at(1), hops.iter());
    }
    assert_eq!(profiles.tier(at(2).tick, &A), Tier::Failing);
    assert_eq!(profiles.failing_since(&A), Some(at(1).date));
    profiles.agreed(at(3), &A);
    assert_eq!(profiles.failing_since(&A), None);
    profiles.agreed(at(3), &A);
    assert_eq!(profiles.tier(at(4).tick, &A), Tier::HighCapacity);
}

/// Or a router that failed once, and is no longer used for that, would fail for ever.
#[test]
fn what_speaks_against_a_router_fades_without_its_doing() {
    let mut profiles = Profiles::new();
    for _ in 0..6 {
        profiles.no_reply(at(0), [A].iter());
    }
    assert_eq!(profiles.tier(at(3_500).tick, &A), Tier::Failing);
    assert_eq!(profiles.tier(at(3 * 3_600).tick, &A), Tier::Standard);
    assert!(profiles.blemish(at(3 * 3_600).tick, &A) < profiles.blemish(at(1).tick, &A));
}

#[test]
fn the_one_that_fails_most_has_most_against_it() {
    let mut profiles = Profiles::new();
    let (dead, alive) = (A, RouterHash([2; 32]));
    for n in 0..8 {
        profiles.no_reply(at(n), [dead, alive].iter());
        profiles.agreed(at(n), &alive);
    }
    assert!(profiles.blemish(at(9).tick, &alive) < profiles.blemish(at(9).tick, &dead));
    profiles.unreachable(at(9), &alive);
    assert!(profiles.blemish(at(10).tick, &alive) > profiles.blemish(at(10).tick, &dead));
}

/// Ten that agree: half of them carry much, half of them answer soon, two both.
#[test]
fn fast_are_those_that_are_quick_and_carry_much() {
    let mut profiles = Profiles::new();
    for n in 0..10 {
        profiles.agreed(at(0), &hash(n));
        profiles.passed(at(0), [hash(n)].iter(), 1_000 * (n + 1));
        let ms = if n < 8 { 100 + u64::from(n) * 50 } else { 50 };
        profiles.took(at(0), [hash(n)].iter(), Duration::from_millis(ms));
    }
    profiles.agreed(at(0), &hash(10));
    assert_eq!(profiles.tier(at(1).tick, &hash(9)), Tier::HighCapacity, "nothing is compared yet");
    profiles.compare(at(1).tick);
    let fast: Vec<u32> = (0..11).filter(|n| profiles.tier(at(1).tick, &hash(*n)) == Tier::Fast).collect();
    assert_eq!(fast, [8, 9]);
    assert_eq!(profiles.tier(at(1).tick, &hash(10)), Tier::HighCapacity, "never measured");
    profiles.declined(at(2), &hash(9), 30);
    assert_eq!(profiles.tier(at(3).tick, &hash(9)), Tier::Failing);
    // After a day nothing is known of anybody.
    profiles.compare(at(DAY).tick);
    assert!((0..11).all(|n| profiles.tier(at(DAY).tick, &hash(n)) == Tier::Standard));
}

#[test]
fn the_table_is_bounded() {
    let mut profiles = Profiles::new();
    for n in 0..5000u32 {
        profiles.agreed(at(u64::from(n)), &hash(n));
    }
    assert_eq!(profiles.len(), MAX_PROFILES);
    profiles.bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{bound:?}"));
    let gone = profiles.take_changes(at(5000)).into_iter().filter(|(_, value)| value.is_none()).count();
    assert_eq!(gone, 5000 - MAX_PROFILES, "disk forgets them too");
}

/// What was put out, as disk gives it back.
fn saved(profiles: &mut Profiles, now: Now) -> Vec<(RouterHash, Bytes)> {
    profiles.take_changes(now).into_iter().filter_map(|(router, value)| Some((router, value?))).collect()
}

#[test]
fn profiles_outlive_a_restart_and_are_older_then() {
    let mut before = Profiles::new();
    for _ in 0..16 {
        before.agreed(at(0), &A);
    }
    let bad = hash(2);
    for _ in 0..8 {
        before.test_failed(at(10), [bad].iter());
    }
    let found = saved(&mut before, at(20));
    assert_eq!(found.len(), 2);
    assert!(!before.has_changes());
    // The clock for timers begins anew, the calendar doesn't.
    let later = |secs| Now { tick: Tick(5), date: at(secs).date };
    let after = |secs| {
        let mut after = Profiles::new();
        after.restore(later(secs), found.clone());
        after
    };
    assert_eq!(after(60).tier(Tick(6), &A), Tier::HighCapacity);
    assert_eq!(after(60).tier(Tick(6), &bad), Tier::Failing);
    assert_eq!(after(60).failing_since(&bad), Some(at(10).date));
    assert_eq!(after(5 * 3_600).tier(Tick(6), &bad), Tier::Standard, "it had time to mend");
    assert_eq!(after(8 * 3_600).tier(Tick(6), &A), Tier::Standard);
    assert_eq!(after(29 * DAY).len(), 0);
}

#[test]
fn what_disk_damaged_is_forgotten() {
    let mut before = Profiles::new();
    before.agreed(at(0), &A);
    let (router, bytes) = saved(&mut before, at(1)).pop().unwrap();
    for at_byte in 0..bytes.len() {
        let mut torn = bytes.to_vec();
        torn[at_byte] ^= 1;
        for torn in [torn.clone(), torn[..at_byte].to_vec()] {
            let mut after = Profiles::new();
            after.restore(at(2), [(router, torn.into())]);
            assert_eq!((after.len(), after.take_changes(at(2))), (0, vec![(router, None)]));
        }
    }
    let mut after = Profiles::new();
    after.restore(at(2), [(hash(9), bytes)]);
    assert_eq!(after.len(), 0, "it is another router's");
}
