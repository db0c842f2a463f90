//! Seeds of the NTCP2 targets: handshakes and frames as they should be, and nearly so.

use ramson_wire::{Date, I2npMessage, MessageId};

use super::routers::{START, router};
use super::{Seeds, scripts};
use crate::ntcp2::{block, op, router_info_block};
use crate::ops::Script;

fn message_block(number: u32) -> Vec<u8> {
    let (_, kind, body) = super::wire::bodies().remove(usize::try_from(number).unwrap_or(0) % 8);
    block(3, &I2npMessage::new(kind, MessageId(number), Date(1_790_000_060_000), body).encode_short())
}

fn frames(first: Script) -> Vec<(&'static str, Script)> {
    let frame = |script: Script, blocks: &[u8]| script.op(&[op::FRAME, 0]).long_part(blocks);
    let time = block(0, &START.date.to_seconds_rounded().0.to_be_bytes());
    let termination = block(4, &[0, 0, 0, 0, 0, 0, 0, 1, 5]);
    let all =
        [time.clone(), message_block(1), router_info_block(&router(2)), block(1, &[0; 12]), block(99, &[1]), block(254, &[0; 9])];
    let with = |more: &[u8]| frame(Script(first.0.clone()), more);
    vec![
        ("all-blocks", with(&all.concat())),
        ("two-frames", frame(frame(Script(first.0.clone()), &message_block(2)), &message_block(3))),
        ("termination", with(&[termination.as_slice(), &block(254, &[0; 3])].concat())),
        ("after-padding", with(&[block(254, &[]), message_block(1)].concat())),
        ("old-time", with(&block(0, &[1, 2, 3, 4]))),
        ("empty", with(&[])),
        ("broken", Script(first.0.clone()).op(&[op::BROKEN_FRAME]).part(&time).op(&[1, 0, 9, 1, op::PASS, 9, 9])),
        (
            "sending",
            Script(first.0.clone()).op(&[op::SEND, 0, 0, 200, 30, op::SEND, 1, 9, 0, 3, op::SEND, 2, 200, 0, 30, op::PASS, 1, 0]),
        ),
        ("closing", Script(first.0.clone()).op(&[op::SEND, 1, 0, 9, 1, op::CLOSE])),
        ("idle", Script(first.0.clone()).op(&[op::PASS, 200, 0, op::PASS, 200, 0])),
        ("stranger", Script(first.0.clone()).op(&[op::ROUTER_INFO, 9, 0, op::ROUTER_INFO, 9, 1, 0, 99, 1])),
    ]
}

/// Seeds of the target `ntcp2_data`.
pub fn data_phase() -> Seeds {
    scripts(frames(Script::default()))
}

/// Seeds of the target `ntcp2_responder`.
pub fn responder() -> Seeds {
    let shaken = || Script::default().op(&[op::REQUEST, 0, 10, 0, 0, op::CONFIRM, 0, 0]);
    let mut parts = vec![
        ("garbage", Script::default().op(&[op::RAW]).part(&[7; 120]).op(&[op::RAW]).part(&[7; 250]).op(&[op::PASS, 4, 0])),
        ("silence", Script::default().op(&[op::PASS, 5, 0])),
        ("byte-by-byte", Script::default().op(&[op::REQUEST, 1, 40, 0, 0, op::CONFIRM, 1, 0])),
        ("wrong-network", Script::default().op(&[op::REQUEST, 0, 0, 0, 1, 0, 0, 1, op::CONFIRM, 0, 0])),
        ("wrong-time", Script::default().op(&[op::REQUEST, 0, 0, 0, 1, 0, 11, 0x70, op::CONFIRM, 0, 0])),
        ("another-key", Script::default().op(&[op::REQUEST, 0, 0, 0, 0, op::CONFIRM, 0, 1])),
        ("changed-router", Script::default().op(&[op::REQUEST, 0, 0, 3, 1, 1, 0, 1, 0, op::CONFIRM, 0, 0])),
        ("no-router", Script::default().op(&[op::REQUEST, 0, 0, 4]).long_part(&[0; 40]).op(&[0, op::CONFIRM, 0, 0])),
        ("blocks-behind", Script::default().op(&[op::REQUEST, 0, 0, 2]).part(&block(254, &[0; 9])).op(&[0, op::CONFIRM, 0, 0])),
    ];
    parts.extend(frames(shaken()));
    scripts(parts)
}

/// Seeds of the target `ntcp2_initiator`.
pub fn initiator() -> Seeds {
    let shaken = || Script::default().op(&[op::REQUEST, 0, 10, 0, 0, op::CONFIRM]);
    let mut parts = vec![
        ("garbage", Script::default().op(&[op::RAW]).part(&[7; 120])),
        ("silence", Script::default().op(&[op::PASS, 5, 0])),
        ("byte-by-byte", Script::default().op(&[op::REQUEST, 1, 40, 0, 0, op::CONFIRM])),
        ("wrong-time", Script::default().op(&[op::REQUEST, 0, 0, 1, 0, 11, 0x70, 0, op::CONFIRM])),
        ("changed", Script::default().op(&[op::REQUEST, 0, 0, 0, 1, 0, 3, 1, op::CONFIRM])),
        ("long-padding", Script::default().op(&[op::REQUEST, 0, 0, 1, 0, 2, 2, 0, op::CONFIRM])),
    ];
    parts.extend(frames(shaken()));
    scripts(parts)
}
