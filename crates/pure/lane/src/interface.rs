//! What the engine and the driver exchange with the lane.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use ramson_aes::LayerKeys;
use ramson_transport::ntcp2::Class;
use ramson_wire::{I2npMessage, RouterHash, RouterInfo, Tick, TunnelId};

/// One TCP connection, named by the lane and never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// The lane's settings. Counts are limits: what goes beyond is refused, not queued.
#[derive(Clone, Debug)]
pub struct LaneConfig {
    /// The network: 2 is the public one. A RouterInfo of another is never dialed.
    pub net_id: u8,
    /// Dial private and reserved addresses and any port, and be lenient with many routers on one
    /// address. For closed test networks only; the caller refuses it with net id 2.
    pub allow_reserved_peers: bool,
    /// Take inbound connections.
    pub listen: bool,
    /// Dial IPv4. Needs an IPv4 NTCP2 address in our RouterInfo, published or not: i2pd compares families.
    pub ipv4: bool,
    /// Dial IPv6, likewise.
    pub ipv6: bool,
    /// Established and dialed sessions in all. Inbound ones stop at three quarters, so that own dials find room.
    pub max_sessions: usize,
    /// Inbound handshakes going on in all.
    pub max_pending_inbound: usize,
    /// Inbound handshakes going on from one IPv4 address or IPv6 /64.
    pub max_pending_inbound_per_ip: usize,
    /// Connections taken from one IPv4 address or IPv6 /64 in a minute.
    pub max_inbound_per_ip_per_minute: u32,
    /// Inbound sessions standing from one IPv4 address or IPv6 /64.
    pub max_inbound_sessions_per_ip: usize,
    /// Transit tunnels.
    pub max_relays: usize,
    /// Transit bytes relayed a second, counted once, or `None` for no limit. Two seconds' worth may come in a burst.
    pub transit_bytes_per_sec: Option<u64>,
    /// Bytes taken from all sockets a second, or `None` for no limit.
    pub in_bytes_per_sec: Option<u64>,
    /// Bytes given to all sockets a second, or `None` for no limit.
    pub out_bytes_per_sec: Option<u64>,
    /// Memory that may be held, by the registered bounds. From three quarters of it on what strangers filled goes, the oldest first: the
    /// rest is for our own.
    pub memory_bytes: usize,
}

impl Default for LaneConfig {
    fn default() -> Self {
        Self {
            net_id: 2,
            allow_reserved_peers: false,
            listen: true,
            ipv4: true,
            ipv6: false,
            max_sessions: Self::MAX_SESSIONS,
            max_pending_inbound: 256,
            max_pending_inbound_per_ip: 4,
            max_inbound_per_ip_per_minute: 30,
            max_inbound_sessions_per_ip: 32,
            max_relays: 10_000,
            transit_bytes_per_sec: Some(800_000),
            in_bytes_per_sec: None,
            out_bytes_per_sec: None,
            memory_bytes: 256 * 1024 * 1024,
        }
    }
}

impl LaneConfig {
    /// Sessions, unless another number was asked for, and the most that may be asked for.
    pub const MAX_SESSIONS: usize = 2_000;

    /// Settings for a closed network whose routers may all share one address.
    pub fn closed_network(net_id: u8) -> Self {
        Self {
            net_id,
            allow_reserved_peers: true,
            max_pending_inbound_per_ip: 64,
            max_inbound_per_ip_per_minute: 6_000,
            max_inbound_sessions_per_ip: 2_000,
            ..Self::default()
        }
    }
}

/// What the engine asks of the lane.
#[derive(Debug)]
pub enum LaneCommand {
    /// Send to a router. Without a session it is queued (bounded) and [`LaneEvent::PeerWanted`] asks for
    /// the RouterInfo once. To ourselves: it is routed inside, like a message out of an own endpoint.
    Send {
        /// The router.
        to: RouterHash,
        /// The message; the lane writes the short header.
        message: I2npMessage,
        /// Its queue.
        class: Class,
    },
    /// The answer to `PeerWanted`; also usable unasked, to have a session.
    Connect {
        /// The verified RouterInfo to dial by.
        info: RouterInfo,
    },
    /// The other answer to `PeerWanted`: no RouterInfo. What waits for the peer is dropped and counted.
    NoPeer {
        /// The router.
        peer: RouterHash,
    },
    /// Begin to relay for a transit tunnel. An id in use is kept as it is and the new one ignored:
    /// the engine checks for duplicates before it accepts a build.
    Install(Box<Relay>),
    /// Stop to relay.
    Remove {
        /// The id on which we receive.
        tunnel: TunnelId,
    },
    /// The id of an own inbound endpoint: its TunnelData and TunnelGateway go up as messages.
    InstallOwn {
        /// The id on which we receive.
        tunnel: TunnelId,
        /// Forgotten by itself then.
        expires: Tick,
    },
    /// An own inbound endpoint ends.
    RemoveOwn {
        /// The id on which we receive.
        tunnel: TunnelId,
    },
    /// Our RouterInfo changed: used in handshakes from now on.
    SetRouterInfo {
        /// The new one, signed.
        info: RouterInfo,
        /// Send it to all connected peers as well.
        announce: bool,
    },
    /// End the session with a router, or the attempt to have one.
    Disconnect {
        /// The router.
        peer: RouterHash,
    },
}

/// A transit tunnel as its hop sees it.
pub struct Relay {
    /// The id on which we receive; unique in this router.
    pub tunnel: TunnelId,
    /// What we do in it.
    pub role: RelayRole,
    /// Layer and IV keys of our hop.
    pub keys: LayerKeys,
    /// Take messages only from this router (participant and endpoint: the sender of the build).
    pub previous: Option<RouterHash>,
    /// Forgotten by itself then.
    pub expires: Tick,
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("role", &self.role).finish_non_exhaustive()
    }
}

/// What a hop does with what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayRole {
    /// TunnelData in, one layer more, TunnelData out.
    Participant {
        /// The next hop.
        next: RouterHash,
        /// Its tunnel id.
        next_tunnel: TunnelId,
    },
    /// TunnelGateway in, fragments with our layer out.
    Gateway {
        /// The next hop.
        next: RouterHash,
        /// Its tunnel id.
        next_tunnel: TunnelId,
    },
    /// TunnelData in, our layer gives clear text, whole messages out where their instructions say.
    Endpoint,
}

/// What the lane tells the engine.
#[derive(Debug)]
pub enum LaneEvent {
    /// Messages wait for this router and no session exists: answer `Connect` or `NoPeer`. Said once until then.
    PeerWanted {
        /// The router.
        peer: RouterHash,
    },
    /// A session stands.
    Connected {
        /// The router, proven.
        peer: RouterHash,
        /// It dialed us.
        inbound: bool,
        /// Its clock less ours.
        clock_skew_secs: i64,
    },
    /// All addresses failed, or the peer is left alone for a while after that. What waited is dropped and counted.
    ConnectFailed {
        /// The router.
        peer: RouterHash,
        /// Who is to blame.
        fault: Fault,
    },
    /// The last session with the router ended.
    Disconnected {
        /// The router.
        peer: RouterHash,
    },
    /// A verified RouterInfo came straight from a peer.
    RouterInfo {
        /// The RouterInfo, not always the peer's own.
        info: RouterInfo,
        /// Who sent it.
        from: RouterHash,
        /// It asks to be flooded.
        flood: bool,
    },
    /// Everything that isn't relayed here: builds, netDb, garlic, and TunnelData and TunnelGateway for own ids.
    Message {
        /// The router that sent it on its session; `None` out of a transit endpoint of ours (or our own
        /// `Send` to ourselves), addressed to us.
        from: Option<RouterHash>,
        /// The message.
        message: I2npMessage,
    },
    /// The own queue towards the router went above three quarters or below one quarter of its size.
    Congestion {
        /// The router.
        peer: RouterHash,
        /// Above.
        congested: bool,
    },
    /// Totals, on change, at most once a second.
    Stats(LaneStats),
}

impl LaneEvent {
    /// What letting it wait costs: one, and one more for each kilobyte.
    pub fn weight(&self) -> usize {
        match self {
            Self::Message { message, .. } => 1 + message.body.len() / 1024,
            _ => 1,
        }
    }
}

/// Who is to blame for a failure. Profiles punish only the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The peer broke the protocol or has no address for us.
    Peer,
    /// Nobody answered, or the connection broke.
    Network,
    /// A limit of our own.
    Local,
}

/// What the lane asks of its driver.
#[derive(Debug)]
pub enum LaneOutput {
    /// Open a TCP connection, from the local address of that family; answer with
    /// [`crate::Lane::handle_connected`] or [`crate::Lane::handle_connect_failed`].
    Dial {
        /// Its name from now on.
        conn: ConnId,
        /// Where to.
        remote: SocketAddr,
    },
    /// The lane has forgotten this connection: flush what `write_into` gave, as far as the socket takes it, and close.
    Close {
        /// The connection.
        conn: ConnId,
    },
    /// Bytes to send. Call [`crate::Lane::write_into`] now and whenever the socket has room again, until it
    /// appends nothing; only then `Writable` can come again.
    Writable {
        /// The connection.
        conn: ConnId,
    },
    /// For the engine.
    Event(LaneEvent),
    /// Nothing more now. Call `handle_timeout` at this time if nothing else happens before.
    Timeout(Option<Tick>),
}

/// Totals since the lane began. No peer is named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LaneStats {
    /// Routers with a session now.
    pub sessions: u64,
    /// Transit tunnels now.
    pub relays: u64,
    /// TunnelData sent on as a participant.
    pub participant: u64,
    /// Messages taken from TunnelGateway and sent into tunnels as a gateway.
    pub gateway: u64,
    /// Whole messages delivered as an endpoint.
    pub endpoint: u64,
    /// Bytes given to sockets.
    pub sent_bytes: u64,
    /// Bytes taken from sockets.
    pub received_bytes: u64,
    /// Bytes of transit messages sent on, in all roles.
    pub transit_bytes: u64,
    /// How much of the memory that strangers may fill is filled, 0 to 100, in steps of ten.
    pub memory_percent: u64,
    /// Messages dropped, and connections refused, by reason.
    pub drops: BTreeMap<DropReason, u64>,
}

/// Why a message, fragment or connection was given up. Every loss has one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DropReason {
    /// Tunnel id that isn't in the table (any more), or not in that role.
    UnknownTunnel,
    /// From a router other than the previous hop.
    WrongPrevious,
    /// IV and first block seen before.
    DuplicateIv,
    /// A message that entered this tunnel before.
    RepeatedEntering,
    /// Past its expiration.
    Expired,
    /// A body or fragment that can't be read.
    Malformed,
    /// Checksum of the clear tunnel message.
    Checksum,
    /// A fragmented message was not completed in time.
    FragmentTimeout,
    /// The limits on reassembly, per tunnel or in all.
    ReassemblyLimit,
    /// A fragment seen before.
    DuplicateFragment,
    /// Local delivery out of an outbound endpoint: nobody is meant.
    LocalDelivery,
    /// A kind that must not come out of a tunnel.
    ForbiddenKind,
    /// The next hop is ourselves.
    NextIsSelf,
    /// Larger than a tunnel carries (64 fragments).
    TooLarge,
    /// The transit share of the bandwidth.
    TransitShare,
    /// A tunnel's part of it, while it is short.
    TunnelShare,
    /// One session brought more messages for us than it may.
    PeerShare,
    /// Memory: what strangers filled, the oldest first.
    Memory,
    /// The batch of one turn.
    TurnLimit,
    /// The transit queue of a session, by age or by size.
    TransitQueue,
    /// The own queue of a session, in spite of `Congestion`; or its control queue.
    OwnQueue,
    /// The queue of an unconnected peer, or of all of them.
    PendingQueue,
    /// Too many unconnected peers wanted at once.
    WantedPeers,
    /// An endpoint's limit of unconnected targets in a while.
    EndpointTargets,
    /// The engine knows no RouterInfo, or didn't answer in time.
    NoPeer,
    /// The peer couldn't be connected.
    ConnectFailed,
    /// The peer is left alone for a while after failures.
    Backoff,
    /// A session ended with messages in its queues.
    SessionClosed,
    /// The table of transit tunnels is full, or has that id.
    RelayLimit,
    /// Refused connection: all sessions.
    SessionLimit,
    /// A session that was closed to make room for another.
    Evicted,
    /// A handshake that brought too much, or was closed to make room for another.
    HandshakeQueue,
    /// Refused connection: handshakes going on.
    PendingInbound,
    /// Refused connection: handshakes going on from that address.
    PendingInboundPerIp,
    /// Refused connection: sessions standing from that address.
    SessionsPerIp,
    /// Refused connection: that address comes too often.
    InboundRate,
    /// Refused connection: we don't listen.
    NotListening,
}

impl DropReason {
    /// The name for status output.
    pub fn name(self) -> &'static str {
        match self {
            Self::UnknownTunnel => "unknown-tunnel",
            Self::WrongPrevious => "wrong-previous-hop",
            Self::DuplicateIv => "duplicate-iv",
            Self::RepeatedEntering => "repeated-entering",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::Checksum => "tunnel-checksum",
            Self::FragmentTimeout => "fragment-timeout",
            Self::ReassemblyLimit => "reassembly-limit",
            Self::DuplicateFragment => "duplicate-fragment",
            Self::LocalDelivery => "local-delivery",
            Self::ForbiddenKind => "forbidden-kind",
            Self::NextIsSelf => "next-is-self",
            Self::TooLarge => "too-large",
            Self::TransitShare => "transit-share",
            Self::TunnelShare => "tunnel-share",
            Self::PeerShare => "peer-share",
            Self::Memory => "memory",
            Self::TurnLimit => "turn-limit",
            Self::TransitQueue => "transit-queue",
            Self::OwnQueue => "own-queue",
            Self::PendingQueue => "pending-queue",
            Self::WantedPeers => "wanted-peers",
            Self::EndpointTargets => "endpoint-targets",
            Self::NoPeer => "no-peer",
            Self::ConnectFailed => "connect-failed",
            Self::Backoff => "peer-backoff",
            Self::SessionClosed => "session-closed",
            Self::RelayLimit => "relay-limit",
            Self::SessionLimit => "session-limit",
            Self::Evicted => "session-evicted",
            Self::HandshakeQueue => "handshake-queue",
            Self::PendingInbound => "pending-inbound",
            Self::PendingInboundPerIp => "pending-inbound-per-ip",
            Self::SessionsPerIp => "sessions-per-ip",
            Self::InboundRate => "inbound-rate",
            Self::NotListening => "not-listening",
        }
    }
}

impl LaneStats {
    /// Counts `n` drops.
    pub(crate) fn drop(&mut self, reason: DropReason, n: u64) {
        if n > 0 {
            let count = self.drops.entry(reason).or_default();
            *count = count.saturating_add(n);
        }
    }
}
