//! Tunnel build messages: encrypted records, one for each hop.

use std::fmt;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};

/// Most records in a message.
pub const MAX_BUILD_RECORDS: usize = 8;
/// Length of a short record.
pub const SHORT_RECORD_LEN: usize = 218;
/// Length of a long record.
pub const BUILD_RECORD_LEN: usize = 528;

/// Body of ShortTunnelBuild (25) and OutboundTunnelBuildReply (26): count 1 · records 218 each, 1 to 8.
/// Errors: `Truncated`, `Invalid` count. Source: I2NP, "ShortTunnelBuild"; proposal 157.
#[derive(Clone, PartialEq, Eq)]
pub struct ShortBuild(pub Vec<[u8; SHORT_RECORD_LEN]>);

/// Body of VariableTunnelBuild (23) and its reply (24): count 1 · records 528 each, 1 to 8.
/// Errors: `Truncated`, `Invalid` count. Source: I2NP, "VariableTunnelBuild".
#[derive(Clone, PartialEq, Eq)]
pub struct VariableBuild(pub Vec<[u8; BUILD_RECORD_LEN]>);

fn decode_records<const N: usize>(r: &mut Reader<'_>) -> Result<Vec<[u8; N]>, DecodeError> {
    let count = usize::from(r.u8("build records")?);
    if !(1..=MAX_BUILD_RECORDS).contains(&count) {
        return Err(r.error(DecodeErrorKind::Invalid, "build records"));
    }
    (0..count).map(|_| r.array("build record")).collect()
}

fn encode_records<const N: usize>(records: &[[u8; N]], w: &mut Writer) {
    let records = records.get(..MAX_BUILD_RECORDS).unwrap_or(records);
    w.u8(u8::try_from(records.len()).unwrap_or(0));
    for record in records {
        w.bytes(record);
    }
}

impl fmt::Debug for ShortBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortBuild({} records)", self.0.len())
    }
}

impl Codec for ShortBuild {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<ShortBuild, DecodeError> {
        decode_records(r).map(ShortBuild)
    }

    fn encode(&self, w: &mut Writer) {
        encode_records(&self.0, w);
    }

    fn encoded_len(&self) -> usize {
        1 + self.0.len().min(MAX_BUILD_RECORDS) * SHORT_RECORD_LEN
    }
}

impl fmt::Debug for VariableBuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VariableBuild({} records)", self.0.len())
    }
}

impl Codec for VariableBuild {
    const IGNORES_TRAILING: bool = true;

    fn decode(r: &mut Reader<'_>) -> Result<VariableBuild, DecodeError> {
        decode_records(r).map(VariableBuild)
    }

    fn encode(&self, w: &mut Writer) {
        encode_records(&self.0, w);
    }

    fn encoded_len(&self) -> usize {
        1 + self.0.len().min(MAX_BUILD_RECORDS) * BUILD_RECORD_LEN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for count in 1..=8u8 {
            let build = ShortBuild(vec![[count; 218]; usize::from(count)]);
            assert_eq!(ShortBuild::from_bytes(&build.to_bytes()), Ok(build));
            let build = VariableBuild(vec![[count; 528]; usize::from(count)]);
            assert_eq!(VariableBuild::from_bytes(&build.to_bytes()), Ok(build));
        }
        assert!(ShortBuild::from_bytes(&[0; 300]).is_err());
        assert!(ShortBuild::from_bytes(&[9; 300 * 9]).is_err());
        assert!(ShortBuild::from_bytes(&[2; 300]).is_err());
    }
}
