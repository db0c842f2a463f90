//! Stands in for `simd` on processors without a vector path: no unit is ever found.

use crate::layer::MESSAGE_LEN;
use crate::schedule::Schedule;

/// Proof that there is an AES unit; none can exist here.
#[derive(Clone, Copy)]
pub(crate) enum AesUnit {}

/// One message and the schedules of its hop.
#[expect(dead_code, reason = "no lane is ever made here")]
pub(crate) struct Lane<'a> {
    pub(crate) layer: &'a Schedule,
    pub(crate) iv: &'a Schedule,
    pub(crate) message: &'a mut [u8; MESSAGE_LEN],
}

impl AesUnit {
    pub(crate) fn detect() -> Option<Self> {
        None
    }

    #[cfg(test)]
    pub(crate) fn leave_wide(&mut self) {}

    pub(crate) fn encrypt(self, _lanes: &mut [Lane<'_>]) {
        match self {}
    }

    pub(crate) fn decrypt(self, _lane: Lane<'_>) {
        match self {}
    }
}
