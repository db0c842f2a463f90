//! What cryptography and gzip cost on this machine, by the names of the simulator's table `Costs`, which is filled from it. Of many
//! short rounds the median is taken, so that an interrupted one doesn't count.
//!
//! Run it on an idle machine: `cargo bench -p ramson-sim --bench costs`

#![expect(clippy::print_stdout, reason = "a table for a person")]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it measures real time")]

use std::hint::black_box;
use std::time::Instant;

use ramson_aes::{LayerJob, LayerKeys, encrypt_batch};
use ramson_crypto::rng::SeededRng;
use ramson_crypto::{aead, chacha20, ed25519, elligator2, kdf, sha256, x25519};
use ramson_wire::payload;

const ROUNDS: usize = 201;
const ROUND_NANOS: u128 = 500_000;
/// Lengths between which the cost of a byte is taken.
const SHORT: u16 = 64;
const LONG: u16 = 2048;

/// Nanoseconds of one call.
fn nanos<T>(mut work: impl FnMut() -> T) -> f64 {
    let started = Instant::now();
    let mut calls = 0_u32;
    while started.elapsed().as_nanos() < ROUND_NANOS {
        black_box(work());
        calls += 1;
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            for _ in 0..calls {
                black_box(work());
            }
            started.elapsed().as_secs_f64() * 1e9 / f64::from(calls)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

/// Nanoseconds of a call without bytes, and of a byte.
fn linear(mut work: impl FnMut(&mut [u8])) -> (f64, f64) {
    let mut data = vec![7; usize::from(LONG)];
    let (short, long) = (nanos(|| work(&mut data[..usize::from(SHORT)])), nanos(|| work(&mut data)));
    let byte = (long - short) / f64::from(LONG - SHORT);
    (short - byte * f64::from(SHORT), byte)
}

fn row(name: &str, nanos: f64) {
    println!("{name:<24}{nanos:>12.3}");
}

fn curves(rng: &mut SeededRng) {
    let key = x25519::PrivateKey::generate(rng);
    let peer = x25519::PrivateKey::generate(rng).public();
    row("key_agreement", nanos(|| key.diffie_hellman(&peer)));
    row("key_generation", nanos(|| x25519::PrivateKey::from_bytes(&[9; 32])));
    let key = ed25519::SigningKey::generate(rng);
    let message = [5; 500];
    let signature = key.sign(&message);
    row("signature", nanos(|| key.sign(&message)));
    row("verification", nanos(|| key.public().verify(&message, &signature)));
    row("signing_key", nanos(|| ed25519::SigningKey::from_seed(&[9; 32])));
    // As many keys with a representative as without one.
    let keys: Vec<_> = (0..64).map(|_| x25519::PrivateKey::generate(rng).public()).collect();
    let mut turns = keys.iter().cycle();
    row("elligator_encoding", nanos(|| turns.next().map(|key| elligator2::encode(key, rng))));
    let (_, representative) = elligator2::generate(rng);
    row("elligator_decoding", nanos(|| elligator2::decode(&representative)));
}

fn bytes() {
    let key = aead::Key::new(&[3; 32]);
    let mut sealed = Vec::with_capacity(usize::from(LONG) + aead::TAG_LEN);
    let (call, byte) = linear(|data| {
        sealed.clear();
        sealed.extend_from_slice(data);
        key.seal([0; 12], &[], &mut sealed);
    });
    row("aead_call", call);
    row("aead_byte", byte);
    // What doesn't open costs as much as what does.
    let (call, byte) = linear(|data| drop(key.open([0; 12], &[], data)));
    row("  (to open: calls)", call);
    row("  (to open: bytes)", byte);
    let (call, byte) = linear(|data| chacha20::apply(&[3; 32], &[0; 12], 0, data));
    row("chacha20_call", call);
    row("chacha20_byte", byte);
    let (call, byte) = linear(|data| {
        black_box(sha256(data));
    });
    row("hash_call", call);
    row("hash_byte", byte);
    row("hmac_call", nanos(|| kdf::hkdf_pair(&[1; 32], &[2; 32], b"")) / 3.0);
}

fn layers() {
    let batch = |count: u8| {
        let keys: Vec<_> = (0..count).map(|n| LayerKeys::new(&[n; 32], &[!n; 32])).collect();
        let mut messages = vec![[7; 1024]; usize::from(count)];
        nanos(|| {
            let jobs = keys.iter().zip(&mut messages).map(|(keys, message)| LayerJob { keys, message });
            encrypt_batch(&mut jobs.collect::<Vec<_>>());
        })
    };
    let (one, many) = (batch(1), batch(97));
    let message = (many - one) / 96.0;
    row("layer_batch", one - message);
    row("layer_added", message);
    let keys = LayerKeys::new(&[1; 32], &[2; 32]);
    let mut data = [7; 1024];
    row("layer_removed", nanos(|| keys.decrypt(&mut data)));
    let key = ramson_aes::Key::new(&[1; 32]);
    let (_, byte) = linear(|data| {
        black_box(key.cbc_encrypt(&[0; 16], data).is_ok());
    });
    row("cbc_byte", byte);
}

/// Of what is worth it: text between keys, as in a RouterInfo or a packet with a destination.
fn gzip() {
    let mut data = b"caps=XfR host=127.0.0.1 ".repeat(100);
    for (index, byte) in data.iter_mut().enumerate().filter(|(index, _)| index % 128 < 32) {
        *byte = sha256(&index.to_be_bytes())[0];
    }
    let lengths = [4 * SHORT, LONG];
    let parts = lengths.map(|length| &data[..usize::from(length)]);
    let packed = parts.map(|part| payload::encode(0, 0, payload::RAW, part));
    let call_and_byte = |[short, long]: [f64; 2]| {
        let byte = (long - short) / f64::from(lengths[1] - lengths[0]);
        (short - byte * f64::from(lengths[0]), byte)
    };
    let (call, byte) = call_and_byte([0, 1].map(|which| nanos(|| payload::decode(&packed[which], 65_536))));
    row("inflate_call", call);
    row("inflate_byte", byte);
    let (call, byte) = call_and_byte([0, 1].map(|which| nanos(|| payload::encode(0, 0, payload::RAW, parts[which]))));
    row("deflate_call", call);
    row("deflate_byte", byte);
    println!("({lengths:?} bytes become {:?})", packed.map(|packed| packed.len()));
}

fn main() {
    println!("{:<24}{:>12}", "", "nanoseconds");
    curves(&mut SeededRng::new([7; 32]));
    bytes();
    layers();
    gzip();
}
