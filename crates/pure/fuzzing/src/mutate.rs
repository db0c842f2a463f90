//! A small fuzzer that sees no coverage: the same seed gives the same inputs, on any machine.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use ramson_crypto::Rng;
use ramson_crypto::rng::{self, SeededRng};

/// Longest input made.
const MAX_LEN: usize = 16_384;
/// Bytes that decoders treat apart.
const ODD: &[u8] = &[0, 1, 2, 3, 7, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

/// Inputs made from seeds.
pub struct Mutator<'a> {
    seeds: &'a [Vec<u8>],
    rng: SeededRng,
}

impl<'a> Mutator<'a> {
    /// The inputs of this number.
    pub fn new(seeds: &'a [Vec<u8>], number: u8) -> Self {
        Self { seeds, rng: SeededRng::new([number; 32]) }
    }

    /// The next input: a seed with one to eight changes.
    pub fn input(&mut self) -> Vec<u8> {
        let mut input = self.seed();
        let changes = 1 + self.index(4) + if self.index(4) == 0 { 4 } else { 0 };
        for _ in 0..changes {
            self.change(&mut input);
        }
        input.truncate(MAX_LEN);
        input
    }

    fn seed(&mut self) -> Vec<u8> {
        let at = self.index(self.seeds.len());
        self.seeds.get(at).cloned().unwrap_or_default()
    }

    /// One change as an attacker or a bad line would make it.
    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.index(input.len());
        match self.index(12) {
            0..=2 => self.overwrite(input, at, 1),
            3 => {
                let mask = 1 << self.index(8);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= mask;
                }
            }
            4 => {
                let len = [2, 4, 8][self.index(3)];
                self.overwrite(input, at, len);
            }
            5 => self.nudge(input, at),
            6 => input.truncate(at),
            7 => {
                let end = (at + 1 + self.index(40)).min(input.len());
                input.drain(at..end);
            }
            8 => {
                let new: Vec<u8> = (0..=self.index(40)).map(|_| self.byte()).collect();
                input.splice(at..at, new);
            }
            9 => {
                let end = (at + 1 + self.index(100)).min(input.len());
                let part = input.get(at..end).unwrap_or_default().to_vec();
                let to = self.index(input.len());
                input.splice(to..to, part);
            }
            10 => {
                let other = self.seed();
                let from = self.index(other.len());
                let end = (from + 1 + self.index(300)).min(other.len());
                input.splice(at..at, other.get(from..end).unwrap_or_default().iter().copied());
            }
            _ => {
                let other = self.seed();
                input.truncate(at);
                input.extend_from_slice(other.get(self.index(other.len())..).unwrap_or_default());
            }
        }
    }

    fn overwrite(&mut self, input: &mut [u8], at: usize, len: usize) {
        let same = self.index(2) == 0;
        let first = self.byte();
        for byte in input.iter_mut().skip(at).take(len) {
            *byte = if same { first } else { self.byte() };
        }
    }

    /// Adds or subtracts a little: for lengths and counts.
    fn nudge(&mut self, input: &mut [u8], at: usize) {
        let by = u8::try_from(1 + self.index(4)).unwrap_or(1);
        let up = self.index(2) == 0;
        if let Some(byte) = input.get_mut(at) {
            *byte = if up { byte.wrapping_add(by) } else { byte.wrapping_sub(by) };
        }
    }

    fn byte(&mut self) -> u8 {
        match self.index(2) {
            0 => ODD[self.index(ODD.len())],
            _ => self.rng.next_u32().to_be_bytes()[0],
        }
    }

    fn index(&mut self, bound: usize) -> usize {
        let bound = u32::try_from(bound).unwrap_or(u32::MAX);
        usize::try_from(rng::below(&mut self.rng, bound)).unwrap_or(0)
    }
}

/// Runs `check` on the seeds as they are, then on `count` inputs made from them. An input on which it panics is printed in
/// hexadecimal digits.
pub fn short_run(seeds: &[Vec<u8>], number: u8, count: u32, check: impl Fn(&[u8])) {
    let mut mutator = Mutator::new(seeds, number);
    let changed = (0..count).map(|_| mutator.input());
    for input in seeds.iter().cloned().chain(changed) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&input))) {
            let digits: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("the input: {digits}");
            resume_unwind(panic);
        }
    }
}
