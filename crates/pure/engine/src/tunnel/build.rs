//! Short tunnel builds as their creator: records, keys, layers, and what the replies say.
//!
//! Source: ECIES-X25519 Tunnel Creation and proposal 157, "Tunnel Creation"; number of records and the phony record of inbound
//! builds as i2pd does: 4 records if all fit, else 8.

use bytes::Bytes;
use ramson_aes::LayerKeys;
use ramson_crypto::{CryptoError, CryptoRng, rng, x25519};
use ramson_wire::{Date, MessageId, RouterHash, SessionTag, TunnelId, Writer};

use super::record::{self, MAX_RECORDS, NoiseEnd, PREFIX_LEN, SHORT_CLEAR_LEN, SHORT_LEN, ShortKeys};

/// Most hops of a tunnel of ours.
pub(crate) const MAX_HOPS: usize = 7;

const FEW_RECORDS: usize = 4;
const GATEWAY_FLAG: u8 = 0x80;
const ENDPOINT_FLAG: u8 = 0x40;
/// Lifetime written in requests, seconds. Hops ignore it and take ten minutes.
const LIFETIME_SECS: u32 = 600;

/// A router chosen as a hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Hop {
    pub(crate) router: RouterHash,
    pub(crate) key: x25519::PublicKey,
}

/// Which way a tunnel goes, seen from us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Direction {
    /// Towards us.
    Inbound,
    /// Away from us.
    Outbound,
}

/// What to build.
pub(crate) struct Plan<'a> {
    pub(crate) direction: Direction,
    /// First the gateway.
    pub(crate) hops: &'a [Hop],
    /// Inbound: ourselves and our endpoint id. Outbound: where the endpoint sends its reply.
    pub(crate) end: (RouterHash, TunnelId),
    /// The id that the answer to the build will carry.
    pub(crate) reply: MessageId,
    pub(crate) us: RouterHash,
}

struct HopSecrets {
    router: RouterHash,
    index: usize,
    keys: ShortKeys,
    noise: NoiseEnd,
}

/// What is kept until the reply comes.
pub(crate) struct Secrets {
    hops: Vec<HopSecrets>,
    records: usize,
}

/// A build ready to be sent to the first hop.
pub(crate) struct Request {
    /// Body of the ShortTunnelBuild message.
    pub(crate) body: Bytes,
    /// The id on which the first hop receives.
    pub(crate) first_tunnel: TunnelId,
    /// What opens the garlic around the reply of an outbound endpoint.
    pub(crate) garlic: (SessionTag, [u8; 32]),
    pub(crate) secrets: Secrets,
}

/// Why there is no request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("a tunnel has 1 to 7 hops")]
    Length,
    #[error("a hop's key can't be used")]
    Key(#[from] CryptoError),
}

/// Why a reply is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum ReplyError {
    #[error("the reply has another form than the request")]
    Form,
    #[error("the reply of a hop can't be opened")]
    Hop,
}

/// A hop's answer: its code, 0 for yes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) router: RouterHash,
    pub(crate) code: u8,
}

pub(crate) fn tunnel_id(rng: &mut dyn CryptoRng) -> TunnelId {
    loop {
        if let Some(id) = TunnelId::new(rng.next_u32()) {
            return id;
        }
    }
}

pub(crate) fn message_id(rng: &mut dyn CryptoRng) -> MessageId {
    MessageId(rng.next_u32())
}

/// The clear text of one hop's request.
pub(crate) struct HopRequest {
    pub(crate) receive: TunnelId,
    pub(crate) next: (RouterHash, TunnelId),
    pub(crate) gateway: bool,
    pub(crate) endpoint: bool,
    pub(crate) minutes: u32,
    pub(crate) next_message: MessageId,
}

impl HopRequest {
    /// receive tunnel 4 · next tunnel 4 · next router 32 · flags 1 · more flags 2 · layer encryption 1 (AES) · minutes 4 ·
    /// lifetime 4 · next message id 4 · options 2 (none) · zeros.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(SHORT_CLEAR_LEN);
        w.u32(self.receive.get());
        w.u32(self.next.1.get());
        w.bytes(&self.next.0.0);
        let flags = if self.gateway { GATEWAY_FLAG } else { 0 } | if self.endpoint { ENDPOINT_FLAG } else { 0 };
        w.u8(flags);
        w.zeros(3);
        w.u32(self.minutes);
        w.u32(LIFETIME_SECS);
        w.u32(self.next_message.0);
        w.zeros(SHORT_CLEAR_LEN.saturating_sub(w.len()));
        w.into_vec()
    }
}

/// Looks like a request of somebody else: a prefix, a real key, noise.
fn filler(prefix: &[u8], rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut record = vec![0; SHORT_LEN];
    rng.fill_bytes(&mut record);
    let key = x25519::PrivateKey::generate(rng).public();
    let head = prefix.iter().chain(key.0.iter());
    for (byte, value) in record.iter_mut().zip(head) {
        *byte = *value;
    }
    record
}

/// Makes the request: one record a hop at random places, fillers in the others, the layers of all earlier hops taken off in advance.
pub(crate) fn create(date: Date, plan: &Plan<'_>, rng: &mut dyn CryptoRng) -> Result<Request, BuildError> {
    let count = plan.hops.len();
    if count == 0 || count > MAX_HOPS {
        return Err(BuildError::Length);
    }
    let phony = plan.direction == Direction::Inbound;
    let used = count + usize::from(phony);
    let records = if used <= FEW_RECORDS { FEW_RECORDS } else { MAX_RECORDS };
    let mut places: Vec<usize> = (0..records).collect();
    rng::shuffle(rng, &mut places);

    let ids: Vec<TunnelId> = plan.hops.iter().map(|_| tunnel_id(rng)).collect();
    let mut hops = Vec::with_capacity(count);
    let mut table: Vec<Vec<u8>> = vec![Vec::new(); records];
    for (n, (((hop, index), receive), later)) in
        plan.hops.iter().zip(&places).zip(&ids).zip((1..).map(|n| plan.hops.get(n).zip(ids.get(n)))).enumerate()
    {
        let last = later.is_none();
        let request = HopRequest {
            receive: *receive,
            next: later.map_or(plan.end, |(next, id)| (next.router, *id)),
            gateway: n == 0 && plan.direction == Direction::Inbound,
            endpoint: last && plan.direction == Direction::Outbound,
            minutes: date.to_minutes(),
            next_message: if last { plan.reply } else { message_id(rng) },
        };
        let ephemeral = x25519::PrivateKey::generate(rng);
        let (sealed, noise) = record::seal_request(&request.encode(), &hop.router, &hop.key, &ephemeral)?;
        let keys = ShortKeys::derive(&noise.chain, request.endpoint);
        if let Some(slot) = table.get_mut(*index) {
            *slot = sealed;
        }
        hops.push(HopSecrets { router: hop.router, index: *index, keys, noise });
    }
    let mut later: Vec<usize> = Vec::new();
    for (n, index) in places.iter().enumerate().skip(count) {
        let ours = phony && n == count;
        let noise: [u8; PREFIX_LEN] = rng::bytes(rng);
        let prefix = if ours { plan.us.0.get(..PREFIX_LEN).unwrap_or(&noise) } else { &noise };
        if let Some(slot) = table.get_mut(*index) {
            *slot = filler(prefix, rng);
        }
        if ours {
            later.push(*index);
        }
    }
    for hop in hops.iter().rev() {
        for index in &later {
            if let Some(slot) = table.get_mut(*index) {
                record::stream(&hop.keys.reply, *index, slot);
            }
        }
        later.push(hop.index);
    }
    let garlic = hops.last().map_or((SessionTag([0; 8]), [0; 32]), |hop| (hop.keys.garlic_tag, hop.keys.garlic_key));
    let first_tunnel = *ids.first().ok_or(BuildError::Length)?;
    Ok(Request { body: join(&table), first_tunnel, garlic, secrets: Secrets { hops, records } })
}

fn join(table: &[Vec<u8>]) -> Bytes {
    let mut w = Writer::with_capacity(1 + table.len() * SHORT_LEN);
    w.u8(u8::try_from(table.len()).unwrap_or(0));
    for slot in table {
        w.bytes(slot);
    }
    w.into_vec().into()
}

impl Secrets {
    /// The routers in order, the gateway first.
    pub(crate) fn routers(&self) -> impl ExactSizeIterator<Item = &RouterHash> + Clone {
        self.hops.iter().map(|hop| &hop.router)
    }

    /// Layer keys in order, the gateway first.
    pub(crate) fn layers(&self) -> Vec<LayerKeys> {
        self.hops.iter().map(|hop| LayerKeys::new(&hop.keys.layer, &hop.keys.iv)).collect()
    }

    /// Reads the answers of all hops out of a reply, the gateway's first.
    pub(crate) fn open_reply(&self, body: &[u8]) -> Result<Vec<Answer>, ReplyError> {
        let (count, records) = body.split_first().ok_or(ReplyError::Form)?;
        if usize::from(*count) != self.records || records.len() < self.records * SHORT_LEN {
            return Err(ReplyError::Form);
        }
        let mut table: Vec<Vec<u8>> = records.chunks_exact(SHORT_LEN).take(self.records).map(<[u8]>::to_vec).collect();
        let mut answers = Vec::with_capacity(self.hops.len());
        for (n, hop) in self.hops.iter().enumerate().rev() {
            let sealed = table.get(hop.index).ok_or(ReplyError::Form)?;
            let code = record::open_short_reply(&hop.keys, &hop.noise.hash, hop.index, sealed).map_err(|_| ReplyError::Hop)?;
            answers.push(Answer { router: hop.router, code });
            for earlier in self.hops.iter().take(n) {
                if let Some(slot) = table.get_mut(earlier.index) {
                    record::stream(&hop.keys.reply, earlier.index, slot);
                }
            }
        }
        answers.reverse();
        Ok(answers)
    }
}

#[cfg(test)]
impl Secrets {
    pub(crate) fn for_test(hops: Vec<(RouterHash, usize, ShortKeys, NoiseEnd)>, records: usize) -> Secrets {
        let hops = hops.into_iter().map(|(router, index, keys, noise)| HopSecrets { router, index, keys, noise }).collect();
        Secrets { hops, records }
    }
}
