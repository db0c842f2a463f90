//! Seeds of the engine's targets.

use super::{Seeds, scripts};
use crate::ops::Script;
use crate::{engine, garlic, streams};

/// Seeds of the target `garlic_sessions`.
pub fn garlic_sessions() -> Seeds {
    use garlic::op::{DAMAGE, DELIVER, GARBAGE, LOSE, NEWEST, ONE_TIME, PASS, REPEAT, SEND, TALK};
    let established =
        || Script::default().op(&[SEND, 0, 1, NEWEST, 0, SEND, 2, 1, NEWEST, 0, SEND, 0, 1, NEWEST, 0, SEND, 2, 129, NEWEST, 0]);
    scripts(vec![
        ("established", established()),
        ("long-talk", established().op(&[TALK, 0, 30, TALK, 2, 30, TALK, 0, 30, TALK, 2, 5, TALK, 0, 30])),
        ("acked", established().op(&[SEND, 0, 200, NEWEST, 0, PASS, 0, 8, 0, NEWEST, 0, PASS, 0, 8, 0])),
        (
            "both-begin",
            Script::default()
                .op(&[SEND, 0, 1, SEND, 2, 2, DELIVER, 0, DELIVER, 0, SEND, 0, 1, SEND, 2, 1, DELIVER, 0, DELIVER, 0]),
        ),
        (
            "late-replies",
            Script::default()
                .op(&[SEND, 0, 1, NEWEST, 0, SEND, 2, 1, SEND, 2, 1, SEND, 2, 1, DELIVER, 2, DELIVER, 0, DELIVER, 0]),
        ),
        ("repeated", established().op(&[SEND, 0, 1, REPEAT, 0, SEND, 4, 1, REPEAT, 0])),
        (
            "damaged",
            established().op(&[SEND, 0, 1, DAMAGE, 0, 1, 0, 9, 1, SEND, 4, 1, DAMAGE, 0, 1, 0, 60, 1, SEND, 0, 2, DAMAGE, 0, 0]),
        ),
        ("gaps", established().op(&[SEND, 0, 1].repeat(30)).op(&[DELIVER, 29, DELIVER, 3, LOSE, 4, LOSE, 5, DELIVER, 1])),
        ("stranger", established().op(&[SEND, 4, 1, NEWEST, 0, SEND, 5, 1, NEWEST, 0, SEND, 4, 1, NEWEST, 0])),
        ("many-begun", Script::default().op(&[SEND, 0, 1].repeat(9)).op(&[PASS, 1, 2, 0, SEND, 0, 1])),
        (
            "garbage",
            established().op(&[GARBAGE, 0]).long_part(&[7; 150]).op(&[GARBAGE, 0]).long_part(&[0, 0, 0, 30, 1]).op(&[SEND, 0, 1]),
        ),
        ("one-time", Script::default().op(&[ONE_TIME, 0, 9, PASS, 1, 40, 0, SEND, 0, 1])),
        ("idle", established().op(&[PASS, 1, 100, 0, SEND, 0, 1, NEWEST, 0, PASS, 1, 200, 0, SEND, 2, 1, NEWEST, 0])),
        ("outrun", established().op(&[SEND, 0, 1, LOSE, 0].repeat(60)).op(&[PASS, 1, 3, 0, SEND, 0, 1, NEWEST, 0])),
    ])
}

/// Seeds of the target `streams`.
pub fn streams() -> Seeds {
    use streams::op::{ALL, BLOCK, CONNECT, DELIVER, FORGE, HANDLE, INJECT, LOSE, PASS, READ, REPEAT, RUN, WRITE};
    let opened = || Script::default().op(&[CONNECT, 0, WRITE, 0, 1, 0, PASS, 0, 0, 200, ALL, 0, ALL, 0]);
    let ping = [[0; 4].as_slice(), &[0, 0, 0, 9], &[0; 8], &[0, 0], &[2, 0], &[0, 0]].concat();
    scripts(vec![
        ("opened", opened().op(&[WRITE, 1, 2, 0, RUN, 9, READ, 0, 9, 0])),
        (
            "transfer",
            opened().op(&[
                WRITE, 0, 200, 0, RUN, 40, WRITE, 0, 200, 0, WRITE, 1, 200, 0, RUN, 60, HANDLE, 0, 0, HANDLE, 1, 0, RUN, 60,
            ]),
        ),
        (
            "lossy",
            opened().op(&[
                WRITE, 0, 80, 0, RUN, 3, LOSE, 0, LOSE, 3, RUN, 5, LOSE, 1, PASS, 0, 20, 0, RUN, 60, HANDLE, 1, 0, RUN, 30,
            ]),
        ),
        ("repeated", opened().op(&[WRITE, 0, 40, 0, RUN, 2, REPEAT, 0, REPEAT, 1, REPEAT, 2, DELIVER, 3, DELIVER, 1, RUN, 30])),
        (
            "reordered",
            opened().op(&[WRITE, 0, 90, 0, PASS, 0, 1, 0]).op(&[DELIVER, 9, DELIVER, 5, DELIVER, 7].repeat(4)).op(&[RUN, 40]),
        ),
        ("choked", opened().op(&[WRITE, 0, 255, 0, ALL, 0, PASS, 0, 1, 0].repeat(8)).op(&[READ, 1, 255, 255, RUN, 30])),
        ("reset", opened().op(&[HANDLE, 0, 2, ALL, 0, RUN, 9])),
        ("detached", opened().op(&[HANDLE, 1, 3, WRITE, 0, 9, 0, RUN, 20])),
        ("unanswered", Script::default().op(&[CONNECT, 0, PASS, 1, 40, 0])),
        ("unreachable", Script::default().op(&[CONNECT, 0, BLOCK, 0, 2])),
        ("blocked", opened().op(&[BLOCK, 0, 1, WRITE, 0, 9, 0, RUN, 9, BLOCK, 0, 0, RUN, 9])),
        ("many", Script::default().op(&[CONNECT, 0, CONNECT, 1].repeat(5)).op(&[PASS, 0, 1, 0, RUN, 30])),
        ("half-open", Script::default().op(&[CONNECT, 0].repeat(5)).op(&[PASS, 0, 1, 0, ALL, 0, LOSE, 0, LOSE, 0, LOSE, 0])),
        (
            "forged",
            opened().op(&[
                WRITE, 0, 9, 0, PASS, 0, 0, 99, FORGE, 0, 1, 0, 9, 1, 1, WRITE, 0, 9, 0, PASS, 0, 0, 99, FORGE, 0, 1, 0, 15, 7, 1,
            ]),
        ),
        ("forged-flags", opened().op(&[WRITE, 0, 9, 0, PASS, 0, 0, 99, FORGE, 0, 1, 0, 19, 2, 1, RUN, 20])),
        ("ping", opened().op(&[INJECT, 1]).long_part(&ping).op(&[0, RUN, 5])),
        (
            "garbage",
            Script::default().op(&[INJECT, 0]).long_part(&[1; 60]).op(&[0, INJECT, 0]).long_part(&[0; 22]).op(&[1, RUN, 3]),
        ),
        ("silence", opened().op(&[WRITE, 0, 9, 0, PASS, 1, 255, 0, PASS, 1, 255, 0])),
    ])
}

/// Seeds of the target `engine`: destinations and their streams.
pub fn engine() -> Seeds {
    use engine::kind::{LOOKUP, RAW, STORE_LEASES, STORE_ROUTER};
    use engine::op::{ASK, CHANGE, CLOSE, CONNECT, FLUSH, LANE, LOSE, MESSAGE, OPEN, PASS, REPEAT, RESEED, RUN, WRITE};
    use engine::way::{DIRECT, GARLIC, TUNNEL};
    let started = || Script::default().op(&[0, RUN, 20]);
    // Two destinations in one router, without hops.
    let two = || Script::default().op(&[0, OPEN, 1, 192, OPEN, 2, 192, RUN, 30]);
    scripts(vec![
        ("started", started().op(&[ASK, 7, 0])),
        ("opened", started().op(&[OPEN, 1, 196, RUN, 60, ASK, 7, 0, CLOSE, 1])),
        ("two-talk", two().op(&[CONNECT, 1, 2, WRITE, 0, 9, 0, RUN, 30, WRITE, 0, 90, 0, RUN, 30, WRITE, 128, 0, 0, RUN, 9])),
        ("nobody-there", two().op(&[CONNECT, 1, 5, WRITE, 0, 1, 0, RUN, 60, ASK, 1, 6, RUN, 60])),
        (
            "reseeding",
            // Nobody is reached for long.
            (0..4)
                .fold(started(), |script, peer| script.op(&[LANE, 1, peer + 1]))
                .op(&[PASS, 3, 255, 255, PASS, 3, 255, 255, RESEED, 9])
                .long_part(&[7; 40])
                .op(&[0])
                .op(&[RESEED, 128])
                .long_part(&[])
                .op(&[0, PASS, 3, 255, 255, FLUSH, 0, RUN, 9]),
        ),
        ("asking", two().op(&[ASK, 1, 2, ASK, 2, 1, ASK, 1, 7, ASK, 3, 1, RUN, 60, CLOSE, 2])),
        ("closing", two().op(&[CONNECT, 1, 2, WRITE, 0, 9, 0, RUN, 9, CLOSE, 2, RUN, 60])),
        (
            "lossy",
            two().op(&[
                CONNECT, 1, 2, WRITE, 0, 99, 0, RUN, 1, LOSE, 0, LOSE, 1, REPEAT, 0, CHANGE, 1, 2, 0, 9, 1, 0, 40, 2, RUN, 40,
            ]),
        ),
        (
            "leases-in-tunnel",
            two().op(&[MESSAGE, STORE_LEASES, 4, 1, 2, 0, 0, 0, 1, TUNNEL, 0, ASK, 1, 4, CONNECT, 1, 4, WRITE, 0, 9, 0, RUN, 30]),
        ),
        (
            "router-in-tunnel",
            two().op(&[MESSAGE, STORE_ROUTER, 9, 0, 0, 1, TUNNEL, 1, MESSAGE, LOOKUP, 1, 0, 0, 0, 1, TUNNEL, 0]),
        ),
        (
            "garlic-in-tunnel",
            two()
                .op(&[MESSAGE, RAW, 11])
                .long_part(&[[0, 0, 0, 110].as_slice(), &[5; 110]].concat())
                .op(&[0, 1, TUNNEL, 0, RUN, 3]),
        ),
        (
            "garlic-to-router",
            started().op(&[MESSAGE, LOOKUP, 1, 0, 1, 0, 1, GARLIC, MESSAGE, STORE_ROUTER, 9, 5, 0, 1, GARLIC, RUN, 3]),
        ),
        ("data-direct", started().op(&[MESSAGE, RAW, 20]).long_part(&[0, 0, 0, 1, 1]).op(&[0, 1, DIRECT])),
        (
            "lane-news",
            two().op(&[
                LANE, 4, 1, LANE, 5, 1, LANE, 7, 1, 0, LANE, 2, 2, 0, LANE, 3, 3, LANE, 3, 99, LANE, 6, 1, 20, 0, LANE, 1, 1,
                RUN, 9,
            ]),
        ),
        ("long-idle", two().op(&[PASS, 3, 255, 255, ASK, 7, 0, PASS, 3, 255, 255])),
    ])
}
