use std::collections::BTreeMap;

use ramson_sim::oracle::STREAMS_EXACT;
use ramson_sim::tamper::Tamper;

use crate::network::{broken, run_with, small};

/// Makes something of the bytes that came before the application gets them. Requests stay.
struct Changes(fn(&mut Vec<u8>));

impl Tamper for Changes {
    fn read(&mut self, bytes: &mut Vec<u8>) {
        if !bytes.starts_with(b"POST") {
            (self.0)(bytes);
        }
    }
}

/// What is said of pages, and of what came with requests.
fn seen(change: fn(&mut Vec<u8>)) -> BTreeMap<bool, Vec<String>> {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(Changes(change)));
    assert!(broken(&measures).contains(STREAMS_EXACT), "{:?}", measures.violations);
    let mut seen = BTreeMap::<_, Vec<_>>::new();
    for violation in measures.violations.into_iter().filter(|violation| violation.oracle == STREAMS_EXACT) {
        seen.entry(violation.what.starts_with("sent with a request")).or_default().push(violation.what);
    }
    seen
}

#[test]
fn a_flipped_byte_is_seen_in_both_directions() {
    let seen = seen(|bytes| bytes.iter_mut().take(1).for_each(|byte| *byte ^= 1));
    assert!(seen[&false].len() > 5 && !seen[&true].is_empty(), "{seen:?}");
    // A site ends a stream over which something else came than was sent.
    assert!(seen.values().all(|all| all.iter().any(|what| what.ends_with("bytes before the end"))), "{seen:?}");
}

#[test]
fn an_end_before_the_end_is_seen_in_both_directions() {
    let seen = seen(Vec::clear);
    assert!(seen[&false].len() > 5 && !seen[&true].is_empty(), "{seen:?}");
    assert!(seen.values().flatten().all(|what| what.contains("ended with")), "{seen:?}");
}

#[test]
fn a_lost_byte_in_the_middle_is_seen() {
    let seen = seen(|bytes| {
        if bytes.len() > 1 {
            bytes.remove(1);
        }
    });
    assert!(seen[&false].len() > 5, "{seen:?}");
}
