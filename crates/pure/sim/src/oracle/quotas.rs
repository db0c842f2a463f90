//! What fills a router as a router takes nothing from a destination on it, and the other way round.
//!
//! After each run strangers flood some routers and a new destination on each, in one moment: first the router, then the destination. When
//! all rates have recovered they do it once more in the other order. Whoever comes first meets quotas that nobody has touched, so both
//! orders must give the same, both times.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::i2np::{LookupKind, TunnelGateway};
use ramson_wire::{Codec, Date, I2npMessage, MessageId, MessageKind, NetDbKey, RouterHash, TunnelId};

use super::answers::{Answer, question};

/// Routers that are flooded after a run.
pub(crate) const ROUTERS: usize = 4;
/// Until a new destination without hops can be reached.
pub(crate) const OPENS_IN: Duration = Duration::from_secs(5);
/// Until all rates of a router that don't belong to one sender have recovered.
pub(crate) const RECOVERED_AFTER: Duration = Duration::from_secs(25);

/// Messages of each kind from one stranger, and from nobody knows whom: more than a router answers at once, where it has a limit.
const OF_STRANGER: u32 = 80;
const OF_UNKNOWN: u32 = 450;
/// Messages of each kind to the destination.
const TO_DESTINATION: u32 = 250;
/// Of so many answers one may be missing, and some more: the world goes on meanwhile, and asks too.
const TOLERANCE: u64 = 20;
const SOME: u64 = 3;

/// A message, and who brings it; nobody: it comes out of a tunnel's end.
pub(crate) type Probe = (Option<RouterHash>, I2npMessage);

/// What a flood gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// How many of each output, by its name and the kind of message.
    outputs: BTreeMap<(&'static str, u64), u64>,
    /// The class of its time.
    key_agreements: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, answer: &Answer) {
        for (name, detail, _) in &answer.outputs {
            *self.outputs.entry((name, *detail)).or_default() += 1;
        }
        self.key_agreements += answer.work.key_agreements;
    }

    /// As much, but for what the rest of the world may have used up.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let near = |one: u64, other: u64| one.abs_diff(other) <= one.max(other) / TOLERANCE + SOME;
        let of = |tally: &Self, output| tally.outputs.get(output).copied().unwrap_or(0);
        near(self.key_agreements, other.key_agreements)
            && self.outputs.keys().chain(other.outputs.keys()).all(|output| near(of(self, output), of(other, output)))
    }
}

/// What strangers ask of a router.
pub(crate) fn to_router(rng: &mut SeededRng, date: Date, router: RouterHash) -> Vec<Probe> {
    let stranger = RouterHash(rng::bytes(rng));
    let mut probes = Vec::new();
    for (from, count) in [(Some(stranger), OF_STRANGER), (None, OF_UNKNOWN)] {
        for _ in 0..count {
            let asker = from.unwrap_or_else(|| RouterHash(rng::bytes(rng)));
            let key = NetDbKey(rng::bytes(rng));
            let id = rng::below(rng, u32::MAX);
            probes.push((from, question(date, id, key, asker, LookupKind::RouterInfo)));
            probes.push((from, message(rng, date, MessageKind::GARLIC, garbage)));
            probes.push((from, message(rng, date, MessageKind::SHORT_TUNNEL_BUILD, |rng| build_request(rng, router))));
        }
    }
    probes
}

/// What strangers send through a tunnel that begins with the destination's own router.
pub(crate) fn to_destination(rng: &mut SeededRng, date: Date, tunnel: TunnelId) -> Vec<Probe> {
    let stranger = RouterHash(rng::bytes(rng));
    let mut probes = Vec::new();
    for _ in 0..TO_DESTINATION {
        let (key, id) = (NetDbKey(rng::bytes(rng)), rng::below(rng, u32::MAX));
        let asks = question(date, id, key, stranger, LookupKind::RouterInfo);
        for inner in [message(rng, date, MessageKind::GARLIC, garbage), asks] {
            let body = TunnelGateway { tunnel, message: inner.encode_long().into() }.to_bytes();
            probes.push((Some(stranger), I2npMessage::new(MessageKind::TUNNEL_GATEWAY, inner.id, inner.expiration, body)));
        }
    }
    probes
}

fn message(rng: &mut SeededRng, date: Date, kind: MessageKind, body: impl FnOnce(&mut SeededRng) -> Vec<u8>) -> I2npMessage {
    let body = body(rng);
    I2npMessage::new(kind, MessageId(rng::below(rng, u32::MAX)), date + Duration::from_secs(10), body)
}

/// Long enough to be the first message of a session, and to be tried.
fn garbage(rng: &mut SeededRng) -> Vec<u8> {
    [200_u32.to_be_bytes().as_slice(), &rng::bytes::<200>(rng)].concat()
}

/// Four records, of which one says that it is the router's.
fn build_request(rng: &mut SeededRng, router: RouterHash) -> Vec<u8> {
    let mut body = vec![4];
    (0..4).for_each(|_| body.extend(rng::bytes::<218>(rng)));
    body[1..17].copy_from_slice(&router.0[..16]);
    body
}
