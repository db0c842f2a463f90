//! The lane's fixed limits, in one place. Those that an operator sets are in [`crate::LaneConfig`].

use std::time::Duration;

/// Unconnected routers that have messages waiting, or are being dialed.
pub(crate) const MAX_WANTED: usize = 1024;
/// Of these, how many transit traffic alone may bring about: strangers name the routers an endpoint sends to.
pub(crate) const MAX_WANTED_BY_TRANSIT: usize = 768;
/// Messages waiting for one unconnected router (i2pd: 150).
pub(crate) const MAX_PENDING_MESSAGES: usize = 256;
/// Their bytes. Reaching this with transit drops that message; with an own one, the oldest transit message first.
pub(crate) const MAX_PENDING_BYTES: usize = 256 * 1024;
/// Bytes waiting for all unconnected routers; a quarter is kept for own messages.
pub(crate) const MAX_PENDING_TOTAL: usize = 16 * 1024 * 1024;
/// How long the engine may take to answer `PeerWanted`.
pub(crate) const WANTED_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a TCP connection may take to stand.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a dialed session may take in all once TCP stands; the session's own limit is shorter.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often all addresses of a router are tried before it counts as failed.
pub(crate) const DIAL_ROUNDS: u8 = 2;
/// Pause between two rounds, at random between this and twice this.
pub(crate) const ROUND_PAUSE: Duration = Duration::from_millis(500);
/// After a failure the router is left alone this long, twice as long after each further one.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_secs(10);
/// Longest time it is left alone.
pub(crate) const BACKOFF_LONGEST: Duration = Duration::from_secs(320);
/// How long past its end a backoff is remembered, so that the next failure doubles it.
pub(crate) const BACKOFF_MEMORY: Duration = Duration::from_secs(320);
/// Failed routers remembered; the one that ends soonest is forgotten for another.
pub(crate) const MAX_BACKOFFS: usize = 2048;
/// An own outbound session this young, met by an inbound one of the same router, was dialed at the same time.
pub(crate) const SIMULTANEOUS: Duration = Duration::from_secs(10);
/// How long the session that isn't used any more stays open to receive what is under way.
pub(crate) const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long a closed session may take to give its last bytes to the socket.
pub(crate) const CLOSE_TIME: Duration = Duration::from_secs(2);
/// Addresses whose inbound rate is remembered; the one unused for longest is forgotten for another.
pub(crate) const MAX_RATED_ADDRESSES: usize = 8192;
/// Tunnel messages of one turn; a driver reads less.
pub(crate) const MAX_TURN_MESSAGES: usize = 8192;
/// Times that a turn goes from an endpoint of ours to a gateway of ours before the rest waits for the next turn.
pub(crate) const MAX_TURN_PASSES: usize = 4;
/// Bytes of incomplete messages in all transit endpoints.
pub(crate) const MAX_REASSEMBLY_BYTES: usize = 32 * 1024 * 1024;
/// Unconnected routers that one endpoint may have us dial in [`ENDPOINT_WINDOW`] (Java: 48).
pub(crate) const MAX_ENDPOINT_TARGETS: u32 = 48;
/// The window of that count.
pub(crate) const ENDPOINT_WINDOW: Duration = Duration::from_secs(30);
/// A message this long past its expiration isn't relayed (i2pd: 60 s; Java: 60 to 90 s).
pub(crate) const EXPIRED_BY: Duration = Duration::from_secs(60);
/// Size of the own queue by which `Congestion` is judged.
pub(crate) const CONGESTION_QUEUE: usize = 256 * 1024;
/// Least time between two `Stats`.
pub(crate) const STATS_INTERVAL: Duration = Duration::from_secs(1);
/// How often incomplete messages are looked through.
pub(crate) const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Own inbound endpoints.
pub(crate) const MAX_OWN_TUNNELS: usize = 4096;
/// Inbound handshakes taken on in one turn: with what they cost, about half a millisecond.
pub(crate) const HANDSHAKES_PER_TURN: usize = 4;
/// Bytes of one that wait for their turn: its messages, and frames that a peer in a hurry sends behind them.
pub(crate) const MAX_HANDSHAKE_BYTES: usize = 64 * 1024;
/// When all places of inbound handshakes are taken, the oldest one goes if it is older than this.
pub(crate) const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(3);
/// Messages for us, not for tunnels, that one session may bring at once; then one in [`UP_EVERY`].
pub(crate) const UP_BURST: u32 = 500;
/// Fifty a second: a floodfill in a network of thousands gets a few from each.
pub(crate) const UP_EVERY: Duration = Duration::from_millis(20);
/// A router is ours for so long after it had or brought something of our own: the life of a tunnel.
pub(crate) const OURS_FOR: Duration = Duration::from_secs(600);
/// Silence after which a stranger's session makes room for a dial of ours, and for another stranger.
pub(crate) const EVICTED_BY_OURS: Duration = Duration::from_secs(15);
/// See there.
pub(crate) const EVICTED_BY_STRANGERS: Duration = Duration::from_secs(60);
/// How long strangers may be silent with up to half of the places taken (their sessions end by themselves then), and with all.
pub(crate) const IDLE_WHEN_EMPTY: Duration = Duration::from_secs(330);
/// See there.
pub(crate) const IDLE_WHEN_FULL: Duration = Duration::from_secs(90);
/// How often silence and memory are looked at, while something comes.
pub(crate) const TIDY_INTERVAL: Duration = Duration::from_secs(2);
/// Connections that may write again at once when the rate allows more.
pub(crate) const RELEASED_AT_ONCE: usize = 16;
