//! Every choice of padding, in one place: sizes are the only thing an observer sees of a session.
//!
//! What others do: Java pads messages 1, 2 and 3 with 0 to 63 bytes each; i2pd pads messages 1 and 2 with 0 to 222 and
//! message 3 not at all, and frames with 0 to 6 % (at least as of 256 bytes). We draw from Java's ranges, as most of the
//! network does, and offer and keep 0 to 6.25 % for frames.

use ramson_crypto::{CryptoRng, rng};

/// Most padding that we put in a handshake message.
pub(crate) const MAX_SENT: u32 = 63;
/// Most padding that we accept in messages 1 and 2. Java caps its own at 256, i2pd at 223.
pub(crate) const MAX_ACCEPTED: u16 = 256;
/// Frames are padded by up to one part in this many.
const FRAME_DIVISOR: usize = 16;
/// Frames shorter than this are padded as if they were this long, so that small messages aren't told by their size.
const FRAME_FLOOR: usize = 256;

/// Random padding behind message 1 or 2.
pub(crate) fn handshake(rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut padding = vec![0; message_3(rng)];
    rng.fill_bytes(&mut padding);
    padding
}

/// Length of the padding block's content in message 3.
pub(crate) fn message_3(rng: &mut dyn CryptoRng) -> usize {
    usize::try_from(rng::below(rng, MAX_SENT + 1)).unwrap_or(0)
}

/// Length of the padding block's content in a frame with `payload` bytes of other blocks.
pub(crate) fn frame(rng: &mut dyn CryptoRng, payload: usize) -> usize {
    let most = payload.max(FRAME_FLOOR) / FRAME_DIVISOR;
    let bound = u32::try_from(most + 1).unwrap_or(1);
    usize::try_from(rng::below(rng, bound)).unwrap_or(0)
}
