//! What a router answers as a router says nothing about the destinations on it.
//!
//! At the end of each run every router is asked by strangers for its own destinations and for keys that nobody has, in all ways of asking.
//! Both must give the same: the same messages, as long, after the same work. A floodfill that was sent a destination's LeaseSet may
//! give that.

use std::collections::BTreeMap;

use ramson_crypto::meter::Work;
use ramson_lane::LaneCommand;
use ramson_wire::i2np::{DatabaseLookup, DatabaseSearchReply, LookupKind};
use ramson_wire::{Codec, Date, DestinationHash, I2npMessage, MessageId, MessageKind, NetDbKey, RouterHash};

/// In all ways.
pub(crate) const KINDS: [LookupKind; 4] =
    [LookupKind::Any, LookupKind::LeaseSet, LookupKind::RouterInfo, LookupKind::Exploratory];

/// What came of a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Each output: its name, the kind of message, and how much is in it.
    pub outputs: Vec<(&'static str, u64, usize)>,
    /// Dear operations until then: the class of its time.
    pub work: Work,
}

/// What counts of a message: its kind, and for lists their length.
pub(crate) fn size_of_answer(message: &I2npMessage) -> usize {
    match message.kind {
        MessageKind::DATABASE_SEARCH_REPLY => {
            DatabaseSearchReply::from_bytes(&message.body).map_or(0, |reply| reply.routers.len())
        }
        MessageKind::DATABASE_STORE => 0,
        _ => message.body.len(),
    }
}

/// A question to a router, to be answered straight to who asks.
pub(crate) fn question(date: Date, id: u32, key: NetDbKey, from: RouterHash, kind: LookupKind) -> I2npMessage {
    let lookup = DatabaseLookup { key, from, reply_tunnel: None, kind, excluded: Vec::new(), reply_key: None };
    let expiration = date + std::time::Duration::from_secs(10);
    I2npMessage::new(MessageKind::DATABASE_LOOKUP, MessageId(id), expiration, lookup.to_bytes())
}

/// Who has destinations.
#[derive(Default)]
pub(crate) struct Answers {
    /// By router and the destination's number there.
    hosted: BTreeMap<(usize, u32), DestinationHash>,
}

impl Answers {
    pub(crate) fn opened(&mut self, router: usize, identity: u32, hash: DestinationHash) {
        self.hosted.insert((router, identity), hash);
    }

    pub(crate) fn closed(&mut self, router: usize, identity: u32) {
        self.hosted.remove(&(router, identity));
    }

    /// Destinations of a router.
    pub(crate) fn of(&self, router: usize) -> impl Iterator<Item = DestinationHash> {
        self.hosted.range((router, 0)..=(router, u32::MAX)).map(|(_, hash)| *hash)
    }
}

/// The messages among commands.
pub(crate) fn messages(commands: &[LaneCommand]) -> impl Iterator<Item = (&'static str, u64, usize)> + '_ {
    commands.iter().map(|command| match command {
        LaneCommand::Send { message, .. } => ("send", u64::from(message.kind.0), size_of_answer(message)),
        _ => ("command", 0, 0),
    })
}
