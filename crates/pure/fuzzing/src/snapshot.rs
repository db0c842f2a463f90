//! Target: what a router finds on its disk and in a bundle when it starts.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use ramson_engine::{Engine, Output, Record, Snapshot};
use ramson_wire::{Now, RouterHash, RouterInfo, Unverified};

use crate::engine::network::{engine, secrets};
use crate::engine::{Border, Sound};
use crate::ops::Ops;
use crate::seeds::routers::{NET_ID, START, router};

/// RouterInfos by number, each behind the number of a router. With 128 added they are of a bundle.
pub mod kind {
    #![allow(missing_docs, reason = "named by what they are")]
    pub const WHOLE: u8 = 0;
    pub const OTHER_KEY: u8 = 1;
    pub const CHANGED: u8 = 2;
    pub const RAW: u8 = 3;
    pub const OWN: u8 = 4;
    pub const COUNT: u8 = 5;
}

/// Runs the target.
pub fn snapshot(data: &[u8]) {
    snapshot_with(data, &mut Sound);
}

/// [`snapshot`] with a border of one's own.
pub fn snapshot_with(data: &[u8], border: &mut impl Border) {
    let mut ops = Ops::new(data);
    let mut found = Snapshot::default();
    while let Some(number) = ops.next_op(u8::MAX).filter(|_| found.routers.len() + found.reseed.len() < 120) {
        add(&mut found, number, &mut ops);
    }
    let own = secrets(0).identity.hash();
    let good = |key: Option<RouterHash>, bytes: &Bytes| {
        let info = Unverified::<RouterInfo>::parse(bytes.clone()).ok()?.verify().ok()?;
        let hash = info.hash();
        (hash != own && key.is_none_or(|key| key == hash) && info.net_id() == Some(NET_ID)).then_some(hash)
    };
    let known: BTreeSet<_> = found.routers.iter().filter_map(|(key, bytes)| good(Some(*key), bytes)).collect();
    let bad: BTreeSet<_> =
        found.routers.iter().filter(|(key, bytes)| good(Some(*key), bytes).is_none()).map(|(key, _)| *key).collect();
    let mut all = known.clone();
    all.extend(found.reseed.iter().filter_map(|bytes| good(None, bytes)));

    let mut engine = engine(0, false, found);
    let forgotten = stored(&mut engine, border, &all);
    assert_eq!(engine.status(START).routers, all.len(), "others are known than those that are good");
    assert!(bad.is_subset(&forgotten), "what is no good stays on disk");
    assert!(forgotten.iter().all(|hash| bad.contains(hash) || !known.contains(hash)), "a good one is deleted");
    crate::within_bounds(&mut |visit| engine.bounds(visit));

    let later = Now { tick: START.tick + MONTH, date: START.date + MONTH };
    engine.handle_timeout(later);
    let forgotten = stored(&mut engine, border, &all);
    assert_eq!(engine.status(later).routers + forgotten.len(), all.len(), "neither known nor deleted");
}

const MONTH: Duration = Duration::from_secs(30 * 86_400);

/// What the disk is to forget. It may keep only these.
fn stored(engine: &mut Engine, border: &mut impl Border, good: &BTreeSet<RouterHash>) -> BTreeSet<RouterHash> {
    let mut forgotten = BTreeSet::new();
    for outputs in 0.. {
        assert!(outputs < 1000, "outputs without end");
        for output in border.output(engine.poll_output()) {
            match output {
                Output::Timeout(_) => return forgotten,
                Output::Store(Record::RouterGone { hash }) => drop(forgotten.insert(hash)),
                Output::Store(Record::Router { hash, .. }) => assert!(good.contains(&hash), "what isn't known is kept"),
                Output::Lane(_) | Output::Event(_) | Output::Store(_) => {}
            }
        }
    }
    forgotten
}

fn add(found: &mut Snapshot, number: u8, ops: &mut Ops<'_>) {
    let how = ops.byte();
    let info = &router(number).info;
    let mut key = info.hash();
    let bytes = match how % 128 % kind::COUNT {
        kind::WHOLE => info.bytes().clone(),
        kind::OTHER_KEY => {
            key = router(number.wrapping_add(1)).info.hash();
            info.bytes().clone()
        }
        kind::CHANGED => {
            let mut bytes = info.bytes().to_vec();
            ops.change(&mut bytes);
            bytes.into()
        }
        kind::RAW => Bytes::copy_from_slice(ops.part()),
        _ => {
            let own = engine(0, false, Snapshot::default()).router_info().clone();
            key = own.hash();
            own.bytes().clone()
        }
    };
    if how < 128 {
        // A disk has one for each key.
        found.routers.retain(|(other, _)| *other != key);
        found.routers.push((key, bytes));
    } else {
        found.reseed.push(bytes);
    }
}
