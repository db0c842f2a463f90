//! Blocks: what message 3 and the frames of the data phase carry.
//!
//! Layout: type 1 · size 2 (big-endian) · data. Padding must come last, a termination last but for padding; unknown types
//! are skipped. Java and we close on a block in the wrong place, i2pd reads on.
//! Source: NTCP2, "4) Data Phase", "Unencrypted data".

use bytes::{Buf, Bytes};
use ramson_wire::{I2npMessage, Reader, Seconds32};

use super::reason::TerminationReason;

/// Type and size.
pub(crate) const HEADER_LEN: usize = 3;
/// Most bytes of blocks in one frame: what a 16-bit length leaves beside the tag.
pub(crate) const MAX_PAYLOAD: usize = 65_519;
/// Longest RouterInfo taken or sent; Java stores none longer.
pub(crate) const MAX_ROUTER_INFO: usize = 4096;

const DATE_TIME: u8 = 0;
const OPTIONS: u8 = 1;
const ROUTER_INFO: u8 = 2;
const I2NP: u8 = 3;
const TERMINATION: u8 = 4;
const PADDING: u8 = 254;

/// Flag of a RouterInfo block: the sender asks us to flood it.
const FLOOD: u8 = 1;

/// A block that can't be read, or stands where it may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed block")]
pub(crate) struct Malformed;

/// One block as received.
#[derive(Debug)]
pub(crate) enum Block {
    DateTime(Seconds32),
    /// Ratios and delays of padding. We keep to our own range, which every other router's options allow.
    Options,
    RouterInfo {
        flood: bool,
        bytes: Bytes,
    },
    Message(I2npMessage),
    Termination(TerminationReason),
    Padding,
    Unknown,
}

/// Reads the blocks of one payload in order. Fused at the first error.
pub(crate) struct Blocks {
    rest: Bytes,
    /// Padding was read: nothing may follow.
    padded: bool,
    /// A termination was read: only padding may follow.
    terminated: bool,
}

impl Blocks {
    pub(crate) fn new(payload: Bytes) -> Self {
        Self { rest: payload, padded: false, terminated: false }
    }

    fn read(&mut self) -> Result<Block, Malformed> {
        let mut header = Reader::new(&self.rest);
        let kind = header.u8("block type").map_err(|_| Malformed)?;
        let size = usize::from(header.u16("block size").map_err(|_| Malformed)?);
        self.rest.advance(HEADER_LEN);
        if size > self.rest.len() || self.padded || (self.terminated && kind != PADDING) {
            return Err(Malformed);
        }
        let data = self.rest.split_to(size);
        Ok(match kind {
            DATE_TIME => Block::DateTime(Seconds32(leading_u32(&data)?)),
            OPTIONS => Block::Options,
            ROUTER_INFO => {
                let flag = data.first().copied().ok_or(Malformed)?;
                Block::RouterInfo { flood: flag & FLOOD != 0, bytes: data.slice(1..) }
            }
            I2NP => Block::Message(I2npMessage::decode_short_shared(&data).map_err(|_| Malformed)?),
            TERMINATION => {
                self.terminated = true;
                // 8 bytes count the frames that the peer took; nothing here depends on it.
                let code = data.get(8).copied().ok_or(Malformed)?;
                Block::Termination(TerminationReason::from_code(code))
            }
            PADDING => {
                self.padded = true;
                Block::Padding
            }
            _ => Block::Unknown,
        })
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let block = self.read();
        if block.is_err() {
            self.rest.clear();
        }
        Some(block)
    }
}

fn leading_u32(data: &[u8]) -> Result<u32, Malformed> {
    data.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)).ok_or(Malformed)
}

/// Sizes of blocks fit 16 bits because every caller has checked its data against [`MAX_PAYLOAD`].
fn header(out: &mut Vec<u8>, kind: u8, size: usize) {
    out.push(kind);
    out.extend_from_slice(&u16::try_from(size).unwrap_or(u16::MAX).to_be_bytes());
}

pub(crate) fn put_date_time(out: &mut Vec<u8>, time: Seconds32) {
    header(out, DATE_TIME, 4);
    out.extend_from_slice(&time.0.to_be_bytes());
}

/// Our padding: at least nothing, at most 1/16 (fixed point 4.4), both ways; no dummy traffic, no delays.
/// The same as Java sends.
pub(crate) fn put_options(out: &mut Vec<u8>) {
    header(out, OPTIONS, 12);
    out.extend_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}

pub(crate) fn put_router_info(out: &mut Vec<u8>, router_info: &[u8], flood: bool) {
    header(out, ROUTER_INFO, router_info.len() + 1);
    out.push(if flood { FLOOD } else { 0 });
    out.extend_from_slice(router_info);
}

pub(crate) fn put_message(out: &mut Vec<u8>, message: &I2npMessage) {
    header(out, I2NP, message.short_len());
    // The short header by hand, to append it without a buffer of its own.
    out.push(message.kind.0);
    out.extend_from_slice(&message.id.0.to_be_bytes());
    out.extend_from_slice(&message.expiration.to_seconds_rounded().0.to_be_bytes());
    out.extend_from_slice(&message.body);
}

pub(crate) fn put_termination(out: &mut Vec<u8>, frames_received: u64, reason: TerminationReason) {
    header(out, TERMINATION, 9);
    out.extend_from_slice(&frames_received.to_be_bytes());
    out.push(reason.code());
}

pub(crate) fn put_padding(out: &mut Vec<u8>, len: usize) {
    header(out, PADDING, len);
    out.resize(out.len() + len, 0);
}

#[cfg(test)]
mod unit {
    use proptest::prelude::*;

    use super::*;

    fn kinds(payload: &[u8]) -> Vec<String> {
        let name = |block: Result<Block, Malformed>| match block {
            Ok(block) => format!("{block:?}").split([' ', '(']).next().unwrap_or("").to_owned(),
            Err(Malformed) => "!".to_owned(),
        };
        Blocks::new(Bytes::copy_from_slice(payload)).map(name).collect()
    }

    fn written(put: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out);
        out
    }

    #[test]
    fn order_is_kept_to() {
        let time = written(|out| put_date_time(out, Seconds32(7)));
        let padding = written(|out| put_padding(out, 3));
        let end = written(|out| put_termination(out, 5, TerminationReason::Banned));
        assert_eq!(end, [4, 0, 9, 0, 0, 0, 0, 0, 0, 0, 5, 17]);
        assert_eq!(kinds(&[&time[..], &end, &padding].concat()), ["DateTime", "Termination", "Padding"]);
        assert_eq!(kinds(&[&padding[..], &time].concat()), ["Padding", "!"]);
        assert_eq!(kinds(&[&end[..], &time].concat()), ["Termination", "!"]);
        assert_eq!(kinds(&[&padding[..], &padding].concat()), ["Padding", "!"]);
    }

    #[test]
    fn unknown_and_empty_blocks_are_skipped() {
        assert_eq!(kinds(&[230, 0, 2, 1, 1, 99, 0, 0, 254, 0, 0]), ["Unknown", "Unknown", "Padding"]);
        assert_eq!(kinds(&written(put_options)), ["Options"]);
        assert_eq!(kinds(&[]), Vec::<String>::new());
    }

    #[test]
    fn short_blocks_are_malformed() {
        for payload in [
            &[0, 0, 3, 1, 2, 3][..],
            &[2, 0, 0],
            &[3, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8],
            &[4, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0],
            &[254, 0, 1],
            &[0, 0],
        ] {
            assert_eq!(kinds(payload), ["!"]);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_blocks_or_an_error(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
            let errors = Blocks::new(Bytes::from(payload)).filter(Result::is_err).count();
            prop_assert!(errors <= 1);
        }

        #[test]
        fn any_header_is_taken_or_refused(kind in 0u8..6, data in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut payload = written(|out| header(out, kind, data.len()));
            payload.extend_from_slice(&data);
            prop_assert_eq!(Blocks::new(Bytes::from(payload)).count(), 1);
        }
    }
}
