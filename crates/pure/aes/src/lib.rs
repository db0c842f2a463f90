//! AES-256 for tunnel layers and transport obfuscation, in batches.
//!
//! A relay's main work is one AES layer on each 1024-byte tunnel message. CBC encryption is serial within a message, so
//! one message alone leaves most of the processor's AES unit idle; [`encrypt_batch`] takes messages of different
//! tunnels side by side. The portable path and the vector path give the same bytes.

mod layer;
#[cfg(feature = "meter")]
pub mod meter;
mod schedule;
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "vector loads and calls into functions compiled for the AES unit")]
mod simd;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_simd.rs"]
mod simd;

pub use layer::{LayerJob, LayerKeys, encrypt_batch};

use aes::{Aes256Dec, Aes256Enc};
use cbc::{Decryptor, Encryptor};
use cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt, InnerIvInit, KeyInit};

/// Length of a block, an IV, in bytes.
pub const BLOCK_LEN: usize = 16;

/// The data of a CBC operation is no whole number of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("length is no multiple of the AES block length")]
pub struct BadLength;

/// An AES-256 key with both schedules, wiped on drop.
#[cfg_attr(feature = "testing", derive(Clone))]
pub struct Key {
    encrypt: Aes256Enc,
    decrypt: Aes256Dec,
}

impl Key {
    /// Expands `key`. Do it once per key, not per message.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        let encrypt = Aes256Enc::new(key.into());
        Self { decrypt: Aes256Dec::from(&encrypt), encrypt }
    }

    /// Encrypts one block (ECB).
    pub fn encrypt_block(&self, block: &mut [u8; BLOCK_LEN]) {
        self.encrypt.encrypt_block(block.into());
    }

    /// Decrypts one block (ECB).
    pub fn decrypt_block(&self, block: &mut [u8; BLOCK_LEN]) {
        self.decrypt.decrypt_block(block.into());
    }

    /// CBC without padding, in place.
    ///
    /// # Errors
    /// `BadLength` if `data` is no whole number of blocks; it is unchanged then.
    pub fn cbc_encrypt(&self, iv: &[u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), BadLength> {
        self.chain(iv, data)?;
        count!(cbc_bytes: data.len());
        Ok(())
    }

    /// [`cbc_encrypt`](Self::cbc_encrypt), not counted.
    fn chain(&self, iv: &[u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), BadLength> {
        let (blocks, []) = Array::slice_as_chunks_mut(data) else {
            return Err(BadLength);
        };
        Encryptor::inner_iv_init(&self.encrypt, iv.into()).encrypt_blocks(blocks);
        Ok(())
    }

    /// The inverse of [`cbc_encrypt`](Self::cbc_encrypt).
    ///
    /// # Errors
    /// `BadLength` if `data` is no whole number of blocks; it is unchanged then.
    pub fn cbc_decrypt(&self, iv: &[u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), BadLength> {
        self.unchain(iv, data)?;
        count!(cbc_bytes: data.len());
        Ok(())
    }

    /// [`cbc_decrypt`](Self::cbc_decrypt), not counted.
    fn unchain(&self, iv: &[u8; BLOCK_LEN], data: &mut [u8]) -> Result<(), BadLength> {
        let (blocks, []) = Array::slice_as_chunks_mut(data) else {
            return Err(BadLength);
        };
        Decryptor::inner_iv_init(&self.decrypt, iv.into()).decrypt_blocks(blocks);
        Ok(())
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// Adds to this thread's counts of what was done, if the feature that counts is on.
macro_rules! count {
    ($($field:ident: $amount:expr),+) => {
        #[cfg(feature = "meter")]
        crate::meter::count(|work| {
            $(work.$field += $amount as u64;)+
        });
    };
}
pub(crate) use count;

#[cfg(test)]
mod tests;
