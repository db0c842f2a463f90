//! How a destination begins to talk with a stranger.

use super::*;
use crate::streaming::{StreamId, StreamRings};

/// i2pd drops a new session that comes within 200 ms of another, and Java keeps to the first one.
#[test]
fn many_streams_to_a_stranger_begin_one_session_at_a_time() {
    let mut bench = Bench::new(NET);
    let through_a = bench.open(A, false);
    bench.sent.clear();
    let stranger = keys("stranger");
    let hash = stranger.destination().hash();
    bench.look_up(A, 1, hash);
    assert_eq!(bench.lookups(hash), 1);
    let own = x25519::PrivateKey::generate(&mut rng("stranger's key"));
    let set = lease_set(&stranger, own.public(), bench.now.date);
    let key = bench.reply_key(hash);
    bench.answer_through(through_a, &key, MessageKind::DATABASE_STORE, DatabaseStore::lease_set2(&set, None).to_bytes());
    for number in 0..20 {
        let rings = Arc::new(StreamRings::new());
        let command = Command::Connect { id: A, stream: StreamId(number), to: hash, from_port: 0, to_port: 0, rings };
        bench.engine.handle_command(bench.now, command);
    }
    bench.sent.clear();
    let mut times = Vec::new();
    for ms in (0..30_000).step_by(50) {
        bench.run(50);
        let sent = std::mem::take(&mut bench.sent);
        times.extend(sent.iter().filter(|(to, _)| *to == STRANGERS_GATEWAY).map(|_| ms));
    }
    assert!(times.len() >= 2, "it is tried again: {times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1_450), "{times:?}");
}
