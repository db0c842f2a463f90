//! A complete router: the production lane and engine, fed and drained as the production threads do it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use ramson_engine::{Command, Engine, Event, IdentityId, Output, Progress, Record};
use ramson_lane::{ConnId, Lane, LaneCommand, LaneEvent, LaneOutput};
use ramson_wire::{Date, Now, RouterHash, Tick};

use crate::net::{EndId, Happening, Net};
use crate::services::Services;
use crate::trace::{self, Trace};

/// Outputs of one call. More is taken for a loop without end.
const MAX_OUTPUTS: usize = 20_000;

/// What a router's turn needs of the world.
pub(crate) struct Surroundings<'a> {
    pub(crate) net: &'a mut Net,
    pub(crate) trace: &'a mut Trace,
    pub(crate) disk: &'a mut BTreeMap<RouterHash, Bytes>,
}

pub(crate) struct Node {
    pub(crate) number: usize,
    /// How often this router was started before.
    pub(crate) life: u32,
    pub(crate) lane: Lane,
    pub(crate) engine: Engine,
    pub(crate) lane_due: Option<Tick>,
    pub(crate) engine_due: Option<Tick>,
    pub(crate) services: Services,
    pub(crate) progress: Option<Progress>,
    pub(crate) ready: BTreeSet<IdentityId>,
    pub(crate) conns: BTreeMap<ConnId, EndId>,
    pub(crate) to_lane_last: Tick,
    pub(crate) to_engine_last: Tick,
    /// Virtual wall time at tick 0 on this machine's clock.
    pub(crate) epoch: Date,
}

impl Node {
    fn now(&self, net: &Net) -> Now {
        Now { tick: net.now, date: self.epoch + Duration::from_nanos(net.now.0) }
    }

    /// One turn of the lane's thread: feed, transform, drain.
    pub(crate) fn lane_turn(&mut self, around: &mut Surroundings<'_>, feed: impl FnOnce(&mut Lane, Now)) {
        let now = self.now(around.net);
        feed(&mut self.lane, now);
        self.lane.handle_timeout(now);
        self.lane.end_turn(now);
        let mut events = Vec::new();
        for count in 0.. {
            assert!(count < MAX_OUTPUTS, "the lane's outputs never end");
            match self.lane.poll_output() {
                LaneOutput::Dial { conn, remote } => {
                    if let Some(link) = around.net.dial(self.number, self.life, conn, remote) {
                        self.conns.insert(conn, (link, 0));
                    }
                }
                LaneOutput::Close { conn } => {
                    around.trace.add(now.tick, self.number, ("close", conn.0), 0);
                    if let Some(end) = self.conns.remove(&conn) {
                        around.net.close(end);
                    }
                }
                LaneOutput::Writable { conn } => self.write(around, conn),
                LaneOutput::Event(event) => events.push(event),
                LaneOutput::Timeout(due) => {
                    self.lane_due = due;
                    self.lane.bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{bound:?}"));
                    break;
                }
            }
        }
        if !events.is_empty() {
            let at = around.net.hand_over(&mut self.to_engine_last);
            around.net.schedule(at, Happening::ToEngine { router: self.number, life: self.life, events });
        }
    }

    /// Gives the connection what it has room for.
    pub(crate) fn write(&mut self, around: &mut Surroundings<'_>, conn: ConnId) {
        let Some(end) = self.conns.get(&conn).copied() else { return };
        let now = self.now(around.net);
        loop {
            let room = around.net.room(end);
            let mut bytes = Vec::new();
            if room > 0 {
                self.lane.write_into(now, conn, &mut bytes, room);
            }
            if bytes.is_empty() {
                return;
            }
            around.trace.add(now.tick, self.number, ("sent", conn.0), bytes.len());
            around.net.send(end, &bytes);
        }
    }

    /// One batch of the lane for the engine.
    pub(crate) fn handle_events(&mut self, around: &mut Surroundings<'_>, events: Vec<LaneEvent>) {
        let now = self.now(around.net);
        let mut commands = Vec::new();
        for event in events {
            let (what, size) = trace::of_lane_event(&event);
            around.trace.add(now.tick, self.number, what, size);
            self.engine.handle_lane(now, event);
            self.drain_engine(around, &mut commands);
        }
        self.end_engine_turn(around, commands);
    }

    /// One wish of a service.
    pub(crate) fn handle_command(&mut self, around: &mut Surroundings<'_>, command: Command) {
        let now = self.now(around.net);
        let mut commands = Vec::new();
        self.engine.handle_command(now, command);
        self.drain_engine(around, &mut commands);
        self.end_engine_turn(around, commands);
    }

    /// What every wake-up of the engine's thread ends with.
    pub(crate) fn end_engine_turn(&mut self, around: &mut Surroundings<'_>, mut commands: Vec<LaneCommand>) {
        let now = self.now(around.net);
        self.engine.handle_timeout(now);
        self.drain_engine(around, &mut commands);
        for command in self.services.poll(now.tick) {
            let at = around.net.hand_over(&mut self.to_engine_last);
            around.net.schedule(at, Happening::Command { router: self.number, life: self.life, command });
        }
        if !commands.is_empty() {
            let at = around.net.hand_over(&mut self.to_lane_last);
            around.net.schedule(at, Happening::ToLane { router: self.number, life: self.life, commands });
        }
    }

    fn drain_engine(&mut self, around: &mut Surroundings<'_>, commands: &mut Vec<LaneCommand>) {
        for count in 0.. {
            assert!(count < MAX_OUTPUTS, "the engine's outputs never end");
            let output = self.engine.poll_output();
            if let Output::Timeout(due) = output {
                self.engine_due = due;
                self.engine.bounds(&mut |bound| assert!(bound.fill <= bound.limit, "{bound:?}"));
                return;
            }
            let (what, size) = trace::of_engine_output(&output);
            around.trace.add(around.net.now, self.number, what, size);
            match output {
                Output::Lane(command) => commands.push(command),
                Output::Store(Record::Router { hash, bytes }) => {
                    around.disk.insert(hash, bytes);
                }
                Output::Store(Record::RouterGone { hash }) => {
                    around.disk.remove(&hash);
                }
                Output::Event(event) => self.handle_event(event),
                Output::Timeout(_) => {}
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        match event {
            Event::Progress(progress) => self.progress = Some(progress),
            Event::DestinationReady { id } => {
                self.ready.insert(id);
            }
            Event::Incoming { id, stream, rings, .. } => self.services.accept(id, stream, rings),
            Event::Status { status, .. } => self.services.status = Some(status),
            Event::StreamConnected { .. } | Event::StreamClosed { .. } | Event::LookupResult { .. } => {}
        }
    }
}
