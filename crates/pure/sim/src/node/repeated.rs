//! Giving a router again what it had before, and seeing what comes of it.

use std::collections::BTreeSet;

use ramson_engine::Output;
use ramson_lane::{ConnId, LaneCommand, LaneEvent};
use ramson_wire::{MessageKind, Tick};

use super::{Around, Letter, Node, User};
use crate::cpu;
use crate::oracle::REPLAYS;
use crate::oracle::replays::Replay;
use crate::trace;
use crate::world::Happening;

/// Turns that an engine may take to finish what it has, before something is repeated to it and after.
pub(super) const MAX_TURNS: usize = 300;

/// Connections that nobody is at the other end of, and those whose first bytes are still to come.
#[derive(Default)]
pub(super) struct Phantoms {
    conns: BTreeSet<ConnId>,
    fresh: BTreeSet<ConnId>,
}

impl Phantoms {
    /// A connection was taken.
    pub(super) fn accepted(&mut self, conn: ConnId) {
        self.fresh.insert(conn);
    }

    /// Whether these are the first bytes on a connection that was taken.
    pub(super) fn greets(&mut self, conn: ConnId) -> bool {
        self.fresh.remove(&conn)
    }

    pub(super) fn holds(&self, conn: ConnId) -> bool {
        self.conns.contains(&conn)
    }

    pub(super) fn closed(&mut self, conn: ConnId) {
        self.conns.remove(&conn);
        self.fresh.remove(&conn);
    }
}

impl<U: User> Node<U> {
    /// To the lane, at the end of its turn, when nothing else is to be done. What comes of it costs the router no time.
    /// Says when the lane is due then, if it had anything.
    pub(super) fn repeat(&mut self, around: &mut Around<'_>, at: Tick, events: &mut Vec<LaneEvent>) -> Option<Option<Tick>> {
        let mut due = None;
        for replay in around.watch.repetitions(at, self.number) {
            match replay {
                Replay::Greeting { bytes, remote } => {
                    if let Some(conn) = self.lane.handle_incoming(self.now(at), remote) {
                        self.phantoms.conns.insert(conn);
                        self.lane.handle_bytes(self.now(at), conn, &bytes);
                        due = Some(self.drain_lane(around, &mut { at }, events));
                        self.write_to_phantom(around, at, conn);
                    }
                }
                Replay::Message { from, message, judged } => {
                    let (kind, before) = (message.kind, self.relayed());
                    let mut caused = Vec::new();
                    let message = around.tamper.comes_again(self.now(at), message);
                    self.lane.handle_message(self.now(at), from, message);
                    self.lane.end_turn(self.now(at));
                    due = Some(self.drain_lane(around, &mut { at }, &mut caused));
                    if !judged {
                        events.append(&mut caused);
                        continue;
                    }
                    if self.relayed() != before {
                        self.had_effect(around, at, kind, "was relayed");
                    }
                    self.hand_repeated(around, at, caused, events);
                }
            }
        }
        cpu::forget_work();
        due
    }

    pub(super) fn relayed(&self) -> [u64; 3] {
        let stats = self.lane.stats();
        [stats.participant, stats.gateway, stats.endpoint]
    }

    fn had_effect(&self, around: &mut Around<'_>, at: Tick, kind: MessageKind, what: &str) {
        around.watch.violated(at, REPLAYS, format!("router {}: a repeated message of kind {} {what}", self.number, kind.0));
    }

    /// What the lane passes on is judged at the engine.
    fn hand_repeated(&mut self, around: &mut Around<'_>, at: Tick, caused: Vec<LaneEvent>, events: &mut Vec<LaneEvent>) {
        for event in caused {
            if matches!(event, LaneEvent::Message { .. }) {
                let arrives = self.lane_thread.hand_over(&mut self.rng, at);
                around.schedule.add(arrives, Happening::Repeated { router: self.number, life: self.life, event });
            } else {
                events.push(event);
            }
        }
    }

    /// Bytes that the lane writes on a connection that only repeats an attempt.
    pub(super) fn write_to_phantom(&mut self, around: &mut Around<'_>, at: Tick, conn: ConnId) {
        let mut bytes = Vec::new();
        self.lane.write_into(self.now(at), conn, &mut bytes, usize::MAX);
        if !around.tamper.sent(self.now(at), bytes.into()).is_empty() {
            around.watch.violated(at, REPLAYS, format!("router {}: a repeated connection attempt was answered", self.number));
        }
    }

    /// To the engine, at the end of its turn, after all else. Says when the engine is due then, if it had anything.
    pub(super) fn judge_repeated(&mut self, around: &mut Around<'_>, at: Tick, events: Vec<LaneEvent>) -> Option<Option<Tick>> {
        let mut due = None;
        for event in events {
            let LaneEvent::Message { message, .. } = &event else { continue };
            let kind = message.kind;
            let mut commands = Vec::new();
            let idle = (0..MAX_TURNS).any(|_| {
                self.engine.handle_timeout(self.now(at));
                let next = self.drain_engine(around, at, &mut commands);
                due = Some(next);
                next.is_none_or(|next| next > at)
            });
            self.hand_commands(around, &mut { at }, commands);
            if !idle {
                continue;
            }
            let owners = self.owners();
            let before: Vec<u64> = owners.iter().map(|owner| self.engine.fingerprint(*owner)).collect();
            for event in around.tamper.events(self.now(at), vec![event]) {
                self.engine.handle_lane(self.now(at), event);
            }
            let mut commands = Vec::new();
            due = Some(self.effects(around, at, kind, &mut commands));
            if owners.iter().map(|owner| self.engine.fingerprint(*owner)).collect::<Vec<_>>() != before {
                self.had_effect(around, at, kind, "changed what is held");
            }
            self.hand_commands(around, &mut { at }, commands);
        }
        cpu::forget_work();
        due
    }

    /// Everything that comes of a repeated message, when it was opened too. Says when the engine is due then.
    fn effects(&mut self, around: &mut Around<'_>, at: Tick, kind: MessageKind, commands: &mut Vec<LaneCommand>) -> Option<Tick> {
        let mut due = None;
        for _ in 0..MAX_TURNS {
            due = loop {
                let output = self.engine.poll_output();
                if let Output::Timeout(next) = output {
                    break next;
                }
                let ((what, detail), _) = trace::of_engine_output(&output);
                self.had_effect(around, at, kind, &format!("caused: {what} {detail}"));
                if let Output::Lane(command) = output {
                    commands.push(command);
                }
            };
            if due.is_none_or(|due| due > at) {
                break;
            }
            self.engine.handle_timeout(self.now(at));
        }
        due
    }

    /// Something to be repeated to the engine arrived.
    pub(crate) fn take_repeated(&mut self, around: &mut Around<'_>, event: LaneEvent) {
        self.take_letter(around.schedule, Letter::Repeated(event));
    }
}
