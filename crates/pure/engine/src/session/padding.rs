//! How much padding a garlic message gets. What an observer at the tunnel's ends could learn from is the total length alone.
//!
//! Java pads by 0 to 15 bytes at random, or up to a border at which the message would need one more tunnel fragment; i2pd by 1 to 16.
//! Ours draws from the range they share and stops at the borders likewise.

use ramson_crypto::{CryptoRng, rng};

/// Lengths (without the 4-byte length field) up to which a garlic message needs 1, 2 or 3 tunnel messages.
const BORDERS: [usize; 3] = [944, 1936, 2932];
/// Type and length of a padding block.
const HEADER: usize = 3;

/// Bytes inside the padding block for a message that is `len` bytes long without it; `None`: no block at all.
pub(super) fn choose(len: usize, rng: &mut dyn CryptoRng) -> Option<u16> {
    let drawn = u16::try_from(1 + rng::below(rng, 15)).unwrap_or(1);
    for border in BORDERS {
        if len <= border && border < len + HEADER + usize::from(drawn) {
            return border.checked_sub(len + HEADER).and_then(|room| u16::try_from(room).ok());
        }
    }
    Some(drawn)
}

/// The same for an NS, whose length is kept off 2 modulo 16: a destination with both kinds of keys would try ElGamal first.
pub(super) fn choose_new_session(len: usize, rng: &mut dyn CryptoRng) -> Option<u16> {
    let chosen = choose(len, rng);
    let total = len + chosen.map_or(0, |padding| HEADER + usize::from(padding));
    if total % 16 != 2 {
        return chosen;
    }
    Some(chosen.map_or(0, |padding| padding + 1))
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;

    use super::*;

    #[test]
    fn padding_stays_within_a_fragment() {
        let mut rng = SeededRng::new([1; 32]);
        for len in 0..4000 {
            let total = |padding: Option<u16>| len + padding.map_or(0, |n| 3 + usize::from(n));
            let padded = total(choose(len, &mut rng));
            assert!(padded <= len + 18);
            for border in BORDERS {
                assert!(len > border || padded <= border, "{len} to {padded}");
            }
            assert_ne!(total(choose_new_session(len, &mut rng)) % 16, 2);
        }
    }
}
