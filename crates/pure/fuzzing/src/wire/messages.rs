//! I2NP messages: headers and bodies.

use ramson_wire::garlic::{MAX_BLOCKS, encode_blocks, parse_blocks, parse_blocks_shared};
use ramson_wire::i2np::{
    Data, DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, Garlic, LONG_HEADER_LEN, MAX_BUILD_RECORDS,
    MAX_EXCLUDED, SHORT_HEADER_LEN, ShortBuild, StoreEntry, TunnelData, TunnelGateway, VariableBuild,
};
use ramson_wire::{Codec, GarlicBlock, GarlicClove, I2npMessage, MessageKind, NetDbKey};

use bytes::Bytes;

use super::choice;
use crate::format::{Format, Length};

/// A message as inside tunnels.
pub const LONG: Format<I2npMessage> = Format {
    decode: |bytes| I2npMessage::decode_long(bytes).ok(),
    encode: I2npMessage::encode_long,
    same: I2npMessage::eq,
    len: |message| Length::Exactly(message.long_len()),
    exact: true,
    holds: |bytes, message| {
        let shared = I2npMessage::decode_long_shared(&Bytes::copy_from_slice(bytes));
        assert_eq!(shared.as_ref(), Ok(message));
        assert!(message.body.len() + LONG_HEADER_LEN <= bytes.len());
        let digest = ramson_crypto::sha256(&message.body);
        assert_eq!(bytes.get(15), digest.first(), "the checksum is another");
    },
};

/// A message as in transports and cloves.
pub const SHORT: Format<I2npMessage> = Format {
    decode: |bytes| I2npMessage::decode_short(bytes).ok(),
    encode: I2npMessage::encode_short,
    same: I2npMessage::eq,
    len: |message| Length::Exactly(message.short_len()),
    exact: true,
    holds: |bytes, message| {
        let shared = I2npMessage::decode_short_shared(&Bytes::copy_from_slice(bytes));
        assert_eq!(shared.as_ref(), Ok(message));
        assert_eq!(message.body.len() + SHORT_HEADER_LEN, bytes.len());
    },
};

/// Target: a message of either form, and then its body by its kind.
pub fn i2np_message(data: &[u8]) {
    let message = match choice(data, 2) {
        Some((0, rest)) => LONG.check(rest),
        Some((_, rest)) => SHORT.check(rest),
        None => None,
    };
    if let Some(message) = message {
        body(message.kind, &message.body);
    }
}

fn body(kind: MessageKind, body: &[u8]) {
    match kind {
        MessageKind::DATABASE_STORE => database_store(body),
        MessageKind::DATABASE_LOOKUP => database_lookup(body),
        MessageKind::DATABASE_SEARCH_REPLY => drop(SEARCH_REPLY.check(body)),
        MessageKind::DELIVERY_STATUS => drop(DELIVERY_STATUS.check(body)),
        MessageKind::GARLIC => drop(GARLIC.check(body)),
        MessageKind::TUNNEL_DATA => drop(TUNNEL_DATA.check(body)),
        MessageKind::TUNNEL_GATEWAY => drop(TUNNEL_GATEWAY.check(body)),
        MessageKind::DATA => drop(DATA.check(body)),
        MessageKind::VARIABLE_TUNNEL_BUILD | MessageKind::VARIABLE_TUNNEL_BUILD_REPLY => drop(VARIABLE_BUILD.check(body)),
        MessageKind::SHORT_TUNNEL_BUILD | MessageKind::OUTBOUND_TUNNEL_BUILD_REPLY => drop(SHORT_BUILD.check(body)),
        _ => {}
    }
}

/// A search reply.
pub const SEARCH_REPLY: Format<DatabaseSearchReply> = Format::codec(true);
/// A delivery status.
pub const DELIVERY_STATUS: Format<DeliveryStatus> = Format::codec(true);
/// Garlic, still encrypted.
pub const GARLIC: Format<Garlic> = Format::codec(true);
/// A tunnel message, still encrypted.
pub const TUNNEL_DATA: Format<TunnelData> = Format::codec(true);
/// A message for a tunnel's gateway.
pub const TUNNEL_GATEWAY: Format<TunnelGateway> = Format::codec(true);
/// What a destination gets.
pub const DATA: Format<Data> = Format::codec(true);
/// Short records of a build or its reply.
pub const SHORT_BUILD: Format<ShortBuild> =
    Format { holds: |_, build| assert!((1..=MAX_BUILD_RECORDS).contains(&build.0.len())), ..Format::codec(true) };
/// Long records of a build or its reply.
pub const VARIABLE_BUILD: Format<VariableBuild> =
    Format { holds: |_, build| assert!((1..=MAX_BUILD_RECORDS).contains(&build.0.len())), ..Format::codec(true) };

/// Target: the bodies that have no target of their own.
pub fn small_bodies(data: &[u8]) {
    match choice(data, 8) {
        Some((0, rest)) => body(MessageKind::DATABASE_SEARCH_REPLY, rest),
        Some((1, rest)) => body(MessageKind::DELIVERY_STATUS, rest),
        Some((2, rest)) => body(MessageKind::GARLIC, rest),
        Some((3, rest)) => body(MessageKind::TUNNEL_DATA, rest),
        Some((4, rest)) => body(MessageKind::TUNNEL_GATEWAY, rest),
        Some((5, rest)) => body(MessageKind::DATA, rest),
        Some((6, rest)) => body(MessageKind::VARIABLE_TUNNEL_BUILD, rest),
        Some((_, rest)) => body(MessageKind::SHORT_TUNNEL_BUILD, rest),
        None => {}
    }
}

/// A store. What is stored under another key than its own is malformed; a RouterInfo may have been packed in another way.
pub const DATABASE_STORE: Format<DatabaseStore> = Format {
    decode: |bytes| DatabaseStore::from_bytes(bytes).ok(),
    encode: DatabaseStore::to_bytes,
    same: |a, b| (a.key, a.reply) == (b.key, b.reply) && entry(&a.entry) == entry(&b.entry),
    exact: false,
    len: |store| Length::AtMost(store.encoded_len()),
    holds: |bytes, store| {
        assert!(bytes.starts_with(&store.key.0));
        assert!(store.reply.is_none_or(|reply| reply.token != 0));
        match &store.entry {
            StoreEntry::RouterInfo(info) => {
                assert_eq!(store.key, NetDbKey::from(info.hash()), "stored under another key");
                super::signed::ROUTER_INFO.check(info.bytes());
            }
            StoreEntry::LeaseSet2(set) => {
                assert_eq!(store.key, NetDbKey::from(set.destination().hash()), "stored under another key");
                super::signed::LEASE_SET.check(set.bytes());
            }
            StoreEntry::Other { data, .. } => assert!(bytes.ends_with(data)),
            StoreEntry::Malformed { kind, .. } => assert!([0, 3].contains(kind)),
        }
    },
};

fn entry(entry: &StoreEntry) -> (u8, &[u8]) {
    match entry {
        StoreEntry::RouterInfo(info) => (0, info.bytes()),
        StoreEntry::LeaseSet2(set) => (3, set.bytes()),
        StoreEntry::Other { kind, data } => (*kind, data),
        StoreEntry::Malformed { kind, .. } => (*kind | 0x80, &[]),
    }
}

/// Target: a DatabaseStore.
pub fn database_store(data: &[u8]) {
    DATABASE_STORE.check(data);
}

/// A lookup. Reserved flags aren't kept.
pub const DATABASE_LOOKUP: Format<DatabaseLookup> = Format {
    holds: |bytes, lookup| {
        assert!(lookup.excluded.len() <= MAX_EXCLUDED);
        assert!(lookup.encoded_len() <= bytes.len());
        assert!(bytes.starts_with(&lookup.key.0));
    },
    ..Format::codec(false)
};

/// Target: a DatabaseLookup.
pub fn database_lookup(data: &[u8]) {
    DATABASE_LOOKUP.check(data);
}

/// What is inside garlic. Padding loses its bytes, a termination what stands behind its reason.
pub const GARLIC_BLOCKS: Format<Vec<GarlicBlock>> = Format {
    decode: |bytes| parse_blocks(bytes).ok(),
    encode: |blocks| encode_blocks(blocks),
    same: Vec::eq,
    len: |blocks| Length::Exactly(blocks.iter().map(GarlicBlock::encoded_len).sum()),
    exact: false,
    holds: |bytes, blocks| {
        assert_eq!(parse_blocks_shared(&Bytes::copy_from_slice(bytes)).as_ref(), Ok(blocks));
        assert!(blocks.len() <= MAX_BLOCKS);
        let padding = blocks.iter().position(|block| matches!(block, GarlicBlock::Padding(_)));
        assert!(padding.is_none_or(|at| at + 1 == blocks.len()), "padding comes last");
        assert!(encode_blocks(blocks).len() <= bytes.len());
    },
};

/// One clove.
pub const GARLIC_CLOVE: Format<GarlicClove> = Format::codec(false);

/// Target: garlic blocks.
pub fn garlic_blocks(data: &[u8]) {
    match choice(data, 4) {
        Some((0, rest)) => drop(GARLIC_CLOVE.check(rest)),
        Some((_, rest)) => drop(GARLIC_BLOCKS.check(rest)),
        None => {}
    }
}
