//! SipHash-2-4 and the length masks of NTCP2.

use siphasher::sip::SipHasher24;
use zeroize::ZeroizeOnDrop;

use crate::opaque_debug;

/// SipHash-2-4 of `data`, in the little-endian byte order of the reference implementation.
#[must_use]
pub fn siphash24(key: &[u8; 16], data: &[u8]) -> [u8; 8] {
    SipHasher24::new_with_key(key).hash(data).to_le_bytes()
}

/// The masks of NTCP2 frame lengths in one direction.
///
/// Before each frame, the first too, the state becomes its own SipHash; the mask is the first two bytes of the new
/// state, read little-endian. The frame's length XOR the mask goes on the wire big-endian.
/// Source: NTCP2, "Data Phase", obfuscated length.
#[derive(ZeroizeOnDrop)]
pub struct LengthMask {
    key: [u8; 16],
    state: [u8; 8],
}

impl LengthMask {
    /// Masks under the key `k1 ‖ k2`, from the initial state `iv`, all as derived.
    #[must_use]
    pub fn new(k1: [u8; 8], k2: [u8; 8], iv: [u8; 8]) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&k1);
        key[8..].copy_from_slice(&k2);
        Self { key, state: iv }
    }

    /// The mask of the next frame.
    #[expect(clippy::should_implement_trait, reason = "masks never end, and are never iterated over")]
    #[must_use = "each call moves on to the next frame"]
    pub fn next(&mut self) -> u16 {
        self.state = siphash24(&self.key, &self.state);
        u16::from_le_bytes([self.state[0], self.state[1]])
    }
}

opaque_debug!(LengthMask);
