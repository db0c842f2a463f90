//! Sequences of what programs, peers and engines do to the shells' machines.

use ramson_fuzzing::ops::Script;
use ramson_fuzzing::seeds::Seeds;

/// Names sequences by what they are and a number.
fn scripts(parts: Vec<(&str, Script)>) -> Seeds {
    parts.into_iter().enumerate().map(|(number, (name, script))| (format!("{number:02}-{name}"), script.0)).collect()
}

/// Clients of SAM's bridge.
pub fn sam_connections() -> Seeds {
    use crate::machines::sam::op::{
        ACCEPT, ANSWER, CLIENT, CONNECT, CREATE, DATA, END, FOUND, HELLO, HOLD, INCOMING, LOOKUP, OPEN, OTHER, PASS, PAYLOAD,
        RAW, READY, STALL, STOP, UNBROKEN,
    };
    let open = |script: Script| script.op(&[OPEN, 0, 64]);
    // A client with a session of its own, and another of that session.
    let session = || open(open(Script::default()).op(&[CREATE, 0, 0, 0, 0]).op(&[READY, 0]));
    let connected = || session().op(&[CONNECT, 1, 0, 0, 0]).op(&[ANSWER, 0, 0]);
    let accepted = || session().op(&[ACCEPT, 1, 0, 0, 0]).op(&[INCOMING, 0, 1, 0]);
    let carried = || connected().op(&[PAYLOAD, 1, 0, 90]).op(&[DATA, 0, 1, 44]);
    let two = |kind: u8| open(session()).op(&[CREATE, 2, 1, kind, 0]).op(&[READY, 1]);
    scripts(vec![
        ("hello", Script::default().op(&[OPEN, 0, 2]).op(&[HELLO, 0, 1, 0, 140]).op(&[CLIENT, 0, 7]).op(&[CLIENT, 0, 255])),
        ("no-hello", Script::default().op(&[OPEN, 0, 0]).op(&[RAW, 0]).part(b"GET / HTTP/1.1\r\n\r\n")),
        ("silent-client", Script::default().op(&[OPEN, 0, 1]).op(&[PASS, 200, 61])),
        ("unbroken", open(Script::default()).op(&[UNBROKEN, 0, 120]).op(&[OTHER, 0, 0, 0, 0])),
        ("connect", carried().op(&[CLIENT, 1, 0]).op(&[END, 0, 0])),
        ("connect-answered-later", carried().op(&[END, 0, 0]).op(&[PAYLOAD, 1, 3, 1]).op(&[CLIENT, 1, 0])),
        ("broken-by-peer", carried().op(&[END, 0, 104]).op(&[DATA, 0, 0, 4])),
        ("broken-by-client", carried().op(&[CLIENT, 1, 3])),
        ("refused", session().op(&[CONNECT, 1, 0, 2, 0]).op(&[ANSWER, 0, 131])),
        ("half-closed-idle", carried().op(&[CLIENT, 1, 0]).op(&[PASS, 255, 255]).op(&[PASS, 255, 60])),
        ("accept", accepted().op(&[DATA, 0, 2, 0]).op(&[PAYLOAD, 1, 1, 1]).op(&[END, 0, 0]).op(&[CLIENT, 1, 0])),
        ("silent", session().op(&[ACCEPT, 1, 4, 0, 0]).op(&[INCOMING, 0, 0, 0]).op(&[DATA, 0, 0, 90]).op(&[END, 0, 101])),
        ("session-ends-streams", carried().op(&[ACCEPT, 0, 0, 0, 0]).op(&[CLIENT, 0, 1])),
        ("session-of-another", two(1).op(&[CONNECT, 1, 1, 1, 0]).op(&[ANSWER, 0, 0]).op(&[DATA, 0, 0, 40]).op(&[CLIENT, 0, 1])),
        ("same-destination", two(0)),
        ("same-name", open(session()).op(&[CREATE, 2, 0, 1, 0])),
        ("transient", two(4).op(&[CONNECT, 1, 1, 1, 0]).op(&[ANSWER, 0, 0]).op(&[DATA, 0, 0, 40]).op(&[OTHER, 0, 2, 0, 0])),
        ("never-ready", open(Script::default()).op(&[CREATE, 0, 0, 0, 0]).op(&[PASS, 255, 200]).op(&[PASS, 255, 101])),
        ("gone-before-ready", open(Script::default()).op(&[CREATE, 0, 0, 0, 0]).op(&[CLIENT, 0, 1]).op(&[PASS, 0, 1])),
        ("lookups", session().op(&[LOOKUP, 0, 1, 1, 0]).op(&[FOUND, 0, 0]).op(&[LOOKUP, 0, 0, 0, 0]).op(&[LOOKUP, 0, 3, 1, 0])),
        ("lookup-without-session", open(Script::default()).op(&[LOOKUP, 0, 0, 1, 0]).op(&[READY, 0]).op(&[FOUND, 0, 200])),
        ("lookup-unready", open(Script::default()).op(&[LOOKUP, 0, 1, 1, 0]).op(&[OTHER, 0, 0, 0, 0]).op(&[PASS, 255, 61])),
        ("sayings", (0..8).fold(open(Script::default()), |script, kind| open(script).op(&[OTHER, kind, kind, 0, 0]))),
        ("many", (0..12).fold(Script::default(), |script, _| open(script)).op(&[CLIENT, 3, 1]).op(&[OPEN, 0, 64])),
        ("no-reader", carried().op(&[CLIENT, 1, 4]).op(&[DATA, 0, 80, 0]).op(&[DATA, 0, 80, 0]).op(&[CLIENT, 0, 1])),
        ("slow-peer", connected().op(&[HOLD, 0]).op(&[PAYLOAD, 1, 78, 0]).op(&[HOLD, 0]).op(&[CLIENT, 1, 0])),
        ("engine-behind", session().op(&[STALL, 0]).op(&[CONNECT, 1, 0, 0, 0]).op(&[CLIENT, 0, 1]).op(&[STALL, 1])),
        ("backlog", session().op(&[INCOMING, 0, 1, 255]).op(&[ACCEPT, 1, 0, 0, 0]).op(&[DATA, 0, 0, 9])),
        ("gone-with-more-said", session().op(&[ACCEPT, 0, 0, 0, 0]).op(&[OTHER, 0, 0, 0, 0]).op(&[CLIENT, 0, 1])),
        ("stopped", carried().op(&[STOP, 1, 1]).op(&[CREATE, 0, 1, 1, 0])),
        ("dropped", carried().op(&[STOP, 0, 1])),
        ("door", open(Script::default().op(&[STOP, 7])).op(&[PASS, 0, 30])),
    ])
}

/// Browsers of the proxy.
pub fn http_proxy() -> Seeds {
    use crate::machines::http_proxy::op::{
        ANSWER, BODY, BROWSER, BULK, DATA, END, HOLD, OPEN, PASS, RAW, READY, REQUEST, RESPONSE, STALL, STOP,
    };
    let open = || Script::default().op(&[READY, 0]).op(&[OPEN, 0, 0]);
    let asked = |what: u8| open().op(&[REQUEST, 0, what, 0]).op(&[ANSWER, 0, 0]);
    let many = (0..8).fold(open(), |script, number| script.op(&[OPEN, 0, 0]).op(&[REQUEST, number, 0, 0]));
    let refused = |number: u8| format!("refused-{number}");
    let names: Vec<String> = (7..14).map(refused).collect();
    let mut parts = vec![
        ("page", asked(0).op(&[RESPONSE, 0, 0])),
        ("page-in-pieces", open().op(&[OPEN, 0, 1]).op(&[REQUEST, 1, 0, 200]).op(&[BROWSER, 1, 255]).op(&[BROWSER, 1, 255])),
        ("chunks", asked(0).op(&[RESPONSE, 0, 1]).op(&[END, 0, 0])),
        ("head", asked(1).op(&[RESPONSE, 0, 5])),
        ("form", asked(2).op(&[RESPONSE, 0, 2])),
        ("upload", asked(3).op(&[RESPONSE, 0, 4]).op(&[BULK, 0, 3, 0]).op(&[END, 0, 0])),
        ("web-socket", asked(4).op(&[RESPONSE, 0, 3]).op(&[BODY, 0, 0, 9]).op(&[DATA, 0]).part(b"frame").op(&[END, 0, 0])),
        ("no-switch", asked(4).op(&[RESPONSE, 0, 0]).op(&[END, 0, 0])),
        ("web-socket-silent", asked(4).op(&[BROWSER, 0, 1]).op(&[PASS, 255, 255])),
        ("cut", asked(0).op(&[RESPONSE, 0, 5]).op(&[BULK, 0, 1, 0]).op(&[END, 0, 0])),
        ("cut-by-reset", asked(0).op(&[RESPONSE, 0, 4]).op(&[END, 0, 104])),
        ("no-answer", asked(0).op(&[END, 0, 0])),
        ("not-http", asked(0).op(&[RESPONSE, 0, 8])),
        ("long-body", asked(6).op(&[BODY, 0, 20, 0]).op(&[HOLD, 0]).op(&[BODY, 0, 20, 0]).op(&[RESPONSE, 0, 2])),
        ("unread", asked(0).op(&[BROWSER, 0, 4]).op(&[RESPONSE, 0, 4]).op(&[BULK, 0, 200, 0]).op(&[BROWSER, 0, 4])),
        ("gone", asked(0).op(&[BROWSER, 0, 1]).op(&[PASS, 255, 61]).op(&[RESPONSE, 0, 0])),
        ("half-closed", asked(0).op(&[BROWSER, 0, 0]).op(&[RESPONSE, 0, 0])),
        ("broken", asked(0).op(&[RESPONSE, 0, 5]).op(&[BROWSER, 0, 3])),
        ("slow", open().op(&[REQUEST, 0, 0, 200]).op(&[PASS, 255, 61])),
        ("not-ready", Script::default().op(&[OPEN, 0, 0]).op(&[REQUEST, 0, 0, 0]).op(&[PASS, 255, 61])),
        ("unreachable", open().op(&[REQUEST, 0, 0, 0]).op(&[ANSWER, 0, 131])),
        ("limit", open().op(&[REQUEST, 0, 0, 0]).op(&[ANSWER, 0, 132])),
        ("timed-out", open().op(&[REQUEST, 0, 0, 0]).op(&[ANSWER, 0, 130])),
        ("too-large", (0..9).fold(open(), |script, _| script.op(&[BODY, 0, 15, 0]))),
        ("many", many.op(&[RESPONSE, 1, 0]).op(&[OPEN, 0, 0])),
        ("pipelined", asked(0).op(&[RAW, 0]).part(b"GET http://zzz.i2p/ HTTP/1.1\r\n\r\n").op(&[RESPONSE, 0, 0])),
        ("behind", open().op(&[STALL, 0]).op(&[REQUEST, 0, 0, 0]).op(&[STALL, 1]).op(&[ANSWER, 0, 0])),
        ("stopped", asked(0).op(&[RESPONSE, 0, 5]).op(&[STOP, 1, 1])),
        ("dropped", asked(0).op(&[RESPONSE, 0, 4]).op(&[STOP, 0, 1])),
        ("door", Script::default().op(&[STOP, 7]).op(&[OPEN, 0, 0]).op(&[REQUEST, 0, 0, 0])),
    ];
    parts.extend(names.iter().zip(7..).map(|(name, what)| (name.as_str(), open().op(&[REQUEST, 0, what, 0]))));
    scripts(parts)
}

/// Peers and the server of a tunnel.
pub fn server_tunnel() -> Seeds {
    use crate::machines::server_tunnel::op::{
        BULK, DATA, END, HOLD, INCOMING, MODE, MUCH, PASS, REQUEST, RESPONSE, SAY, SERVER, STALL, STOP,
    };
    let peer = |kind: u8| Script::default().op(&[kind]).op(&[INCOMING, 0, 0, 0]);
    let asked = |what: u8| peer(0).op(&[REQUEST, 0, what]);
    let carried = || peer(1).op(&[BULK, 0, 1, 0]).op(&[MUCH, 0, 2, 0]);
    let mode = |kind: u8, mode: u8| Script::default().op(&[kind, MODE, mode]).op(&[INCOMING, 0, 0, 0]).op(&[REQUEST, 0, 9]);
    let many = |kind: u8| (0..5).fold(Script::default().op(&[kind]), |script, from| script.op(&[INCOMING, 0, from, 3]));
    scripts(vec![
        ("page", asked(9).op(&[RESPONSE, 0, 0])),
        ("claims", asked(10).op(&[RESPONSE, 0, 1])),
        ("form", asked(2).op(&[RESPONSE, 0, 2])),
        ("upload", asked(3).op(&[RESPONSE, 0, 4]).op(&[SERVER, 0, 1])),
        (
            "web-socket",
            asked(4).op(&[RESPONSE, 0, 3]).op(&[DATA, 0]).part(b"frame").op(&[SAY, 0]).part(b"back").op(&[SERVER, 0, 1]),
        ),
        ("no-switch", asked(4).op(&[RESPONSE, 0, 0]).op(&[END, 0, 0])),
        ("web-socket-silent", asked(4).op(&[END, 0, 0]).op(&[PASS, 255, 255])),
        ("pipelined", asked(9).op(&[REQUEST, 0, 9]).op(&[RESPONSE, 0, 0]).op(&[RESPONSE, 0, 0])),
        ("cut", asked(9).op(&[RESPONSE, 0, 5]).op(&[MUCH, 0, 1, 0]).op(&[SERVER, 0, 1])),
        ("cut-by-reset", asked(9).op(&[RESPONSE, 0, 4]).op(&[SERVER, 0, 3])),
        ("no-answer", asked(9).op(&[SERVER, 0, 1])),
        ("not-http", asked(9).op(&[RESPONSE, 0, 8])),
        ("no-request", peer(0).op(&[DATA, 0]).part(b"SSH-2.0\r\n\r\n")),
        ("unclear", asked(13)),
        ("too-large", peer(0).op(&[DATA, 0]).part(b"GET / HTTP/1.1\r\nA: ").op(&[BULK, 0, 160, 0])),
        ("slow", peer(0).op(&[DATA, 0]).part(b"GET / HTTP/1.1\r\n").op(&[PASS, 255, 61])),
        ("gone", asked(9).op(&[END, 0, 104])),
        ("closed-early", peer(0).op(&[END, 0, 0])),
        ("unread", asked(9).op(&[HOLD, 0]).op(&[RESPONSE, 0, 4]).op(&[MUCH, 0, 255, 0]).op(&[HOLD, 0]).op(&[SERVER, 0, 1])),
        ("down", mode(0, 1)),
        ("down-plain", mode(1, 1).op(&[MODE, 0]).op(&[INCOMING, 0, 1, 0]).op(&[BULK, 0, 0, 9])),
        ("hangs", mode(0, 2).op(&[PASS, 255, 11])),
        ("plain", carried().op(&[END, 0, 0]).op(&[SERVER, 0, 0])),
        ("plain-server-first", carried().op(&[SERVER, 0, 0]).op(&[BULK, 0, 0, 9]).op(&[END, 0, 0])),
        ("plain-reset-by-peer", carried().op(&[END, 0, 104])),
        ("plain-reset-by-server", carried().op(&[SERVER, 0, 3])),
        ("plain-idle", carried().op(&[SERVER, 0, 0]).op(&[PASS, 255, 255]).op(&[PASS, 255, 60])),
        ("plain-no-reader", peer(1).op(&[BULK, 0, 1, 0]).op(&[SERVER, 0, 4]).op(&[BULK, 0, 80, 0]).op(&[SERVER, 0, 4])),
        ("many", many(0).op(&[REQUEST, 1, 9]).op(&[RESPONSE, 1, 0])),
        ("many-plain", many(1).op(&[BULK, 1, 0, 9]).op(&[BULK, 2, 0, 9]).op(&[END, 1, 104])),
        ("behind", peer(1).op(&[STALL, 0]).op(&[INCOMING, 0, 0, 4]).op(&[BULK, 0, 1, 0]).op(&[STALL, 1])),
        ("stopped", carried().op(&[STOP, 1, 1])),
        ("dropped", asked(9).op(&[RESPONSE, 0, 4]).op(&[STOP, 0, 1])),
        ("dropped-plain", carried().op(&[STOP, 0, 1])),
    ])
}
