//! A creator and its hops in a network that loses, delays, doubles and reorders messages, where hops refuse, die and come back:
//! each build ends once, what was agreed to is installed once, and what comes out of a tunnel is what went in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use ramson_wire::{I2npMessage, MessageId, MessageKind, TunnelDelivery};

use super::world::{Faults, World};
use crate::identity::{IdentityId, Owner};
use crate::tunnel::{LATE_REPLY, PoolConfig, TransitPolicy};

/// Cases in the usual run, and in the long one.
const CASES: u32 = 20;
const LONG_CASES: u32 = 800;
/// Pools are complete again this long after the last fault: the longest pause after failures, a build, and what pacing may add.
const RECOVERY: Duration = Duration::from_secs(180);
const HOPS: u16 = 12;
const CLIENT: Owner = Owner::Identity(IdentityId(7));

#[derive(Clone, Debug)]
enum Op {
    Pool {
        client: bool,
        inbound: u8,
        outbound: u8,
        quantity: u8,
    },
    Close {
        client: bool,
    },
    Faults(Faults),
    /// A hop agrees to nothing, or to all again.
    Refuse {
        hop: usize,
        on: bool,
    },
    Dead {
        hop: usize,
        on: bool,
    },
    /// The lane tells that a router can't be reached.
    Unreachable {
        hop: usize,
    },
    /// A build request of before comes again, from who sent it.
    Replay {
        which: prop::sample::Index,
    },
    Out {
        client: bool,
        hint: u64,
        len: usize,
    },
    In {
        client: bool,
        which: usize,
        len: usize,
    },
    Pass {
        millis: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let hop = || 1..usize::from(HOPS) + 1;
    let delay = prop_oneof![3 => 0..800u64, 1 => 0..6_000u64];
    let faults = (0..25u32, 0..10u32, delay, any::<bool>());
    let faults = faults.prop_map(|(loss, doubled, delay, data)| Op::Faults(Faults { loss, doubled, delay, data }));
    let len = || prop_oneof![3 => 0..900usize, 2 => 900..6_000usize, 1 => 6_000..30_000usize];
    prop_oneof![
        3 => (any::<bool>(), 0..5u8, 0..5u8, 1..4u8)
            .prop_map(|(client, inbound, outbound, quantity)| Op::Pool { client, inbound, outbound, quantity }),
        1 => any::<bool>().prop_map(|client| Op::Close { client }),
        3 => faults,
        1 => (hop(), any::<bool>()).prop_map(|(hop, on)| Op::Refuse { hop, on }),
        1 => (hop(), any::<bool>()).prop_map(|(hop, on)| Op::Dead { hop, on }),
        1 => hop().prop_map(|hop| Op::Unreachable { hop }),
        2 => any::<prop::sample::Index>().prop_map(|which| Op::Replay { which }),
        6 => (any::<bool>(), any::<u64>(), len()).prop_map(|(client, hint, len)| Op::Out { client, hint, len }),
        6 => (any::<bool>(), 0..4usize, len()).prop_map(|(client, which, len)| Op::In { client, which, len }),
        8 => prop_oneof![6 => 0..4_000u64, 1 => 0..90_000u64].prop_map(|millis| Op::Pass { millis }),
    ]
}

fn owner(client: bool) -> Owner {
    if client { CLIENT } else { Owner::Router }
}

struct Net {
    world: World,
    /// Messages given to tunnels, by id.
    sent: BTreeMap<MessageId, I2npMessage>,
    arrived: BTreeSet<MessageId>,
    /// Builds that ended unseen with their pool.
    abandoned: u64,
    replayed: usize,
}

impl Net {
    fn new(seed: u8) -> Net {
        let world = World::new(HOPS, seed);
        Net { world, sent: BTreeMap::new(), arrived: BTreeSet::new(), abandoned: 0, replayed: 0 }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Pool { client, inbound, outbound, quantity } => self.pool(client, inbound, outbound, quantity),
            Op::Close { client } => self.close(client),
            Op::Faults(faults) => self.world.faults = faults,
            Op::Refuse { hop, on } => {
                let policy = TransitPolicy { accept: !on, ..TransitPolicy::default() };
                self.world.nodes[hop].machine.set_transit(policy);
            }
            Op::Dead { hop, on } => self.world.nodes[hop].dead = on,
            Op::Unreachable { hop } => {
                let (now, peer) = (self.world.now, self.world.hash(hop));
                self.world.creator().machine.handle_connect_failed(now, peer);
            }
            Op::Replay { which } => self.replay(which),
            Op::Out { client, hint, len } => {
                self.send_out(client, hint, len);
            }
            Op::In { client, which, len } => {
                self.send_in(client, which, len);
            }
            Op::Pass { millis } => self.world.run(Duration::from_millis(millis)),
        }
        self.world.settle();
        self.check();
    }

    fn pool(&mut self, client: bool, inbound: u8, outbound: u8, quantity: u8) {
        let config = PoolConfig {
            inbound_length: inbound,
            outbound_length: outbound,
            inbound_quantity: quantity,
            outbound_quantity: quantity,
            ..PoolConfig::exploratory()
        };
        self.world.open(owner(client), config);
    }

    fn close(&mut self, client: bool) {
        let before = self.world.creator().machine.pending_builds();
        let now = self.world.now;
        self.world.creator().machine.close_pool(now, owner(client));
        self.abandoned += before - self.world.creator().machine.pending_builds();
    }

    /// No hop agrees a second time.
    fn replay(&mut self, which: prop::sample::Index) {
        if self.world.builds.is_empty() {
            return;
        }
        let (from, to, message) = which.get(&self.world.builds).clone();
        let Some(node) = (1..=usize::from(HOPS)).find(|n| self.world.hash(*n) == to) else { return };
        // A request that was lost on its way is new there.
        if self.world.nodes[node].dead || !self.world.reached.contains(&(to, message.body.clone())) {
            return;
        }
        let before = self.world.nodes[node].machine.transit_stats();
        self.world.arrive(node, Some(from), message);
        self.world.settle();
        let after = self.world.nodes[node].machine.transit_stats();
        assert_eq!((after.accepted, after.rejected), (before.accepted, before.rejected), "answered twice");
        self.replayed += 1;
    }

    fn send_out(&mut self, client: bool, hint: u64, len: usize) -> Option<MessageId> {
        let message = self.world.message(MessageKind::DATABASE_STORE, len);
        let (now, target) = (self.world.now, self.world.hash(usize::from(HOPS)));
        let delivery = TunnelDelivery::Router(target);
        self.world.creator().machine.send_through(now, owner(client), hint, delivery, message.clone()).ok()?;
        self.note(message)
    }

    fn send_in(&mut self, client: bool, which: usize, len: usize) -> Option<MessageId> {
        let leases = self.world.creator().machine.leases(owner(client));
        let lease = *leases.get(which % leases.len().max(1))?;
        let message = self.world.message(MessageKind::GARLIC, len);
        let id = self.note(message.clone());
        self.world.send_into(lease.gateway, lease.tunnel, &message);
        id
    }

    fn note(&mut self, message: I2npMessage) -> Option<MessageId> {
        let id = message.id;
        self.sent.insert(id, message);
        Some(id)
    }

    fn check(&mut self) {
        let last = usize::from(HOPS);
        let mut came: Vec<I2npMessage> = std::mem::take(&mut self.world.nodes[last].others);
        let received = std::mem::take(&mut self.world.creator().received).into_iter().map(|(_, message)| message);
        // A test of a tunnel that comes back after its time is garlic like any other.
        came.extend(received.filter(|message| message.kind != MessageKind::GARLIC || self.sent.contains_key(&message.id)));
        for message in came {
            assert_eq!(self.sent.get(&message.id), Some(&message), "altered, mixed up or never sent");
            assert!(self.arrived.insert(message.id), "delivered twice");
        }
        for node in &self.world.nodes[1..] {
            let stats = node.machine.transit_stats();
            assert_eq!(node.installed, stats.accepted, "installed what was agreed to, once");
            assert!(u64::try_from(node.machine.transit_tunnels()).unwrap() <= stats.accepted);
        }
        let abandoned = self.abandoned;
        let machine = &self.world.creator().machine;
        let stats = machine.stats();
        let ended = stats.built - stats.late + stats.rejected + stats.bad_replies + stats.no_reply;
        assert_eq!(stats.started, ended + machine.pending_builds() + abandoned, "a build ends once: {stats:?}");
    }

    /// After the faults pools fill, and messages come through, all of them.
    fn recover(&mut self) {
        self.world.faults = Faults::default();
        for hop in 1..=usize::from(HOPS) {
            self.apply(&Op::Refuse { hop, on: false });
            self.apply(&Op::Dead { hop, on: false });
        }
        self.pool(false, 2, 2, 2);
        self.pool(true, 3, 3, 2);
        // Without an answer to a test or a reply none of the old tunnels is known to be dead: until then they are used.
        self.world.run(RECOVERY);
        self.check();
        let mut ids = Vec::new();
        for client in [false, true] {
            let counts = self.world.creator().machine.counts(owner(client));
            assert!(counts.inbound >= 2 && counts.outbound >= 2, "{counts:?}");
            for n in 0..4 {
                ids.extend(self.send_out(client, u64::try_from(n).unwrap(), 3_000));
                ids.extend(self.send_in(client, n, 3_000));
            }
        }
        self.world.run(Duration::from_secs(1));
        self.check();
        assert_eq!(ids.len(), 16);
        let lost = ids.iter().filter(|id| !self.arrived.contains(id)).count();
        assert_eq!(lost, 0);
    }

    fn end(&mut self) {
        self.close(false);
        self.close(true);
        self.world.run(LATE_REPLY + Duration::from_secs(1));
        self.check();
        let machine = &self.world.creator().machine;
        assert_eq!((machine.pending_builds(), machine.held()), (0, 0));
        self.world.run(Duration::from_secs(700));
        for node in &mut self.world.nodes {
            node.machine.work(self.world.now, 1);
            assert_eq!((node.machine.transit_tunnels(), node.machine.waiting_requests()), (0, 0));
        }
    }
}

fn run(seed: u8, ops: &[Op]) {
    let mut net = Net::new(seed);
    for op in ops {
        net.apply(op);
    }
    net.recover();
    net.end();
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]
    #[test]
    fn builds_end_and_messages_stay_whole(seed in any::<u8>(), ops in prop::collection::vec(op(), 1..50)) {
        run(seed, &ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(LONG_CASES) })]
    #[test]
    #[ignore = "takes minutes"]
    fn builds_end_and_messages_stay_whole_long(seed in any::<u8>(), ops in prop::collection::vec(op(), 1..150)) {
        run(seed, &ops);
    }
}
