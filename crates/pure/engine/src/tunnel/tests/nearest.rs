//! Who stands next to us: few, for weeks, over restarts, and never two of one network; and what that costs and buys.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::x25519;
use ramson_wire::{Date, Now, RouterHash, RouterInfo, Tick};

use super::world::{Known, NET, World, router_info_at};
use crate::identity::{IdentityId, Owner};
use crate::interface::{Record, Snapshot};
use crate::profile::Profiles;
use crate::tunnel::PoolConfig;
use crate::tunnel::build::Direction;
use crate::tunnel::nearest::{MOST_KEPT, NEAREST, Nearest, NearestSets, SetKey};
use crate::tunnel::select::{Candidates, Rules, Wish};

const START: Date = Date(1_800_000_000_000);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const CLIENT: Owner = Owner::Identity(IdentityId(1));

fn rules() -> Rules {
    Rules { net_id: NET, ipv4: true, ipv6: false, ignore_subnets: false, us: RouterHash([0; 32]), our_subnets: Vec::new() }
}

/// The hosts' routers. Each has a port of its own.
fn infos(hosts: impl Iterator<Item = [u8; 4]>) -> Vec<RouterInfo> {
    let mut rng = SeededRng::new([4; 32]);
    let key = x25519::PrivateKey::generate(&mut rng).public();
    hosts.zip(9_000u16..).map(|(host, port)| router_info_at(&[(host, port).into()], &key, START, |_| {}, &mut rng)).collect()
}

/// So many routers, each in a network of its own.
fn apart(count: u16) -> Vec<RouterInfo> {
    infos((0..count).map(|n| [10 + u8::try_from(n / 256).unwrap(), u8::try_from(n % 256).unwrap(), 0, 1]))
}

fn known(infos: &[RouterInfo], tick: u64) -> Candidates {
    let mut candidates = Candidates::default();
    candidates.refresh(Tick(tick), START, &Known(infos.to_vec()), &rules());
    candidates
}

/// A pool's way to choose, one direction of it.
struct Chooser {
    nearest: Nearest,
    profiles: Profiles,
    order_key: [u8; 16],
    /// With a limit on all but these.
    paced: Option<BTreeSet<RouterHash>>,
    rng: SeededRng,
}

impl Chooser {
    fn new(seed: u16, wanted: usize) -> Self {
        let mut rng = SeededRng::new([7; 32]).child(&format!("chooser {seed}"));
        let (nearest, order_key) = (Nearest::of(wanted), rng::bytes(&mut rng));
        Self { nearest, profiles: Profiles::new(), order_key, paced: None, rng }
    }

    fn choose(&mut self, candidates: &Candidates, date: Date, length: usize) -> Option<Vec<RouterHash>> {
        let mut wish = Wish {
            now: Tick(1),
            date,
            length,
            direction: Direction::Outbound,
            rules: &rules(),
            nearest: &mut self.nearest,
            order_key: self.order_key,
            profiles: &self.profiles,
            proven: true,
            agreed: &|_| false,
            uses: &|_| 0,
            most_uses: 1,
            most_next: 1,
            direct: false,
            next_to_us: &|_| true,
            paced: &|router| self.paced.as_ref().is_none_or(|free| free.contains(router)),
        };
        let hops = candidates.select(&mut wish, &mut self.rng)?;
        Some(hops.iter().map(|hop| hop.router).collect())
    }

    /// All that stand next to us within so many tunnels.
    fn seen(&mut self, candidates: &Candidates, date: Date, tunnels: usize) -> BTreeSet<RouterHash> {
        (0..tunnels).filter_map(|_| self.choose(candidates, date, 3)).map(|hops| hops[0]).collect()
    }

    fn kept(&self) -> BTreeSet<RouterHash> {
        self.nearest.routers().copied().collect()
    }
}

#[test]
fn the_same_few_stand_next_to_us_for_weeks() {
    let candidates = known(&apart(100), 1);
    let mut chooser = Chooser::new(1, NEAREST);
    let first = chooser.seen(&candidates, START, 200);
    assert_eq!(first.len(), NEAREST);
    assert_eq!(chooser.seen(&candidates, START + 13 * DAY, 200), first);
    let mut left = BTreeSet::new();
    for day in 14..=28 {
        let now = chooser.seen(&candidates, START + day * DAY, 50);
        left.extend(first.difference(&now).map(|router| (*router, day)));
    }
    let days: BTreeMap<RouterHash, u32> = left.iter().rev().map(|(router, day)| (*router, *day)).collect();
    assert_eq!(days.len(), NEAREST, "all are gone after four weeks");
    assert!(days.values().collect::<BTreeSet<_>>().len() >= 3, "each at its own time: {days:?}");
}

/// Congested, without a fresh RouterInfo, at its limit: that is over in an hour, and no reason to show us to others.
#[test]
fn what_is_short_leads_to_nobody_else() {
    let all = apart(100);
    let mut chooser = Chooser::new(2, NEAREST);
    let kept = chooser.seen(&known(&all, 1), START, 200);
    let gone: Vec<RouterHash> = kept.iter().copied().take(4).collect();
    let fewer: Vec<RouterInfo> = all.iter().filter(|info| !gone.contains(&info.hash())).cloned().collect();
    let without = known(&fewer, 1);
    let others = chooser.seen(&without, START + HOUR, 200);
    assert!(others.len() == 2 && others.is_subset(&kept), "the two that are left");
    assert_eq!(chooser.seen(&known(&all, 1), START + 2 * HOUR, 200), kept, "they come back");
    // Each of them has as many tunnels as may begin there: we wait.
    chooser.paced = Some(BTreeSet::new());
    assert_eq!(chooser.seen(&known(&all, 1), START + 2 * HOUR, 20), BTreeSet::new());
    chooser.paced = None;
    // Gone for a day, they are given up.
    chooser.seen(&without, START + 3 * HOUR, 1);
    let later = chooser.seen(&without, START + 28 * HOUR, 200);
    assert!(later.len() == NEAREST && later.intersection(&kept).count() == 2, "{} of them", later.intersection(&kept).count());
}

#[test]
fn if_nearly_all_fail_a_bounded_number_is_taken_in() {
    let candidates = known(&apart(100), 1);
    let mut chooser = Chooser::new(3, NEAREST);
    let first = chooser.seen(&candidates, START, 200);
    let now = |hours: u32| Now { tick: Tick(1), date: START + hours * HOUR };
    for _ in 0..50 {
        let failing = chooser.kept();
        failing.iter().for_each(|router| chooser.profiles.unreachable(now(1), router));
        chooser.choose(&candidates, START + HOUR, 3);
    }
    assert_eq!(chooser.kept().len(), MOST_KEPT);
    assert!(first.is_subset(&chooser.kept()), "none is given up so soon");
    chooser.choose(&candidates, START + 26 * HOUR, 3);
    assert_eq!(chooser.kept().intersection(&first).count(), 0, "after a day they are");
}

/// Two hundred routers of one operator in one network, beside thirty others.
#[test]
fn a_network_full_of_routers_gives_one_hop() {
    let others = (0..30).map(|n| [10, n, 0, 1]);
    let all = infos(others.chain((0..200).map(|n| [66, 6, 0, n])));
    let sybils: BTreeSet<RouterHash> = all.iter().skip(30).map(RouterInfo::hash).collect();
    let candidates = known(&all, 1);
    assert_eq!(candidates.len(), 230);
    let mut met = 0;
    for seed in 0..40 {
        let mut chooser = Chooser::new(seed, NEAREST);
        for _ in 0..20 {
            let hops = chooser.choose(&candidates, START, 3).unwrap();
            let inside = hops.iter().filter(|hop| sybils.contains(hop)).count();
            assert!(inside <= 1, "{inside} of one network in a tunnel");
            met += inside;
        }
        assert!(chooser.kept().intersection(&sybils).count() <= 1, "and one of those next to us");
    }
    assert!(met > 0, "they are no hop worse than others");
}

/// In a pool of a large network all of them together are in no more tunnels than a single router may be.
#[test]
fn a_network_full_of_routers_has_the_share_of_one() {
    let host = |n: u16| {
        let low = u8::try_from(n).unwrap();
        (if n > 40 { [66, 6, 0, low] } else { [10, low, 0, 1] }, 9_000 + n).into()
    };
    let mut world = World::with_hosts(60, 12, host);
    world.open(Owner::Router, PoolConfig::exploratory());
    world.open(CLIENT, PoolConfig::client());
    world.run(Duration::from_secs(1_200));
    let sybils: BTreeSet<RouterHash> = (41..61).map(|n| world.hash(n)).collect();
    for hops in world.creator().machine.hops_of(CLIENT) {
        let with = hops.iter().filter(|hops| hops.iter().any(|hop| sybils.contains(hop))).count();
        assert!(hops.len() >= 3 && with <= 2, "{with} of {} tunnels", hops.len());
    }
}

fn stored(world: &mut World) -> Snapshot {
    let mut found = BTreeMap::new();
    for record in std::mem::take(&mut world.creator().stored) {
        found.insert(record.key(), record.value().cloned());
    }
    let mut snapshot = Snapshot::default();
    for ((table, key), value) in found {
        if let Some(value) = value {
            snapshot.add(table, key, value);
        }
    }
    snapshot
}

/// The router's own, a kept destination's, and those of two that are new at each start.
#[test]
fn those_next_to_us_outlive_a_restart() {
    let owners = [Owner::Router, CLIENT, Owner::Identity(IdentityId(2)), Owner::Identity(IdentityId(3))];
    let open = |world: &mut World| {
        for (owner, secret) in owners.iter().zip([Some([1; 32]), Some([2; 32]), None, None]) {
            world.open(*owner, PoolConfig { order_secret: secret, ..PoolConfig::exploratory() });
        }
        world.run(Duration::from_secs(20));
        owners.map(|owner| world.creator().machine.next_to_us(owner).map(|side| side.into_iter().collect::<BTreeSet<_>>()))
    };
    let mut world = World::new(60, 3);
    let before = open(&mut world);
    assert!(before.iter().flatten().all(|side| side.len() == NEAREST));
    assert!(before.iter().flatten().collect::<BTreeSet<_>>().len() > 1, "each has its own");
    let mut snapshot = stored(&mut world);
    assert_eq!((snapshot.nearest.len(), snapshot.profiles.len()), (owners.len(), 0), "profiles are in no hurry");
    let now = world.now;
    world.creator().machine.save(now);
    world.settle();
    snapshot.profiles = stored(&mut world).profiles;
    assert!(snapshot.profiles.len() > 20);
    let tiers = world.creator().machine.profiles().len();
    // The same network with another lot, as after a restart.
    let mut world = World::new(60, 3);
    world.redraw(9);
    let now = Now { tick: world.now.tick, date: world.now.date + HOUR };
    world.now = now;
    world.creator().machine.restore(now, &mut snapshot);
    assert_eq!(world.creator().machine.profiles().len(), tiers);
    assert_eq!(open(&mut world), before);
}

#[test]
fn what_disk_damaged_or_time_took_is_deleted() {
    let key = SetKey([5; 32]);
    let mut chooser = Chooser::new(4, NEAREST);
    chooser.seen(&known(&apart(60), 1), START, 1);
    let mut sets = NearestSets::default();
    sets.put(key, Direction::Inbound, chooser.nearest.clone());
    let (_, value) = sets.take_changes(START).pop().unwrap();
    let value = value.unwrap();
    let restored = |date: Date, bytes: Bytes| {
        let mut sets = NearestSets::default();
        sets.restore(Now { tick: Tick(1), date }, [(key.0, bytes)]);
        (sets.get(&key, Direction::Inbound).routers().len(), sets.has_changes())
    };
    assert_eq!(restored(START + DAY, value.clone()), (NEAREST, false));
    assert_eq!(restored(START + 29 * DAY, value.clone()), (0, true));
    assert_eq!(restored(Date(START.0 - 90 * 86_400_000), value.clone()), (0, true), "kept for longer than can be");
    for at in 0..value.len() {
        let mut torn = value.to_vec();
        torn[at] ^= 1;
        assert_eq!(restored(START, torn[..at].to_vec().into()), (0, true));
        assert_eq!(restored(START, torn.into()), (0, true));
    }
    // Nothing of a closed pool stays for ever.
    assert_eq!(sets.take_changes(START + 29 * DAY), [(key, None)]);
}

/// One that comes and goes all day shows us to no more routers than one that stays.
#[test]
fn destinations_one_after_another_take_the_same() {
    let mut world = World::new(60, 4);
    world.open(Owner::Router, PoolConfig { order_secret: Some([1; 32]), ..PoolConfig::exploratory() });
    world.run(Duration::from_secs(2));
    let mut seen = BTreeSet::new();
    for n in 1..6 {
        let owner = Owner::Identity(IdentityId(n));
        world.open(owner, PoolConfig::client());
        world.run(Duration::from_secs(2));
        seen.insert(world.creator().machine.next_to_us(owner));
        let now = world.now;
        world.creator().machine.close_pool(now, owner);
    }
    assert_eq!(seen.len(), 1);
    assert!(matches!(world.creator().stored.last(), Some(Record::Nearest { .. })));
}

const ROUTERS: u16 = 1_000;
/// Of these, how many routers an observer runs, in thousandths.
const OBSERVED: [u32; 2] = [20, 100];
/// Tunnels that three at a time come to, each way, in a day, and in an hour.
const TUNNELS_A_DAY: usize = 540;
const TUNNELS_AN_HOUR: usize = 22;
/// Pools whose weeks are looked at; pools that there are.
const WATCHED: u16 = 400;
const POOLS: u16 = 300;

/// How often an observer came to stand next to one direction of a pool within a day, and within four weeks, in percent.
fn met(candidates: &Candidates, routers: &[RouterHash], wanted: Option<usize>, share: u32) -> [usize; 2] {
    let count = usize::from(ROUTERS) * usize::try_from(share).unwrap() / 1_000;
    let observed: BTreeSet<&RouterHash> = routers.iter().take(count).collect();
    let mut met = [0; 2];
    for pool in 0..WATCHED {
        let mut chooser = Chooser::new(pool, wanted.unwrap_or(1));
        let mut stands = |date: Date, tunnels: usize| {
            (0..tunnels).any(|_| {
                if wanted.is_none() {
                    chooser.nearest = Nearest::of(1);
                }
                chooser.choose(candidates, date, 1).is_some_and(|hops| observed.contains(&hops[0]))
            })
        };
        let day = stands(START, TUNNELS_A_DAY);
        let weeks = day || (1..28).any(|day| stands(START + day * DAY, 24));
        met[0] += usize::from(day);
        met[1] += usize::from(weeks);
    }
    met.map(|met| met * 100 / usize::from(WATCHED))
}

/// Of pairs of tunnels that came within an hour out of the same hands to an observer who runs a tenth of all routers, how many are of one
/// pool, in thousandths.
fn recognised(candidates: &Candidates, routers: &[RouterHash], wanted: Option<usize>) -> usize {
    let observed: BTreeSet<&RouterHash> = routers.iter().take(routers.len() / 10).collect();
    let mut out_of: BTreeMap<RouterHash, Vec<u16>> = BTreeMap::new();
    for pool in 0..POOLS {
        let mut chooser = Chooser::new(pool, wanted.unwrap_or(1));
        for _ in 0..TUNNELS_AN_HOUR {
            if wanted.is_none() {
                chooser.nearest = Nearest::of(1);
            }
            let hops = chooser.choose(candidates, START, 3).unwrap();
            if observed.contains(&hops[1]) {
                out_of.entry(hops[0]).or_default().push(pool);
            }
        }
    }
    let (mut all, mut same) = (0, 0);
    for pools in out_of.values() {
        for (n, pool) in pools.iter().enumerate() {
            all += n;
            same += pools.iter().take(n).filter(|other| *other == pool).count();
        }
    }
    same * 1_000 / all.max(1)
}

/// Of pairs of tunnels of one pool, how many have the same far end, in millionths; with one order of hops, or one drawn for each tunnel.
fn same_ends(candidates: &Candidates, ordered: bool) -> usize {
    let (mut all, mut same) = (0, 0);
    for pool in 0..POOLS {
        let mut chooser = Chooser::new(pool, NEAREST);
        let mut ends: BTreeMap<RouterHash, usize> = BTreeMap::new();
        for count in 0..100 {
            if !ordered {
                chooser.order_key = rng::bytes(&mut chooser.rng);
            }
            let end = ends.entry(chooser.choose(candidates, START, 3).unwrap()[2]).or_default();
            same += *end;
            all += count;
            *end += 1;
        }
    }
    same * 1_000_000 / all
}

/// The numbers of `docs/adr/0001-nearest-hops.md`.
#[test]
#[ignore = "measures for a minute"]
#[expect(clippy::print_stdout, reason = "read by whoever runs it")]
fn what_kept_neighbours_cost_and_buy() {
    let all = apart(ROUTERS);
    let candidates = known(&all, 1);
    let routers: Vec<RouterHash> = all.iter().map(RouterInfo::hash).collect();
    println!("kept | met by 2 %: a day, 28 days | met by 10 %: a day, 28 days | pairs of one pool");
    let mut shares = Vec::new();
    for wanted in [Some(2), Some(4), Some(6), Some(12), None] {
        let [few, many] = OBSERVED.map(|share| met(&candidates, &routers, wanted, share));
        let recognised = recognised(&candidates, &routers, wanted);
        println!("{wanted:?} | {few:?} % | {many:?} % | {recognised} in 1000");
        shares.push((few[1], recognised));
    }
    println!("same far end: {} in a million ordered, {} not", same_ends(&candidates, true), same_ends(&candidates, false));
    assert!(shares.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 >= pair[1].1), "{shares:?}");
}
