//! Routers with fixed keys.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use ramson_crypto::rng::{self, SeededRng};
use ramson_crypto::{ed25519, x25519};
use ramson_lane::LocalIdentity;
use ramson_wire::{Date, Mapping, Now, Ntcp2Address, RouterHash, RouterIdentity, RouterInfo, RouterInfoBuilder, Tick};

/// The network of all targets.
pub const NET_ID: u8 = 99;
/// When every target begins.
pub const START: Now = Now { tick: Tick(5_000_000_000), date: Date(1_790_000_000_400) };

/// A router and its keys.
pub struct Router {
    /// What it is in its transports.
    pub local: Arc<LocalIdentity>,
    /// What it publishes.
    pub info: RouterInfo,
    /// Key of its RouterInfo.
    pub signing: ed25519::SigningKey,
    /// Key of build records.
    pub encryption: x25519::PrivateKey,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Router {
    /// Hash of its identity.
    pub fn hash(&self) -> RouterHash {
        self.info.hash()
    }
}

thread_local! {
    /// Those made so far: keys and signatures take time.
    static MADE: RefCell<BTreeMap<u8, Rc<Router>>> = const { RefCell::new(BTreeMap::new()) };
}

/// The router of this number, always the same.
pub fn router(number: u8) -> Rc<Router> {
    MADE.with_borrow_mut(|made| Rc::clone(made.entry(number).or_insert_with(|| Rc::new(make(number)))))
}

/// The router of this number, at 10.number.0.1; those from 100 on are floodfills.
fn make(number: u8) -> Router {
    let mut rng = SeededRng::new([number; 32]).child("router");
    let static_key = x25519::PrivateKey::generate(&mut rng);
    let signing = ed25519::SigningKey::generate(&mut rng);
    let encryption = x25519::PrivateKey::generate(&mut rng);
    let identity = RouterIdentity::new(&encryption.public(), &signing.public(), &mut rng);
    let iv = rng::bytes(&mut rng);
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, number, 0, 1)), 10_000 + u16::from(number));
    let published = Ntcp2Address { host: Some(address), static_key: static_key.public(), iv: Some(iv), ipv4: true, ipv6: false };
    let mut options = Mapping::new();
    let caps = if number >= 100 { "XfR" } else { "LR" };
    for (name, value) in [("caps", caps), ("netId", "99"), ("router.version", "0.9.67")] {
        options.insert(name, value).unwrap();
    }
    let hash = identity.hash();
    let published_at = Date(START.date.0 / 1000 * 1000 - 600_000);
    let builder = RouterInfoBuilder { identity, published: published_at, addresses: vec![published.to_address(3)], options };
    let info = RouterInfo::sign(&builder, &signing).unwrap();
    let local = Arc::new(LocalIdentity { hash, static_key, iv, net_id: NET_ID });
    Router { local, info, signing, encryption, address }
}
