//! Names of routers, destinations, tunnels and messages. `Debug` prints the type's name and never its bytes, so that none of them can
//! reach a log by accident.

use std::fmt;
use std::num::NonZeroU32;

use ramson_crypto::sha256_parts;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::time::Date;
use crate::{base32, base64};

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $size:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// The bytes.
            pub fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }

        impl From<[u8; $size]> for $name {
            fn from(bytes: [u8; $size]) -> $name {
                $name(bytes)
            }
        }

        impl Codec for $name {
            fn decode(r: &mut Reader<'_>) -> Result<$name, DecodeError> {
                Ok($name(r.array(stringify!($name))?))
            }
            fn encode(&self, w: &mut Writer) {
                w.bytes(&self.0);
            }
            fn encoded_len(&self) -> usize {
                $size
            }
        }
    };
}

bytes_id!(
    /// SHA-256 of a router's identity.
    RouterHash, 32
);
bytes_id!(
    /// SHA-256 of a destination.
    DestinationHash, 32
);
bytes_id!(
    /// Key of a netDb entry: the hash of a router or destination (or of a blinded key).
    NetDbKey, 32
);
bytes_id!(
    /// A netDb key as it counts on one day: SHA-256(key ‖ yyyyMMdd). Only these are compared by [`distance`].
    RoutingKey, 32
);
bytes_id!(
    /// First 8 bytes of a garlic message in an existing session.
    SessionTag, 8
);

impl From<RouterHash> for NetDbKey {
    fn from(hash: RouterHash) -> NetDbKey {
        NetDbKey(hash.0)
    }
}

impl From<DestinationHash> for NetDbKey {
    fn from(hash: DestinationHash) -> NetDbKey {
        NetDbKey(hash.0)
    }
}

impl RouterHash {
    /// 44 characters, as in `routerInfo-….dat`.
    pub fn to_base64(&self) -> String {
        base64::encode(&self.0)
    }

    /// Reads 44 characters. Errors: `Text`, `Invalid` length.
    pub fn from_base64(text: &str) -> Result<RouterHash, DecodeError> {
        let bytes = base64::decode(text)?;
        let hash = bytes.try_into().map_err(|_| DecodeError::new(DecodeErrorKind::Invalid, "RouterHash"))?;
        Ok(RouterHash(hash))
    }
}

/// Ending of names that hold a destination's hash.
const B32_SUFFIX: &str = ".b32.i2p";

impl DestinationHash {
    /// The name `<52 characters>.b32.i2p`.
    pub fn to_b32(&self) -> String {
        base32::encode(&self.0) + B32_SUFFIX
    }

    /// Reads a `.b32.i2p` name, in either case, with or without the ending. Errors: `Text` for what isn't base32, `Invalid` for
    /// another length (longer ones name encrypted LeaseSets).
    pub fn from_b32(name: &str) -> Result<DestinationHash, DecodeError> {
        let name = name.to_ascii_lowercase();
        let bytes = base32::decode(name.strip_suffix(B32_SUFFIX).unwrap_or(&name))?;
        let hash = bytes.try_into().map_err(|_| DecodeError::new(DecodeErrorKind::Invalid, "DestinationHash"))?;
        Ok(DestinationHash(hash))
    }
}

/// The routing key of an entry on the day (UTC) of `date`. Source: Network database, "Routing key".
pub fn routing_key(key: NetDbKey, date: Date) -> RoutingKey {
    RoutingKey(sha256_parts(&[&key.0, &date.yyyymmdd()]))
}

/// How far a router is from a routing key: XOR, to be compared as a 256-bit big-endian number. The router's hash isn't dated.
/// Source: Network database, "Kademlia closeness metric".
pub fn distance(key: &RoutingKey, router: &RouterHash) -> [u8; 32] {
    let mut xor = key.0;
    for (byte, other) in xor.iter_mut().zip(router.0) {
        *byte ^= other;
    }
    xor
}

/// Number of a tunnel at one router; zero names none. 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(NonZeroU32);

impl TunnelId {
    /// A tunnel id, or `None` for zero.
    pub fn new(id: u32) -> Option<TunnelId> {
        NonZeroU32::new(id).map(TunnelId)
    }

    /// The number.
    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for TunnelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelId")
    }
}

impl Codec for TunnelId {
    /// Errors: `Truncated`, `Invalid` for zero.
    fn decode(r: &mut Reader<'_>) -> Result<TunnelId, DecodeError> {
        let at = r.clone();
        TunnelId::new(r.u32("TunnelId")?).ok_or_else(|| at.error(DecodeErrorKind::Invalid, "TunnelId"))
    }
    fn encode(&self, w: &mut Writer) {
        w.u32(self.get());
    }
    fn encoded_len(&self) -> usize {
        4
    }
}

/// Number of an I2NP message, random per message. 4 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u32);

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageId")
    }
}

impl Codec for MessageId {
    fn decode(r: &mut Reader<'_>) -> Result<MessageId, DecodeError> {
        Ok(MessageId(r.u32("MessageId")?))
    }
    fn encode(&self, w: &mut Writer) {
        w.u32(self.0);
    }
    fn encoded_len(&self) -> usize {
        4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{texts, unhex};

    #[test]
    fn debug_hides_bytes() {
        assert_eq!(format!("{:?}", RouterHash([7; 32])), "RouterHash");
        assert_eq!(format!("{:?}", TunnelId::new(9)), "Some(TunnelId)");
        assert_eq!(format!("{:?}", SessionTag([9; 8])), "SessionTag");
    }

    #[test]
    fn b32_names() {
        let hash = DestinationHash([0xa5; 32]);
        let name = hash.to_b32();
        assert_eq!(name.len(), 60);
        assert_eq!(DestinationHash::from_b32(&name), Ok(hash));
        assert_eq!(DestinationHash::from_b32(&name.to_uppercase()), Ok(hash));
        assert!(DestinationHash::from_b32("aa.b32.i2p").is_err());
        assert!(DestinationHash::from_b32("").is_err());
        assert_eq!(RouterHash::from_base64(&RouterHash([3; 32]).to_base64()), Ok(RouterHash([3; 32])));
    }

    #[test]
    fn routing_key_vectors() {
        let json = include_str!("../testdata/derived-routing-key.json");
        let hashes: [u8; 32] = unhex(texts(json, "hash")[0]).try_into().unwrap();
        for (date, key) in [1_767_225_600_000, 1_767_312_000_000].into_iter().zip(texts(json, "routing_key")) {
            for ms in [date, date + 86_399_999] {
                assert_eq!(routing_key(NetDbKey(hashes), Date(ms)).0.to_vec(), unhex(key));
            }
        }
        let key = routing_key(NetDbKey(hashes), Date(0));
        assert_eq!(distance(&key, &RouterHash(key.0)), [0; 32]);
    }

    #[test]
    fn zero_names_no_tunnel() {
        assert!(TunnelId::from_bytes(&[0; 4]).is_err());
        assert_eq!(TunnelId::from_bytes(&[0, 0, 0, 5]).unwrap().get(), 5);
    }
}
