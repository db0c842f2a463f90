//! Settings and limits of the netDb, each with its reason.

use std::time::Duration;

use ramson_wire::RouterHash;

/// What a [`NetDb`](super::NetDb) is told at birth.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Network whose RouterInfos are kept.
    pub(crate) net_id: u8,
    /// Hash of our own identity; never stored, asked or flooded to.
    pub(crate) our_hash: RouterHash,
    /// Serve the network as a floodfill.
    pub(crate) floodfill: bool,
    /// Sizes of the tables.
    pub(crate) limits: Limits,
}

impl Config {
    /// Settings of an ordinary router with the default limits.
    pub(crate) fn new(net_id: u8, our_hash: RouterHash) -> Config {
        Config { net_id, our_hash, floodfill: false, limits: Limits::default() }
    }
}

/// Sizes of the tables that peers or destinations can fill.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// RouterInfos kept. Full: strangers' new ones are refused, asked-for ones replace the longest unpublished.
    pub(crate) routers: usize,
    /// Floodfills among them, likewise: a flood of invented floodfills must not displace the known ones.
    pub(crate) floodfills: usize,
    /// LeaseSets kept as a floodfill. Full: the farthest from us by routing key goes.
    pub(crate) lease_sets: usize,
    /// Lookups in flight per identity. Full: new ones fail with `Busy`.
    pub(crate) lookups: usize,
    /// RouterInfo lookups in flight for the router itself: what the lane wants, explorations, and [`Self::fetches`]. Full: as above.
    pub(crate) router_lookups: usize,
    /// Of them fetches of what answers to the router name. Beyond: not fetched.
    pub(crate) fetches: usize,
    /// Fetches of what answers to one identity name. They have places of their own for each, so that floodfills that name many routers
    /// to a destination don't show in what its router looks for, nor in what it looks for on behalf of another.
    pub(crate) fetches_for_identity: usize,
    /// Explore often while fewer routers than this are known; 0: never.
    pub(crate) explore_below: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            routers: 10_000,
            floodfills: 2_500,
            lease_sets: 8_192,
            lookups: 64,
            router_lookups: 88,
            fetches: 32,
            fetches_for_identity: 8,
            explore_below: 150,
        }
    }
}

/// Clocks may differ by this much: what claims to be from later is refused (Java I2P and i2pd: 2 min).
pub(super) const MAX_FUTURE: Duration = Duration::from_secs(120);
/// Latest end of a LeaseSet or lease from now (Java I2P: 16 min; i2pd: 12).
pub(super) const MAX_LEASE_SPAN: Duration = Duration::from_secs(16 * 60);
/// RouterInfos older than this are neither flooded nor given as an answer.
pub(super) const MAX_SERVED_AGE: Duration = Duration::from_secs(3600);
/// Kept RouterInfos are at most this old while we're new ourselves; what a snapshot or a reseed gives may be a week old.
pub(super) const MAX_AGE: Duration = Duration::from_secs(48 * 3600);
/// See [`MAX_AGE`].
pub(super) const MAX_SEED_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// After this time of running the stricter age limit counts.
pub(super) const SETTLED: Duration = Duration::from_secs(3600);
/// While fewer routers are left, none expires: an old address is better than none.
pub(super) const KEEP_AT_LEAST: usize = 40;
/// Version floor of floodfills we use (Java I2P and i2pd alike).
pub(super) const MIN_FLOODFILL_VERSION: (u8, u8, u8) = (0, 9, 59);

/// Floodfills a new entry is flooded to.
pub(super) const FLOOD_TO: usize = 3;
/// Floodfills of the next day's routing key it goes to near midnight as well.
pub(super) const FLOOD_NEXT_DAY_TO: usize = 2;
/// RouterInfos go to the next day's floodfills as well this long before midnight (UTC), and are looked for at the other day's this long
/// before and after it, since clocks differ (Java I2P's windows).
pub(super) const NEXT_DAY_ROUTER_INFO: Duration = Duration::from_secs(45 * 60);
/// LeaseSets likewise.
pub(super) const NEXT_DAY_LEASE_SET: Duration = Duration::from_secs(10 * 60);
/// Floodfills named in a DatabaseSearchReply (Java I2P and i2pd: 3).
pub(super) const REPLY_FLOODFILLS: usize = 3;
/// Routers named in the reply to an exploratory lookup (i2pd: 16; Java I2P: 3).
pub(super) const REPLY_ROUTERS: usize = 16;
/// Hashes looked at in a DatabaseSearchReply (i2pd: 16).
pub(super) const MAX_REPLY_HASHES: usize = 16;

/// Tries of a LeaseSet lookup.
pub(super) const MAX_LEASE_SET_TRIES: u8 = 7;
/// Tries of a RouterInfo lookup.
pub(super) const MAX_ROUTER_TRIES: u8 = 5;
/// A whole lookup ends after this.
pub(super) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(20);
/// A try sent straight to the floodfill: a connection and its answer. What is learned of its answers counts instead, between the two.
pub(super) const DIRECT_TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// See [`DIRECT_TRY_TIMEOUT`].
pub(super) const DIRECT_TRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));
/// A try through tunnels both ways (Java I2P: 3 s, or 2 to 3 times what was learned). Likewise, but not longer: on lines of 200 ms that
/// lose 3 % an answer takes some 2 s, and whoever waits for it has a third and a fourth one on the way before 5 s are over.
pub(super) const TUNNEL_TRY_TIMEOUT: Duration = Duration::from_secs(2);
/// See [`TUNNEL_TRY_TIMEOUT`].
pub(super) const TUNNEL_TRY: (Duration, Duration) = (Duration::from_millis(700), TUNNEL_TRY_TIMEOUT);
/// An answer that comes later than this after its question isn't waited for by a lookup that has nothing more to try.
pub(super) const LATE: Duration = Duration::from_secs(6);
/// When the second of a lookup's branches starts, milliseconds after the first, drawn between the two: of a LeaseSet, which somebody
/// waits for, a little later, so that two messages of one size don't leave together.
pub(super) const SECOND_BRANCH_MS: (u64, u64) = (100, 300);
/// Of a RouterInfo only when the first one is slow.
pub(super) const SECOND_ROUTER_BRANCH_MS: (u64, u64) = (1_000, 1_500);
/// Answers that are no newer than what the asker has, after which they have to do.
pub(super) const MAX_OLD_ANSWERS: u8 = 3;
/// Tries of one floodfill in one lookup, if it never answered.
pub(super) const MAX_ASKS: u8 = 2;
/// RouterInfos of unknown floodfills that one lookup may fetch, half of them by each branch.
pub(super) const MAX_FETCHES: usize = 6;
/// Callers that wait for one lookup.
pub(super) const MAX_WAITERS: usize = 64;
/// What several floodfills didn't know isn't asked again for this long.
/// Short, because a destination that has just come up is published some seconds after it is announced.
pub(super) const NEGATIVE_FOR: Duration = Duration::from_secs(1);
/// So many times in vain; from then on each time doubles it (Java I2P asks no more after three in two minutes).
pub(super) const NEGATIVE_SHORT: u32 = 3;
/// Up to this.
pub(super) const NEGATIVE_LONGEST: Duration = Duration::from_secs(60);
/// Entries of an owner's negative cache. Full: the one that ends first goes.
pub(super) const MAX_NEGATIVE: usize = 256;
/// Entries for what the router fetches on behalf of one identity, likewise.
pub(super) const MAX_NEGATIVE_FOR_IDENTITY: usize = 32;
/// Life of a lookup message.
pub(super) const LOOKUP_LIFE: Duration = Duration::from_secs(20);
/// Life of a store message and of replies.
pub(super) const STORE_LIFE: Duration = Duration::from_secs(30);
/// Inbound tunnels remembered per owner as places for replies.
pub(super) const MAX_REPLY_PATHS: usize = 16;

/// Wait for a DeliveryStatus after a store sent straight away.
pub(super) const DIRECT_CONFIRM_TIMEOUT: Duration = Duration::from_secs(3);
/// Likewise through tunnels.
pub(super) const TUNNEL_CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);
/// Floodfills tried before a publication rests.
pub(super) const MAX_PUBLISH_TRIES: u8 = 8;
/// Rest after the first round of a publication that nobody confirmed, milliseconds, drawn between the two; doubled by each further one.
pub(super) const PUBLISH_REST_MS: (u64, u64) = (10_000, 30_000);
/// Up to this for a RouterInfo.
pub(super) const LONGEST_ROUTER_INFO_REST: Duration = Duration::from_secs(600);
/// Up to this for a LeaseSet, which lasts ten minutes.
pub(super) const LONGEST_LEASE_SET_REST: Duration = Duration::from_secs(60);
/// When an identity's publication goes on after the router was alone, milliseconds, drawn between the two.
pub(super) const REVIVAL_MS: (u64, u64) = (500, 20_000);
/// Pause while no floodfill or no tunnel is there.
pub(super) const PUBLISH_IDLE: Duration = Duration::from_secs(2);
/// A LeaseSet's next version isn't published before this, unless the last one has ended (i2pd: 20 s). Floodfills of Java pass on three
/// versions in 90 s and keep a fourth for themselves, so that others would go on to give out an older one.
pub(super) const MIN_LEASE_SET_INTERVAL: Duration = Duration::from_secs(35);
/// A stored LeaseSet is looked up elsewhere after this, milliseconds, drawn between the two.
pub(super) const VERIFY_AFTER_MS: (u64, u64) = (5_000, 10_000);
/// Wait for the answer of that lookup.
pub(super) const VERIFY_TIMEOUT: Duration = Duration::from_secs(6);
/// Failed verifications after which the confirmed store has to do.
pub(super) const MAX_VERIFY_FAILURES: u8 = 3;
/// Delay of a republication after midnight (UTC), milliseconds, drawn between the two by each owner.
pub(super) const ROLLOVER_MS: (u64, u64) = (2_000, 120_000);

/// Identities with a part of their own; the engine opens no more.
pub(super) const MAX_IDENTITIES: usize = crate::tunnel::MAX_POOLS - 1;
/// Pause between explorations, milliseconds, drawn between the two (i2pd: 55 to 225 s).
pub(super) const EXPLORE_MS: (u64, u64) = (55_000, 225_000);
/// First exploration after the start, and the next ones while few floodfills are known, likewise.
pub(super) const FIRST_EXPLORE_MS: (u64, u64) = (5_000, 20_000);
/// While enough routers are known to live by, likewise (Java I2P: up to 15 min).
pub(super) const SELDOM_EXPLORE_MS: (u64, u64) = (300_000, 900_000);
/// Explorations that nobody answered double the pause so many times at most.
pub(super) const MAX_UNANSWERED_EXPLORATIONS: u32 = 4;
/// Random keys asked for at once while few routers are known (Java I2P: 10 to 30).
pub(super) const EXPLORED_KEYS: usize = 3;
/// Who knows so many routers explores no more (Java I2P: 3000).
pub(super) const EXPLORED_ENOUGH: usize = 1_500;
/// How long after the start explorations follow each other so soon.
pub(super) const EXPLORED_OFTEN: Duration = Duration::from_secs(300);
/// Who knows fewer floodfills looks for more: what it stores lies where few others look.
pub(super) const FEW_FLOODFILLS: usize = 30;
/// Expiry and persistence run this often.
pub(super) const MAINTENANCE: Duration = Duration::from_secs(30);

/// Peers with buckets of their own. Full: further ones share one set of buckets.
pub(super) const MAX_LIMITED_PEERS: usize = 4_096;
/// Stores per peer at once, and how long one takes to come back.
pub(super) const STORE_BURST: u32 = 100;
/// See [`STORE_BURST`].
pub(super) const STORE_REFILL: Duration = Duration::from_millis(100);
/// Lookups per reply gateway at once, and how long one takes to come back.
pub(super) const LOOKUP_BURST: u32 = 60;
/// See [`LOOKUP_BURST`].
pub(super) const LOOKUP_REFILL: Duration = Duration::from_millis(500);
/// Stores and lookups of peers that aren't told apart (garlic, tunnel ends, a full table) at once.
pub(super) const SHARED_BURST: u32 = 400;
/// How long one of those takes to come back.
pub(super) const SHARED_REFILL: Duration = Duration::from_millis(10);
/// Floods of one key at once (Java I2P: 3 in 90 s).
pub(super) const FLOOD_BURST: u32 = 4;
/// How long one of those takes to come back.
pub(super) const FLOOD_REFILL: Duration = Duration::from_secs(20);
