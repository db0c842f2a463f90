//! What i2pd makes of round trips, and its window.

use super::{INITIAL_RTT, INITIAL_WINDOW, MAX_WINDOW, MIN_WINDOW};

/// What it knows of the path, and its window.
pub(super) struct Pace {
    pub(super) rtt: f64,
    pub(super) least: f64,
    pub(super) slow: f64,
    pub(super) fast: f64,
    pub(super) before: f64,
    pub(super) jitter: f64,
    pub(super) jitter_sum: f64,
    pub(super) jitter_count: f64,
    pub(super) window: f64,
    pub(super) target: f64,
    pub(super) last_drop: f64,
    pub(super) grow: usize,
    pub(super) interval: f64,
    pub(super) left_over: f64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            rtt: INITIAL_RTT,
            least: INITIAL_RTT,
            slow: INITIAL_RTT,
            fast: INITIAL_RTT,
            before: INITIAL_RTT,
            jitter: 0.0,
            jitter_sum: 0.0,
            jitter_count: 1.0,
            window: INITIAL_WINDOW,
            target: 0.0,
            last_drop: 0.0,
            grow: 0,
            interval: INITIAL_RTT / INITIAL_WINDOW,
            left_over: 0.0,
        }
    }

    pub(super) fn begin(&mut self, sample: f64) {
        self.rtt = sample;
        self.least = sample;
        self.slow = sample;
        self.fast = sample;
        self.before = sample;
        self.jitter = sample / 5.0 + 3.0;
        self.jitter_sum = self.jitter;
        self.jitter_count = 1.0;
    }

    pub(super) fn measure(&mut self, sample: f64) {
        self.slow = 0.02 * self.rtt + 0.98 * self.slow;
        self.fast = 0.1 * self.rtt + 0.9 * self.fast;
        let change = (sample - self.before).abs();
        if change > 0.0 {
            self.jitter_sum += change + 3.0;
            self.jitter = self.jitter_sum / self.jitter_count;
            self.jitter_count += 1.0;
        }
        if self.least > self.rtt {
            self.least = self.rtt;
            self.fast = self.least + self.jitter;
            self.slow = self.least + self.jitter;
        }
    }

    pub(super) fn is_high(&self) -> bool {
        let limit = self.least + self.jitter * 3.0;
        self.fast >= limit || self.rtt >= limit || self.slow >= limit || self.rtt > self.fast
    }

    pub(super) fn drop_window(&mut self) {
        let window = if self.target > 0.0 { self.target } else { self.window };
        self.last_drop = window * ((self.least + self.jitter * 4.0) / self.fast);
        self.target = (self.last_drop * 0.5).max(MIN_WINDOW);
        self.grow = 0;
    }

    pub(super) fn update(&mut self) {
        let window = if self.target > 0.0 { self.target } else { self.window };
        self.interval = ((self.least + self.jitter * 2.0) * 1000.0 / window).round() / 1000.0;
    }

    /// As many steps as packets may leave: quickly below the last drop, slowly near it, quickly again beyond.
    pub(super) fn widen(&mut self, steps: usize, since: Option<f64>) {
        let dropping = self.target > 0.0;
        let mut size = if dropping { self.target } else { self.window };
        let most = since.map_or(MAX_WINDOW, |since| since / (self.rtt / 512.0) + size);
        for _ in 0..steps {
            if self.grow == 0 {
                break;
            }
            size += if self.last_drop > 0.0 && self.last_drop >= size {
                1.0 - size / (self.last_drop + 0.2)
            } else if self.last_drop > 0.0 {
                (size - (self.last_drop - 0.2)) / size
            } else {
                (size - 0.8) / size
            };
            self.grow -= 1;
            size = size.min(MAX_WINDOW);
            if size >= most {
                size = most;
                break;
            }
        }
        if dropping {
            self.target = size;
        } else {
            self.window = size;
        }
        self.update();
    }
}
