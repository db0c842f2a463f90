//! Transit: the three roles, what is refused, what is counted.

use std::time::Duration;

use bytes::Bytes;
use ramson_aes::LayerKeys;
use ramson_crypto::rng::SeededRng;
use ramson_lane::{
    Class, DropReason, LaneCommand, LaneConfig, LaneEvent, Relay, RelayRole,
    tunnel_data::{Endpoint, Gateway},
};
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, TunnelDelivery, TunnelId, i2np::TunnelGateway};

use crate::network::{NET_ID, Network, by_id, note};

const LIFE: Duration = Duration::from_secs(600);

fn id(n: u32) -> TunnelId {
    TunnelId::new(n).unwrap()
}

fn keys(n: u8) -> LayerKeys {
    LayerKeys::new(&[n; 32], &[n + 100; 32])
}

fn install(net: &mut Network, node: usize, tunnel: u32, role: RelayRole, key: u8, previous: Option<usize>) {
    let previous = previous.map(|node| net.nodes[node].hash);
    let expires = net.now.tick + LIFE;
    let relay = Relay { tunnel: id(tunnel), role, keys: keys(key), previous, expires };
    net.command(node, LaneCommand::Install(Box::new(relay)));
}

fn participant(net: &Network, next: usize, tunnel: u32) -> RelayRole {
    RelayRole::Participant { next: net.nodes[next].hash, next_tunnel: id(tunnel) }
}

fn gateway_role(net: &Network, next: usize, tunnel: u32) -> RelayRole {
    RelayRole::Gateway { next: net.nodes[next].hash, next_tunnel: id(tunnel) }
}

fn enter(net: &Network, tunnel: u32, message: &I2npMessage) -> I2npMessage {
    let body = TunnelGateway { tunnel: id(tunnel), message: Bytes::from(message.encode_long()) };
    I2npMessage::new(MessageKind::TUNNEL_GATEWAY, MessageId(1), net.now.date + Duration::from_secs(20), body.to_bytes())
}

fn tunnel_data(net: &Network, tunnel: u32, data: &[u8; 1024]) -> I2npMessage {
    let body = [&tunnel.to_be_bytes()[..], data].concat();
    I2npMessage::new(MessageKind::TUNNEL_DATA, MessageId(77), net.now.date + Duration::from_secs(20), body)
}

/// Clear messages with the layers of these hops taken off beforehand, last hop first: what an outbound creator sends.
#[expect(clippy::vec_box, reason = "as the gateway gives them")]
fn outbound(gateway: &mut Gateway, hops: &[u8]) -> Vec<Box<[u8; 1024]>> {
    let mut messages = gateway.flush();
    for message in &mut messages {
        for hop in hops.iter().rev() {
            keys(*hop).decrypt(message);
        }
    }
    messages
}

/// A tunnel message whose IV and first block differ from those of every other.
fn distinct(n: u8) -> [u8; 1024] {
    let mut data = [9; 1024];
    data[0] = n;
    data
}

fn creator() -> Gateway {
    Gateway::new(Box::new(SeededRng::new([5; 32])))
}

/// Node 0 creates; 1 is the first hop, 2 the endpoint of an outbound tunnel; 3 gateway, 4 participant of an inbound tunnel to 5.
fn chain(seed: u8) -> Network {
    let mut net = Network::new(6, seed);
    let role = participant(&net, 2, 12);
    install(&mut net, 1, 11, role, 1, Some(0));
    install(&mut net, 2, 12, RelayRole::Endpoint, 2, Some(1));
    let role = gateway_role(&net, 4, 14);
    install(&mut net, 3, 13, role, 3, None);
    let role = participant(&net, 5, 15);
    install(&mut net, 4, 14, role, 4, Some(3));
    let expires = net.now.tick + LIFE;
    net.command(5, LaneCommand::InstallOwn { tunnel: id(15), expires });
    net
}

/// What arrived at node 5 on its own tunnel, with the layers taken off.
fn arrived(net: &mut Network) -> Vec<I2npMessage> {
    let mut endpoint = Endpoint::new();
    let mut whole = Vec::new();
    for (from, message) in net.nodes[5].messages() {
        assert_eq!(from, Some(net.nodes[4].hash));
        assert_eq!(message.kind, MessageKind::TUNNEL_DATA);
        assert_eq!(message.body[..4], 15_u32.to_be_bytes());
        let mut data: [u8; 1024] = message.body[4..].try_into().unwrap();
        keys(4).decrypt(&mut data);
        keys(3).decrypt(&mut data);
        for (delivery, message) in endpoint.handle(net.now, &data).unwrap() {
            assert_eq!(delivery, TunnelDelivery::Local);
            whole.push(message);
        }
    }
    whole
}

#[test]
fn messages_pass_two_tunnels_unchanged() {
    for seed in 0..10 {
        let mut net = chain(seed);
        let mut gateway = creator();
        let inbound = TunnelDelivery::Tunnel { gateway: net.nodes[3].hash, tunnel: id(13) };
        let sent: Vec<I2npMessage> = (0..40).map(|n| note(net.now, n, [20, 900, 1500, 7000][n as usize % 4])).collect();
        for message in &sent {
            gateway.push(inbound, message).unwrap();
        }
        let carried = outbound(&mut gateway, &[1, 2]);
        let count = u64::try_from(carried.len()).unwrap();
        for data in &carried {
            let message = tunnel_data(&net, 11, data);
            net.send(0, 1, message, Class::Own);
        }
        net.settle();
        net.advance(Duration::from_secs(2));
        assert_eq!(arrived(&mut net), sent, "seed {seed}");
        let stats: Vec<_> = net.nodes.iter().map(|node| node.lane.stats().clone()).collect();
        assert_eq!(stats[1].participant, count);
        assert_eq!(stats[2].endpoint, 40);
        assert_eq!(stats[3].gateway, 40);
        assert!(stats[4].participant >= count - 10);
        assert!(stats.iter().all(|stats| stats.drops.is_empty()), "{stats:?}");
        assert!(stats[1].transit_bytes >= count * 1024 && stats[1].relays == 1);
        let told = |event: &LaneEvent| matches!(event, LaneEvent::Stats(stats) if stats.participant == count);
        assert_eq!(net.nodes[1].count(told), 1);
    }
}

#[test]
fn an_endpoint_delivers_to_routers_and_to_ourselves() {
    let mut net = chain(20);
    let mut gateway = creator();
    let (us, other) = (net.nodes[2].hash, net.nodes[5].hash);
    for (n, to) in [(1, us), (2, other), (3, us)] {
        gateway.push(TunnelDelivery::Router(to), &note(net.now, n, 300)).unwrap();
    }
    gateway.push(TunnelDelivery::Local, &note(net.now, 4, 30)).unwrap();
    // Zero hops at the other end: a tunnel of our own.
    let expires = net.now.tick + LIFE;
    net.command(2, LaneCommand::InstallOwn { tunnel: id(99), expires });
    gateway.push(TunnelDelivery::Tunnel { gateway: us, tunnel: id(99) }, &note(net.now, 5, 30)).unwrap();
    // A TunnelData must not come out of a tunnel.
    gateway.push(TunnelDelivery::Router(us), &tunnel_data(&net, 99, &[1; 1024])).unwrap();
    for data in outbound(&mut gateway, &[1, 2]) {
        let message = tunnel_data(&net, 11, &data);
        net.send(0, 1, message, Class::Own);
    }
    net.settle();
    let up = net.nodes[2].messages();
    assert!(up.iter().all(|(from, _)| from.is_none()));
    assert_eq!(up[..2], [(None, note(net.now, 1, 300)), (None, note(net.now, 3, 300))]);
    assert_eq!(up[2].1.kind, MessageKind::TUNNEL_GATEWAY);
    let inner = TunnelGateway::from_bytes(&up[2].1.body).unwrap();
    assert_eq!(I2npMessage::decode_long(&inner.message).unwrap(), note(net.now, 5, 30));
    assert_eq!(up.len(), 3);
    assert_eq!(net.nodes[5].messages(), [(Some(us), note(net.now, 2, 300))]);
    assert_eq!(net.nodes[2].drops(DropReason::LocalDelivery), 1);
    assert_eq!(net.nodes[2].drops(DropReason::ForbiddenKind), 1);
}

#[test]
fn an_endpoint_whose_gateway_we_are_too() {
    let mut net = chain(21);
    // 2 is endpoint and also gateway towards 4.
    let role = gateway_role(&net, 4, 31);
    install(&mut net, 2, 30, role, 3, None);
    let role = participant(&net, 5, 15);
    install(&mut net, 4, 31, role, 4, Some(2));
    let mut gateway = creator();
    let message = note(net.now, 9, 5000);
    gateway.push(TunnelDelivery::Tunnel { gateway: net.nodes[2].hash, tunnel: id(30) }, &message).unwrap();
    for data in outbound(&mut gateway, &[1, 2]) {
        let message = tunnel_data(&net, 11, &data);
        net.send(0, 1, message, Class::Own);
    }
    net.settle();
    assert_eq!(arrived(&mut net), [message]);
}

#[test]
fn a_send_to_ourselves_is_routed_inside() {
    let mut net = chain(22);
    let message = note(net.now, 1, 100);
    net.send(3, 3, message.clone(), Class::Own);
    let reply = enter(&net, 13, &note(net.now, 2, 2000));
    net.send(3, 3, reply, Class::Own);
    net.advance(Duration::from_millis(1));
    assert_eq!(net.nodes[3].messages(), [(None, message)]);
    assert_eq!(arrived(&mut net), [note(net.now, 2, 2000)]);
}

#[test]
fn a_copy_has_no_effect() {
    let mut net = chain(23);
    let mut gateway = creator();
    let inbound = TunnelDelivery::Tunnel { gateway: net.nodes[3].hash, tunnel: id(13) };
    gateway.push(inbound, &note(net.now, 1, 200)).unwrap();
    let data = outbound(&mut gateway, &[1, 2]).remove(0);
    // The same again, and with IV and first block changed alike.
    let mut changed = data.clone();
    changed[5] ^= 1;
    changed[21] ^= 1;
    for data in [&data, &data, &changed] {
        let message = tunnel_data(&net, 11, data);
        net.send(0, 1, message, Class::Own);
        net.settle();
    }
    assert_eq!(arrived(&mut net).len(), 1);
    assert_eq!(net.nodes[1].drops(DropReason::DuplicateIv), 2);
    assert_eq!(net.nodes[1].lane.stats().participant, 1);
}

#[test]
fn a_copy_that_enters_a_tunnel_or_comes_to_an_own_one_has_no_effect() {
    let mut net = chain(27);
    let (message, data) = (enter(&net, 13, &note(net.now, 1, 200)), tunnel_data(&net, 15, &[9; 1024]));
    for _ in 0..3 {
        net.send(0, 3, message.clone(), Class::Own);
        net.send(4, 5, data.clone(), Class::Own);
        net.settle();
    }
    assert_eq!(net.nodes[3].lane.stats().gateway, 1);
    assert_eq!(net.nodes[3].drops(DropReason::RepeatedEntering), 2);
    assert_eq!(net.nodes[5].messages().len(), 2);
    assert_eq!(net.nodes[5].drops(DropReason::DuplicateIv), 2);
}

#[test]
fn only_the_previous_hop_is_heard() {
    let mut net = chain(24);
    let message = tunnel_data(&net, 11, &[9; 1024]);
    net.send(3, 1, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[1].drops(DropReason::WrongPrevious), 1);
    // And it didn't spend the message's place in the filter.
    let message = tunnel_data(&net, 11, &[9; 1024]);
    net.send(0, 1, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[1].lane.stats().participant, 1);
    assert_eq!(net.nodes[2].drops(DropReason::Checksum), 1);
}

#[test]
fn expired_tunnels_and_messages_are_not_relayed() {
    let mut net = chain(25);
    let mut old = tunnel_data(&net, 11, &[9; 1024]);
    old.expiration = net.now.date + Duration::from_secs(3);
    net.advance(Duration::from_secs(70));
    net.send(0, 1, old, Class::Own);
    let message = tunnel_data(&net, 12345, &[9; 1024]);
    net.send(0, 1, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[1].drops(DropReason::Expired), 1);
    assert_eq!(net.nodes[1].drops(DropReason::UnknownTunnel), 1);
    let mut inner = note(net.now, 1, 10);
    inner.expiration = net.now.date - Duration::from_secs(61);
    let message = enter(&net, 13, &inner);
    net.send(0, 3, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[3].drops(DropReason::Expired), 1);
    net.advance(LIFE);
    let message = tunnel_data(&net, 11, &[9; 1024]);
    net.send(0, 1, message, Class::Own);
    let message = tunnel_data(&net, 15, &[9; 1024]);
    net.send(4, 5, message, Class::Own);
    net.settle();
    assert_eq!(net.nodes[1].drops(DropReason::UnknownTunnel), 2);
    assert_eq!(net.nodes[5].drops(DropReason::UnknownTunnel), 1);
    assert_eq!(net.nodes[1].lane.stats().relays, 0);
}

#[test]
fn malformed_bodies_are_counted() {
    let mut net = chain(26);
    for (node, kind) in [(1, MessageKind::TUNNEL_DATA), (3, MessageKind::TUNNEL_GATEWAY)] {
        for body in [vec![], vec![0; 4], vec![0, 0, 0, 10 + u8::try_from(node).unwrap(), 0], vec![0, 0, 0, 13, 255, 255, 1]] {
            let message = I2npMessage::new(kind, MessageId(1), net.now.date + LIFE, body);
            net.send(0, node, message, Class::Own);
        }
    }
    net.settle();
    assert_eq!(net.nodes[1].drops(DropReason::Malformed) + net.nodes[1].drops(DropReason::UnknownTunnel), 4);
    assert_eq!(net.nodes[3].drops(DropReason::Malformed), 4);
}

#[test]
fn an_id_in_use_and_a_full_table_take_no_more() {
    let mut net = Network::with_config(2, 27, |_| LaneConfig { max_relays: 3, ..LaneConfig::closed_network(NET_ID) });
    for tunnel in [1, 2, 2, 3, 4] {
        install(&mut net, 0, tunnel, RelayRole::Endpoint, 1, None);
    }
    net.nodes[0].lane.end_turn(net.now);
    assert_eq!(net.nodes[0].lane.stats().relays, 3);
    assert_eq!(net.nodes[0].drops(DropReason::RelayLimit), 2);
    net.command(0, LaneCommand::Remove { tunnel: id(1) });
    install(&mut net, 0, 4, RelayRole::Endpoint, 1, None);
    assert_eq!(net.nodes[0].drops(DropReason::RelayLimit), 2);
}

#[test]
fn the_transit_share_holds_and_is_counted() {
    let config = |_| LaneConfig { transit_bytes_per_sec: Some(10_000), ..LaneConfig::closed_network(NET_ID) };
    let mut net = Network::with_config(3, 28, config);
    let role = participant(&net, 2, 12);
    install(&mut net, 1, 11, role, 1, Some(0));
    net.command(2, LaneCommand::InstallOwn { tunnel: id(12), expires: net.now.tick + LIFE });
    for n in 0..100_u8 {
        let message = tunnel_data(&net, 11, &distinct(n));
        net.send(0, 1, message, Class::Own);
    }
    net.settle();
    let dropped = net.nodes[1].drops(DropReason::TransitShare);
    assert_eq!(dropped, 81); // 20,000 bytes at once
    assert_eq!(net.nodes[2].messages().len(), 19);
}

#[test]
fn fresh_message_ids_and_the_same_expiration() {
    let mut net = chain(29);
    net.command(2, LaneCommand::Remove { tunnel: id(12) });
    net.command(2, LaneCommand::InstallOwn { tunnel: id(12), expires: net.now.tick + LIFE });
    for n in 0..5 {
        let message = tunnel_data(&net, 11, &distinct(n));
        net.send(0, 1, message, Class::Own);
    }
    net.settle();
    let got = net.nodes[2].messages();
    assert_eq!(by_id(&got).len(), 5);
    assert!(got.iter().all(|(_, message)| message.id != MessageId(77)));
    let expected = net.now.date + Duration::from_secs(20);
    assert!(got.iter().all(|(_, message)| message.expiration == expected));
}
