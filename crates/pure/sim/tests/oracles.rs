//! Each oracle is silent about honest routers and speaks of a router that is broken in its way.

#[path = "oracles/answers.rs"]
mod answers;
#[path = "oracles/clear_text.rs"]
mod clear_text;
#[path = "oracles/identities_apart.rs"]
mod identities_apart;
#[path = "oracles/limits.rs"]
mod limits;
#[path = "oracles/network.rs"]
mod network;
#[path = "oracles/pairing.rs"]
mod pairing;
#[path = "oracles/reachable_again.rs"]
mod reachable_again;
#[path = "oracles/replays.rs"]
mod replays;
#[path = "oracles/streams_exact.rs"]
mod streams_exact;
#[path = "oracles/tunnel_hops.rs"]
mod tunnel_hops;
