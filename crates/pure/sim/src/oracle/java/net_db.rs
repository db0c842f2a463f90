//! What a floodfill is told and asked.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ramson_wire::i2np::{DatabaseLookup, DatabaseStore, LookupKind, StoreEntry};
use ramson_wire::{Date, LeaseSet2, NetDbKey, RouterHash, Tick, TunnelId};

use super::window::Windows;
use super::{Clock, MINUTE, Verdict, ensure};

/// More look-ups of one asker are ignored: by floodfills, and by others.
const LOOKUPS_WINDOW: Duration = Duration::from_secs(120);
const LOOKUPS: usize = 14;
const LOOKUPS_OF_OTHERS: usize = 3;
/// Versions of a LeaseSet that a floodfill passes on.
const FLOODS_WINDOW: Duration = Duration::from_secs(90);
const FLOODS: usize = 3;
/// A LeaseSet's limits.
const MOST_KEYS: usize = 8;
const MOST_LEASES: usize = 16;
const MOST_AGE: Duration = Duration::from_secs(10 * 60);
const ENDED_BY: Duration = Duration::from_secs(60);
const MOST_AHEAD: Duration = Duration::from_secs(16 * 60);
/// RouterInfos older than this aren't served or passed on.
const ROUTER_INFO_AGE: Duration = Duration::from_secs(60 * 60);
/// Entries beyond which those that ended are looked for.
const MANY: usize = 4096;

/// Who asks whom, and where the answer is to go.
type Asker = (RouterHash, RouterHash, Option<TunnelId>);

/// The LeaseSet that a floodfill has.
struct Held {
    published: Date,
    expires: Date,
    bytes: Bytes,
}

/// See the module.
pub(super) struct NetDb {
    lookups: Windows<Asker>,
    held: BTreeMap<(RouterHash, NetDbKey), Held>,
    versions: Windows<(RouterHash, NetDbKey)>,
    tidy_at: usize,
}

impl Default for NetDb {
    fn default() -> Self {
        let (lookups, versions) = (Windows::new(LOOKUPS_WINDOW), Windows::new(FLOODS_WINDOW));
        Self { lookups, held: BTreeMap::new(), versions, tidy_at: MANY }
    }
}

impl NetDb {
    /// A router starts: as a floodfill it has nothing, and nobody asked it.
    pub(super) fn starts(&mut self, router: RouterHash) {
        self.lookups.forget(|(asked, from, _)| *asked == router || *from == router);
        self.versions.forget(|(floodfill, _)| *floodfill == router);
        self.held.retain(|(floodfill, _), _| *floodfill != router);
    }

    /// A destination is opened.
    pub(super) fn opened(&mut self, key: NetDbKey) {
        self.versions.forget(|(_, known)| *known == key);
    }

    /// A look-up at a router.
    pub(super) fn lookup(&mut self, at: Tick, asked: RouterHash, is_floodfill: bool, lookup: &DatabaseLookup) -> Verdict {
        ensure(lookup.key != NetDbKey([0; 32]), "a look-up for no key")?;
        ensure(lookup.excluded.len() <= 512, "a look-up with more excluded routers than are read")?;
        let special = matches!(lookup.kind, LookupKind::Any | LookupKind::Exploratory);
        ensure(is_floodfill || !special, "a look-up that only floodfills answer, to another router")?;
        let most = if is_floodfill { LOOKUPS } else { LOOKUPS_OF_OTHERS };
        let count = self.lookups.done(at, (asked, lookup.from, lookup.reply_tunnel));
        ensure(count <= most, "more look-ups with one way back than are answered in 2 minutes")
    }

    /// A store at a router.
    pub(super) fn store(&mut self, at: Tick, clock: Clock, holder: RouterHash, store: &DatabaseStore) -> Verdict {
        match &store.entry {
            StoreEntry::RouterInfo(info) => {
                ensure(info.published() + ROUTER_INFO_AGE > clock.earliest(), "a RouterInfo older than an hour")
            }
            StoreEntry::LeaseSet2(set) => {
                let set = set.clone().verify().map_err(|_| "a LeaseSet with a wrong signature")?;
                lease_set(&set, clock)?;
                // Without a token it is an answer, or passed on.
                if store.reply.is_some() { self.publishes(at, clock, holder, store.key, &set) } else { Ok(()) }
            }
            StoreEntry::Other { .. } => Err("a store of a kind that we don't make"),
            StoreEntry::Malformed { .. } => Err("a store that can't be read"),
        }
    }

    /// Newer than what the floodfill has, or the same again, and not too often.
    fn publishes(&mut self, at: Tick, clock: Clock, holder: RouterHash, key: NetDbKey, set: &LeaseSet2) -> Verdict {
        self.tidy(clock);
        ensure(!set.is_unpublished(), "a LeaseSet that says it isn't to be published, at a floodfill")?;
        let new = Held { published: set.published(), expires: set.expires(), bytes: set.bytes().clone() };
        if let Some(held) = self.held.get(&(holder, key)) {
            if held.bytes == new.bytes {
                return Ok(());
            }
            ensure(new.published > held.published, "a LeaseSet that isn't newer than the one before")?;
        }
        self.held.insert((holder, key), new);
        ensure(self.versions.done(at, (holder, key)) <= FLOODS, "more versions of a LeaseSet than a floodfill passes on in 90 s")
    }

    fn tidy(&mut self, clock: Clock) {
        if self.held.len() >= self.tidy_at {
            self.held.retain(|_, held| held.expires > clock.earliest());
            self.tidy_at = MANY.max(self.held.len() * 2);
        }
    }
}

/// As whoever is given it looks at it.
pub(super) fn lease_set(set: &LeaseSet2, clock: Clock) -> Verdict {
    ensure((1..=MOST_KEYS).contains(&set.keys().count()), "a LeaseSet without keys, or with more than 8")?;
    ensure((1..=MOST_LEASES).contains(&set.leases().len()), "a LeaseSet without leases, or with more than 16")?;
    let ends = || set.leases().iter().map(|lease| lease.end);
    ensure(ends().all(|end| end + MOST_AGE > clock.earliest()), "a lease that ended more than 10 minutes ago")?;
    ensure(ends().any(|end| end + ENDED_BY > clock.earliest()), "a LeaseSet that has ended")?;
    ensure(ends().all(|end| end <= clock.latest() + MOST_AHEAD), "a lease of more than 16 minutes")?;
    ensure(set.published() <= clock.latest() + MINUTE * 2, "a LeaseSet from the future")?;
    ensure(set.offline().is_none(), "offline keys, which Java's readers take in one form only")
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;
    use ramson_crypto::x25519;
    use ramson_wire::i2np::StoreReply;
    use ramson_wire::{DestinationKeys, Lease, LeaseSet2Builder, Mapping};

    use super::*;

    const NOW: Date = Date(1_790_000_000_000);
    const HERE: RouterHash = RouterHash([3; 32]);
    const SECOND: Duration = Duration::from_secs(1);

    fn builder(published: Date, ends: &[Date]) -> LeaseSet2Builder {
        let mut rng = SeededRng::new([1; 32]);
        let lease = |end: &Date| Lease { gateway: HERE, tunnel: TunnelId::new(5).unwrap(), end: *end };
        LeaseSet2Builder {
            destination: keys().destination().clone(),
            published: published.to_seconds_rounded(),
            lifetime: Duration::from_secs(600),
            unpublished: false,
            options: Mapping::default(),
            key: x25519::PrivateKey::generate(&mut rng).public(),
            more_keys: Vec::new(),
            leases: ends.iter().map(lease).collect(),
        }
    }

    fn keys() -> DestinationKeys {
        DestinationKeys::generate(&mut SeededRng::new([2; 32]))
    }

    fn signed(builder: &LeaseSet2Builder) -> LeaseSet2 {
        LeaseSet2::sign(builder, keys().signing_key()).unwrap()
    }

    fn judged(builder: &LeaseSet2Builder) -> Verdict {
        lease_set(&signed(builder), Clock::exact(NOW))
    }

    #[test]
    fn lease_sets_have_limits() {
        let minutes = |count| MINUTE * count;
        assert_eq!(judged(&builder(NOW, &[NOW + minutes(10), NOW + minutes(3)])), Ok(()));
        assert_eq!(judged(&builder(NOW, &[NOW + minutes(10); 16])), Ok(()));
        assert_eq!(judged(&builder(NOW, &[NOW + minutes(16), NOW - minutes(9)])), Ok(()));
        for ends in [&[][..], &[NOW - minutes(2)], &[NOW + minutes(17)], &[NOW + minutes(10), NOW - minutes(11)]] {
            assert!(judged(&builder(NOW, ends)).is_err());
        }
        assert!(judged(&builder(NOW + minutes(3), &[NOW + minutes(10)])).is_err());
        let many = |keys| LeaseSet2Builder { more_keys: vec![(6, vec![1; 32]); keys], ..builder(NOW, &[NOW + minutes(10)]) };
        assert_eq!(judged(&many(7)), Ok(()));
        assert!(LeaseSet2::sign(&many(8), keys().signing_key()).is_err(), "we can't even write nine keys");
    }

    fn store(builder: &LeaseSet2Builder) -> DatabaseStore {
        DatabaseStore::lease_set2(&signed(builder), Some(StoreReply { token: 1, tunnel: None, gateway: HERE }))
    }

    #[test]
    fn each_version_is_newer_and_they_come_slowly() {
        let mut net_db = NetDb::default();
        let mut tell =
            |at: u32, builder: &LeaseSet2Builder| net_db.store(Tick(0) + SECOND * at, Clock::exact(NOW), HERE, &store(builder));
        let version = |published: u32, end: u32| builder(NOW + SECOND * published, &[NOW + MINUTE + SECOND * end]);
        assert_eq!(tell(0, &version(0, 0)), Ok(()));
        assert_eq!(tell(1, &version(0, 0)), Ok(()), "the same again, since no answer came");
        assert!(tell(2, &version(0, 1)).is_err(), "another one of the same second");
        assert_eq!(tell(20, &version(20, 1)), Ok(()));
        assert_eq!(tell(40, &version(40, 2)), Ok(()));
        assert!(tell(60, &version(60, 3)).is_err(), "the fourth in 90 s");
        assert_eq!(tell(200, &version(80, 4)), Ok(()));
        let hidden = LeaseSet2Builder { unpublished: true, ..version(100, 5) };
        assert!(tell(400, &hidden).is_err());
    }

    #[test]
    fn a_destination_that_is_opened_again_begins_anew() {
        let mut net_db = NetDb::default();
        for version in 0..6_u32 {
            if version == 3 {
                net_db.opened(keys().destination().hash().into());
            }
            let set = builder(NOW + SECOND * version, &[NOW + MINUTE + SECOND * version]);
            assert_eq!(net_db.store(Tick(0) + SECOND * version, Clock::exact(NOW), HERE, &store(&set)), Ok(()));
        }
    }

    #[test]
    fn stores_can_be_read_and_are_of_today() {
        let mut net_db = NetDb::default();
        let mut tell = |entry| {
            let reply = Some(StoreReply { token: 1, tunnel: None, gateway: HERE });
            net_db.store(Tick(0), Clock::exact(NOW), HERE, &DatabaseStore { key: NetDbKey([1; 32]), reply, entry })
        };
        assert!(tell(StoreEntry::Other { kind: 1, data: Bytes::new() }).is_err());
        let set = signed(&builder(NOW, &[NOW + MINUTE]));
        let mut bytes = set.bytes().to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        let forged = ramson_wire::Unverified::<LeaseSet2>::parse(bytes.into()).unwrap();
        assert!(tell(StoreEntry::LeaseSet2(forged)).is_err());
    }

    #[test]
    fn one_way_back_is_used_a_few_times() {
        let mut net_db = NetDb::default();
        let mut ask = |at: u32, kind, tunnel, is_floodfill, key| {
            let lookup = DatabaseLookup {
                key: NetDbKey([key; 32]),
                from: RouterHash([9; 32]),
                reply_tunnel: TunnelId::new(tunnel),
                kind,
                excluded: Vec::new(),
                reply_key: None,
            };
            net_db.lookup(Tick(0) + SECOND * at, HERE, is_floodfill, &lookup)
        };
        assert_eq!((0..20).filter(|at| ask(*at, LookupKind::LeaseSet, 7, true, 1).is_ok()).count(), 14);
        assert_eq!(ask(20, LookupKind::LeaseSet, 8, true, 1), Ok(()), "by another tunnel");
        assert_eq!(ask(139, LookupKind::LeaseSet, 7, true, 1), Ok(()), "2 minutes later");
        assert!(ask(20, LookupKind::LeaseSet, 9, true, 0).is_err(), "for no key");
        assert_eq!((0..5).filter(|at| ask(*at, LookupKind::RouterInfo, 10, false, 1).is_ok()).count(), 3);
        assert!(ask(20, LookupKind::Exploratory, 11, false, 1).is_err());
    }
}
