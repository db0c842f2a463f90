//! Putting an entry into the netDb: DatabaseStore.

use std::fmt;

use bytes::Bytes;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::gzip;
use crate::ids::{NetDbKey, RouterHash, TunnelId};
use crate::lease_set::LeaseSet2;
use crate::router_info::{MAX_ROUTER_INFO_LEN, RouterInfo};
use crate::signed::Unverified;

const TYPE_ROUTER_INFO: u8 = 0;
const TYPE_LEASE_SET2: u8 = 3;
/// Store types are four bits; the rest is reserved.
const TYPE_MASK: u8 = 0x0f;

/// Whom to tell that a store has arrived, by a DeliveryStatus with the token as its id.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StoreReply {
    /// Not zero.
    pub token: u32,
    /// Tunnel for the answer; `None` sends it straight to `gateway`.
    pub tunnel: Option<TunnelId>,
    /// Router that gets the answer.
    pub gateway: RouterHash,
}

/// What is stored.
#[derive(Clone)]
pub enum StoreEntry {
    /// Type 0: length 2 · gzip of the RouterInfo, inflated to at most 4096 bytes.
    RouterInfo(Unverified<RouterInfo>),
    /// Type 3: the LeaseSet2 to the end.
    LeaseSet2(Unverified<LeaseSet2>),
    /// Another type (1 LeaseSet, 5 encrypted, 7 meta), not decoded.
    Other {
        /// Store type.
        kind: u8,
        /// The entry to the end.
        data: Bytes,
    },
    /// An entry of type 0 or 3 that doesn't decode or whose hash isn't the key. A separate case because a store with a reply token is
    /// to be answered all the same.
    Malformed {
        /// Store type.
        kind: u8,
        /// What is wrong.
        error: DecodeError,
    },
}

/// Body of DatabaseStore (1): key 32 · type 1 · reply token 4 · [reply tunnel 4 · reply gateway 32] · entry.
///
/// The reply fields are there if the token isn't zero. For RouterInfo and LeaseSet2 the key is the hash of the identity: checked when
/// decoded. Errors: `Truncated`; those of the entry are in [`StoreEntry::Malformed`]. Source: I2NP, "DatabaseStore".
#[derive(Clone, Debug)]
pub struct DatabaseStore {
    /// Hash of the entry's owner.
    pub key: NetDbKey,
    /// Whom to tell.
    pub reply: Option<StoreReply>,
    /// What is stored.
    pub entry: StoreEntry,
}

impl fmt::Debug for StoreReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreReply")
    }
}

impl fmt::Debug for StoreEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreEntry::RouterInfo(_) => f.write_str("RouterInfo"),
            StoreEntry::LeaseSet2(_) => f.write_str("LeaseSet2"),
            StoreEntry::Other { kind, data } => {
                write!(f, "Other(type {kind}, {} bytes)", data.len())
            }
            StoreEntry::Malformed { kind, error } => write!(f, "Malformed(type {kind}, {error})"),
        }
    }
}

impl DatabaseStore {
    /// A store of a RouterInfo.
    pub fn router_info(info: &RouterInfo, reply: Option<StoreReply>) -> DatabaseStore {
        DatabaseStore { key: info.hash().into(), reply, entry: StoreEntry::RouterInfo(Unverified(info.clone())) }
    }

    /// A store of a LeaseSet2.
    pub fn lease_set2(set: &LeaseSet2, reply: Option<StoreReply>) -> DatabaseStore {
        DatabaseStore { key: set.destination().hash().into(), reply, entry: StoreEntry::LeaseSet2(Unverified(set.clone())) }
    }
}

fn decode_router_info(r: &mut Reader<'_>, key: NetDbKey) -> Result<Unverified<RouterInfo>, DecodeError> {
    let packed = r.prefixed16("DatabaseStore RouterInfo")?;
    let (_, bytes) = gzip::inflate(packed, MAX_ROUTER_INFO_LEN)?;
    let info = Unverified::<RouterInfo>::parse(Bytes::from(bytes))?;
    check_key(r, key, NetDbKey::from(info.hash()))?;
    Ok(info)
}

fn decode_lease_set2(r: &mut Reader<'_>, key: NetDbKey) -> Result<Unverified<LeaseSet2>, DecodeError> {
    // A copy: entries are kept for minutes, the message around them isn't.
    let set = Unverified::<LeaseSet2>::parse(Bytes::copy_from_slice(r.rest()))?;
    check_key(r, key, NetDbKey::from(set.destination().hash()))?;
    Ok(set)
}

fn check_key(r: &Reader<'_>, key: NetDbKey, hash: NetDbKey) -> Result<(), DecodeError> {
    if key == hash { Ok(()) } else { Err(r.error(DecodeErrorKind::Invalid, "DatabaseStore key")) }
}

impl Codec for DatabaseStore {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<DatabaseStore, DecodeError> {
        let key = NetDbKey::decode(r)?;
        let kind = r.u8("DatabaseStore type")? & TYPE_MASK;
        let token = r.u32("DatabaseStore token")?;
        let reply = match token {
            0 => None,
            token => {
                let tunnel = TunnelId::new(r.u32("DatabaseStore reply tunnel")?);
                Some(StoreReply { token, tunnel, gateway: RouterHash::decode(r)? })
            }
        };
        let malformed = |error| StoreEntry::Malformed { kind, error };
        let entry = match kind {
            TYPE_ROUTER_INFO => decode_router_info(r, key).map_or_else(malformed, StoreEntry::RouterInfo),
            TYPE_LEASE_SET2 => decode_lease_set2(r, key).map_or_else(malformed, StoreEntry::LeaseSet2),
            _ => StoreEntry::Other { kind, data: r.rest_bytes() },
        };
        Ok(DatabaseStore { key, reply, entry })
    }

    fn encode(&self, w: &mut Writer) {
        w.put(&self.key);
        w.u8(match &self.entry {
            StoreEntry::RouterInfo(_) => TYPE_ROUTER_INFO,
            StoreEntry::LeaseSet2(_) => TYPE_LEASE_SET2,
            StoreEntry::Other { kind, .. } | StoreEntry::Malformed { kind, .. } => *kind,
        });
        match &self.reply {
            None => w.u32(0),
            Some(reply) => {
                w.u32(reply.token);
                w.u32(reply.tunnel.map_or(0, TunnelId::get));
                w.put(&reply.gateway);
            }
        }
        match &self.entry {
            StoreEntry::RouterInfo(info) => w.prefixed16(info.0.packed()),
            StoreEntry::LeaseSet2(set) => w.bytes(set.bytes()),
            StoreEntry::Other { data, .. } => w.bytes(data),
            StoreEntry::Malformed { .. } => {}
        }
    }

    /// An upper bound: a RouterInfo is counted without compression.
    fn encoded_len(&self) -> usize {
        let reply = if self.reply.is_some() { 36 } else { 0 };
        let entry = match &self.entry {
            StoreEntry::RouterInfo(info) => info.bytes().len() + 25,
            StoreEntry::LeaseSet2(set) => set.bytes().len(),
            StoreEntry::Other { data, .. } => data.len(),
            StoreEntry::Malformed { .. } => 0,
        };
        37 + reply + entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> RouterInfo {
        let bytes = include_bytes!("../../testdata/i2pd/router-1.info");
        Unverified::<RouterInfo>::parse(Bytes::from_static(bytes)).unwrap().verify().unwrap()
    }

    #[test]
    fn router_info_is_compressed() {
        let reply = StoreReply { token: 9, tunnel: TunnelId::new(4), gateway: RouterHash([3; 32]) };
        let store = DatabaseStore::router_info(&info(), Some(reply));
        let bytes = store.to_bytes();
        assert!(bytes.len() + 200 < store.encoded_len());
        let read = DatabaseStore::from_bytes(&bytes).unwrap();
        assert_eq!(read.reply, Some(reply));
        match read.entry {
            StoreEntry::RouterInfo(read) => assert_eq!(read.verify(), Ok(info())),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn bad_entries_keep_the_reply() {
        let reply = StoreReply { token: 9, tunnel: None, gateway: RouterHash([3; 32]) };
        let store = DatabaseStore::router_info(&info(), Some(reply));
        let mut wrong_key = store.to_bytes();
        wrong_key[0] ^= 1;
        let mut bomb = store.to_bytes();
        bomb.truncate(73);
        let packed = gzip::pack([0; 6], &vec![0; 1_000_000]);
        bomb.extend_from_slice(&u16::try_from(packed.len()).unwrap().to_be_bytes());
        bomb.extend_from_slice(&packed);
        for (bytes, expected) in [
            (wrong_key, DecodeErrorKind::Invalid),
            (bomb, DecodeErrorKind::TooLong),
            (store.to_bytes()[..80].to_vec(), DecodeErrorKind::Truncated),
        ] {
            let read = DatabaseStore::from_bytes(&bytes).unwrap();
            assert_eq!(read.reply, Some(reply));
            match read.entry {
                StoreEntry::Malformed { kind: 0, error } => assert_eq!(error.kind, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}
