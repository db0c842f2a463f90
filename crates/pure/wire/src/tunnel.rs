//! What is inside tunnels: delivery instructions of message fragments, and the clear texts of build records.

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::ids::{MessageId, RouterHash, TunnelId};

pub mod build;

/// Highest number of a follow-on fragment.
pub const MAX_FRAGMENT_NUMBER: u8 = 63;

const FOLLOW: u8 = 0x80;
const DELAY: u8 = 0x10;
const FRAGMENTED: u8 = 0x08;
const EXTENDED: u8 = 0x04;

/// What the end of a tunnel does with a message. Numbered otherwise than [`crate::garlic::CloveDelivery`], and with the tunnel id before
/// the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelDelivery {
    /// 0: it is for the endpoint itself (inbound tunnels).
    Local,
    /// 1: into a tunnel.
    Tunnel {
        /// Router at its start.
        gateway: RouterHash,
        /// Its id there.
        tunnel: TunnelId,
    },
    /// 2: to a router.
    Router(RouterHash),
}

/// Head of a fragment in a tunnel message; the fragment follows.
///
/// First: flags 1 · [tunnel id 4] · [hash 32] · [message id 4] · size 2. Flags: bit 7 clear, bits 6-5 delivery, bit 4 delay (1 byte after the
/// hash), bit 3 fragmented (message id follows), bit 2 extended options (length 1 · data before the size); delay and options are skipped and
/// never written. Follow-on: flags 1 · message id 4 · size 2. Flags: bit 7 set, bits 6-1 number, bit 0 last.
///
/// Errors: `Truncated`, `Invalid` for delivery 3, tunnel 0 or follow-on number 0. Source: Tunnel message, "Tunnel Message Delivery
/// Instructions".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FragmentHeader {
    /// A whole message, or its first fragment.
    First {
        /// What to do with it.
        delivery: TunnelDelivery,
        /// There if more fragments follow; names them.
        message_id: Option<MessageId>,
        /// Bytes of this fragment.
        size: u16,
    },
    /// A later fragment.
    Follow {
        /// 1 to [`MAX_FRAGMENT_NUMBER`].
        number: u8,
        /// No more follow.
        last: bool,
        /// Names the message.
        message_id: MessageId,
        /// Bytes of this fragment.
        size: u16,
    },
}

impl FragmentHeader {
    /// Bytes of the fragment that follows.
    pub fn size(&self) -> u16 {
        match self {
            FragmentHeader::First { size, .. } | FragmentHeader::Follow { size, .. } => *size,
        }
    }
}

impl Codec for FragmentHeader {
    fn decode(r: &mut Reader<'_>) -> Result<FragmentHeader, DecodeError> {
        let flags = r.u8("fragment flags")?;
        if flags & FOLLOW != 0 {
            let number = flags >> 1 & MAX_FRAGMENT_NUMBER;
            if number == 0 {
                return Err(r.error(DecodeErrorKind::Invalid, "fragment number"));
            }
            let message_id = MessageId::decode(r)?;
            let size = r.u16("fragment size")?;
            return Ok(FragmentHeader::Follow { number, last: flags & 1 != 0, message_id, size });
        }
        let delivery = match flags >> 5 {
            0 => TunnelDelivery::Local,
            1 => {
                let tunnel = TunnelId::decode(r)?;
                TunnelDelivery::Tunnel { gateway: RouterHash::decode(r)?, tunnel }
            }
            2 => TunnelDelivery::Router(RouterHash::decode(r)?),
            _ => return Err(r.error(DecodeErrorKind::Invalid, "fragment delivery")),
        };
        if flags & DELAY != 0 {
            r.u8("fragment delay")?;
        }
        let fragmented = flags & FRAGMENTED != 0;
        let message_id = fragmented.then(|| MessageId::decode(r)).transpose()?;
        if flags & EXTENDED != 0 {
            r.prefixed8("fragment options")?;
        }
        Ok(FragmentHeader::First { delivery, message_id, size: r.u16("fragment size")? })
    }

    fn encode(&self, w: &mut Writer) {
        match self {
            FragmentHeader::First { delivery, message_id, size } => {
                let fragmented = if message_id.is_some() { FRAGMENTED } else { 0 };
                match delivery {
                    TunnelDelivery::Local => w.u8(fragmented),
                    TunnelDelivery::Tunnel { gateway, tunnel } => {
                        w.u8(1 << 5 | fragmented);
                        w.put(tunnel);
                        w.put(gateway);
                    }
                    TunnelDelivery::Router(hash) => {
                        w.u8(2 << 5 | fragmented);
                        w.put(hash);
                    }
                }
                if let Some(id) = message_id {
                    w.put(id);
                }
                w.u16(*size);
            }
            FragmentHeader::Follow { number, last, message_id, size } => {
                w.u8(FOLLOW | (number & MAX_FRAGMENT_NUMBER) << 1 | u8::from(*last));
                w.put(message_id);
                w.u16(*size);
            }
        }
    }

    fn encoded_len(&self) -> usize {
        match self {
            FragmentHeader::Follow { .. } => 7,
            FragmentHeader::First { delivery, message_id, .. } => {
                let delivery = match delivery {
                    TunnelDelivery::Local => 0,
                    TunnelDelivery::Tunnel { .. } => 36,
                    TunnelDelivery::Router(_) => 32,
                };
                3 + delivery + if message_id.is_some() { 4 } else { 0 }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_both_ways() {
        let tunnel = TunnelDelivery::Tunnel { gateway: RouterHash([1; 32]), tunnel: TunnelId::new(2).unwrap() };
        for delivery in [TunnelDelivery::Local, tunnel, TunnelDelivery::Router(RouterHash([3; 32]))] {
            for message_id in [None, Some(MessageId(9))] {
                let head = FragmentHeader::First { delivery, message_id, size: 960 };
                assert_eq!(head.to_bytes().len(), head.encoded_len());
                assert_eq!(FragmentHeader::from_bytes(&head.to_bytes()), Ok(head));
            }
        }
        let head = FragmentHeader::Follow { number: 63, last: true, message_id: MessageId(8), size: 1 };
        assert_eq!(head.to_bytes(), [0xff, 0, 0, 0, 8, 0, 1]);
        assert_eq!(FragmentHeader::from_bytes(&head.to_bytes()), Ok(head));
    }

    #[test]
    fn odd_heads() {
        let head = FragmentHeader::First { delivery: TunnelDelivery::Local, message_id: None, size: 5 };
        assert_eq!(FragmentHeader::from_bytes(&[0x14, 77, 2, 9, 9, 0, 5]), Ok(head));
        assert!(FragmentHeader::from_bytes(&[0x80, 0, 0, 0, 8, 0, 1]).is_err());
        assert!(FragmentHeader::from_bytes(&[0x60; 50]).is_err());
        assert!(FragmentHeader::from_bytes(&[0x20, 0, 0, 0, 0]).is_err());
    }
}
