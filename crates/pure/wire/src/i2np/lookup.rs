//! Asking the netDb: DatabaseLookup and DatabaseSearchReply.

use std::fmt;

use zeroize::Zeroize;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::ids::{NetDbKey, RouterHash, SessionTag, TunnelId};

/// Most routers a lookup may exclude. Source: I2NP, "DatabaseLookup".
pub const MAX_EXCLUDED: usize = 512;

const FLAG_TUNNEL: u8 = 1;
const FLAG_ELGAMAL: u8 = 2;
const FLAG_ECIES: u8 = 16;

/// What is asked for: bits 3-2 of a lookup's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKind {
    /// Whatever has the key.
    Any,
    /// A LeaseSet.
    LeaseSet,
    /// A RouterInfo.
    RouterInfo,
    /// Routers near the key that aren't floodfills.
    Exploratory,
}

/// Key and tag under which the answer to a lookup is encrypted once. Overwritten when dropped. Source: proposal 154.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyKey {
    /// ChaCha20-Poly1305 key.
    pub key: [u8; 32],
    /// First bytes of the answer.
    pub tag: SessionTag,
}

impl Drop for ReplyKey {
    fn drop(&mut self) {
        self.key.zeroize();
        self.tag.0.zeroize();
    }
}

impl fmt::Debug for ReplyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyKey")
    }
}

/// Body of DatabaseLookup (2): key 32 · from 32 · flags 1 · [reply tunnel 4] · excluded count 2 · excluded 32 each · [reply key 32 · tag
/// count 1 · tag 8].
///
/// Flags: bit 0 reply through a tunnel, bit 1 ElGamal reply, bits 3-2 kind, bit 4 ECIES reply. Errors: `Truncated`, `TooLong` over
/// [`MAX_EXCLUDED`], `Unsupported` for ElGamal replies or another tag count than 1. Source: I2NP, "DatabaseLookup".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseLookup {
    /// What is looked for.
    pub key: NetDbKey,
    /// Who asks, or the gateway of `reply_tunnel`.
    pub from: RouterHash,
    /// Tunnel for the answer; `None` sends it straight to `from`.
    pub reply_tunnel: Option<TunnelId>,
    /// What kind of entry.
    pub kind: LookupKind,
    /// Routers not to be named in the answer.
    pub excluded: Vec<RouterHash>,
    /// Encrypt the answer with this.
    pub reply_key: Option<ReplyKey>,
}

impl Codec for DatabaseLookup {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<DatabaseLookup, DecodeError> {
        let key = NetDbKey::decode(r)?;
        let from = RouterHash::decode(r)?;
        let flags = r.u8("DatabaseLookup flags")?;
        let reply_tunnel = match flags & FLAG_TUNNEL {
            0 => None,
            _ => TunnelId::new(r.u32("DatabaseLookup reply tunnel")?),
        };
        let kind = match flags >> 2 & 3 {
            0 => LookupKind::Any,
            1 => LookupKind::LeaseSet,
            2 => LookupKind::RouterInfo,
            _ => LookupKind::Exploratory,
        };
        let count = usize::from(r.u16("DatabaseLookup excluded")?);
        if count > MAX_EXCLUDED {
            return Err(r.error(DecodeErrorKind::TooLong, "DatabaseLookup excluded"));
        }
        let excluded = (0..count).map(|_| RouterHash::decode(r)).collect::<Result<_, _>>()?;
        if flags & FLAG_ELGAMAL != 0 {
            return Err(r.error(DecodeErrorKind::Unsupported, "DatabaseLookup reply"));
        }
        let encrypted = flags & FLAG_ECIES != 0;
        let reply_key = encrypted.then(|| decode_reply_key(r)).transpose()?;
        Ok(DatabaseLookup { key, from, reply_tunnel, kind, excluded, reply_key })
    }

    fn encode(&self, w: &mut Writer) {
        let kind = match self.kind {
            LookupKind::Any => 0,
            LookupKind::LeaseSet => 1 << 2,
            LookupKind::RouterInfo => 2 << 2,
            LookupKind::Exploratory => 3 << 2,
        };
        let tunnel = if self.reply_tunnel.is_some() { FLAG_TUNNEL } else { 0 };
        let ecies = if self.reply_key.is_some() { FLAG_ECIES } else { 0 };
        let excluded = self.excluded.get(..MAX_EXCLUDED).unwrap_or(&self.excluded);
        w.put(&self.key);
        w.put(&self.from);
        w.u8(kind | tunnel | ecies);
        if let Some(tunnel) = &self.reply_tunnel {
            w.put(tunnel);
        }
        w.u16(u16::try_from(excluded.len()).unwrap_or(0));
        for hash in excluded {
            w.put(hash);
        }
        if let Some(reply) = &self.reply_key {
            w.bytes(&reply.key);
            w.u8(1);
            w.put(&reply.tag);
        }
    }

    fn encoded_len(&self) -> usize {
        let tunnel = if self.reply_tunnel.is_some() { 4 } else { 0 };
        let reply = if self.reply_key.is_some() { 41 } else { 0 };
        67 + tunnel + reply + self.excluded.len().min(MAX_EXCLUDED) * 32
    }
}

fn decode_reply_key(r: &mut Reader<'_>) -> Result<ReplyKey, DecodeError> {
    let key = r.array("DatabaseLookup reply key")?;
    if r.u8("DatabaseLookup tags")? != 1 {
        return Err(r.error(DecodeErrorKind::Unsupported, "DatabaseLookup tags"));
    }
    Ok(ReplyKey { key, tag: SessionTag::decode(r)? })
}

/// Body of DatabaseSearchReply (3): key 32 · count 1 · router hashes 32 each · from 32. "I don't have it; ask these."
/// Who sent it isn't proven by `from`. Source: I2NP, "DatabaseSearchReply".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSearchReply {
    /// What was looked for.
    pub key: NetDbKey,
    /// Routers nearer to it; at most 255.
    pub routers: Vec<RouterHash>,
    /// Who claims to answer.
    pub from: RouterHash,
}

impl Codec for DatabaseSearchReply {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<DatabaseSearchReply, DecodeError> {
        let key = NetDbKey::decode(r)?;
        let count = r.u8("DatabaseSearchReply count")?;
        let routers = (0..count).map(|_| RouterHash::decode(r)).collect::<Result<_, _>>()?;
        Ok(DatabaseSearchReply { key, routers, from: RouterHash::decode(r)? })
    }

    fn encode(&self, w: &mut Writer) {
        let routers = self.routers.get(..255).unwrap_or(&self.routers);
        w.put(&self.key);
        w.u8(u8::try_from(routers.len()).unwrap_or(0));
        for hash in routers {
            w.put(hash);
        }
        w.put(&self.from);
    }

    fn encoded_len(&self) -> usize {
        65 + self.routers.len().min(255) * 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_follow_fields() {
        let mut lookup = DatabaseLookup {
            key: NetDbKey([1; 32]),
            from: RouterHash([2; 32]),
            reply_tunnel: TunnelId::new(3),
            kind: LookupKind::Exploratory,
            excluded: vec![RouterHash([4; 32]); 2],
            reply_key: Some(ReplyKey { key: [5; 32], tag: SessionTag([6; 8]) }),
        };
        assert_eq!(lookup.to_bytes()[64], 0b1_1101);
        assert_eq!(lookup.to_bytes().len(), lookup.encoded_len());
        assert_eq!(DatabaseLookup::from_bytes(&lookup.to_bytes()), Ok(lookup.clone()));
        lookup.reply_tunnel = None;
        lookup.reply_key = None;
        lookup.kind = LookupKind::LeaseSet;
        let mut bytes = lookup.to_bytes();
        assert_eq!(bytes[64], 0b100);
        assert_eq!(DatabaseLookup::from_bytes(&bytes), Ok(lookup));
        bytes[64] |= FLAG_ELGAMAL;
        assert_eq!(DatabaseLookup::from_bytes(&bytes).unwrap_err().kind, DecodeErrorKind::Unsupported);
        bytes[65] = 3;
        assert_eq!(DatabaseLookup::from_bytes(&bytes).unwrap_err().kind, DecodeErrorKind::TooLong);
    }

    #[test]
    fn search_reply() {
        let reply =
            DatabaseSearchReply { key: NetDbKey([1; 32]), routers: vec![RouterHash([2; 32]); 3], from: RouterHash([3; 32]) };
        assert_eq!(reply.to_bytes().len(), 65 + 96);
        assert_eq!(DatabaseSearchReply::from_bytes(&reply.to_bytes()), Ok(reply));
    }
}
