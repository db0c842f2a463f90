//! Structures and messages of I2P as bytes: parsing, writing, signing and verifying, without policy, clock or sockets.
//!
//! - [`time`], [`ids`]: the clock readings and names that all crates share.
//! - [`codec`]: [`Reader`], [`Writer`], [`Codec`] and [`DecodeError`]. Nothing here panics on a peer's bytes or allocates from a
//!   claimed length.
//! - [`base64`], [`base32`]: I2P's alphabets.
//! - [`bounds`]: how the machines above tell what they hold.
//! - [`identity`], [`router_info`], [`lease_set`], [`keys`]: signed structures, [`Unverified`] until checked.
//! - [`i2np`]: messages; [`garlic`], [`tunnel`]: what is inside garlic and tunnels; [`payload`]: the framing of what applications send. Streaming packets are the engine's `streaming::packet`.
//!
//! Of signatures only Ed25519 is made and verified, of encryption keys only X25519 is used; other types parse as far as they must to be
//! skipped or hashed.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod base32;
pub mod base64;
pub mod bounds;
pub mod caps;
pub mod certificate;
pub mod codec;
pub mod garlic;
mod gzip;
pub mod i2np;
pub mod identity;
pub mod ids;
pub mod keys;
pub mod lease_set;
pub mod mapping;
#[cfg(feature = "meter")]
pub mod meter;
pub mod offline;
pub mod payload;
#[cfg(test)]
mod properties;
pub mod router_address;
pub mod router_info;
pub mod signed;
pub mod time;
pub mod tunnel;
#[cfg(test)]
mod vectors;

pub use caps::{Bandwidth, Caps, Congestion};
pub use certificate::Certificate;
pub use codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
pub use garlic::{CloveDelivery, GarlicBlock, GarlicClove};
pub use i2np::{I2npMessage, MessageKind};
pub use identity::{Destination, RouterIdentity, SigningPublicKey};
pub use ids::{DestinationHash, MessageId, NetDbKey, RouterHash, RoutingKey, SessionTag, TunnelId, distance, routing_key};
pub use keys::DestinationKeys;
pub use lease_set::{Lease, LeaseSet2, LeaseSet2Builder};
pub use mapping::Mapping;
pub use offline::OfflineKey;
pub use router_address::{Ntcp2Address, RouterAddress};
pub use router_info::{RouterInfo, RouterInfoBuilder};
pub use signed::{SignError, SignatureError, Unverified};
pub use time::{Date, Now, Seconds32, Tick};
pub use tunnel::{FragmentHeader, TunnelDelivery};
