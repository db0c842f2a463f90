use super::*;

/// A path, round by round.
struct Path {
    congestion: Congestion,
    rtt: Rtt,
    now: Tick,
    number: u64,
}

impl Path {
    fn new() -> Self {
        Self { congestion: Congestion::new(None), rtt: Rtt::default(), now: Tick(1_000_000_000), number: 0 }
    }

    /// All packets of a window are acked after so long.
    fn round(&mut self, millis: u64, limited: bool) {
        self.acked(u64::from(self.congestion.window()), millis, limited);
    }

    fn acked(&mut self, count: u64, millis: u64, limited: bool) {
        self.now = self.now + Duration::from_millis(millis);
        self.rtt.sample(self.now, Duration::from_millis(millis));
        self.congestion.on_rtt(Duration::from_millis(millis));
        let newest = self.number + count;
        while self.number < newest {
            self.congestion.on_ack(self.now, self.number, newest - 1, limited, &self.rtt);
            self.number += 1;
        }
    }

    /// Of the next packets so many are lost, the rest of the window is acked.
    fn lose(&mut self, count: u64, millis: u64) {
        let window = u64::from(self.window());
        for number in self.number..self.number + count {
            self.congestion.on_loss(number);
        }
        self.number += count;
        self.acked(window - count, millis, true);
    }

    fn window(&self) -> u32 {
        self.congestion.window()
    }
}

#[test]
fn window_doubles_in_a_round_and_stays_in_its_bounds() {
    let mut path = Path::new();
    path.round(100, true);
    assert_eq!(path.window(), 2 * INITIAL_WINDOW);
    path.round(100, true);
    assert_eq!(path.window(), 4 * INITIAL_WINDOW);
    path.round(100, true);
    path.round(100, true);
    assert_eq!(path.window(), UNPROVEN_WINDOW, "no peer has to hold more that hasn't acked as much");
    for _ in 0..40 {
        path.round(100, true);
    }
    assert_eq!(path.window(), MAX_WINDOW);
    for number in 0..9 {
        path.congestion.on_timeout(path.number + number);
    }
    assert_eq!(path.window(), MIN_WINDOW);
}

#[test]
fn unused_window_does_not_grow() {
    let mut path = Path::new();
    for _ in 0..50 {
        path.round(100, false);
    }
    assert_eq!(path.window(), INITIAL_WINDOW);
}

#[test]
fn a_known_path_is_used_at_once_but_not_flooded() {
    assert_eq!(Congestion::new(Some(5)).window(), INITIAL_WINDOW);
    assert_eq!(Congestion::new(Some(80)).window(), 60);
    assert_eq!(Congestion::new(Some(1000)).window(), MAX_FIRST_WINDOW);
}

/// 500 packets a second, 100 ms: 50 packets fill it.
#[test]
fn a_hop_is_filled_and_its_queue_stays_short() {
    let mut path = Path::new();
    let mut longest = 0;
    for round in 0..100 {
        let millis = (u64::from(path.window()) * 2).max(100);
        path.round(millis, true);
        if round > 12 {
            longest = longest.max(millis);
            assert!(path.window() >= 45, "round {round}: {}", path.window());
        }
    }
    assert!(longest <= 140, "{longest} ms");
}

#[test]
fn a_window_grows_again_when_the_hop_is_left_to_it() {
    let mut path = Path::new();
    for _ in 0..50 {
        path.round((u64::from(path.window()) * 4).max(100), true);
    }
    let before = path.window();
    assert!(before < 40, "{before}");
    for _ in 0..25 {
        path.round((u64::from(path.window())).max(100), true);
    }
    assert!(path.window() > 80, "{}", path.window());
}

fn wide() -> Path {
    let mut path = Path::new();
    for _ in 0..6 {
        path.round(100, true);
    }
    path
}

#[test]
fn rare_loss_is_noise_and_much_loss_leaves_what_was_delivered() {
    let mut path = wide();
    let before = path.window();
    path.lose(2, 100);
    assert!(path.window() >= before);
    let before = path.window();
    path.lose(30, 100);
    path.round(100, true);
    let cut = path.window();
    assert!(cut < before && cut >= before / 4, "{before}, then {cut}");
    path.congestion.on_spurious();
    assert!(path.window() >= before / 8 * 7, "it was reordering");
}

#[test]
fn loss_that_a_cut_does_not_end_is_the_paths() {
    let mut path = wide();
    for _ in 0..6 {
        path.lose(u64::from(path.window()) / 12, 100);
    }
    let used = path.window();
    for _ in 0..12 {
        path.lose(u64::from(path.window()) / 12, 100);
    }
    assert!(path.window() >= used && used > 100, "{used}, then {}", path.window());
    assert!(path.congestion.tolerated > LOSS_TOLERATED);
}

/// A relay that drops what is above its rate.
#[test]
fn loss_that_a_cut_ends_was_ours() {
    let mut path = wide();
    let mut dropped = 0;
    let mut sent = 0;
    for round in 0..200 {
        let window = u64::from(path.window());
        let above = window.saturating_sub(60);
        if round > 10 {
            dropped += above;
            sent += window;
        }
        path.lose(above, 100);
        assert!(round < 10 || path.window() > 40, "{}", path.window());
    }
    assert!(dropped * 100 < sent * 3, "{dropped} of {sent}");
}

#[test]
fn choke_starts_small_and_keeps_to_the_peers_room() {
    let mut path = Path::new();
    for _ in 0..20 {
        path.round(100, true);
    }
    assert!(path.window() > UNPROVEN_WINDOW);
    path.congestion.on_choke(path.number);
    path.number += 1;
    assert_eq!(path.window(), INITIAL_WINDOW);
    for _ in 0..4 {
        path.round(100, true);
        assert!(path.window() <= UNPROVEN_WINDOW);
    }
}

/// i2pd gathers acks: after some prompt ones the round trip reads forty times the path's, with no queue anywhere. That is taken for
/// noise, but for no more packets than what a hop can hold.
#[test]
fn delayed_acks_are_no_queue() {
    let mut path = Path::new();
    path.round(1, true);
    for _ in 0..40 {
        path.round(44, true);
    }
    assert!((MOST_EXCUSED / ONE..MOST_EXCUSED / ONE * 5 / 4).contains(&path.window()), "{}", path.window());
}
