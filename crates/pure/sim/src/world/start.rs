//! How a router comes up: keys, address, clock and randomness of its own, all from the seed.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::{ed25519, x25519};
use ramson_engine::{Engine, EngineConfig, EngineLimits, RouterSecrets, Snapshot};
use ramson_lane::{Lane, LaneConfig, LocalIdentity};
use ramson_wire::{Date, Now, RouterIdentity};

use super::{Honest, Place, World};
use crate::disk::Disk;
use crate::node::{Node, User};

/// The network that all routers are of: none that exists.
pub const NET_ID: u8 = 99;
/// All runs begin on some day after this.
const FIRST_DATE: u64 = 1_790_000_000_000;
const DAY_MILLIS: u64 = 86_400_000;
/// The ports that routers choose from.
const PORTS: (u64, u64) = (9_151, 30_777);
/// RouterInfos that a new router is given to begin with.
const RESEED: usize = 60;

impl<U: User> World<U> {
    /// Adds a router and starts it; it begins with RouterInfos of some of those before it.
    pub fn add_router(&mut self, floodfill: bool, user: U) -> usize {
        let number = self.places.len();
        let mut rng = self.seed.child(&format!("place {number}"));
        self.net.add_router();
        let skew = self.config.skew_millis;
        let span = skew.1.saturating_sub(skew.0).unsigned_abs();
        let skew_millis = skew.0.saturating_add_unsigned(rng::between(&mut rng, 0, span));
        self.places.push(Place {
            node: None,
            user: Some(user),
            lives: 0,
            disk: Disk::new(self.seed.child(&format!("disk {number}"))),
            tamper: self.tampers.remove(&number).unwrap_or_else(|| Box::new(Honest)),
            floodfill,
            address: self.address(number, &mut rng),
            skew_millis,
            started: self.now(),
            ready_after: None,
            spent: Duration::ZERO,
            down: Vec::new(),
        });
        let reseed = self.reseed(&mut rng);
        self.start(number, Snapshot { reseed, ..Snapshot::default() });
        number
    }

    /// True time at the start.
    pub(super) fn first_date(&self) -> Date {
        Date(FIRST_DATE + rng::between(&mut self.seed.child("date"), 0, DAY_MILLIS))
    }

    /// RouterInfos that whoever asks for a reseed now is given.
    pub(super) fn reseed(&self, rng: &mut SeededRng) -> Vec<Bytes> {
        let draw = |rng: &mut SeededRng, floodfill: bool, most: usize| {
            let of_kind = self.infos.iter().filter(|(is_floodfill, _)| *is_floodfill == floodfill);
            let mut infos: Vec<Bytes> = of_kind.map(|(_, bytes)| bytes.clone()).collect();
            rng::shuffle(rng, &mut infos);
            infos.truncate(most);
            infos
        };
        let mut infos = draw(rng, true, self.config.reseed_floodfills);
        infos.extend(draw(rng, false, RESEED - infos.len()));
        infos
    }

    /// A public address: so many routers share one /16 as the configuration says.
    fn address(&self, number: usize, rng: &mut SeededRng) -> SocketAddr {
        let subnet = number / self.config.routers_per_subnet.max(1);
        let octet = |value: usize| u8::try_from(value % 256).unwrap_or(0);
        let host: [u8; 2] = rng::bytes(rng);
        let ip = Ipv4Addr::new(octet(60 + subnet / 256), octet(subnet), host[0], host[1].clamp(1, 254));
        let port = u16::try_from(rng::between(rng, PORTS.0, PORTS.1)).unwrap_or(10_000);
        SocketAddr::from((ip, port))
    }

    pub(super) fn start(&mut self, number: usize, snapshot: Snapshot) {
        let first_date = self.first_date();
        let Some(place) = self.places.get_mut(number) else { return };
        let Some(user) = place.user.take() else { return };
        let (life, address, floodfill, skew) = (place.lives, place.address, place.floodfill, place.skew_millis);
        place.lives += 1;
        let secrets = secrets(&mut self.seed.child(&format!("router {number}")));
        let epoch = Date(first_date.0.saturating_add_signed(skew));
        let tick = self.schedule.now();
        let now = Now { tick, date: epoch + Duration::from_nanos(tick.0) };
        let local = Arc::new(LocalIdentity {
            hash: secrets.identity.hash(),
            static_key: x25519::PrivateKey::from_bytes(&secrets.ntcp2_key.to_bytes()),
            iv: secrets.ntcp2_iv,
            net_id: NET_ID,
        });
        let mut config = EngineConfig {
            net_id: NET_ID,
            floodfill,
            ignore_subnets: false,
            addresses: vec![address],
            ipv4: true,
            ipv6: false,
            limits: EngineLimits::default(),
        };
        let draws = |what: &str| self.seed.child(&format!("{what} {number} life {life}"));
        let mut lane_config = LaneConfig { net_id: NET_ID, ..LaneConfig::default() };
        place.tamper.configure(&mut config, &mut lane_config);
        let key = x25519::PrivateKey::from_bytes(&secrets.encryption_key.to_bytes());
        self.watch.starts(number, secrets.identity.hash(), key, (address, config.floodfill));
        let Ok(engine) = Engine::new(now, config, secrets, snapshot, Box::new(draws("engine"))) else {
            return;
        };
        let info = engine.router_info().clone();
        self.watch.says(now, number, &info);
        if life == 0 {
            self.infos.push((floodfill, info.bytes().clone()));
        }
        let lane = Lane::new(now, lane_config, local, info, Box::new(draws("lane")));
        self.net.listen(address, number);
        let mut node = Node::new(number, life, lane, engine, user, epoch, draws("threads"));
        node.wake_lane(&mut self.schedule, tick);
        node.wake_engine(&mut self.schedule, tick);
        self.places[number].node = Some(node);
        self.with(number, None, |node, around| {
            let wishes = node.user.started(tick);
            around.watch.wishes(tick, number, &wishes);
            for command in around.tamper.wishes(node.now(tick), wishes) {
                node.command_later(around, tick, command);
            }
        });
    }
}

fn secrets(rng: &mut SeededRng) -> RouterSecrets {
    let signing_key = ed25519::SigningKey::generate(rng);
    let encryption_key = x25519::PrivateKey::generate(rng);
    RouterSecrets {
        identity: RouterIdentity::new(&encryption_key.public(), &signing_key.public(), rng),
        signing_key,
        encryption_key,
        ntcp2_key: x25519::PrivateKey::generate(rng),
        ntcp2_iv: rng::bytes(rng),
    }
}
