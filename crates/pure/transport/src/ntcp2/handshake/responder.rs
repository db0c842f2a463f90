//! The responder's half: message 1 in, message 2 out, message 3 in.

use ramson_crypto::noise::SymmetricState;
use ramson_crypto::x25519;
use ramson_wire::{Date, Seconds32};

use super::super::replay::{ReplayCache, WINDOW};
use super::super::{LocalIdentity, padding};
use super::{CreatedOptions, DataKeys, HEAD_LEN, HandshakeError, PART_1_LEN, RequestOptions, VERSION};
use super::{MAX_PART_2_LEN, MIN_PART_2_LEN};
use super::{mix_dh, mix_padding, next_iv, obfuscate, reveal, skew_secs, start, within};

/// What the responder chooses at random for message 2.
pub(crate) struct Choices {
    pub(crate) ephemeral: x25519::PrivateKey,
    pub(crate) padding: Vec<u8>,
}

/// Message 1 is in up to its padding, and proved that its sender knows our keys.
pub(crate) struct RequestHead {
    noise: SymmetricState,
    initiator: x25519::PublicKey,
    iv: [u8; 16],
    /// What message 1 said.
    pub(crate) options: RequestOptions,
    /// The initiator's clock minus ours. Beyond the limit, message 2 is still sent, so that it learns our time.
    pub(crate) skew_secs: i64,
}

impl RequestHead {
    /// Takes message 1 up to its padding. Checks go from cheap to dear: one AES pass rules out keys with the top bit
    /// and replays before any key agreement.
    pub(crate) fn open(
        local: &LocalIdentity,
        head: &mut [u8; HEAD_LEN],
        now: Date,
        replay: &mut ReplayCache,
    ) -> Result<Self, HandshakeError> {
        let (obfuscated, sealed) = head.split_first_chunk_mut::<32>().ok_or(HandshakeError::RequestTag)?;
        let iv = next_iv(obfuscated);
        reveal(local.hash.as_bytes(), &local.iv, obfuscated);
        let initiator = x25519::PublicKey(*obfuscated);
        if initiator.0.last().is_some_and(|top| top & 0x80 != 0) {
            return Err(HandshakeError::HighBit);
        }
        if replay.contains(&initiator.0) {
            return Err(HandshakeError::Replayed);
        }
        let mut noise = start(&local.static_key.public());
        noise.mix_hash(&initiator.0);
        mix_dh(&mut noise, &local.static_key, &initiator)?;
        let opened = noise.decrypt_and_hash(sealed).map_err(|_| HandshakeError::RequestTag)?;
        let options = opened.first_chunk().copied().ok_or(HandshakeError::RequestTag)?;
        let options = RequestOptions::from_bytes(options);
        let skew_secs = skew_secs(options.time, now);
        // Only what authenticated is remembered: garbage must not fill the cache.
        if within(skew_secs, WINDOW) && !replay.insert(now, initiator.0, options.time.to_date()) {
            return Err(HandshakeError::Replayed);
        }
        check_options(local, &options, skew_secs)?;
        Ok(Self { noise, initiator, iv, options, skew_secs })
    }

    /// Takes the padding of message 1 and makes message 2.
    pub(crate) fn create(
        mut self,
        local: &LocalIdentity,
        padding: &[u8],
        choices: Choices,
        time: Seconds32,
    ) -> Result<(AwaitConfirmed, Vec<u8>), HandshakeError> {
        mix_padding(&mut self.noise, padding);
        let Choices { ephemeral, padding } = choices;
        let padding_len = u16::try_from(padding.len()).map_err(|_| HandshakeError::PaddingLength)?;
        self.noise.mix_hash(&ephemeral.public().0);
        mix_dh(&mut self.noise, &ephemeral, &self.initiator)?;
        let mut obfuscated = ephemeral.public().0;
        obfuscate(local.hash.as_bytes(), &self.iv, &mut obfuscated);
        let mut message = obfuscated.to_vec();
        let options_at = message.len();
        message.extend_from_slice(&CreatedOptions { padding_len, time }.to_bytes());
        self.noise.encrypt_and_hash(&mut message, options_at);
        message.extend_from_slice(&padding);
        mix_padding(&mut self.noise, &padding);
        let state = AwaitConfirmed { noise: self.noise, ephemeral, part_2_len: usize::from(self.options.part_2_len) };
        Ok((state, message))
    }
}

/// What message 1 has to say to be answered.
fn check_options(local: &LocalIdentity, options: &RequestOptions, skew_secs: i64) -> Result<(), HandshakeError> {
    // Zero is "not said": older routers sent it, and Java and i2pd take it. The RouterInfo in message 3 says it for sure.
    if options.net_id != 0 && options.net_id != local.net_id {
        return Err(HandshakeError::WrongNetwork);
    }
    if options.version != VERSION {
        return Err(HandshakeError::WrongVersion);
    }
    if options.padding_len > padding::MAX_ACCEPTED {
        return Err(HandshakeError::PaddingLength);
    }
    if !(MIN_PART_2_LEN..=MAX_PART_2_LEN).contains(&options.part_2_len) {
        return Err(HandshakeError::ConfirmedLength);
    }
    if !within(skew_secs, WINDOW) {
        return Err(HandshakeError::TooFarOff);
    }
    Ok(())
}

/// Message 2 is out.
pub(crate) struct AwaitConfirmed {
    noise: SymmetricState,
    ephemeral: x25519::PrivateKey,
    part_2_len: usize,
}

/// What message 3 brought.
pub(crate) struct Confirmed {
    pub(crate) keys: DataKeys,
    /// The initiator's static key: proven, but not yet bound to a router.
    pub(crate) static_key: x25519::PublicKey,
    /// The blocks of message 3.
    pub(crate) payload: Vec<u8>,
}

impl AwaitConfirmed {
    /// How long message 3 is: bounded when message 1 was checked.
    pub(crate) fn message_len(&self) -> usize {
        PART_1_LEN + self.part_2_len
    }

    /// Takes message 3.
    pub(crate) fn confirmed(mut self, message: &mut [u8]) -> Result<Confirmed, HandshakeError> {
        let (part_1, part_2) = message.split_first_chunk_mut::<PART_1_LEN>().ok_or(HandshakeError::ConfirmedTag)?;
        let opened = self.noise.decrypt_and_hash(part_1).map_err(|_| HandshakeError::ConfirmedTag)?;
        let static_key = opened.first_chunk().copied().ok_or(HandshakeError::ConfirmedTag)?;
        let static_key = x25519::PublicKey(static_key);
        mix_dh(&mut self.noise, &self.ephemeral, &static_key)?;
        let opened = self.noise.decrypt_and_hash(part_2).map_err(|_| HandshakeError::ConfirmedTag)?;
        let payload = opened.to_vec();
        Ok(Confirmed { keys: DataKeys::derive(&self.noise), static_key, payload })
    }
}
