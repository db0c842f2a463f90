//! What the machines of a router hold, against their limits.
//!
//! Every table, queue, cache and buffer that others can fill is told as one [`Bound`]. Of what exists many times with a limit each
//! (queues of sessions, streams of a destination) the fullest one is told, with the bytes of all: see [`Fullest`].

use std::collections::BTreeMap;

/// One limit and what stands against it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What is held, the same in every version of the program: part and things.
    pub name: &'static str,
    /// How much of it: things or bytes, as the limit counts.
    pub fill: usize,
    /// Never more than this.
    pub limit: usize,
    /// Memory held by what fills it, estimated. Memory is told once, so that a sum over all bounds counts nothing twice.
    pub bytes: usize,
    /// The local destination whose state it is, by its number.
    pub identity: Option<u32>,
    /// May stay filled while there are no users: caches, sessions and tunnels. Anything else empties when nothing is under way.
    pub lasting: bool,
}

impl Bound {
    /// Of the router as a whole, and emptied when nothing is under way.
    #[must_use]
    pub fn new(name: &'static str, fill: usize, limit: usize, bytes: usize) -> Self {
        Self { name, fill, limit, bytes, identity: None, lasting: false }
    }

    /// The same as state of a local destination.
    #[must_use]
    pub fn of(self, identity: Option<u32>) -> Self {
        Self { identity, ..self }
    }

    /// The same as something that may stay.
    #[must_use]
    pub fn lasting(self) -> Self {
        Self { lasting: true, ..self }
    }
}

/// Tells how much of a shared table belongs to each local destination, by their numbers; the memory is told by the whole table's bound.
pub fn by_identity(name: &'static str, limit: usize, identities: impl Iterator<Item = u32>, visit: &mut dyn FnMut(Bound)) {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for identity in identities {
        *counts.entry(identity).or_default() += 1;
    }
    for (identity, count) in counts {
        visit(Bound::new(name, count, limit, 0).of(Some(identity)));
    }
}

/// Memory of `count` entries of a table.
#[must_use]
pub fn entries<T>(count: usize) -> usize {
    // Nodes of a B-tree are two thirds full.
    count.saturating_mul(size_of::<T>()).saturating_mul(3) / 2
}

/// Gathers many containers of one kind with the same limit each.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fullest {
    fill: usize,
    bytes: usize,
}

impl Fullest {
    /// One more container.
    pub fn add(&mut self, fill: usize, bytes: usize) {
        self.fill = self.fill.max(fill);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The fullest against the limit of each, with the memory of all.
    #[must_use]
    pub fn bound(self, name: &'static str, limit: usize) -> Bound {
        Bound::new(name, self.fill, limit, self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_is_told_with_the_memory_of_all() {
        let mut fullest = Fullest::default();
        for (fill, bytes) in [(3, 100), (7, 10), (1, 1)] {
            fullest.add(fill, bytes);
        }
        let bound = fullest.bound("queues", 8).of(Some(4)).lasting();
        let expected = Bound { name: "queues", fill: 7, limit: 8, bytes: 111, identity: Some(4), lasting: true };
        assert_eq!(bound, expected);
    }

    #[test]
    fn a_shared_table_is_told_by_identity() {
        let mut told = Vec::new();
        by_identity("table", 9, [5, 2, 5].into_iter(), &mut |bound| told.push((bound.identity, bound.fill, bound.limit)));
        assert_eq!(told, [(Some(2), 1, 9), (Some(5), 2, 9)]);
    }
}
