//! Raw ChaCha20 (RFC 8439), unauthenticated: header masks and the other hops' build records.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher, StreamCipherSeek};

use crate::count;

/// XORs the key stream, from 64-byte block number `counter` on, into `buf`. Applying it twice restores `buf`.
///
/// The stream ends after 2^32 blocks (256 GiB): no buffer gets near it unless `counter` starts there, and
/// then `buf` is left as it is.
pub fn apply(key: &[u8; 32], nonce: &[u8; 12], counter: u32, buf: &mut [u8]) {
    count!(chacha20_calls: 1, chacha20_bytes: buf.len());
    let mut cipher = ChaCha20::new(key.into(), nonce.into());
    if cipher.try_seek(u64::from(counter) * 64).is_ok() {
        let _ = cipher.try_apply_keystream(buf);
    }
}
