//! Messages between destinations of this router, which don't leave it.
//!
//! Only the way is short. The sender has looked up the other's LeaseSet like anybody, through tunnels of its own, and sends to one of
//! its leases while it lasts; the message is sealed, and opened by the other as if it had come down a tunnel of it. Each is delivered
//! in a call of its own, so that what comes for one identity changes no other in the same call.
//!
//! On the public network the way takes about as long as one through tunnels. A page can measure how long a browser takes to fetch
//! something from another site: an answer at once would tell that both live on one router.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_crypto::CryptoRng;
use ramson_crypto::rng::{self, SeededRng};
use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{DestinationHash, I2npMessage, Tick};

use super::destinations::MAX_DESTINATIONS;
use crate::identity::IdentityId;

/// Messages of one destination on their way. Beyond: the newest is dropped; streaming sends it again.
const MAX_WAITING: usize = 512;
/// The same of all.
const MAX_WAITING_IN_ALL: usize = MAX_WAITING * MAX_DESTINATIONS;
/// Messages handed over in one call.
pub(super) const AT_ONCE: usize = 64;
/// How long messages take on the public network: drawn for each pair and direction, and kept, so that they keep their order.
const PUBLIC_DELAY_MS: (u64, u64) = (200, 600);
/// On others, where nobody measures. Not zero: round trips are.
const DELAY: Duration = Duration::from_millis(1);

struct Letter {
    /// None: it closed meanwhile.
    from: Option<IdentityId>,
    to: IdentityId,
    message: I2npMessage,
}

/// See the module.
pub(super) struct LocalPost {
    public: bool,
    homes: BTreeMap<DestinationHash, IdentityId>,
    delays: BTreeMap<(IdentityId, IdentityId), Duration>,
    /// By the time of delivery, in the order of sending.
    waiting: BTreeMap<(Tick, u64), Letter>,
    waiting_of: BTreeMap<IdentityId, usize>,
    posted: u64,
    pub(super) dropped: u64,
    rng: SeededRng,
}

impl LocalPost {
    pub(super) fn new(public: bool, rng: SeededRng) -> Self {
        Self {
            public,
            homes: BTreeMap::new(),
            delays: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_of: BTreeMap::new(),
            posted: 0,
            dropped: 0,
            rng,
        }
    }

    /// A destination lives here. Of two with one name the first is served.
    pub(super) fn open(&mut self, hash: DestinationHash, id: IdentityId) {
        self.homes.entry(hash).or_insert(id);
    }

    /// It does no more. What it has sent, such as the ends of its streams, still arrives.
    pub(super) fn close(&mut self, id: IdentityId) {
        self.homes.retain(|_, home| *home != id);
        self.delays.retain(|(from, to), _| *from != id && *to != id);
        self.waiting.retain(|_, letter| letter.to != id);
        self.waiting_of.clear();
        for letter in self.waiting.values_mut() {
            letter.from = letter.from.filter(|from| *from != id);
            if let Some(from) = letter.from {
                *self.waiting_of.entry(from).or_default() += 1;
            }
        }
    }

    /// Takes a message for a destination here; gives back one for another.
    pub(super) fn post(&mut self, now: Tick, from: IdentityId, to: DestinationHash, message: I2npMessage) -> Option<I2npMessage> {
        let Some(to) = self.homes.get(&to).copied() else {
            return Some(message);
        };
        if self.waiting_of(from) >= MAX_WAITING || self.waiting.len() >= MAX_WAITING_IN_ALL {
            self.dropped += 1;
            return None;
        }
        *self.waiting_of.entry(from).or_default() += 1;
        let (public, rng) = (self.public, &mut self.rng);
        let delay = *self.delays.entry((from, to)).or_insert_with(|| if public { draw(rng) } else { DELAY });
        self.posted += 1;
        self.waiting.insert((now + delay, self.posted), Letter { from: Some(from), to, message });
        None
    }

    /// A message that has arrived, and for whom.
    pub(super) fn arrived(&mut self, now: Tick) -> Option<(IdentityId, I2npMessage)> {
        let first = self.waiting.first_entry().filter(|first| first.key().0 <= now)?;
        let Letter { from, to, message } = first.remove();
        if let Some((from, held)) = from.and_then(|from| Some((from, self.waiting_of.get_mut(&from)?))) {
            *held -= 1;
            if *held == 0 {
                self.waiting_of.remove(&from);
            }
        }
        Some((to, message))
    }

    pub(super) fn deadline(&self) -> Option<Tick> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    /// What a destination has sent that didn't arrive yet.
    pub(super) fn waiting_of(&self, id: IdentityId) -> usize {
        self.waiting_of.get(&id).copied().unwrap_or(0)
    }

    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let letters: usize = self.waiting.values().map(|letter| letter.message.body.len()).sum();
        let bytes = letters + entries::<((Tick, u64), Letter)>(self.waiting.len());
        visit(Bound::new("local-letters-in-all", self.waiting.len(), MAX_WAITING_IN_ALL, bytes));
        for (id, count) in &self.waiting_of {
            visit(Bound::new("local-letters", *count, MAX_WAITING, 0).of(Some(id.0)));
        }
        let bytes = entries::<((IdentityId, IdentityId), Duration)>(self.delays.len());
        visit(Bound::new("local-ways", self.delays.len(), MAX_DESTINATIONS * MAX_DESTINATIONS, bytes).lasting());
    }
}

fn draw(rng: &mut dyn CryptoRng) -> Duration {
    Duration::from_millis(rng::between(rng, PUBLIC_DELAY_MS.0, PUBLIC_DELAY_MS.1))
}

#[cfg(test)]
mod tests {
    use ramson_wire::{Date, MessageId, MessageKind};

    use super::*;

    const HERE: DestinationHash = DestinationHash([1; 32]);
    const A: IdentityId = IdentityId(1);
    const B: IdentityId = IdentityId(2);

    fn post(public: bool) -> LocalPost {
        let mut post = LocalPost::new(public, SeededRng::new([3; 32]));
        post.open(HERE, B);
        post
    }

    fn message(number: u32) -> I2npMessage {
        I2npMessage::new(MessageKind::GARLIC, MessageId(number), Date(0), vec![0; 10])
    }

    #[test]
    fn letters_keep_their_order_and_take_their_time() {
        let mut post = post(true);
        assert!(post.post(Tick(0), A, DestinationHash([9; 32]), message(0)).is_some(), "nobody here");
        (1..4).for_each(|number| assert!(post.post(Tick(u64::from(number)), A, HERE, message(number)).is_none()));
        let due = post.deadline().unwrap();
        let way = due.saturating_since(Tick(1));
        assert!((200..=600).contains(&way.as_millis()), "{way:?}");
        assert!(post.arrived(Tick(due.0 - 1)).is_none());
        let arrived: Vec<u32> = std::iter::from_fn(|| post.arrived(due + DELAY)).map(|(_, message)| message.id.0).collect();
        assert_eq!((arrived, post.waiting_of(A), post.deadline()), (vec![1, 2, 3], 0, None));
    }

    #[test]
    fn what_waits_is_bounded_and_goes_with_its_receiver() {
        for gone in [A, B] {
            let mut post = post(false);
            (0..1_000).for_each(|number| drop(post.post(Tick(0), A, HERE, message(number))));
            assert_eq!((post.waiting_of(A), post.dropped), (MAX_WAITING, 1_000 - MAX_WAITING as u64));
            post.post(Tick(0), B, HERE, message(0));
            post.close(gone);
            assert_eq!((post.waiting_of(A), post.waiting_of(B)), (0, usize::from(gone == A)));
            let arrived = std::iter::from_fn(|| post.arrived(Tick(0) + DELAY)).count();
            assert_eq!(arrived, if gone == A { MAX_WAITING + 1 } else { 0 });
            assert_eq!(post.waiting_of(B), 0);
        }
    }
}
