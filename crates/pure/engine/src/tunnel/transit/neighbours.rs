//! How many tunnels of others one router may have beside us: who asks through one neighbour only can't fill our table.
//!
//! The windows and shares are Java's, which creators reckon with. In a small network each router is everybody's neighbour, so there the
//! limits are wider, or none.

use std::collections::BTreeMap;
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{RouterHash, Tick};

use super::super::select::LARGE_NETWORK;

/// Requests that one router may send in this time (Java: 2 % of the tunnels, 7 to 27, in 110 s).
const REQUEST_WINDOW: Duration = Duration::from_secs(110);
const REQUESTS: (usize, usize) = (7, 27);
const REQUEST_SHARE: usize = 50;
/// Tunnels that one router may stand beside us in, counted over this time (Java: 1 % of the tunnels, 4 to 22, in 220 s).
const WINDOW: Duration = Duration::from_secs(220);
const TUNNELS: (usize, usize) = (4, 22);
const TUNNEL_SHARE: usize = 100;
/// Routers counted. Beyond it those go whose window is over; if there are none, the tunnel is refused.
const MAX_NEIGHBOURS: usize = 8192;
/// Eligible routers from which Java's own limits apply; below, these times as much.
const HUGE_NETWORK: usize = 200;
const WIDER: usize = 3;

/// A burst, and how long one request takes to earn.
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) every: Duration,
}

/// What one router may send; `None`: the network is too small to tell.
pub(super) fn request_rate(eligible: usize, tunnels: usize) -> Option<Rate> {
    let burst = scaled(eligible, (tunnels / REQUEST_SHARE).clamp(REQUESTS.0, REQUESTS.1))?;
    let burst = u32::try_from(burst).unwrap_or(u32::MAX);
    Some(Rate { burst, every: REQUEST_WINDOW / burst })
}

fn scaled(eligible: usize, limit: usize) -> Option<usize> {
    match eligible {
        0..LARGE_NETWORK => None,
        LARGE_NETWORK..HUGE_NETWORK => Some(limit * WIDER),
        _ => Some(limit),
    }
}

/// What becomes of a tunnel beside this router.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(super) enum Verdict {
    Welcome,
    /// Answered with a refusal.
    Refused,
    /// Not even that: it goes on in spite of refusals.
    Dropped,
}

/// Tunnels asked for lately, by the router beside us.
#[derive(Default)]
pub(super) struct Neighbours {
    asked: BTreeMap<RouterHash, (Tick, usize)>,
}

impl Neighbours {
    /// Counts a tunnel that has all these beside us. The worst one decides.
    pub(super) fn ask(
        &mut self,
        now: Tick,
        beside: impl Iterator<Item = RouterHash>,
        eligible: usize,
        tunnels: usize,
    ) -> Verdict {
        let Some(limit) = scaled(eligible, (tunnels / TUNNEL_SHARE).clamp(TUNNELS.0, TUNNELS.1)) else {
            return Verdict::Welcome;
        };
        beside.map(|router| self.count(now, router, limit)).max().unwrap_or(Verdict::Welcome)
    }

    fn count(&mut self, now: Tick, router: RouterHash, limit: usize) -> Verdict {
        if self.asked.len() >= MAX_NEIGHBOURS && !self.asked.contains_key(&router) {
            self.asked.retain(|_, (since, _)| now.saturating_since(*since) < WINDOW);
            if self.asked.len() >= MAX_NEIGHBOURS {
                return Verdict::Refused;
            }
        }
        let (since, count) = self.asked.entry(router).or_insert((now, 0));
        if now.saturating_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count <= limit {
            Verdict::Welcome
        } else if *count <= limit * 2 {
            Verdict::Refused
        } else {
            Verdict::Dropped
        }
    }

    pub(super) fn bound(&self) -> Bound {
        let bytes = entries::<(RouterHash, (Tick, usize))>(self.asked.len());
        Bound::new("transit-neighbours", self.asked.len(), MAX_NEIGHBOURS, bytes).lasting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(eligible: usize, tunnels: usize, count: usize) -> [usize; 3] {
        let mut neighbours = Neighbours::default();
        let router = RouterHash([1; 32]);
        let given: Vec<_> = (0..count).map(|_| neighbours.ask(Tick(0), [router].into_iter(), eligible, tunnels)).collect();
        assert!(given.is_sorted());
        let other = neighbours.ask(Tick(0), [RouterHash([2; 32])].into_iter(), eligible, tunnels);
        assert_eq!(other, Verdict::Welcome, "each for itself");
        let later = neighbours.ask(Tick(0) + WINDOW, [router].into_iter(), eligible, tunnels);
        assert_eq!(later, Verdict::Welcome, "it is forgotten");
        [Verdict::Welcome, Verdict::Refused, Verdict::Dropped].map(|verdict| given.iter().filter(|one| **one == verdict).count())
    }

    #[test]
    fn one_neighbour_has_a_share_of_the_tunnels() {
        assert_eq!(verdicts(1_000, 0, 100), [4, 4, 92]);
        assert_eq!(verdicts(1_000, 1_000, 100), [10, 10, 80]);
        assert_eq!(verdicts(1_000, 10_000, 100), [22, 22, 56]);
        assert_eq!(verdicts(100, 0, 100), [12, 12, 76]);
        assert_eq!(verdicts(49, 0, 100), [100, 0, 0]);
    }

    #[test]
    fn the_worse_neighbour_decides_and_the_table_is_bounded() {
        let mut neighbours = Neighbours::default();
        let router = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&u64::try_from(n).unwrap().to_be_bytes());
            RouterHash(hash)
        };
        for _ in 0..4 {
            neighbours.ask(Tick(0), [router(0)].into_iter(), 1_000, 0);
        }
        assert_eq!(neighbours.ask(Tick(0), [router(1), router(0)].into_iter(), 1_000, 0), Verdict::Refused);
        for n in 2..MAX_NEIGHBOURS {
            assert_eq!(neighbours.ask(Tick(0), [router(n)].into_iter(), 1_000, 0), Verdict::Welcome);
        }
        assert_eq!(neighbours.ask(Tick(0), [router(MAX_NEIGHBOURS)].into_iter(), 1_000, 0), Verdict::Refused);
        assert_eq!(neighbours.bound().fill, MAX_NEIGHBOURS);
        assert_eq!(neighbours.ask(Tick(0) + WINDOW, [router(MAX_NEIGHBOURS)].into_iter(), 1_000, 0), Verdict::Welcome);
        assert_eq!(neighbours.bound().fill, 1);
    }

    #[test]
    fn requests_of_one_sender_have_a_rate() {
        let rate = |eligible, tunnels| request_rate(eligible, tunnels).map(|rate| rate.burst);
        assert_eq!([rate(49, 0), rate(100, 0), rate(1_000, 0), rate(1_000, 9_000)], [None, Some(21), Some(7), Some(27)]);
    }
}
