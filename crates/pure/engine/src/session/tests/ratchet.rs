//! DH ratchet steps and look-ahead windows.

use super::*;

fn low_threshold() -> Limits {
    Limits { ratchet_after: 10, first_window: 24, window: 64, step_spacing: Duration::ZERO, ..Limits::default() }
}

fn sets(sessions: &Sessions) -> (u16, u16) {
    let link = sessions.sessions.values().next().unwrap().link.as_ref().unwrap();
    (link.send.id, link.newest())
}

#[test]
fn steps_go_on_in_both_directions() {
    let mut pair = Pair::with_limits(low_threshold()).establish();
    for number in 0..5000 {
        pair.a_to_b(number);
        if number % 3 == 0 {
            pair.b_to_a(number);
        }
    }
    let ((a_send, a_receive), (b_send, b_receive)) = (sets(&pair.a), sets(&pair.b));
    assert!(a_send > 300 && b_send > 100, "{a_send} {b_send}");
    assert_eq!((a_send, b_send), (b_receive, a_receive));
    // A key block is repeated only until it is answered or confirmed.
    let mut blocks = 0;
    for number in 0..60 {
        pair.a_to_b(number);
        let link = pair.b.sessions.values_mut().next().unwrap().link.as_mut().unwrap();
        blocks += link.take_extras().keys.len();
        pair.b_to_a(number);
    }
    assert!(blocks < 40, "{blocks}");
    assert!(pair.a.tags.len() <= 3 * 130, "{}", pair.a.tags.len());
    assert!(pair.b.tags.len() <= 3 * 130);
}

#[test]
fn a_step_survives_loss_and_reordering() {
    let mut pair = Pair::with_limits(low_threshold()).establish();
    let mut held: Vec<(u32, Sealed)> = Vec::new();
    for number in 0..3000_u32 {
        let sealed = pair.a_writes(number);
        match number % 7 {
            0 | 3 => {}
            1 | 4 => held.push((number, sealed)),
            _ => {
                assert_eq!(pair.b_reads(&sealed).unwrap().cloves, [clove(number, 100)]);
            }
        }
        if held.len() > 6 {
            let (number, sealed) = held.remove(0);
            assert_eq!(pair.b_reads(&sealed).unwrap().cloves, [clove(number, 100)]);
        }
        if number % 5 == 0 {
            let answer = pair.b_writes(number);
            if number % 3 == 0 {
                pair.a_reads(&answer).unwrap();
            }
        }
    }
    assert!(sets(&pair.a).0 > 30, "{:?}", sets(&pair.a));
}

#[test]
fn a_one_way_sender_gets_the_reverse_key_by_itself() {
    let mut pair = Pair::with_limits(low_threshold()).establish();
    events(&mut pair.b);
    let to = pair.a.public_key();
    for number in 0..200 {
        pair.a_to_b(number);
        pair.pass(Duration::from_millis(300));
        if events(&mut pair.b).contains(&SessionEvent::SendDue { to }) {
            let empty = pair.b.encrypt(pair.now(), &to, &[], false).unwrap();
            pair.a_reads(&empty).unwrap();
        }
    }
    assert!(sets(&pair.a).0 >= 10);
}

/// A peer who asks for a step with every message gets one in a second.
#[test]
fn steps_have_a_distance() {
    let limits = Limits { step_spacing: Duration::from_secs(1), ..low_threshold() };
    let mut pair = Pair::with_limits(limits).establish();
    for number in 0..1_000 {
        pair.a_to_b(number);
        pair.b_to_a(number);
        pair.pass(Duration::from_millis(10));
    }
    let ((a_send, _), (b_send, _)) = (sets(&pair.a), sets(&pair.b));
    assert!((8..=11).contains(&a_send) && (8..=11).contains(&b_send), "{a_send} {b_send}");
}

/// Late messages of the set before the newest are taken for three minutes.
#[test]
fn an_old_set_is_kept_for_three_minutes() {
    let mut pair = Pair::with_limits(low_threshold()).establish();
    let late: Vec<Sealed> = (0..2).map(|number| pair.a_writes(number)).collect();
    while sets(&pair.b).1 == 0 {
        pair.a_to_b(2);
        pair.b_to_a(3);
    }
    for number in 0..17 {
        pair.pass(Duration::from_secs(10));
        pair.a_to_b(number);
        pair.b_to_a(number);
    }
    pair.pass(Duration::from_millis(9_999));
    assert_eq!(pair.b_reads(&late[0]).unwrap().cloves, [clove(0, 100)]);
    pair.pass(Duration::from_millis(1));
    assert!(pair.b_reads(&late[1]).is_err());
}

#[test]
fn without_answers_a_set_is_used_to_its_end_and_then_left() {
    let mut pair = Pair::with_limits(low_threshold()).establish();
    let mut sent = 0_u32;
    while !pair.a_writes(sent).new_session {
        sent += 1;
        assert!(sent < 70_000);
    }
    assert!(sent > 65_000);
}

#[test]
fn bursts_may_be_lost_within_the_window() {
    let mut pair = Pair::established();
    for _ in 0..20 {
        pair.a_writes(0);
    }
    pair.a_to_b(1);
    for _ in 0..44 {
        pair.a_writes(0);
    }
    for number in 0..600 {
        pair.a_to_b(number);
    }
    for _ in 0..250 {
        pair.a_writes(0);
    }
    pair.a_to_b(2);
}

/// All messages of a flight may be lost: there are tags left for what is sent then. A peer has 24 more than half of what it has seen.
#[test]
fn a_session_is_full_before_it_can_be_outrun() {
    let mut pair = Pair::established();
    let mut seen = 0;
    for (messages, expected) in [(0, 18), (20, 18 + 7), (100, 18 + 45), (2_000, 240)] {
        for number in 0..messages {
            pair.a_to_b(number);
            seen += 1;
            if number % 10 == 9 {
                pair.b_to_a(number);
            }
        }
        let mut flight = 1;
        while !pair.a_writes(flight).full {
            flight += 1;
            assert!(flight < 1_000);
        }
        assert!(flight.abs_diff(expected) < 16, "{flight} under way after {seen}");
        for _ in 0..5 {
            pair.a_writes(0);
        }
        pair.a_to_b(0);
        pair.b_to_a(0);
        assert!(!pair.a_to_b(0).full);
        seen += flight + 7;
    }
}

#[test]
fn messages_far_behind_are_forgotten() {
    let mut pair = Pair::established();
    let old = pair.a_writes(0);
    let kept = pair.a_writes(1);
    for number in 0..799 {
        pair.a_to_b(number);
    }
    assert!(pair.b_reads(&kept).is_ok());
    for number in 0..10 {
        pair.a_to_b(number);
    }
    assert!(pair.b_reads(&old).is_err());
}
