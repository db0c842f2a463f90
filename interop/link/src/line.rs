//! One direction between two ports: what becomes of a packet.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// What holds for every line. Nothing set: packets arrive at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setting {
    seed: u64,
    delay: Duration,
    /// Added on top, evenly spread from nothing to this. Packets of a line never overtake each other.
    jitter: Duration,
    /// Of a million packets this many are lost, each by chance of its own.
    loss_ppm: u64,
    /// Bytes per second; 0: no limit.
    rate: u64,
    /// How long a packet may wait for those before it; what would wait longer is dropped.
    queue: Duration,
}

impl FromStr for Setting {
    type Err = String;

    /// `seed=N delay-us=N jitter-us=N loss-ppm=N rate=N queue-us=N`, all optional.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut setting = Self { queue: Duration::from_millis(200), ..Self::default() };
        for word in text.split_whitespace() {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("no value: {word}"))?;
            let value: u64 = value.parse().map_err(|_| format!("no number: {word}"))?;
            match key {
                "seed" => setting.seed = value,
                "delay-us" => setting.delay = Duration::from_micros(value),
                "jitter-us" => setting.jitter = Duration::from_micros(value),
                "loss-ppm" => setting.loss_ppm = value,
                "rate" => setting.rate = value,
                "queue-us" => setting.queue = Duration::from_micros(value),
                _ => return Err(format!("no such key: {word}")),
            }
        }
        Ok(setting)
    }
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Arrives(Instant),
    Lost,
    /// The line's queue is full.
    Overflow,
}

/// One direction of a link.
#[derive(Debug)]
pub struct Line {
    random: u64,
    /// When all that was sent has left.
    free: Instant,
    /// When the last packet arrives.
    last: Instant,
}

impl Line {
    /// Each line draws its own numbers from the seed, so that traffic elsewhere doesn't move them.
    pub fn new(setting: &Setting, from: Ipv4Addr, to: Ipv4Addr, now: Instant) -> Self {
        let ends = (u64::from(u32::from(from)) << 32) | u64::from(u32::from(to));
        let mut random = setting.seed;
        let mixed = draw(&mut random) ^ ends;
        Self { random: mixed, free: now, last: now }
    }

    pub fn send(&mut self, setting: &Setting, now: Instant, length: usize) -> Fate {
        // Both are drawn for every packet: then one setting doesn't move the other's numbers.
        let (luck, jitter) = (draw(&mut self.random) % 1_000_000, draw(&mut self.random));
        let nanos = (length as u64).saturating_mul(1_000_000_000).checked_div(setting.rate);
        let starts = if nanos.is_some() { self.free.max(now) } else { now };
        if starts.duration_since(now) > setting.queue {
            return Fate::Overflow;
        }
        self.free = starts + Duration::from_nanos(nanos.unwrap_or(0));
        if luck < setting.loss_ppm {
            return Fate::Lost;
        }
        let most = u64::try_from(setting.jitter.as_nanos()).unwrap_or(u64::MAX);
        let jitter = if most == 0 { 0 } else { jitter % most };
        self.last = self.last.max(self.free + setting.delay + Duration::from_nanos(jitter));
        Fate::Arrives(self.last)
    }
}

/// SplitMix64.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: (Ipv4Addr, Ipv4Addr) = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 2, 0, 1));

    fn fates(setting: &str, packets: u64, every: Duration) -> (Instant, Vec<Fate>) {
        let (setting, start) = (setting.parse().unwrap(), Instant::now());
        let mut line = Line::new(&setting, ENDS.0, ENDS.1, start);
        let fates =
            (0..packets).map(|number| line.send(&setting, start + every * u32::try_from(number).unwrap(), 1000)).collect();
        (start, fates)
    }

    #[test]
    fn without_a_setting_packets_arrive_at_once() {
        let (start, fates) = fates("", 10, Duration::ZERO);
        assert!(fates.iter().all(|fate| *fate == Fate::Arrives(start)));
    }

    #[test]
    fn a_seed_loses_its_share_and_always_the_same() {
        let setting = "seed=7 loss-ppm=10000";
        let lost = |setting| fates(setting, 100_000, Duration::ZERO).1.iter().map(|fate| *fate == Fate::Lost).collect::<Vec<_>>();
        assert_eq!(lost(setting), lost(setting));
        assert_ne!(lost(setting), lost("seed=8 loss-ppm=10000"));
        let count = lost(setting).iter().filter(|lost| **lost).count();
        assert!((900..1100).contains(&count), "{count}");
    }

    #[test]
    fn jitter_delays_but_never_reorders() {
        let (start, fates) = fates("delay-us=60000 jitter-us=20000", 1000, Duration::from_micros(500));
        let mut last = start;
        for (number, fate) in fates.iter().enumerate() {
            let Fate::Arrives(due) = *fate else { panic!("{fate:?}") };
            let sent = start + Duration::from_micros(500) * u32::try_from(number).unwrap();
            assert!(due >= last && due >= sent + Duration::from_millis(60) && due <= sent + Duration::from_millis(80));
            last = due;
        }
    }

    #[test]
    fn a_rate_spaces_packets_and_its_queue_overflows() {
        let (start, fates) = fates("rate=1000000 queue-us=5000", 20, Duration::ZERO);
        assert_eq!(fates[0], Fate::Arrives(start + Duration::from_millis(1)));
        assert_eq!(fates[5], Fate::Arrives(start + Duration::from_millis(6)));
        assert_eq!(fates.iter().filter(|fate| **fate == Fate::Overflow).count(), 14);
    }

    #[test]
    fn mistakes_are_told() {
        for wrong in ["delay-us", "delay-us=x", "speed=1"] {
            assert!(wrong.parse::<Setting>().is_err(), "{wrong}");
        }
    }
}
