//! A router that reaches nobody tries ever more seldom, up to a bound, and goes on at once when a session stands.

use super::*;

/// A machine that knows ten floodfills, publishes and explores, and whose messages never leave; how many it sends in each of these
/// spans of 20 minutes.
fn sent_alone(spans: usize) -> (Watched<NetDb>, Vec<usize>) {
    let mut config = Config::new(NET_ID, RouterHash([1; 32]));
    config.limits.explore_below = 100;
    let mut netdb = machine(at(0), config);
    for number in 0..10 {
        netdb.add_router(at(0), Signer::new(number).floodfill(at(0).date), Source::Reseed);
    }
    let own = Signer::new(99).info(at(0).date);
    netdb.publish_router_info(at(0), own);
    let mut sent = vec![0; spans];
    let end = u64::try_from(spans).unwrap() * 1_200_000;
    let mut ms = 0;
    while ms < end {
        while let Some(output) = netdb.poll_output() {
            if let NetDbOutput::Direct { to, .. } = output {
                sent[usize::try_from(ms / 1_200_000).unwrap()] += 1;
                netdb.handle_send_failed(at(ms), to);
            }
        }
        let next = netdb.deadline().saturating_since(at(0).tick);
        ms = u64::try_from(next.as_micros().div_ceil(1_000)).unwrap().max(ms + 1);
        netdb.handle_timeout(at(ms));
    }
    (netdb, sent)
}

#[test]
fn who_is_alone_tries_ever_more_seldom() {
    let (_, sent) = sent_alone(6);
    assert!(sent[0] > 4 * sent[5], "{sent:?}");
    assert!((1..=60).contains(&sent[5]), "it goes on, and not without a pause: {sent:?}");
}

#[test]
fn a_session_brings_it_back_at_once() {
    let (mut netdb, _) = sent_alone(6);
    drain(&mut netdb);
    let back = at(6 * 1_200_000 + 60_000);
    netdb.handle_timeout(back);
    drain(&mut netdb);
    netdb.handle_connected(back, Signer::new(3).hash());
    assert_eq!(direct(&drain(&mut netdb), MessageKind::DATABASE_STORE).len(), 1);
    // Exploration follows within 20 s.
    let soon = at(6 * 1_200_000 + 80_000);
    netdb.handle_timeout(soon);
    assert!(!direct(&drain(&mut netdb), MessageKind::DATABASE_LOOKUP).is_empty());
}

/// The sessions of one router come back at one moment: what its identities do then must not.
#[test]
fn identities_go_on_each_at_its_own_time() {
    let mut net = Net::new(3, 1, |_, other| other < 3);
    let ids: Vec<IdentityId> = (0..8).map(|number| net.identity(3, number, 0)).collect();
    net.nodes.iter_mut().take(3).for_each(|node| node.silent = true);
    for (number, id) in (0..).zip(&ids) {
        let now = net.now();
        net.netdb(3).publish_lease_set(now, *id, Service::new(number).lease_set(now.date + Duration::from_secs(60)));
    }
    net.run(200_000);
    let start = net.ms;
    let before = net.served.len();
    let now = net.now();
    net.netdb(3).handle_connected(now, RouterHash([77; 32]));
    net.settle();
    assert_eq!(net.served.len(), before);
    let mut times = BTreeSet::new();
    net.nodes.iter_mut().take(3).for_each(|node| node.silent = false);
    while net.ms < start + 20_000 {
        let seen = net.served.len();
        net.run(50);
        if net.served.len() > seen {
            times.insert(net.ms);
        }
    }
    assert!(times.len() >= 6, "{times:?}");
}
