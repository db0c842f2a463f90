//! Sessions: dialing, duplicates, endings.

use std::time::Duration;

use ramson_lane::{Class, DropReason, Fault, LaneCommand, LaneConfig, LaneEvent};

use crate::network::{NET_ID, Network, by_id, note};

fn is_connected(event: &LaneEvent) -> bool {
    matches!(event, LaneEvent::Connected { .. })
}

fn is_disconnected(event: &LaneEvent) -> bool {
    matches!(event, LaneEvent::Disconnected { .. })
}

#[test]
fn a_message_brings_a_session_about() {
    let mut net = Network::new(2, 1);
    for id in 0..20 {
        let message = note(net.now, id, 10 + id as usize * 500);
        net.send(0, 1, message, Class::Own);
    }
    net.settle();
    let got = net.nodes[1].messages();
    assert_eq!(got.len(), 20);
    for (id, (from, message)) in (0..).zip(got) {
        assert_eq!(from, Some(net.nodes[0].hash));
        assert_eq!(message, note(net.now, id, 10 + id as usize * 500));
    }
    assert_eq!(net.nodes[0].count(is_connected), 1);
    net.nodes[1].events.retain(|event| !matches!(event, LaneEvent::Stats(_)));
    assert!(matches!(net.nodes[1].events[..], [LaneEvent::RouterInfo { .. }, LaneEvent::Connected { inbound: true, .. }, ..]));
    // The responder's RouterInfo came in its first frame.
    let has_info = |event: &LaneEvent| matches!(event, LaneEvent::RouterInfo { info, .. } if info.hash() == net.nodes[1].hash);
    assert_eq!(net.nodes[0].count(has_info), 1);
    assert_eq!(net.connections(), 1);
    net.nodes[0].lane.end_turn(net.now);
    assert_eq!(net.nodes[0].lane.stats().sessions, 1);
}

#[test]
fn peer_wanted_is_asked_once_and_answered() {
    let mut net = Network::new(2, 2);
    net.nodes[0].answers = false;
    for id in 0..5 {
        let message = note(net.now, id, 10);
        net.send(0, 1, message, Class::Own);
    }
    net.settle();
    let wanted = |event: &LaneEvent| matches!(event, LaneEvent::PeerWanted { .. });
    assert_eq!(net.nodes[0].count(wanted), 1);
    let peer = net.nodes[1].hash;
    net.command(0, LaneCommand::NoPeer { peer });
    assert_eq!(net.nodes[0].drops(DropReason::NoPeer), 5);
    let message = note(net.now, 9, 10);
    net.send(0, 1, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[0].count(wanted), 2);
    // Without an answer it is given up after a while.
    net.advance(Duration::from_secs(21));
    assert_eq!(net.nodes[0].drops(DropReason::NoPeer), 6);
    net.send(0, 1, note(net.now, 10, 10), Class::Own);
    net.connect(0, 1);
    net.settle();
    assert_eq!(by_id(&net.nodes[1].messages()).len(), 1);
}

#[test]
fn simultaneous_dials_end_with_one_session_and_lose_nothing() {
    for seed in 0..120 {
        let mut net = Network::new(2, seed);
        net.connect(0, 1);
        for _ in 0..seed % 7 {
            net.step();
        }
        net.connect(1, 0);
        for id in 0..30 {
            let message = note(net.now, id, 700);
            net.send(0, 1, message.clone(), Class::Own);
            net.send(1, 0, message, Class::Own);
            net.step();
        }
        net.settle();
        for _ in 0..25 {
            net.advance(Duration::from_secs(1));
            for node in [0, 1] {
                let id = 1000 + u32::try_from(net.now.tick.0 / 1_000_000_000).unwrap();
                net.send(node, 1 - node, note(net.now, id, 50), Class::Own);
            }
        }
        net.settle();
        assert_eq!(net.connections(), 1, "seed {seed}");
        for node in &mut net.nodes {
            let got = by_id(&node.messages());
            assert_eq!(got.len(), 55, "seed {seed}");
            assert!(got.values().all(|count| *count == 1), "seed {seed}");
            assert_eq!((node.count(is_connected), node.count(is_disconnected)), (1, 0), "seed {seed}");
            assert_eq!(node.count(|event| matches!(event, LaneEvent::ConnectFailed { .. })), 0);
        }
    }
}

#[test]
fn a_restarted_router_replaces_its_dead_session() {
    let mut net = Network::new(2, 3);
    net.connect(0, 1);
    net.advance(Duration::from_secs(20));
    net.restart(0, LaneConfig::closed_network(NET_ID));
    net.connect(0, 1);
    net.settle();
    net.send(1, 0, note(net.now, 5, 10), Class::Own);
    net.settle();
    assert_eq!(by_id(&net.nodes[0].messages()).len(), 1);
    assert_eq!(net.nodes[1].count(is_connected), 1);
    net.advance(Duration::from_secs(20));
    net.send(1, 0, note(net.now, 6, 10), Class::Own);
    net.settle();
    assert_eq!(by_id(&net.nodes[0].messages()).len(), 1);
    assert_eq!(net.nodes[1].count(is_disconnected), 0);
}

#[test]
fn a_router_that_fails_is_left_alone_for_longer_each_time() {
    let mut net = Network::new(2, 4);
    net.nodes[1].online = false;
    let failed = |event: &LaneEvent| matches!(event, LaneEvent::ConnectFailed { fault: Fault::Network, .. });
    let message = note(net.now, 1, 10);
    net.send(0, 1, message.clone(), Class::Own);
    net.advance(Duration::from_secs(3));
    assert_eq!(net.nodes[0].count(failed), 1);
    assert_eq!(net.nodes[0].drops(DropReason::ConnectFailed), 1);
    net.nodes[1].online = true;
    net.send(0, 1, message.clone(), Class::Own);
    net.settle();
    assert_eq!(net.nodes[0].drops(DropReason::Backoff), 1);
    assert_eq!(net.nodes[0].count(failed), 2);
    net.nodes[1].online = false;
    net.advance(Duration::from_secs(8));
    net.send(0, 1, message.clone(), Class::Own);
    net.advance(Duration::from_secs(12));
    net.nodes[1].online = true;
    net.send(0, 1, message.clone(), Class::Own); // 20 s now
    net.settle();
    assert_eq!(net.nodes[0].drops(DropReason::Backoff), 2);
    // It dials us: all is forgiven.
    net.connect(1, 0);
    net.settle();
    net.send(0, 1, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[1].messages().len(), 1);
}

#[test]
fn silence_ends_a_dial() {
    let mut net = Network::new(2, 5);
    net.send(0, 1, note(net.now, 1, 10), Class::Own);
    // Only the outputs: the TCP connection never stands.
    let now = net.now;
    let lane = &mut net.nodes[0].lane;
    let info = lane_wants(lane);
    assert!(info);
    net.connect(0, 1);
    let lane = &mut net.nodes[0].lane;
    let mut at = now;
    let mut failed = false;
    for _ in 0..100 {
        match lane.poll_output() {
            ramson_lane::LaneOutput::Timeout(Some(next)) => {
                at.tick = next;
                lane.handle_timeout(at);
            }
            ramson_lane::LaneOutput::Event(LaneEvent::ConnectFailed { .. }) => {
                failed = true;
                break;
            }
            _ => {}
        }
    }
    assert!(failed);
    assert!(at.tick.saturating_since(now.tick) < Duration::from_secs(25));
}

fn lane_wants(lane: &mut ramson_lane::Lane) -> bool {
    loop {
        match lane.poll_output() {
            ramson_lane::LaneOutput::Event(LaneEvent::PeerWanted { .. }) => return true,
            ramson_lane::LaneOutput::Timeout(_) => return false,
            _ => {}
        }
    }
}

#[test]
fn disconnect_ends_on_both_sides() {
    let mut net = Network::new(2, 6);
    net.connect(0, 1);
    net.settle();
    let peer = net.nodes[1].hash;
    net.command(0, LaneCommand::Disconnect { peer });
    net.settle();
    assert_eq!(net.connections(), 0);
    assert!(net.nodes.iter().all(|node| node.count(is_disconnected) == 1));
    // No grudge: it connects again.
    net.connect(1, 0);
    net.settle();
    assert_eq!(net.connections(), 1);
}

#[test]
fn idle_sessions_end() {
    let mut net = Network::new(2, 7);
    net.connect(0, 1);
    net.advance(Duration::from_secs(3600));
    assert_eq!(net.connections(), 0);
    assert!(net.nodes.iter().all(|node| node.count(is_disconnected) == 1));
}

#[test]
fn an_announced_router_info_reaches_the_connected() {
    let mut net = Network::new(3, 8);
    net.connect(0, 1);
    net.settle();
    net.nodes[1].events.clear();
    let info = net.nodes[0].info.clone();
    net.command(0, LaneCommand::SetRouterInfo { info, announce: true });
    net.settle();
    assert_eq!(net.nodes[1].count(|event| matches!(event, LaneEvent::RouterInfo { .. })), 1);
}

#[test]
fn reserved_addresses_and_other_networks_are_not_dialed() {
    let mut net = Network::with_config(2, 9, |_| LaneConfig { net_id: NET_ID, ..LaneConfig::default() });
    net.connect(0, 1);
    net.settle();
    let failed = |event: &LaneEvent| matches!(event, LaneEvent::ConnectFailed { fault: Fault::Peer, .. });
    assert_eq!(net.nodes[0].count(failed), 1);
    let mut net = Network::with_config(2, 9, |_| LaneConfig::closed_network(5));
    net.connect(0, 1);
    net.settle();
    assert_eq!(net.nodes[0].count(failed), 1);
    assert_eq!(net.connections(), 0);
}
