//! A router that reaches nobody: its builds and tests all end without an answer, and no session comes up. It goes on to try, ever more
//! seldom and without its old tunnels, which may be all that is dead, and begins anew as soon as one of these happens.

use std::time::Duration;

use ramson_crypto::{CryptoRng, rng};
use ramson_wire::Tick;

/// Builds in a row that ended without an answer to anything, and without a new session, from which on there are pauses.
const UNHEARD: u32 = 12;
/// The first pause; it doubles with each build, up to the longest. A third of it is drawn: many may have lost the network at once.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(180);

/// See the module.
#[derive(Default)]
pub(super) struct Alone {
    unheard: u32,
    /// Builds begun since there are pauses.
    tries: u32,
    /// No build begins before.
    next: Tick,
    /// Eligible routers when it was last looked.
    known: usize,
}

impl Alone {
    /// A build ended without an answer.
    pub(super) fn failed(&mut self) {
        self.unheard = self.unheard.saturating_add(1);
    }

    /// There is somebody. True: there were pauses until now.
    pub(super) fn heard(&mut self) -> bool {
        let was_alone = self.is_so();
        (self.unheard, self.tries, self.next) = (0, 0, Tick(0));
        was_alone
    }

    /// Routers are known that weren't, so there is somebody else to try. True: there was a pause until now.
    pub(super) fn knows(&mut self, now: Tick, eligible: usize) -> bool {
        let ends = eligible > self.known && self.is_so() && now < self.next;
        if ends {
            self.next = Tick(0);
        }
        self.known = eligible;
        ends
    }

    pub(super) fn is_so(&self) -> bool {
        self.unheard >= UNHEARD
    }

    /// Whether a build may begin, or when to ask again.
    pub(super) fn may_build(&self, now: Tick) -> Result<(), Tick> {
        if self.is_so() && now < self.next { Err(self.next) } else { Ok(()) }
    }

    /// A build begins.
    pub(super) fn began(&mut self, now: Tick, rng: &mut dyn CryptoRng) {
        if self.is_so() {
            let pause = FIRST_PAUSE.saturating_mul(1 << self.tries.min(16)).min(LONGEST_PAUSE);
            self.tries += 1;
            let ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            self.next = now + Duration::from_millis(rng::between(rng, ms * 2 / 3, ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use ramson_crypto::rng::SeededRng;

    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_end_at_once() {
        let mut rng = SeededRng::new([1; 32]);
        let mut alone = Alone::default();
        let (mut now, mut builds) = (Tick(1), Vec::new());
        while now < Tick(0) + Duration::from_secs(3_600) {
            match alone.may_build(now) {
                Ok(()) => {
                    alone.began(now, &mut rng);
                    alone.failed();
                    builds.push(now);
                }
                Err(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        assert!((30..60).contains(&builds.len()), "{} in an hour", builds.len());
        let gaps: Vec<Duration> = builds.windows(2).map(|pair| pair[1].saturating_since(pair[0])).collect();
        assert!(gaps[..11].iter().all(Duration::is_zero));
        assert!(gaps.iter().all(|gap| *gap <= LONGEST_PAUSE));
        assert!(gaps.iter().rev().take(10).all(|gap| *gap >= LONGEST_PAUSE * 2 / 3));
        alone.heard();
        (0..10 * UNHEARD).for_each(|_| alone.failed());
        alone.began(now, &mut rng);
        let Err(later) = alone.may_build(now) else { panic!("a pause") };
        assert!(later.saturating_since(now) <= FIRST_PAUSE, "however many were under way when the network went");
        alone.began(now, &mut rng);
        assert!(alone.knows(now, 5) && alone.may_build(now).is_ok(), "somebody new");
        alone.began(now, &mut rng);
        assert!(!alone.knows(now, 5));
        assert!(alone.may_build(now).is_err());
        assert!(alone.heard() && !alone.heard());
        (0..UNHEARD).for_each(|_| {
            assert!(alone.may_build(now).is_ok());
            alone.began(now, &mut rng);
        });
    }
}
