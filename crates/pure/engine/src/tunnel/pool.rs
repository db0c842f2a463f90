//! The tunnels of one owner: what it wants, what it has, what it uses for what. State and choices; building is in `manage`.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_aes::LayerKeys;
use ramson_crypto::{CryptoRng, kdf, rng, siphash};
use ramson_lane::tunnel_data::{Endpoint, Gateway};
use ramson_wire::{Date, Now, RouterHash, Tick, TunnelId};

use super::build::{Direction, MAX_HOPS};
use super::nearest::SetKey;
use super::recent::Recent;

/// Most tunnels that a pool keeps in one direction.
pub(crate) const MAX_QUANTITY: u8 = 16;
/// Most tunnels that a pool holds in one direction, those included that were given up and are only taken from until their end. Beyond: of those
/// the one that ends first goes, or of all.
pub(crate) const MAX_KEPT: usize = 64;
/// Lifetime of a tunnel by the protocol.
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// A tunnel this close to its end isn't used or published any more while there are others.
const LAST_USE: Duration = Duration::from_secs(20);
/// Replacement starts this long before the end, drawn for each tunnel.
const REPLACE_SECS: (u64, u64) = (60, 180);
/// Message ids remembered for each owner, against repeated messages; each for at least as long as a message is good, if they aren't more.
const MAX_DUPLICATES: usize = 8192;
const DUPLICATE_KEEP: Duration = Duration::from_secs(180);
/// Routers remembered to have agreed, for each owner, and how long at least if they aren't more.
const MAX_AGREED: usize = 512;
const AGREED_KEEP: Duration = Duration::from_secs(3600);
/// What comes through an inbound tunnel is taken this long after its end.
pub(crate) const GRACE: Duration = Duration::from_secs(60);
/// First test of a new tunnel: a hop that agrees and then drops is to be found before much is lost.
const FIRST_TEST_MS: (u64, u64) = (2_000, 6_000);
/// Tests in a row that a tunnel fails before it is given up.
pub(crate) const MAX_FAILS: u8 = 2;

/// What an owner wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PoolConfig {
    /// Hops of inbound tunnels, at most 7. 0 shows everybody that this router is the destination's.
    pub(crate) inbound_length: u8,
    /// Hops of outbound tunnels, at most 7.
    pub(crate) outbound_length: u8,
    /// Inbound tunnels kept, at most 16.
    pub(crate) inbound_quantity: u8,
    /// Outbound tunnels kept, at most 16.
    pub(crate) outbound_quantity: u8,
    /// Inbound tunnels kept besides, of which nothing is used or published while there are enough others.
    pub(crate) inbound_backups: u8,
    /// Likewise outbound.
    pub(crate) outbound_backups: u8,
    /// Each inbound tunnel is longer by a random number of hops up to this; below zero: longer or shorter. None gets without hops by it.
    pub(crate) inbound_variance: i8,
    /// Likewise outbound.
    pub(crate) outbound_variance: i8,
    /// Secret from which the order of hops comes; kept with a kept destination. `None` draws one.
    pub(crate) order_secret: Option<[u8; 32]>,
}

impl PoolConfig {
    /// Defaults of the router's own tunnels: two of two hops each way.
    pub(crate) fn exploratory() -> PoolConfig {
        PoolConfig::even(2, 2)
    }

    /// Defaults of an identity's tunnels: three of three hops each way.
    #[cfg(test)]
    pub(crate) fn client() -> PoolConfig {
        PoolConfig::even(3, 3)
    }

    /// The same both ways, no variance and no backups.
    pub(crate) fn even(length: u8, quantity: u8) -> PoolConfig {
        PoolConfig {
            inbound_length: length,
            outbound_length: length,
            inbound_quantity: quantity,
            outbound_quantity: quantity,
            inbound_backups: 0,
            outbound_backups: 0,
            inbound_variance: 0,
            outbound_variance: 0,
            order_secret: None,
        }
    }

    /// Hops of the next tunnel.
    pub(crate) fn length(&self, direction: Direction, rng: &mut dyn CryptoRng) -> usize {
        let (length, variance) = match direction {
            Direction::Inbound => (self.inbound_length, self.inbound_variance),
            Direction::Outbound => (self.outbound_length, self.outbound_variance),
        };
        let length = usize::from(length).min(MAX_HOPS);
        if length == 0 || variance == 0 {
            return length;
        }
        let most = variance.unsigned_abs();
        let by = usize::try_from(rng::below(rng, u32::from(most) + 1)).unwrap_or(0);
        let shorter = variance < 0 && rng::below(rng, 2) == 0;
        let drawn = if shorter { length.saturating_sub(by) } else { length.saturating_add(by) };
        drawn.clamp(1, MAX_HOPS)
    }

    /// Tunnels in use.
    pub(crate) fn quantity(&self, direction: Direction) -> usize {
        let quantity = match direction {
            Direction::Inbound => self.inbound_quantity,
            Direction::Outbound => self.outbound_quantity,
        };
        usize::from(quantity.min(MAX_QUANTITY))
    }

    /// Tunnels kept besides; both together are at most [`MAX_QUANTITY`].
    fn backups(&self, direction: Direction) -> usize {
        let backups = match direction {
            Direction::Inbound => self.inbound_backups,
            Direction::Outbound => self.outbound_backups,
        };
        usize::from(backups).min(usize::from(MAX_QUANTITY) - self.quantity(direction))
    }
}

/// What both kinds of tunnels have.
pub(crate) struct Life {
    /// The gateway first.
    pub(crate) routers: Vec<RouterHash>,
    pub(crate) layers: Vec<LayerKeys>,
    pub(crate) expires: Tick,
    pub(crate) end: Date,
    replace_at: Tick,
    /// Tests failed in a row.
    pub(crate) fails: u8,
    /// When it is tested next.
    pub(crate) test_at: Tick,
    /// Bytes that it carried, as far as we see, since this moment.
    pub(crate) carried: (u64, Tick),
    /// Failed its tests: not used or published any more, but what still comes through it is taken.
    pub(crate) given_up: bool,
    /// Only a return path for the first builds of the router: not counted, not published.
    pub(crate) bootstrap: bool,
}

impl Life {
    /// `started` is when the request was made: hops count their ten minutes from later on.
    pub(crate) fn new(started: Now, routers: Vec<RouterHash>, layers: Vec<LayerKeys>, rng: &mut dyn CryptoRng) -> Life {
        let early = Duration::from_millis(rng::between(rng, REPLACE_SECS.0 * 1000, REPLACE_SECS.1 * 1000));
        let test = Duration::from_millis(rng::between(rng, FIRST_TEST_MS.0, FIRST_TEST_MS.1));
        Life {
            routers,
            layers,
            expires: started.tick + LIFETIME,
            end: started.date + LIFETIME,
            replace_at: started.tick + (LIFETIME - early),
            fails: 0,
            test_at: started.tick + test,
            carried: (0, started.tick),
            given_up: false,
            bootstrap: false,
        }
    }

    /// Whether it needn't be replaced. One that failed a test is, at once: the next test may end it.
    fn counts(&self, now: Tick) -> bool {
        !self.bootstrap && !self.given_up && self.fails == 0 && now < self.replace_at
    }

    /// Whether it is tested.
    pub(crate) fn is_testable(&self, now: Tick) -> bool {
        !self.routers.is_empty() && !self.given_up && now < self.expires
    }

    /// It carries so many tunnel messages.
    pub(crate) fn carry(&mut self, messages: usize) {
        let bytes = u64::try_from(messages).unwrap_or(u64::MAX).saturating_mul(1024);
        self.carried.0 = self.carried.0.saturating_add(bytes);
    }

    /// It works: how many bytes a second passed since it was seen to work last.
    pub(crate) fn works(&mut self, now: Tick) -> u32 {
        self.fails = 0;
        let (bytes, since) = std::mem::replace(&mut self.carried, (0, now));
        u32::try_from(bytes / now.saturating_since(since).as_secs().max(1)).unwrap_or(u32::MAX)
    }

    fn usable(&self, now: Tick) -> bool {
        !self.bootstrap && !self.given_up && now < self.expires
    }

    /// Lower is better.
    fn rank(&self, now: Tick) -> (u8, bool) {
        (self.fails, now + LAST_USE >= self.expires)
    }

    /// The lowest goes first where there are too many.
    fn worth(&self) -> (bool, Tick) {
        (!self.given_up && self.fails < MAX_FAILS, self.expires)
    }

    /// When it next matters to the pool.
    pub(crate) fn next(&self, now: Tick) -> Tick {
        if now < self.replace_at && !self.bootstrap {
            self.replace_at
        } else if now < self.expires {
            self.expires
        } else {
            self.gone_at()
        }
    }

    /// Until then messages through it are taken: hops keep a tunnel a little longer than the ten minutes, and peers may hold an
    /// older LeaseSet.
    pub(crate) fn gone_at(&self) -> Tick {
        self.expires + GRACE
    }

    /// Takes the layers of all hops off, or puts on what their layers will take off.
    pub(crate) fn decrypt(&self, message: &mut [u8; 1024]) {
        for layer in self.layers.iter().rev() {
            layer.decrypt(message);
        }
    }
}

/// Local name of an outbound tunnel, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct OutboundKey(pub(crate) u64);

/// An outbound tunnel. Without hops messages go directly where they are addressed to.
pub(crate) struct Outbound {
    pub(crate) life: Life,
    pub(crate) first_tunnel: Option<TunnelId>,
    pub(crate) gateway: Gateway,
}

/// An inbound tunnel, known by its endpoint id with us. Without hops everybody may send to it directly.
pub(crate) struct Inbound {
    pub(crate) life: Life,
    pub(crate) gateway: RouterHash,
    pub(crate) gateway_tunnel: TunnelId,
    pub(crate) endpoint: Endpoint,
}

/// What building in one direction goes by.
pub(crate) struct Side {
    pub(crate) order_key: [u8; 16],
    pub(crate) retry_at: Tick,
    pub(crate) failures: u32,
}

pub(crate) struct Pool {
    pub(crate) config: PoolConfig,
    pub(crate) inbound: BTreeMap<TunnelId, Inbound>,
    pub(crate) outbound: BTreeMap<OutboundKey, Outbound>,
    pub(crate) inbound_side: Side,
    pub(crate) outbound_side: Side,
    /// Who stands next to us; and the number by which the set is known, for pools without a secret that is kept.
    pub(crate) nearest: SetKey,
    pub(crate) number: Option<u32>,
    /// While it is idle: no more than so many tunnels each way.
    pub(crate) most: Option<u8>,
    /// There and back through two tunnels, as tests see it.
    pub(crate) round_trip: Option<Duration>,
    pub(crate) duplicates: Recent<(u32, u64)>,
    /// Routers that agreed to a tunnel of this pool.
    pub(crate) agreed: Recent<RouterHash>,
    spread_key: [u8; 16],
}

fn order_key(secret: &[u8; 32], direction: &[u8]) -> [u8; 16] {
    let info = [b"tunnel order ".as_slice(), direction].concat();
    kdf::hkdf(secret, &[], &info)
}

impl Pool {
    /// `nearest`: the key of the routers next to us, and its number if it has one.
    pub(crate) fn new(
        now: Now,
        config: PoolConfig,
        (nearest, number): (SetKey, Option<u32>),
        start_at: Tick,
        rng: &mut dyn CryptoRng,
    ) -> Pool {
        let secret = config.order_secret.unwrap_or_else(|| rng::bytes(rng));
        let side = |direction: &[u8]| Side { order_key: order_key(&secret, direction), retry_at: start_at, failures: 0 };
        Pool {
            config,
            inbound: BTreeMap::new(),
            outbound: BTreeMap::new(),
            inbound_side: side(b"inbound"),
            outbound_side: side(b"outbound"),
            nearest,
            number,
            most: None,
            round_trip: None,
            duplicates: Recent::new(now.tick, DUPLICATE_KEEP, MAX_DUPLICATES),
            agreed: Recent::new(now.tick, AGREED_KEEP, MAX_AGREED),
            spread_key: rng::bytes(rng),
        }
    }

    /// Tunnels to be kept, backups included.
    pub(crate) fn wanted(&self, direction: Direction) -> usize {
        let wanted = self.config.quantity(direction) + self.config.backups(direction);
        self.most.map_or(wanted, |most| wanted.min(usize::from(most)))
    }

    /// Of so many usable tunnels, how many stay in reserve.
    fn reserve(&self, usable: usize, direction: Direction) -> usize {
        self.config.backups(direction).min(usable.saturating_sub(self.config.quantity(direction)))
    }

    pub(crate) fn side(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Inbound => &mut self.inbound_side,
            Direction::Outbound => &mut self.outbound_side,
        }
    }

    pub(crate) fn lives(&self, direction: Direction) -> Box<dyn Iterator<Item = &Life> + '_> {
        match direction {
            Direction::Inbound => Box::new(self.inbound.values().map(|tunnel| &tunnel.life)),
            Direction::Outbound => Box::new(self.outbound.values().map(|tunnel| &tunnel.life)),
        }
    }

    /// Makes room for one more inbound tunnel; names the one that had to go.
    pub(crate) fn make_inbound_room(&mut self) -> Option<TunnelId> {
        let worst = self.inbound.iter().min_by_key(|(_, tunnel)| tunnel.life.worth()).map(|(id, _)| *id);
        let worst = worst.filter(|_| self.inbound.len() >= MAX_KEPT)?;
        self.inbound.remove(&worst);
        Some(worst)
    }

    /// Makes room for one more outbound tunnel.
    pub(crate) fn make_outbound_room(&mut self) {
        let worst = self.outbound.iter().min_by_key(|(_, tunnel)| tunnel.life.worth()).map(|(key, _)| *key);
        if let Some(worst) = worst.filter(|_| self.outbound.len() >= MAX_KEPT) {
            self.outbound.remove(&worst);
        }
    }

    /// Tunnels that needn't be replaced yet.
    pub(crate) fn fresh(&self, now: Tick, direction: Direction) -> usize {
        self.lives(direction).filter(|life| life.counts(now)).count()
    }

    /// Tunnels in use.
    pub(crate) fn usable(&self, now: Tick, direction: Direction) -> usize {
        self.lives(direction).filter(|life| life.usable(now)).count()
    }

    /// The outbound tunnel for a hint: always the same one while it is among the best.
    pub(crate) fn pick_outbound(&self, now: Tick, hint: u64) -> Option<OutboundKey> {
        let weight = |key: &OutboundKey| {
            let data = [hint.to_be_bytes(), key.0.to_be_bytes()].concat();
            siphash::siphash24(&self.spread_key, &data)
        };
        let usable = || self.outbound.iter().filter(|(_, tunnel)| tunnel.life.usable(now));
        let rank = |(key, tunnel): &(&OutboundKey, &Outbound)| (tunnel.life.rank(now), weight(key));
        if self.config.outbound_backups == 0 {
            return usable().min_by_key(rank).map(|(key, _)| *key);
        }
        let mut usable: Vec<_> = usable().collect();
        let reserve = self.reserve(usable.len(), Direction::Outbound);
        usable.sort_by_key(|(key, tunnel)| (tunnel.life.rank(now), **key));
        usable.truncate(usable.len() - reserve);
        usable.into_iter().min_by_key(rank).map(|(key, _)| *key)
    }

    /// An inbound tunnel for a reply, one of the best at random.
    pub(crate) fn pick_inbound(&self, now: Tick, rng: &mut dyn CryptoRng) -> Option<TunnelId> {
        let draw = rng.next_u32();
        let usable = self.inbound.iter().filter(|(_, tunnel)| tunnel.life.usable(now));
        usable.min_by_key(|(id, tunnel)| (tunnel.life.rank(now), id.get() ^ draw)).map(|(id, _)| *id)
    }

    /// What may be published, best first.
    pub(crate) fn leases(&self, now: Tick) -> Vec<(RouterHash, TunnelId, Date)> {
        let mut usable: Vec<&Inbound> =
            self.inbound.values().filter(|tunnel| tunnel.life.usable(now) && now + LAST_USE < tunnel.life.expires).collect();
        usable.sort_by_key(|tunnel| (tunnel.life.fails, std::cmp::Reverse(tunnel.life.end)));
        let reserve = self.reserve(usable.len(), Direction::Inbound);
        // Those in reserve are the youngest that are well, while enough others are.
        let well = usable.iter().filter(|tunnel| tunnel.life.fails == 0).count();
        usable.drain(..reserve.min(well.saturating_sub(self.config.quantity(Direction::Inbound))));
        usable.truncate(usize::from(MAX_QUANTITY));
        usable.iter().map(|tunnel| (tunnel.gateway, tunnel.gateway_tunnel, tunnel.life.end)).collect()
    }
}
