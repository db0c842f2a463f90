//! HMAC-SHA-256 (RFC 2104) and HKDF-SHA-256 (RFC 5869).

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::count;

/// HMAC-SHA-256 of `data`.
#[must_use]
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    count!(hmac_calls: 1);
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// HKDF-SHA-256: extract with `salt` and `ikm`, expand with `info` to `N` bytes, at most 96.
#[must_use]
#[expect(clippy::expect_used, reason = "the output is checked to be below 255 hashes at compile time")]
pub fn hkdf<const N: usize>(salt: &[u8], ikm: &[u8], info: &[u8]) -> [u8; N] {
    const { assert!(N <= 96, "no I2P derivation is longer") };
    count!(hmac_calls: 1 + N.div_ceil(32));
    let mut out = [0; N];
    Hkdf::<Sha256>::new(Some(salt), ikm).expand(info, &mut out).expect("96 bytes are below 255 hashes");
    out
}

/// HKDF to 64 bytes, as two keys: the shape of nearly every derivation in I2P.
#[must_use]
pub fn hkdf_pair(salt: &[u8], ikm: &[u8], info: &[u8]) -> ([u8; 32], [u8; 32]) {
    let out = zeroize::Zeroizing::new(hkdf::<64>(salt, ikm, info));
    let (mut first, mut second) = ([0; 32], [0; 32]);
    first.copy_from_slice(&out[..32]);
    second.copy_from_slice(&out[32..]);
    (first, second)
}
