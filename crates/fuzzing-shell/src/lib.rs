//! The fuzz targets of what the shells read: heads and bodies of HTTP, lines of SAM, requests on the control socket, settings,
//! and files that are there at the start.
//!
//! Mutator, runner and the scripts of `fuzz/` are those of `ramson-fuzzing`, whose documentation tells how to use them. The
//! targets stand apart since that crate is pure: it may not know the shells. Their programs are in `fuzz/shell_targets`.
//!
//! The functions that a target aims at are reached through the doors `fuzz` of their crates, behind the feature `fuzzing`.
//! What a filter lets pass is judged by a reader of its own ([`strict`]), stricter than any server: nothing that two of them
//! could read in two ways gets past it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness fails by a panic")]

pub mod body;
pub mod control;
pub mod files;
pub mod hosts;
pub mod machines;
pub mod request;
pub mod response;
pub mod sam;
pub mod seeds;
pub mod settings;
pub mod strict;

use ramson_fuzzing::Target;

/// Executions in the short run.
const RUNS: u32 = 40_000;

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "http_request",
        run: request::request,
        seeds: seeds::http_request,
        runs: RUNS,
        aims: &["proxy/src/head.rs", "proxy/src/headers.rs", "proxy/src/url.rs"],
    },
    Target {
        name: "http_response",
        run: response::response,
        seeds: seeds::http_response,
        runs: RUNS,
        aims: &["proxy/src/head.rs", "proxy/src/relay.rs"],
    },
    Target { name: "http_body", run: body::body, seeds: seeds::http_body, runs: RUNS, aims: &["proxy/src/body.rs"] },
    Target {
        name: "sam_line",
        run: sam::line,
        seeds: seeds::sam_line,
        runs: RUNS,
        aims: &["api/src/sam/line.rs", "api/src/sam/options.rs", "api/src/sam/reply.rs"],
    },
    Target {
        name: "http_proxy",
        run: machines::http_proxy::browsers,
        seeds: seeds::machines::http_proxy,
        runs: 1_500,
        aims: &["proxy/src/http_proxy.rs", "proxy/src/pages.rs", "proxy/src/relay.rs"],
    },
    Target {
        name: "server_tunnel",
        run: machines::server_tunnel::tunnel,
        seeds: seeds::machines::server_tunnel,
        runs: 1_500,
        aims: &["proxy/src/server_tunnel.rs", "proxy/src/relay.rs"],
    },
    Target {
        name: "sam_connections",
        run: machines::sam::connections,
        seeds: seeds::machines::sam_connections,
        runs: 1_500,
        aims: &["api/src/sam/connection.rs", "api/src/sam/server.rs"],
    },
    Target { name: "hosts", run: hosts::hosts, seeds: seeds::hosts, runs: RUNS, aims: &["router/src/names.rs"] },
    Target {
        name: "router_keys",
        run: files::router_keys,
        seeds: seeds::files::router_keys,
        runs: 5_000,
        aims: &["router/src/keys.rs"],
    },
    Target {
        name: "reseed",
        run: files::reseed,
        seeds: seeds::files::reseed,
        runs: 3_000,
        aims: &["router/src/reseed/archive.rs"],
    },
    Target {
        name: "known_routers",
        run: files::known_routers,
        seeds: seeds::files::known_routers,
        runs: 400,
        aims: &["router/src/storage/records.rs"],
    },
    Target {
        name: "settings",
        run: settings::settings,
        seeds: seeds::files::settings,
        runs: 10_000,
        aims: &["ramson/src/settings.rs"],
    },
    Target {
        name: "scenario",
        run: settings::scenario,
        seeds: seeds::files::scenario,
        runs: 10_000,
        aims: &["pure/sim/src/scenario.rs", "pure/sim/src/scenario/check.rs", "pure/sim/src/scenario/parse.rs"],
    },
    Target {
        name: "control",
        run: control::control,
        seeds: seeds::files::control,
        runs: RUNS,
        aims: &["ramson/src/control/request.rs", "ramson/src/status/report.rs"],
    },
];

/// Runs the target of this name on an input.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    (target.run)(data);
}

/// How many bytes come at once, by a byte of the input. Long inputs come in longer pieces: a head is read anew with each.
fn piece(choice: u8, len: usize) -> usize {
    match usize::from(choice) {
        0 => usize::MAX,
        count if len < 1024 => count,
        count => 64 * count,
    }
}
