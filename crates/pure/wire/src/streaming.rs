//! [`Packet`]: the unit of the streaming protocol.

use std::fmt;

use bytes::Bytes;
use ramson_crypto::ed25519;

use crate::codec::{Codec, DecodeError, DecodeErrorKind, Reader, Writer};
use crate::identity::{Destination, SigningPublicKey};
use crate::ids::DestinationHash;
use crate::offline::OfflineKey;
use crate::signed::SignatureError;
use crate::time::Date;

/// Header without NACKs, options and payload.
pub const MIN_PACKET_LEN: usize = 22;
/// Most NACKs in a packet.
pub const MAX_NACKS: usize = 255;

const SIGNATURE_LEN: usize = 64;

/// Flag bits of a packet, 2 bytes. Those that announce an option are set from the options when written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

#[allow(missing_docs, reason = "names of the specification")]
impl Flags {
    pub const SYNCHRONIZE: Flags = Flags(0x001);
    pub const CLOSE: Flags = Flags(0x002);
    pub const RESET: Flags = Flags(0x004);
    pub const SIGNATURE_INCLUDED: Flags = Flags(0x008);
    pub const SIGNATURE_REQUESTED: Flags = Flags(0x010);
    pub const FROM_INCLUDED: Flags = Flags(0x020);
    pub const DELAY_REQUESTED: Flags = Flags(0x040);
    pub const MAX_PACKET_SIZE_INCLUDED: Flags = Flags(0x080);
    pub const PROFILE_INTERACTIVE: Flags = Flags(0x100);
    pub const ECHO: Flags = Flags(0x200);
    pub const NO_ACK: Flags = Flags(0x400);
    pub const OFFLINE_SIGNATURE: Flags = Flags(0x800);

    /// The flags that announce options.
    const OPTIONS: Flags = Flags(0x008 | 0x020 | 0x040 | 0x080 | 0x800);
}

impl Flags {
    /// True if all flags of `other` are set.
    pub fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Without the flags of `other`.
    pub fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl std::ops::BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        self.0 |= other.0;
    }
}

/// Signature of a packet, and where it stood in it.
#[derive(Clone)]
pub struct PacketSignature {
    bytes: Bytes,
    offset: usize,
}

impl PacketSignature {
    /// The signature itself.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl fmt::Debug for PacketSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PacketSignature")
    }
}

impl PartialEq for PacketSignature {
    fn eq(&self, other: &PacketSignature) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PacketSignature {}

/// Options, in the order of the wire; each is announced by a flag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PacketOptions {
    /// 2 bytes, ms: 0 wants an ack at once; over 60000 means stop sending ("choke").
    pub delay: Option<u16>,
    /// The sender.
    pub from: Option<Destination>,
    /// 2 bytes: longest payload the sender takes.
    pub max_size: Option<u16>,
    /// A transient key that signs in the sender's place.
    pub offline: Option<OfflineKey>,
    /// Last option; made by [`Packet::sign`], checked by [`Packet::verify`].
    pub signature: Option<PacketSignature>,
}

/// A packet: send stream id 4 · receive stream id 4 · sequence 4 · ack through 4 · NACK count 1 · NACKs 4 each · resend delay 1 (s) · flags 2
/// · option size 2 · options · payload to the end.
///
/// Option bytes that no flag announces are ignored. Errors: `Truncated`, and those of [`Destination`] and [`OfflineKey`].
/// Source: Streaming library, "Packet Format".
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Packet {
    /// Id chosen by the receiver of this packet; 0 before it is known.
    pub send_id: u32,
    /// Id chosen by its sender.
    pub receive_id: u32,
    /// 0 in SYN and plain acks.
    pub sequence: u32,
    /// All up to this has arrived, except `nacks`.
    pub ack_through: u32,
    /// Sequence numbers missing, at most [`MAX_NACKS`]; in a first SYN the receiver's hash (see [`Packet::addressed_to`]).
    pub nacks: Vec<u32>,
    /// Seconds; nobody uses it.
    pub resend_delay: u8,
    /// What kind of packet.
    pub flags: Flags,
    /// Options.
    pub options: PacketOptions,
    /// Data.
    pub payload: Bytes,
}

impl Packet {
    /// The NACKs of a first SYN: the receiver's hash in eight numbers, so that the packet can't be replayed to another destination.
    pub fn replay_guard(to: &DestinationHash) -> Vec<u32> {
        let words = to.0.as_chunks::<4>().0;
        words.iter().map(|word| u32::from_be_bytes(*word)).collect()
    }

    /// Whom a first SYN names in its NACKs, if it does.
    pub fn addressed_to(&self) -> Option<DestinationHash> {
        let words: [u32; 8] = self.nacks.as_slice().try_into().ok()?;
        let mut hash = [0; 32];
        for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *bytes = word.to_be_bytes();
        }
        Some(DestinationHash(hash))
    }

    /// Signs with the key of our destination and gives the packet's bytes.
    pub fn sign(&mut self, key: &ed25519::SigningKey) -> Vec<u8> {
        let offset = self.signature_offset();
        self.options.signature = Some(PacketSignature {
            bytes: Bytes::from_static(&[0; SIGNATURE_LEN]),
            offset,
        });
        let mut bytes = self.to_bytes();
        let signature = key.sign(&bytes);
        if let Some(place) = bytes.get_mut(offset..offset + SIGNATURE_LEN) {
            place.copy_from_slice(&signature.0);
        }
        self.options.signature = Some(PacketSignature {
            bytes: Bytes::copy_from_slice(&signature.0),
            offset,
        });
        bytes
    }

    /// Checks the signature over the bytes this packet was decoded from. `sender` is the key of the packet's `from`, or of the stream's
    /// peer if it has none; with an offline block it must have approved the transient key, which then signs, and `now` must not be past
    /// its expiration. Errors: `Bad` (also without signature), `Expired`, `Unsupported`.
    pub fn verify(
        &self,
        bytes: &[u8],
        sender: &SigningPublicKey,
        now: Date,
    ) -> Result<(), SignatureError> {
        let signature = self.options.signature.as_ref().ok_or(SignatureError::Bad)?;
        let mut key = sender;
        if let Some(offline) = &self.options.offline {
            offline.verify(sender)?;
            if offline.expires().to_date() < now {
                return Err(SignatureError::Expired);
            }
            key = offline.transient();
        }
        let mut signed = bytes.to_vec();
        let end = signature.offset.saturating_add(signature.bytes.len());
        let place = signed
            .get_mut(signature.offset..end)
            .ok_or(SignatureError::Bad)?;
        if *place != *signature.bytes {
            return Err(SignatureError::Bad);
        }
        place.fill(0);
        key.verify(&signed, &signature.bytes)
    }

    fn signature_offset(&self) -> usize {
        MIN_PACKET_LEN + self.nacks.len().min(MAX_NACKS) * 4 + self.options.unsigned_len()
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Packet(flags {:#x}, sequence {}, {} bytes)",
            self.flags.0,
            self.sequence,
            self.payload.len()
        )
    }
}

impl PacketOptions {
    fn flags(&self) -> Flags {
        let mut flags = Flags::default();
        for (present, flag) in [
            (self.delay.is_some(), Flags::DELAY_REQUESTED),
            (self.from.is_some(), Flags::FROM_INCLUDED),
            (self.max_size.is_some(), Flags::MAX_PACKET_SIZE_INCLUDED),
            (self.offline.is_some(), Flags::OFFLINE_SIGNATURE),
            (self.signature.is_some(), Flags::SIGNATURE_INCLUDED),
        ] {
            if present {
                flags |= flag;
            }
        }
        flags
    }

    fn unsigned_len(&self) -> usize {
        let from = self.from.as_ref().map_or(0, Codec::encoded_len);
        let offline = self.offline.as_ref().map_or(0, OfflineKey::encoded_len);
        let numbers = usize::from(self.delay.is_some()) + usize::from(self.max_size.is_some());
        from + offline + numbers * 2
    }

    fn len(&self) -> usize {
        self.unsigned_len()
            + self
                .signature
                .as_ref()
                .map_or(0, |signature| signature.bytes.len())
    }

    fn encode(&self, w: &mut Writer) {
        if let Some(delay) = self.delay {
            w.u16(delay);
        }
        if let Some(from) = &self.from {
            w.put(from);
        }
        if let Some(size) = self.max_size {
            w.u16(size);
        }
        if let Some(offline) = &self.offline {
            offline.encode(w);
        }
        if let Some(signature) = &self.signature {
            w.bytes(&signature.bytes);
        }
    }

    fn decode(r: &mut Reader<'_>, flags: Flags) -> Result<PacketOptions, DecodeError> {
        let mut options = PacketOptions::default();
        if flags.contains(Flags::DELAY_REQUESTED) {
            options.delay = Some(r.u16("packet delay")?);
        }
        if flags.contains(Flags::FROM_INCLUDED) {
            options.from = Some(Destination::decode(r)?);
        }
        if flags.contains(Flags::MAX_PACKET_SIZE_INCLUDED) {
            options.max_size = Some(r.u16("packet size")?);
        }
        if flags.contains(Flags::OFFLINE_SIGNATURE) {
            // Without the sender in the packet its key's type is taken to be the only one that could verify.
            let any = SigningPublicKey::Ed25519(ed25519::PublicKey([0; 32]));
            let signer = options.from.as_ref().map_or(&any, Destination::signing_key);
            options.offline = Some(OfflineKey::decode(r, signer)?);
        }
        if flags.contains(Flags::SIGNATURE_INCLUDED) {
            let signer = options.offline.as_ref().map(OfflineKey::transient);
            let signer = signer.or(options.from.as_ref().map(Destination::signing_key));
            // Without a key in the packet the signature is what is left, since it comes last.
            let length = signer
                .and_then(SigningPublicKey::signature_len)
                .unwrap_or(r.remaining());
            let offset = r.offset();
            options.signature = Some(PacketSignature {
                bytes: r.take_bytes(length, "packet signature")?,
                offset,
            });
        }
        Ok(options)
    }
}

impl Codec for Packet {
    fn decode(r: &mut Reader<'_>) -> Result<Packet, DecodeError> {
        if r.offset() != 0 {
            // The signature is found again by its offset in the packet.
            return Err(r.error(DecodeErrorKind::Invalid, "packet inside another structure"));
        }
        let send_id = r.u32("packet send id")?;
        let receive_id = r.u32("packet receive id")?;
        let sequence = r.u32("packet sequence")?;
        let ack_through = r.u32("packet ack")?;
        let count = r.u8("packet NACKs")?;
        let nacks = (0..count)
            .map(|_| r.u32("packet NACK"))
            .collect::<Result<_, _>>()?;
        let resend_delay = r.u8("packet resend delay")?;
        let flags = Flags(r.u16("packet flags")?);
        let size = r.u16("packet options")?;
        // A stream keeps its peer's destination for long; the packet around it goes.
        let mut section = r
            .sub(usize::from(size), "packet options")?
            .without_sharing();
        let options = PacketOptions::decode(&mut section, flags)?;
        let payload = r.rest_bytes();
        Ok(Packet {
            send_id,
            receive_id,
            sequence,
            ack_through,
            nacks,
            resend_delay,
            flags,
            options,
            payload,
        })
    }

    fn encode(&self, w: &mut Writer) {
        let nacks = self.nacks.get(..MAX_NACKS).unwrap_or(&self.nacks);
        w.u32(self.send_id);
        w.u32(self.receive_id);
        w.u32(self.sequence);
        w.u32(self.ack_through);
        w.u8(u8::try_from(nacks.len()).unwrap_or(u8::MAX));
        for nack in nacks {
            w.u32(*nack);
        }
        w.u8(self.resend_delay);
        w.u16((self.flags.without(Flags::OPTIONS) | self.options.flags()).0);
        w.u16(u16::try_from(self.options.len()).unwrap_or(u16::MAX));
        self.options.encode(w);
        w.bytes(&self.payload);
    }

    fn encoded_len(&self) -> usize {
        MIN_PACKET_LEN
            + self.nacks.len().min(MAX_NACKS) * 4
            + self.options.len()
            + self.payload.len()
    }
}

#[cfg(test)]
mod tests;
