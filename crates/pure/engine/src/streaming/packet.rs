//! Streaming packets on the data path: parsed without copying the payload, written in one buffer.

use std::ops::Range;

use bytes::Bytes;
use ramson_wire::{Codec, Date, DecodeError, DecodeErrorKind, Destination, DestinationHash, OfflineKey, Reader};

use super::DestinationSigner;

pub(super) const SYN: u16 = 0x001;
pub(super) const CLOSE: u16 = 0x002;
pub(super) const RESET: u16 = 0x004;
pub(super) const SIGNED: u16 = 0x008;
pub(super) const FROM: u16 = 0x020;
pub(super) const DELAY: u16 = 0x040;
pub(super) const MAX_SIZE: u16 = 0x080;
pub(super) const ECHO: u16 = 0x200;
pub(super) const NO_ACK: u16 = 0x400;
pub(super) const OFFLINE: u16 = 0x800;

/// Without NACKs and options.
pub(super) const HEADER: usize = 22;
const SIGNATURE: usize = 64;
/// Payloads above this are refused; ours and everyone's limit is 1812, i2pd's buffers end at 4096.
pub(super) const MAX_PAYLOAD: usize = 4096;

/// A packet as received.
///
/// send id 4 · receive id 4 · sequence 4 · ackThrough 4 · NACK count 1 · NACKs 4 each · resend delay 1 · flags 2 · option size 2 ·
/// options · payload. "send" is the id chosen by the packet's recipient (0 if not known yet), "receive" that of its sender.
/// Options in this order, each by its flag: delay 2, FROM destination, maximal payload 2, offline block, signature.
/// With an offline block the signature is by its transient key; i2pd repeats the block in packets without FROM.
/// Errors: `Truncated` and what a destination's decoder reports; too large payload.
/// Source: Streaming Library Specification, "Packet Format".
#[derive(Debug, Clone)]
pub(super) struct Packet {
    pub(super) send_id: u32,
    pub(super) receive_id: u32,
    pub(super) sequence: u32,
    pub(super) ack_through: u32,
    nacks: Bytes,
    pub(super) flags: u16,
    pub(super) delay: Option<u16>,
    pub(super) from: Option<Destination>,
    pub(super) max_size: Option<u16>,
    /// Where the signature lies in `raw`, or the offline block before it; to the end of the options.
    proof: Option<Range<usize>>,
    pub(super) payload: Bytes,
    raw: Bytes,
}

impl Packet {
    pub(super) fn parse(raw: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::shared(raw);
        let send_id = r.u32("send id")?;
        let receive_id = r.u32("receive id")?;
        let sequence = r.u32("sequence")?;
        let ack_through = r.u32("ackThrough")?;
        let count = r.u8("NACK count")?;
        let nacks = r.take_bytes(usize::from(count) * 4, "NACKs")?;
        r.u8("resend delay")?;
        let flags = r.u16("flags")?;
        let size = usize::from(r.u16("option size")?);
        let options_at = r.offset();
        let mut options = r.sub(size, "options")?;
        let delay = (flags & DELAY != 0).then(|| options.u16("delay")).transpose()?;
        let from = (flags & FROM != 0).then(|| Destination::decode(&mut options)).transpose()?;
        let max_size = (flags & MAX_SIZE != 0).then(|| options.u16("maximal size")).transpose()?;
        let signed = flags & SIGNED != 0;
        let proof = signed.then(|| options_at + size - options.remaining()..options_at + size);
        let payload = r.rest_bytes();
        if payload.len() > MAX_PAYLOAD {
            return Err(DecodeError::new(DecodeErrorKind::TooLong, "payload"));
        }
        Ok(Self {
            send_id,
            receive_id,
            sequence,
            ack_through,
            nacks,
            flags,
            delay,
            from,
            max_size,
            proof,
            payload,
            raw: raw.clone(),
        })
    }

    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn nacks(&self) -> impl Iterator<Item = u32> + '_ {
        self.nacks.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The NACK field of a first packet holds the hash of the destination it is meant for; others there are ignored.
    pub(super) fn is_for(&self, hash: &DestinationHash) -> bool {
        self.nacks.len() != 32 || self.nacks.as_ref() == hash.as_bytes()
    }

    /// Whether the signature is that of `signer`, or now of a key that it approved, over the packet with the signature's bytes zero.
    pub(super) fn verify(&self, signer: &Destination, now: Date) -> bool {
        let Some(proof) = self.proof.clone() else {
            return false;
        };
        let (key, at) = if self.has(OFFLINE) {
            let mut r = Reader::new(self.raw.get(proof.clone()).unwrap_or_default());
            let Ok(offline) = OfflineKey::decode(&mut r, signer.signing_key()) else {
                return false;
            };
            if offline.expires().to_date() <= now || offline.verify(signer.signing_key()).is_err() {
                return false;
            }
            (*offline.transient(), proof.start + offline.encoded_len())
        } else {
            (*signer.signing_key(), proof.start)
        };
        if at + SIGNATURE > proof.end {
            return false;
        }
        let mut bytes = self.raw.to_vec();
        let Some(field) = bytes.get_mut(at..at + SIGNATURE) else {
            return false;
        };
        let mut signature = [0; SIGNATURE];
        signature.swap_with_slice(field);
        key.verify(&bytes, &signature).is_ok()
    }
}

/// The fields of a packet to be written.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Head<'a> {
    pub(super) send_id: u32,
    pub(super) receive_id: u32,
    pub(super) sequence: u32,
    pub(super) ack_through: u32,
    pub(super) nacks: &'a [u32],
    pub(super) flags: u16,
    pub(super) delay: Option<u16>,
    pub(super) max_size: Option<u16>,
}

impl Head<'_> {
    /// Writes header and options of an unsigned packet into a buffer with room for `payload` more bytes.
    pub(super) fn write(&self, payload: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 2 + self.nacks.len() * 4 + payload);
        self.start(&mut out);
        out.extend_from_slice(&if self.delay.is_some() { 2u16 } else { 0 }.to_be_bytes());
        if let Some(delay) = self.delay {
            out.extend_from_slice(&delay.to_be_bytes());
        }
        out
    }

    /// Writes a signed packet, with FROM if the flags say so, around a payload that `fill` appends.
    pub(super) fn write_signed(&self, signer: &DestinationSigner, fill: impl FnOnce(&mut Vec<u8>)) -> (Bytes, usize) {
        let mut out = Vec::with_capacity(2560);
        self.start(&mut out);
        let size_at = out.len();
        out.extend_from_slice(&[0, 0]);
        if let Some(delay) = self.delay {
            out.extend_from_slice(&delay.to_be_bytes());
        }
        if self.all_flags() & FROM != 0 {
            out.extend_from_slice(signer.destination().bytes());
        }
        if let Some(size) = self.max_size {
            out.extend_from_slice(&size.to_be_bytes());
        }
        let at = out.len();
        out.extend_from_slice(&[0; SIGNATURE]);
        let size = u16::try_from(out.len() - size_at - 2).unwrap_or(u16::MAX);
        if let Some(field) = out.get_mut(size_at..size_at + 2) {
            field.copy_from_slice(&size.to_be_bytes());
        }
        let payload_at = out.len();
        fill(&mut out);
        let signature = signer.sign(&out);
        if let Some(field) = out.get_mut(at..at + SIGNATURE) {
            field.copy_from_slice(&signature);
        }
        let payload = out.len() - payload_at;
        (Bytes::from(out), payload)
    }

    fn all_flags(&self) -> u16 {
        self.flags | if self.delay.is_some() { DELAY } else { 0 } | if self.max_size.is_some() { MAX_SIZE } else { 0 }
    }

    fn start(&self, out: &mut Vec<u8>) {
        for field in [self.send_id, self.receive_id, self.sequence, self.ack_through] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        let nacks = self.nacks.get(..255).unwrap_or(self.nacks);
        out.push(u8::try_from(nacks.len()).unwrap_or(u8::MAX));
        for nack in nacks {
            out.extend_from_slice(&nack.to_be_bytes());
        }
        out.push(0);
        out.extend_from_slice(&self.all_flags().to_be_bytes());
    }
}

/// The hash of the destination a first packet is for, as it stands in the NACK field.
pub(super) fn hash_as_nacks(hash: &DestinationHash) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(hash.as_bytes().as_chunks::<4>().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    words
}
