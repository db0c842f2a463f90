use std::collections::BTreeSet;
use std::time::Duration;

use ramson_lane::LaneCommand;
use ramson_sim::oracle::JAVA;
use ramson_sim::scenario::{Pages, Scenario};
use ramson_sim::tamper::Tamper;
use ramson_wire::i2np::{DatabaseLookup, LookupKind};
use ramson_wire::{Codec, I2npMessage, MessageId, MessageKind, NetDbKey, Now, RouterHash, RouterInfo};

use crate::network::{run_with, small};
use crate::replay::{begin, finish};

/// Changes what a router sends; what comes out goes in its place.
struct Sends(fn(Now, RouterHash, I2npMessage) -> Vec<I2npMessage>);

impl Tamper for Sends {
    fn commands(&mut self, now: Now, commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        let mut sent = Vec::new();
        for command in commands {
            match command {
                LaneCommand::Send { to, message, class } => {
                    let messages = (self.0)(now, to, message);
                    sent.extend(messages.into_iter().map(|message| LaneCommand::Send { to, message, class }));
                }
                command => sent.push(command),
            }
        }
        sent
    }
}

/// What the strict peer says of a router that is broken in this way.
fn said(tamper: fn() -> Box<dyn Tamper>) -> BTreeSet<String> {
    let scenario = Scenario { duration_secs: 40, ..small() };
    let measures = run_with(&scenario, [scenario.routers - 1], tamper);
    let of_java = measures.violations.iter().filter(|violation| violation.oracle == JAVA);
    of_java.map(|violation| violation.what.split_once(": ").unwrap().1.to_owned()).collect()
}

#[test]
fn messages_that_are_good_for_too_long_are_seen() {
    let said = said(|| {
        Box::new(Sends(|now, _, message| vec![I2npMessage { expiration: now.date + Duration::from_secs(300), ..message }]))
    });
    assert!(said.contains("a message that is good for more than 4 minutes"), "{said:?}");
}

#[test]
fn messages_sent_twice_are_seen() {
    let said = said(|| Box::new(Sends(|_, _, message| vec![message.clone(), message])));
    assert!(said.contains("a message with the id and expiration of another"), "{said:?}");
    assert!(said.contains("a build request that was made before") || said.len() == 1, "{said:?}");
}

#[test]
fn a_spoiled_build_request_is_seen() {
    let said = said(|| {
        Box::new(Sends(|_, to, mut message| {
            if message.kind == MessageKind::SHORT_TUNNEL_BUILD {
                let mut body = message.body.to_vec();
                let ours = body[1..].chunks_exact_mut(218).find(|record| record[..16] == to.0[..16]);
                ours.into_iter().for_each(|record| record[217] ^= 1);
                message.body = body.into();
            }
            vec![message]
        }))
    });
    assert!(said.contains("a record that the hop can't open"), "{said:?}");
}

/// Asks its peers again and again, by one way back.
fn asks_often(now: Now, to: RouterHash, message: I2npMessage) -> Vec<I2npMessage> {
    let ask = |id| {
        let lookup = DatabaseLookup {
            key: NetDbKey([id; 32]),
            from: to,
            kind: LookupKind::RouterInfo,
            reply_tunnel: None,
            excluded: Vec::new(),
            reply_key: None,
        };
        let expiration = now.date + Duration::from_secs(10);
        I2npMessage::new(MessageKind::DATABASE_LOOKUP, MessageId(u32::from(id)), expiration, lookup.to_bytes())
    };
    std::iter::once(message).chain((0..15).map(ask)).collect()
}

#[test]
fn look_ups_beyond_what_is_answered_are_seen() {
    let said = said(|| Box::new(Sends(asks_often)));
    assert!(said.contains("a look-up for no key"), "{said:?}");
    assert!(said.contains("more look-ups with one way back than are answered in 2 minutes"), "{said:?}");
}

/// Says again what it said of itself when it started, an hour later by its clock.
#[derive(Default)]
struct SaysTheSame(Option<RouterInfo>);

impl Tamper for SaysTheSame {
    fn commands(&mut self, _now: Now, mut commands: Vec<LaneCommand>) -> Vec<LaneCommand> {
        for command in &mut commands {
            if let LaneCommand::SetRouterInfo { info, .. } = command {
                *info = self.0.get_or_insert_with(|| info.clone()).clone();
            }
        }
        commands
    }
}

#[test]
#[ignore = "an hour and a half of virtual time"]
fn a_router_info_that_is_never_renewed_is_seen() {
    let scenario = Scenario { routers: 4, floodfills: 2, duration_secs: 6_000, ..Scenario::default() };
    let measures = run_with(&scenario, [3], || Box::new(SaysTheSame::default()));
    let said: BTreeSet<&str> = measures.violations.iter().map(|violation| violation.oracle).collect();
    assert!(said.contains(JAVA), "{:?}", measures.violations);
}

/// Floodfills know nearly all routers, so that Java's own limits hold for what they build.
#[test]
#[ignore = "takes minutes"]
fn in_a_large_network_neighbours_are_asked_for_little() {
    let mut scenario = Scenario { routers: 320, floodfills: 40, duration_secs: 400, ..Scenario::default() };
    scenario.load.pages = Some(Pages { sites: 10, visitors: 20, from_secs: 60, every_secs: 20, ..Pages::default() });
    let mut run = begin(&scenario, 1);
    run.run_to(Duration::from_secs(300));
    let known = (0..40).filter_map(|router| run.world.status(router)).map(|status| status.routers);
    assert!(known.filter(|routers| *routers >= 260).count() >= 10, "too few routers know enough to be held to it");
    finish(run);
}
