//! Any order of commands, bytes and time keeps what the engine relies on.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use ramson_lane::{Class, LaneCommand, LaneConfig, LaneEvent};

use crate::network::{NET_ID, Network, note};

const NODES: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Connect(usize, usize),
    Send(usize, usize, usize),
    Disconnect(usize, usize),
    Restart(usize),
    Online(usize, bool),
    Move(u8),
    Wait(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = 0..NODES;
    let step = prop_oneof![
        3 => (node.clone(), node.clone()).prop_map(|(a, b)| Step::Connect(a, b)),
        5 => (node.clone(), node.clone(), 0_usize..9000).prop_map(|(a, b, len)| Step::Send(a, b, len)),
        1 => (node.clone(), node.clone()).prop_map(|(a, b)| Step::Disconnect(a, b)),
        1 => node.clone().prop_map(Step::Restart),
        1 => (node, any::<bool>()).prop_map(|(a, online)| Step::Online(a, online)),
        6 => any::<u8>().prop_map(Step::Move),
        2 => (0_u16..20_000).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..60)
}

fn run(net: &mut Network, step: Step, id: u32) {
    match step {
        Step::Connect(a, b) => net.connect(a, b),
        Step::Send(a, b, len) => {
            let message = note(net.now, id, len);
            net.send(a, b, message, Class::Own);
        }
        Step::Disconnect(a, b) => {
            let peer = net.nodes[b].hash;
            net.command(a, LaneCommand::Disconnect { peer });
        }
        Step::Restart(a) => net.restart(a, LaneConfig::closed_network(NET_ID)),
        Step::Online(a, online) => net.nodes[a].online = online,
        Step::Move(count) => {
            for _ in 0..count {
                net.step();
            }
        }
        Step::Wait(millis) => net.advance(Duration::from_millis(u64::from(millis))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn sessions_stay_consistent(steps in steps(), seed: u8) {
        let mut net = Network::new(NODES, seed);
        for (id, step) in (0..).zip(steps) {
            run(&mut net, step, id);
        }
        // Everything doubled or half open is over after a while; idle sessions aren't.
        net.advance(Duration::from_secs(45));
        let mut standing = 0;
        for node in &net.nodes {
            let mut connected = BTreeMap::new();
            let mut messages = BTreeMap::<_, u32>::new();
            for event in &node.events {
                match event {
                    LaneEvent::Connected { peer, .. } => {
                        prop_assert_eq!(connected.insert(*peer, true), None, "connected twice");
                    }
                    LaneEvent::Disconnected { peer } => {
                        prop_assert_eq!(connected.remove(peer), Some(true), "disconnected twice");
                    }
                    LaneEvent::Message { from, message } => {
                        *messages.entry((*from, message.id)).or_default() += 1;
                    }
                    _ => {}
                }
            }
            standing += connected.len();
            prop_assert!(messages.values().all(|count| *count == 1));
        }
        prop_assert!(net.connections() <= NODES * (NODES - 1) / 2);
        prop_assert!(standing >= net.connections() * 2);
    }
}
