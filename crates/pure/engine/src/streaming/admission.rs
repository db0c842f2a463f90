//! Whose streams are taken, and how many in a time. The limits are those of Java's options `i2p.streaming.maxConnsPerMinute` and the like.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{DestinationHash, Tick};

/// Peers whose streams are counted, if there is a limit for each. Beyond: the one that opened fewest is forgotten.
const MAX_COUNTED: usize = 4096;
/// Minute, hour, day.
const PERIODS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(3_600), Duration::from_secs(86_400)];
/// Refusals that are told; whoever goes on gets no answer. As Java.
const TOLD: u32 = 3;

/// How many streams may be opened; 0 is any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenLimits {
    /// In a minute.
    pub minute: u32,
    /// In an hour.
    pub hour: u32,
    /// In a day.
    pub day: u32,
}

/// Who may open streams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    #[default]
    All,
    /// These only.
    Only(Arc<BTreeSet<DestinationHash>>),
    /// Everyone but these.
    AllBut(Arc<BTreeSet<DestinationHash>>),
}

/// Which foreign streams a destination takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamRules {
    /// From whom; others get no answer.
    pub access: Access,
    /// How many of each peer.
    pub each: OpenLimits,
    /// How many of all peers.
    pub total: OpenLimits,
}

impl Access {
    pub(super) fn allows(&self, peer: &DestinationHash) -> bool {
        match self {
            Access::All => true,
            Access::Only(list) => list.contains(peer),
            Access::AllBut(list) => !list.contains(peer),
        }
    }
}

impl OpenLimits {
    fn is_any(self) -> bool {
        self != OpenLimits::default()
    }
}

/// What becomes of one that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    Take,
    Reset,
    Silence,
}

/// Streams opened in the current minute, hour and day.
#[derive(Debug, Default)]
struct Counts([(Tick, u32); 3]);

impl Counts {
    fn add(&mut self, now: Tick, limits: OpenLimits) -> Verdict {
        let mut verdict = Verdict::Take;
        for (((began, count), period), limit) in self.0.iter_mut().zip(PERIODS).zip([limits.minute, limits.hour, limits.day]) {
            if *count == 0 || now.saturating_since(*began) >= period {
                (*began, *count) = (now, 0);
            }
            *count = count.saturating_add(1);
            if limit > 0 && *count > limit {
                verdict = verdict.max(if *count > limit.saturating_add(TOLD) { Verdict::Silence } else { Verdict::Reset });
            }
        }
        verdict
    }

    fn of_day(&self) -> (Tick, u32) {
        self.0[2]
    }
}

#[derive(Debug, Default)]
pub(super) struct Admission {
    total: Counts,
    peers: BTreeMap<DestinationHash, Counts>,
}

impl Admission {
    /// A peer opens a stream. What is too much of one doesn't count for all.
    pub(super) fn judge(&mut self, now: Tick, rules: &StreamRules, peer: DestinationHash) -> Verdict {
        if !rules.access.allows(&peer) {
            return Verdict::Silence;
        }
        if rules.each.is_any() {
            if !self.peers.contains_key(&peer) && self.peers.len() >= MAX_COUNTED {
                let least = self.peers.iter().min_by_key(|(_, counts)| counts.of_day().1).map(|(hash, _)| *hash);
                if let Some(least) = least {
                    self.peers.remove(&least);
                }
            }
            let verdict = self.peers.entry(peer).or_default().add(now, rules.each);
            if verdict != Verdict::Take {
                return verdict;
            }
        }
        if rules.total.is_any() { self.total.add(now, rules.total) } else { Verdict::Take }
    }

    pub(super) fn sweep(&mut self, now: Tick) {
        self.peers.retain(|_, counts| now.saturating_since(counts.of_day().0) < PERIODS[2]);
    }

    pub(super) fn bound(&self) -> Bound {
        Bound::new(
            "streaming-counted-peers",
            self.peers.len(),
            MAX_COUNTED,
            entries::<(DestinationHash, Counts)>(self.peers.len()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u8) -> DestinationHash {
        DestinationHash([n; 32])
    }

    fn at(secs: u64) -> Tick {
        Tick(1_000_000_000_000) + Duration::from_secs(secs)
    }

    #[test]
    fn one_peer_has_its_limit_and_all_have_theirs() {
        let each = OpenLimits { minute: 2, hour: 5, day: 0 };
        let rules = StreamRules { each, total: OpenLimits { minute: 3, ..OpenLimits::default() }, ..StreamRules::default() };
        let mut admission = Admission::default();
        let mut ask = |secs, who| admission.judge(at(secs), &rules, peer(who));
        assert_eq!([ask(0, 1), ask(1, 1), ask(2, 1), ask(2, 1), ask(3, 1), ask(4, 1)][1..], {
            use Verdict::{Reset, Silence, Take};
            [Take, Reset, Reset, Reset, Silence]
        });
        assert_eq!((ask(5, 2), ask(6, 2)), (Verdict::Take, Verdict::Reset), "three in all");
        assert_eq!(ask(70, 2), Verdict::Take);
        // The refused count in the hour.
        assert_eq!(ask(71, 1), Verdict::Reset);
        assert_eq!(ask(3_700, 1), Verdict::Take);
    }

    #[test]
    fn lists_let_in_and_keep_out() {
        let list = Arc::new(BTreeSet::from([peer(1)]));
        let mut admission = Admission::default();
        for (access, first, second) in [
            (Access::Only(Arc::clone(&list)), Verdict::Take, Verdict::Silence),
            (Access::AllBut(list), Verdict::Silence, Verdict::Take),
        ] {
            let rules = StreamRules { access, ..StreamRules::default() };
            assert_eq!(admission.judge(at(0), &rules, peer(1)), first);
            assert_eq!(admission.judge(at(0), &rules, peer(2)), second);
        }
        assert!(admission.peers.is_empty(), "nobody is counted without a limit");
    }

    #[test]
    fn counted_peers_are_bounded() {
        let rules = StreamRules { each: OpenLimits { minute: 1, ..OpenLimits::default() }, ..StreamRules::default() };
        let mut admission = Admission::default();
        for n in 0..MAX_COUNTED + 9 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            admission.judge(at(0), &rules, DestinationHash(hash));
        }
        assert_eq!(admission.peers.len(), MAX_COUNTED);
        admission.sweep(at(90_000));
        assert!(admission.peers.is_empty());
    }
}
