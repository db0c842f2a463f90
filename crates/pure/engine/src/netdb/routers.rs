//! The store of RouterInfos: one for the whole router, written by router-side rules alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{Date, NetDbKey, Now, RouterHash, RouterInfo, RoutingKey, Tick, Unverified, distance};

use super::config::{self, Config, Limits};

/// How a RouterInfo came to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// From our own disk at birth.
    Snapshot,
    /// From a reseed bundle or folder.
    Reseed,
    /// In a handshake or from a connected peer about itself.
    Handshake,
    /// The router asked for it.
    Lookup,
    /// Fetched because an answer named it, perhaps an answer to a destination's lookup.
    Followup,
    /// Sent unasked.
    Stranger,
}

/// What became of a RouterInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AddResult {
    /// The router wasn't known.
    New,
    /// It replaced an older one.
    Updated,
    /// We have this or a newer one.
    Known,
    /// It isn't kept.
    Rejected(Reject),
}

impl AddResult {
    /// True if the store changed.
    pub(crate) fn is_change(self) -> bool {
        matches!(self, AddResult::New | AddResult::Updated)
    }
}

/// Why an entry isn't kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reject {
    /// The key isn't the hash of what it names.
    WrongKey,
    /// The signature doesn't match.
    BadSignature,
    /// Another network's, or none named.
    WrongNetwork,
    /// Published too long ago, or ended.
    TooOld,
    /// From later than our clock allows, or lasting too long.
    FromFuture,
    /// The table is full and this isn't worth more than what is in it.
    Full,
    /// Our own, which only we write.
    Own,
    /// Nobody asked for it, and we don't serve as a floodfill.
    Unsolicited,
    /// Marked as not to be published.
    Unpublished,
    /// A type or size we don't keep.
    Unsupported,
    /// The sender has used up its tokens.
    Throttled,
}

impl Reject {
    /// The name for status output.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WrongKey => "netdb-wrong-key",
            Self::BadSignature => "netdb-bad-signature",
            Self::WrongNetwork => "netdb-wrong-network",
            Self::TooOld => "netdb-too-old",
            Self::FromFuture => "netdb-from-future",
            Self::Full => "netdb-full",
            Self::Own => "netdb-own-router-info",
            Self::Unsolicited => "netdb-unsolicited",
            Self::Unpublished => "netdb-unpublished",
            Self::Unsupported => "netdb-unsupported",
            Self::Throttled => "netdb-throttled",
        }
    }
}

/// RouterInfos by hash, with their floodfills and their order by age; remembers what disk doesn't know yet.
#[derive(Debug)]
pub(super) struct RouterStore {
    routers: BTreeMap<RouterHash, RouterInfo>,
    floodfills: BTreeSet<RouterHash>,
    by_age: BTreeSet<(Date, RouterHash)>,
    floodfills_by_age: BTreeSet<(Date, RouterHash)>,
    /// Routers that couldn't be reached directly, until when they come last.
    failed: BTreeMap<RouterHash, Tick>,
    dirty: BTreeSet<RouterHash>,
    /// Memory of `routers`.
    held_bytes: usize,
    changes: u64,
    born: Tick,
}

/// What two routers of one operator may have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    V4([u8; 3]),
    V6([u8; 6]),
    Port(u16),
    Family(String),
}

/// Changes that disk doesn't know yet. At so many they are put out before their time.
pub(super) const MAX_DIRTY: usize = 1_024;
/// How long a router that failed comes last.
const FAILED_FOR: Duration = Duration::from_secs(120);

impl RouterStore {
    pub(super) fn new(born: Tick) -> RouterStore {
        RouterStore {
            routers: BTreeMap::new(),
            floodfills: BTreeSet::new(),
            by_age: BTreeSet::new(),
            floodfills_by_age: BTreeSet::new(),
            failed: BTreeMap::new(),
            dirty: BTreeSet::new(),
            held_bytes: 0,
            changes: 0,
            born,
        }
    }

    pub(super) fn get(&self, hash: &RouterHash) -> Option<&RouterInfo> {
        self.routers.get(hash)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &RouterInfo> {
        self.routers.values()
    }

    pub(super) fn len(&self) -> usize {
        self.routers.len()
    }

    /// Rises with every change.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn dirty_count(&self) -> usize {
        self.dirty.len()
    }

    pub(super) fn bounds(&self, limits: &Limits, visit: &mut dyn FnMut(Bound)) {
        let orders = self.by_age.len() + self.floodfills_by_age.len();
        let bytes =
            self.held_bytes + entries::<(RouterHash, RouterInfo)>(self.routers.len()) + entries::<(Date, RouterHash)>(orders);
        visit(Bound::new("netdb-routers", self.routers.len(), limits.routers, bytes).lasting());
        let bytes = entries::<RouterHash>(self.floodfills.len());
        visit(Bound::new("netdb-floodfills", self.floodfills.len(), limits.floodfills, bytes).lasting());
        let bytes = entries::<(RouterHash, Tick)>(self.failed.len());
        visit(Bound::new("netdb-failed-routers", self.failed.len(), limits.routers, bytes).lasting());
        visit(Bound::new("netdb-unsaved", self.dirty.len(), MAX_DIRTY, entries::<RouterHash>(self.dirty.len())));
    }

    pub(super) fn floodfill_count(&self) -> usize {
        self.floodfills.len()
    }

    /// Checks what costs little, then the signature, then stores.
    pub(super) fn add_unverified(
        &mut self,
        now: Now,
        config: &Config,
        key: &NetDbKey,
        info: Unverified<RouterInfo>,
        source: Source,
    ) -> AddResult {
        if NetDbKey::from(info.hash()) != *key {
            return AddResult::Rejected(Reject::WrongKey);
        }
        if let Some(result) = self.precheck(now, config, info.hash(), info.published(), source) {
            return result;
        }
        match info.verify() {
            Ok(info) => self.add(now, config, info, source),
            Err(_) => AddResult::Rejected(Reject::BadSignature),
        }
    }

    /// Stores a verified RouterInfo if it is newer, of our network and within the limits.
    pub(super) fn add(&mut self, now: Now, config: &Config, info: RouterInfo, source: Source) -> AddResult {
        let hash = info.hash();
        if let Some(result) = self.precheck(now, config, hash, info.published(), source) {
            return result;
        }
        if info.net_id() != Some(config.net_id) {
            return AddResult::Rejected(Reject::WrongNetwork);
        }
        let is_new = !self.routers.contains_key(&hash);
        self.unlink(&hash);
        if !self.make_room(config, is_floodfill(&info), source) {
            // A newcomer, or a known router that now claims to be a floodfill as well.
            if !is_new {
                self.dirty.insert(hash);
            }
            return AddResult::Rejected(Reject::Full);
        }
        self.link(info, source);
        if is_new { AddResult::New } else { AddResult::Updated }
    }

    fn precheck(&self, now: Now, config: &Config, hash: RouterHash, published: Date, source: Source) -> Option<AddResult> {
        if hash == config.our_hash {
            return Some(AddResult::Rejected(Reject::Own));
        }
        if let Some(known) = self.routers.get(&hash)
            && known.published() >= published
        {
            return Some(AddResult::Known);
        }
        if published > now.date + config::MAX_FUTURE {
            return Some(AddResult::Rejected(Reject::FromFuture));
        }
        if now.date.saturating_since(published) > self.max_age(now, config, source) {
            return Some(AddResult::Rejected(Reject::TooOld));
        }
        None
    }

    /// Oldest age accepted: generous while we're new, then less the more routers are known (the rule of Java I2P).
    fn max_age(&self, now: Now, config: &Config, source: Source) -> Duration {
        let settled = now.tick.saturating_since(self.born) >= config::SETTLED;
        match source {
            // Who asks for one later is as good as new.
            Source::Reseed => config::MAX_SEED_AGE,
            Source::Snapshot if !settled => config::MAX_SEED_AGE,
            _ if !settled || self.routers.len() < config::KEEP_AT_LEAST => config::MAX_AGE,
            _ if config.floodfill || self.routers.len() > 5_000 => Duration::from_secs(3600),
            _ => {
                let known = u64::try_from(self.routers.len()).unwrap_or(u64::MAX);
                Duration::from_secs(3600 + (26 * 3600 * 90 / (known + 1)).min(26 * 3600))
            }
        }
    }

    /// Makes room for one more, or says that there is none: a stranger's entry never displaces another, nor
    /// one that a destination's use brought.
    fn make_room(&mut self, config: &Config, floodfill: bool, source: Source) -> bool {
        if floodfill && self.floodfills.len() >= config.limits.floodfills {
            let oldest = self.floodfills_by_age.first().copied();
            return self.displace(oldest, source);
        }
        if self.routers.len() >= config.limits.routers {
            let oldest = self.by_age.first().copied();
            return self.displace(oldest, source);
        }
        true
    }

    fn displace(&mut self, oldest: Option<(Date, RouterHash)>, source: Source) -> bool {
        match oldest {
            Some((_, hash)) if !matches!(source, Source::Stranger | Source::Followup) => {
                self.remove(&hash);
                true
            }
            _ => false,
        }
    }

    fn link(&mut self, info: RouterInfo, source: Source) {
        let (hash, published) = (info.hash(), info.published());
        self.by_age.insert((published, hash));
        if is_floodfill(&info) {
            self.floodfills.insert(hash);
            self.floodfills_by_age.insert((published, hash));
        }
        if source != Source::Snapshot {
            self.dirty.insert(hash);
        }
        self.held_bytes += info.held_bytes();
        self.changes += 1;
        self.routers.insert(hash, info);
    }

    fn unlink(&mut self, hash: &RouterHash) {
        if let Some(old) = self.routers.remove(hash) {
            self.changes += 1;
            self.held_bytes = self.held_bytes.saturating_sub(old.held_bytes());
            let entry = (old.published(), *hash);
            self.by_age.remove(&entry);
            self.floodfills_by_age.remove(&entry);
            self.floodfills.remove(hash);
        }
    }

    fn remove(&mut self, hash: &RouterHash) {
        self.unlink(hash);
        self.failed.remove(hash);
        self.dirty.insert(*hash);
    }

    /// Drops what is too old, oldest first, but keeps [`config::KEEP_AT_LEAST`].
    pub(super) fn expire(&mut self, now: Now, config: &Config) {
        self.failed.retain(|_, until| *until > now.tick);
        if now.tick.saturating_since(self.born) < config::SETTLED {
            return;
        }
        while self.routers.len() > config::KEEP_AT_LEAST
            && let Some((published, hash)) = self.by_age.first().copied()
            && now.date.saturating_since(published) > self.max_age(now, config, Source::Lookup)
        {
            self.remove(&hash);
        }
    }

    /// What disk doesn't have yet: RouterInfos to write, and hashes to delete.
    pub(super) fn take_dirty(&mut self) -> Vec<(RouterHash, Option<Bytes>)> {
        std::mem::take(&mut self.dirty).into_iter().map(|hash| (hash, self.get(&hash).map(|info| info.bytes().clone()))).collect()
    }

    /// Notes that a router couldn't be reached. Only for what the router itself sent: an identity's silence must not show in
    /// another's choices.
    pub(super) fn note_failed(&mut self, now: Tick, hash: RouterHash) {
        if self.routers.contains_key(&hash) {
            self.failed.insert(hash, now + FAILED_FOR);
        }
    }

    /// A router answered or connected.
    pub(super) fn note_reached(&mut self, hash: &RouterHash) {
        self.failed.remove(hash);
    }

    /// The `n` floodfills closest to a key at `date`, closest first, without those that `skip` names.
    pub(super) fn closest_floodfills(&self, key: &RoutingKey, n: usize, skip: impl Fn(&RouterHash) -> bool) -> Vec<RouterHash> {
        let candidates = self.floodfills.iter().filter(|hash| !skip(hash));
        closest(key, n, candidates.copied())
    }

    /// Likewise, but floodfills that failed lately come after all others.
    pub(super) fn preferred_floodfills(
        &self,
        now: Tick,
        key: &RoutingKey,
        n: usize,
        skip: impl Fn(&RouterHash) -> bool,
    ) -> Vec<RouterHash> {
        let failed = |hash: &RouterHash| self.failed.get(hash).is_some_and(|until| *until > now);
        let mut found = self.closest_floodfills(key, n, |hash| skip(hash) || failed(hash));
        if found.len() < n {
            let rest = n - found.len();
            found.extend(self.closest_floodfills(key, rest, |hash| skip(hash) || !failed(hash)));
        }
        found
    }

    /// A router's /24s (IPv6 /48s), ports and family.
    pub(super) fn marks(&self, hash: &RouterHash) -> Vec<Mark> {
        let Some(info) = self.routers.get(hash) else {
            return Vec::new();
        };
        let mut marks: Vec<Mark> =
            info.options().get("family").map(|family| Mark::Family(family.to_owned())).into_iter().collect();
        for host in info.ntcp2_addresses().filter_map(|address| address.host) {
            marks.push(match host.ip() {
                IpAddr::V4(ip) => {
                    let [a, b, c, _] = ip.octets();
                    Mark::V4([a, b, c])
                }
                IpAddr::V6(ip) => {
                    let [a, b, c, d, e, f, ..] = ip.octets();
                    Mark::V6([a, b, c, d, e, f])
                }
            });
            marks.push(Mark::Port(host.port()));
        }
        marks
    }

    /// The `n` other routers closest to a key: the answer to exploratory lookups.
    pub(super) fn closest_others(&self, key: &RoutingKey, n: usize, skip: impl Fn(&RouterHash) -> bool) -> Vec<RouterHash> {
        let others = self.routers.iter().filter(|(hash, info)| !info.is_floodfill() && !info.is_hidden() && !skip(hash));
        closest(key, n, others.map(|(hash, _)| *hash))
    }
}

fn closest(key: &RoutingKey, n: usize, candidates: impl Iterator<Item = RouterHash>) -> Vec<RouterHash> {
    let mut best: BTreeSet<([u8; 32], RouterHash)> = BTreeSet::new();
    for hash in candidates {
        best.insert((distance(key, &hash), hash));
        if best.len() > n {
            best.pop_last();
        }
    }
    best.into_iter().map(|(_, hash)| hash).collect()
}

/// A floodfill that we'd use: not hidden, new enough.
fn is_floodfill(info: &RouterInfo) -> bool {
    let recent = info.version().is_some_and(|version| version >= config::MIN_FLOODFILL_VERSION);
    info.is_floodfill() && !info.is_hidden() && recent
}
