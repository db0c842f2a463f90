//! Digests of state, to see whether something changed it.

use std::hash::{DefaultHasher, Hash, Hasher};

/// A digest in the making: the same values in the same order give the same number in every run of one build.
pub(crate) struct Digest(DefaultHasher);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(DefaultHasher::new())
    }

    pub(crate) fn add(&mut self, value: impl Hash) {
        value.hash(&mut self.0);
    }

    pub(crate) fn finish(&self) -> u64 {
        self.0.finish()
    }
}
