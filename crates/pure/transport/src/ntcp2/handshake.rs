//! The handshake, Noise XK: one struct per state, used up by the step that ends it.
//!
//! ```text
//! initiator (Alice)                                   responder (Bob)
//! RequestSent      ── SessionRequest 64 + padding ──▶  request_head → RequestHead
//! CreatedHead      ◀── SessionCreated 64 + padding ──  AwaitConfirmed
//! (keys)           ── SessionConfirmed 48 + m3p2 ───▶  (keys, static key, payload)
//! ```
//! These structs draw no randomness and read no clock: ephemeral keys, padding and time are given. So published
//! vectors run through the code that runs in production.
//! Source: NTCP2, "Noise Protocol Framework", "KDF for message 1" to "Key Derivation Function (for data phase)".

pub(crate) mod initiator;
pub(crate) mod responder;

use std::time::Duration;

use ramson_crypto::noise::SymmetricState;
use ramson_crypto::{CryptoError, kdf, siphash, x25519};
use ramson_wire::{Date, Seconds32};
use zeroize::Zeroizing;

use super::reason::Fault;

/// Protocol name that starts every handshake hash.
pub(crate) const PROTOCOL_NAME: &[u8] = b"Noise_XKaesobfse+hs2+hs3_25519_ChaChaPoly_SHA256";
/// Version in the options of message 1.
const VERSION: u8 = 2;
/// Bytes of messages 1 and 2 before their padding: ephemeral key 32 · sealed options 16 + 16.
pub(crate) const HEAD_LEN: usize = 64;
/// First part of message 3: sealed static key.
pub(crate) const PART_1_LEN: usize = 48;
/// Shortest second part of message 3 that holds a RouterInfo block at all: block header 3, flag 1, tag 16. Whether what it holds
/// is a RouterInfo is seen when it is there.
const MIN_PART_2_LEN: u16 = 20;
/// Longest second part of message 3: a RouterInfo of 4096 bytes with options and padding fits. Java draws the line here too.
pub(crate) const MAX_PART_2_LEN: u16 = 6000;
/// Clocks may differ by this much, as everywhere in the network.
pub(crate) const MAX_SKEW: Duration = Duration::from_secs(60);

/// Why a handshake message was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Message 1 didn't authenticate: not meant for us, mutated, or a probe.
    #[error("message 1 doesn't authenticate")]
    RequestTag,
    /// The ephemeral key of message 1 has its top bit set: not a plain X25519 key (perhaps a variant we don't speak).
    #[error("top bit of the ephemeral key is set")]
    HighBit,
    /// An ephemeral or static key gives an all-zero secret.
    #[error("weak key")]
    WeakKey,
    /// Message 1 was seen before.
    #[error("message 1 was replayed")]
    Replayed,
    /// Message 1 is for another network.
    #[error("wrong network")]
    WrongNetwork,
    /// Message 1 has another version than 2.
    #[error("wrong version")]
    WrongVersion,
    /// Padding of message 1 or 2 is longer than we accept.
    #[error("padding too long")]
    PaddingLength,
    /// The announced length of message 3 can't be right.
    #[error("length of message 3 out of range")]
    ConfirmedLength,
    /// The time in message 1 is too far off even to be answered.
    #[error("time of message 1 far off")]
    TooFarOff,
    /// More bytes came than the peer could have sent at this point.
    #[error("bytes behind the end of a handshake message")]
    UnexpectedBytes,
    /// Message 2 didn't authenticate. A peer that knows its own keys gives no such answer, with one exception: i2pd answers a
    /// message 1 whose time is off without reading its padding, so its message 2 only authenticates if there was none. Many of
    /// these from many peers mean that our own clock is wrong.
    #[error("message 2 doesn't authenticate")]
    CreatedTag,
    /// Message 3 didn't authenticate.
    #[error("message 3 doesn't authenticate")]
    ConfirmedTag,
    /// The blocks of message 3 can't be read, or the first isn't a RouterInfo.
    #[error("payload of message 3 malformed")]
    ConfirmedPayload,
    /// Our own RouterInfo doesn't fit in message 3.
    #[error("own RouterInfo too long")]
    OwnRouterInfo,
}

impl HandshakeError {
    /// Whose fault it was.
    pub fn fault(self) -> Fault {
        match self {
            Self::OwnRouterInfo => Fault::Local,
            // Perhaps our own clock.
            Self::CreatedTag => Fault::Network,
            _ => Fault::Peer,
        }
    }
}

/// The Noise state before message 1: protocol name, empty prologue, responder's static key.
pub(crate) fn start(responder_static: &x25519::PublicKey) -> SymmetricState {
    let mut noise = SymmetricState::new(PROTOCOL_NAME);
    noise.mix_prologue(&[]);
    noise.mix_hash(&responder_static.0);
    noise
}

/// Diffie-Hellman and MixKey.
fn mix_dh(noise: &mut SymmetricState, private: &x25519::PrivateKey, public: &x25519::PublicKey) -> Result<(), HandshakeError> {
    let secret = private.diffie_hellman(public).map_err(|_: CryptoError| HandshakeError::WeakKey)?;
    noise.mix_key(secret.as_bytes());
    Ok(())
}

/// Padding counts in the handshake hash only if there is any.
fn mix_padding(noise: &mut SymmetricState, padding: &[u8]) {
    if !padding.is_empty() {
        noise.mix_hash(padding);
    }
}

/// Hides an ephemeral key: AES-256-CBC under the responder's hash.
fn obfuscate(hash: &[u8; 32], iv: &[u8; 16], key: &mut [u8; 32]) {
    // 32 bytes are two whole blocks: the only error there is can't occur.
    let _always_whole_blocks = ramson_aes::Key::new(hash).cbc_encrypt(iv, key);
}

/// Undoes [`obfuscate`].
fn reveal(hash: &[u8; 32], iv: &[u8; 16], key: &mut [u8; 32]) {
    let _always_whole_blocks = ramson_aes::Key::new(hash).cbc_decrypt(iv, key);
}

/// The IV for the key of message 2: CBC goes on where message 1 ended.
fn next_iv(obfuscated: &[u8; 32]) -> [u8; 16] {
    obfuscated.last_chunk().copied().unwrap_or_default()
}

/// Options in message 1 (SessionRequest), 16 bytes, big-endian:
/// net id 1 · version 1 · padding length 2 · length of message 3 part 2 with its tag 2 · zero 2 · time 4 (Unix seconds) · zero 4.
/// Reserved bytes are ignored on receipt. Source: NTCP2, "1) SessionRequest"; net id: proposal 147.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RequestOptions {
    pub(crate) net_id: u8,
    pub(crate) version: u8,
    pub(crate) padding_len: u16,
    pub(crate) part_2_len: u16,
    pub(crate) time: Seconds32,
}

impl RequestOptions {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let ([p0, p1], [l0, l1]) = (self.padding_len.to_be_bytes(), self.part_2_len.to_be_bytes());
        let [t0, t1, t2, t3] = self.time.0.to_be_bytes();
        [self.net_id, self.version, p0, p1, l0, l1, 0, 0, t0, t1, t2, t3, 0, 0, 0, 0]
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let [net_id, version, p0, p1, l0, l1, _, _, t0, t1, t2, t3, ..] = bytes;
        Self {
            net_id,
            version,
            padding_len: u16::from_be_bytes([p0, p1]),
            part_2_len: u16::from_be_bytes([l0, l1]),
            time: Seconds32(u32::from_be_bytes([t0, t1, t2, t3])),
        }
    }
}

/// Options in message 2 (SessionCreated), 16 bytes, big-endian:
/// zero 2 · padding length 2 · zero 4 · time 4 (Unix seconds) · zero 4. Reserved bytes are ignored on receipt.
/// Source: NTCP2, "2) SessionCreated".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CreatedOptions {
    pub(crate) padding_len: u16,
    pub(crate) time: Seconds32,
}

impl CreatedOptions {
    pub(crate) fn to_bytes(self) -> [u8; 16] {
        let [p0, p1] = self.padding_len.to_be_bytes();
        let [t0, t1, t2, t3] = self.time.0.to_be_bytes();
        [0, 0, p0, p1, 0, 0, 0, 0, t0, t1, t2, t3, 0, 0, 0, 0]
    }

    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Self {
        let [_, _, p0, p1, _, _, _, _, t0, t1, t2, t3, ..] = bytes;
        Self { padding_len: u16::from_be_bytes([p0, p1]), time: Seconds32(u32::from_be_bytes([t0, t1, t2, t3])) }
    }
}

/// The peer's clock minus ours, in seconds.
pub(crate) fn skew_secs(theirs: Seconds32, ours: Date) -> i64 {
    i64::from(theirs.0) - i64::from(ours.to_seconds_rounded().0)
}

/// Whether a difference of clocks is within `limit`.
pub(crate) fn within(skew_secs: i64, limit: Duration) -> bool {
    skew_secs.unsigned_abs() <= limit.as_secs()
}

/// Keys of the data phase, one set per direction.
pub(crate) struct DataKeys {
    pub(crate) to_responder: DirectionKeys,
    pub(crate) to_initiator: DirectionKeys,
}

/// Keys of one direction: AEAD key, and k1 8 · k2 8 · IV 8 · unused 8 for the length masks.
pub(crate) struct DirectionKeys {
    pub(crate) aead: Zeroizing<[u8; 32]>,
    pub(crate) sip: Zeroizing<[u8; 32]>,
}

impl DataKeys {
    /// Splits the final state. Source: NTCP2, "Key Derivation Function (KDF) (for data phase)".
    fn derive(noise: &SymmetricState) -> Self {
        let (ab, ba) = noise.split();
        let ask_master = Zeroizing::new(noise.derive(b"ask").0);
        let mut ikm = noise.hash().to_vec();
        ikm.extend_from_slice(b"siphash");
        let sip_master = Zeroizing::new(kdf::hkdf::<32>(ask_master.as_slice(), &ikm, &[]));
        let (sip_ab, sip_ba) = kdf::hkdf_pair(sip_master.as_slice(), &[], &[]);
        let direction = |aead, sip| DirectionKeys { aead: Zeroizing::new(aead), sip: Zeroizing::new(sip) };
        Self { to_responder: direction(ab, sip_ab), to_initiator: direction(ba, sip_ba) }
    }
}

impl DirectionKeys {
    /// The masks of frame lengths in this direction.
    pub(crate) fn length_mask(&self) -> siphash::LengthMask {
        let part = |at: usize| -> [u8; 8] {
            let bytes = self.sip.get(at..).and_then(|rest| rest.first_chunk());
            bytes.copied().unwrap_or_default()
        };
        siphash::LengthMask::new(part(0), part(8), part(16))
    }
}
