//! Services over a private network of complete routers in this process.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that cannot help ends the test")]

#[path = "network/sam_client.rs"]
mod sam_client;
#[path = "network/testnet.rs"]
#[allow(dead_code, reason = "it serves other tests too")]
mod testnet;

#[path = "network/a_router_that_knows_nobody_reseeds_again.rs"]
mod a_router_that_knows_nobody_reseeds_again;
#[path = "network/a_server_tunnel_carries_bytes_both_ways.rs"]
mod a_server_tunnel_carries_bytes_both_ways;
#[path = "network/a_site_learns_who_asks_and_nothing_else.rs"]
mod a_site_learns_who_asks_and_nothing_else;
#[path = "network/a_stopped_router_leaves_nobody_waiting.rs"]
mod a_stopped_router_leaves_nobody_waiting;
#[path = "network/ipv6_carries_as_ipv4_does.rs"]
mod ipv6_carries_as_ipv4_does;
#[path = "network/sam_greets_every_version.rs"]
mod sam_greets_every_version;
#[path = "network/sam_names_are_found.rs"]
mod sam_names_are_found;
#[path = "network/sam_sessions_are_checked_and_end_with_their_socket.rs"]
mod sam_sessions_are_checked_and_end_with_their_socket;
#[path = "network/sam_streams_carry_bytes_both_ways.rs"]
mod sam_streams_carry_bytes_both_ways;
#[path = "network/the_proxy_tells_when_it_cannot_reach_a_site.rs"]
mod the_proxy_tells_when_it_cannot_reach_a_site;
