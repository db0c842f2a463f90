//! The shells' machines by operation sequence: SAM's bridge, the HTTP proxy, the server tunnel.
//!
//! Each runs as it is, over sockets in memory ([`pipe`]), in one thread and in virtual time. Below them are the real handles
//! of a router; on the far side of their mailbox stands the harness ([`network`]), not an engine: an engine says things in
//! few orders and only after minutes of tunnels and look-ups, while the machines have to live with any order that its
//! interface allows, and a run takes no time.

pub mod http;
pub mod http_proxy;
pub mod network;
pub mod pipe;
pub mod sam;
pub mod server_tunnel;
mod talker;

use std::time::Duration;

/// Runs a world whose clock moves only when all tasks wait.
pub fn play(world: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets").block_on(world);
}

/// Lets every task do what it can.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// Tasks of the machine that live.
#[must_use]
pub fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// What stands between a machine and the harness. The sound one changes nothing.
pub trait Border {
    /// Bytes that a program got.
    fn to_program(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    /// How a connection was left.
    fn ending(&mut self, ending: pipe::Ending) -> pipe::Ending {
        ending
    }

    /// Bytes for a peer.
    fn to_peer(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    /// What the engine is told; false if it gets lost.
    fn tells(&mut self, command: &ramson_router::driver::Command) -> bool {
        let _ = command;
        true
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}
