//! Garlic encryption between destinations: ECIES-X25519-AEAD-Ratchet sessions of one identity, one-time keys, and messages to routers.
//!
//! # States of a session
//! - *pending*: we sent a New Session (NS); its reply tags are in the table.
//! - *responding*: we received an NS; what we send are replies (NSR) until a message in the new tag sets proves that one arrived.
//! - *established*: both directions have tag sets; messages are Existing Session (ES).
//!
//! Every NS, sent or received, makes a session of its own. All of a peer's sessions can be received on; [`Sessions::encrypt`] chooses
//! one to send on: an established one that isn't stale (of two that both sides began at once that of the lower static key,
//! else the newest), or the newest that can be replied to, or a new one. So neither lost replies, nor several NS in flight, nor both
//! sides beginning together need a special case, and both sides come to use the same session.
//!
//! # Invariants
//! - A tag in the table belongs to a live session's set, and a tag is taken out before its message is opened: a message is opened at
//!   most once, and one that fails to open costs nothing but its tag.
//! - Nothing of a received message changes a session unless the whole message was authenticated and parsed.
//! - All tables are bounded by [`Limits`].
//!
//! # Memory
//! A session holds half a kilobyte before it is answered, 4 KB when it is new, and 200 KB at most: all windows full after much loss.
//! Tags count against one table, so that all sessions of an identity together hold about 60 MB at most, however busy they are.
//!
//! # Contract
//! After every call drain [`Sessions::poll_event`]; call [`Sessions::handle_timeout`] when [`Sessions::deadline`] has come.
//!
//! # Several new sessions at once
//! i2pd drops an NS that comes within 200 ms of another one, from whomever. It sends one NS per stream and holds that stream's later
//! messages until the reply. Owners of `Sessions` should do likewise: ask [`Sessions::readiness`] and, on
//! `AwaitingReply`, hold what isn't a retransmission. `encrypt` itself doesn't hold: it writes another NS, and `Sealed::new_session` says so.
//!
//! Not sent: unbound NS, PN (neither Java nor i2pd send it; understood when received), Options and Termination.
//! Sources: "ECIES-X25519-AEAD-Ratchet Encryption Specification"; proposal 144; for times and limits Java I2P and i2pd.

mod bounds;
mod handshake;
mod inbound;
mod limits;
mod link;
mod outbound;
mod padding;
mod payload;
mod peek;
pub(crate) mod router_garlic;
mod state;
mod step;
mod store;
mod tables;
mod tagset;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::CryptoRng;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_wire::garlic::GarlicClove;
use ramson_wire::i2np::ReplyKey;
use ramson_wire::{NetDbKey, Now, Tick};
use zeroize::Zeroizing;

pub(crate) use limits::Limits;
pub use peek::{Peeked, PeekedKind};
use state::Session;
use tables::{OneTimeKeys, ReplayFilter, SessionId, TagTable};

/// ECIES ratchet sessions of one identity, keyed by the peer's static key. See the module.
pub(crate) struct Sessions {
    own: PrivateKey,
    rng: Box<dyn CryptoRng + Send>,
    limits: Limits,
    sessions: BTreeMap<SessionId, Session>,
    /// Sessions of each peer, oldest first; never an empty list.
    peers: BTreeMap<PublicKey, Vec<SessionId>>,
    /// Sessions of ours without a reply.
    pending: usize,
    next_session: u64,
    next_ack: u64,
    tags: TagTable,
    one_time: OneTimeKeys,
    replay: ReplayFilter,
    timers: BTreeSet<(Tick, SessionId)>,
    events: VecDeque<SessionEvent>,
}

/// Names a message whose arrival the peer was asked to confirm; unique within one [`Sessions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AckId(pub(crate) u64);

/// A written message.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// Body of an I2NP Garlic message, with its 4-byte length.
    pub(crate) body: Bytes,
    /// It is an NS: i2pd drops it if another came to it within 200 ms, and nothing shows yet that the peer takes our messages.
    pub(crate) new_session: bool,
    /// Before more data is sent, something should be known to have arrived: if all under way were lost, the peer would have no tag for
    /// what follows, and i2pd and Java would take no other session for two minutes. Retransmissions may go on.
    pub(crate) full: bool,
    /// Set if a confirmation was wanted and can be had: of an ES by its own acknowledgement, of an NS by any reply to it. An NSR
    /// can't ask: repeat the request with a later message.
    pub(crate) ack: Option<AckId>,
}

/// An opened message.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The static key that the sender proved to own; `None` for one-time keys and unbound new sessions. Which destination has this key is
    /// for the caller to check against its LeaseSet.
    pub(crate) peer: Option<PublicKey>,
    /// It came under the one-time key of a look-up of this.
    pub(crate) asked: Option<NetDbKey>,
    /// In the order sent; empty for a message of acknowledgements or keys.
    pub(crate) cloves: Vec<GarlicClove>,
}

/// What happened inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionEvent {
    /// The message arrived.
    Acked(AckId),
    /// An acknowledgement, key or first reply waits and no message carried it: call `encrypt` with no cloves, if the way to this peer is
    /// known. Repeated twice if nothing was sent.
    SendDue {
        /// The peer.
        to: PublicKey,
    },
    /// The last session with this peer is gone.
    Ended {
        /// The peer.
        peer: PublicKey,
    },
}

/// While a peer hasn't answered an NS, another is written at most this often: i2pd drops one that comes sooner than 200 ms after
/// another, and no answer comes through tunnels much sooner than this.
pub(crate) const NEW_SESSION_SPACING: Duration = Duration::from_millis(1_500);

/// What [`Sessions::encrypt`] would write. For anything but `Ready` the caller bundles its LeaseSet, without which the peer can't reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// A message in a session, or a reply.
    Ready,
    /// The first NS to this peer.
    NewSession,
    /// One more NS: the last went out at `last` and has no reply. Hold other messages, retransmit not before
    /// [`NEW_SESSION_SPACING`] has passed; see the module.
    AwaitingReply {
        /// When the newest NS was written.
        last: Tick,
    },
}

/// What [`Sessions::classify`] sees in the first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Classified {
    /// A known tag: cheap to open (a late or first NSR costs two key agreements, and only we make its tags known).
    Tagged,
    /// Costs one key agreement to try, two if it is ours: belongs into a bounded queue.
    MaybeNewSession,
    /// Can't be opened; nothing was computed.
    Garbage,
}

/// Why a message wasn't written or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionError {
    /// The cloves don't fit an I2NP message.
    #[error("message too large")]
    TooLarge,
    /// Too many new sessions wait for their reply, with this peer or in all.
    #[error("too many new sessions without reply")]
    AwaitingReply,
    /// The peer's key is of small order.
    #[error("weak key")]
    WeakKey,
    /// Shorter than its length field or than any message.
    #[error("truncated message")]
    Truncated,
    /// No known tag, and too short for a new session.
    #[error("unknown tag")]
    UnknownTag,
    /// Authentication failed.
    #[error("message can't be opened")]
    Undecryptable,
    /// Authenticated, but not well formed.
    #[error("malformed payload")]
    Malformed,
    /// A new session seen before.
    #[error("replayed new session")]
    Replayed,
    /// A new session dated too far from our clock.
    #[error("new session outside the clock window")]
    Clock,
}

impl Sessions {
    /// Sessions for an identity's encryption key, with the usual limits.
    pub(crate) fn new(static_key: PrivateKey, rng: Box<dyn CryptoRng + Send>) -> Sessions {
        Sessions::with_limits(static_key, Limits::default(), rng)
    }

    /// The same with given limits.
    pub(crate) fn with_limits(own: PrivateKey, limits: Limits, rng: Box<dyn CryptoRng + Send>) -> Sessions {
        Sessions {
            own,
            rng,
            sessions: BTreeMap::new(),
            peers: BTreeMap::new(),
            pending: 0,
            next_session: 0,
            next_ack: 0,
            tags: TagTable::new(limits.tags),
            one_time: OneTimeKeys::default(),
            replay: ReplayFilter::new(limits.replay),
            timers: BTreeSet::new(),
            events: VecDeque::new(),
            limits,
        }
    }

    /// The key to be published in the LeaseSet.
    #[cfg(test)]
    pub(crate) fn public_key(&self) -> PublicKey {
        self.own.public()
    }

    /// Expects one reply to a look-up of `asked`, for 180 s. Limit 1024, the oldest is dropped.
    pub(crate) fn add_one_time_key(&mut self, now: Now, reply: &ReplyKey, asked: NetDbKey) {
        self.one_time.insert(now.tick, reply.tag, Zeroizing::new(reply.key), asked);
    }

    /// The next event.
    pub(crate) fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When [`Sessions::handle_timeout`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Tick> {
        let session = self.timers.first().map(|(at, _)| *at);
        session.into_iter().chain(self.one_time.deadline()).min()
    }

    /// Number of sessions, of any state.
    #[cfg(test)]
    pub(crate) fn session_count(&self) -> usize {
        self.sessions.len()
    }
}
