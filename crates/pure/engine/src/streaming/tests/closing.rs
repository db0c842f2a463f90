//! How streams end.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::opening::{log, text};
use super::pair::*;
use crate::streaming::packet::{self, Head, Packet};
use crate::streaming::*;

/// An open stream: the opener's name and rings, the other's.
fn open(pair: &mut Pair) -> [(StreamId, Arc<StreamRings>); 2] {
    let (id, rings) = pair.connect(0);
    pair.run(Duration::from_secs(1));
    [(id, rings), pair.hosts[1].incoming.pop().unwrap()]
}

fn shut(pair: &mut Pair, host: usize, end: &(StreamId, Arc<StreamRings>)) {
    end.1.shutdown();
    pair.news(host, end.0, &end.1);
    pair.run(Duration::from_secs(1));
}

#[test]
fn either_side_may_close_first() {
    for first in 0..2 {
        let mut pair = Pair::new(1, Link::default());
        let ends = open(&mut pair);
        shut(&mut pair, first, &ends[first]);
        assert_eq!(text(&ends[1 - first].1), "");
        assert_eq!(text(&ends[first].1), "pending");
        assert!(pair.hosts[0].closed.is_empty() && pair.hosts[1].closed.is_empty());
        shut(&mut pair, 1 - first, &ends[1 - first]);
        assert_eq!(text(&ends[first].1), "");
        for (host, end) in pair.hosts.iter().zip(&ends) {
            assert_eq!(host.closed[&end.0], CloseReason::Finished);
            assert_eq!(end.1.status(), StreamStatus::Closed(CloseReason::Finished));
        }
    }
}

#[test]
fn half_closed_stream_still_carries_the_other_way() {
    let mut pair = Pair::new(2, Link::default());
    let ends = open(&mut pair);
    shut(&mut pair, 0, &ends[0]);
    pair.run(Duration::from_secs(600));
    for _ in 0..3 {
        assert!(ends[1].1.try_write(b"still").is_ready());
        pair.news(1, ends[1].0, &ends[1].1);
        pair.run(Duration::from_secs(1));
        assert_eq!(text(&ends[0].1), "still");
    }
    let after = ends[0].1.try_write(b"no");
    assert_eq!(after, std::task::Poll::Ready(Err(CloseReason::Finished)));
}

#[test]
fn handle_dropped_with_unread_data_resets() {
    let mut pair = Pair::new(3, Link::default());
    let ends = open(&mut pair);
    assert!(ends[0].1.try_write(b"unread").is_ready());
    pair.news(0, ends[0].0, &ends[0].1);
    pair.run(Duration::from_secs(1));
    ends[1].1.detach();
    pair.news(1, ends[1].0, &ends[1].1);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.hosts[1].closed[&ends[1].0], CloseReason::Aborted);
    assert_eq!(pair.hosts[0].closed[&ends[0].0], CloseReason::Reset);
    assert_eq!(text(&ends[0].1), "Reset");
}

#[test]
fn handle_dropped_after_writing_delivers_first() {
    let mut pair = Pair::new(4, Link { ..Link::default() });
    let ends = open(&mut pair);
    pair.link.loss = 100;
    assert!(ends[0].1.try_write(&[b'x'; 900]).is_ready());
    ends[0].1.detach();
    pair.news(0, ends[0].0, &ends[0].1);
    pair.run(Duration::from_secs(20));
    assert_eq!(text(&ends[1].1), "x".repeat(900));
    assert_eq!(text(&ends[1].1), "");
    ends[1].1.detach();
    pair.news(1, ends[1].0, &ends[1].1);
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.hosts[0].closed[&ends[0].0], CloseReason::Finished);
    assert_eq!(pair.hosts[1].closed[&ends[1].0], CloseReason::Finished);
}

/// The opener wrote as much as there is room for, and left; its line lets a packet through whenever the gate is opened.
struct Left {
    pair: Pair,
    id: StreamId,
    written: usize,
    gate: Rc<Cell<bool>>,
    reader: Arc<StreamRings>,
}

fn written_and_left() -> Left {
    let mut pair = Pair::new(4, Link { latency: Duration::from_secs(1), ..Link::default() });
    let (id, rings) = pair.connect(0);
    pair.run(Duration::from_secs(60));
    let (_, reader) = pair.hosts[1].incoming.pop().unwrap();
    let gate = Rc::new(Cell::new(false));
    let open = Rc::clone(&gate);
    pair.filter = Box::new(move |sender, _| sender == 1 || open.replace(false));
    let mut written = 0;
    while let Poll::Ready(Ok(more)) = rings.try_write(&[b'x'; 1_000]) {
        written += more;
    }
    rings.detach();
    pair.news(0, id, &rings);
    Left { pair, id, written, gate, reader }
}

/// Found by the scenario `lossy`, seed 12: what was written last took more than five minutes, and was cut off.
#[test]
fn what_was_written_is_delivered_however_slow_the_line() {
    let Left { mut pair, written, gate, reader, .. } = written_and_left();
    let (mut read, mut seconds) = (0, 0);
    while read < written && seconds < 3_600 {
        gate.set(true);
        pair.run(Duration::from_secs(10));
        read += text(&reader).matches('x').count();
        seconds += 10;
    }
    assert!(read == written && seconds > 300, "{read} of {written} in {seconds} s");
}

#[test]
fn who_takes_in_ever_so_slowly_keeps_a_stream_for_an_hour() {
    let Left { mut pair, id, gate, reader, .. } = written_and_left();
    let mut read = 0;
    for minute in 0..60 {
        assert!(!pair.hosts[0].closed.contains_key(&id), "minute {minute}");
        gate.set(minute % 2 == 0);
        pair.run(Duration::from_secs(60));
        read += text(&reader).len();
    }
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.hosts[0].closed[&id], CloseReason::TimedOut);
    assert!(read > 10_000);
}

#[test]
fn forgotten_handle_is_noticed() {
    let mut pair = Pair::new(5, Link::default());
    let [near, far] = open(&mut pair);
    drop(near);
    pair.run(Duration::from_secs(300));
    assert_eq!(text(&far.1), "");
    assert!(pair.hosts[0].streaming.is_empty());
}

#[test]
fn silent_peer_times_out_and_idle_stream_lives() {
    let mut pair = Pair::new(6, Link::default());
    let ends = open(&mut pair);
    pair.run(Duration::from_secs(3600));
    assert!(ends[0].1.try_write(b"late").is_ready());
    pair.news(0, ends[0].0, &ends[0].1);
    pair.run(Duration::from_secs(1));
    assert_eq!(text(&ends[1].1), "late");
    pair.link.loss = 1000;
    assert!(ends[0].1.try_write(b"lost").is_ready());
    pair.news(0, ends[0].0, &ends[0].1);
    pair.run(Duration::from_secs(600));
    assert_eq!(pair.hosts[0].closed[&ends[0].0], CloseReason::TimedOut);
    assert_eq!(text(&ends[0].1), "TimedOut");
}

#[test]
fn close_and_reset_need_proof() {
    for flag in [packet::CLOSE, packet::RESET] {
        let mut pair = Pair::new(7, Link { proven: false, ..Link::default() });
        let log = log(&mut pair);
        let ends = open(&mut pair);
        let answer = log.borrow().iter().find(|(from, _)| *from == 1).map(|(_, p)| Packet::parse(p).unwrap()).unwrap();
        let head = Head { send_id: answer.send_id, receive_id: answer.receive_id, sequence: 1, flags: flag, ..Head::default() };
        let forged = |proven_sender| Incoming { from_port: 2, to_port: 1, packet: head.write(0).into(), proven_sender };
        let stranger = pair.hosts[0].hash;
        pair.inject(0, forged(None));
        pair.inject(0, forged(Some(stranger)));
        assert_eq!(text(&ends[0].1), "pending");
        let other_ids = Head { receive_id: 1, ..head };
        let peer = Some(pair.hosts[1].hash);
        pair.inject(0, Incoming { from_port: 2, to_port: 1, packet: other_ids.write(0).into(), proven_sender: peer });
        assert_eq!(text(&ends[0].1), "pending");
        let signer = Arc::clone(&pair.hosts[1].signer);
        let signed = Head { flags: flag | packet::SIGNED, ..head }.write_signed(&signer, |_| {}).0;
        if flag == packet::CLOSE {
            pair.inject(0, forged(peer));
            assert_eq!(text(&ends[0].1), "");
        } else {
            pair.inject(0, Incoming { from_port: 2, to_port: 1, packet: signed, proven_sender: None });
            assert_eq!(text(&ends[0].1), "Reset");
        }
    }
}

#[test]
fn shutdown_resets_all() {
    let mut pair = Pair::new(8, Link::default());
    let ends = open(&mut pair);
    pair.hosts[0].streaming.shutdown(pair.now);
    pair.drain();
    pair.run(Duration::from_secs(1));
    assert_eq!(text(&ends[0].1), "Shutdown");
    assert_eq!(text(&ends[1].1), "Reset");
}

#[test]
fn who_waits_for_the_data_of_a_restarted_peer_is_told() {
    let mut pair = Pair::new(9, Link::default());
    let ends = open(&mut pair);
    shut(&mut pair, 0, &ends[0]);
    let peer = &mut pair.hosts[1];
    let rng = Box::new(ramson_crypto::rng::SeededRng::new([3; 32]));
    peer.streaming = Streaming::new(Arc::clone(&peer.signer), StreamingConfig::default(), rng);
    // All that we sent is acknowledged, so only a look at the idle stream can find out.
    pair.run(Duration::from_secs(100));
    assert_eq!(text(&ends[0].1), "Reset");
    assert!(pair.hosts[0].streaming.is_empty());
}
