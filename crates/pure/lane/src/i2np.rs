//! Parts of messages that the data plane looks at without decoding the rest.

use bytes::{Bytes, BytesMut};
use ramson_crypto::{CryptoRng, rng};
use ramson_wire::{Date, I2npMessage, MessageId, MessageKind, Reader, TunnelId};

/// The id at the start of TunnelData and TunnelGateway; zero is none.
pub(crate) fn tunnel_id(body: &[u8]) -> Option<TunnelId> {
    TunnelId::new(u32::from_be_bytes(*body.first_chunk()?))
}

/// Id and expiration of a message with a long header.
pub(crate) fn long_header(message: &[u8]) -> Option<(MessageId, Date)> {
    let mut r = Reader::new(message);
    let _kind = r.u8("type").ok()?;
    let id = MessageId(r.u32("id").ok()?);
    let expiration = Date(r.u64("expiration").ok()?);
    let size = r.u16("size").ok()?;
    let _checksum = r.u8("checksum").ok()?;
    (r.remaining() >= usize::from(size)).then_some((id, expiration))
}

/// TunnelGateway for a message, with an id of its own and the message's expiration.
/// Source: I2NP, "TunnelGateway": tunnel id 4 · length 2 · message with long header.
pub(crate) fn tunnel_gateway(rng: &mut dyn CryptoRng, tunnel: TunnelId, message: &I2npMessage) -> I2npMessage {
    let inner = message.encode_long();
    let mut body = BytesMut::with_capacity(6 + inner.len());
    body.extend_from_slice(&tunnel.get().to_be_bytes());
    // What came out of a tunnel has at most 64 fragments of less than 1003 bytes.
    body.extend_from_slice(&u16::try_from(inner.len()).unwrap_or(u16::MAX).to_be_bytes());
    body.extend_from_slice(&inner);
    I2npMessage {
        kind: MessageKind::TUNNEL_GATEWAY,
        id: MessageId(u32::from_be_bytes(rng::bytes(rng))),
        expiration: message.expiration,
        body: Bytes::from(body),
    }
}
