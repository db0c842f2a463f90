//! What one owner has learned of the floodfills that it asked: how long their answers take, who gives none, and how much it has asked
//! of whom. Nothing here passes from owner to owner: the way goes through the owner's tunnels, so its times are theirs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ramson_wire::bounds::{Bound, entries};
use ramson_wire::{RouterHash, Tick};

use super::config;
use super::output::ReplyPath;
use crate::fingerprint::Digest;

/// Floodfills remembered. Full: the one asked longest ago is forgotten.
const MAX_FLOODFILLS: usize = 256;
/// Counted ways of asking. Full: further ones aren't counted.
const MAX_WAYS: usize = 512;
/// A floodfill's own times count from so many answers on; before, and for others, those of all that were asked the same way.
const ENOUGH: u32 = 3;
/// Unanswered questions in a row after which a floodfill comes last: one may be a tunnel's fault.
const MISSES: u8 = 2;
/// For so long (Java I2P: 225 s).
const LAST_FOR: Duration = Duration::from_secs(225);
/// Java floodfills ignore what goes beyond 14 questions of one reply tunnel in 120 s. Ours are fewer in a longer time, since some take
/// longer on their way.
const QUESTIONS_IN: Duration = Duration::from_secs(135);
/// See [`QUESTIONS_IN`].
const QUESTIONS: usize = 13;

/// Mean and mean deviation of times in milliseconds, as TCP keeps them.
#[derive(Clone, Copy, Debug, Default, Hash)]
struct Times {
    mean: u32,
    deviation: u32,
    count: u32,
}

impl Times {
    fn add(&mut self, took: u32) {
        if self.count == 0 {
            (self.mean, self.deviation) = (took, took / 2);
        } else {
            let off = took.abs_diff(self.mean);
            self.deviation = self.deviation.saturating_mul(3).saturating_add(off) / 4;
            self.mean = self.mean.saturating_mul(7).saturating_add(took) / 8;
        }
        self.count = self.count.saturating_add(1);
    }

    /// Most answers are there by then. Asking the next one for nothing costs little, so it is less than TCP waits.
    fn wait(&self) -> Duration {
        Duration::from_millis((self.mean.saturating_add(self.deviation.saturating_mul(2))).into())
    }
}

#[derive(Clone, Copy, Debug, Hash)]
struct Floodfill {
    direct: Times,
    tunnels: Times,
    misses: u8,
    last_until: Tick,
    used: Tick,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Answers {
    floodfills: BTreeMap<RouterHash, Floodfill>,
    direct: Times,
    tunnels: Times,
    /// When a floodfill was asked, with answers to this place: within [`QUESTIONS_IN`], at most [`QUESTIONS`].
    ways: BTreeMap<(RouterHash, ReplyPath), VecDeque<Tick>>,
}

impl Answers {
    pub(super) fn bounds(&self, visit: &mut dyn FnMut(Bound)) {
        let bytes = entries::<(RouterHash, Floodfill)>(self.floodfills.len());
        visit(Bound::new("netdb-answer-times", self.floodfills.len(), MAX_FLOODFILLS, bytes).lasting());
        let times: usize = self.ways.values().map(|times| times.capacity() * size_of::<Tick>()).sum();
        let bytes = times + entries::<((RouterHash, ReplyPath), VecDeque<Tick>)>(self.ways.len());
        visit(Bound::new("netdb-questions", self.ways.len(), MAX_WAYS, bytes).lasting());
    }

    pub(super) fn fingerprint(&self, digest: &mut Digest) {
        digest.add((&self.floodfills, self.direct, self.tunnels));
    }

    /// How long to wait for this floodfill before another one is asked; none if nothing is known of it nor of others.
    pub(super) fn learned(&self, to: &RouterHash, direct: bool) -> Option<Duration> {
        let of = |floodfill: &Floodfill| if direct { floodfill.direct } else { floodfill.tunnels };
        let own = self.floodfills.get(to).map(of).unwrap_or_default();
        let all = if direct { self.direct } else { self.tunnels };
        [own, all].into_iter().find(|times| times.count >= ENOUGH).map(|times| times.wait())
    }

    /// The wait for the answer to a lookup.
    pub(super) fn wait(&self, to: &RouterHash, direct: bool) -> Duration {
        let (default, (least, most)) = match direct {
            true => (config::DIRECT_TRY_TIMEOUT, config::DIRECT_TRY),
            false => (config::TUNNEL_TRY_TIMEOUT, config::TUNNEL_TRY),
        };
        self.learned(to, direct).unwrap_or(default).clamp(least, most)
    }

    /// The wait for the confirmation of a store: twice as long, because nobody waits for it.
    pub(super) fn wait_for_confirmation(&self, to: &RouterHash, direct: bool) -> Duration {
        let default = if direct { config::DIRECT_CONFIRM_TIMEOUT } else { config::TUNNEL_CONFIRM_TIMEOUT };
        self.learned(to, direct).map_or(default, |wait| (wait * 2).clamp(default / 2, default * 2))
    }

    /// An answer came, perhaps late.
    pub(super) fn answered(&mut self, now: Tick, from: RouterHash, direct: bool, took: Duration) {
        let took = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let floodfill = self.entry(now, from);
        (floodfill.misses, floodfill.last_until) = (0, Tick(0));
        let own = if direct { &mut floodfill.direct } else { &mut floodfill.tunnels };
        own.add(took);
        let all = if direct { &mut self.direct } else { &mut self.tunnels };
        all.add(took);
    }

    /// None came in time.
    pub(super) fn missed(&mut self, now: Tick, from: RouterHash) {
        let floodfill = self.entry(now, from);
        floodfill.misses = floodfill.misses.saturating_add(1);
        if floodfill.misses >= MISSES {
            floodfill.last_until = now + LAST_FOR;
        }
    }

    fn entry(&mut self, now: Tick, hash: RouterHash) -> &mut Floodfill {
        if !self.floodfills.contains_key(&hash) && self.floodfills.len() >= MAX_FLOODFILLS {
            let oldest = self.floodfills.iter().min_by_key(|(_, floodfill)| floodfill.used);
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                self.floodfills.remove(&oldest);
            }
        }
        let new = Floodfill { direct: Times::default(), tunnels: Times::default(), misses: 0, last_until: Tick(0), used: now };
        let floodfill = self.floodfills.entry(hash).or_insert(new);
        floodfill.used = now;
        floodfill
    }

    /// It hasn't answered lately: others come first.
    pub(super) fn comes_last(&self, now: Tick, hash: &RouterHash) -> bool {
        self.floodfills.get(hash).is_some_and(|floodfill| floodfill.last_until > now)
    }

    /// Whether a Java floodfill would answer one more question with this place for the answer.
    pub(super) fn may_ask(&self, now: Tick, to: RouterHash, reply: ReplyPath) -> bool {
        let Some(times) = self.ways.get(&(to, reply)) else {
            return true;
        };
        times.len() < QUESTIONS || times.front().is_some_and(|first| over(now, *first))
    }

    /// A question is sent.
    pub(super) fn note_question(&mut self, now: Tick, to: RouterHash, reply: ReplyPath) {
        if self.ways.len() >= MAX_WAYS {
            self.expire(now);
        }
        if self.ways.len() >= MAX_WAYS && !self.ways.contains_key(&(to, reply)) {
            return;
        }
        let times = self.ways.entry((to, reply)).or_default();
        if times.len() >= QUESTIONS {
            times.pop_front();
        }
        times.push_back(now);
    }

    /// Forgets what counts no more.
    pub(super) fn expire(&mut self, now: Tick) {
        self.ways.retain(|_, times| times.back().is_some_and(|last| !over(now, *last)));
    }
}

fn over(now: Tick, asked: Tick) -> bool {
    now.saturating_since(asked) >= QUESTIONS_IN
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Tick = Tick(1_000_000_000);

    fn after(ms: u64) -> Tick {
        START + Duration::from_millis(ms)
    }

    fn floodfill(number: u8) -> RouterHash {
        RouterHash([number; 32])
    }

    #[test]
    fn the_wait_is_learned_of_each_and_of_all() {
        let mut answers = Answers::default();
        let (quick, slow, new) = (floodfill(1), floodfill(2), floodfill(3));
        assert_eq!(answers.wait(&quick, false), config::TUNNEL_TRY_TIMEOUT);
        for _ in 0..40 {
            answers.answered(START, quick, false, Duration::from_millis(900));
            answers.answered(START, slow, false, Duration::from_millis(1_500));
        }
        let wait = |hash: &RouterHash| u64::try_from(answers.wait(hash, false).as_millis()).unwrap();
        assert!((900..1_100).contains(&wait(&quick)), "{}", wait(&quick));
        assert!((1_500..1_700).contains(&wait(&slow)), "{}", wait(&slow));
        assert!((1_500..=2_000).contains(&wait(&new)), "as all of them: {}", wait(&new));
        assert_eq!(answers.wait(&quick, true), config::DIRECT_TRY_TIMEOUT, "another way, other times");
    }

    #[test]
    fn who_is_silent_twice_comes_last_until_it_answers() {
        let mut answers = Answers::default();
        let silent = floodfill(1);
        answers.missed(START, silent);
        assert!(!answers.comes_last(START, &silent));
        answers.missed(START, silent);
        assert!(answers.comes_last(after(224_000), &silent));
        assert!(!answers.comes_last(after(225_000), &silent));
        answers.answered(after(1_000), silent, false, Duration::from_secs(7));
        assert!(!answers.comes_last(after(1_000), &silent), "it was only late");
    }

    #[test]
    fn no_reply_tunnel_brings_more_questions_than_java_answers() {
        let mut answers = Answers::default();
        let way = |tunnel| ReplyPath { gateway: floodfill(9), tunnel: ramson_wire::TunnelId::new(tunnel) };
        for n in 0..13 {
            assert!(answers.may_ask(after(n), floodfill(1), way(1)));
            answers.note_question(after(n), floodfill(1), way(1));
        }
        assert!(!answers.may_ask(after(134_999), floodfill(1), way(1)));
        assert!(answers.may_ask(after(13), floodfill(1), way(2)) && answers.may_ask(after(13), floodfill(2), way(1)));
        assert!(answers.may_ask(after(135_000), floodfill(1), way(1)));
        answers.note_question(after(135_000), floodfill(1), way(1));
        assert!(!answers.may_ask(after(135_000), floodfill(1), way(1)), "the second one isn't over yet");
    }

    #[test]
    fn the_tables_are_bounded() {
        let mut answers = Answers::default();
        for number in 0..2_000u16 {
            let mut hash = [0; 32];
            hash[..2].copy_from_slice(&number.to_be_bytes());
            let reply = ReplyPath { gateway: floodfill(9), tunnel: None };
            answers.missed(after(number.into()), RouterHash(hash));
            answers.note_question(START, RouterHash(hash), reply);
        }
        assert_eq!((answers.floodfills.len(), answers.ways.len()), (MAX_FLOODFILLS, MAX_WAYS));
        answers.expire(START + QUESTIONS_IN);
        assert!(answers.ways.is_empty());
    }
}
