//! Faults of the engine's machines.

use std::collections::BTreeMap;

use bytes::Bytes;
use ramson_engine::fuzz::Opened;
use ramson_fuzzing::{garlic, streams};

use crate::finds;

#[test]
fn a_message_opens_again_when_it_is_repeated() {
    #[derive(Default)]
    struct Remembering(BTreeMap<Bytes, Opened>);
    impl garlic::Border for Remembering {
        fn opened(&mut self, body: &Bytes, opened: Option<Opened>) -> Option<Opened> {
            if let Some(opened) = &opened {
                self.0.insert(body.clone(), opened.clone());
            }
            opened.or_else(|| self.0.get(body).cloned())
        }
    }
    finds("garlic_sessions", |data| garlic::sessions_with(data, &mut Remembering::default()));
}

#[test]
fn a_stream_skips_a_byte_when_its_ring_wraps() {
    struct Skipping(usize);
    impl streams::Border for Skipping {
        fn read(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
            let before = self.0;
            self.0 += bytes.len();
            if before < 65_536 && self.0 > 65_536 {
                bytes.remove(65_536 - before);
            }
            bytes
        }
    }
    finds("streams", |data| streams::streams_with(data, &mut Skipping(0)));
}
