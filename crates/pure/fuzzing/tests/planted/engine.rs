//! Faults of the engine's machines.

use std::collections::BTreeMap;

use bytes::Bytes;
use ramson_engine::fuzz::Opened;
use ramson_engine::{Event, Output, Record};
use ramson_fuzzing::{engine, garlic as sessions, hostile, snapshot, streams};
use ramson_lane::{Class, LaneCommand};
use ramson_wire::{GarlicBlock, I2npMessage, MessageKind, RouterHash, TunnelId, garlic};

use crate::finds;

#[test]
fn a_message_opens_again_when_it_is_repeated() {
    #[derive(Default)]
    struct Remembering(BTreeMap<Bytes, Opened>);
    impl sessions::Border for Remembering {
        fn opened(&mut self, body: &Bytes, opened: Option<Opened>) -> Option<Opened> {
            if let Some(opened) = &opened {
                self.0.insert(body.clone(), opened.clone());
            }
            opened.or_else(|| self.0.get(body).cloned())
        }
    }
    finds("garlic_sessions", |data| sessions::sessions_with(data, &mut Remembering::default()));
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

#[test]
fn a_question_stays_without_an_answer_when_it_is_good() {
    struct Secretive;
    impl engine::Border for Secretive {
        fn output(&mut self, output: Output) -> Vec<Output> {
            let good = matches!(&output, Output::Event(Event::LookupResult { destination: Some(_), .. }));
            if good { Vec::new() } else { vec![output] }
        }
    }
    finds("engine", |data| engine::engine_with(data, &mut Secretive));
}

#[test]
fn a_floodfill_floods_to_all_that_it_knows() {
    struct Generous;
    impl engine::Border for Generous {
        fn output(&mut self, output: Output) -> Vec<Output> {
            let copy = |to: RouterHash, message: I2npMessage| Output::Lane(LaneCommand::Send { to, message, class: Class::Own });
            match output {
                Output::Lane(LaneCommand::Send { to, message, .. }) if message.kind == MessageKind::DATABASE_STORE => {
                    (0..30).map(|_| copy(to, message.clone())).collect()
                }
                other => vec![other],
            }
        }
    }
    finds("netdb", |data| engine::engine_with(data, &mut Generous));
}

#[test]
fn a_tunnel_gets_an_id_that_is_in_use() {
    struct Confused(Option<TunnelId>);
    impl engine::Border for Confused {
        fn output(&mut self, output: Output) -> Vec<Output> {
            match output {
                Output::Lane(LaneCommand::Install(mut relay)) => {
                    relay.tunnel = *self.0.get_or_insert(relay.tunnel);
                    vec![Output::Lane(LaneCommand::Install(relay))]
                }
                other => vec![other],
            }
        }
    }
    finds("tunnels", |data| engine::engine_with(data, &mut Confused(None)));
}

#[test]
fn what_stands_before_a_bad_block_counts() {
    struct Patient;
    impl hostile::Border for Patient {
        fn opened(&mut self, payload: &[u8], opened: Option<Opened>) -> Option<Opened> {
            let read = |len| garlic::parse_blocks(payload.get(..len)?).ok().filter(|blocks| blocks.len() > 2);
            let clove = |block| if let GarlicBlock::Clove(clove) = block { Some(clove) } else { None };
            opened.or_else(|| {
                let before = (1..payload.len()).rev().find_map(read)?;
                Some(Opened { peer: None, cloves: before.into_iter().filter_map(clove).collect() })
            })
        }
    }
    finds("garlic_payloads", |data| hostile::payloads_with(data, &mut Patient));
}

#[test]
fn a_router_under_another_key_stays_on_disk() {
    struct Keeping;
    impl engine::Border for Keeping {
        fn output(&mut self, output: Output) -> Vec<Output> {
            let kept = matches!(&output, Output::Store(Record::RouterGone { hash }) if hash.0[0] % 4 == 0);
            if kept { Vec::new() } else { vec![output] }
        }
    }
    finds("snapshot", |data| snapshot::snapshot_with(data, &mut Keeping));
}
