//! A router's disk: written in batches, with what goes wrong on disks.

use std::collections::BTreeMap;

use bytes::Bytes;
use ramson_crypto::rng::{self, SeededRng};
use ramson_engine::Record;
use ramson_wire::RouterHash;

/// What goes wrong, in thousandths of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Records of which only a part, or garbage, is written.
    pub torn: u32,
    /// Records that the disk says are written, and aren't.
    pub lost: u32,
    /// Batches that fail with an error; the shell tries again with the next one.
    pub failing: u32,
}

/// What a router has stored: what it wrote lately is only in memory.
pub(crate) struct Disk {
    durable: BTreeMap<RouterHash, Bytes>,
    /// In the shell's batch; none: to be deleted.
    batch: BTreeMap<RouterHash, Option<Bytes>>,
    pub(crate) faults: DiskFaults,
    rng: SeededRng,
}

impl Disk {
    pub(crate) fn new(rng: SeededRng) -> Self {
        Self { durable: BTreeMap::new(), batch: BTreeMap::new(), faults: DiskFaults::default(), rng }
    }

    pub(crate) fn store(&mut self, record: Record) {
        match record {
            Record::Router { hash, bytes } => self.batch.insert(hash, Some(bytes)),
            Record::RouterGone { hash } => self.batch.insert(hash, None),
        };
    }

    /// Commits the batch, as the shell does it from time to time and at its end.
    pub(crate) fn flush(&mut self) {
        if rng::below(&mut self.rng, 1_000) < self.faults.failing {
            return;
        }
        for (hash, bytes) in std::mem::take(&mut self.batch) {
            if rng::below(&mut self.rng, 1_000) < self.faults.lost {
                continue;
            }
            match bytes {
                Some(bytes) => {
                    let bytes = if rng::below(&mut self.rng, 1_000) < self.faults.torn { self.tear(&bytes) } else { bytes };
                    self.durable.insert(hash, bytes);
                }
                None => {
                    self.durable.remove(&hash);
                }
            }
        }
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

    /// A crash: what wasn't committed is gone.
    pub(crate) fn crash(&mut self) {
        self.batch.clear();
    }

    /// What a start finds.
    pub(crate) fn read(&self) -> Vec<(RouterHash, Bytes)> {
        self.durable.iter().map(|(hash, bytes)| (*hash, bytes.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk_after(faults: DiskFaults, flush: bool) -> Vec<usize> {
        let mut disk = Disk::new(SeededRng::new([1; 32]));
        disk.faults = faults;
        for number in 0..100 {
            disk.store(Record::Router { hash: RouterHash([number; 32]), bytes: vec![7; 50].into() });
        }
        if flush {
            disk.flush();
        }
        disk.crash();
        disk.read().iter().map(|(_, bytes)| bytes.iter().filter(|byte| **byte == 7).count()).collect()
    }

    #[test]
    fn what_was_committed_outlives_a_crash() {
        assert_eq!(disk_after(DiskFaults::default(), true), vec![50; 100]);
        assert_eq!(disk_after(DiskFaults::default(), false), Vec::<usize>::new());
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
