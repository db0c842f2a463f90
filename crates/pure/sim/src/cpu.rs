//! The time that work takes: a table of what each operation costs, so that queues wait for a router's processors as in life.

use std::time::Duration;

use ramson_aes::meter as aes;
use ramson_crypto::meter as crypto;
use ramson_wire::meter as wire;

/// Picoseconds of one core for each kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// A turn of the lane's thread without any work: wake-up, poll, timers.
    pub lane_turn: u64,
    /// A turn of the engine's thread without any work.
    pub engine_turn: u64,
    /// One read or write of a socket, or another call of the system: waking a thread costs about as much.
    pub system_call: u64,
    /// A byte of a socket apart from cryptography.
    pub socket_byte: u64,
    /// One command that the lane takes, event that it gives, or message that it relays.
    pub lane_message: u64,
    /// One event or command that the engine takes, with all that comes of it.
    pub engine_message: u64,
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
    /// A byte of CBC outside of layers.
    pub cbc_byte: u64,
    /// One gzip member inflated.
    pub inflate_call: u64,
    /// A byte that comes out.
    pub inflate_byte: u64,
    /// One payload deflated.
    pub deflate_call: u64,
    /// A byte of it.
    pub deflate_byte: u64,
    /// Everything is multiplied by this, in hundredths. Zero: work takes no time.
    pub scale_percent: u64,
}

impl Costs {
    /// On one core of 2.5 GHz, as measured, and rounded, by the benchmarks `costs` of this crate (cryptography), `turns` of
    /// ramson-router (the threads, sockets, and messages of the lane) and then `engines` of this crate:
    /// `cargo bench -p ramson-sim --bench costs`, `cargo bench -p ramson-router --features benching --bench turns` and
    /// `cargo bench -p ramson-sim --bench engines`.
    #[must_use]
    pub fn measured() -> Self {
        Self {
            lane_turn: 6_000_000,
            engine_turn: 6_600_000,
            system_call: 3_400_000,
            socket_byte: 150,
            lane_message: 240_000,
            engine_message: 3_700_000,
            key_agreement: 24_200_000,
            key_generation: 7_300_000,
            signature: 9_800_000,
            verification: 36_700_000,
            signing_key: 7_500_000,
            elligator_encoding: 7_100_000,
            elligator_decoding: 10_500_000,
            aead_call: 154_000,
            aead_byte: 390,
            chacha20_call: 82_000,
            chacha20_byte: 390,
            hash_call: 68_000,
            hash_byte: 550,
            hmac_call: 197_000,
            layer_batch: 884_000,
            layer_added: 132_000,
            layer_removed: 192_000,
            cbc_byte: 1_150,
            inflate_call: 910_000,
            inflate_byte: 910,
            deflate_call: 2_840_000,
            deflate_byte: 1_550,
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

    /// Of calls of the system without bytes of sockets, such as waking the other thread.
    pub(crate) fn calls(&self, count: u64) -> Duration {
        self.time(self.system_call * count)
    }

    /// Of bytes read from sockets or written to them.
    pub(crate) fn socket(&self, size: usize) -> Duration {
        self.time(self.socket_byte * number(size))
    }

    /// Of the lane's commands, events and relayed messages.
    pub(crate) fn lane_messages(&self, count: u64) -> Duration {
        self.time(self.lane_message * count)
    }

    /// Of an event or command at the engine.
    pub(crate) fn engine_message(&self) -> Duration {
        self.time(self.engine_message)
    }

    /// Of opening a hostile build request: as much as one to be accepted costs before anything is known of it.
    pub(crate) fn of_build_request(&self) -> Duration {
        self.time(self.engine_message + self.key_agreement + self.aead_call + 3 * self.hmac_call)
    }

    /// Of a hostile connection: taking it, its first message, and closing it.
    pub(crate) fn of_greeting(&self) -> Duration {
        self.calls(7) + self.time(self.key_agreement + self.aead_call + 3 * self.hmac_call)
    }

    /// Of a hostile first message of a ratchet session.
    pub(crate) fn of_new_session(&self) -> Duration {
        self.time(self.engine_message + self.elligator_decoding + self.key_agreement + self.aead_call + 3 * self.hmac_call)
    }

    /// Of the cryptography and gzip done since the last call.
    pub(crate) fn work(&self) -> Duration {
        let (work, layers, gzip) = (crypto::take(), aes::take(), wire::take());
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
            (layers.cbc_bytes, self.cbc_byte),
            (gzip.inflations, self.inflate_call),
            (gzip.inflated_bytes, self.inflate_byte),
            (gzip.deflations, self.deflate_call),
            (gzip.deflated_bytes, self.deflate_byte),
        ];
        self.time(parts.iter().fold(0, |sum, (count, cost)| sum.saturating_add(count.saturating_mul(*cost))))
    }
}

pub(crate) fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Work done outside of a router isn't charged to the next one.
pub(crate) fn forget_work() {
    let _ = (crypto::take(), aes::take(), wire::take());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field that no benchmark measures is a guess.
    #[test]
    fn every_cost_is_measured() {
        let benchmarks = [
            include_str!("../benches/costs.rs"),
            include_str!("../benches/engines.rs"),
            include_str!("../../../router/benches/turns.rs"),
        ];
        let table = format!("{:#?}", Costs::measured());
        let fields = table.lines().filter_map(|line| line.trim().split_once(": "));
        let costs: Vec<_> = fields.map(|(field, _)| field).filter(|field| *field != "scale_percent").collect();
        assert_eq!(costs.len(), 28, "{table}");
        for cost in costs {
            let rows = benchmarks.iter().filter(|text| text.contains(&format!("row(\"{cost}\", ")));
            assert_eq!(rows.count(), 1, "{cost}");
        }
    }

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
