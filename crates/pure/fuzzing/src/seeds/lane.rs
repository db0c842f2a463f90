//! Seeds of the lane's targets.

use ramson_wire::{Codec, FragmentHeader, I2npMessage, MessageId, MessageKind, RouterHash, TunnelDelivery};

use super::routers::{START, router};
use super::{Seeds, scripts};
use crate::lane::op;
use crate::ntcp2::{block, router_info_block};
use crate::ops::Script;

/// Two peers have connected.
fn joined() -> Script {
    Script::default().op(&[op::INCOMING, 0, op::SHAKE, 0, op::INCOMING, 1, op::SHAKE, 1])
}

/// A participant 1, a gateway 2 and an endpoint 3, of and to the two.
fn relaying() -> Script {
    joined().op(&[op::INSTALL, 0, 0, 1, 4, 0, 200, 1]).op(&[op::INSTALL, 0, 1, 1, 5, 1, 200, 0]).op(&[
        op::INSTALL,
        0,
        2,
        1,
        6,
        2,
        200,
        1,
    ])
}

fn whole(delivery: TunnelDelivery, kind: MessageKind, len: usize) -> Vec<u8> {
    let message = I2npMessage::new(kind, MessageId(3), START.date, vec![6; len]).encode_long();
    let header = FragmentHeader::First { delivery, message_id: None, size: u16::try_from(message.len()).unwrap_or(0) };
    [header.to_bytes(), message].concat()
}

fn fragments() -> Script {
    let message = I2npMessage::new(MessageKind::DATA, MessageId(3), START.date, vec![6; 400]).encode_long();
    let (first, rest) = message.split_at(200);
    let delivery = TunnelDelivery::Router(router(3).hash());
    let head = FragmentHeader::First { delivery, message_id: Some(MessageId(3)), size: 200 };
    let follow = |number, last, size| FragmentHeader::Follow { number, last, message_id: MessageId(3), size }.to_bytes();
    let second = [follow(1, false, 100), rest[..100].to_vec()].concat();
    let third = [follow(2, true, 116), rest[100..].to_vec()].concat();
    let mut script = relaying();
    for (number, part) in (0..).zip([third, [head.to_bytes(), first.to_vec()].concat(), second]) {
        script = script.op(&[op::FRAGMENTS, 0, 1, 2]).long_part(&part).op(&[number, 60, 0, 0]);
    }
    script.op(&[op::PASS, 20, 0])
}

/// Seeds of the target `lane`.
#[expect(clippy::too_many_lines, reason = "a flat table")]
pub fn lane() -> Seeds {
    let out = |delivery| {
        relaying().op(&[op::FRAGMENTS, 0, 1, 2]).long_part(&whole(delivery, MessageKind::GARLIC, 50)).op(&[9, 60, 0, 0])
    };
    let tunnel = ramson_wire::TunnelId::new(2).unwrap();
    let mut parts = vec![
        ("joined", joined().op(&[op::EOF, 0, op::PASS, 9, 0])),
        ("participant", relaying().op(&[op::TUNNEL_DATA, 0, 1, 7, 0, 0, 60, 0, 2, op::PASS, 0, 9])),
        ("wrong-previous", relaying().op(&[op::TUNNEL_DATA, 1, 1, 7, 0, 0, 60, 0, 0])),
        ("gateway", relaying().op(&[op::GATEWAY, 0, 1, 20, 8, 0, 60, 0, 1, 60, 0, 0, op::PASS, 0, 9])),
        ("out-to-router", out(TunnelDelivery::Router(router(3).hash()))),
        ("out-to-tunnel", out(TunnelDelivery::Tunnel { gateway: router(3).hash(), tunnel })),
        ("out-to-stranger", out(TunnelDelivery::Router(RouterHash([15; 32])))),
        ("out-to-us", out(TunnelDelivery::Router(router(1).hash()))),
        ("out-to-nobody", out(TunnelDelivery::Local)),
        ("fragments", fragments()),
        ("own", joined().op(&[op::OWN, 0, 200, 0, op::TUNNEL_DATA, 0, 1, 7, 0, 0, 60, 0, 0, op::OWN, 1, 0])),
        (
            "dialing",
            Script::default().op(&[
                op::SEND,
                2,
                1,
                2,
                0,
                3,
                op::CONNECT,
                2,
                op::DIALED,
                0,
                1,
                op::SHAKE,
                0,
                op::SEND,
                2,
                2,
                9,
                0,
                9,
            ]),
        ),
        (
            "dial-fails",
            Script::default().op(&[op::CONNECT, 2, op::DIALED, 0, 0, op::PASS, 1, 0, op::DIALED, 0, 0, op::CONNECT, 2]),
        ),
        ("dial-silence", Script::default().op(&[op::CONNECT, 2, op::DIALED, 0, 1, op::PASS, 9, 0, op::PASS, 9, 0])),
        ("no-peer", Script::default().op(&[op::SEND, 2, 1, 2, 0, 3, op::NO_PEER, 2, op::SEND, 15, 1, 0, 9, 0, op::PASS, 20, 0])),
        (
            "both-dial",
            Script::default().op(&[
                op::CONNECT,
                0,
                op::DIALED,
                0,
                1,
                op::INCOMING,
                0,
                op::SHAKE,
                1,
                op::SHAKE,
                0,
                op::PASS,
                9,
                0,
            ]),
        ),
        (
            "again",
            joined().op(&[op::INCOMING, 0, op::SHAKE, 2, op::MESSAGE, 2, 1, 20]).long_part(&[1; 9]).op(&[
                60,
                0,
                0,
                op::PASS,
                9,
                0,
            ]),
        ),
        ("many", Script::default().op(&[op::INCOMING, 0].repeat(7)).op(&[op::RAW, 0]).part(&[9; 100]).op(&[op::PASS, 8, 0])),
        (
            "many-relays",
            relaying().op(&[
                op::INSTALL,
                0,
                4,
                1,
                4,
                0,
                200,
                1,
                op::INSTALL,
                0,
                5,
                1,
                4,
                0,
                200,
                1,
                op::INSTALL,
                0,
                6,
                1,
                4,
                0,
                200,
                1,
            ]),
        ),
        (
            "flood",
            joined().op(&[op::SEND, 0, 1, 200, 0, 19, op::SEND, 0, 2, 200, 0, 19, op::SEND, 0, 0, 200, 0, 19, op::DISCONNECT, 0]),
        ),
        ("news", joined().op(&[op::ROUTER_INFO, 0, op::FRAME, 0]).long_part(&router_info_block(&router(9)))),
        ("to-us", Script::default().op(&[op::SEND, 14, 1, 0, 9, 1])),
        ("expired", relaying().op(&[op::TUNNEL_DATA, 0, 1, 7, 0, 0, 0, 1, 0, op::PASS, 255, 0, op::REMOVE, 0, 0])),
    ];
    let blocks = [block(0, &START.date.to_seconds_rounded().0.to_be_bytes()), block(4, &[0; 9])].concat();
    parts.push(("termination", joined().op(&[op::FRAME, 1]).long_part(&blocks)));
    scripts(parts)
}

/// Seeds of the target `tunnel_endpoint`.
pub fn tunnel_endpoint() -> Seeds {
    let deliver = |script: Script, order: &[u8]| order.iter().fold(script, |script, at| script.op(&[3, *at]));
    let two = || Script::default().op(&[0, 0, 12, 0, 0, 1, 5, 0, 90, 2]);
    let local = |len| whole(TunnelDelivery::Local, MessageKind::DATA, len);
    scripts(vec![
        ("in-order", deliver(two(), &[0, 0, 0, 0, 0])),
        ("reversed", deliver(two(), &[3, 2, 1, 0])),
        ("repeated", two().op(&[4, 0, 4, 0, 4, 1, 4, 1, 4, 2, 4, 2, 4, 3, 4, 3, 4, 0, 7, 100, 0])),
        ("too-large", Script::default().op(&[0, 0, 0xff, 0xff, 2])),
        ("long", deliver(Script::default().op(&[0, 2, 7, 3, 200, 0, 2]), &[5; 60])),
        ("late", deliver(two(), &[1]).op(&[7, 255, 255, 3, 0, 3, 0])),
        ("forged", Script::default().op(&[5]).long_part(&[local(20), local(30)].concat()).op(&[7])),
        ("changed", Script::default().op(&[6]).part(&local(20)).op(&[1, 0, 30, 1])),
        (
            "many-begun",
            (0..70).fold(Script::default(), |script, id| {
                script.op(&[5]).long_part(&[0x80 | 2, 0, 0, 1, id, 0, 3, 1, 2, 3]).op(&[id])
            }),
        ),
        (
            "contradiction",
            Script::default()
                .op(&[5])
                .long_part(&[0x83, 0, 0, 0, 9, 0, 1, 1, 0x85, 0, 0, 0, 9, 0, 1, 1, 0x80, 0, 0, 0, 9])
                .op(&[1]),
        ),
    ])
}
