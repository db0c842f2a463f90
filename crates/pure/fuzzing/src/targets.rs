//! The list of targets.

use crate::seeds::{self, Seeds};
use crate::wire::{messages, signed, structures, tunnel};
use crate::{engine, garlic, hostile, lane, ntcp2, snapshot, streams};

/// Something to be fuzzed.
pub struct Target {
    /// As in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// The harness. Panics on a finding.
    pub run: fn(&[u8]),
    /// Its corpus.
    pub seeds: fn() -> Seeds,
    /// Executions in the short run.
    pub runs: u32,
    /// The sources that it aims at, below `crates/`.
    pub aims: &'static [&'static str],
}

impl Target {
    /// The inputs of the corpus.
    pub fn inputs(&self) -> Vec<Vec<u8>> {
        (self.seeds)().into_iter().map(|(_, bytes)| bytes).collect()
    }
}

/// Executions of a decoder in the short run.
const MANY: u32 = 20_000;
/// Executions of a machine in the short run.
const SOME: u32 = 2_000;
/// Of a slow one.
const FEW: u32 = 400;
/// Of whole engines.
const SLOW: u32 = 40;

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Seeds, runs: u32, aims: &'static [&'static str]) -> Target {
    Target { name, run, seeds, runs, aims }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target(
        "router_info",
        signed::router_info,
        seeds::wire::router_info,
        MANY,
        &["pure/wire/src/router_info.rs", "pure/wire/src/router_address.rs", "pure/wire/src/caps.rs"],
    ),
    target(
        "lease_set",
        signed::lease_set,
        seeds::wire::lease_set,
        MANY,
        &["pure/wire/src/lease_set.rs", "pure/wire/src/offline.rs"],
    ),
    target(
        "identity",
        structures::identity,
        seeds::wire::identity,
        MANY,
        &["pure/wire/src/identity.rs", "pure/wire/src/certificate.rs", "pure/wire/src/offline.rs"],
    ),
    target("mapping", structures::mapping, seeds::wire::mapping, MANY, &["pure/wire/src/mapping.rs"]),
    target("router_address", structures::router_address, seeds::wire::router_address, MANY, &["pure/wire/src/router_address.rs"]),
    target("destination_keys", structures::destination_keys, seeds::wire::destination_keys, MANY, &["pure/wire/src/keys.rs"]),
    target("text", structures::text, seeds::wire::text, MANY, &["pure/wire/src/base32.rs", "pure/wire/src/base64.rs"]),
    target(
        "packed_payload",
        structures::packed_payload,
        seeds::wire::packed_payload,
        MANY,
        &["pure/wire/src/payload.rs", "pure/wire/src/gzip.rs"],
    ),
    target(
        "i2np_message",
        messages::i2np_message,
        seeds::wire::i2np_message,
        MANY,
        &[
            "pure/wire/src/i2np.rs",
            "pure/wire/src/i2np/store.rs",
            "pure/wire/src/i2np/lookup.rs",
            "pure/wire/src/i2np/small.rs",
            "pure/wire/src/i2np/build.rs",
        ],
    ),
    target(
        "small_bodies",
        messages::small_bodies,
        seeds::wire::small_bodies,
        MANY,
        &["pure/wire/src/i2np/small.rs", "pure/wire/src/i2np/build.rs"],
    ),
    target(
        "database_store",
        messages::database_store,
        seeds::wire::database_store,
        MANY,
        &["pure/wire/src/i2np/store.rs", "pure/wire/src/gzip.rs"],
    ),
    target("database_lookup", messages::database_lookup, seeds::wire::database_lookup, MANY, &["pure/wire/src/i2np/lookup.rs"]),
    target("garlic_blocks", messages::garlic_blocks, seeds::wire::garlic_blocks, MANY, &["pure/wire/src/garlic.rs"]),
    target("build_records", tunnel::build_records, seeds::wire::build_records, MANY, &["pure/wire/src/tunnel/build.rs"]),
    target("fragment_header", tunnel::fragment_header, seeds::wire::fragment_header, MANY, &["pure/wire/src/tunnel.rs"]),
    target(
        "ntcp2_responder",
        ntcp2::responder,
        seeds::ntcp2::responder,
        SOME,
        &[
            "pure/transport/src/ntcp2/handshake.rs",
            "pure/transport/src/ntcp2/handshake/responder.rs",
            "pure/transport/src/ntcp2/peer_check.rs",
            "pure/transport/src/ntcp2/replay.rs",
            "pure/transport/src/ntcp2/session/establish.rs",
            "pure/transport/src/ntcp2/session.rs",
        ],
    ),
    target(
        "ntcp2_initiator",
        ntcp2::initiator,
        seeds::ntcp2::initiator,
        SOME,
        &[
            "pure/transport/src/ntcp2/handshake.rs",
            "pure/transport/src/ntcp2/handshake/initiator.rs",
            "pure/transport/src/ntcp2/session/establish.rs",
            "pure/transport/src/ntcp2/session.rs",
        ],
    ),
    target(
        "ntcp2_data",
        ntcp2::data_phase,
        seeds::ntcp2::data_phase,
        SOME,
        &[
            "pure/transport/src/ntcp2/open.rs",
            "pure/transport/src/ntcp2/frames.rs",
            "pure/transport/src/ntcp2/blocks.rs",
            "pure/transport/src/ntcp2/queue.rs",
            "pure/transport/src/ntcp2/padding.rs",
            "pure/transport/src/ntcp2/session.rs",
        ],
    ),
    target(
        "lane",
        lane::lane,
        seeds::lane::lane,
        FEW,
        &[
            "pure/lane/src/address.rs",
            "pure/lane/src/bucket.rs",
            "pure/lane/src/filter.rs",
            "pure/lane/src/lane.rs",
            "pure/lane/src/lane/backoff.rs",
            "pure/lane/src/lane/connections.rs",
            "pure/lane/src/lane/duplicates.rs",
            "pure/lane/src/lane/handshakes.rs",
            "pure/lane/src/lane/inbound.rs",
            "pure/lane/src/lane/memory.rs",
            "pure/lane/src/lane/pace.rs",
            "pure/lane/src/lane/peers.rs",
            "pure/lane/src/lane/places.rs",
            "pure/lane/src/lane/traffic.rs",
            "pure/lane/src/relay.rs",
            "pure/lane/src/relay/endpoint.rs",
            "pure/lane/src/relay/shares.rs",
            "pure/lane/src/timers.rs",
        ],
    ),
    target(
        "tunnel_endpoint",
        lane::tunnel_endpoint,
        seeds::lane::tunnel_endpoint,
        MANY,
        &["pure/lane/src/tunnel_data/endpoint.rs", "pure/lane/src/tunnel_data/gateway.rs"],
    ),
    target(
        "garlic_sessions",
        garlic::sessions,
        seeds::engine::garlic_sessions,
        FEW,
        &[
            "pure/engine/src/session.rs",
            "pure/engine/src/session/handshake.rs",
            "pure/engine/src/session/inbound.rs",
            "pure/engine/src/session/link.rs",
            "pure/engine/src/session/outbound.rs",
            "pure/engine/src/session/padding.rs",
            "pure/engine/src/session/payload.rs",
            "pure/engine/src/session/state.rs",
            "pure/engine/src/session/step.rs",
            "pure/engine/src/session/store.rs",
            "pure/engine/src/session/tables.rs",
            "pure/engine/src/session/tagset.rs",
        ],
    ),
    target(
        "garlic_payloads",
        hostile::payloads,
        seeds::hostile::garlic_payloads,
        SOME,
        &[
            "pure/wire/src/garlic.rs",
            "pure/engine/src/session/inbound.rs",
            "pure/engine/src/session/link.rs",
            "pure/engine/src/session/payload.rs",
            "pure/engine/src/session/router_garlic.rs",
            "pure/engine/src/session/step.rs",
        ],
    ),
    target(
        "streams",
        streams::streams,
        seeds::engine::streams,
        SOME,
        &[
            "pure/engine/src/streaming.rs",
            "pure/engine/src/streaming/congestion.rs",
            "pure/engine/src/streaming/flow.rs",
            "pure/engine/src/streaming/incoming.rs",
            "pure/engine/src/streaming/limits.rs",
            "pure/engine/src/streaming/outgoing.rs",
            "pure/engine/src/streaming/packet.rs",
            "pure/engine/src/streaming/receiver.rs",
            "pure/engine/src/streaming/rings.rs",
            "pure/engine/src/streaming/rings/ring.rs",
            "pure/engine/src/streaming/rtt.rs",
            "pure/engine/src/streaming/sender.rs",
            "pure/engine/src/streaming/stream.rs",
            "pure/engine/src/streaming/timeouts.rs",
            "pure/engine/src/streaming/timers.rs",
        ],
    ),
    target(
        "engine",
        engine::engine,
        seeds::engine::engine,
        SLOW,
        &[
            "pure/engine/src/engine.rs",
            "pure/engine/src/engine/dear.rs",
            "pure/engine/src/engine/destinations.rs",
            "pure/engine/src/engine/glue.rs",
            "pure/engine/src/engine/load.rs",
            "pure/engine/src/engine/repetitions.rs",
            "pure/engine/src/engine/report.rs",
            "pure/engine/src/engine/reseed.rs",
            "pure/engine/src/engine/routing.rs",
            "pure/engine/src/destination.rs",
            "pure/engine/src/destination/lease_set.rs",
            "pure/engine/src/destination/outbound.rs",
            "pure/engine/src/destination/owners.rs",
            "pure/engine/src/destination/peer.rs",
            "pure/engine/src/own_router.rs",
        ],
    ),
    target("snapshot", snapshot::snapshot, seeds::network::snapshot, SOME, &["pure/engine/src/netdb/routers.rs"]),
    target(
        "netdb",
        engine::engine,
        seeds::network::netdb,
        SLOW,
        &[
            "pure/engine/src/netdb.rs",
            "pure/engine/src/netdb/ahead.rs",
            "pure/engine/src/netdb/answers.rs",
            "pure/engine/src/netdb/config.rs",
            "pure/engine/src/netdb/explore.rs",
            "pure/engine/src/netdb/floodfill.rs",
            "pure/engine/src/netdb/lease_sets.rs",
            "pure/engine/src/netdb/limits.rs",
            "pure/engine/src/netdb/lookup.rs",
            "pure/engine/src/netdb/message.rs",
            "pure/engine/src/netdb/negative.rs",
            "pure/engine/src/netdb/network.rs",
            "pure/engine/src/netdb/output.rs",
            "pure/engine/src/netdb/owner.rs",
            "pure/engine/src/netdb/publish.rs",
            "pure/engine/src/netdb/routers.rs",
            "pure/engine/src/netdb/shared.rs",
        ],
    ),
    target(
        "tunnels",
        engine::engine,
        seeds::network::tunnels,
        SLOW,
        &[
            "pure/engine/src/tunnel.rs",
            "pure/engine/src/tunnel/build.rs",
            "pure/engine/src/tunnel/data.rs",
            "pure/engine/src/tunnel/garlic.rs",
            "pure/engine/src/tunnel/hop.rs",
            "pure/engine/src/tunnel/manage.rs",
            "pure/engine/src/tunnel/pacing.rs",
            "pure/engine/src/tunnel/pool.rs",
            "pure/engine/src/tunnel/probe.rs",
            "pure/engine/src/tunnel/recent.rs",
            "pure/engine/src/tunnel/record.rs",
            "pure/engine/src/tunnel/reply.rs",
            "pure/engine/src/tunnel/request.rs",
            "pure/engine/src/tunnel/select.rs",
            "pure/engine/src/tunnel/transit.rs",
            "pure/engine/src/profile.rs",
        ],
    ),
];
