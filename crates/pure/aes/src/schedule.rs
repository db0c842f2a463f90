//! Key expansion for the vector paths: the `aes` crate keeps its round keys to itself.

use aes::hazmat;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::BLOCK_LEN;

/// Round keys of AES-256.
pub(crate) const ROUND_KEYS: usize = 15;

/// The encryption round keys of one AES-256 key, in order, aligned for vector loads.
#[derive(ZeroizeOnDrop)]
#[cfg_attr(feature = "testing", derive(Clone))]
#[repr(C, align(16))]
pub(crate) struct Schedule([[u8; BLOCK_LEN]; ROUND_KEYS]);

impl Schedule {
    /// Source: FIPS 197, "Key Expansion". Without tables, so without secret addresses.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        const KEY_WORDS: usize = 8;
        let mut words = Zeroizing::new([[0_u8; 4]; 4 * ROUND_KEYS]);
        for (word, bytes) in words.iter_mut().zip(key.as_chunks().0) {
            *word = *bytes;
        }
        let mut constant = 1_u8;
        for i in KEY_WORDS..words.len() {
            let mut word = words[i - 1];
            if i % KEY_WORDS == 0 {
                word.rotate_left(1);
                word = substitute(word);
                word[0] ^= constant;
                constant <<= 1;
            } else if i % KEY_WORDS == 4 {
                word = substitute(word);
            }
            for (byte, earlier) in word.iter_mut().zip(words[i - KEY_WORDS]) {
                *byte ^= earlier;
            }
            words[i] = word;
        }
        let mut keys = [[0; BLOCK_LEN]; ROUND_KEYS];
        for (out, word) in keys.as_flattened_mut().as_chunks_mut().0.iter_mut().zip(words.iter()) {
            *out = *word;
        }
        Self(keys)
    }

    /// The round keys.
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code, reason = "only vector paths and tests read them"))]
    pub(crate) fn round_keys(&self) -> &[[u8; BLOCK_LEN]; ROUND_KEYS] {
        &self.0
    }
}

/// The S-box on each byte of a word. A cipher round of four equal columns under a zero key is the S-box and then
/// MixColumns, since shifting rows moves nothing; the latter is undone.
fn substitute(word: [u8; 4]) -> [u8; 4] {
    let mut block = aes::Block::default();
    for column in block.as_chunks_mut().0 {
        *column = word;
    }
    hazmat::cipher_round(&mut block, &aes::Block::default());
    hazmat::inv_mix_columns(&mut block);
    [block[0], block[1], block[2], block[3]]
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::tests::hex;

    /// FIPS 197, appendix A.3.
    #[test]
    fn key_expansion_example() {
        let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
        let schedule = Schedule::new(&key.clone().try_into().unwrap());
        let keys = schedule.round_keys();
        assert_eq!(keys.as_flattened()[..32], key);
        assert_eq!(keys[2][..], hex("9ba354118e6925afa51a8b5f2067fcde"));
        assert_eq!(keys[14][..], hex("fe4890d1e6188d0b046df344706c631e"));
    }
}
