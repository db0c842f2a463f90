//! Clear texts of tunnel build records.
//!
//! Options are read leniently: no router needs them, and emissary leaves other bytes where their size should be, so what isn't a mapping
//! counts as none.

use std::fmt;

use ramson_crypto::{CryptoRng, rng};
use zeroize::Zeroizing;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::ids::{MessageId, RouterHash, TunnelId};
use crate::mapping::Mapping;

/// Length of a short request's clear text.
pub const SHORT_REQUEST_LEN: usize = 154;
/// Length of a short reply's clear text.
pub const SHORT_REPLY_LEN: usize = 202;
/// Length of a long request's clear text.
pub const LONG_REQUEST_LEN: usize = 464;
/// Length of a long reply's clear text.
pub const LONG_REPLY_LEN: usize = 512;
/// How long tunnels live; the only value in use for a request's lifetime.
pub const TUNNEL_LIFETIME_SECS: u32 = 600;

/// Reply code of a hop that takes part.
pub const ACCEPT: u8 = 0;
/// Reply code of one that doesn't. Java I2P also sends 10 and 20.
pub const REJECT: u8 = 30;

const FLAG_GATEWAY: u8 = 0x80;
const FLAG_ENDPOINT: u8 = 0x40;

/// A hop's part in the tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HopRole {
    /// In the middle, or last before the creator of an inbound tunnel.
    Participant,
    /// First of an inbound tunnel.
    InboundGateway,
    /// Last of an outbound tunnel.
    OutboundEndpoint,
}

impl HopRole {
    fn decode(r: &mut Reader<'_>) -> Result<HopRole, DecodeError> {
        match r.u8("build flags")? & (FLAG_GATEWAY | FLAG_ENDPOINT) {
            0 => Ok(HopRole::Participant),
            FLAG_GATEWAY => Ok(HopRole::InboundGateway),
            FLAG_ENDPOINT => Ok(HopRole::OutboundEndpoint),
            _ => Err(r.error(DecodeErrorKind::Invalid, "build flags")),
        }
    }

    fn flags(self) -> u8 {
        match self {
            HopRole::Participant => 0,
            HopRole::InboundGateway => FLAG_GATEWAY,
            HopRole::OutboundEndpoint => FLAG_ENDPOINT,
        }
    }
}

/// What a hop is asked, 154 bytes: receive tunnel 4 · next tunnel 4 · next router 32 · flags 1 · zero 2 · layer type 1 · time 4 (minutes)
/// · lifetime 4 (s) · next message id 4 · options (mapping) · padding.
///
/// Flags: 0x80 inbound gateway, 0x40 outbound endpoint. Errors: `Truncated`, `Invalid` for tunnel 0 or both flags.
/// Source: ECIES tunnel creation, "Short Request Record Unencrypted"; proposal 157.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortRequest {
    /// Tunnel id at this hop.
    pub receive_tunnel: TunnelId,
    /// Tunnel id at the next, or of the reply tunnel for an outbound endpoint.
    pub next_tunnel: TunnelId,
    /// The next router, or the reply tunnel's gateway.
    pub next: RouterHash,
    /// Part in the tunnel.
    pub role: HopRole,
    /// 0 for AES; nothing else exists.
    pub layer_type: u8,
    /// When it was made, in minutes since the epoch (see [`crate::Date::to_minutes`]).
    pub request_minutes: u32,
    /// How long the tunnel lives: [`TUNNEL_LIFETIME_SECS`].
    pub lifetime_secs: u32,
    /// Id of the message that the hop sends on.
    pub next_message_id: MessageId,
    /// Usually empty; at most 98 bytes encoded, more is left out.
    pub options: Mapping,
}

/// Options of a record: lenient, and without taking part in the reader's position, since padding follows.
fn lenient_options(r: &mut Reader<'_>) -> Mapping {
    let options = Mapping::decode(r).unwrap_or_default();
    r.rest();
    options
}

/// Appends options and zero padding up to `end` bytes after `start`; leaves the options out if they are too long.
fn put_options(options: &Mapping, w: &mut Writer, start: usize, end: usize) {
    let room = (start + end).saturating_sub(w.len());
    if options.encoded_len() <= room {
        w.put(options);
    }
    w.zeros((start + end).saturating_sub(w.len()));
}

impl Codec for ShortRequest {
    fn decode(r: &mut Reader<'_>) -> Result<ShortRequest, DecodeError> {
        let mut r = r.sub(SHORT_REQUEST_LEN, "ShortRequest")?;
        let receive_tunnel = TunnelId::decode(&mut r)?;
        let next_tunnel = TunnelId::decode(&mut r)?;
        let next = RouterHash::decode(&mut r)?;
        let role = HopRole::decode(&mut r)?;
        r.u16("build more flags")?;
        Ok(ShortRequest {
            receive_tunnel,
            next_tunnel,
            next,
            role,
            layer_type: r.u8("build layer type")?,
            request_minutes: r.u32("build time")?,
            lifetime_secs: r.u32("build lifetime")?,
            next_message_id: MessageId::decode(&mut r)?,
            options: lenient_options(&mut r),
        })
    }

    fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.put(&self.receive_tunnel);
        w.put(&self.next_tunnel);
        w.put(&self.next);
        w.u8(self.role.flags());
        w.u16(0);
        w.u8(self.layer_type);
        w.u32(self.request_minutes);
        w.u32(self.lifetime_secs);
        w.put(&self.next_message_id);
        put_options(&self.options, w, start, SHORT_REQUEST_LEN);
    }

    fn encoded_len(&self) -> usize {
        SHORT_REQUEST_LEN
    }
}

/// A hop's answer, 202 bytes: options (mapping) · padding · code 1.
/// Source: ECIES tunnel creation, "Short Response Record Unencrypted".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortReply {
    /// Usually empty; at most 201 bytes encoded, more is left out.
    pub options: Mapping,
    /// [`ACCEPT`], or anything else for no.
    pub code: u8,
}

impl ShortReply {
    /// True if the hop takes part.
    pub fn is_accepted(&self) -> bool {
        self.code == ACCEPT
    }
}

impl Codec for ShortReply {
    fn decode(r: &mut Reader<'_>) -> Result<ShortReply, DecodeError> {
        let mut options = r.sub(SHORT_REPLY_LEN - 1, "ShortReply")?;
        Ok(ShortReply { options: lenient_options(&mut options), code: r.u8("ShortReply code")? })
    }

    fn encode(&self, w: &mut Writer) {
        let start = w.len();
        put_options(&self.options, w, start, SHORT_REPLY_LEN - 1);
        w.u8(self.code);
    }

    fn encoded_len(&self) -> usize {
        SHORT_REPLY_LEN
    }
}

/// What a hop is asked in the older form, 464 bytes: receive tunnel 4 · next tunnel 4 · next router 32 · layer key 32 · IV key 32 · reply
/// key 32 · reply IV 16 · flags 1 · zero 3 · time 4 (minutes) · lifetime 4 (s) · next message id 4 · options (mapping) · padding.
/// We take part in such tunnels but don't make them.
///
/// Errors: `Truncated`, `Invalid` for tunnel 0 or both flags. Source: ECIES tunnel creation, "Request Record Unencrypted (ECIES)".
pub struct LongRequest {
    /// Tunnel id at this hop.
    pub receive_tunnel: TunnelId,
    /// Tunnel id at the next, or of the reply tunnel for an outbound endpoint.
    pub next_tunnel: TunnelId,
    /// The next router, or the reply tunnel's gateway.
    pub next: RouterHash,
    /// Key of the tunnel layer.
    pub layer_key: Zeroizing<[u8; 32]>,
    /// Key of the tunnel layer's IV.
    pub iv_key: Zeroizing<[u8; 32]>,
    /// AES key for the other records of the reply.
    pub reply_key: Zeroizing<[u8; 32]>,
    /// AES IV for them.
    pub reply_iv: [u8; 16],
    /// Part in the tunnel.
    pub role: HopRole,
    /// When it was made, in minutes since the epoch.
    pub request_minutes: u32,
    /// How long the tunnel lives.
    pub lifetime_secs: u32,
    /// Id of the message that the hop sends on.
    pub next_message_id: MessageId,
    /// Usually empty; at most 296 bytes encoded, more is left out.
    pub options: Mapping,
}

impl fmt::Debug for LongRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongRequest")
    }
}

impl Codec for LongRequest {
    fn decode(r: &mut Reader<'_>) -> Result<LongRequest, DecodeError> {
        let mut r = r.sub(LONG_REQUEST_LEN, "LongRequest")?;
        let receive_tunnel = TunnelId::decode(&mut r)?;
        let next_tunnel = TunnelId::decode(&mut r)?;
        let next = RouterHash::decode(&mut r)?;
        let layer_key = Zeroizing::new(r.array("build layer key")?);
        let iv_key = Zeroizing::new(r.array("build IV key")?);
        let reply_key = Zeroizing::new(r.array("build reply key")?);
        let reply_iv = r.array("build reply IV")?;
        let role = HopRole::decode(&mut r)?;
        r.take(3, "build more flags")?;
        Ok(LongRequest {
            receive_tunnel,
            next_tunnel,
            next,
            layer_key,
            iv_key,
            reply_key,
            reply_iv,
            role,
            request_minutes: r.u32("build time")?,
            lifetime_secs: r.u32("build lifetime")?,
            next_message_id: MessageId::decode(&mut r)?,
            options: lenient_options(&mut r),
        })
    }

    fn encode(&self, w: &mut Writer) {
        let start = w.len();
        w.put(&self.receive_tunnel);
        w.put(&self.next_tunnel);
        w.put(&self.next);
        w.bytes(self.layer_key.as_slice());
        w.bytes(self.iv_key.as_slice());
        w.bytes(self.reply_key.as_slice());
        w.bytes(&self.reply_iv);
        w.u8(self.role.flags());
        w.zeros(3);
        w.u32(self.request_minutes);
        w.u32(self.lifetime_secs);
        w.put(&self.next_message_id);
        put_options(&self.options, w, start, LONG_REQUEST_LEN);
    }

    fn encoded_len(&self) -> usize {
        LONG_REQUEST_LEN
    }
}

/// Clear text of a long reply, 512 bytes: no options · random padding · code 1.
/// Source: ECIES tunnel creation, "Response Record Unencrypted (ECIES)".
pub fn long_reply(code: u8, rng: &mut dyn CryptoRng) -> [u8; LONG_REPLY_LEN] {
    let mut reply: [u8; LONG_REPLY_LEN] = rng::bytes(rng);
    let [a, b, .., last] = &mut reply;
    (*a, *b, *last) = (0, 0, code);
    reply
}

#[cfg(test)]
mod tests;
