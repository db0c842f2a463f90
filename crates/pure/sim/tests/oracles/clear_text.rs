use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ramson_aes::LayerKeys;
use ramson_lane::{Class, LaneCommand, RelayRole};
use ramson_sim::oracle::CLEAR_TEXT;
use ramson_sim::tamper::Tamper;
use ramson_wire::i2np::TunnelData;
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, Now, TunnelId};

use crate::network::{broken, run_with, small};

/// As applications send it.
const PAYLOAD: &[u8] = b"some more bytes \xa7ramson-payload\xc3 and others";

/// Puts payload before what a connection is given.
struct TalksInClear;

impl Tamper for TalksInClear {
    fn sent(&mut self, _now: Now, bytes: Bytes) -> Bytes {
        [PAYLOAD, &bytes].concat().into()
    }
}

#[test]
fn on_a_link() {
    assert!(broken(&run_with(&small(), [3], || Box::new(TalksInClear))).contains(CLEAR_TEXT));
}

/// Sends Data messages, not sealed for anyone, to the routers that it sends other messages to.
struct SendsUnsealed;

impl Tamper for SendsUnsealed {
    fn commands(&mut self, now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        let to = commands.iter().find_map(|command| match command {
            LaneCommand::Send { to, .. } => Some(*to),
            _ => None,
        });
        if let Some(to) = to {
            let expiration = now.date + Duration::from_secs(10);
            let message = I2npMessage::new(MessageKind::DATA, MessageId(1), expiration, Bytes::from_static(PAYLOAD));
            commands.push(LaneCommand::Send { to, message, class: Class::Own });
        }
        commands
    }
}

#[test]
fn in_a_message() {
    assert!(broken(&run_with(&small(), [3], || Box::new(SendsUnsealed))).contains(CLEAR_TEXT));
}

type Hops = Rc<RefCell<BTreeMap<TunnelId, (LayerKeys, Option<TunnelId>)>>>;

/// Puts payload into its tunnels that is sealed for the hops and for nobody else. It learns the layers from what hops are told.
struct SealsForHopsOnly(Hops);

impl Tamper for SealsForHopsOnly {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        for command in &mut commands {
            match command {
                LaneCommand::Install(relay) => {
                    let next = match relay.role {
                        RelayRole::Participant { next_tunnel, .. } | RelayRole::Gateway { next_tunnel, .. } => Some(next_tunnel),
                        RelayRole::Endpoint => None,
                    };
                    self.0.borrow_mut().insert(relay.tunnel, (relay.keys.clone(), next));
                }
                LaneCommand::Send { message, .. } if message.kind == MessageKind::TUNNEL_DATA => {
                    message.body = self.sealed_for_hops(message.body.clone());
                }
                _ => {}
            }
        }
        commands
    }
}

impl SealsForHopsOnly {
    fn sealed_for_hops(&self, body: Bytes) -> Bytes {
        let Ok(TunnelData { tunnel, .. }) = TunnelData::from_bytes(&body) else { return body };
        let mut data = Box::new([0; 1024]);
        data[500..500 + PAYLOAD.len()].copy_from_slice(PAYLOAD);
        let hops = self.0.borrow();
        let path = std::iter::successors(hops.get(&tunnel), |(_, next)| hops.get(&(*next)?));
        for (keys, _) in path.collect::<Vec<_>>().into_iter().rev() {
            keys.decrypt(&mut data);
        }
        TunnelData { tunnel, data }.to_bytes().into()
    }
}

#[test]
fn at_the_end_of_a_tunnel() {
    let hops = Hops::default();
    let scenario = small();
    let measures = run_with(&scenario, 0..scenario.routers, || Box::new(SealsForHopsOnly(Rc::clone(&hops))));
    assert!(measures.violations.iter().any(|violation| violation.what.ends_with("endpoint")), "{:?}", measures.violations);
}
