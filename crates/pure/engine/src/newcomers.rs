//! Who goes when a table that strangers can fill is full: newcomers make room for newcomers, as long as they hold their share of it.
//!
//! So whoever comes in thousands pushes out his own, and not those who have stayed for a while; and while all places are taken by those,
//! a newcomer still finds one that isn't taken from him at once.

/// One place in so many is the newcomers'.
const SHARE: usize = 4;

/// One entry of a full table.
pub(crate) struct Candidate<K, W> {
    /// Its name.
    pub(crate) key: K,
    /// It hasn't shown yet that it is of use.
    pub(crate) newcomer: bool,
    /// The smallest goes first.
    pub(crate) worth: W,
}

/// The entry that makes room in a table with so many places.
pub(crate) fn victim<K, W: Ord>(limit: usize, candidates: impl Iterator<Item = Candidate<K, W>>) -> Option<K> {
    let mut newcomers = 0;
    let mut least: [Option<Candidate<K, W>>; 2] = [None, None];
    for candidate in candidates {
        newcomers += usize::from(candidate.newcomer);
        let [settled, newcomer] = &mut least;
        let slot = if candidate.newcomer { newcomer } else { settled };
        if slot.as_ref().is_none_or(|least| candidate.worth < least.worth) {
            *slot = Some(candidate);
        }
    }
    let [settled, newcomer] = least;
    let (first, second) = if newcomers >= (limit / SHARE).max(1) { (newcomer, settled) } else { (settled, newcomer) };
    first.or(second).map(|candidate| candidate.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a table with 8 places, as (newcomer, worth); the key is the worth too.
    fn goes(entries: &[(bool, u32)]) -> Option<u32> {
        victim(8, entries.iter().map(|(newcomer, worth)| Candidate { key: *worth, newcomer: *newcomer, worth: *worth }))
    }

    #[test]
    fn newcomers_push_out_each_other_and_keep_their_share() {
        let (new, old) = (true, false);
        assert_eq!(goes(&[(old, 1), (new, 9), (old, 2), (new, 8)]), Some(8));
        assert_eq!(goes(&[(old, 3), (new, 1), (old, 2)]), Some(2), "the last newcomer stays");
        assert_eq!(goes(&[(old, 3), (old, 2)]), Some(2));
        assert_eq!(goes(&[(new, 3)]), Some(3));
        assert_eq!(goes(&[]), None);
    }
}
