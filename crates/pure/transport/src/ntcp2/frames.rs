//! Frames of the data phase: masked length 2 ‖ ChaCha20-Poly1305(blocks), one counter and one mask sequence per direction.
//! Source: NTCP2, "4) Data Phase", "SipHash Obfuscated Length".

use ramson_crypto::aead::{self, TAG_LEN};
use ramson_crypto::siphash::LengthMask;

use super::handshake::DirectionKeys;

/// Length field before each frame.
pub(crate) const LENGTH_LEN: usize = 2;
/// Frames per direction after which the session must end. The counter has 64 bits and must never wrap; at a million frames
/// a second this is 292,000 years, so it is a guard, not a plan.
const NONCE_LIMIT: u64 = 1 << 63;

/// All nonces of one direction are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nonces used up")]
pub(crate) struct NoncesUsed;

/// Why a frame can't be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("frame doesn't authenticate")]
    Tag,
    #[error("nonces used up")]
    NoncesUsed,
}

/// One direction's keys in use.
struct Direction {
    key: aead::Key,
    mask: LengthMask,
    counter: u64,
    limit: u64,
}

impl Direction {
    fn new(keys: &DirectionKeys) -> Self {
        Self { key: aead::Key::new(&keys.aead), mask: keys.length_mask(), counter: 0, limit: NONCE_LIMIT }
    }

    fn next_nonce(&mut self) -> Result<[u8; 12], NoncesUsed> {
        if self.counter >= self.limit {
            return Err(NoncesUsed);
        }
        let nonce = aead::nonce(self.counter);
        self.counter += 1;
        Ok(nonce)
    }
}

/// Seals frames, in place behind what the buffer holds.
pub(crate) struct Sealer(Direction);

impl Sealer {
    pub(crate) fn new(keys: &DirectionKeys) -> Self {
        Self(Direction::new(keys))
    }

    /// Leaves room for the length and gives the place where the blocks begin.
    pub(crate) fn begin(out: &mut Vec<u8>) -> usize {
        out.extend_from_slice(&[0; LENGTH_LEN]);
        out.len()
    }

    /// Seals the blocks that were written from `start` on. On error nothing of the frame is left.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>, start: usize) -> Result<(), NoncesUsed> {
        let begin = start.saturating_sub(LENGTH_LEN);
        let Ok(nonce) = self.0.next_nonce() else {
            out.truncate(begin);
            return Err(NoncesUsed);
        };
        self.0.key.seal_from(nonce, &[], out, start);
        let sealed = u16::try_from(out.len().saturating_sub(start)).unwrap_or(u16::MAX);
        let masked = (sealed ^ self.0.mask.next()).to_be_bytes();
        if let Some(length) = out.get_mut(begin..start) {
            length.copy_from_slice(&masked);
        }
        Ok(())
    }

    /// Ends the nonces after `frames` more frames.
    #[cfg(test)]
    pub(crate) fn limit(&mut self, frames: u64) {
        self.0.limit = self.0.counter + frames;
    }
}

/// Opens frames.
pub(crate) struct Opener(Direction);

impl Opener {
    pub(crate) fn new(keys: &DirectionKeys) -> Self {
        Self(Direction::new(keys))
    }

    /// Unmasks the length of the next frame: to be called once per frame. None if it is shorter than a tag.
    pub(crate) fn length(&mut self, masked: [u8; LENGTH_LEN]) -> Option<usize> {
        let length = usize::from(u16::from_be_bytes(masked) ^ self.0.mask.next());
        (length >= TAG_LEN).then_some(length)
    }

    /// Opens a frame in place; the tag is cut off.
    pub(crate) fn open(&mut self, frame: &mut Vec<u8>) -> Result<(), OpenError> {
        let nonce = self.0.next_nonce().map_err(|NoncesUsed| OpenError::NoncesUsed)?;
        let opened = self.0.key.open(nonce, &[], frame).map_err(|_| OpenError::Tag)?.len();
        frame.truncate(opened);
        Ok(())
    }

    /// Frames opened so far, or tried.
    pub(crate) fn frames(&self) -> u64 {
        self.0.counter
    }
}
