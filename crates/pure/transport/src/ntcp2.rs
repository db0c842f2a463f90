//! NTCP2: encrypted, authenticated sessions between two routers over one TCP connection.
//!
//! | state of [`Session`] | left by |
//! |---|---|
//! | initiator: request sent | head of message 2, then its padding: message 3 goes out, `Established` |
//! | responder: awaiting request | message 1 and its padding: message 2 goes out |
//! | responder: awaiting confirmation | message 3 with a RouterInfo that holds: `Established` |
//! | open | frames both ways, until a termination, a violation, an idle limit or the end of the stream |
//! | draining | a broken first message or frame: swallows a random number of bytes for a random time, then closes |
//! | closed | never |
//!
//! Invariants: nothing is sent before the first message has proven knowledge of our keys; no buffer grows by a
//! claimed length, only by bytes that have come; one frame is sealed only when the socket takes bytes.
//!
//! Source: NTCP2 specification, "Noise Protocol Framework" to "Data Phase"; deviations of deployed routers are
//! named where they matter.

mod blocks;
mod frames;
mod handshake;
mod open;
mod padding;
mod peer_check;
mod queue;
mod reason;
mod replay;
mod session;
#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use ramson_crypto::x25519;
use ramson_wire::RouterHash;

pub use handshake::HandshakeError;
pub use peer_check::RefusedRouterInfo;
pub use queue::{CONTROL_LIMIT_BYTES, OWN_LIMIT_BYTES, TRANSIT_LIMIT_BYTES};
pub use queue::{Class, Drops, Fill, Queued, SendError};
pub use reason::{CloseReason, Expired, Fault, TerminationReason};
pub use replay::ReplayCache;
pub use session::{Event, Session};

/// What this router is on NTCP2: shared by all of its sessions.
pub struct LocalIdentity {
    /// Hash of our RouterIdentity; key of the obfuscation of ephemeral keys.
    pub hash: RouterHash,
    /// Our static key, published as `s`.
    pub static_key: x25519::PrivateKey,
    /// Our obfuscation IV, published as `i`.
    pub iv: [u8; 16],
    /// Network that we are part of (2 is the public one).
    pub net_id: u8,
}

impl fmt::Debug for LocalIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalIdentity").finish_non_exhaustive()
    }
}

/// What the initiator has to know of the router that it dials: from its published NTCP2 address.
#[derive(Clone)]
pub struct PeerAddress {
    /// Hash of the peer's RouterIdentity.
    pub hash: RouterHash,
    /// Static key `s` of its address.
    pub static_key: x25519::PublicKey,
    /// Obfuscation IV `i` of its address.
    pub iv: [u8; 16],
}

impl fmt::Debug for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerAddress").finish_non_exhaustive()
    }
}

/// What a session borrows from its owner while it handles bytes.
///
/// The replay cache is shared by all inbound sessions of one router, so it can't live in any of them; our RouterInfo
/// changes over time, and a responder sends the newest one in its first frame.
pub struct Context<'a> {
    /// First messages seen, across all sessions.
    pub replay: &'a mut ReplayCache,
    /// Our current RouterInfo, as encoded.
    pub router_info: &'a Bytes,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
