//! The other end of an NTCP2 session: a second implementation that knows all keys and sends whatever it is told to.

use ramson_crypto::aead::{self, nonce};
use ramson_crypto::kdf;
use ramson_crypto::noise::SymmetricState;
use ramson_crypto::siphash::LengthMask;
use ramson_crypto::x25519::{PrivateKey, PublicKey};
use ramson_lane::LocalIdentity;

const PROTOCOL: &[u8] = b"Noise_XKaesobfse+hs2+hs3_25519_ChaChaPoly_SHA256";

/// Keys of one direction in use.
pub struct Direction {
    key: aead::Key,
    mask: LengthMask,
    counter: u64,
}

/// Keys of both directions.
pub struct Keys {
    /// From the initiator.
    pub to_responder: Direction,
    /// From the responder.
    pub to_initiator: Direction,
}

impl Keys {
    fn derive(noise: &SymmetricState) -> Self {
        let (ab, ba) = noise.split();
        let ask = noise.derive(b"ask").0;
        let ikm = [noise.hash().as_slice(), b"siphash"].concat();
        let master = kdf::hkdf::<32>(&ask, &ikm, &[]);
        let (sip_ab, sip_ba) = kdf::hkdf_pair(&master, &[], &[]);
        Self { to_responder: Direction::new(&ab, &sip_ab), to_initiator: Direction::new(&ba, &sip_ba) }
    }
}

impl Direction {
    fn new(key: &[u8; 32], sip: &[u8; 32]) -> Self {
        let part = |at: usize| -> [u8; 8] { sip[at..at + 8].try_into().unwrap() };
        Self { key: aead::Key::new(key), mask: LengthMask::new(part(0), part(8), part(16)), counter: 0 }
    }

    /// One frame.
    pub fn seal(&mut self, blocks: &[u8]) -> Vec<u8> {
        let mut sealed = blocks.to_vec();
        self.key.seal(nonce(self.counter), &[], &mut sealed);
        self.counter += 1;
        let length = u16::try_from(sealed.len()).unwrap() ^ self.mask.next();
        [length.to_be_bytes().as_slice(), &sealed].concat()
    }

    /// Takes whole frames out of a buffer: their blocks. `None` for a frame that isn't genuine.
    pub fn open(&mut self, buffer: &mut Vec<u8>, length: &mut Option<usize>) -> Option<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        let mut taken = 0;
        let rest = |taken: usize| buffer.get(taken..).unwrap_or_default();
        loop {
            if length.is_none()
                && let Some(masked) = rest(taken).first_chunk()
            {
                taken += masked.len();
                *length = Some(usize::from(u16::from_be_bytes(*masked) ^ self.mask.next()));
            }
            let Some(frame) = length.and_then(|length| rest(taken).get(..length)) else { break };
            *length = None;
            taken += frame.len();
            let mut frame = frame.to_vec();
            let opened = self.key.open(nonce(self.counter), &[], &mut frame).ok()?.to_vec();
            self.counter += 1;
            frames.push(opened);
        }
        // Once: there may be megabytes behind each of the frames.
        buffer.drain(..taken);
        Some(frames)
    }
}

fn dh(noise: &mut SymmetricState, private: &PrivateKey, public: &PublicKey) -> Option<()> {
    noise.mix_key(private.diffie_hellman(public).ok()?.as_bytes());
    Some(())
}

fn start(responder: &PublicKey) -> SymmetricState {
    let mut noise = SymmetricState::new(PROTOCOL);
    noise.mix_prologue(&[]);
    noise.mix_hash(&responder.0);
    noise
}

fn mix_padding(noise: &mut SymmetricState, padding: &[u8]) {
    if !padding.is_empty() {
        noise.mix_hash(padding);
    }
}

/// Options of message 1 that a responder takes.
pub fn request_options(net_id: u8, padding: usize, part_2: usize, secs: u32) -> [u8; 16] {
    let mut options = [0; 16];
    options[0] = net_id;
    options[1] = 2;
    options[2..4].copy_from_slice(&u16::try_from(padding).unwrap().to_be_bytes());
    options[4..6].copy_from_slice(&u16::try_from(part_2).unwrap().to_be_bytes());
    options[8..12].copy_from_slice(&secs.to_be_bytes());
    options
}

/// Who dials.
pub struct Initiator {
    noise: SymmetricState,
    ephemeral: PrivateKey,
    responder: PublicKey,
    hash: [u8; 32],
    iv: [u8; 16],
}

impl Initiator {
    /// Message 1.
    pub fn request(to: &LocalIdentity, seed: u8, options: &[u8], padding: &[u8]) -> (Self, Vec<u8>) {
        let ephemeral = PrivateKey::from_bytes(&[seed; 32]);
        let responder = to.static_key.public();
        let mut noise = start(&responder);
        noise.mix_hash(&ephemeral.public().0);
        dh(&mut noise, &ephemeral, &responder).unwrap();
        let mut message = ephemeral.public().0.to_vec();
        ramson_aes::Key::new(to.hash.as_bytes()).cbc_encrypt(&to.iv, &mut message).unwrap();
        let iv = message[16..].try_into().unwrap();
        message.extend_from_slice(options);
        noise.encrypt_and_hash(&mut message, 32);
        message.extend_from_slice(padding);
        mix_padding(&mut noise, padding);
        (Self { noise, ephemeral, responder, hash: to.hash.0, iv }, message)
    }

    /// Takes all of message 2, and gives its options.
    pub fn created(&mut self, message: &[u8]) -> Option<[u8; 16]> {
        let (head, padding) = message.split_at_checked(64)?;
        let mut head = head.to_vec();
        let (key, sealed) = head.split_at_mut(32);
        ramson_aes::Key::new(&self.hash).cbc_decrypt(&self.iv, key).unwrap();
        self.responder = PublicKey((&*key).try_into().unwrap());
        self.noise.mix_hash(key);
        dh(&mut self.noise, &self.ephemeral, &self.responder)?;
        let options = self.noise.decrypt_and_hash(sealed).ok()?;
        let options: [u8; 16] = (&*options).try_into().unwrap();
        mix_padding(&mut self.noise, padding);
        Some(options)
    }

    /// Message 3.
    pub fn confirm(mut self, static_key: &PrivateKey, payload: &[u8]) -> (Keys, Vec<u8>) {
        let mut message = static_key.public().0.to_vec();
        self.noise.encrypt_and_hash(&mut message, 0);
        dh(&mut self.noise, static_key, &self.responder).unwrap();
        let at = message.len();
        message.extend_from_slice(payload);
        self.noise.encrypt_and_hash(&mut message, at);
        (Keys::derive(&self.noise), message)
    }
}

/// Who is dialed.
pub struct Responder {
    noise: SymmetricState,
    initiator: PublicKey,
    ephemeral: PrivateKey,
    iv: [u8; 16],
    /// What message 1 said.
    pub options: [u8; 16],
}

impl Responder {
    /// Takes message 1, all of it.
    pub fn requested(own: &LocalIdentity, message: &[u8]) -> Option<Self> {
        let (head, padding) = message.split_at_checked(64)?;
        let mut head = head.to_vec();
        let (key, sealed) = head.split_at_mut(32);
        let iv = key[16..].try_into().unwrap();
        ramson_aes::Key::new(own.hash.as_bytes()).cbc_decrypt(&own.iv, key).unwrap();
        let initiator = PublicKey((&*key).try_into().unwrap());
        let mut noise = start(&own.static_key.public());
        noise.mix_hash(key);
        dh(&mut noise, &own.static_key, &initiator)?;
        let options: [u8; 16] = (&*noise.decrypt_and_hash(sealed).ok()?).try_into().unwrap();
        mix_padding(&mut noise, padding);
        Some(Self { noise, initiator, ephemeral: PrivateKey::from_bytes(&[77; 32]), iv, options })
    }

    /// Message 2.
    pub fn create(&mut self, own: &LocalIdentity, options: &[u8], padding: &[u8]) -> Vec<u8> {
        self.noise.mix_hash(&self.ephemeral.public().0);
        dh(&mut self.noise, &self.ephemeral, &self.initiator).unwrap();
        let mut message = self.ephemeral.public().0.to_vec();
        ramson_aes::Key::new(own.hash.as_bytes()).cbc_encrypt(&self.iv, &mut message).unwrap();
        message.extend_from_slice(options);
        self.noise.encrypt_and_hash(&mut message, 32);
        message.extend_from_slice(padding);
        mix_padding(&mut self.noise, padding);
        message
    }

    /// Takes message 3: the static key and the blocks.
    pub fn confirmed(mut self, message: &[u8]) -> Option<(Keys, PublicKey, Vec<u8>)> {
        let mut message = message.to_vec();
        let (part_1, part_2) = message.split_at_mut_checked(48)?;
        let key = PublicKey((&*self.noise.decrypt_and_hash(part_1).ok()?).try_into().unwrap());
        dh(&mut self.noise, &self.ephemeral, &key)?;
        let payload = self.noise.decrypt_and_hash(part_2).ok()?.to_vec();
        Some((Keys::derive(&self.noise), key, payload))
    }
}
