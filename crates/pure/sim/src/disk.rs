//! A router's disk: written in batches, at the pace of the shell that is in the program, with what goes wrong on disks.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::{Record, Snapshot, Table};
use ramson_wire::Tick;

/// A table, and a key in it.
type Place = (Table, [u8; 32]);

/// The first batch after a start is written so soon, as in production.
const FIRST: Duration = Duration::from_secs(2);
/// From one batch to the next, likewise.
const BATCH: Duration = Duration::from_secs(30);
/// After a failure, likewise.
const RETRY: Duration = Duration::from_secs(5);

/// What goes wrong, in thousandths of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Records of which only a part, or garbage, is written.
    pub torn: u32,
    /// Records that the disk says are written, and aren't.
    pub lost: u32,
    /// Batches that fail with an error; the shell tries again a little later.
    pub failing: u32,
}

/// What a router has stored: what it wrote lately is only in memory.
pub(crate) struct Disk {
    durable: BTreeMap<Place, Bytes>,
    /// In the shell's batch; none: to be deleted.
    batch: BTreeMap<Place, Option<Bytes>>,
    /// It is written then.
    due: Option<Tick>,
    last_write: Option<Tick>,
    pub(crate) faults: DiskFaults,
    rng: SeededRng,
}

impl Disk {
    pub(crate) fn new(rng: SeededRng) -> Self {
        Self { durable: BTreeMap::new(), batch: BTreeMap::new(), due: None, last_write: None, faults: DiskFaults::default(), rng }
    }

    /// Says when a batch is due, if there was none before.
    pub(crate) fn store(&mut self, now: Tick, record: Record) -> Option<Tick> {
        self.batch.insert(record.key(), record.value().cloned());
        let soon = now + FIRST;
        self.due.is_none().then(|| *self.due.insert(self.last_write.map_or(soon, |last| soon.max(last + BATCH))))
    }

    /// Commits the batch, as the shell does it from time to time and at its end. Says when to try again if that failed.
    pub(crate) fn flush(&mut self, now: Tick) -> Option<Tick> {
        if rng::below(&mut self.rng, 1_000) < self.faults.failing {
            self.due = Some(now + RETRY);
            return self.due;
        }
        self.due = None;
        self.last_write = Some(now);
        for (place, bytes) in std::mem::take(&mut self.batch) {
            if rng::below(&mut self.rng, 1_000) < self.faults.lost {
                continue;
            }
            match bytes {
                Some(bytes) => {
                    let bytes = if rng::below(&mut self.rng, 1_000) < self.faults.torn { self.tear(&bytes) } else { bytes };
                    self.durable.insert(place, bytes);
                }
                None => {
                    self.durable.remove(&place);
                }
            }
        }
        None
    }

    fn tear(&mut self, bytes: &Bytes) -> Bytes {
        let mut torn = bytes.to_vec();
        let at = usize::try_from(rng::below(&mut self.rng, u32::try_from(torn.len()).unwrap_or(u32::MAX))).unwrap_or(0);
        if rng::below(&mut self.rng, 2) == 0 {
            torn.truncate(at);
        } else {
            torn.get_mut(at..).unwrap_or_default().fill(0);
        }
        torn.into()
    }

    /// The shell is gone, and with it what it didn't commit.
    pub(crate) fn end(&mut self) {
        self.batch.clear();
        (self.due, self.last_write) = (None, None);
    }

    /// What a start finds.
    pub(crate) fn read(&self) -> Snapshot {
        let mut found = Snapshot::default();
        for ((table, key), bytes) in &self.durable {
            found.add(*table, *key, bytes.clone());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use ramson_wire::RouterHash;

    use super::*;

    fn disk_after(faults: DiskFaults, flush: bool) -> Vec<usize> {
        let mut disk = Disk::new(SeededRng::new([1; 32]));
        disk.faults = faults;
        for number in 0..100 {
            disk.store(Tick(0), Record::Router { hash: RouterHash([number; 32]), bytes: vec![7; 50].into() });
        }
        if flush {
            disk.flush(Tick(0));
        }
        disk.end();
        disk.read().routers.iter().map(|(_, bytes)| bytes.iter().filter(|byte| **byte == 7).count()).collect()
    }

    #[test]
    fn what_was_committed_outlives_a_crash() {
        assert_eq!(disk_after(DiskFaults::default(), true), vec![50; 100]);
        assert_eq!(disk_after(DiskFaults::default(), false), Vec::<usize>::new());
    }

    #[test]
    fn batches_are_written_soon_then_rarely_and_again_after_a_failure() {
        let at = |secs: u64| Tick(0) + Duration::from_secs(secs);
        let mut disk = Disk::new(SeededRng::new([1; 32]));
        let record = || Record::RouterGone { hash: RouterHash([1; 32]) };
        assert_eq!(disk.store(at(10), record()), Some(at(12)));
        assert_eq!(disk.store(at(11), record()), None, "in the same batch");
        assert_eq!(disk.flush(at(12)), None);
        assert_eq!(disk.store(at(13), record()), Some(at(42)));
        disk.faults.failing = 1_000;
        assert_eq!(disk.flush(at(42)), Some(at(47)));
        assert_eq!(disk.store(at(43), record()), None, "with the next try");
        disk.end();
        assert_eq!(disk.store(at(50), record()), Some(at(52)), "another shell");
    }

    #[test]
    fn faults_lose_tear_and_fail() {
        let kept = disk_after(DiskFaults { lost: 300, ..DiskFaults::default() }, true);
        assert!((50..90).contains(&kept.len()) && kept.iter().all(|count| *count == 50));
        let torn = disk_after(DiskFaults { torn: 300, ..DiskFaults::default() }, true);
        assert!(torn.len() == 100 && (50..90).contains(&torn.iter().filter(|count| **count == 50).count()));
        assert!(disk_after(DiskFaults { failing: 1_000, ..DiskFaults::default() }, true).is_empty());
    }
}
