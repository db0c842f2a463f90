//! Messages of strangers that cost key agreements to open: kept unopened in a bounded queue, opened a few at a time.
//!
//! Each source has its share, so that a flood from one, or towards one of our destinations, leaves room for the others. Destinations
//! together get every other turn, whatever comes to the router's own key.

use std::collections::{BTreeMap, VecDeque};

use ramson_wire::bounds::{Bound, Fullest};
use ramson_wire::{I2npMessage, RouterHash};

use crate::identity::{IdentityId, Owner};

/// Messages waiting for the router's own key, and as many for all destinations. Beyond: the newest of the source that has most is
/// dropped, so that many flooding sources together leave room for one that doesn't flood.
const MAX_WAITING_OF_CLASS: usize = 256;
/// Messages waiting of one source. Beyond: the newest is dropped.
const MAX_WAITING_OF_SOURCE: usize = 64;

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DearSource {
    /// A router's session; `None`: out of a transit tunnel's end.
    Router(Option<RouterHash>),
    /// A tunnel of this identity.
    Identity(IdentityId),
}

/// What waits of the router's own key, or of destinations: neither takes the other's room or turns.
#[derive(Default)]
struct Class {
    /// Sources take turns.
    turns: VecDeque<DearSource>,
    queues: BTreeMap<DearSource, VecDeque<I2npMessage>>,
    waiting: usize,
    dropped: u64,
}

impl Class {
    fn push(&mut self, source: DearSource, message: I2npMessage) {
        let held = self.queues.get(&source).map_or(0, VecDeque::len);
        if held >= MAX_WAITING_OF_SOURCE || self.waiting >= MAX_WAITING_OF_CLASS && !self.make_room(held) {
            self.dropped += 1;
            return;
        }
        let queue = self.queues.entry(source).or_default();
        if queue.is_empty() {
            self.turns.push_back(source);
        }
        queue.push_back(message);
        self.waiting += 1;
    }

    /// Drops a message of the source that has most; false if none has two more than `held`.
    fn make_room(&mut self, held: usize) -> bool {
        let most = self.queues.values_mut().max_by_key(|queue| queue.len());
        let dropped = most.filter(|queue| queue.len() > held + 1).and_then(VecDeque::pop_back);
        if dropped.is_some() {
            self.waiting -= 1;
            self.dropped += 1;
        }
        dropped.is_some()
    }

    fn pop(&mut self) -> Option<(DearSource, I2npMessage)> {
        let source = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&source)?;
        let message = queue.pop_front()?;
        self.waiting -= 1;
        if queue.is_empty() {
            self.queues.remove(&source);
        } else {
            self.turns.push_back(source);
        }
        Some((source, message))
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct DearWork {
    routers: Class,
    identities: Class,
    /// Whose turn it is, if both wait.
    identities_next: bool,
}

impl DearWork {
    pub(super) fn push(&mut self, source: DearSource, message: I2npMessage) {
        match source {
            DearSource::Router(_) => self.routers.push(source, message),
            DearSource::Identity(_) => self.identities.push(source, message),
        }
    }

    pub(super) fn pop(&mut self) -> Option<(DearSource, I2npMessage)> {
        self.identities_next = !self.identities_next;
        let (first, other) = match self.identities_next {
            true => (&mut self.identities, &mut self.routers),
            false => (&mut self.routers, &mut self.identities),
        };
        first.pop().or_else(|| other.pop())
    }

    /// Drops messages of strangers to the router, about so many bytes; those to destinations stay. Bytes that are free now.
    pub(super) fn let_go(&mut self, wanted: usize) -> usize {
        let mut freed = 0;
        while freed < wanted {
            let Some((_, message)) = self.routers.pop() else { break };
            self.routers.dropped += 1;
            freed += size_of::<I2npMessage>() + message.body.len();
        }
        freed
    }

    /// Messages that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.routers.dropped + self.identities.dropped
    }

    /// Messages that wait.
    pub(super) fn len(&self) -> usize {
        self.routers.waiting + self.identities.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What waits, and of it what for each identity.
    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let mut queues = Fullest::default();
        let mut total = 0;
        for (source, queue) in self.routers.queues.iter().chain(&self.identities.queues) {
            let bytes: usize = queue.iter().map(|message| size_of::<I2npMessage>() + message.body.len()).sum();
            total += bytes;
            match source {
                DearSource::Router(_) => queues.add(queue.len(), 0),
                DearSource::Identity(id) => {
                    visit(Bound::new("strangers-garlic-of-identity", queue.len(), MAX_WAITING_OF_SOURCE, 0).of(Some(id.0)));
                }
            }
        }
        visit(Bound::new("strangers-garlic", self.len(), 2 * MAX_WAITING_OF_CLASS, total));
        visit(queues.bound("strangers-garlic-of-router", MAX_WAITING_OF_SOURCE));
    }

    /// How many wait of one source, or of all routers.
    pub(super) fn waiting_of(&self, owner: Owner) -> usize {
        match owner {
            Owner::Identity(id) => self.identities.queues.get(&DearSource::Identity(id)).map_or(0, VecDeque::len),
            Owner::Router => self.routers.waiting,
        }
    }

    /// Nothing of a closed identity is opened any more.
    pub(super) fn forget(&mut self, id: IdentityId) {
        let source = DearSource::Identity(id);
        let class = &mut self.identities;
        class.turns.retain(|turn| *turn != source);
        class.waiting -= class.queues.remove(&source).map_or(0, |queue| queue.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use ramson_wire::{Date, MessageId, MessageKind};

    fn message() -> I2npMessage {
        I2npMessage::new(MessageKind::GARLIC, MessageId(1), Date(0), Bytes::new())
    }

    #[test]
    fn a_flood_of_one_source_leaves_room_for_another() {
        let mut work = DearWork::default();
        let (flood, other) = (DearSource::Router(None), DearSource::Identity(IdentityId(1)));
        for _ in 0..10_000 {
            work.push(flood, message());
        }
        work.push(other, message());
        assert_eq!(work.dropped(), 10_000 - MAX_WAITING_OF_SOURCE as u64);
        assert_eq!(work.pop().unwrap().0, other);
        for _ in 0..MAX_WAITING_OF_SOURCE {
            assert_eq!(work.pop().unwrap().0, flood);
        }
        assert!(work.pop().is_none() && work.is_empty() && work.routers.queues.is_empty());
    }

    #[test]
    fn many_flooding_sources_leave_room_for_another() {
        let mut work = DearWork::default();
        for id in 0..100 {
            let source = DearSource::Router(Some(RouterHash([id; 32])));
            for _ in 0..100 {
                work.push(source, message());
            }
        }
        let other = DearSource::Router(Some(RouterHash([200; 32])));
        work.push(other, message());
        let routers = &work.routers;
        assert_eq!((work.len(), routers.waiting), (MAX_WAITING_OF_CLASS, MAX_WAITING_OF_CLASS));
        assert_eq!(routers.waiting, routers.queues.values().map(VecDeque::len).sum::<usize>());
        assert_eq!(routers.turns.len(), routers.queues.len());
        let opened: Vec<_> = std::iter::from_fn(|| work.pop()).map(|(source, _)| source).collect();
        let turn = opened.iter().position(|source| *source == other);
        assert!(turn.is_some_and(|turn| turn <= 100), "after one message of each at most");
    }

    #[test]
    fn all_sources_together_are_bounded() {
        let mut work = DearWork::default();
        for id in 0..100 {
            for _ in 0..100 {
                work.push(DearSource::Identity(IdentityId(id)), message());
            }
        }
        assert_eq!(work.len(), MAX_WAITING_OF_CLASS);
        let held = work.identities.queues[&DearSource::Identity(IdentityId(0))].len();
        work.forget(IdentityId(0));
        assert_eq!(std::iter::from_fn(|| work.pop()).count(), MAX_WAITING_OF_CLASS - held);
    }

    #[test]
    fn routers_and_destinations_take_turns() {
        let mut work = DearWork::default();
        for id in 0..200 {
            (0..10).for_each(|_| work.push(DearSource::Router(Some(RouterHash([id; 32]))), message()));
        }
        let destination = DearSource::Identity(IdentityId(1));
        (0..20).for_each(|_| work.push(destination, message()));
        assert_eq!(work.waiting_of(Owner::Identity(IdentityId(1))), 20, "strangers leave them their room");
        let opened: Vec<_> = std::iter::from_fn(|| work.pop()).take(40).collect();
        assert_eq!(opened.iter().filter(|(source, _)| *source == destination).count(), 20);
    }
}
