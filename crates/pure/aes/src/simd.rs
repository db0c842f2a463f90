//! Tunnel layers on the AES unit of x86-64: one message per lane, up to eight lanes, each with its own keys.
//!
//! A block takes fourteen rounds that wait for one another, each of some three or four cycles, while the unit can start
//! one or two rounds every cycle. Eight independent messages keep it busy; more than the sixteen vector registers can hold would not help.
//!
//! Where the processor has the unit four blocks wide (VAES), twelve messages go side by side first, see [`wide`].
//!
//! Unsafe code here does two things only: it calls functions compiled for the unit, which an [`AesUnit`] proves
//! to be there, and it moves whole blocks between byte arrays and vector registers.

mod wide;

use core::arch::x86_64::{
    __m128i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_aesimc_si128, _mm_load_si128,
    _mm_loadu_si128, _mm_setzero_si128, _mm_storeu_si128, _mm_xor_si128,
};

use crate::BLOCK_LEN;
use crate::layer::MESSAGE_LEN;
use crate::schedule::{ROUND_KEYS, Schedule};

/// Messages side by side.
const LANES: usize = 8;
/// Blocks decrypted side by side within one message: the 63 data blocks are nine such groups.
const GROUP: usize = 7;
const LAST: usize = ROUND_KEYS - 1;

/// Proof that this processor has an AES unit, and perhaps the wide one.
#[derive(Clone, Copy)]
pub(crate) struct AesUnit {
    wide: Option<wide::WideUnit>,
}

/// One message and the schedules of its hop.
pub(crate) struct Lane<'a> {
    pub(crate) layer: &'a Schedule,
    pub(crate) iv: &'a Schedule,
    pub(crate) message: &'a mut [u8; MESSAGE_LEN],
}

impl AesUnit {
    /// Asks the processor (once; the answer is kept by the standard library).
    pub(crate) fn detect() -> Option<Self> {
        let found = std::arch::is_x86_feature_detected!("aes");
        let wide = wide::WideUnit::detect();
        found.then_some(Self { wide })
    }

    /// Forgets the wide unit.
    #[cfg(test)]
    pub(crate) fn leave_wide(&mut self) {
        self.wide = None;
    }

    /// Adds a layer to every message.
    pub(crate) fn encrypt(self, lanes: &mut [Lane<'_>]) {
        let lanes = match self.wide {
            Some(unit) => unit.encrypt(lanes),
            None => lanes,
        };
        let (full, rest) = lanes.as_chunks_mut::<LANES>();
        for lanes in full {
            self.encrypt_exactly::<LANES>(lanes);
        }
        // What is left goes in one pass too: a few lanes take no longer than one.
        let _ = rest.is_empty()
            || self.encrypt_exactly::<1>(rest)
            || self.encrypt_exactly::<2>(rest)
            || self.encrypt_exactly::<3>(rest)
            || self.encrypt_exactly::<4>(rest)
            || self.encrypt_exactly::<5>(rest)
            || self.encrypt_exactly::<6>(rest)
            || self.encrypt_exactly::<7>(rest);
    }

    /// Adds a layer to every message if there are `N`; says whether there are.
    fn encrypt_exactly<const N: usize>(self, lanes: &mut [Lane<'_>]) -> bool {
        let Ok(lanes) = <&mut [Lane<'_>; N]>::try_from(lanes) else {
            return false;
        };
        // SAFETY: `self` proves the AES unit.
        unsafe { encrypt_lanes(lanes) };
        true
    }

    /// Removes a layer from a message.
    pub(crate) fn decrypt(self, lane: Lane<'_>) {
        // SAFETY: `self` proves the AES unit.
        unsafe { decrypt_message(lane) };
    }
}

#[target_feature(enable = "aes")]
fn encrypt_lanes<const N: usize>(lanes: &mut [Lane<'_>; N]) {
    let iv_keys = lanes.each_ref().map(|lane| lane.iv);
    let layer_keys = lanes.each_ref().map(|lane| lane.layer);
    let mut messages = lanes.each_mut().map(|lane| lane.message.as_chunks_mut::<BLOCK_LEN>().0);

    let mut state = [_mm_setzero_si128(); N];
    for (state, message) in state.iter_mut().zip(&messages) {
        *state = load(&message[0]);
    }
    encrypt_blocks(&mut state, &iv_keys);
    let ivs = state;
    for block in 1..MESSAGE_LEN / BLOCK_LEN {
        for (state, message) in state.iter_mut().zip(&messages) {
            *state = _mm_xor_si128(*state, load(&message[block]));
        }
        encrypt_blocks(&mut state, &layer_keys);
        for (state, message) in state.iter().zip(&mut messages) {
            store(*state, &mut message[block]);
        }
    }
    let mut state = ivs;
    encrypt_blocks(&mut state, &iv_keys);
    for (state, message) in state.iter().zip(&mut messages) {
        store(*state, &mut message[0]);
    }
}

#[target_feature(enable = "aes")]
fn decrypt_message(lane: Lane<'_>) {
    let Some((iv, data)) = lane.message.as_chunks_mut::<BLOCK_LEN>().0.split_first_mut() else {
        return;
    };
    let iv_keys = inverse(lane.iv);
    let layer_keys = inverse(lane.layer);

    let mut state = [load(iv)];
    decrypt_blocks(&mut state, &iv_keys);
    let mut chain = state[0];
    decrypt_blocks(&mut state, &iv_keys);
    store(state[0], iv);
    for group in data.as_chunks_mut::<GROUP>().0 {
        let mut state = [_mm_setzero_si128(); GROUP];
        for (state, block) in state.iter_mut().zip(&*group) {
            *state = load(block);
        }
        decrypt_blocks(&mut state, &layer_keys);
        for (state, block) in state.iter().zip(group) {
            let cipher_text = load(block);
            store(_mm_xor_si128(*state, chain), block);
            chain = cipher_text;
        }
    }
}

/// Encrypts a block per lane, each under its lane's schedule.
#[inline]
#[target_feature(enable = "aes")]
fn encrypt_blocks<const N: usize>(state: &mut [__m128i; N], schedules: &[&Schedule; N]) {
    for (state, schedule) in state.iter_mut().zip(schedules) {
        *state = _mm_xor_si128(*state, round_key(schedule, 0));
    }
    for round in 1..LAST {
        for (state, schedule) in state.iter_mut().zip(schedules) {
            *state = _mm_aesenc_si128(*state, round_key(schedule, round));
        }
    }
    for (state, schedule) in state.iter_mut().zip(schedules) {
        *state = _mm_aesenclast_si128(*state, round_key(schedule, LAST));
    }
}

/// Decrypts blocks under one inverse schedule.
#[inline]
#[target_feature(enable = "aes")]
fn decrypt_blocks<const N: usize>(state: &mut [__m128i; N], keys: &[__m128i; ROUND_KEYS]) {
    for state in &mut *state {
        *state = _mm_xor_si128(*state, keys[0]);
    }
    for key in &keys[1..LAST] {
        for state in &mut *state {
            *state = _mm_aesdec_si128(*state, *key);
        }
    }
    for state in state {
        *state = _mm_aesdeclast_si128(*state, keys[LAST]);
    }
}

/// The round keys of the equivalent inverse cipher: far cheaper to make per message than to keep per tunnel.
#[inline]
#[target_feature(enable = "aes")]
fn inverse(schedule: &Schedule) -> [__m128i; ROUND_KEYS] {
    let mut keys = [round_key(schedule, 0); ROUND_KEYS];
    keys[0] = round_key(schedule, LAST);
    for (key, round) in keys[1..LAST].iter_mut().zip((1..LAST).rev()) {
        *key = _mm_aesimc_si128(round_key(schedule, round));
    }
    keys
}

#[inline]
#[target_feature(enable = "aes")]
fn round_key(schedule: &Schedule, round: usize) -> __m128i {
    // SAFETY: the reference covers 16 readable bytes, and every round key is aligned to 16, since `Schedule` is.
    unsafe { _mm_load_si128((&raw const schedule.round_keys()[round]).cast()) }
}

#[inline]
#[target_feature(enable = "aes")]
fn load(block: &[u8; BLOCK_LEN]) -> __m128i {
    // SAFETY: the reference covers 16 readable bytes; this load needs no alignment.
    unsafe { _mm_loadu_si128((&raw const *block).cast()) }
}

#[inline]
#[target_feature(enable = "aes")]
fn store(value: __m128i, block: &mut [u8; BLOCK_LEN]) {
    // SAFETY: the reference covers 16 writable bytes; this store needs no alignment.
    unsafe { _mm_storeu_si128((&raw mut *block).cast(), value) }
}
