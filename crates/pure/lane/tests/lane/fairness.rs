//! Who gets what when there isn't enough: sessions, handshakes, rates, memory.

use std::net::SocketAddr;
use std::time::Duration;

use ramson_aes::LayerKeys;
use ramson_lane::{Class, DropReason, LaneCommand, LaneConfig, LaneEvent, Relay, RelayRole};
use ramson_wire::{I2npMessage, MessageId, MessageKind, TunnelId};

use crate::network::{NET_ID, Network, note};

fn few_places(places: usize) -> impl Fn(usize) -> LaneConfig {
    move |n| LaneConfig { max_sessions: if n == 0 { places } else { 100 }, ..LaneConfig::closed_network(NET_ID) }
}

fn say(net: &mut Network, from: usize, to: usize, id: u32) {
    let message = note(net.now, id, 100);
    net.send(from, to, message, Class::Own);
}

/// Something for a hop of our tunnels.
fn send_ours(net: &mut Network, to: usize) {
    let message = note(net.now, 1, 1028);
    net.send(0, to, I2npMessage { kind: MessageKind::TUNNEL_DATA, ..message }, Class::Own);
}

fn sessions(net: &mut Network) -> u64 {
    let now = net.now;
    net.nodes[0].lane.end_turn(now);
    net.nodes[0].lane.stats().sessions
}

fn connect(net: &mut Network, from: usize) {
    net.connect(from, 0);
    net.settle();
}

fn is_connected(net: &Network, to: usize) -> bool {
    let hash = net.nodes[to].hash;
    let mut connected = false;
    for event in &net.nodes[0].events {
        match event {
            LaneEvent::Connected { peer, .. } if *peer == hash => connected = true,
            LaneEvent::Disconnected { peer } if *peer == hash => connected = false,
            _ => {}
        }
    }
    connected
}

#[test]
fn a_silent_stranger_makes_room_and_ours_stay() {
    let mut net = Network::with_config(8, 60, few_places(4));
    connect(&mut net, 1);
    send_ours(&mut net, 1);
    net.settle();
    net.advance(Duration::from_secs(1));
    connect(&mut net, 2);
    net.advance(Duration::from_secs(1));
    connect(&mut net, 3);
    assert_eq!(sessions(&mut net), 3);
    connect(&mut net, 4);
    assert!(!is_connected(&net, 4), "nobody was silent for long");
    // Somebody talks all the while.
    for _ in 0..14 {
        net.advance(Duration::from_secs(5));
        say(&mut net, 3, 0, 2);
        net.settle();
    }
    connect(&mut net, 5);
    assert!(is_connected(&net, 5) && !is_connected(&net, 2), "the one that was silent goes");
    assert!(is_connected(&net, 1) && is_connected(&net, 3));
    assert_eq!((sessions(&mut net), net.nodes[0].drops(DropReason::Evicted)), (3, 1));
}

#[test]
fn strangers_may_be_silent_for_less_as_places_get_scarce() {
    let mut net = Network::with_config(8, 61, few_places(8));
    for n in 1..=6 {
        connect(&mut net, n);
    }
    send_ours(&mut net, 1);
    net.settle();
    for _ in 0..24 {
        net.advance(Duration::from_secs(10));
        // So that time passes with something in it.
        say(&mut net, 2, 0, 2);
        net.settle();
    }
    assert!(is_connected(&net, 1) && is_connected(&net, 2), "ours, and who talks");
    assert!((3..=6).any(|n| !is_connected(&net, n)), "after 240 s of silence");
    assert!(sessions(&mut net) >= 4, "half of the places may stay taken");
}

#[test]
fn handshakes_wait_for_their_turn_and_failed_ones_give_way() {
    let config = |_| LaneConfig { max_pending_inbound: 8, ..LaneConfig::closed_network(NET_ID) };
    let mut net = Network::with_config(2, 62, config);
    let from = |n: u32| SocketAddr::new(std::net::Ipv4Addr::from(0x0909_0000 + n).into(), 1000);
    let now = net.now;
    let conns: Vec<_> = (0..8).filter_map(|n| net.nodes[0].lane.handle_incoming(now, from(n))).collect();
    assert_eq!(conns.len(), 6, "a quarter is for those who came before");
    for conn in &conns {
        net.nodes[0].lane.handle_bytes(now, *conn, &[0x5a; 64]);
    }
    let waiting = |net: &Network| {
        let mut fill = 0;
        net.nodes[0].lane.bounds(&mut |bound| fill += if bound.name == "lane-handshake-turns" { bound.fill } else { 0 });
        fill
    };
    assert_eq!(waiting(&net), 6);
    net.nodes[0].lane.handle_timeout(now);
    assert_eq!(waiting(&net), 2, "some in each turn");
    net.advance(Duration::from_millis(1));
    assert_eq!(waiting(&net), 0);
    connect(&mut net, 1);
    assert!(is_connected(&net, 1), "one that said nothing useful gives way");
    assert_eq!(net.nodes[0].drops(DropReason::HandshakeQueue), 1);
}

#[test]
fn those_who_say_nothing_give_way_and_those_who_came_before_find_a_place() {
    let config = |_| LaneConfig { max_pending_inbound: 8, ..LaneConfig::closed_network(NET_ID) };
    let mut net = Network::with_config(3, 68, config);
    connect(&mut net, 1);
    let hash = net.nodes[1].hash;
    net.command(0, LaneCommand::Disconnect { peer: hash });
    net.settle();
    net.advance(Duration::from_secs(1));
    let from = |n: u32| SocketAddr::new(std::net::Ipv4Addr::from(0x0909_0000 + n).into(), 1000);
    let now = net.now;
    assert_eq!((0..20).filter_map(|n| net.nodes[0].lane.handle_incoming(now, from(n))).count(), 6);
    net.connect(2, 0);
    net.settle();
    assert!(!is_connected(&net, 2), "a newcomer");
    net.connect(1, 0);
    net.settle();
    assert!(is_connected(&net, 1), "it was here before");
    net.advance(Duration::from_secs(4));
    let now = net.now;
    assert!(net.nodes[0].lane.handle_incoming(now, from(30)).is_some(), "the oldest gives way");
    assert!(net.nodes[0].drops(DropReason::HandshakeQueue) > 0);
}

#[test]
fn a_handshake_brings_only_so_much() {
    let mut net = Network::new(1, 63);
    let now = net.now;
    let lane = &mut net.nodes[0].lane;
    let conn = lane.handle_incoming(now, "8.8.8.8:5000".parse().unwrap()).unwrap();
    lane.handle_bytes(now, conn, &[1; 60_000]);
    lane.handle_bytes(now, conn, &[1; 60_000]);
    assert_eq!(net.nodes[0].drops(DropReason::HandshakeQueue), 1);
    net.settle();
    assert!(net.nodes[0].unfinished().is_empty());
}

#[test]
fn one_session_brings_the_engine_only_so_many_messages() {
    let mut net = Network::new(3, 64);
    connect(&mut net, 1);
    connect(&mut net, 2);
    for id in 0..2_000 {
        say(&mut net, 1, 0, id);
        net.settle();
    }
    say(&mut net, 2, 0, 1);
    net.settle();
    let flooder = net.nodes[1].hash;
    let messages = net.nodes[0].messages();
    let of_flooder = messages.iter().filter(|(from, _)| *from == Some(flooder)).count();
    assert_eq!((of_flooder, messages.len() - of_flooder), (500, 1));
    assert_eq!(net.nodes[0].drops(DropReason::PeerShare), 1_500);
    net.advance(Duration::from_secs(2));
    for id in 3_000..3_200 {
        say(&mut net, 1, 0, id);
        net.settle();
    }
    assert!((99..=102).contains(&net.nodes[0].messages().len()), "fifty a second");
}

#[test]
fn the_rates_of_all_sockets_hold_and_nothing_is_lost() {
    let config = |n| LaneConfig {
        out_bytes_per_sec: (n == 0).then_some(20_000),
        in_bytes_per_sec: (n == 1).then_some(20_000),
        ..LaneConfig::closed_network(NET_ID)
    };
    let mut net = Network::with_config(2, 65, config);
    net.connect(0, 1);
    net.settle();
    net.advance(Duration::from_secs(2));
    let before = net.nodes[0].lane.stats().sent_bytes;
    let long = |id| I2npMessage::new(MessageKind::DATA, MessageId(id), net_expiration(), vec![0; 1_000]);
    for id in 0..200 {
        net.send(0, 1, long(id), Class::Own);
    }
    net.settle();
    net.advance(Duration::from_secs(5));
    let sent = net.nodes[0].lane.stats().sent_bytes - before;
    assert!((90_000..=130_000).contains(&sent), "{sent} in 5 s");
    let now = net.now;
    assert!(net.nodes[1].lane.read_room(now) <= 10_000);
    net.advance(Duration::from_secs(8));
    assert_eq!(net.nodes[1].messages().len(), 200);
    assert!(net.nodes[0].unfinished().is_empty(), "{:?}", net.nodes[0].unfinished());
}

/// Far ahead of the network's clock.
fn net_expiration() -> ramson_wire::Date {
    ramson_wire::Date(1_700_000_000_000 + 600_000)
}

#[test]
fn a_tunnel_that_takes_all_leaves_the_others_theirs() {
    let config = |_| LaneConfig { transit_bytes_per_sec: Some(400_000), ..LaneConfig::closed_network(NET_ID) };
    let mut net = Network::with_config(3, 66, config);
    net.connect(1, 0);
    net.connect(0, 2);
    net.settle();
    let next = net.nodes[2].hash;
    for id in [7, 8] {
        let relay = Relay {
            tunnel: TunnelId::new(id).unwrap(),
            role: RelayRole::Participant { next, next_tunnel: TunnelId::new(9).unwrap() },
            keys: LayerKeys::new(&[1; 32], &[2; 32]),
            previous: None,
            expires: net.now.tick + Duration::from_secs(600),
        };
        net.command(0, LaneCommand::Install(Box::new(relay)));
    }
    let mut number = 0_u64;
    let mut data = |tunnel: u32| {
        number += 1;
        let mut body = vec![0; 1028];
        body[..4].copy_from_slice(&tunnel.to_be_bytes());
        body[4..12].copy_from_slice(&number.to_be_bytes());
        I2npMessage::new(MessageKind::TUNNEL_DATA, MessageId(u32::try_from(number).unwrap()), net_expiration(), body)
    };
    // One wants ten times what there is, the other an eighth of it.
    let mut relayed = [0_u64; 2];
    for step in 0..400 {
        for tunnel in std::iter::repeat_n(7, 40).chain((step % 10 < 4).then_some(8)) {
            let before = net.nodes[0].lane.stats().participant;
            net.send(1, 0, data(tunnel), Class::Own);
            net.settle();
            relayed[usize::from(tunnel == 8)] += net.nodes[0].lane.stats().participant - before;
        }
        net.advance(Duration::from_millis(10));
    }
    assert_eq!(relayed[1], 160, "all of the small one's");
    assert!(relayed[0] > 1_000, "what is left: {}", relayed[0]);
    assert!(net.nodes[0].drops(DropReason::TunnelShare) > 0);
}

#[test]
fn what_strangers_fill_goes_when_memory_is_short_and_ours_stays() {
    let config = |n| LaneConfig {
        memory_bytes: if n == 0 { 2_000_000 } else { 1 << 30 },
        transit_bytes_per_sec: None,
        ..LaneConfig::closed_network(NET_ID)
    };
    let mut net = Network::with_config(12, 67, config);
    connect(&mut net, 1);
    // To routers that nobody knows.
    net.nodes[0].answers = false;
    let fill = |net: &mut Network, class, first: u32| {
        for to in 2..12 {
            for id in 0..200 {
                let message = I2npMessage::new(MessageKind::DATA, MessageId(first + id), net_expiration(), vec![0; 1_000]);
                net.send(0, to, message, class);
            }
        }
    };
    fill(&mut net, Class::Transit, 0);
    for _ in 0..4 {
        say(&mut net, 1, 0, 1);
        net.settle();
        net.advance(Duration::from_secs(1));
    }
    let held = |net: &Network| {
        let mut bytes = 0;
        net.nodes[0].lane.bounds(&mut |bound| bytes += bound.bytes);
        bytes
    };
    assert!(held(&net) <= 1_500_000, "{}", held(&net));
    assert!(net.nodes[0].drops(DropReason::Memory) > 0);
    assert!(net.nodes[0].lane.stats().memory_percent >= 80);
    assert!(is_connected(&net, 1));
}
