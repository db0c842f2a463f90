//! Each oracle is silent about honest routers and speaks of a router that is broken in its way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod answers;
mod clear_text;
mod identities_apart;
mod java;
mod limits;
mod network;
mod own_name;
mod pairing;
mod quotas;
mod reachable_again;
#[path = "../common/replay.rs"]
mod replay;
mod replays;
mod streams_exact;
mod tunnel_hops;
