//! Floods: what they tie up, and what they don't.

use std::{net::SocketAddr, time::Duration};

use ramson_aes::LayerKeys;
use ramson_crypto::rng::SeededRng;
use ramson_lane::{Class, DropReason, LaneCommand, LaneConfig, LaneEvent, Relay, RelayRole, tunnel_data::Gateway};
use ramson_wire::{I2npMessage, MessageId, MessageKind, RouterHash, TunnelDelivery, TunnelId};

use crate::network::{NET_ID, Network, note};

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn strict(_: usize) -> LaneConfig {
    LaneConfig { net_id: NET_ID, allow_reserved_peers: true, ..LaneConfig::default() }
}

#[test]
fn ten_thousand_connects_from_one_address_tie_up_four_places() {
    let mut net = Network::with_config(2, 40, strict);
    let now = net.now;
    let lane = &mut net.nodes[1].lane;
    let taken = (0..10_000).filter_map(|_| lane.handle_incoming(now, address("8.8.8.8:5000"))).count();
    assert_eq!(taken, 4);
    // The same for an IPv6 /64.
    let in_64 = |n: u16| SocketAddr::new(std::net::Ipv6Addr::new(0x2a00, 1, 2, 3, n, n, n, n).into(), 5000);
    let taken = (0..10_000).filter_map(|n| lane.handle_incoming(now, in_64(n))).count();
    assert_eq!(taken, 4);
    assert_eq!(net.nodes[1].drops(DropReason::PendingInboundPerIp), 2 * 9996);
    // Another router gets in.
    net.connect(0, 1);
    net.settle();
    assert_eq!(net.connections(), 1);
    // The places are free again when the handshakes have timed out, within the minute's rate.
    net.advance(Duration::from_secs(70));
    let now = net.now;
    let lane = &mut net.nodes[1].lane;
    assert_eq!((0..10_000).filter_map(|_| lane.handle_incoming(now, address("8.8.8.8:5000"))).count(), 4);
}

#[test]
fn handshakes_in_all_and_the_rate_are_limited() {
    let mut net = Network::with_config(1, 41, strict);
    let now = net.now;
    let lane = &mut net.nodes[0].lane;
    let from = |n: u32| SocketAddr::new(std::net::Ipv4Addr::from(0x0909_0000 + n).into(), 1000);
    let taken = (0..10_000).filter_map(|n| lane.handle_incoming(now, from(n))).count();
    assert_eq!(taken, 192);
    assert_eq!(net.nodes[0].drops(DropReason::PendingInbound), 10_000 - 192);
    net.advance(Duration::from_secs(70));
    let now = net.now;
    let lane = &mut net.nodes[0].lane;
    let mut taken = 0;
    for _ in 0..1000 {
        if let Some(conn) = lane.handle_incoming(now, address("8.8.8.8:5000")) {
            taken += 1;
            lane.handle_eof(now, conn);
        }
    }
    assert_eq!(taken, 30);
    assert_eq!(net.nodes[0].drops(DropReason::InboundRate), 970);
}

#[test]
fn garbage_ends_the_connection_and_nothing_else() {
    let mut net = Network::with_config(2, 42, strict);
    for len in [1, 63, 64, 65, 300, 5000] {
        let now = net.now;
        let lane = &mut net.nodes[0].lane;
        let conn = lane.handle_incoming(now, address("8.8.8.8:5000")).unwrap();
        lane.handle_bytes(now, conn, &vec![0x5a; len]);
        lane.handle_timeout(now);
        lane.end_turn(now);
        let mut out = Vec::new();
        lane.write_into(now, conn, &mut out, 10_000);
        assert!(out.is_empty());
        net.advance(Duration::from_secs(20));
    }
    assert_eq!(net.nodes[0].count(|event| !matches!(event, LaneEvent::Stats(_))), 0);
    net.connect(1, 0);
    net.settle();
    assert_eq!(net.connections(), 1);
}

#[test]
fn sessions_are_limited_with_room_for_own_dials() {
    let mut net = Network::with_config(8, 43, |n| LaneConfig {
        max_sessions: if n == 0 { 4 } else { 100 },
        ..LaneConfig::closed_network(NET_ID)
    });
    for n in 1..=5 {
        net.connect(n, 0);
        net.settle();
    }
    net.nodes[0].lane.end_turn(net.now);
    assert_eq!(net.nodes[0].lane.stats().sessions, 3);
    net.connect(0, 6);
    net.settle();
    net.connect(0, 7);
    net.settle();
    net.nodes[0].lane.end_turn(net.now);
    assert_eq!(net.nodes[0].lane.stats().sessions, 4);
    assert!(net.nodes[0].drops(DropReason::SessionLimit) >= 2);
}

#[test]
fn handshakes_count_as_sessions_of_their_address() {
    let config = |_| LaneConfig { max_inbound_sessions_per_ip: 2, ..strict(0) };
    let mut net = Network::with_config(1, 48, config);
    let now = net.now;
    let lane = &mut net.nodes[0].lane;
    assert_eq!((0..10).filter_map(|_| lane.handle_incoming(now, address("8.8.8.8:5000"))).count(), 2);
    assert_eq!(net.nodes[0].drops(DropReason::SessionsPerIp), 8);
}

#[test]
fn dials_that_others_overtake_keep_to_the_limit() {
    // Who stands first is up to the seed; the network keeps an eye on the bounds.
    for seed in 50..70 {
        let mut net = Network::with_config(8, seed, |n| LaneConfig {
            max_sessions: if n == 0 { 4 } else { 100 },
            ..LaneConfig::closed_network(NET_ID)
        });
        (1..=4).for_each(|n| net.connect(0, n));
        (5..=7).for_each(|n| net.connect(n, 0));
        net.settle();
        net.nodes[0].lane.end_turn(net.now);
        assert_eq!(net.nodes[0].lane.stats().sessions, 4);
        assert!(net.nodes[0].drops(DropReason::SessionLimit) > 0);
        net.advance(Duration::from_secs(5));
        assert_eq!(net.nodes[0].unfinished(), [""; 0]);
    }
}

#[test]
fn what_waits_for_unconnected_routers_is_bounded() {
    let mut net = Network::new(1, 44);
    net.nodes[0].answers = false;
    let now = net.now;
    let to = |n: u32| {
        RouterHash([u8::try_from(n % 251).unwrap(), u8::try_from(n / 251).unwrap(), 7].repeat(11)[..32].try_into().unwrap())
    };
    for n in 0..5000 {
        net.command(0, LaneCommand::Send { to: to(n), message: note(now, n, 10), class: Class::Transit });
    }
    assert_eq!(net.nodes[0].drops(DropReason::WantedPeers), 5000 - 768);
    for n in 5000..6000 {
        net.command(0, LaneCommand::Send { to: to(n), message: note(now, n, 10), class: Class::Own });
    }
    assert_eq!(net.nodes[0].drops(DropReason::WantedPeers), 5000 - 768 + 1000 - 256);
    for n in 0..1000 {
        net.command(0, LaneCommand::Send { to: to(0), message: note(now, n, 10), class: Class::Transit });
    }
    assert_eq!(net.nodes[0].drops(DropReason::PendingQueue), 1000 - 255);
    // Own messages push transit out, not the other way.
    for n in 0..100 {
        net.command(0, LaneCommand::Send { to: to(0), message: note(now, n, 10), class: Class::Own });
    }
    assert_eq!(net.nodes[0].drops(DropReason::PendingQueue), 1000 - 255 + 100);
    net.settle();
    assert_eq!(
        net.nodes[0].unfinished(),
        ["lane-wanted-peers", "lane-pending-messages", "lane-pending-bytes", "lane-pending-bytes-in-all"]
    );
    net.advance(Duration::from_secs(21));
    assert_eq!(net.nodes[0].drops(DropReason::NoPeer), 768 + 256 + 255);
    assert_eq!(net.nodes[0].unfinished(), [""; 0]);
}

#[test]
fn congestion_is_told_at_both_marks() {
    let mut net = Network::new(2, 45);
    net.connect(0, 1);
    net.settle();
    for n in 0..12 {
        net.send(0, 1, note(net.now, n, 20_000), Class::Own);
    }
    net.settle();
    let told: Vec<bool> = net.nodes[0]
        .events
        .iter()
        .filter_map(|event| match event {
            LaneEvent::Congestion { congested, .. } => Some(*congested),
            _ => None,
        })
        .collect();
    assert_eq!(told, [true, false]);
    assert_eq!(net.nodes[1].messages().len(), 12);
}

#[test]
fn an_endpoint_has_us_dial_48_routers_in_half_a_minute() {
    let mut net = Network::new(2, 46);
    let tunnel = TunnelId::new(5).unwrap();
    let keys = || LayerKeys::new(&[1; 32], &[2; 32]);
    let expires = net.now.tick + Duration::from_secs(600);
    let relay = Relay { tunnel, role: RelayRole::Endpoint, keys: keys(), previous: None, expires };
    net.command(1, LaneCommand::Install(Box::new(relay)));
    let mut gateway = Gateway::new(Box::new(SeededRng::new([1; 32])));
    for n in 0..100 {
        gateway.push(TunnelDelivery::Router(RouterHash([n; 32])), &note(net.now, u32::from(n), 50)).unwrap();
    }
    for mut data in gateway.flush() {
        keys().decrypt(&mut data);
        let body = [&5_u32.to_be_bytes()[..], &data[..]].concat();
        let expiration = net.now.date + Duration::from_secs(20);
        net.send(0, 1, I2npMessage::new(MessageKind::TUNNEL_DATA, MessageId(1), expiration, body), Class::Own);
    }
    net.nodes[1].answers = false;
    net.settle();
    assert_eq!(net.nodes[1].drops(DropReason::EndpointTargets), 52);
    assert_eq!(net.nodes[1].count(|event| matches!(event, LaneEvent::PeerWanted { .. })), 48);
}

#[test]
fn sessions_from_one_address_are_limited() {
    let mut net =
        Network::with_config(2, 47, |_| LaneConfig { max_inbound_sessions_per_ip: 1, ..LaneConfig::closed_network(NET_ID) });
    net.connect(0, 1);
    net.settle();
    let (now, source) = (net.now, SocketAddr::new(net.nodes[0].address.ip(), 7));
    assert_eq!(net.nodes[1].lane.handle_incoming(now, source), None);
    assert_eq!(net.nodes[1].drops(DropReason::SessionsPerIp), 1);
    let peer = net.nodes[0].hash;
    net.command(1, LaneCommand::Disconnect { peer });
    net.settle();
    assert!(net.nodes[1].lane.handle_incoming(now, source).is_some());
}
