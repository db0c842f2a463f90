//! The seeded generator, and draws on any generator.

use core::convert::Infallible;

use rand::SeedableRng;
use rand::rngs::ChaCha20Rng;
use rand_core::{CryptoRng, TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use crate::kdf::hmac_sha256;

/// ChaCha20 generator with named children.
///
/// A child depends on its parent's seed and its label, never on how much the parent has drawn. So a draw
/// added in one place doesn't move the draws of all others, and a simulation stays comparable.
pub struct SeededRng {
    seed: Zeroizing<[u8; 32]>,
    stream: ChaCha20Rng,
}

impl SeededRng {
    /// A generator for `seed`. The production shell takes the seed from the operating system.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { stream: ChaCha20Rng::from_seed(seed), seed: Zeroizing::new(seed) }
    }

    /// The generator named `label` below this one. Two children with one label are equal: number them.
    #[must_use]
    pub fn child(&self, label: &str) -> Self {
        Self::new(hmac_sha256(&*self.seed, label.as_bytes()))
    }
}

crate::opaque_debug!(SeededRng);

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.stream.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.stream.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Infallible> {
        self.stream.try_fill_bytes(dst)
    }
}

impl TryCryptoRng for SeededRng {}

/// `N` random bytes.
#[must_use]
pub fn bytes<const N: usize>(rng: &mut dyn CryptoRng) -> [u8; N] {
    let mut out = [0; N];
    rng.fill_bytes(&mut out);
    out
}

/// A uniform number in `0..bound`, or 0 if `bound` is 0.
#[must_use]
pub fn below(rng: &mut dyn CryptoRng, bound: u32) -> u32 {
    if bound == 0 {
        return 0;
    }
    // The largest multiple of `bound` within 2^32: draws at or above it would favour small results.
    let limit = (1 << 32) - (1 << 32) % u64::from(bound);
    loop {
        let draw = rng.next_u32();
        if u64::from(draw) < limit {
            return draw % bound;
        }
    }
}

/// A uniform number in `low..=high`, or `low` if `high` is less.
#[must_use]
pub fn between(rng: &mut dyn CryptoRng, low: u64, high: u64) -> u64 {
    let Some(span) = high.checked_sub(low) else {
        return low;
    };
    let Some(bound) = span.checked_add(1) else {
        return rng.next_u64();
    };
    let excess = (u64::MAX % bound + 1) % bound; // 2^64 mod bound
    loop {
        let draw = rng.next_u64();
        if draw <= u64::MAX - excess {
            return low + draw % bound;
        }
    }
}

/// Puts `items` in a uniformly random order.
pub fn shuffle<T>(rng: &mut dyn CryptoRng, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        let high = u64::try_from(last).unwrap_or(u64::MAX);
        // A slice index fits `usize`, and the draw is at most `last`.
        let chosen = usize::try_from(between(rng, 0, high)).unwrap_or(last);
        items.swap(last, chosen);
    }
}
