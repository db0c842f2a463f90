use ramson_sim::oracle::STREAMS_EXACT;
use ramson_sim::tamper::Tamper;

use crate::network::{broken, run_with, small};

/// Gives the application another byte than came.
struct FlipsAByte;

impl Tamper for FlipsAByte {
    fn read(&mut self, bytes: &mut [u8]) {
        bytes[0] ^= 1;
    }
}

#[test]
fn a_flipped_byte_is_seen() {
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(FlipsAByte));
    assert!(broken(&measures).contains(STREAMS_EXACT), "{:?}", measures.violations);
    assert!(measures.violations.len() > 5);
}
