//! Bounded gzip. Inflating stops at a limit given by the caller, so a small message can't grow into a large one.
//!
//! Each thread has one inflater and one deflater and sets them back. New ones for each message would cost more than the
//! message, and being aligned they tear holes into the heap of an older C library, which it never fills again.

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

use crate::codec::{DecodeError, DecodeErrorKind, Reader, Writer};

/// First four bytes without optional fields: magic 1f 8b · method 8 (deflate) · flags 0.
const MAGIC: [u8; 4] = [0x1f, 0x8b, 8, 0];
/// Output grows in steps of this many bytes.
const STEP: usize = 4096;
/// Memory taken at once because the trailer tells so.
const MAX_TOLD: usize = 64 * 1024;
/// Largest stored deflate block.
const MAX_STORED: usize = 65_535;
/// Payloads shorter than this aren't worth deflating.
const WORTH_DEFLATING: usize = 96;

thread_local! {
    static INFLATER: RefCell<Decompress> = RefCell::new(Decompress::new(false));
    static DEFLATER: RefCell<Compress> = RefCell::new(deflater());
}

/// The six bytes of a gzip header that carry no meaning for inflating: modification time 4 · extra flags 1 · operating system 1. I2P
/// puts ports and protocol here.
pub(crate) type Label = [u8; 6];

/// Inflates one gzip member to at most `limit` bytes and checks its CRC-32 and size. Bytes after it are ignored.
/// Errors: `Truncated`, `Compression`, `Checksum`, `TooLong`. Source: RFC 1952.
pub(crate) fn inflate(data: &[u8], limit: usize) -> Result<(Label, Vec<u8>), DecodeError> {
    let mut r = Reader::new(data);
    let [m0, m1, method, flags] = r.array("gzip magic")?;
    if (m0, m1, method) != (0x1f, 0x8b, 8) {
        return Err(r.error(DecodeErrorKind::Compression, "gzip magic"));
    }
    let label = r.array("gzip header")?;
    skip_optional(&mut r, flags)?;
    let (out, used) = inflate_raw(r.peek(), limit).map_err(|kind| r.error(kind, "gzip data"))?;
    r.take(used, "gzip data")?;
    let crc = u32::from_le_bytes(r.array("gzip trailer")?);
    let size = u32::from_le_bytes(r.array("gzip trailer")?);
    if crc != crc32(&out) || usize::try_from(size) != Ok(out.len()) {
        return Err(r.error(DecodeErrorKind::Checksum, "gzip trailer"));
    }
    Ok((label, out))
}

/// Skips extra field, name, comment and header checksum as the flags announce them.
fn skip_optional(r: &mut Reader<'_>, flags: u8) -> Result<(), DecodeError> {
    if flags & 4 != 0 {
        let [low, high] = r.array("gzip extra")?;
        r.take(usize::from(u16::from_le_bytes([low, high])), "gzip extra")?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            while r.u8("gzip text")? != 0 {}
        }
    }
    if flags & 2 != 0 {
        r.take(2, "gzip header checksum")?;
    }
    Ok(())
}

/// Inflates a raw deflate stream; gives the output, no larger in memory than it is, and how many input bytes it took.
fn inflate_raw(data: &[u8], limit: usize) -> Result<(Vec<u8>, usize), DecodeErrorKind> {
    INFLATER.with_borrow_mut(|state| {
        let inflated = inflate_with(state, data, limit);
        #[cfg(feature = "meter")]
        crate::meter::inflated(state.total_out());
        inflated
    })
}

fn inflate_with(state: &mut Decompress, data: &[u8], limit: usize) -> Result<(Vec<u8>, usize), DecodeErrorKind> {
    state.reset(false);
    let mut out = Vec::with_capacity(told_length(data).min(limit).saturating_add(1).min(MAX_TOLD));
    loop {
        let before = (state.total_in(), state.total_out());
        let used = usize::try_from(before.0).unwrap_or(usize::MAX);
        let input = data.get(used..).unwrap_or_default();
        let status = state.decompress_vec(input, &mut out, FlushDecompress::None).map_err(|_| DecodeErrorKind::Compression)?;
        if status == Status::StreamEnd {
            break;
        }
        // One byte beyond the limit tells "exactly full" from "more to come".
        let room = (limit + 1).saturating_sub(out.len());
        if room == 0 {
            return Err(DecodeErrorKind::TooLong);
        }
        if out.len() < out.capacity() && before == (state.total_in(), state.total_out()) {
            return Err(DecodeErrorKind::Compression);
        }
        out.reserve_exact(room.min(STEP));
    }
    if out.len() > limit {
        return Err(DecodeErrorKind::TooLong);
    }
    let used = usize::try_from(state.total_in()).map_err(|_| DecodeErrorKind::Compression)?;
    out.shrink_to_fit();
    Ok((out, used))
}

/// What the trailer says, if nothing follows it; anything else otherwise.
fn told_length(data: &[u8]) -> usize {
    data.last_chunk().map_or(0, |size| usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX))
}

/// A gzip member with `label` in its header: deflated if that is worth it (see [`looks_compressible`]), else stored.
pub(crate) fn pack(label: Label, data: &[u8]) -> Vec<u8> {
    let deflated = if looks_compressible(data) { deflate(data) } else { None };
    let mut w = Writer::with_capacity(data.len() + 32);
    w.bytes(&MAGIC);
    w.bytes(&label);
    match deflated {
        Some(body) => w.bytes(&body),
        None => store(&mut w, data),
    }
    w.bytes(&crc32(data).to_le_bytes());
    w.bytes(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    w.into_vec()
}

/// A cheap guess from the first 256 bytes: text and repeated padding use few byte values, ciphertext and media use most (256 random
/// bytes use about 160). Saves running the compressor over what can't shrink.
fn looks_compressible(data: &[u8]) -> bool {
    const MOST_VALUES: u32 = 120;
    if data.len() < WORTH_DEFLATING {
        return false;
    }
    let mut seen = [0u64; 4];
    let sample = data.get(..256).unwrap_or(data);
    for byte in sample {
        if let Some(word) = seen.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }
    let values: u32 = seen.iter().map(|word| word.count_ones()).sum();
    let length = u32::try_from(sample.len()).unwrap_or(u32::MAX);
    values <= MOST_VALUES && values * 8 < length * 7
}

/// Deflated bytes, or `None` unless at least an eighth is saved.
fn deflate(data: &[u8]) -> Option<Vec<u8>> {
    #[cfg(feature = "meter")]
    crate::meter::deflated(u64::try_from(data.len()).unwrap_or(u64::MAX));
    let mut out = Vec::with_capacity(data.len() + data.len() / 8 + 64);
    let ended = DEFLATER.with_borrow_mut(|state| {
        let status = state.compress_vec(data, &mut out, FlushCompress::Finish);
        let ended = matches!(status, Ok(Status::StreamEnd));
        // Setting back forgets an open block only if it ended: found as a panic, and as streams that arrived changed.
        if ended {
            state.reset()
        } else {
            *state = deflater()
        }
        ended
    });
    (ended && out.len() <= data.len() - data.len() / 8).then_some(out)
}

fn deflater() -> Compress {
    Compress::new(Compression::fast(), false)
}

/// Appends `data` as stored deflate blocks.
fn store(w: &mut Writer, data: &[u8]) {
    let mut chunks = data.chunks(MAX_STORED).peekable();
    if chunks.peek().is_none() {
        w.bytes(&[1, 0, 0, 0xff, 0xff]);
    }
    while let Some(chunk) = chunks.next() {
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        w.u8(u8::from(chunks.peek().is_none()));
        w.bytes(&length.to_le_bytes());
        w.bytes(&(!length).to_le_bytes());
        w.bytes(chunk);
    }
}

fn crc32(data: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(data);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1u32;
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            })
            .collect()
    }

    #[test]
    fn packs_and_inflates() {
        for data in [Vec::new(), vec![7; 95], vec![7; 5000], noise(300), noise(70_000), b"GET / HTTP/1.1\r\n".repeat(9)] {
            let packed = pack([1, 2, 3, 4, 5, 6], &data);
            let inflated = inflate(&packed, data.len()).unwrap();
            assert_eq!(inflated, ([1, 2, 3, 4, 5, 6], data.clone()));
            assert_eq!(inflated.1.capacity(), data.len(), "it is kept: no room of its own");
            assert!(packed.len() <= data.len() + 18 + 5 * data.len().div_ceil(MAX_STORED).max(1));
            if !data.is_empty() {
                let error = inflate(&packed, data.len() - 1).unwrap_err();
                assert_eq!(error.kind, DecodeErrorKind::TooLong);
            }
        }
        assert!(pack([0; 6], &[7; 5000]).len() < 100);
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let bomb = pack([0; 6], &vec![0; 50_000_000]);
        assert!(bomb.len() < 500_000);
        assert_eq!(inflate(&bomb, 4096).unwrap_err().kind, DecodeErrorKind::TooLong);
    }

    /// One message may be a secret of one identity, the next one a stranger's.
    #[test]
    fn nothing_is_left_of_the_message_before() {
        let secret = noise(40_000);
        // A stored block that another one should follow.
        let mut endless = vec![0, 0x40, 0x9c, 0xbf, 0x63];
        endless.extend_from_slice(&secret);
        // Fixed codes, length 3, distance 1 (and 4): back beyond the begin.
        for back in [[0x03, 0x02, 0x00], [0x03, 0x62, 0x00]] {
            assert_eq!(inflate_raw(&endless, 50_000).unwrap_err(), DecodeErrorKind::Compression);
            assert_eq!(inflate_raw(&back, 50_000).unwrap_err(), DecodeErrorKind::Compression);
        }
    }

    #[test]
    fn deflating_is_the_same_after_anything() {
        let fresh = |data: &[u8]| {
            let mut out = Vec::with_capacity(2 * data.len() + 64);
            let status = deflater().compress_vec(data, &mut out, FlushCompress::Finish);
            assert_eq!(status.unwrap(), Status::StreamEnd);
            (out.len() <= data.len() - data.len() / 8).then_some(out)
        };
        let counting: Vec<u8> = (0..16_000u32).flat_map(u32::to_le_bytes).collect();
        let text = b"GET / HTTP/1.1\r\n".repeat(400);
        for length in (1..60).map(|step| step * step * 16) {
            for data in [&counting, &text, &noise(60_000), &noise(300).repeat(100)] {
                let data = &data[..length.min(data.len())];
                assert!(deflate(data) == fresh(data), "{length}");
            }
        }
    }

    /// Beginnings that look compressible before what isn't, as in pages with pictures, again and again.
    #[test]
    fn what_is_not_worth_it_wears_nothing_out() {
        let noise = noise(70_000);
        let text = b"GET / HTTP/1.1\r\n".repeat(20);
        for number in 0..300 {
            let data = [&text[..], &noise[number..number + 1_500]].concat();
            assert!(deflate(&data).is_none());
        }
        assert_eq!(inflate(&pack([0; 6], &text), text.len()).unwrap().1, text);
    }

    #[test]
    fn damage_is_noticed() {
        let packed = pack([0; 6], b"hello");
        for cut in 0..packed.len() {
            assert!(inflate(&packed[..cut], 100).is_err());
        }
        for index in (0..3).chain(11..packed.len()) {
            let mut damaged = packed.clone();
            damaged[index] ^= 0x10;
            assert!(inflate(&damaged, 100).is_err(), "{index}");
        }
    }

    #[test]
    fn optional_header_fields_are_skipped() {
        let packed = pack([0; 6], b"hello");
        let mut long = packed[..10].to_vec();
        long[3] = 2 | 4 | 8 | 16;
        long.extend_from_slice(b"\x03\0abcname\0comment\0\x12\x34");
        long.extend_from_slice(&packed[10..]);
        assert_eq!(inflate(&long, 100).unwrap().1, b"hello");
    }
}
