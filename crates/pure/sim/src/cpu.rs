//! The time that work takes: a table of what each operation costs, so that queues wait for a router's processors as in life.

use std::time::Duration;

use ramson_aes::meter as aes;
use ramson_crypto::meter as crypto;

/// Picoseconds of one core for each kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// A turn of the lane's thread without any work: wake-up, poll, timers.
    pub lane_turn: u64,
    /// A turn of the engine's thread without any work.
    pub engine_turn: u64,
    /// One read or write of a socket.
    pub system_call: u64,
    /// A byte of a socket apart from cryptography.
    pub socket_byte: u64,
    /// One command or event between lane and engine.
    pub message: u64,
    /// One X25519 agreement.
    pub key_agreement: u64,
    /// One X25519 public key.
    pub key_generation: u64,
    /// One Ed25519 signature made.
    pub signature: u64,
    /// One Ed25519 signature checked.
    pub verification: u64,
    /// One Ed25519 public key.
    pub signing_key: u64,
    /// One representative sought.
    pub elligator_encoding: u64,
    /// One representative decoded.
    pub elligator_decoding: u64,
    /// One ChaCha20-Poly1305 text.
    pub aead_call: u64,
    /// A byte of it.
    pub aead_byte: u64,
    /// One ChaCha20 text.
    pub chacha20_call: u64,
    /// A byte of it.
    pub chacha20_byte: u64,
    /// One SHA-256.
    pub hash_call: u64,
    /// A byte of it.
    pub hash_byte: u64,
    /// One HMAC.
    pub hmac_call: u64,
    /// One batch of tunnel messages.
    pub layer_batch: u64,
    /// One tunnel message that a layer is added to.
    pub layer_added: u64,
    /// One tunnel message that a layer is taken off.
    pub layer_removed: u64,
    /// Everything is multiplied by this, in hundredths. Zero: work takes no time.
    pub scale_percent: u64,
}

impl Costs {
    /// Cryptography as measured by the benchmark `costs` of this crate on one core of 2.5 GHz; turns, system calls and messages are
    /// estimates.
    #[must_use]
    pub fn measured() -> Self {
        Self {
            lane_turn: 4_000_000,
            engine_turn: 3_000_000,
            system_call: 1_500_000,
            socket_byte: 150,
            message: 1_000_000,
            key_agreement: 29_200_000,
            key_generation: 8_700_000,
            signature: 10_000_000,
            verification: 37_600_000,
            signing_key: 10_200_000,
            elligator_encoding: 9_600_000,
            elligator_decoding: 14_000_000,
            aead_call: 170_000,
            aead_byte: 530,
            chacha20_call: 83_000,
            chacha20_byte: 400,
            hash_call: 69_000,
            hash_byte: 560,
            hmac_call: 205_000,
            layer_batch: 890_000,
            layer_added: 142_000,
            layer_removed: 193_000,
            scale_percent: 100,
        }
    }

    /// Work takes no time.
    #[must_use]
    pub fn none() -> Self {
        Self { scale_percent: 0, ..Self::measured() }
    }

    fn time(&self, picos: u64) -> Duration {
        Duration::from_nanos(picos.saturating_mul(self.scale_percent) / 100_000)
    }

    /// Of a turn of the lane's thread itself.
    pub(crate) fn lane_turn(&self) -> Duration {
        self.time(self.lane_turn)
    }

    /// Of a turn of the engine's thread itself.
    pub(crate) fn engine_turn(&self) -> Duration {
        self.time(self.engine_turn)
    }

    /// Of reading or writing a socket.
    pub(crate) fn socket(&self, size: usize) -> Duration {
        self.time(self.system_call + self.socket_byte * u64::try_from(size).unwrap_or(u64::MAX))
    }

    /// Of commands or events.
    pub(crate) fn messages(&self, count: usize) -> Duration {
        self.time(self.message * u64::try_from(count).unwrap_or(u64::MAX))
    }

    /// Of opening a hostile build request: as much as one to be accepted costs before anything is known of it.
    pub(crate) fn of_build_request(&self) -> Duration {
        self.time(self.message + self.key_agreement + self.aead_call + 3 * self.hmac_call)
    }

    /// Of the cryptography done since the last call.
    pub(crate) fn work(&self) -> Duration {
        let (work, layers) = (crypto::take(), aes::take());
        let parts = [
            (work.key_agreements, self.key_agreement),
            (work.key_generations, self.key_generation),
            (work.signatures, self.signature),
            (work.verifications, self.verification),
            (work.signing_keys, self.signing_key),
            (work.elligator_encodings, self.elligator_encoding),
            (work.elligator_decodings, self.elligator_decoding),
            (work.aead_calls, self.aead_call),
            (work.aead_bytes, self.aead_byte),
            (work.chacha20_calls, self.chacha20_call),
            (work.chacha20_bytes, self.chacha20_byte),
            (work.hash_calls, self.hash_call),
            (work.hash_bytes, self.hash_byte),
            (work.hmac_calls, self.hmac_call),
            (layers.batches, self.layer_batch),
            (layers.layers_added, self.layer_added),
            (layers.layers_removed, self.layer_removed),
        ];
        self.time(parts.iter().fold(0, |sum, (count, cost)| sum.saturating_add(count.saturating_mul(*cost))))
    }
}

/// Work done outside of a router isn't charged to the next one.
pub(crate) fn forget_work() {
    let _ = (crypto::take(), aes::take());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_the_time_of_the_table() {
        let costs = Costs::measured();
        forget_work();
        assert_eq!(costs.work(), Duration::ZERO);
        let _ = ramson_crypto::sha256(&[0; 1_000]);
        assert_eq!(costs.work(), Duration::from_nanos((costs.hash_call + 1_000 * costs.hash_byte) / 1_000));
        let _ = ramson_crypto::sha256(&[0; 1_000]);
        assert_eq!(Costs::none().work(), Duration::ZERO);
    }
}
