//! The short bodies: DeliveryStatus, Garlic, TunnelData, TunnelGateway, Data.

use std::fmt;

use bytes::Bytes;

use crate::codec::{Codec, DecodeError, Reader, Writer};
use crate::ids::{MessageId, TunnelId};
use crate::time::Date;

/// Length of what a TunnelData message carries.
pub const TUNNEL_DATA_LEN: usize = 1024;

/// Body of DeliveryStatus (10): message id 4 · time 8 (ms). Answers a store's reply token or tests a tunnel.
/// Source: I2NP, "DeliveryStatus".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryStatus {
    /// The reply token, or the id of the test.
    pub id: MessageId,
    /// When it was made; the network id in a transport's first message.
    pub time: Date,
}

impl Codec for DeliveryStatus {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<DeliveryStatus, DecodeError> {
        let id = MessageId::decode(r)?;
        Ok(DeliveryStatus { id, time: Date(r.u64("DeliveryStatus time")?) })
    }

    fn encode(&self, w: &mut Writer) {
        w.put(&self.id);
        w.u64(self.time.0);
    }

    fn encoded_len(&self) -> usize {
        12
    }
}

/// Reads bytes after a four-byte length.
fn prefixed32(r: &mut Reader<'_>, field: &'static str) -> Result<Bytes, DecodeError> {
    let length = r.u32(field)?;
    r.take_bytes(usize::try_from(length).unwrap_or(usize::MAX), field)
}

/// Appends a four-byte length and bytes.
fn put_prefixed32(bytes: &[u8], w: &mut Writer) {
    w.u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    w.bytes(bytes);
}

/// Body of Garlic (11): length 4 · encrypted cloves. Holds what follows the length. Source: I2NP, "Garlic".
#[derive(Clone, PartialEq, Eq)]
pub struct Garlic(pub Bytes);

impl fmt::Debug for Garlic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Garlic({} bytes)", self.0.len())
    }
}

impl Codec for Garlic {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<Garlic, DecodeError> {
        prefixed32(r, "Garlic").map(Garlic)
    }

    fn encode(&self, w: &mut Writer) {
        put_prefixed32(&self.0, w);
    }

    fn encoded_len(&self) -> usize {
        4 + self.0.len()
    }
}

/// Body of Data (20): length 4 · payload (see [`crate::payload`]). Holds what follows the length. Source: I2NP, "Data".
#[derive(Clone, PartialEq, Eq)]
pub struct Data(pub Bytes);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data({} bytes)", self.0.len())
    }
}

impl Codec for Data {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<Data, DecodeError> {
        prefixed32(r, "Data").map(Data)
    }

    fn encode(&self, w: &mut Writer) {
        put_prefixed32(&self.0, w);
    }

    fn encoded_len(&self) -> usize {
        4 + self.0.len()
    }
}

/// Body of TunnelData (18): tunnel id 4 · IV 16 · encrypted 1008. Errors: `Truncated`, `Invalid` for tunnel 0.
/// Source: I2NP, "TunnelData".
#[derive(Clone, PartialEq, Eq)]
pub struct TunnelData {
    /// The tunnel at the receiver.
    pub tunnel: TunnelId,
    /// IV and encrypted part.
    pub data: Box<[u8; TUNNEL_DATA_LEN]>,
}

impl fmt::Debug for TunnelData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TunnelData")
    }
}

impl Codec for TunnelData {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<TunnelData, DecodeError> {
        let tunnel = TunnelId::decode(r)?;
        Ok(TunnelData { tunnel, data: Box::new(r.array("TunnelData")?) })
    }

    fn encode(&self, w: &mut Writer) {
        w.put(&self.tunnel);
        w.bytes(self.data.as_slice());
    }

    fn encoded_len(&self) -> usize {
        4 + TUNNEL_DATA_LEN
    }
}

/// Body of TunnelGateway (19): tunnel id 4 · length 2 · message with long header. Errors: `Truncated`, `Invalid` for tunnel 0.
/// Source: I2NP, "TunnelGateway".
#[derive(Clone, PartialEq, Eq)]
pub struct TunnelGateway {
    /// The tunnel whose gateway the receiver is.
    pub tunnel: TunnelId,
    /// The message, long form, at most 65535 bytes.
    pub message: Bytes,
}

impl fmt::Debug for TunnelGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TunnelGateway({} bytes)", self.message.len())
    }
}

impl Codec for TunnelGateway {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<TunnelGateway, DecodeError> {
        let tunnel = TunnelId::decode(r)?;
        let length = r.u16("TunnelGateway length")?;
        Ok(TunnelGateway { tunnel, message: r.take_bytes(usize::from(length), "TunnelGateway message")? })
    }

    fn encode(&self, w: &mut Writer) {
        w.put(&self.tunnel);
        w.prefixed16(&self.message);
    }

    fn encoded_len(&self) -> usize {
        6 + self.message.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_and_ignore_trailing_bytes() {
        let gateway = TunnelGateway { tunnel: TunnelId::new(5).unwrap(), message: Bytes::from_static(&[1, 2, 3]) };
        let mut bytes = gateway.to_bytes();
        assert_eq!(bytes, [0, 0, 0, 5, 0, 3, 1, 2, 3]);
        bytes.push(9);
        let bytes = Bytes::from(bytes);
        let read = TunnelGateway::from_shared(&bytes).unwrap();
        assert_eq!(read, gateway);
        assert_eq!(read.message.as_ptr(), bytes.as_ptr().wrapping_add(6));
        let garlic = Garlic(Bytes::from_static(&[7; 40]));
        assert_eq!(Garlic::from_bytes(&garlic.to_bytes()), Ok(garlic));
        assert!(Data::from_bytes(&[0xff, 0xff, 0xff, 0xff, 1]).is_err());
        assert!(TunnelData::from_bytes(&[0; 1028]).is_err());
        assert!(TunnelData::from_bytes(&[1; 1028]).is_ok());
        assert!(TunnelData::from_bytes(&[1; 1027]).is_err());
    }
}
