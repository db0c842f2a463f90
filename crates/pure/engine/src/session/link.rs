//! An answered session: tag sets of both directions, their DH ratchet steps, and acknowledgements.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ramson_crypto::CryptoRng;
use ramson_wire::Tick;

use super::AckId;
use super::bounds::{Held, small_tree};
use super::limits::{
    ACK_PATIENCE, ASK_EVERY, ASK_IN_DOUBT, Limits, MOST_UNCONFIRMED, MOST_UNCONFIRMED_YOUNG, NEVER_ACKS, NO_ACK_PATIENCE,
    SURE_WINDOW,
};
use super::step::{NextKey, ReceiveSteps, SendSteps};
use super::tables::{SessionId, SetName, TagTable};
use super::tagset::{Chains, MAX_TAGS, ReceiveSet, SendSet};
use crate::fingerprint::Digest;

/// Acknowledgements owed at once; the oldest is dropped for a new one. Java puts at most 16 into a block.
pub(super) const MAX_OWED: usize = 16;
/// Messages of ours whose acknowledgement is awaited; the oldest is dropped for a new one.
pub(super) const MAX_AWAITED: usize = 64;
/// How long the set before the newest is kept for late messages.
const OLD_SET_LIFETIME: Duration = Duration::from_secs(180);
/// Receive sets of one session at most: the newest and those before it.
pub(super) const MAX_SETS: usize = 3;

/// See the module.
pub(super) struct Link {
    id: SessionId,
    /// What we send with.
    pub(super) send: SendSet,
    send_steps: Option<SendSteps>,
    /// By their ids, the newest last.
    sets: Vec<(u16, ReceiveSet)>,
    newest: u16,
    receive_steps: Option<ReceiveSteps>,
    /// When the newest receive set was made by a step.
    stepped: Option<Tick>,
    owed: VecDeque<(u16, u16)>,
    /// With the name under which the owner waits for it, if it asked.
    awaited: BTreeMap<(u16, u16), (Tick, Option<AckId>)>,
    /// The newest message that the peer acknowledged: send set and number.
    confirmed: Option<(u16, u16)>,
    /// Messages received while an acknowledgement was awaited and none had ever come.
    unanswered: u16,
}

/// What has to be written beside the cloves.
#[derive(Default)]
pub(super) struct Extras {
    /// Tag set and message numbers to be acknowledged.
    pub(super) acks: Vec<(u16, u16)>,
    /// Key blocks.
    pub(super) keys: Vec<NextKey>,
}

impl Link {
    /// A session just answered; its first receive window goes into `table`.
    pub(super) fn new(id: SessionId, send: Chains, receive: Chains, limits: &Limits, table: &mut TagTable) -> Link {
        let mut set = ReceiveSet::new(SetName::Existing(0), receive);
        set.extend(u32::from(limits.first_window), id, table);
        Link {
            id,
            send: SendSet::new(0, send),
            send_steps: None,
            sets: vec![(0, set)],
            newest: 0,
            receive_steps: None,
            stepped: None,
            owed: VecDeque::new(),
            awaited: BTreeMap::new(),
            confirmed: None,
            unanswered: 0,
        }
    }

    /// The receive set with this id.
    pub(super) fn set(&mut self, id: u16) -> Option<&mut ReceiveSet> {
        self.sets.iter_mut().find(|(of, _)| *of == id).map(|(_, set)| set)
    }

    /// The same, only to look at.
    pub(super) fn peek(&self, id: u16) -> Option<&ReceiveSet> {
        self.sets.iter().find(|(of, _)| *of == id).map(|(_, set)| set)
    }

    /// Begins a ratchet step of our direction when the set has been used enough.
    pub(super) fn step_if_due(&mut self, limits: &Limits, rng: &mut dyn CryptoRng) {
        if self.send.used() < limits.ratchet_after {
            return;
        }
        match &mut self.send_steps {
            Some(steps) if steps.waiting => {}
            Some(steps) => {
                steps.next(rng);
            }
            none => *none = Some(SendSteps::first(rng)),
        }
    }

    /// Blocks for the next message. Keys are repeated until they are answered or confirmed; acknowledgements go out once.
    pub(super) fn take_extras(&mut self) -> Extras {
        let reverse = self.receive_steps.as_ref().and_then(ReceiveSteps::block);
        let forward = self.send_steps.as_ref().and_then(SendSteps::block);
        Extras { acks: self.owed.drain(..).collect(), keys: reverse.into_iter().chain(forward).collect() }
    }

    /// Remembers that message `number` of the current send set asks for an acknowledgement.
    pub(super) fn await_ack(&mut self, now: Tick, number: u16, ack: Option<AckId>) {
        if self.awaited.len() >= MAX_AWAITED {
            self.awaited.pop_first();
        }
        self.awaited.insert((self.send.id, number), (now, ack));
    }

    /// First message of the send set that isn't known to have been overtaken by an arrived one.
    fn unconfirmed(&self) -> u16 {
        match self.confirmed {
            Some((set, number)) if set == self.send.id => number.saturating_add(1),
            _ => 0,
        }
    }

    /// Whether the next message should ask for an acknowledgement, because none of the last ones did.
    pub(super) fn should_ask(&self) -> bool {
        let last = self.awaited.last_key_value().map(|(key, _)| *key);
        let asked = last.filter(|(set, _)| *set == self.send.id).map_or(0, |(_, number)| number);
        let since_asked = self.send.used().saturating_sub(asked.max(self.unconfirmed()));
        let under_way = self.send.used().saturating_sub(self.unconfirmed());
        // Of a long flight `MAX_AWAITED` have to last for all.
        let in_doubt = under_way >= SURE_WINDOW;
        since_asked >= if in_doubt { ASK_IN_DOUBT.max(under_way / 16) } else { ASK_EVERY }
    }

    /// Whether so many messages are under way that, if all were lost, the peer might soon have no tag for the next one. The first
    /// set's window grows by half the message number (i2pd, Java).
    pub(super) fn is_full(&self, young: bool) -> bool {
        if self.confirmed.is_none() && self.unanswered >= NEVER_ACKS {
            return false;
        }
        let from = self.unconfirmed();
        let most = if young { MOST_UNCONFIRMED_YOUNG } else { MOST_UNCONFIRMED };
        let ahead = if self.send.id == 0 { SURE_WINDOW.saturating_add(from / 2) } else { u16::MAX };
        self.send.used().saturating_sub(from) >= (ahead / 4 * 3).min(most)
    }

    /// So many messages in a row may be lost that the peer has no tag for the next one. A peer who never acknowledges, as the
    /// protocol allows, must be silent too, since `heard`.
    pub(super) fn is_outrun(&self, now: Tick, heard: Tick) -> bool {
        let from = self.unconfirmed();
        let oldest = self.awaited.range((self.send.id, from)..).next();
        (self.confirmed.is_some() || now.saturating_since(heard) > NO_ACK_PATIENCE)
            && self.send.used().saturating_sub(from) >= SURE_WINDOW
            && oldest.is_some_and(|(_, (at, _))| now.saturating_since(*at) > ACK_PATIENCE)
    }

    /// Drops acknowledgements that couldn't be sent in time.
    pub(super) fn forgive(&mut self) {
        self.owed.clear();
    }

    /// A message of `set` was authenticated: moves the window.
    pub(super) fn message_received(&mut self, set: u16, number: u16, limits: &Limits, table: &mut TagTable) {
        if set == self.newest
            && let Some(steps) = &mut self.receive_steps
        {
            steps.unconfirmed = false;
        }
        if self.confirmed.is_none() && !self.awaited.is_empty() {
            self.unanswered = self.unanswered.saturating_add(1);
        }
        let id = self.id;
        if let Some(receive) = self.set(set) {
            let most = if table.is_crowded() { limits.first_window } else { limits.window };
            let ahead = if set == 0 { limits.first_window.saturating_add(number).min(most) } else { most };
            receive.extend(u32::from(number) + 1 + u32::from(ahead), id, table);
            receive.trim_below(number.saturating_sub(most), table);
        }
    }

    /// Message `number` of `set` asked for an acknowledgement.
    pub(super) fn owe_ack(&mut self, set: u16, number: u16) {
        if self.owed.len() >= MAX_OWED {
            self.owed.pop_front();
        }
        self.owed.push_back((set, number));
    }

    /// The peer acknowledges a message: ours, if we asked.
    pub(super) fn acked(&mut self, set: u16, number: u16) -> Option<AckId> {
        let (_, ack) = self.awaited.remove(&(set, number))?;
        self.confirmed = self.confirmed.max(Some((set, number)));
        ack
    }

    /// The peer has sent no message above `last` in the set before `set`.
    pub(super) fn previous_number(&mut self, set: u16, last: u16, table: &mut TagTable) {
        if let Some(previous) = set.checked_sub(1).and_then(|id| self.set(id)) {
            previous.trim_above(last, table);
        }
    }

    /// A NextKey block that came with `set`. True if an answer has to go out.
    pub(super) fn next_key(
        &mut self,
        now: Tick,
        block: &NextKey,
        set: u16,
        limits: &Limits,
        table: &mut TagTable,
        rng: &mut dyn CryptoRng,
    ) -> bool {
        if block.reverse {
            if let Some((id, key)) = self.send_steps.as_mut().and_then(|steps| steps.handle_reverse(block)) {
                self.send = SendSet::new(id, Chains::new(self.send.next_root(), &key));
            }
            return false;
        }
        // A block in an older set is a late repetition.
        if set != self.newest || self.stepped.is_some_and(|at| now.saturating_since(at) < limits.step_spacing) {
            return false;
        }
        let Some((id, key)) = ReceiveSteps::handle_forward(&mut self.receive_steps, block, set, rng) else {
            return false;
        };
        let Some(old) = self.set(set) else {
            return false;
        };
        old.expires = Some(now + OLD_SET_LIFETIME);
        let mut next = ReceiveSet::new(SetName::Existing(id), Chains::new(old.next_root(), &key));
        let ahead = if table.is_crowded() { limits.first_window } else { limits.window };
        next.extend(u32::from(ahead.min(MAX_TAGS)), self.id, table);
        self.sets.push((id, next));
        self.newest = id;
        self.stepped = Some(now);
        let beyond = self.sets.len().saturating_sub(MAX_SETS);
        self.sets.drain(..beyond).for_each(|(_, mut oldest)| oldest.clear(table));
        true
    }

    /// Forgets old sets whose time is over.
    pub(super) fn expire(&mut self, now: Tick, table: &mut TagTable) {
        self.sets.retain_mut(|(_, set)| {
            let keep = set.expires.is_none_or(|at| at > now);
            if !keep {
                set.clear(table);
            }
            keep
        });
    }

    /// When an old set expires next.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.sets.iter().filter_map(|(_, set)| set.expires).min()
    }

    /// Takes all tags out of the table.
    pub(super) fn clear(&mut self, table: &mut TagTable) {
        for (_, set) in &mut self.sets {
            set.clear(table);
        }
    }

    pub(super) fn hold(&self, held: &mut Held) {
        held.sets.add(self.sets.len(), size_of::<Link>() + self.sets.capacity() * size_of::<(u16, ReceiveSet)>());
        held.owed.add(self.owed.len(), self.owed.capacity() * size_of::<(u16, u16)>());
        held.awaited.add(self.awaited.len(), small_tree::<((u16, u16), (Tick, Option<AckId>))>(self.awaited.len()));
        for (_, set) in &self.sets {
            held.set(set);
        }
    }

    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((self.send.id, self.send.used(), self.newest, self.confirmed, self.unanswered));
        digest.add((&self.owed, &self.awaited));
        for (id, set) in &self.sets {
            digest.add((id, set.position(), set.expires));
        }
        let waits = self.send_steps.as_ref().map(|steps| steps.waiting);
        digest.add((waits, self.receive_steps.as_ref().map(|steps| steps.unconfirmed)));
    }

    /// Id of the newest receive set.
    #[cfg(test)]
    pub(super) fn newest(&self) -> u16 {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;

    use super::*;

    /// PN, which today's routers don't send: tags beyond it are given back.
    #[test]
    fn a_message_number_ends_the_set_before() {
        let limits = Limits::default();
        let mut table = TagTable::new(10_000);
        let mut rng = SeededRng::new([1; 32]);
        let chains = || Chains::new(&[1; 32], &[2; 32]);
        let mut link = Link::new(SessionId(1), chains(), Chains::new(&[3; 32], &[4; 32]), &limits, &mut table);
        let forward = SendSteps::first(&mut rng).block().unwrap();
        assert!(link.next_key(Tick(0), &forward, 0, &limits, &mut table, &mut rng));
        assert_eq!((link.newest(), table.len()), (1, 24 + 800));
        link.previous_number(1, 9, &mut table);
        assert_eq!(table.len(), 10 + 800);
        link.expire(Tick(0) + OLD_SET_LIFETIME, &mut table);
        assert_eq!(table.len(), 800);
    }

    fn link(table: &mut TagTable) -> Link {
        let chains = |seed| Chains::new(&[seed; 32], &[seed + 1; 32]);
        Link::new(SessionId(1), chains(1), chains(3), &Limits::default(), table)
    }

    /// As the protocol allows: what is under way to such a peer can't be known.
    #[test]
    fn a_peer_that_never_acknowledges_fills_no_session() {
        let mut table = TagTable::new(10_000);
        let mut link = link(&mut table);
        while !link.is_full(true) {
            let (number, ..) = link.send.take().unwrap();
            link.await_ack(Tick(0), number, None);
        }
        for number in 0..NEVER_ACKS {
            assert!(link.is_full(true));
            link.message_received(0, number, &Limits::default(), &mut table);
        }
        assert!(!link.is_full(true));
        link.acked(0, 0);
        assert!(!link.is_full(true), "one more under way");
        link.send.take().unwrap();
        assert!(link.is_full(true), "it does acknowledge");
    }

    #[test]
    fn acknowledgements_are_limited() {
        let mut table = TagTable::new(10_000);
        let mut link = link(&mut table);
        for number in 0..100 {
            link.owe_ack(0, number);
            link.await_ack(Tick(0), number, Some(AckId(u64::from(number))));
        }
        assert_eq!(link.take_extras().acks.len(), MAX_OWED);
        assert_eq!(link.acked(0, 35), None);
        assert_eq!(link.acked(0, 36), Some(AckId(36)));
        assert_eq!(link.acked(0, 36), None);
    }
}
