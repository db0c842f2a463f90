//! The cryptography of build records, shared by creator and hop. No policy here.
//!
//! A record is: first 16 bytes of the hop's router hash ‖ ephemeral X25519 key 32 ‖ ChaCha20-Poly1305(clear text) + 16; short records
//! have 218 bytes, long ones 528. The pattern is Noise N with the hop's encryption key. The reply takes the place of the whole record.
//! Source: ECIES-X25519 Tunnel Creation, "Short Record Specification" and "Record Encryption" (proposals 152 and 157).

use ramson_crypto::noise::SymmetricState;
use ramson_crypto::{CryptoError, aead, chacha20, kdf, x25519};
use ramson_wire::{RouterHash, SessionTag};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Length of a short record.
pub(crate) const SHORT_LEN: usize = 218;
/// Length of a long record.
pub(crate) const LONG_LEN: usize = 528;
/// How much of the hop's hash stands in front of its record.
pub(crate) const PREFIX_LEN: usize = 16;
/// Most records in one message.
pub(crate) const MAX_RECORDS: usize = 8;
/// Clear text of a short request.
pub(crate) const SHORT_CLEAR_LEN: usize = 154;
/// Clear text of a long request.
pub(crate) const LONG_CLEAR_LEN: usize = LONG_LEN - HEAD_LEN - aead::TAG_LEN;

const HEAD_LEN: usize = PREFIX_LEN + 32;
const NOISE_N: &[u8] = b"Noise_N_25519_ChaChaPoly_SHA256";

/// What a Noise N message leaves: the hash that authenticates the reply and the chaining key that all keys come from.
#[derive(ZeroizeOnDrop)]
pub(crate) struct NoiseEnd {
    pub(crate) hash: [u8; 32],
    pub(crate) chain: [u8; 32],
}

/// The keys of one hop of a short build.
#[derive(ZeroizeOnDrop)]
pub(crate) struct ShortKeys {
    pub(crate) reply: [u8; 32],
    pub(crate) layer: [u8; 32],
    pub(crate) iv: [u8; 32],
    #[zeroize(skip)]
    pub(crate) garlic_tag: SessionTag,
    pub(crate) garlic_key: [u8; 32],
}

impl ShortKeys {
    /// Derives them. An endpoint takes its IV key one step later than the others and goes on to the key of the garlic reply.
    pub(crate) fn derive(chain: &[u8; 32], endpoint: bool) -> ShortKeys {
        let (mut chain, reply) = kdf::hkdf_pair(chain, &[], b"SMTunnelReplyKey");
        let (next, layer) = kdf::hkdf_pair(&chain, &[], b"SMTunnelLayerKey");
        chain = next;
        let mut keys = ShortKeys { reply, layer, iv: chain, garlic_tag: SessionTag([0; 8]), garlic_key: [0; 32] };
        if endpoint {
            let (next, iv) = kdf::hkdf_pair(&chain, &[], b"TunnelLayerIVKey");
            keys.iv = iv;
            let (next, garlic_key) = kdf::hkdf_pair(&next, &[], b"RGarlicKeyAndTag");
            keys.garlic_key = garlic_key;
            if let Some(tag) = next.first_chunk() {
                keys.garlic_tag = SessionTag(*tag);
            }
        }
        chain.zeroize();
        keys
    }
}

fn start(hop: &x25519::PublicKey, ephemeral: &[u8; 32]) -> SymmetricState {
    let mut noise = SymmetricState::new(NOISE_N);
    noise.mix_prologue(&[]);
    noise.mix_hash(&hop.0);
    noise.mix_hash(ephemeral);
    noise
}

fn end(noise: &SymmetricState) -> NoiseEnd {
    NoiseEnd { hash: *noise.hash(), chain: *noise.chaining_key() }
}

/// Seals a request for a hop into a complete record.
pub(crate) fn seal_request(
    clear: &[u8],
    hop: &RouterHash,
    key: &x25519::PublicKey,
    ephemeral: &x25519::PrivateKey,
) -> Result<(Vec<u8>, NoiseEnd), CryptoError> {
    let public = ephemeral.public();
    let mut noise = start(key, &public.0);
    noise.mix_key(ephemeral.diffie_hellman(key)?.as_bytes());
    let mut record = Vec::with_capacity(LONG_LEN);
    record.extend(hop.0.iter().take(PREFIX_LEN));
    record.extend_from_slice(&public.0);
    record.extend_from_slice(clear);
    noise.encrypt_and_hash(&mut record, HEAD_LEN);
    Ok((record, end(&noise)))
}

/// A request that was for us.
pub(crate) struct OpenedRequest {
    pub(crate) clear: Vec<u8>,
    pub(crate) ephemeral: [u8; 32],
    pub(crate) noise: NoiseEnd,
}

/// Opens a record (short or long) that carries our prefix.
pub(crate) fn open_request(record: &[u8], our: &x25519::PrivateKey) -> Result<OpenedRequest, CryptoError> {
    let (head, sealed) = record.split_at_checked(HEAD_LEN).ok_or(CryptoError::BadTag)?;
    let ephemeral = *head.last_chunk::<32>().ok_or(CryptoError::BadTag)?;
    let mut noise = start(&our.public(), &ephemeral);
    noise.mix_key(our.diffie_hellman(&x25519::PublicKey(ephemeral))?.as_bytes());
    let mut sealed = sealed.to_vec();
    let clear = noise.decrypt_and_hash(&mut sealed)?.to_vec();
    Ok(OpenedRequest { clear, ephemeral, noise: end(&noise) })
}

fn nonce(index: usize) -> [u8; 12] {
    aead::nonce(u64::try_from(index).unwrap_or(0))
}

/// Puts one hop's layer on (or takes it off) the record of another hop at `index`.
pub(crate) fn stream(reply_key: &[u8; 32], index: usize, record: &mut [u8]) {
    chacha20::apply(reply_key, &nonce(index), 1, record);
}

/// The sealed reply of a hop of a short build, 218 bytes: empty options, random filling, code.
pub(crate) fn seal_short_reply(key: &[u8; 32], hash: &[u8; 32], index: usize, clear: &mut Vec<u8>) {
    aead::Key::new(key).seal(nonce(index), hash, clear);
}

/// The code in a hop's reply. The options are not read: some routers leave noise there.
pub(crate) fn open_short_reply(keys: &ShortKeys, hash: &[u8; 32], index: usize, record: &[u8]) -> Result<u8, CryptoError> {
    let mut record = record.to_vec();
    let clear = aead::Key::new(&keys.reply).open(nonce(index), hash, &mut record)?;
    clear.last().copied().ok_or(CryptoError::BadTag)
}

/// The sealed reply of a hop of a long build, 528 bytes.
pub(crate) fn seal_long_reply(noise: &NoiseEnd, clear: &mut Vec<u8>) {
    aead::Key::new(&noise.chain).seal(aead::nonce(0), &noise.hash, clear);
}
