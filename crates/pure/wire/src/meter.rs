//! Counts of what this thread inflates and deflates, for a simulator that charges time for it. Only with the feature `meter`.

use std::cell::Cell;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Gzip members inflated, those that turned out to be too long or no gzip too.
    pub inflations: u64,
    /// Bytes that came out.
    pub inflated_bytes: u64,
    /// Payloads deflated, those that were sent as they are because it wasn't worth it too.
    pub deflations: u64,
    /// Their bytes.
    pub deflated_bytes: u64,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { inflations: 0, inflated_bytes: 0, deflations: 0, deflated_bytes: 0 }) };
}

/// What this thread did since the last call.
#[must_use = "it is counted only once"]
pub fn take() -> Work {
    WORK.take()
}

pub(crate) fn inflated(bytes: u64) {
    let work = WORK.get();
    WORK.set(Work { inflations: work.inflations + 1, inflated_bytes: work.inflated_bytes + bytes, ..work });
}

pub(crate) fn deflated(bytes: u64) {
    let work = WORK.get();
    WORK.set(Work { deflations: work.deflations + 1, deflated_bytes: work.deflated_bytes + bytes, ..work });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload;

    fn done<T>(work: impl FnOnce() -> T) -> Work {
        let _ = take();
        let _ = work();
        take()
    }

    #[test]
    fn gzip_is_counted() {
        let pack = |data: &[u8]| payload::encode(0, 0, payload::RAW, data);
        let (text, short) = ([b'a'; 5_000], [b'a'; 20]);
        assert_eq!(done(|| pack(&text)), Work { deflations: 1, deflated_bytes: 5_000, ..Work::default() });
        assert_eq!(done(|| pack(&short)), Work::default(), "stored as it is");
        let (text, short) = (pack(&text), pack(&short));
        let inflated = |bytes| Work { inflations: 1, inflated_bytes: bytes, ..Work::default() };
        assert_eq!(done(|| payload::decode(&text, 10_000)), inflated(5_000));
        assert_eq!(done(|| payload::decode(&short, 10_000)), inflated(20));
        assert!(done(|| payload::decode(&text, 100)).inflated_bytes <= 4_096, "no further than needed");
    }
}
