//! Twelve lanes on an AES unit that takes four blocks at once (VAES with 512-bit registers): a quarter less time per message.
//!
//! Three registers of four blocks each hide the rounds' latency. Each lane has its own keys, so round keys are first packed in the
//! same order as the blocks, once per pass; sixty-odd blocks per message pay for that.

use core::arch::x86_64::{
    __m512i, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_castsi128_si512, _mm512_extracti32x4_epi32,
    _mm512_inserti32x4, _mm512_setzero_si512, _mm512_xor_si512,
};

use super::{LAST, Lane, load, store};
use crate::BLOCK_LEN;
use crate::layer::MESSAGE_LEN;
use crate::schedule::{ROUND_KEYS, Schedule};

const REGISTERS: usize = 3;
/// Blocks in a register.
const WIDTH: usize = 4;
/// Messages side by side.
const LANES: usize = REGISTERS * WIDTH;

/// One block, or one round key, of every lane.
type Row = [__m512i; REGISTERS];

/// Proof that this processor has the wide AES unit.
#[derive(Clone, Copy)]
pub(super) struct WideUnit(());

impl WideUnit {
    pub(super) fn detect() -> Option<Self> {
        let found = std::arch::is_x86_feature_detected!("vaes") && std::arch::is_x86_feature_detected!("avx512f");
        found.then_some(Self(()))
    }

    /// Adds a layer to as many messages as fill whole passes, and gives back the others.
    pub(super) fn encrypt<'a, 'b>(self, lanes: &'a mut [Lane<'b>]) -> &'a mut [Lane<'b>] {
        let (full, rest) = lanes.as_chunks_mut::<LANES>();
        for lanes in full {
            // SAFETY: `self` proves the wide AES unit.
            unsafe { encrypt_lanes(lanes) };
        }
        rest
    }
}

#[target_feature(enable = "vaes,avx512f")]
fn encrypt_lanes(lanes: &mut [Lane<'_>; LANES]) {
    let iv_keys = pack(&lanes.each_ref().map(|lane| lane.iv));
    let layer_keys = pack(&lanes.each_ref().map(|lane| lane.layer));
    let mut messages = lanes.each_mut().map(|lane| lane.message.as_chunks_mut::<BLOCK_LEN>().0);

    let mut state = [_mm512_setzero_si512(); REGISTERS];
    absorb(&mut state, &messages, 0);
    encrypt_blocks(&mut state, &iv_keys);
    let mut iv = state;
    for block in 1..MESSAGE_LEN / BLOCK_LEN {
        absorb(&mut state, &messages, block);
        encrypt_blocks(&mut state, &layer_keys);
        scatter(&state, &mut messages, block);
    }
    encrypt_blocks(&mut iv, &iv_keys);
    scatter(&iv, &mut messages, 0);
}

#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn encrypt_blocks(state: &mut Row, keys: &[Row; ROUND_KEYS]) {
    let [mut a, mut b, mut c] = *state;
    a = _mm512_xor_si512(a, keys[0][0]);
    b = _mm512_xor_si512(b, keys[0][1]);
    c = _mm512_xor_si512(c, keys[0][2]);
    for key in &keys[1..LAST] {
        a = _mm512_aesenc_epi128(a, key[0]);
        b = _mm512_aesenc_epi128(b, key[1]);
        c = _mm512_aesenc_epi128(c, key[2]);
    }
    a = _mm512_aesenclast_epi128(a, keys[LAST][0]);
    b = _mm512_aesenclast_epi128(b, keys[LAST][1]);
    c = _mm512_aesenclast_epi128(c, keys[LAST][2]);
    *state = [a, b, c];
}

/// Round by round, the keys of all lanes.
#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn pack(schedules: &[&Schedule; LANES]) -> [Row; ROUND_KEYS] {
    let mut keys = [[_mm512_setzero_si512(); REGISTERS]; ROUND_KEYS];
    for (round, keys) in keys.iter_mut().enumerate() {
        for (register, [a, b, c, d]) in keys.iter_mut().zip(schedules.as_chunks::<WIDTH>().0) {
            *register = join(&a.round_keys()[round], &b.round_keys()[round], &c.round_keys()[round], &d.round_keys()[round]);
        }
    }
    keys
}

/// XORs a block of every message into the state.
#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn absorb(state: &mut Row, messages: &[&mut [[u8; BLOCK_LEN]]; LANES], block: usize) {
    for (state, [a, b, c, d]) in state.iter_mut().zip(messages.as_chunks::<WIDTH>().0) {
        *state = _mm512_xor_si512(*state, join(&a[block], &b[block], &c[block], &d[block]));
    }
}

#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn join(a: &[u8; BLOCK_LEN], b: &[u8; BLOCK_LEN], c: &[u8; BLOCK_LEN], d: &[u8; BLOCK_LEN]) -> __m512i {
    let first = _mm512_castsi128_si512(load(a));
    let second = _mm512_inserti32x4::<1>(first, load(b));
    let third = _mm512_inserti32x4::<2>(second, load(c));
    _mm512_inserti32x4::<3>(third, load(d))
}

/// Writes the state as a block of every message.
#[inline]
#[target_feature(enable = "vaes,avx512f")]
fn scatter(state: &Row, messages: &mut [&mut [[u8; BLOCK_LEN]]; LANES], block: usize) {
    for (state, [a, b, c, d]) in state.iter().zip(messages.as_chunks_mut::<WIDTH>().0) {
        store(_mm512_extracti32x4_epi32::<0>(*state), &mut a[block]);
        store(_mm512_extracti32x4_epi32::<1>(*state), &mut b[block]);
        store(_mm512_extracti32x4_epi32::<2>(*state), &mut c[block]);
        store(_mm512_extracti32x4_epi32::<3>(*state), &mut d[block]);
    }
}
