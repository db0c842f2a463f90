//! Handshakes, restarts, acknowledgements and times.

use super::*;
use crate::session::{Classified, PeekedKind, Readiness, router_garlic, tests::vectors::unbound};
use ramson_wire::SessionTag;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn new_session_reply_and_existing_session() {
    let mut pair = Pair::new();
    let (a, b) = pair.keys();
    assert_eq!(pair.a.readiness(pair.now(), &b), Readiness::NewSession);
    let ns = pair.a_to_b(1);
    assert!(ns.new_session);
    assert_eq!(pair.a.readiness(pair.now(), &b), Readiness::AwaitingReply { last: pair.now().tick });
    assert_eq!(pair.b.readiness(pair.now(), &a), Readiness::Ready);
    for number in 10..20 {
        pair.b_to_a(number);
    }
    assert_eq!(pair.a.readiness(pair.now(), &b), Readiness::Ready);
    for number in 20..400 {
        pair.a_to_b(number);
        pair.b_to_a(number);
    }
    assert_eq!((pair.a.session_count(), pair.b.session_count()), (1, 1));
    assert_eq!(pair.b_reads(&ns).unwrap_err(), SessionError::Replayed);
}

#[test]
fn replies_may_be_lost_and_reordered() {
    let mut pair = Pair::new();
    pair.a_to_b(1);
    let replies: Vec<Sealed> = (0..12).map(|number| pair.b_writes(number)).collect();
    assert!(pair.a_reads(&replies[7]).is_ok());
    // An existing session message overtakes the other replies, which are still read.
    let first = pair.a_to_b(2);
    assert!(!first.new_session);
    for late in [3, 11, 0] {
        assert_eq!(pair.a_reads(&replies[late]).unwrap().cloves, [clove(u32::try_from(late).unwrap(), 100)]);
        assert!(pair.a_reads(&replies[late]).is_err());
    }
    pair.b_to_a(3);
}

#[test]
fn several_new_sessions_in_flight() {
    let mut pair = Pair::new();
    let sent: Vec<Sealed> = (0..4).map(|number| pair.a_writes(number)).collect();
    assert!(sent.iter().all(|sealed| sealed.new_session));
    for (number, ns) in [2, 0, 3].map(|at| (at, &sent[usize::try_from(at).unwrap()])) {
        assert_eq!(pair.b_reads(ns).unwrap().cloves, [clove(number, 100)]);
        pair.b_to_a(100 + number);
    }
    for number in 10..30 {
        assert!(!pair.a_to_b(number).new_session);
        assert!(!pair.b_to_a(number).new_session);
    }
    // The one that was lost in between comes late.
    assert_eq!(pair.b_reads(&sent[1]).unwrap().cloves, [clove(1, 100)]);
    pair.a_to_b(40);
    pair.b_to_a(41);
    assert_eq!(pair.b.session_count(), 3);
}

#[test]
fn both_sides_begin_at_once() {
    let mut pair = Pair::new();
    let (from_a, from_b) = (pair.a_writes(1), pair.b_writes(2));
    assert!(from_a.new_session && from_b.new_session);
    assert!(pair.a_reads(&from_b).is_ok() && pair.b_reads(&from_a).is_ok());
    let (from_a, from_b) = (pair.a_writes(3), pair.b_writes(4));
    assert!(!from_a.new_session && !from_b.new_session);
    assert!(pair.a_reads(&from_b).is_ok() && pair.b_reads(&from_a).is_ok());
    for number in 10..40 {
        let (from_a, from_b) = (pair.a_writes(number), pair.b_writes(number));
        assert!(pair.a_reads(&from_b).is_ok() && pair.b_reads(&from_a).is_ok());
    }
    pair.pass(2 * SECOND);
    pair.answer_due();
    // One session is used by both at last: silence in the other ends it.
    for round in 0..70 {
        pair.pass(2 * SECOND);
        pair.answer_due();
        pair.pass(8 * SECOND);
        pair.a_to_b(100 + round);
        pair.b_to_a(100 + round);
    }
    assert_eq!((pair.a.session_count(), pair.b.session_count()), (1, 1));
}

#[test]
fn pending_sessions_are_limited() {
    let mut pair = Pair::new();
    let to = pair.b.public_key();
    for number in 0..6 {
        pair.a_writes(number);
    }
    assert_eq!(pair.a.encrypt(pair.now(), &to, &[], false).unwrap_err(), SessionError::AwaitingReply);
    pair.pass(11 * SECOND);
    pair.a_writes(7);
    pair.pass(Duration::from_secs(200));
    assert_eq!(pair.a.session_count(), 0);
    assert_eq!(pair.a.tags.len(), 0);
    assert_eq!(events(&mut pair.a), [SessionEvent::Ended { peer: to }]);
}

#[test]
fn silence_restarts_a_session() {
    let mut pair = Pair::established();
    pair.pass(Duration::from_secs(100));
    // Silent, but too young.
    assert!(!pair.a_writes(10).new_session);
    pair.pass(Duration::from_secs(21));
    assert!(pair.a_to_b(11).new_session);
    pair.b_to_a(12);
    assert!(!pair.a_to_b(13).new_session);
    assert!(!pair.b_to_a(14).new_session);
}

#[test]
fn a_busy_session_is_not_restarted() {
    let mut pair = Pair::established();
    for number in 10..100 {
        pair.pass(Duration::from_secs(60));
        assert!(!pair.a_to_b(number).new_session);
        assert!(!pair.b_to_a(number).new_session);
    }
}

#[test]
fn sessions_end_after_ten_minutes() {
    let mut pair = Pair::established();
    let late = pair.a_writes(5);
    pair.pass(Duration::from_secs(590));
    assert!(pair.b_reads(&late).is_ok(), "received until the end");
    pair.pass(Duration::from_secs(601));
    assert_eq!((pair.a.session_count(), pair.b.session_count()), (0, 0));
    assert_eq!((pair.a.tags.len(), pair.b.tags.len()), (0, 0));
    assert_eq!((pair.a.deadline(), pair.b.deadline()), (None, None));
}

#[test]
fn a_restarted_peer_is_taken_back() {
    let mut pair = Pair::established();
    let to = pair.a.public_key();
    pair.a = Sessions::new(PrivateKey::from_bytes(&[1; 32]), Box::new(SeededRng::new([77; 32])));
    // At once: the message arrives, but replies go where the old session was.
    pair.a_to_b(10);
    let lost = pair.b_writes(11);
    assert!(pair.a_reads(&lost).is_err());
    // A little later the new one counts.
    pair.pass(20 * SECOND);
    pair.a_to_b(12);
    assert_eq!(pair.b.readiness(pair.now(), &to), Readiness::Ready);
    pair.b_to_a(13);
    pair.a_to_b(14);
    pair.b_to_a(15);
}

/// Java and i2pd look at the age of a session alone: until it is two minutes old, a peer who lost it can't replace it, and gets what he has
/// no tags for. What he writes arrives all the time; what is written to him does so afterwards.
#[test]
fn a_peer_who_keeps_to_a_young_session_is_waited_for() {
    let java = Duration::from_secs(1_000_000);
    let mut pair = Pair::with_limits(Limits { replace_silence: java, ..Limits::default() }).establish();
    pair.a = Sessions::new(PrivateKey::from_bytes(&[1; 32]), Box::new(SeededRng::new([77; 32])));
    let mut back = None;
    for second in 0..130 {
        pair.pass(SECOND);
        if second % 3 == 0 {
            pair.a_to_b(second);
        }
        // So few that none is missed: that would be noticed sooner.
        if second % 6 == 0 {
            let sealed = pair.b_writes(1_000 + second);
            if pair.a_reads(&sealed).is_ok() {
                back.get_or_insert(second);
            }
        }
    }
    assert!(back.is_some_and(|second| (118..130).contains(&second)), "{back:?}");
    pair.a_to_b(500);
    pair.b_to_a(501);
}

#[test]
fn a_new_session_that_came_late_replaces_nothing_for_long() {
    let mut pair = Pair::new();
    let late = pair.a_writes(0);
    pair = pair.establish();
    pair.pass(20 * SECOND);
    pair.b_reads(&late).unwrap();
    // The replies to it are lost, and the peer goes on in the first session.
    for number in 10..40 {
        pair.b_writes(number);
        pair.pass(SECOND);
        pair.a_to_b(number);
    }
    let (first, now) = (pair.b.sessions.values().next().unwrap(), pair.now().tick);
    assert!(first.established && first.can_send(now));
    pair.b_to_a(50);
    consistent(&pair.b);
}

#[test]
fn acknowledgements_are_asked_given_and_reported() {
    let mut pair = Pair::new();
    let (a, b) = pair.keys();
    let ns = pair.a.encrypt(pair.now(), &b, &[clove(1, 10)], true).unwrap();
    pair.b_reads(&ns).unwrap();
    pair.b_to_a(2);
    assert_eq!(acks(&mut pair.a), [ns.ack.unwrap()]);
    events(&mut pair.b);

    let lost = pair.a.encrypt(pair.now(), &b, &[clove(3, 10)], true).unwrap();
    let asked: Vec<Sealed> = (0..3).map(|number| pair.a.encrypt(pair.now(), &b, &[clove(number, 10)], true).unwrap()).collect();
    for sealed in asked.iter().rev() {
        pair.b_reads(sealed).unwrap();
    }
    // With the next message, or by itself after a second.
    pair.b_to_a(4);
    assert_eq!(acks(&mut pair.a), [asked[2].ack.unwrap(), asked[1].ack.unwrap(), asked[0].ack.unwrap()]);
    assert_ne!(lost.ack, asked[0].ack);
    let again = pair.a.encrypt(pair.now(), &b, &[], true).unwrap();
    pair.b_reads(&again).unwrap();
    pair.pass(Duration::from_millis(999));
    assert_eq!(events(&mut pair.b), []);
    pair.pass(Duration::from_millis(1));
    assert_eq!(events(&mut pair.b), [SessionEvent::SendDue { to: a }]);
    let empty = pair.b.encrypt(pair.now(), &a, &[], false).unwrap();
    assert_eq!(pair.a_reads(&empty).unwrap().cloves, []);
    assert_eq!(acks(&mut pair.a), [again.ack.unwrap()]);
    pair.pass(10 * SECOND);
    assert_eq!(events(&mut pair.b), []);
}

#[test]
fn an_unsent_answer_is_asked_for_three_times() {
    let mut pair = Pair::new();
    let (a, _) = pair.keys();
    pair.a_to_b(1);
    pair.pass(30 * SECOND);
    assert_eq!(events(&mut pair.b), [SessionEvent::SendDue { to: a }; 3]);
}

#[test]
fn one_time_keys_open_once_and_expire() {
    let mut pair = Pair::new();
    let mut rng = SeededRng::new([4; 32]);
    let (tag, key, asked) = (SessionTag([7; 8]), [8; 32], NetDbKey([9; 32]));
    let reply = |tag| ReplyKey { tag, key };
    let body = router_garlic::seal_one_time(&key, tag, &clove(1, 30), &mut rng).unwrap();
    assert_eq!(router_garlic::open_one_time(&key, &body).unwrap(), [clove(1, 30)]);
    assert_eq!(router_garlic::leading_tag(&body), Some(tag));
    assert_eq!(pair.a.classify(&body), Classified::Garbage);
    pair.a.add_one_time_key(pair.now(), &reply(tag), asked);
    assert_eq!(pair.a.classify(&body), Classified::Tagged);
    let opened = pair.a.decrypt(pair.now(), &body).unwrap();
    assert_eq!((opened.peer, opened.asked, opened.cloves), (None, Some(asked), vec![clove(1, 30)]));
    assert_eq!(pair.a.decrypt(pair.now(), &body).unwrap_err(), SessionError::UnknownTag);

    pair.a.add_one_time_key(pair.now(), &reply(tag), asked);
    pair.pass(Duration::from_secs(180));
    assert_eq!(pair.a.decrypt(pair.now(), &body).unwrap_err(), SessionError::UnknownTag);
    for number in 0..2000_u64 {
        pair.a.add_one_time_key(pair.now(), &reply(SessionTag(number.to_be_bytes())), asked);
    }
    assert_eq!(pair.a.one_time.len(), 1024);
}

#[test]
fn router_messages() {
    let mut rng = SeededRng::new([5; 32]);
    let router = PrivateKey::from_bytes(&[3; 32]);
    let body = router_garlic::seal(at(0), &router.public(), &[clove(1, 900)], &mut rng).unwrap();
    assert_eq!(router_garlic::open(at(0), &router, &body).unwrap(), [clove(1, 900)]);
    assert_eq!(router_garlic::open(at(400_000), &router, &body).unwrap_err(), SessionError::Clock);
    let other = PrivateKey::from_bytes(&[4; 32]);
    assert_eq!(router_garlic::open(at(0), &other, &body).unwrap_err(), SessionError::Undecryptable);
}

#[test]
fn unbound_new_sessions_are_read() {
    let mut pair = Pair::new();
    let date = pair.now().date.to_seconds_rounded();
    let payload = crate::session::payload::Blocks::handshake(Some(date), &[clove(1, 50)]).padded(&[], |_| Some(3));
    let message = unbound(&pair.b.public_key(), &payload, &mut SeededRng::new([6; 32]));
    let mut body = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
    body.extend(message);
    let opened = pair.b.decrypt(pair.now(), &body).unwrap();
    assert_eq!((opened.peer, opened.cloves), (None, vec![clove(1, 50)]));
    assert_eq!(pair.b.decrypt(pair.now(), &body).unwrap_err(), SessionError::Replayed);
    assert_eq!(pair.b.session_count(), 0);
}

#[test]
fn new_sessions_have_a_clock_window() {
    for (skew, ok) in [(-119, true), (-121, false), (299, true), (301, false)] {
        let mut pair = Pair::new();
        let ns = pair.a_writes(1);
        let read_at = pair.ms.checked_add_signed(skew * 1000).unwrap();
        let opened = pair.b.decrypt(at(read_at), &ns.body);
        assert_eq!(opened.is_ok(), ok, "{skew}: {opened:?}");
    }
}

/// Messages lost in a row take us beyond the tags that the peer looks for; it goes on to be heard, so silence doesn't tell.
#[test]
fn an_outrun_session_is_begun_anew() {
    let mut pair = Pair::established();
    for number in 10..40 {
        pair.a_to_b(number);
    }
    pair.pass(Duration::from_secs(2));
    pair.b_to_a(50);
    for number in 100..250 {
        assert!(!pair.a_writes(number).new_session);
        pair.b_to_a(number);
    }
    let lost = pair.a_writes(251);
    assert!(pair.b_reads(&lost).is_err());
    for _ in 0..20 {
        pair.pass(Duration::from_secs(1));
    }
    assert!(pair.a_to_b(300).new_session);
    pair.b_to_a(301);
    assert!(!pair.a_to_b(302).new_session);
    pair.b_to_a(303);
    consistent(&pair.a);
    consistent(&pair.b);
}

/// The same before anything was acknowledged.
#[test]
fn a_session_outrun_from_the_start_is_begun_anew() {
    let mut pair = Pair::established();
    for number in 100..200 {
        assert!(!pair.a_writes(number).new_session);
    }
    pair.b_to_a(200);
    for _ in 0..21 {
        pair.pass(Duration::from_secs(1));
    }
    assert!(pair.a_to_b(300).new_session);
    pair.b_to_a(301);
    assert!(!pair.a_to_b(302).new_session);
}

/// A busy session whose acknowledgements come isn't begun anew, however many single messages are lost.
#[test]
fn losses_here_and_there_are_no_reason_to_begin_anew() {
    let mut pair = Pair::established();
    let mut loss = SeededRng::new([8; 32]);
    for number in 10..600 {
        let sealed = pair.a_writes(number);
        assert!(!sealed.new_session, "{number}");
        if ramson_crypto::rng::below(&mut loss, 4) > 0 {
            pair.b_reads(&sealed).unwrap();
        }
        pair.pass(Duration::from_millis(200));
        pair.b_to_a(number);
    }
}

/// Whoever looks over the shoulder sees what comes next, again and again, and nothing changes by it.
#[test]
fn a_peek_shows_what_is_opened_and_takes_nothing() {
    let mut pair = Pair::new();
    let (a, b) = pair.keys();
    let shown = |sessions: &Sessions, sealed: &Sealed| {
        let first = sessions.peek(&sealed.body);
        assert_eq!(first, sessions.peek(&sealed.body));
        first.map(|peeked| (peeked.kind, peeked.peer))
    };
    let ns = pair.a_writes(1);
    assert_eq!(shown(&pair.b, &ns), Some((PeekedKind::New, Some(a))));
    assert_eq!(shown(&pair.a, &ns), None, "it isn't for the sender");
    pair.b_reads(&ns).unwrap();
    let reply = pair.b_writes(2);
    assert_eq!(shown(&pair.a, &reply), Some((PeekedKind::Reply, Some(b))));
    pair.a_reads(&reply).unwrap();
    let later: Vec<Sealed> = (3..8).map(|number| pair.a_writes(number)).collect();
    for index in [4, 1, 0] {
        assert_eq!(shown(&pair.b, &later[index]), Some((PeekedKind::Existing, Some(a))));
        pair.b_reads(&later[index]).unwrap();
        assert_ne!(shown(&pair.b, &later[index]).map(|(kind, _)| kind), Some(PeekedKind::Existing), "its tag is used up");
    }
}
