//! Slow readers.

use std::time::Duration;

use super::opening::log;
use super::pair::*;
use crate::streaming::packet::{Head, Packet};
use crate::streaming::*;

/// Writes `total`, reads nothing for `pause`, then slowly; all must arrive.
fn slow_reader(seed: u8, link: Link, pause: Duration) -> Pair {
    let mut pair = Pair::new(seed, link);
    let (id, rings) = pair.connect(0);
    let mut writer = End::new(0, id, &rings, 3_000_000);
    writer.write(usize::MAX);
    pair.news(0, id, &rings);
    pair.run(Duration::from_secs(10));
    let (id, rings) = pair.hosts[1].incoming.pop().unwrap();
    let mut reader = End::new(1, id, &rings, 0);
    let resume = pair.now.tick + pause;
    let until = pair.now.tick + pause + Duration::from_secs(400);
    while reader.end.is_none() {
        writer.write(usize::MAX);
        pair.news(0, writer.id, &writer.rings);
        if pair.now.tick >= resume {
            reader.read(100_000);
            pair.news(1, id, &rings);
            pair.run(Duration::from_millis(20));
        } else {
            assert!(pair.step(until), "sent {} of {}", writer.written, writer.total);
        }
        assert!(pair.now.tick < until, "read {}", reader.read);
    }
    assert_eq!((reader.read, reader.end), (3_000_000, Some(Ok(()))));
    pair
}

#[test]
fn paused_reader_stops_the_peer_and_gets_everything() {
    for (seed, loss) in [(1, 0), (2, 0), (3, 30), (4, 30), (5, 100)] {
        let link = Link { latency: Duration::from_millis(30), loss, ..Link::default() };
        let pair = slow_reader(seed, link, Duration::from_secs(240));
        assert!(pair.hosts[0].sent < 4000, "{}", pair.hosts[0].sent);
    }
}

#[test]
fn reader_slower_than_the_link_loses_nothing() {
    let pair = slow_reader(6, Link { gap: Duration::from_micros(100), ..Link::default() }, Duration::ZERO);
    assert_eq!(pair.lost, 0);
}

#[test]
fn pauses_as_i2pd_asks_for_them_end_by_themselves() {
    for value in [60_000, 65_535] {
        let mut pair = Pair::new(7, Link::default());
        let log = log(&mut pair);
        let (id, rings) = pair.connect(0);
        pair.run(Duration::from_secs(1));
        let answer = log.borrow().iter().find(|(from, _)| *from == 1).map(|(_, p)| Packet::parse(p).unwrap()).unwrap();
        let mut writer = End::new(0, id, &rings, 60_000);
        writer.write(usize::MAX);
        pair.news(0, id, &rings);
        let head = Head { send_id: answer.send_id, receive_id: answer.receive_id, delay: Some(value), ..Head::default() };
        let proven_sender = Some(pair.hosts[1].hash);
        let sent = pair.hosts[0].sent;
        pair.inject(0, Incoming { from_port: 2, to_port: 1, packet: head.write(0).into(), proven_sender });
        assert_eq!(pair.hosts[0].sent, sent);
        pair.run(Duration::from_secs(2));
        let (id, rings) = pair.hosts[1].incoming.pop().unwrap();
        let mut reader = End::new(1, id, &rings, 0);
        reader.read(1000);
        assert_eq!(reader.end, Some(Ok(())));
    }
}
