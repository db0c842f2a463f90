//! Generated values come back as they were.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use ramson_crypto::x25519;

use super::*;
use crate::i2np::{LookupKind, ReplyKey};
use crate::tunnel::build::HopRole;
use crate::{CloveDelivery, Date, DestinationHash, MessageId, MessageKind, RouterHash, Seconds32, SessionTag, TunnelDelivery};

fn router() -> impl Strategy<Value = RouterHash> {
    any::<[u8; 32]>().prop_map(RouterHash)
}

fn tunnel() -> impl Strategy<Value = TunnelId> {
    (1..=u32::MAX).prop_map(|id| TunnelId::new(id).unwrap())
}

fn id() -> impl Strategy<Value = MessageId> {
    any::<u32>().prop_map(MessageId)
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes::from)
}

fn mapping(most: usize) -> impl Strategy<Value = Mapping> {
    prop::collection::btree_map("[ -~é]{0,30}", "[ -~é]{0,30}", 0..most).prop_map(|pairs: BTreeMap<String, String>| {
        let mut mapping = Mapping::new();
        for (name, value) in &pairs {
            mapping.insert(name, value).unwrap();
        }
        mapping
    })
}

fn message() -> impl Strategy<Value = I2npMessage> {
    (any::<u8>(), id(), any::<u32>(), bytes(200))
        .prop_map(|(kind, id, seconds, body)| I2npMessage::new(MessageKind(kind), id, Seconds32(seconds).to_date(), body))
}

fn lookup() -> impl Strategy<Value = DatabaseLookup> {
    let kind = prop_oneof![
        Just(LookupKind::Any),
        Just(LookupKind::LeaseSet),
        Just(LookupKind::RouterInfo),
        Just(LookupKind::Exploratory)
    ];
    let reply = option::of((any::<[u8; 32]>(), any::<[u8; 8]>()));
    (any::<[u8; 32]>(), router(), option::of(tunnel()), kind, vec(router(), 0..20), reply).prop_map(
        |(key, from, reply_tunnel, kind, excluded, reply)| DatabaseLookup {
            key: NetDbKey(key),
            from,
            reply_tunnel,
            kind,
            excluded,
            reply_key: reply.map(|(key, tag)| ReplyKey { key, tag: SessionTag(tag) }),
        },
    )
}

fn clove() -> impl Strategy<Value = GarlicClove> {
    let delivery = prop_oneof![
        Just(CloveDelivery::Local),
        any::<[u8; 32]>().prop_map(|hash| CloveDelivery::Destination(DestinationHash(hash))),
        router().prop_map(CloveDelivery::Router),
        (router(), tunnel()).prop_map(|(gateway, tunnel)| CloveDelivery::Tunnel { gateway, tunnel }),
    ];
    (delivery, message()).prop_map(|(delivery, message)| GarlicClove { delivery, message })
}

fn block() -> impl Strategy<Value = GarlicBlock> {
    prop_oneof![
        any::<u32>().prop_map(|time| GarlicBlock::DateTime(Seconds32(time))),
        any::<u8>().prop_map(|reason| GarlicBlock::Termination { reason }),
        bytes(20).prop_map(GarlicBlock::Options),
        any::<u16>().prop_map(GarlicBlock::MessageNumber),
        (any::<u8>(), any::<u16>(), option::of(any::<[u8; 32]>())).prop_map(|(flags, id, key)| {
            GarlicBlock::NextKey { flags: flags & !1 | u8::from(key.is_some()), id, key: key.map(x25519::PublicKey) }
        }),
        vec(any::<(u16, u16)>(), 1..20).prop_map(GarlicBlock::Ack),
        Just(GarlicBlock::AckRequest),
        clove().prop_map(GarlicBlock::Clove),
        (12u8..254, bytes(20)).prop_map(|(kind, data)| GarlicBlock::Unknown { kind, data }),
    ]
}

fn fragment() -> impl Strategy<Value = FragmentHeader> {
    let delivery = prop_oneof![
        Just(TunnelDelivery::Local),
        router().prop_map(TunnelDelivery::Router),
        (router(), tunnel()).prop_map(|(gateway, tunnel)| TunnelDelivery::Tunnel { gateway, tunnel }),
    ];
    prop_oneof![
        (delivery, option::of(id()), any::<u16>())
            .prop_map(|(delivery, message_id, size)| { FragmentHeader::First { delivery, message_id, size } }),
        (1u8..=63, any::<bool>(), id(), any::<u16>()).prop_map(|(number, last, message_id, size)| FragmentHeader::Follow {
            number,
            last,
            message_id,
            size
        }),
    ]
}

fn request() -> impl Strategy<Value = ShortRequest> {
    let role = prop_oneof![Just(HopRole::Participant), Just(HopRole::InboundGateway), Just(HopRole::OutboundEndpoint)];
    (tunnel(), tunnel(), router(), role, any::<(u8, u32, u32)>(), id(), mapping(2)).prop_map(
        |(receive_tunnel, next_tunnel, next, role, (layer_type, request_minutes, lifetime_secs), next_message_id, options)| {
            ShortRequest {
                receive_tunnel,
                next_tunnel,
                next,
                role,
                layer_type,
                request_minutes,
                lifetime_secs,
                next_message_id,
                options,
            }
        },
    )
}

fn comes_back<T: Codec + PartialEq + std::fmt::Debug>(value: &T) {
    let bytes = value.to_bytes();
    assert_eq!(bytes.len(), value.encoded_len());
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value));
    assert_eq!(T::from_shared(&Bytes::from(bytes)).as_ref(), Ok(value));
}

proptest! {
    #[test]
    fn mappings(value in mapping(20)) {
        comes_back(&value);
    }

    #[test]
    fn addresses(cost in any::<u8>(), style in "[A-Z0-9]{0,12}", options in mapping(8)) {
        comes_back(&RouterAddress { cost, style, options });
    }

    #[test]
    fn leases(gateway in router(), tunnel in tunnel(), end in any::<u32>()) {
        comes_back(&Lease { gateway, tunnel, end: Seconds32(end).to_date() });
    }

    #[test]
    fn messages(message in message(), ms in any::<u64>()) {
        let read = I2npMessage::decode_short(&message.encode_short());
        prop_assert_eq!(read.as_ref(), Ok(&message));
        let message = I2npMessage { expiration: Date(ms), ..message };
        let read = I2npMessage::decode_long(&message.encode_long());
        prop_assert_eq!(read.as_ref(), Ok(&message));
    }

    #[test]
    fn lookups(lookup in lookup()) {
        comes_back(&lookup);
    }

    #[test]
    fn search_replies(key in any::<[u8; 32]>(), routers in vec(router(), 0..=255), from in router()) {
        comes_back(&DatabaseSearchReply { key: NetDbKey(key), routers, from });
    }

    #[test]
    fn gateways(tunnel in tunnel(), message in bytes(2000)) {
        comes_back(&TunnelGateway { tunnel, message });
    }

    #[test]
    fn garlic_payloads(mut blocks in vec(block(), 0..10), padding in option::of(0usize..100)) {
        blocks.extend(padding.map(GarlicBlock::Padding));
        prop_assert_eq!(garlic::parse_blocks(&garlic::encode_blocks(&blocks)), Ok(blocks));
    }

    #[test]
    fn fragments(fragment in fragment()) {
        comes_back(&fragment);
    }

    #[test]
    fn requests(request in request()) {
        prop_assume!(request.options.encoded_len() <= 98);
        comes_back(&request);
    }

    #[test]
    fn payloads(ports in any::<(u16, u16, u8)>(), data in vec(any::<u8>(), 0..3000), repeat in 1usize..4) {
        let data = data.repeat(repeat);
        let (from_port, to_port, protocol) = ports;
        let framed = payload::encode(from_port, to_port, protocol, &data);
        let read = payload::decode(&framed, data.len());
        prop_assert_eq!(read, Ok(payload::Payload { from_port, to_port, protocol, data }));
    }

    #[test]
    fn texts(data in vec(any::<u8>(), 0..200)) {
        let read = base64::decode(&base64::encode(&data));
        prop_assert_eq!(read.as_ref(), Ok(&data));
        let read = base32::decode(&base32::encode(&data));
        prop_assert_eq!(read.as_ref(), Ok(&data));
    }
}
