//! Each oracle is silent about honest routers and speaks of a router that is broken in its way.

#[path = "oracles/clear_text.rs"]
mod clear_text;
#[path = "oracles/network.rs"]
mod network;
#[path = "oracles/reachable_again.rs"]
mod reachable_again;
#[path = "oracles/streams_exact.rs"]
mod streams_exact;
#[path = "oracles/tunnel_hops.rs"]
mod tunnel_hops;
