//! Thousands of sessions: who stays when there is no room, and what each holds.

use super::*;
use crate::session::limits::SETTLED_AGE;

/// A peer of its own key.
struct Stranger(Sessions);

impl Stranger {
    fn new(number: u32) -> Stranger {
        let mut key = [40; 32];
        key[..4].copy_from_slice(&number.to_be_bytes());
        Stranger(Sessions::new(PrivateKey::from_bytes(&key), Box::new(SeededRng::new(key))))
    }

    /// A message to them.
    fn says(&mut self, now: Now, to: &mut Sessions) {
        let sealed = self.0.encrypt(now, &to.public_key(), &[clove(1, 10)], false).unwrap();
        to.decrypt(now, &sealed.body).unwrap();
    }

    /// A message that doesn't arrive.
    fn lost(&mut self, now: Now, to: &mut Sessions) {
        assert!(!self.0.encrypt(now, &to.public_key(), &[clove(1, 10)], false).unwrap().new_session);
    }

    /// A message from them.
    fn hears(&mut self, now: Now, from: &mut Sessions) {
        let sealed = from.encrypt(now, &self.0.public_key(), &[clove(2, 10)], false).unwrap();
        self.0.decrypt(now, &sealed.body).unwrap();
    }

    /// A new session that was replied to and used.
    fn meets(&mut self, now: Now, them: &mut Sessions) {
        self.says(now, them);
        self.hears(now, them);
        self.says(now, them);
    }

    fn is_known_to(&self, them: &Sessions) -> bool {
        them.of_peer(&self.0.public_key()).next().is_some()
    }
}

fn host(sessions: usize) -> Sessions {
    let limits = Limits { sessions, ..Limits::default() };
    Sessions::with_limits(PrivateKey::from_bytes(&[2; 32]), limits, Box::new(SeededRng::new([2; 32])))
}

/// Whether they answer or not, strangers in their thousands push out each other; who has talked with us for a minute stays.
#[test]
fn a_flood_of_strangers_pushes_out_its_own() {
    for answering in [false, true] {
        let mut host = host(40);
        let mut friends: Vec<Stranger> = (0..20).map(Stranger::new).collect();
        friends.iter_mut().for_each(|friend| friend.meets(at(1_000_000), &mut host));
        let settled = at(1_000_000 + u64::try_from(SETTLED_AGE.as_millis()).unwrap());
        friends.iter_mut().for_each(|friend| friend.says(settled, &mut host));
        for number in 0..300 {
            let now = Now { tick: settled.tick + Duration::from_millis(100 * u64::from(number + 1)), ..settled };
            let mut stranger = Stranger::new(1_000 + number);
            if answering {
                stranger.meets(now, &mut host)
            } else {
                stranger.says(now, &mut host)
            }
            assert!(stranger.is_known_to(&host), "a newcomer has a place");
            consistent(&host);
        }
        assert_eq!(host.session_count(), 40);
        for friend in &mut friends {
            assert!(friend.is_known_to(&host));
            let sealed = host.encrypt(settled, &friend.0.public_key(), &[clove(3, 10)], false).unwrap();
            assert!(!sealed.new_session && friend.0.decrypt(settled, &sealed.body).is_ok());
        }
    }
}

/// Old acquaintances don't close the door: a quarter of the places is for newcomers.
#[test]
fn a_newcomer_can_settle_among_many_who_have() {
    let mut host = host(40);
    let start = at(1_000_000);
    let later = |secs: u64| Now { tick: start.tick + Duration::from_secs(secs), ..start };
    let mut settled: Vec<Stranger> = (0..40).map(Stranger::new).collect();
    settled.iter_mut().for_each(|friend| friend.meets(start, &mut host));
    settled.iter_mut().for_each(|friend| friend.says(later(60), &mut host));
    let mut guests: Vec<Stranger> = (100..110).map(Stranger::new).collect();
    for _ in 0..3 {
        guests.iter_mut().for_each(|guest| guest.meets(later(70), &mut host));
    }
    guests.iter_mut().for_each(|guest| guest.says(later(130), &mut host));
    assert!(guests.iter().all(|guest| guest.is_known_to(&host)));
    assert_eq!(settled.iter().filter(|friend| friend.is_known_to(&host)).count(), 30, "those silent for longest went");
}

/// Peers whose windows are as large as they get leave tags for those who come.
#[test]
fn busy_sessions_leave_tags_for_others() {
    let limits = Limits { sessions: 60, tags: 3_000, ..Limits::default() };
    let mut host = Sessions::with_limits(PrivateKey::from_bytes(&[2; 32]), limits, Box::new(SeededRng::new([2; 32])));
    let now = at(1_000_000);
    for number in 0..20 {
        let mut busy = Stranger::new(number);
        busy.meets(now, &mut host);
        for _ in 0..300 {
            busy.lost(now, &mut host);
            busy.says(now, &mut host);
        }
        assert!(host.tags.len() < 3_000, "{number}: {} tags", host.tags.len());
    }
    for number in 100..106 {
        let mut newcomer = Stranger::new(number);
        newcomer.meets(now, &mut host);
        (0..20).for_each(|_| newcomer.lost(now, &mut host));
        newcomer.says(now, &mut host);
    }
}

/// Bytes that a side holds.
fn held(sessions: &Sessions) -> usize {
    let mut bytes = 0;
    sessions.bounds(&mut |bound| {
        assert!(bound.fill <= bound.limit, "{bound:?}");
        bytes += bound.bytes;
    });
    bytes
}

/// What the module says of memory. Printed, so that a change shows by how much.
#[test]
#[expect(clippy::print_stdout, reason = "the numbers are the point")]
fn a_session_holds_no_more_than_is_said() {
    let mut host = host(4_096);
    let now = at(1_000_000);
    for number in 0..200 {
        Stranger::new(number).says(now, &mut host);
    }
    let unanswered = held(&host) / 200;
    let mut host = self::host(4_096);
    for number in 0..200 {
        Stranger::new(number).meets(now, &mut host);
    }
    let young = held(&host) / 200;
    // A long life with many steps, every other message lost: the windows are as full as they get.
    let mut pair = Pair::with_limits(Limits { ratchet_after: 600, ..Limits::default() }).establish();
    for number in 0..8_000 {
        let (from_a, from_b) = (pair.a_writes(number), pair.b_writes(number));
        if number % 2 == 0 {
            pair.b_reads(&from_a).unwrap();
            pair.a_reads(&from_b).unwrap();
        }
        pair.pass(Duration::from_millis(5));
    }
    let busy = held(&pair.a).max(held(&pair.b));
    println!("bytes of a session: {unanswered} unanswered, {young} after a message each way, {busy} after thousands");
    assert!(unanswered < 1_000 && young < 5_000 && busy < 200_000, "{unanswered} {young} {busy}");
}
