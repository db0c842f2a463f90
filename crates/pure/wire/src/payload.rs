//! Payload of a Data message and of I2CP messages: gzip with ports and protocol in its header.

use std::fmt;

use crate::codec::DecodeError;
use crate::gzip;

/// Protocol number of streaming.
pub const STREAMING: u8 = 6;
/// Protocol number of repliable datagrams.
pub const DATAGRAM: u8 = 17;
/// Protocol number of raw datagrams.
pub const RAW: u8 = 18;
/// Protocol number of the second repliable format.
pub const DATAGRAM2: u8 = 19;
/// Protocol number of the third.
pub const DATAGRAM3: u8 = 20;

/// A good limit for [`decode`]: what fits an I2NP message.
pub const MAX_PAYLOAD_LEN: usize = 65_536;

/// What came out of the framing.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    /// Sender's port; 0 if it has none.
    pub from_port: u16,
    /// Receiver's port.
    pub to_port: u16,
    /// Protocol number: [`STREAMING`] and so on.
    pub protocol: u8,
    /// Inflated content.
    pub data: Vec<u8>,
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload(protocol {}, {} bytes)", self.protocol, self.data.len())
    }
}

/// Frames a payload: 1f 8b 08 00 · from port 2 · to port 2 · 0 · protocol 1 · deflate data · CRC-32 4 · size 4 (these two little-endian).
///
/// Stored without compression as i2pd does, unless a look at the first bytes promises to save an eighth; so packets that carry a
/// destination shrink by its padding. The length tells about the content then, as it does with Java I2P.
/// Source: I2CP, "Payload"; streaming, "Payload framing".
pub fn encode(from_port: u16, to_port: u16, protocol: u8, data: &[u8]) -> Vec<u8> {
    let ([a, b], [c, d]) = (from_port.to_be_bytes(), to_port.to_be_bytes());
    gzip::pack([a, b, c, d, 0, protocol], data)
}

/// Reads a framed payload of at most `limit` bytes and checks its CRC-32 and size. Errors: `Truncated`, `Compression`, `Checksum`,
/// `TooLong`.
pub fn decode(bytes: &[u8], limit: usize) -> Result<Payload, DecodeError> {
    let ([a, b, c, d, _, protocol], data) = gzip::inflate(bytes, limit)?;
    Ok(Payload { from_port: u16::from_be_bytes([a, b]), to_port: u16::from_be_bytes([c, d]), protocol, data })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::hex;

    #[test]
    fn vector() {
        let bytes = hex(include_str!("../testdata/derived-i2cp-payload.json"), "gzip_stored");
        assert_eq!(encode(1234, 80, STREAMING, b"hello i2p"), bytes);
        let payload = Payload { from_port: 1234, to_port: 80, protocol: STREAMING, data: b"hello i2p".to_vec() };
        assert_eq!(decode(&bytes, 9), Ok(payload));
        assert!(decode(&bytes, 8).is_err());
    }
}
