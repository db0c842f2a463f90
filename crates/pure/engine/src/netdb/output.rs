//! What goes into the netDb and comes out of it.

use bytes::Bytes;
use ramson_wire::i2np::ReplyKey;
use ramson_wire::{I2npMessage, LeaseSet2, NetDbKey, RouterHash, RouterInfo, TunnelId};

use crate::identity::Owner;

/// The way a message came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Via {
    /// Straight from a peer, or out of our own transit endpoint.
    Direct,
    /// A local clove of a garlic message sealed to the router's key.
    Garlic,
    /// Down an inbound tunnel of this owner; answers to look-ups only under the one-time key of their question.
    Tunnel(Owner),
}

/// Where an answer is to be sent: a router, or a tunnel whose gateway it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReplyPath {
    /// Gateway of the tunnel, or the router itself.
    pub(crate) gateway: RouterHash,
    /// Tunnel at the gateway; `None` names the router itself.
    pub(crate) tunnel: Option<TunnelId>,
}

/// Tunnels of an owner as far as the netDb needs them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Paths {
    /// Some outbound tunnel stands.
    pub(crate) outbound: bool,
    /// Inbound tunnels for replies; one is drawn per message.
    pub(crate) inbound: Vec<ReplyPath>,
}

/// Chosen by the caller; comes back in [`NetDbOutput::LookupDone`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LookupRequest(pub(crate) u64);

/// How a lookup ended.
#[derive(Clone, Debug)]
pub(crate) enum LookupResult {
    /// The RouterInfo asked for.
    Router(RouterInfo),
    /// The LeaseSet asked for.
    LeaseSet(LeaseSet2),
    /// Nothing.
    Failed(LookupFailure),
}

/// Why a lookup gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LookupFailure {
    /// The floodfills asked don't know it, or didn't so a moment ago.
    NotFound,
    /// None of them answered.
    NoAnswer,
    /// We know no floodfill to ask.
    NoFloodfill,
    /// The owner had no tunnels in time.
    NoTunnels,
    /// Too many lookups of this owner are in flight.
    Busy,
}

/// How far a publication has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PublicationState {
    /// Not confirmed by anyone yet.
    Sending,
    /// A floodfill confirmed this entry or an earlier version of it that still counts.
    Stored,
    /// Another floodfill gave it back to us.
    Verified,
}

/// What the engine has to do for the netDb. Drain with `poll_output` after every call.
#[derive(Debug)]
pub(crate) enum NetDbOutput {
    /// Send straight to a router. Only for the router's own affairs.
    Direct {
        /// The router; its RouterInfo is known.
        to: RouterHash,
        /// The message.
        message: I2npMessage,
    },
    /// Send through an outbound tunnel of `owner`.
    ThroughTunnel {
        /// Whose tunnel.
        owner: Owner,
        /// The router it goes to from the tunnel's end; its RouterInfo is known.
        to: RouterHash,
        /// The message, in clear.
        message: I2npMessage,
        /// Seal it to `to`'s key first (Noise N).
        wrap: bool,
    },
    /// Send an answer: seal it if `encrypt` is given, wrap it in TunnelGateway if a tunnel is given, send it to the gateway. If the
    /// gateway is this router, put it into that tunnel (or handle it as arrived).
    Reply {
        /// Where to.
        path: ReplyPath,
        /// The answer, in clear.
        message: I2npMessage,
        /// Key for the ratchet's one-time form.
        encrypt: Option<ReplyKey>,
    },
    /// Accept one garlic message with this tag in the owner's sessions. Comes before the message that names it.
    ExpectReply {
        /// Whose.
        owner: Owner,
        /// What is asked for: the answer must be about this.
        asked: NetDbKey,
        /// The key and tag.
        key: ReplyKey,
    },
    /// A lookup ended.
    LookupDone {
        /// Whose.
        owner: Owner,
        /// As given by the caller.
        request: LookupRequest,
        /// The result.
        result: LookupResult,
    },
    /// A publication moved on.
    Publication {
        /// Whose: RouterInfo of the router, LeaseSet of an identity.
        owner: Owner,
        /// The state reached.
        state: PublicationState,
    },
    /// Write to disk, or delete there.
    Store {
        /// Hash of the router.
        key: RouterHash,
        /// RouterInfo bytes, or `None` to delete.
        value: Option<Bytes>,
    },
}
