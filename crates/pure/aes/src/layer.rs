//! The layer a hop puts on a tunnel message: IV 16 ‖ data 1008.
//!
//! IV′ = ECB(iv key, IV); data = CBC(layer key, IV′, data); the message goes on with ECB(iv key, IV′).
//! Encrypting the IV before and after keeps two colluding hops from matching messages by it.
//! Source: Tunnel Implementation, "Participant Processing"; Tunnel Message, "Encrypted Tunnel Message".

use crate::schedule::Schedule;
use crate::simd::{AesUnit, Lane};
use crate::{BLOCK_LEN, Key, count};

/// Length of a tunnel message, in bytes.
pub(crate) const MESSAGE_LEN: usize = 1024;

/// The layer key and IV key of one hop, expanded once per tunnel and wiped on drop.
#[cfg_attr(feature = "testing", derive(Clone))]
pub struct LayerKeys(Path);

/// Which code transforms a message, chosen when the keys are expanded. Boxed, so that moving keys leaves no copies behind.
#[cfg_attr(feature = "testing", derive(Clone))]
enum Path {
    /// Vector code for the processor's AES unit.
    Unit(Box<Unit>),
    /// The `aes` crate.
    Portable(Box<Portable>),
}

#[cfg_attr(feature = "testing", derive(Clone))]
struct Unit {
    unit: AesUnit,
    layer: Schedule,
    iv: Schedule,
}

#[cfg_attr(feature = "testing", derive(Clone))]
struct Portable {
    layer: Key,
    iv: Key,
}

impl LayerKeys {
    /// Expands both keys for the best path of this processor.
    #[must_use]
    pub fn new(layer: &[u8; 32], iv: &[u8; 32]) -> Self {
        match AesUnit::detect() {
            Some(unit) => Self(Path::Unit(Box::new(Unit { unit, layer: Schedule::new(layer), iv: Schedule::new(iv) }))),
            None => Self::portable(layer, iv),
        }
    }

    /// Expands both keys for the path that is second best where there is a wide AES unit.
    #[cfg(test)]
    pub(crate) fn narrow(layer: &[u8; 32], iv: &[u8; 32]) -> Self {
        let mut keys = Self::new(layer, iv);
        if let Path::Unit(keys) = &mut keys.0 {
            keys.unit.leave_wide();
        }
        keys
    }

    /// Expands both keys for the portable path.
    pub(crate) fn portable(layer: &[u8; 32], iv: &[u8; 32]) -> Self {
        Self(Path::Portable(Box::new(Portable { layer: Key::new(layer), iv: Key::new(iv) })))
    }

    /// Adds this hop's layer: what a participant does. Several messages are better given to [`encrypt_batch`].
    pub fn encrypt(&self, message: &mut [u8; MESSAGE_LEN]) {
        count!(batches: 1, layers_added: 1);
        match &self.0 {
            Path::Unit(keys) => keys.unit.encrypt(&mut [keys.lane(message)]),
            Path::Portable(keys) => keys.encrypt(message),
        }
    }

    /// Removes this hop's layer: what the creator does, hop by hop.
    pub fn decrypt(&self, message: &mut [u8; MESSAGE_LEN]) {
        count!(layers_removed: 1);
        match &self.0 {
            Path::Unit(keys) => keys.unit.decrypt(keys.lane(message)),
            Path::Portable(keys) => keys.decrypt(message),
        }
    }
}

impl core::fmt::Debug for LayerKeys {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("LayerKeys")
    }
}

impl Unit {
    fn lane<'a>(&'a self, message: &'a mut [u8; MESSAGE_LEN]) -> Lane<'a> {
        Lane { layer: &self.layer, iv: &self.iv, message }
    }
}

impl Portable {
    fn encrypt(&self, message: &mut [u8; MESSAGE_LEN]) {
        let Some((iv, data)) = message.split_first_chunk_mut::<BLOCK_LEN>() else {
            return;
        };
        self.iv.encrypt_block(iv);
        let _ = self.layer.chain(iv, data); // 1008 is 63 blocks
        self.iv.encrypt_block(iv);
    }

    fn decrypt(&self, message: &mut [u8; MESSAGE_LEN]) {
        let Some((iv, data)) = message.split_first_chunk_mut::<BLOCK_LEN>() else {
            return;
        };
        self.iv.decrypt_block(iv);
        let _ = self.layer.unchain(iv, data); // 1008 is 63 blocks
        self.iv.decrypt_block(iv);
    }
}

/// One message of a batch, with the keys of its tunnel.
pub struct LayerJob<'a> {
    /// Keys of our hop in the message's tunnel.
    pub keys: &'a LayerKeys,
    /// The message, transformed in place.
    pub message: &'a mut [u8; MESSAGE_LEN],
}

/// Adds our layer to every message, with the bytes [`LayerKeys::encrypt`] would give one by one. The tunnels may be
/// different ones or the same; the order doesn't matter. Eight messages take little longer than one.
pub fn encrypt_batch(jobs: &mut [LayerJob<'_>]) {
    count!(batches: usize::from(!jobs.is_empty()), layers_added: jobs.len());
    let mut found = None;
    let mut lanes = Vec::with_capacity(jobs.len());
    for LayerJob { keys, message } in jobs {
        match &keys.0 {
            Path::Unit(keys) => {
                found = Some(keys.unit);
                lanes.push(keys.lane(message));
            }
            Path::Portable(keys) => keys.encrypt(message),
        }
    }
    if let Some(unit) = found {
        unit.encrypt(&mut lanes);
    }
}
