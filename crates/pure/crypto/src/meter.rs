//! Counts of the dear operations of this thread, for a simulator that charges time for them. Only with the feature `meter`.
//!
//! Every count stands for a fixed cost, or for bytes of a fixed cost each, so that the time of what was done is a sum of products.

use std::cell::Cell;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// X25519 agreements.
    pub key_agreements: u64,
    /// X25519 public keys computed.
    pub key_generations: u64,
    /// Ed25519 signatures made.
    pub signatures: u64,
    /// Ed25519 signatures checked.
    pub verifications: u64,
    /// Ed25519 public keys computed.
    pub signing_keys: u64,
    /// Representatives sought; half of them are not there.
    pub elligator_encodings: u64,
    /// Representatives decoded.
    pub elligator_decodings: u64,
    /// ChaCha20-Poly1305 texts sealed or opened, those with a wrong tag too.
    pub aead_calls: u64,
    /// Their bytes without tags.
    pub aead_bytes: u64,
    /// Calls of bare ChaCha20.
    pub chacha20_calls: u64,
    /// Their bytes.
    pub chacha20_bytes: u64,
    /// SHA-256 hashes, those inside of HMACs left out.
    pub hash_calls: u64,
    /// Their bytes.
    pub hash_bytes: u64,
    /// HMACs, those inside of HKDF too: one to extract, one for each 32 bytes that come out.
    pub hmac_calls: u64,
}

thread_local! {
    static WORK: Cell<Work> = const {
        Cell::new(Work {
            key_agreements: 0,
            key_generations: 0,
            signatures: 0,
            verifications: 0,
            signing_keys: 0,
            elligator_encodings: 0,
            elligator_decodings: 0,
            aead_calls: 0,
            aead_bytes: 0,
            chacha20_calls: 0,
            chacha20_bytes: 0,
            hash_calls: 0,
            hash_bytes: 0,
            hmac_calls: 0,
        })
    };
}

/// What this thread did since the last call.
#[must_use = "it is counted only once"]
pub fn take() -> Work {
    WORK.take()
}

pub(crate) fn count(add: impl FnOnce(&mut Work)) {
    let mut work = WORK.get();
    add(&mut work);
    WORK.set(work);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRng;
    use crate::{aead, chacha20, ed25519, elligator2, kdf, sha256, sha256_parts, x25519};

    fn done<T>(work: impl FnOnce() -> T) -> Work {
        let _ = take();
        let _ = work();
        let done = take();
        assert_eq!(take(), Work::default(), "taken once");
        done
    }

    #[test]
    fn curve_operations_are_counted() {
        let mut rng = SeededRng::new([1; 32]);
        assert_eq!(done(|| x25519::PrivateKey::generate(&mut rng)), Work { key_generations: 1, ..Work::default() });
        let key = x25519::PrivateKey::generate(&mut rng);
        assert_eq!(done(|| key.diffie_hellman(&key.public())), Work { key_agreements: 1, ..Work::default() });

        assert_eq!(done(|| ed25519::SigningKey::generate(&mut rng)), Work { signing_keys: 1, ..Work::default() });
        let key = ed25519::SigningKey::generate(&mut rng);
        let signature = key.sign(b"text");
        assert_eq!(done(|| key.sign(b"text")), Work { signatures: 1, ..Work::default() });
        assert_eq!(done(|| key.public().verify(b"text", &signature)), Work { verifications: 1, ..Work::default() });
        assert_eq!(done(|| key.public().verify(b"other", &signature)).verifications, 1, "a wrong signature costs as much");

        let made = done(|| elligator2::generate(&mut rng));
        assert!(made.elligator_encodings >= 1);
        assert_eq!(made.key_generations, made.elligator_encodings, "one try for each key drawn");
        assert_eq!(done(|| elligator2::decode(&[3; 32])), Work { elligator_decodings: 1, ..Work::default() });
    }

    #[test]
    fn bytes_are_counted() {
        let key = aead::Key::new(&[2; 32]);
        let mut text = vec![0; 100];
        let one = Work { aead_calls: 1, aead_bytes: 90, ..Work::default() };
        assert_eq!(done(|| key.seal_from([0; 12], &[], &mut text, 10)), one);
        assert_eq!(done(|| key.open([0; 12], &[], &mut text[10..]).map(drop)), one);
        assert_eq!(done(|| key.open([0; 12], &[], &mut text[10..]).map(drop)), one, "what doesn't open costs as much");
        let raw = done(|| chacha20::apply(&[1; 32], &[0; 12], 0, &mut text));
        assert_eq!(raw, Work { chacha20_calls: 1, chacha20_bytes: 116, ..Work::default() });
        assert_eq!(done(|| sha256(&[0; 70])), Work { hash_calls: 1, hash_bytes: 70, ..Work::default() });
        assert_eq!(done(|| sha256_parts(&[&[0; 70], &[1; 5]])), Work { hash_calls: 1, hash_bytes: 75, ..Work::default() });
        assert_eq!(done(|| kdf::hmac_sha256(&[1; 32], b"data")), Work { hmac_calls: 1, ..Work::default() });
        assert_eq!(done(|| kdf::hkdf_pair(&[1; 32], b"data", b"")), Work { hmac_calls: 3, ..Work::default() });
        assert_eq!(done(|| kdf::hkdf::<80>(&[1; 32], b"data", b"")), Work { hmac_calls: 4, ..Work::default() });
    }

    #[test]
    fn each_thread_counts_its_own() {
        let _ = take();
        let there = std::thread::scope(|scope| {
            let run = || {
                let _ = sha256(&[0; 3]);
                take()
            };
            scope.spawn(run).join().unwrap()
        });
        assert_eq!(there.hash_bytes, 3);
        assert_eq!(take(), Work::default());
    }
}
