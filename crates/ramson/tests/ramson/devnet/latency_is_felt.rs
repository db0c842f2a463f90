use std::time::{Duration, Instant};

use super::Devnet;

/// One way through two tunnels of three hops: from the browser's router to the third hop, and from the gateway of the site's tunnel, which
/// may be the same router, to the site's.
const LINKS: u32 = 6;

#[test]
fn on_each_link_there_and_back() {
    let net = Devnet::start(&["--latency-ms", "100"]);
    let start = Instant::now();
    net.fetch(1);
    let took = start.elapsed();
    let least = Duration::from_millis(100) * 2 * LINKS;
    assert!(took >= least, "{took:?} is less than {least:?}");
}
