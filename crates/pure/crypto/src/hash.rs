use sha2::{Digest, Sha256};

use crate::count;

/// SHA-256 of `data`.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    count!(hash_calls: 1, hash_bytes: data.len());
    Sha256::digest(data).into()
}

/// SHA-256 of the concatenation of `parts`, without building it.
#[must_use]
pub fn sha256_parts(parts: &[&[u8]]) -> [u8; 32] {
    count!(hash_calls: 1, hash_bytes: parts.iter().map(|part| part.len()).sum::<usize>());
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
