//! Seeds of the targets that look at the engine's part in the network.

use super::{Seeds, scripts};
use crate::engine;
use crate::ops::Script;
use crate::seeds::routers::router;

/// Seeds of the target `netdb`: stores, look-ups and their answers, as a floodfill and not.
#[expect(clippy::too_many_lines, reason = "a flat table")]
pub fn netdb() -> Seeds {
    use engine::kind::{LOOKUP, RAW, SEARCH_REPLY, STATUS, STORE_LEASES, STORE_ROUTER};
    use engine::op::{ASK, LANE, MESSAGE, OPEN, PASS, RUN};
    use engine::way::{DIRECT, GARLIC, TUNNEL};
    let floodfill = || Script::default().op(&[1, RUN, 2]);
    let store = super::wire::database_store().remove(0).1;
    scripts(vec![
        ("router-stored", floodfill().op(&[MESSAGE, STORE_ROUTER, 20, 9, 0, 1, DIRECT, MESSAGE, LOOKUP, 61, 2, 2, 0, 1, DIRECT])),
        (
            "twice",
            floodfill().op(&[
                MESSAGE,
                STORE_ROUTER,
                20,
                9,
                0,
                1,
                DIRECT,
                MESSAGE,
                STORE_ROUTER,
                20,
                9,
                0,
                2,
                DIRECT,
                PASS,
                3,
                99,
                0,
            ]),
        ),
        (
            "leases-stored",
            floodfill().op(&[MESSAGE, STORE_LEASES, 5, 0, 3, 0, 5, 0, 1, DIRECT, MESSAGE, LOOKUP, 15, 129, 2, 0, 1, DIRECT]),
        ),
        (
            "leases-renewed",
            floodfill().op(&[
                MESSAGE,
                STORE_LEASES,
                5,
                9,
                3,
                0,
                6,
                0,
                1,
                DIRECT,
                MESSAGE,
                STORE_LEASES,
                5,
                0,
                2,
                0,
                7,
                0,
                1,
                DIRECT,
                MESSAGE,
                STORE_LEASES,
                5,
                9,
                2,
                0,
                7,
                0,
                1,
                DIRECT,
            ]),
        ),
        ("encrypted", floodfill().op(&[MESSAGE, STORE_LEASES, 5, 0, 3, 255, 5, 0, 1, DIRECT])),
        ("exploratory", floodfill().op(&[MESSAGE, LOOKUP, 2, 7, 2, 0, 1, DIRECT, MESSAGE, LOOKUP, 2, 3, 2, 0, 1, GARLIC])),
        ("tunnel-reply", floodfill().op(&[MESSAGE, LOOKUP, 61, 16, 3, 0, 1, DIRECT, MESSAGE, LOOKUP, 2, 160, 3, 0, 1, GARLIC])),
        ("many-lookups", floodfill().op(&[MESSAGE, LOOKUP, 2, 2, 2, 0, 1, DIRECT].repeat(20))),
        ("many-stores", (10..50).fold(floodfill(), |script, n| script.op(&[MESSAGE, STORE_ROUTER, n, 5, 0, 1, DIRECT]))),
        (
            "not-a-floodfill",
            Script::default().op(&[
                0,
                RUN,
                2,
                MESSAGE,
                STORE_ROUTER,
                20,
                9,
                0,
                1,
                DIRECT,
                MESSAGE,
                LOOKUP,
                2,
                2,
                2,
                0,
                1,
                DIRECT,
            ]),
        ),
        (
            "published",
            Script::default().op(&[0, RUN, 40, MESSAGE, STATUS, 0, 0, 1, DIRECT, MESSAGE, STATUS, 1, 0, 1, TUNNEL, 0, RUN, 9]),
        ),
        (
            "asked",
            Script::default().op(&[
                0,
                OPEN,
                1,
                64,
                RUN,
                30,
                ASK,
                1,
                5,
                RUN,
                2,
                MESSAGE,
                SEARCH_REPLY,
                3,
                1,
                2,
                9,
                15,
                4,
                0,
                1,
                TUNNEL,
                0,
                RUN,
                9,
            ]),
        ),
        (
            "found",
            Script::default().op(&[
                0,
                OPEN,
                1,
                64,
                RUN,
                30,
                ASK,
                1,
                5,
                RUN,
                2,
                MESSAGE,
                STORE_LEASES,
                5,
                0,
                2,
                0,
                0,
                0,
                4,
                TUNNEL,
                0,
                RUN,
                9,
            ]),
        ),
        (
            "peer-wanted",
            Script::default().op(&[
                0,
                RUN,
                9,
                LANE,
                3,
                30,
                RUN,
                3,
                MESSAGE,
                STORE_ROUTER,
                30,
                0,
                0,
                4,
                DIRECT,
                LANE,
                3,
                31,
                RUN,
                90,
            ]),
        ),
        ("reply-unasked", Script::default().op(&[0, RUN, 1, MESSAGE, SEARCH_REPLY, 7, 1, 2, 3, 4, 5, 9, 10, 2, 1, 0, 1, DIRECT])),
        ("i2pd", floodfill().op(&[MESSAGE, RAW, 1]).long_part(&store).op(&[0, 1, DIRECT])),
        ("direct-news", floodfill().op(&[LANE, 6, 20, 20, 0, LANE, 6, 1, 21, 1, LANE, 2, 20, 0, PASS, 3, 255, 255])),
        ("a-day", floodfill().op(&[MESSAGE, STORE_ROUTER, 20, 9, 0, 1, DIRECT]).op(&[PASS, 3, 255, 255].repeat(9))),
    ])
}

/// Seeds of the target `tunnels`: builds of our own, and those of others.
pub fn tunnels() -> Seeds {
    use engine::kind::{BUILD, RAW};
    use engine::op::{CHANGE, DELIVER, LANE, LOSE, MESSAGE, OPEN, PASS, REPEAT, RUN};
    use engine::way::{DIRECT, GARLIC, TUNNEL};
    let started = || Script::default().op(&[0, RUN, 20]);
    let build = |script: Script, role: u8, how: u8, id: u8| script.op(&[MESSAGE, BUILD, role, how, id, 7, 2, 0, 0, 1, DIRECT]);
    scripts(vec![
        ("own-built", started().op(&[RUN, 60])),
        ("with-destination", started().op(&[OPEN, 1, 8, RUN, 60])),
        ("replies-lost", Script::default().op(&[0, RUN, 2, LOSE, 0, LOSE, 0, RUN, 60, LOSE, 0, RUN, 60])),
        (
            "replies-changed",
            Script::default()
                .op(&[0, RUN, 1, DELIVER, 1, CHANGE, 0, 1, 0, 100, 1, DELIVER, 3, CHANGE, 0, 2, 0, 30, 1, 1, 99, 3, RUN, 60]),
        ),
        (
            "replies-repeated",
            Script::default().op(&[0, RUN, 1, REPEAT, 0, DELIVER, 2, REPEAT, 0, DELIVER, 2, REPEAT, 1, RUN, 60]),
        ),
        ("participant", build(started(), 0, 66, 1)),
        ("gateway", build(started(), 1, 67, 2)),
        ("endpoint", build(started(), 2, 65, 3).op(&[RUN, 3])),
        ("same-id", build(build(started(), 0, 66, 4), 1, 66, 4)),
        ("wrong-time", build(started(), 0, 200, 5)),
        ("wrong-layer", build(started(), 0, 255, 5)),
        ("to-ourselves", started().op(&[MESSAGE, BUILD, 0, 65, 6, 7, 0, 0, 0, 1, DIRECT])),
        ("many", (0..16).fold(started(), |script, id| build(script, id, 66, id))),
        (
            "build-in-garlic",
            started().op(&[MESSAGE, BUILD, 0, 65, 6, 7, 3, 0, 0, 1, GARLIC, MESSAGE, BUILD, 0, 65, 7, 7, 3, 0, 0, 1, TUNNEL, 0]),
        ),
        (
            "garbage",
            started()
                .op(&[MESSAGE, RAW, 25])
                .long_part(&[1; 219])
                .op(&[0, 1, DIRECT, MESSAGE, RAW, 23])
                .long_part(&[1; 529])
                .op(&[0, 1, DIRECT]),
        ),
        ("loaded", build(started().op(&[LANE, 7, 1, 255, 255, PASS, 1, 4, 0, LANE, 7, 1, 255, 255]), 0, 66, 1)),
        ("hops-gone", started().op(&[LANE, 1, 1, LANE, 2, 2, 0, LANE, 1, 3, LANE, 2, 4, 1, RUN, 60])),
        ("expired", started().op(&[PASS, 3, 255, 0, RUN, 30, PASS, 3, 255, 0, RUN, 60])),
    ])
}

/// Seeds of the target `snapshot`.
pub fn snapshot() -> Seeds {
    use crate::snapshot::kind::{CHANGED, OTHER_KEY, OWN, RAW, WHOLE};
    const RESEED: u8 = 128;
    let raw = |kind| Script::default().op(&[7, kind]).part(&router(7).info.bytes()[..200]);
    scripts(vec![
        ("whole", (1..30).fold(Script::default(), |script, number| script.op(&[number, WHOLE]))),
        ("many", (1..100).fold(Script::default(), |script, number| script.op(&[number, WHOLE]))),
        ("many-of-both", (1..110).fold(Script::default(), |script, number| script.op(&[number, number % 2 * RESEED]))),
        ("floodfills", (100..130).fold(Script::default(), |script, number| script.op(&[number, WHOLE]))),
        ("reseed", (1..30).fold(Script::default(), |script, number| script.op(&[number, RESEED | WHOLE]))),
        ("both", Script::default().op(&[1, WHOLE, 1, RESEED | WHOLE, 2, RESEED | WHOLE, 2, WHOLE, 3, WHOLE, 3, WHOLE])),
        ("other-keys", Script::default().op(&[1, OTHER_KEY, 2, WHOLE, 1, WHOLE, 2, OTHER_KEY])),
        ("signature", Script::default().op(&[1, CHANGED, 1, 2, 100, 4, 2, WHOLE, 2, CHANGED, 1, 0, 50, 1])),
        ("changed-and-whole", Script::default().op(&[1, CHANGED, 1, 2, 100, 4, 1, WHOLE, 1, RESEED | CHANGED, 1, 0, 50, 1])),
        ("own", Script::default().op(&[0, OWN, 1, WHOLE, 0, RESEED | OWN])),
        ("raw", raw(RAW)),
        ("raw-reseed", raw(RESEED | RAW)),
    ])
}
