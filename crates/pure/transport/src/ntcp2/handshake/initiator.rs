//! The initiator's half: message 1 out, message 2 in, message 3 out.

use ramson_crypto::noise::SymmetricState;
use ramson_crypto::x25519;
use ramson_wire::Seconds32;
use zeroize::Zeroizing;

use super::super::{LocalIdentity, PeerAddress, padding};
use super::{CreatedOptions, DataKeys, HEAD_LEN, HandshakeError, MAX_PART_2_LEN, RequestOptions, VERSION};
use super::{mix_dh, mix_padding, next_iv, obfuscate, reveal, start};

/// What the initiator chooses at random for message 1.
pub(crate) struct Choices {
    pub(crate) ephemeral: x25519::PrivateKey,
    pub(crate) padding: Vec<u8>,
}

/// Message 1 is out.
pub(crate) struct RequestSent {
    noise: SymmetricState,
    ephemeral: x25519::PrivateKey,
    responder_hash: [u8; 32],
    iv: [u8; 16],
    /// Blocks of message 3, frozen: message 1 announced their length.
    payload: Zeroizing<Vec<u8>>,
}

impl RequestSent {
    /// Makes message 1. `payload` is what message 3 will carry.
    pub(crate) fn start(
        local: &LocalIdentity,
        peer: &PeerAddress,
        payload: Vec<u8>,
        choices: Choices,
        time: Seconds32,
    ) -> Result<(Self, Vec<u8>), HandshakeError> {
        let Choices { ephemeral, padding } = choices;
        let part_2_len = u16::try_from(payload.len() + ramson_crypto::aead::TAG_LEN)
            .ok()
            .filter(|len| *len <= MAX_PART_2_LEN)
            .ok_or(HandshakeError::OwnRouterInfo)?;
        let padding_len = u16::try_from(padding.len()).map_err(|_| HandshakeError::PaddingLength)?;
        let options = RequestOptions { net_id: local.net_id, version: VERSION, padding_len, part_2_len, time };
        let mut noise = start(&peer.static_key);
        noise.mix_hash(&ephemeral.public().0);
        mix_dh(&mut noise, &ephemeral, &peer.static_key)?;
        let mut obfuscated = ephemeral.public().0;
        obfuscate(peer.hash.as_bytes(), &peer.iv, &mut obfuscated);
        let mut message = obfuscated.to_vec();
        let options_at = message.len();
        message.extend_from_slice(&options.to_bytes());
        noise.encrypt_and_hash(&mut message, options_at);
        message.extend_from_slice(&padding);
        mix_padding(&mut noise, &padding);
        let state = Self {
            noise,
            ephemeral,
            responder_hash: *peer.hash.as_bytes(),
            iv: next_iv(&obfuscated),
            payload: Zeroizing::new(payload),
        };
        Ok((state, message))
    }

    /// Takes message 2 up to its padding.
    pub(crate) fn created_head(mut self, head: &mut [u8; HEAD_LEN]) -> Result<CreatedHead, HandshakeError> {
        let (obfuscated, sealed) = head.split_first_chunk_mut::<32>().ok_or(HandshakeError::CreatedTag)?;
        reveal(&self.responder_hash, &self.iv, obfuscated);
        let responder = x25519::PublicKey(*obfuscated);
        self.noise.mix_hash(&responder.0);
        mix_dh(&mut self.noise, &self.ephemeral, &responder)?;
        let opened = self.noise.decrypt_and_hash(sealed).map_err(|_| HandshakeError::CreatedTag)?;
        let options = opened.first_chunk().copied().ok_or(HandshakeError::CreatedTag)?;
        let options = CreatedOptions::from_bytes(options);
        if options.padding_len > padding::MAX_ACCEPTED {
            return Err(HandshakeError::PaddingLength);
        }
        Ok(CreatedHead { noise: self.noise, responder, payload: self.payload, options })
    }
}

/// Message 2 is in up to its padding.
pub(crate) struct CreatedHead {
    noise: SymmetricState,
    responder: x25519::PublicKey,
    payload: Zeroizing<Vec<u8>>,
    /// What message 2 said.
    pub(crate) options: CreatedOptions,
}

impl CreatedHead {
    /// Takes the padding of message 2 and makes message 3.
    pub(crate) fn confirm(mut self, local: &LocalIdentity, padding: &[u8]) -> Result<(DataKeys, Vec<u8>), HandshakeError> {
        mix_padding(&mut self.noise, padding);
        let mut message = local.static_key.public().0.to_vec();
        // The second use of this key, so nonce 1: the state counts.
        self.noise.encrypt_and_hash(&mut message, 0);
        mix_dh(&mut self.noise, &local.static_key, &self.responder)?;
        let part_2_at = message.len();
        message.extend_from_slice(&self.payload);
        self.noise.encrypt_and_hash(&mut message, part_2_at);
        Ok((DataKeys::derive(&self.noise), message))
    }
}
