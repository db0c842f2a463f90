use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ramson_aes::LayerKeys;
use ramson_lane::{Class, LaneCommand, RelayRole};
use ramson_sim::oracle::CLEAR_TEXT;
use ramson_sim::scenario::{Between, Pages};
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
        send_unsealed(now, &mut commands, Bytes::from_static(PAYLOAD));
        commands
    }
}

/// If other messages are sent too: to one of their receivers.
fn send_unsealed(now: Now, commands: &mut Vec<LaneCommand>, body: Bytes) {
    let to = commands.iter().find_map(|command| match command {
        LaneCommand::Send { to, .. } => Some(*to),
        _ => None,
    });
    if let Some(to) = to {
        let message = I2npMessage::new(MessageKind::DATA, MessageId(1), now.date + Duration::from_secs(10), body);
        commands.push(LaneCommand::Send { to, message, class: Class::Own });
    }
}

#[test]
fn in_a_message() {
    assert!(broken(&run_with(&small(), [3], || Box::new(SendsUnsealed))).contains(CLEAR_TEXT));
}

type Hops = Rc<RefCell<BTreeMap<TunnelId, (LayerKeys, Option<TunnelId>)>>>;

/// Puts payload into its tunnels that is sealed for so many hops and for nobody else. It learns the layers from what hops are told.
struct SealsForHopsOnly {
    hops: Hops,
    sealed_for: usize,
}

impl Tamper for SealsForHopsOnly {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        for command in &mut commands {
            match command {
                LaneCommand::Install(relay) => {
                    let next = match relay.role {
                        RelayRole::Participant { next_tunnel, .. } | RelayRole::Gateway { next_tunnel, .. } => Some(next_tunnel),
                        RelayRole::Endpoint => None,
                    };
                    self.hops.borrow_mut().insert(relay.tunnel, (relay.keys.clone(), next));
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
        let hops = self.hops.borrow();
        let path = std::iter::successors(hops.get(&tunnel), |(_, next)| hops.get(&(*next)?));
        for (keys, _) in path.take(self.sealed_for).collect::<Vec<_>>().into_iter().rev() {
            keys.decrypt(&mut data);
        }
        TunnelData { tunnel, data }.to_bytes().into()
    }
}

/// Where such a router's payload is seen.
fn seen_of_payload(sealed_for: usize) -> BTreeSet<String> {
    let (hops, scenario) = (Hops::default(), small());
    let tamper = || -> Box<dyn Tamper> { Box::new(SealsForHopsOnly { hops: Rc::clone(&hops), sealed_for }) };
    let measures = run_with(&scenario, 0..scenario.routers, tamper);
    let of_rule = measures.violations.into_iter().filter(|violation| violation.oracle == CLEAR_TEXT);
    of_rule.filter_map(|violation| violation.what.split(": ").nth(1).map(str::to_owned)).collect()
}

#[test]
fn at_the_end_of_a_tunnel() {
    assert_eq!(seen_of_payload(usize::MAX), BTreeSet::from(["application bytes in clear at a tunnel's endpoint".to_owned()]));
}

#[test]
fn in_the_middle_of_a_tunnel() {
    assert_eq!(seen_of_payload(1), BTreeSet::from(["application bytes in clear at a tunnel's hop".to_owned()]));
}

/// A router with a site that says in clear what is asked of it, and nothing of what it serves.
#[derive(Default)]
struct RepeatsRequests {
    heard: Vec<u8>,
}

impl Tamper for RepeatsRequests {
    fn read(&mut self, bytes: &mut Vec<u8>) {
        self.heard = bytes.to_vec();
    }

    fn commands(&mut self, now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        let heard = std::mem::take(&mut self.heard);
        send_unsealed(now, &mut commands, heard.into());
        commands
    }
}

#[test]
fn the_first_message_of_a_stream() {
    let mut scenario = small();
    // No page is as long as the mark.
    scenario.load.pages = scenario.load.pages.map(|pages| Pages { bytes: Between { least: 1, most: 10 }, ..pages });
    let measures = run_with(&scenario, [11], || Box::new(RepeatsRequests::default()));
    assert!(broken(&measures).contains(CLEAR_TEXT), "{:?}", measures.violations);
}
