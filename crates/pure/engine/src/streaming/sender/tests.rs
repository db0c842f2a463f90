use super::*;

fn sender(packets: u64) -> (Sender, Rtt, Congestion) {
    let mut sender = Sender::new();
    for at in 0..packets {
        sender.push(Tick(at * 1000), Body::Data(Bytes::from_static(b"x")));
    }
    (sender, Rtt::default(), Congestion::new(None))
}

const LATER: Tick = Tick(100_000_000);

#[test]
fn acks_free_and_unsent_ones_are_refused() {
    let (mut sender, mut rtt, mut congestion) = sender(5);
    assert_eq!(sender.ack(LATER, 5, &[], true, &mut rtt, &mut congestion), None);
    let acked = sender.ack(LATER, 2, &[], true, &mut rtt, &mut congestion);
    assert_eq!(acked, Some(Acked { packets: 3, progress: true }));
    assert_eq!((sender.first(), sender.span(), sender.in_flight()), (3, 2, 2));
    let old = sender.ack(LATER, 1, &[0], true, &mut rtt, &mut congestion);
    assert_eq!(old, Some(Acked::default()));
    assert!(rtt.smoothed().is_some());
}

#[test]
fn nacked_packet_is_lost_after_three_later_arrivals() {
    let (mut sender, mut rtt, mut congestion) = sender(10);
    sender.ack(LATER, 2, &[0], true, &mut rtt, &mut congestion);
    assert!(sender.detect(LATER, &rtt, &mut congestion).is_some() && !sender.has_lost());
    sender.ack(LATER, 4, &[0], true, &mut rtt, &mut congestion);
    sender.detect(LATER, &rtt, &mut congestion);
    let (sequence, _) = sender.resend_lost(LATER).unwrap();
    assert_eq!(sequence, 0);
    assert_eq!(sender.in_flight(), 6);
    // The second transmission is lost as well, as those made after it show.
    for _ in 0..5 {
        sender.push(LATER, Body::Data(Bytes::new()));
    }
    sender.ack(LATER, 14, &[0], true, &mut rtt, &mut congestion);
    sender.detect(LATER, &rtt, &mut congestion);
    assert!(sender.has_lost());
    sender.ack(LATER, 14, &[], true, &mut rtt, &mut congestion);
    assert!(sender.all_acked() && !sender.has_lost() && sender.in_flight() == 0);
}

#[test]
fn probe_is_the_last_unacked_packet() {
    let (mut sender, mut rtt, mut congestion) = sender(6);
    sender.ack(LATER, 5, &[2, 3], true, &mut rtt, &mut congestion);
    assert_eq!(sender.probe(LATER).map(|(sequence, _)| sequence), Some(3));
    sender.lose_all();
    assert_eq!(sender.in_flight(), 0);
    assert_eq!(sender.resend_lost(LATER).map(|(sequence, _)| sequence), Some(2));
}
