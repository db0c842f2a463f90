//! Build requests of others: find our record, open it, read it, answer it. Short (218 bytes) and long ECIES (528 bytes) records;
//! policy is in `transit`.
//!
//! Source: ECIES-X25519 Tunnel Creation, "Request Record" and "Reply Record"; proposal 157 for short records.

use bytes::Bytes;
use ramson_aes::LayerKeys;
use ramson_crypto::{CryptoRng, x25519};
use ramson_wire::{DecodeError, MessageId, Reader, RouterHash, SessionTag, TunnelId};
use zeroize::Zeroize;

use super::record::{self, LONG_CLEAR_LEN, LONG_LEN, MAX_RECORDS, NoiseEnd, PREFIX_LEN, SHORT_LEN, ShortKeys};

/// Form of the records of a build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Short,
    Long,
}

impl Form {
    fn record_len(self) -> usize {
        match self {
            Form::Short => SHORT_LEN,
            Form::Long => LONG_LEN,
        }
    }
}

/// What we are asked to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Gateway,
    Participant,
    Endpoint,
}

/// Why a request gets no answer at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("not a build message")]
    Form,
    #[error("no record for us")]
    NotOurs,
    #[error("our record can't be opened")]
    Sealed,
    #[error("our record makes no sense")]
    Content,
}

impl From<DecodeError> for Unreadable {
    fn from(_: DecodeError) -> Unreadable {
        Unreadable::Content
    }
}

enum ReplyKeys {
    Short(ShortKeys),
    Long { key: [u8; 32], iv: [u8; 16] },
}

impl Drop for ReplyKeys {
    fn drop(&mut self) {
        if let ReplyKeys::Long { key, .. } = self {
            key.zeroize();
        }
    }
}

/// Our record, opened.
pub(crate) struct Opened {
    pub(crate) receive: TunnelId,
    pub(crate) next: RouterHash,
    pub(crate) next_tunnel: TunnelId,
    pub(crate) role: Role,
    /// 0 is AES, the only one there is.
    pub(crate) layer_type: u8,
    /// When the request was made, minutes since the epoch.
    pub(crate) minutes: u32,
    pub(crate) next_message: MessageId,
    /// Names the request in the replay filter.
    pub(crate) ephemeral: [u8; 32],
    form: Form,
    index: usize,
    body: Vec<u8>,
    noise: NoiseEnd,
    keys: ReplyKeys,
    layers: ([u8; 32], [u8; 32]),
}

/// Finds and opens our record. Only the first one with our prefix is tried: one key agreement a message.
pub(crate) fn open(form: Form, body: &[u8], us: &RouterHash, key: &x25519::PrivateKey) -> Result<Opened, Unreadable> {
    let len = form.record_len();
    let (count, records) = body.split_first().ok_or(Unreadable::Form)?;
    let count = usize::from(*count);
    if count == 0 || count > MAX_RECORDS || records.len() < count * len {
        return Err(Unreadable::Form);
    }
    let prefix = us.0.first_chunk::<PREFIX_LEN>();
    let (index, ours) = records
        .chunks_exact(len)
        .take(count)
        .enumerate()
        .find(|(_, record)| record.first_chunk::<PREFIX_LEN>() == prefix)
        .ok_or(Unreadable::NotOurs)?;
    let opened = record::open_request(ours, key).map_err(|_| Unreadable::Sealed)?;
    let body = body.get(..1 + count * len).ok_or(Unreadable::Form)?.to_vec();
    let mut clear = opened.clear;
    let fields = match form {
        Form::Short => read_short(&clear, &opened.noise),
        Form::Long => read_long(&clear),
    };
    clear.zeroize();
    let fields = fields?;
    let ephemeral = opened.ephemeral;
    Ok(fields.with(form, index, body, opened.noise, ephemeral))
}

struct Fields {
    receive: TunnelId,
    next_tunnel: TunnelId,
    next: RouterHash,
    role: Role,
    layer_type: u8,
    minutes: u32,
    next_message: MessageId,
    keys: ReplyKeys,
    layers: ([u8; 32], [u8; 32]),
}

impl Fields {
    fn with(self, form: Form, index: usize, body: Vec<u8>, noise: NoiseEnd, ephemeral: [u8; 32]) -> Opened {
        Opened {
            receive: self.receive,
            next: self.next,
            next_tunnel: self.next_tunnel,
            role: self.role,
            layer_type: self.layer_type,
            minutes: self.minutes,
            next_message: self.next_message,
            ephemeral,
            form,
            index,
            body,
            noise,
            keys: self.keys,
            layers: self.layers,
        }
    }
}

fn tunnel(r: &mut Reader<'_>, field: &'static str) -> Result<TunnelId, Unreadable> {
    TunnelId::new(r.u32(field)?).ok_or(Unreadable::Content)
}

fn role(flags: u8) -> Result<Role, Unreadable> {
    match (flags & 0x80 != 0, flags & 0x40 != 0) {
        (true, true) => Err(Unreadable::Content),
        (true, false) => Ok(Role::Gateway),
        (false, true) => Ok(Role::Endpoint),
        (false, false) => Ok(Role::Participant),
    }
}

fn read_short(clear: &[u8], noise: &NoiseEnd) -> Result<Fields, Unreadable> {
    let mut r = Reader::new(clear);
    let receive = tunnel(&mut r, "receive tunnel")?;
    let next_tunnel = tunnel(&mut r, "next tunnel")?;
    let next = RouterHash(r.array("next router")?);
    let role = role(r.u8("flags")?)?;
    r.take(2, "more flags")?;
    let layer_type = r.u8("layer encryption")?;
    let minutes = r.u32("request time")?;
    r.u32("lifetime")?;
    let next_message = MessageId(r.u32("next message id")?);
    let keys = ShortKeys::derive(&noise.chain, role == Role::Endpoint);
    let layers = (keys.layer, keys.iv);
    Ok(Fields { receive, next_tunnel, next, role, layer_type, minutes, next_message, keys: ReplyKeys::Short(keys), layers })
}

fn read_long(clear: &[u8]) -> Result<Fields, Unreadable> {
    let mut r = Reader::new(clear);
    let receive = tunnel(&mut r, "receive tunnel")?;
    let next_tunnel = tunnel(&mut r, "next tunnel")?;
    let next = RouterHash(r.array("next router")?);
    let layers = (r.array("layer key")?, r.array("iv key")?);
    let keys = ReplyKeys::Long { key: r.array("reply key")?, iv: r.array("reply iv")? };
    let role = role(r.u8("flags")?)?;
    r.take(3, "more flags")?;
    let minutes = r.u32("request time")?;
    r.u32("lifetime")?;
    let next_message = MessageId(r.u32("next message id")?);
    if matches!(&keys, ReplyKeys::Long { key, .. } if *key == [0; 32]) {
        return Err(Unreadable::Content);
    }
    Ok(Fields { receive, next_tunnel, next, role, layer_type: 0, minutes, next_message, keys, layers })
}

/// The message after our answer was put in: what goes on.
pub(crate) struct Answered {
    pub(crate) form: Form,
    pub(crate) body: Bytes,
    /// Of an endpoint of a short build: what seals the reply for the creator.
    pub(crate) garlic: Option<(SessionTag, [u8; 32])>,
}

impl Opened {
    pub(crate) fn layers(&self) -> LayerKeys {
        LayerKeys::new(&self.layers.0, &self.layers.1)
    }

    /// Replaces our record by the answer and puts our layer on the others.
    pub(crate) fn answer(mut self, code: u8, rng: &mut dyn CryptoRng) -> Answered {
        let len = self.form.record_len();
        let clear_len = match self.form {
            Form::Short => SHORT_LEN - ramson_crypto::aead::TAG_LEN,
            Form::Long => LONG_LEN - ramson_crypto::aead::TAG_LEN,
        };
        let mut reply = vec![0; clear_len];
        rng.fill_bytes(&mut reply);
        for byte in reply.iter_mut().take(2) {
            *byte = 0;
        }
        if let Some(last) = reply.last_mut() {
            *last = code;
        }
        match &self.keys {
            ReplyKeys::Short(keys) => record::seal_short_reply(&keys.reply, &self.noise.hash, self.index, &mut reply),
            ReplyKeys::Long { .. } => record::seal_long_reply(&self.noise, &mut reply),
        }
        let records = self.body.get_mut(1..).unwrap_or_default();
        match &self.keys {
            ReplyKeys::Short(keys) => {
                for (index, record) in records.chunks_exact_mut(len).enumerate().filter(|(index, _)| *index != self.index) {
                    record::stream(&keys.reply, index, record);
                }
            }
            ReplyKeys::Long { key, iv } => {
                let aes = ramson_aes::Key::new(key);
                for (_, record) in records.chunks_exact_mut(len).enumerate().filter(|(index, _)| *index != self.index) {
                    let _ = aes.cbc_encrypt(iv, record); // 528 is 33 blocks
                }
            }
        }
        if let Some(ours) = records.chunks_exact_mut(len).nth(self.index) {
            ours.copy_from_slice(&reply);
        }
        let garlic = match (&self.keys, self.role) {
            (ReplyKeys::Short(keys), Role::Endpoint) => Some((keys.garlic_tag, keys.garlic_key)),
            _ => None,
        };
        Answered { form: self.form, body: std::mem::take(&mut self.body).into(), garlic }
    }
}

const _: () = assert!(LONG_CLEAR_LEN == 464);
