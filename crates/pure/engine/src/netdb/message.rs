//! The I2NP messages of the netDb, built.

use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::{CryptoRng, rng};
use ramson_wire::i2np::{DatabaseLookup, DatabaseSearchReply, DatabaseStore, DeliveryStatus, LookupKind, ReplyKey};
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, NetDbKey, Now, RouterHash};

use super::config;
use super::lookup::Kind;
use super::output::ReplyPath;

fn build(rng: &mut dyn CryptoRng, now: Now, kind: MessageKind, life: Duration, body: &impl Codec) -> I2npMessage {
    wrap(rng, now, kind, life, body.to_bytes().into())
}

/// A message with an id and an expiration of its own around a body.
pub(super) fn wrap(rng: &mut dyn CryptoRng, now: Now, kind: MessageKind, life: Duration, body: Bytes) -> I2npMessage {
    // The odd milliseconds keep expirations of one moment apart, as clocks of different routers would.
    let odd = Duration::from_millis(rng::between(rng, 0, 999));
    let id = MessageId(u32::from_be_bytes(rng::bytes(rng)));
    I2npMessage::new(kind, id, now.date + life + odd, body)
}

/// A lookup with its answer to be sent to `reply`.
pub(super) fn lookup(
    rng: &mut dyn CryptoRng,
    now: Now,
    key: NetDbKey,
    kind: Kind,
    reply: ReplyPath,
    excluded: Vec<RouterHash>,
    reply_key: Option<ReplyKey>,
) -> I2npMessage {
    let body = DatabaseLookup {
        key,
        from: reply.gateway,
        reply_tunnel: reply.tunnel,
        kind: match kind {
            Kind::Router | Kind::Floodfills => LookupKind::RouterInfo,
            Kind::LeaseSet => LookupKind::LeaseSet,
            Kind::Exploration => LookupKind::Exploratory,
        },
        excluded,
        reply_key,
    };
    let kind = MessageKind::DATABASE_LOOKUP;
    build(rng, now, kind, config::LOOKUP_LIFE, &body)
}

/// Whether a message is an answer to the question for `asked`. Stores and search replies both begin with the key.
pub(crate) fn is_answer(asked: &NetDbKey, message: &I2npMessage) -> bool {
    let kinds = [MessageKind::DATABASE_STORE, MessageKind::DATABASE_SEARCH_REPLY];
    kinds.contains(&message.kind) && message.body.starts_with(&asked.0)
}

/// A store.
pub(super) fn store(rng: &mut dyn CryptoRng, now: Now, body: &DatabaseStore) -> I2npMessage {
    let kind = MessageKind::DATABASE_STORE;
    build(rng, now, kind, config::STORE_LIFE, body)
}

/// The answer to a store's token.
pub(super) fn delivery_status(rng: &mut dyn CryptoRng, now: Now, token: u32) -> I2npMessage {
    let body = DeliveryStatus { id: MessageId(token), time: now.date };
    let kind = MessageKind::DELIVERY_STATUS;
    build(rng, now, kind, config::STORE_LIFE, &body)
}

/// The answer to a lookup of what we don't have.
pub(super) fn search_reply(
    rng: &mut dyn CryptoRng,
    now: Now,
    key: NetDbKey,
    routers: Vec<RouterHash>,
    from: RouterHash,
) -> I2npMessage {
    let body = DatabaseSearchReply { key, routers, from };
    let kind = MessageKind::DATABASE_SEARCH_REPLY;
    build(rng, now, kind, config::LOOKUP_LIFE, &body)
}
