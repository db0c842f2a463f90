//! Seeds of the target `garlic_payloads`.

use super::{Seeds, scripts};
use crate::hostile::block::{ACK, ACK_REQUEST, CLOVE, DATE, NEXT_KEY, NUMBER, OPTIONS, PADDING, TERMINATION};
use crate::hostile::op::{ANSWER, BLOCKS, ONE_TIME, PASS, RAW, REPEAT, ROUTER, SEND, TALK};
use crate::ops::Script;

/// Payloads that no reader takes.
const MALFORMED: [&[u8]; 10] = [
    &[0, 0, 3, 1, 2, 3],
    &[6, 0, 1, 1],
    &[7, 0, 4, 0, 0, 1, 9],
    &[7, 0, 3, 1, 0, 1],
    &[8, 0, 3, 1, 2, 3],
    &[9, 0, 0],
    &[11, 0, 1, 0x80],
    &[254, 0, 0, 254, 0, 0],
    &[11, 255, 255, 0, 20],
    &[1],
];
/// A new key of the peer, who wants one of ours.
const FORWARD: u8 = 4 + 16;
/// A key in answer to one.
const REVERSE: u8 = 2 + 16;

/// A session in both directions.
fn established() -> Script {
    Script::default().op(&[SEND, ANSWER, 0, SEND, ANSWER, 0])
}

/// Nothing is changed in the blocks, and nothing follows them.
const WHOLE: [u8; 2] = [0, 0];

fn raw(script: Script, payloads: &[&[u8]]) -> Script {
    payloads.iter().fold(script, |script, payload| script.op(&[RAW]).long_part(payload))
}

/// Seeds of the target `garlic_payloads`.
pub fn garlic_payloads() -> Seeds {
    let blocks = |blocks: &[u8]| {
        let count = u8::try_from(blocks.len() / 2).unwrap();
        [&[BLOCKS, count], blocks, &WHOLE].concat()
    };
    let all =
        blocks(&[DATE, 1, CLOVE, 8, CLOVE, 9, ACK, 3, ACK_REQUEST, 0, OPTIONS, 2, NUMBER, 3, NEXT_KEY, FORWARD, PADDING, 9]);
    let good = blocks(&[DATE, 1, CLOVE, 8, CLOVE, 10, CLOVE, 11, PADDING, 20]);
    let late = |how| blocks(&[DATE, how, CLOVE, 8]);
    scripts(vec![
        ("good", established().op(&good).op(&[TALK, REPEAT])),
        ("all-blocks", established().op(&all).op(&[ANSWER, 0, SEND, TALK])),
        ("malformed", raw(established(), &MALFORMED).op(&[SEND, TALK])),
        ("malformed-new", raw(Script::default(), &MALFORMED).op(&[SEND, TALK])),
        ("malformed-reply", raw(Script::default().op(&[ANSWER, 1]), &MALFORMED).op(&good).op(&[SEND, ANSWER, 3, SEND])),
        ("new-good", Script::default().op(&good).op(&[REPEAT, ANSWER, 0, SEND])),
        ("new-early", Script::default().op(&late(119)).op(&late(122)).op(&late(128 + 74)).op(&late(128 + 76))),
        ("reply-good", Script::default().op(&[ANSWER, 3]).op(&good).op(&[REPEAT]).op(&good).op(&[SEND, ANSWER, 0])),
        ("damaged", established().op(&[BLOCKS, 3, CLOVE, 8, ACK, 3, PADDING, 20, 1, 0, 2, 255, 0, SEND])),
        ("more-behind", established().op(&[BLOCKS, 1, CLOVE, 8, 0, 3, 254, 0, 9, SEND])),
        ("too-many", established().op(&[BLOCKS, 70]).op(&[ACK_REQUEST, 0].repeat(70)).op(&WHOLE).op(&[SEND, TALK])),
        ("requests", established().op(&[BLOCKS, 60]).op(&[ACK_REQUEST, 0].repeat(60)).op(&WHOLE).op(&[ANSWER, 0])),
        ("acks-of-nothing", established().op(&[ANSWER, 2]).op(&blocks(&[ACK, 31, ACK, 63, ACK, 31]).repeat(3)).op(&[ANSWER, 2])),
        (
            "keys",
            established()
                .op(&blocks(&[NEXT_KEY, FORWARD, NEXT_KEY, FORWARD, NEXT_KEY, REVERSE]))
                .op(&[ANSWER, 0])
                .op(&blocks(&[NEXT_KEY, 32 + 16, NEXT_KEY, 32 + 4]))
                .op(&blocks(&[NEXT_KEY, 8 + 4, NEXT_KEY, 4]))
                .op(&[ANSWER, 0, SEND, TALK]),
        ),
        ("steps", established().op(&[SEND, ANSWER, 0].repeat(40)).op(&blocks(&[NEXT_KEY, REVERSE, NUMBER, 1])).op(&[SEND])),
        ("steps-of-victim", established().op(&[ANSWER, 0].repeat(14)).op(&blocks(&[NEXT_KEY, REVERSE])).op(&[ANSWER, 0, SEND])),
        ("terminated", established().op(&blocks(&[CLOVE, 8, TERMINATION, 0])).op(&[SEND, SEND, TALK])),
        ("router", Script::default().op(&[[&[ROUTER], &good[1..]].concat(), [&[ROUTER], &all[1..]].concat()].concat())),
        (
            "router-late",
            Script::default().op(&[[&[ROUTER], &late(125)[1..]].concat(), [&[ROUTER], &late(128 + 80)[1..]].concat()].concat()),
        ),
        ("one-time", Script::default().op(&[[&[ONE_TIME], &good[1..]].concat(), [&[ONE_TIME], &all[1..]].concat()].concat())),
        ("silent", established().op(&[PASS, 255, 255, SEND, PASS, 255, 255, TALK, ANSWER, 0]).op(&good).op(&[SEND])),
    ])
}
