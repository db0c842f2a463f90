//! An asker and floodfills, some of which lie, among messages that are lost or late: each lookup ends once and in time, asks a bounded
//! number of routers, and gives nothing but what was asked for.

use std::collections::BTreeSet;

use proptest::prelude::*;
use ramson_crypto::rng;

use super::*;
use crate::netdb::config::{DIRECT_TRY_TIMEOUT, LOOKUP_TIMEOUT, MAX_FETCHES, MAX_LEASE_SET_TRIES, MAX_ROUTER_TRIES};

/// Cases in the usual run, and in the long one.
const CASES: u32 = 32;
const LONG_CASES: u32 = 2_000;
const FLOODFILLS: usize = 6;
const OTHERS: usize = 4;
const ASKER: usize = FLOODFILLS;
const SERVICES: u16 = 4;
/// A lookup that many joined ends at its own time, and no later than this.
const PATIENCE: u64 = 20_000;

#[derive(Clone, Debug)]
enum Op {
    /// Look for a service, which may not exist, for one of two identities.
    LeaseSet {
        identity: usize,
        service: u16,
    },
    /// Look for a router, which may not exist.
    Router {
        which: usize,
    },
    Publish {
        service: u16,
    },
    PublishRouter {
        node: usize,
    },
    Faults {
        loss: u32,
        delay: u64,
    },
    Silent {
        node: usize,
        on: bool,
    },
    Lie {
        node: usize,
        lie: Lie,
    },
    /// An answer that nobody asked for.
    Unasked {
        identity: usize,
        service: u16,
        of: u16,
    },
    Unreachable {
        node: usize,
    },
    Close {
        identity: usize,
    },
    Pass {
        ms: u64,
    },
}

/// What a floodfill does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lie {
    Honest,
    /// Another service's LeaseSet under the key asked for.
    OtherEntry,
    /// A signature that doesn't hold.
    Forged,
    /// One that ended long ago.
    Ended,
    /// Names of routers that nobody has.
    Invented,
    /// That it doesn't know, in another's name.
    Borrowed,
}

fn op() -> impl Strategy<Value = Op> {
    let lie = prop::sample::select(vec![Lie::Honest, Lie::OtherEntry, Lie::Forged, Lie::Ended, Lie::Invented, Lie::Borrowed]);
    let (identity, service) = (|| 0..2usize, || 0..SERVICES);
    let node = || 0..FLOODFILLS;
    prop_oneof![
        6 => (identity(), service()).prop_map(|(identity, service)| Op::LeaseSet { identity, service }),
        4 => (0..FLOODFILLS + OTHERS + 3).prop_map(|which| Op::Router { which }),
        3 => service().prop_map(|service| Op::Publish { service }),
        2 => (0..FLOODFILLS + OTHERS).prop_map(|node| Op::PublishRouter { node }),
        2 => (0..40u32, 0..5_000u64).prop_map(|(loss, delay)| Op::Faults { loss, delay }),
        2 => (node(), any::<bool>()).prop_map(|(node, on)| Op::Silent { node, on }),
        3 => (node(), lie).prop_map(|(node, lie)| Op::Lie { node, lie }),
        2 => (identity(), service(), service()).prop_map(|(identity, service, of)| Op::Unasked { identity, service, of }),
        1 => node().prop_map(|node| Op::Unreachable { node }),
        1 => identity().prop_map(|identity| Op::Close { identity }),
        8 => prop_oneof![8 => 0..6_000u64, 1 => 0..100_000u64].prop_map(|ms| Op::Pass { ms }),
    ]
}

/// Something that is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    LeaseSet(DestinationHash),
    Router(RouterHash),
}

struct World {
    net: Net,
    lies: [Lie; FLOODFILLS],
    faults: (u32, u64),
    late: BTreeMap<(u64, u64), (usize, NetDbOutput)>,
    count: u64,
    rng: SeededRng,
    identities: [IdentityId; 2],
    next_identity: u32,
    services: Vec<Service>,
    asked: BTreeMap<LookupRequest, (Owner, Wanted, u64)>,
    ended: BTreeSet<LookupRequest>,
    /// Lookups sent by the asker.
    questions: usize,
    found: usize,
}

impl World {
    fn new(seed: u8) -> World {
        // The asker knows some floodfills, and these know all.
        let mut net = Net::new(FLOODFILLS, OTHERS, |n, other| if n == ASKER { other < 3 } else { other < FLOODFILLS });
        let identities = [net.identity(ASKER, 1, 0), net.identity(ASKER, 2, 1)];
        World {
            net,
            lies: [Lie::Honest; FLOODFILLS],
            faults: (0, 0),
            late: BTreeMap::new(),
            count: 0,
            rng: SeededRng::new([seed; 32]).child("faults"),
            identities,
            next_identity: 3,
            services: (0..SERVICES).map(Service::new).collect(),
            asked: BTreeMap::new(),
            ended: BTreeSet::new(),
            questions: 0,
            found: 0,
        }
    }

    fn apply(&mut self, op: &Op) {
        let now = self.net.now();
        match *op {
            Op::LeaseSet { identity, service } => {
                let (id, hash) = (self.identities[identity], self.services[usize::from(service)].hash());
                let request = self.ask(Owner::Identity(id), Wanted::LeaseSet(hash));
                self.net.netdb(ASKER).lookup_lease_set(now, id, hash, None, request);
            }
            Op::Router { which } => {
                let hash = self.net.nodes.get(which).map_or(RouterHash([77; 32]), |node| node.signer.hash());
                let request = self.ask(Owner::Router, Wanted::Router(hash));
                self.net.netdb(ASKER).lookup_router(now, hash, request);
            }
            Op::Publish { service } => {
                let set = self.services[usize::from(service)].lease_set(now.date);
                for node in 0..FLOODFILLS {
                    let store = DatabaseStore::lease_set2(&set, None);
                    self.net.netdb(node).handle_store(now, None, Via::Direct, store);
                }
            }
            Op::PublishRouter { node } => {
                let signer = &self.net.nodes[node].signer;
                let info = if node < FLOODFILLS { signer.floodfill(now.date) } else { signer.info(now.date) };
                for to in (0..FLOODFILLS).filter(|to| *to != node) {
                    self.net.netdb(to).handle_store(now, None, Via::Direct, DatabaseStore::router_info(&info, None));
                }
            }
            Op::Faults { loss, delay } => self.faults = (loss, delay),
            Op::Silent { node, on } => self.net.nodes[node].silent = on,
            Op::Lie { node, lie } => self.lies[node] = lie,
            Op::Unasked { identity, service, of } => {
                let mut store = DatabaseStore::lease_set2(&self.services[usize::from(of)].lease_set(now.date), None);
                store.key = self.services[usize::from(service)].hash().into();
                let owner = Owner::Identity(self.identities[identity]);
                self.net.netdb(ASKER).handle_store(now, None, Via::Tunnel(owner), store);
            }
            Op::Unreachable { node } => {
                let hash = self.net.nodes[node].signer.hash();
                self.net.netdb(ASKER).handle_send_failed(now, hash);
            }
            Op::Close { identity } => self.close(identity),
            Op::Pass { ms } => self.run(ms),
        }
        self.run(0);
    }

    fn ask(&mut self, owner: Owner, wanted: Wanted) -> LookupRequest {
        let request = LookupRequest(u64::try_from(self.asked.len()).unwrap());
        self.asked.insert(request, (owner, wanted, self.net.ms));
        request
    }

    /// Nothing of a closed identity's is told any more; another takes its place.
    fn close(&mut self, identity: usize) {
        let old = Owner::Identity(self.identities[identity]);
        self.net.netdb(ASKER).close_identity(self.identities[identity]);
        let gone = self.asked.iter().filter(|(_, (owner, ..))| *owner == old).map(|(request, _)| *request);
        self.ended.extend(gone);
        self.identities[identity] = self.net.identity(ASKER, self.next_identity, identity);
        self.next_identity += 1;
    }

    fn run(&mut self, ms: u64) {
        let end = self.net.ms + ms;
        loop {
            self.settle();
            self.check();
            let timer = self.net.nodes.iter().map(|node| node.netdb.deadline()).min().unwrap().saturating_since(at(0).tick);
            let timer = u64::try_from(timer.as_micros().div_ceil(1_000)).unwrap();
            let late = self.late.keys().next().map_or(u64::MAX, |(due, _)| *due);
            let next = timer.min(late).max(self.net.ms + 1);
            if next > end {
                break;
            }
            self.net.ms = next;
            for node in &mut self.net.nodes {
                node.netdb.handle_timeout(at(next));
            }
        }
        self.net.ms = end;
    }

    fn settle(&mut self) {
        loop {
            let fresh =
                self.net.nodes.iter_mut().enumerate().find_map(|(n, node)| node.netdb.poll_output().map(|output| (n, output)));
            if let Some((from, output)) = fresh {
                self.send(from, output);
                continue;
            }
            let due = self.late.first_entry().filter(|entry| entry.key().0 <= self.net.ms).map(|entry| entry.remove());
            let Some((from, output)) = due else { return };
            self.net.route(from, output);
        }
    }

    fn send(&mut self, from: usize, output: NetDbOutput) {
        let message = match &output {
            NetDbOutput::Direct { message, .. }
            | NetDbOutput::ThroughTunnel { message, .. }
            | NetDbOutput::Reply { message, .. } => message,
            _ => return self.net.route(from, output),
        };
        self.questions += usize::from(from == ASKER && message.kind == MessageKind::DATABASE_LOOKUP);
        let output = if from < FLOODFILLS { self.lie(from, output) } else { output };
        let (loss, delay) = self.faults;
        if rng::below(&mut self.rng, 100) >= loss {
            self.count += 1;
            let due = self.net.ms + rng::between(&mut self.rng, 0, delay);
            self.late.insert((due, self.count), (from, output));
        }
    }

    /// What a floodfill really sends.
    fn lie(&mut self, from: usize, output: NetDbOutput) -> NetDbOutput {
        let (path, message, encrypt) = match output {
            NetDbOutput::Reply { path, message, encrypt } if self.lies[from] != Lie::Honest => (path, message, encrypt),
            honest => return honest,
        };
        let reply =
            DatabaseSearchReply::from_bytes(&message.body).ok().filter(|_| message.kind == MessageKind::DATABASE_SEARCH_REPLY);
        let key = match (&reply, DatabaseStore::from_bytes(&message.body)) {
            (Some(reply), _) => reply.key,
            (None, Ok(store)) => store.key,
            _ => return NetDbOutput::Reply { path, message, encrypt },
        };
        let us = self.net.nodes[from].signer.hash();
        let now = self.net.now();
        let store = |set: &LeaseSet2| {
            let mut store = DatabaseStore::lease_set2(set, None);
            store.key = key;
            (MessageKind::DATABASE_STORE, store.to_bytes())
        };
        let named = self.services.iter().find(|service| NetDbKey::from(service.hash()) == key);
        let named = named.unwrap_or(&self.services[0]);
        let reply = |routers: Vec<RouterHash>, from| {
            (MessageKind::DATABASE_SEARCH_REPLY, DatabaseSearchReply { key, routers, from }.to_bytes())
        };
        let (kind, body) = match self.lies[from] {
            Lie::OtherEntry => store(&Service::new(99).lease_set(now.date)),
            Lie::Ended => store(&named.lease_set(now.date - Duration::from_secs(700))),
            Lie::Forged => {
                let (kind, mut body) = store(&named.lease_set(now.date));
                *body.last_mut().unwrap() ^= 1;
                (kind, body)
            }
            Lie::Borrowed => reply(Vec::new(), self.net.nodes[(from + 1) % FLOODFILLS].signer.hash()),
            Lie::Invented | Lie::Honest => reply((0..16).map(|_| RouterHash(rng::bytes(&mut self.rng))).collect(), us),
        };
        NetDbOutput::Reply { path, message: I2npMessage::new(kind, message.id, message.expiration, body), encrypt }
    }

    fn check(&mut self) {
        for (request, result) in self.net.results(ASKER) {
            let (_, wanted, since) = self.asked[&request];
            assert!(self.ended.insert(request), "a lookup ended twice, or after its identity");
            assert!(self.net.ms - since <= PATIENCE, "it took {} ms", self.net.ms - since);
            match result {
                LookupResult::Router(info) => assert_eq!(wanted, Wanted::Router(info.hash())),
                LookupResult::LeaseSet(set) => {
                    assert_eq!(wanted, Wanted::LeaseSet(set.destination().hash()));
                    assert!(set.expires() > self.net.now().date - Duration::from_secs(1), "it has ended");
                }
                LookupResult::Failed(_) => continue,
            }
            self.found += 1;
        }
        for (request, (_, wanted, since)) in &self.asked {
            let over = self.ended.contains(request) || self.net.ms - since <= PATIENCE;
            assert!(over, "{wanted:?} is still looked for");
        }
        // Each lookup tries so many floodfills, and may fetch so many routers that answers name.
        let fetch = usize::from(MAX_ROUTER_TRIES);
        let most = self.asked.len() * (usize::from(MAX_LEASE_SET_TRIES.max(MAX_ROUTER_TRIES)) + MAX_FETCHES * fetch);
        let own = usize::try_from(self.net.ms / 50_000).unwrap() * 2 * (1 + 16 * fetch) + 200;
        assert!(self.questions <= most + own, "{} questions", self.questions);
    }
}

fn run(seed: u8, ops: &[Op]) {
    assert_eq!(u64::try_from(LOOKUP_TIMEOUT.as_millis()).unwrap(), PATIENCE);
    let mut world = World::new(seed);
    for op in ops {
        world.apply(op);
    }
    // Without faults what is published is found, by who is asked and who tells the truth.
    world.faults = (0, 50);
    world.lies = [Lie::Honest; FLOODFILLS];
    world.net.nodes.iter_mut().for_each(|node| node.silent = false);
    world.run(PATIENCE + u64::try_from(DIRECT_TRY_TIMEOUT.as_millis()).unwrap());
    for service in 0..SERVICES {
        world.apply(&Op::Publish { service });
    }
    let before = world.found;
    for identity in 0..2 {
        for service in 0..SERVICES {
            world.apply(&Op::LeaseSet { identity, service });
        }
    }
    world.run(PATIENCE);
    assert_eq!(world.found - before, 2 * usize::from(SERVICES), "published, and not found");
    assert!(world.asked.keys().all(|request| world.ended.contains(request)));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CASES) })]
    #[test]
    fn lookups_end_once_and_rightly(seed in any::<u8>(), ops in prop::collection::vec(op(), 1..60)) {
        run(seed, &ops);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(LONG_CASES) })]
    #[test]
    #[ignore = "takes minutes"]
    fn lookups_end_once_and_rightly_long(seed in any::<u8>(), ops in prop::collection::vec(op(), 1..200)) {
        run(seed, &ops);
    }
}
