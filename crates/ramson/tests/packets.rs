//! What the built program sends, seen from below: every packet of a network namespace is recorded, to wherever it goes.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that cannot help ends the test")]
#![allow(dead_code, reason = "the helpers serve other tests too")]

#[path = "packets/loopback.rs"]
mod loopback;
#[path = "program/namespace.rs"]
mod namespace;
#[path = "packets/recorder.rs"]
mod recorder;
#[path = "program/running.rs"]
mod running;
#[path = "network/testnet.rs"]
mod testnet;

#[path = "packets/only_to_peers_that_it_was_given.rs"]
mod only_to_peers_that_it_was_given;
