use super::*;

fn rtt(millis: u64) -> Rtt {
    let mut rtt = Rtt::default();
    for at in 0..50 {
        rtt.sample(Tick(at), Duration::from_millis(millis));
    }
    rtt
}

#[test]
fn cube_roots() {
    for (value, root) in [(0, 0), (1, 1), (7, 1), (8, 2), (26, 2), (27, 3), (u64::MAX, 2_642_245)] {
        assert_eq!(cube_root(value), root);
    }
}

#[test]
fn window_doubles_in_a_round_and_stays_in_its_bounds() {
    let (mut congestion, rtt) = (Congestion::new(None), rtt(100));
    for number in 0..10 {
        congestion.on_ack(Tick(0), number, number + 10, true, &rtt);
    }
    assert_eq!(congestion.window(), 20);
    for number in 10..10_000 {
        congestion.on_ack(Tick(0), number, number + 10, true, &rtt);
    }
    assert_eq!(congestion.window(), MAX_WINDOW);
    for number in 10_000..10_010 {
        congestion.on_timeout(number);
    }
    assert_eq!(congestion.window(), MIN_WINDOW);
}

#[test]
fn unused_window_does_not_grow() {
    let (mut congestion, rtt) = (Congestion::new(None), rtt(100));
    for number in 0..1000 {
        congestion.on_ack(Tick(0), number, number + 1, false, &rtt);
    }
    assert_eq!(congestion.window(), INITIAL_WINDOW);
}

#[test]
fn rare_loss_is_noise_and_much_loss_is_congestion() {
    let (mut congestion, rtt) = (Congestion::new(None), rtt(100));
    for number in 0..200 {
        congestion.on_ack(Tick(0), number, number + 100, true, &rtt);
    }
    let before = congestion.window();
    congestion.on_loss(200, 300, &rtt);
    assert_eq!(congestion.window(), before);
    for number in 201..230 {
        congestion.on_loss(number, 300, &rtt);
    }
    assert_eq!(congestion.window(), before * 7 / 10, "cut once in a round");
    congestion.on_spurious();
    assert_eq!(congestion.window(), before);
}

#[test]
fn choke_starts_small_and_keeps_to_the_peers_room() {
    let (mut congestion, rtt) = (Congestion::new(None), rtt(100));
    for number in 0..2000 {
        congestion.on_ack(Tick(0), number, number + 100, true, &rtt);
    }
    congestion.on_choke(2100);
    assert_eq!(congestion.window(), INITIAL_WINDOW);
    for number in 2101..2400 {
        congestion.on_ack(Tick(0), number, 9000, true, &rtt);
    }
    assert!(congestion.window() <= CHOKED_MAX_WINDOW);
}

/// i2pd gathers acks: after some prompt ones the round trip reads forty times the path's, with no queue anywhere.
#[test]
fn delayed_acks_are_no_queue() {
    let mut rtt = rtt(1);
    let mut congestion = Congestion::new(None);
    let mut number = 0;
    for round in 0..100u64 {
        let now = Tick(round * 44_000_000);
        rtt.sample(now, Duration::from_millis(44));
        congestion.on_rtt(Duration::from_millis(44));
        let newest = number + u64::from(congestion.window());
        while number < newest {
            congestion.on_ack(now, number, newest, true, &rtt);
            number += 1;
        }
    }
    assert_eq!(congestion.window(), MAX_WINDOW);
}
