//! Counts of what this thread did, for a simulator that charges time for it. Only with the feature `meter`.

use std::cell::Cell;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Calls that added a layer, to one message or to a batch: the first message is the dear one.
    pub batches: u64,
    /// Messages that a layer was added to.
    pub layers_added: u64,
    /// Messages that a layer was taken off.
    pub layers_removed: u64,
    /// Bytes of CBC outside of layers.
    pub cbc_bytes: u64,
}

thread_local! {
    static WORK: Cell<Work> = const { Cell::new(Work { batches: 0, layers_added: 0, layers_removed: 0, cbc_bytes: 0 }) };
}

/// What this thread did since the last call.
#[must_use = "it is counted only once"]
pub fn take() -> Work {
    WORK.take()
}

pub(crate) fn count(add: impl FnOnce(&mut Work)) {
    let mut work = WORK.get();
    add(&mut work);
    WORK.set(work);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BLOCK_LEN, Key, LayerJob, LayerKeys, encrypt_batch};

    #[test]
    fn layers_and_bytes_are_counted() {
        let _ = take();
        for keys in [LayerKeys::new(&[1; 32], &[2; 32]), LayerKeys::portable(&[1; 32], &[2; 32])] {
            let mut message = [0; 1024];
            keys.encrypt(&mut message);
            assert_eq!(take(), Work { batches: 1, layers_added: 1, ..Work::default() });
            keys.decrypt(&mut message);
            assert_eq!(take(), Work { layers_removed: 1, ..Work::default() });
            let mut messages = [[0; 1024]; 5];
            let mut jobs: Vec<_> = messages.iter_mut().map(|message| LayerJob { keys: &keys, message }).collect();
            encrypt_batch(&mut jobs);
            assert_eq!(take(), Work { batches: 1, layers_added: 5, ..Work::default() });
        }
        encrypt_batch(&mut []);
        assert_eq!(take(), Work::default(), "nothing to do");
        let key = Key::new(&[3; 32]);
        let mut data = [0; 64];
        key.cbc_encrypt(&[0; BLOCK_LEN], &mut data).unwrap();
        key.cbc_decrypt(&[0; BLOCK_LEN], &mut data).unwrap();
        assert_eq!(take(), Work { cbc_bytes: 128, ..Work::default() });
    }
}
