//! The letter by which our RouterInfo asks others to spare us.
//!
//! It follows the mean load of transit over a quarter of an hour and more, and nothing else: what our own applications do can't be read
//! from it, nor when we start and stop.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_wire::{Congestion, Now, Tick};

use super::Engine;

/// From one decision to the next, at random: routers that started together don't change together.
const EVERY_MS: (u64, u64) = (15 * 60_000, 20 * 60_000);
/// Mean loads from which on we ask (Java and i2pd: the same).
const MEDIUM_PERCENT: u8 = 70;
const HIGH_PERCENT: u8 = 90;

/// See the module.
pub(super) struct CongestionLetter {
    letter: Option<Congestion>,
    /// The next decision; none if the configuration has decided.
    due: Option<Tick>,
}

impl CongestionLetter {
    pub(super) fn new(transit: bool) -> Self {
        Self { letter: (!transit).then_some(Congestion::Reject), due: None }
    }

    pub(super) fn letter(&self) -> Option<Congestion> {
        self.letter
    }

    pub(super) fn due(&self) -> Option<Tick> {
        self.due
    }

    /// Whether the letter is another one now.
    fn decide(&mut self, percent: u8) -> bool {
        let letter = match percent {
            HIGH_PERCENT.. => Some(Congestion::High),
            MEDIUM_PERCENT.. => Some(Congestion::Medium),
            _ => None,
        };
        std::mem::replace(&mut self.letter, letter) != letter
    }
}

impl Engine {
    /// At the start, and after each decision.
    pub(super) fn decide_congestion_later(&mut self, now: Now) {
        if self.config.limits.transit {
            let wait = rng::between(&mut self.rng, EVERY_MS.0, EVERY_MS.1);
            self.congestion_letter.due = Some(now.tick + Duration::from_millis(wait));
        }
    }

    /// Looks back when it is time to.
    pub(super) fn decide_congestion(&mut self, now: Now) {
        if self.congestion_letter.due.is_none_or(|due| due > now.tick) {
            return;
        }
        let percent = self.transit_load.mean_percent(now.tick).max(self.tunnels.transit_fill_percent());
        self.decide_congestion_later(now);
        if self.congestion_letter.decide(percent) {
            self.resign(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_follow_the_load() {
        let mut letter = CongestionLetter::new(true);
        let mut decide = |percent| (letter.decide(percent), letter.letter());
        assert_eq!(decide(69), (false, None));
        assert_eq!(decide(70), (true, Some(Congestion::Medium)));
        assert_eq!(decide(89), (false, Some(Congestion::Medium)));
        assert_eq!(decide(90), (true, Some(Congestion::High)));
        assert_eq!(decide(100), (false, Some(Congestion::High)));
        assert_eq!(decide(0), (true, None));
        assert_eq!(CongestionLetter::new(false).letter(), Some(Congestion::Reject));
    }
}
