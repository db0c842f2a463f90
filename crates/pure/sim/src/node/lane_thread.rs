//! One turn of the lane's thread, in the order in which the production driver takes its steps.

use std::time::Duration;

use ramson_lane::{ConnId, LaneEvent, LaneOutput};
use ramson_wire::Tick;

use super::{Around, Life, MAX_OUTPUTS, Node, User, WAKING};
use crate::cpu;
use crate::net::Read;
use crate::world::Happening;

/// Bytes read from one connection in one turn, as in production.
const READ_PER_TURN: usize = 64 * 1024;
/// Bytes read from all connections in one turn, as in production.
const READ_OF_ALL_PER_TURN: usize = 1024 * 1024;
/// What may wait for the engine before the lane stops reading, as in production.
pub(super) const ENGINE_BACKLOG: usize = 4096;
/// How soon a paused lane looks whether the engine caught up, as in production.
const PAUSE: Duration = Duration::from_millis(2);
/// Connections taken in one turn, as in production.
const ACCEPTS_PER_TURN: usize = 64;
/// Calls of the system in production to take a connection: accept, register, no delay.
const ACCEPTING: u64 = 3;
/// To dial: make a socket, bind, connect, register, no delay, look whether it stands.
const DIALING: u64 = 6;
/// To close: deregister, close.
const CLOSING: u64 = 2;
/// To read: what is there, and then, in a turn without waiting for it, in vain.
const READING: u64 = 2;
/// To write.
const WRITING: u64 = 1;

impl<U: User> Node<U> {
    /// Feed, transform, drain, write.
    pub(crate) fn lane_turn(&mut self, around: &mut Around<'_>) {
        let begin = around.schedule.now();
        if !self.lane_thread.begins(begin) || self.running == Life::Over {
            return;
        }
        cpu::forget_work();
        let mut at = begin + around.costs.lane_turn();
        let mut events = Vec::new();
        let relayed = self.relayed();
        self.accept(around, &mut at);
        self.tell_standing(at);
        let behind = self.waiting_for_engine() > ENGINE_BACKLOG;
        if !behind {
            self.read(around, &mut at);
        }
        let commands = std::mem::take(&mut self.to_lane);
        at = at + around.costs.lane_messages(cpu::number(commands.len()));
        for command in commands {
            self.lane.handle_command(self.now(at), command);
        }
        self.lane.handle_timeout(self.now(at));
        self.lane.end_turn(self.now(at));
        at = at + around.costs.work();
        self.drain_lane(around, &mut at, &mut events);
        self.write_all(around, &mut at);
        let due = self.drain_lane(around, &mut at, &mut events);
        let relayed = self.relayed().iter().sum::<u64>().saturating_sub(relayed.iter().sum());
        at = at + around.costs.work() + around.costs.lane_messages(relayed + cpu::number(events.len()));
        if !events.is_empty() {
            at = at + around.costs.calls(WAKING);
        }
        if self.running == Life::LaneStops {
            self.running = Life::Over;
            return;
        }
        let due = self.repeat(around, at, &mut events).unwrap_or(due);
        self.lane_thread.busy_until = at;
        self.lane_thread.spent += at.saturating_since(begin);
        self.hand_events(around, at, events);
        self.plan_lane(around, begin, at, due, behind);
    }

    /// When the next turn is.
    fn plan_lane(&mut self, around: &mut Around<'_>, begin: Tick, at: Tick, due: Option<Tick>, behind: bool) {
        if behind {
            self.wake_lane(around.schedule, begin + PAUSE);
        } else if !self.knocks.is_empty() {
            self.wake_lane(around.schedule, at);
        } else if !self.readable.is_empty() && self.lane.read_room(self.now(at)) == 0 {
            self.wake_lane(around.schedule, self.lane.read_again_at());
        } else if !self.readable.is_empty() || !self.writable.is_empty() {
            self.wake_lane(around.schedule, at);
        }
        if let Some(due) = due {
            self.wake_lane(around.schedule, due);
        }
    }

    fn accept(&mut self, around: &mut Around<'_>, at: &mut Tick) {
        for (end, remote) in std::mem::take(&mut self.incoming) {
            *at = *at + around.costs.calls(ACCEPTING);
            match self.lane.handle_incoming(self.now(*at), remote) {
                Some(conn) => {
                    self.conns.insert(conn, end);
                    self.phantoms.accepted(conn);
                    if around.net.accepted(end, conn) {
                        self.readable.insert(conn);
                    }
                }
                None => around.net.close(around.schedule, end),
            }
        }
        let knocks = self.knocks.len().min(ACCEPTS_PER_TURN);
        for (remote, bytes) in self.knocks.drain(..knocks).collect::<Vec<_>>() {
            *at = *at + around.costs.calls(1);
            if let Some(conn) = self.lane.handle_incoming(self.now(*at), remote) {
                *at = *at + around.costs.calls(ACCEPTING - 1 + READING) + around.costs.socket(bytes.len());
                self.lane.handle_bytes(self.now(*at), conn, &bytes);
            } else {
                *at = *at + around.costs.calls(1);
            }
        }
    }

    fn tell_standing(&mut self, at: Tick) {
        for (conn, stands) in std::mem::take(&mut self.standing) {
            if stands {
                self.lane.handle_connected(self.now(at), conn);
                self.writable.insert(conn);
            } else {
                self.conns.remove(&conn);
                self.lane.handle_connect_failed(self.now(at), conn);
            }
        }
    }

    fn read(&mut self, around: &mut Around<'_>, at: &mut Tick) {
        let ready = std::mem::take(&mut self.readable);
        let mut room = self.lane.read_room(self.now(*at)).min(READ_OF_ALL_PER_TURN);
        let from = std::mem::replace(&mut self.read_from, ConnId(0));
        for conn in ready.range(from..).chain(ready.range(..from)).copied() {
            if room == 0 {
                if self.readable.insert(conn) && self.read_from == ConnId(0) {
                    self.read_from = conn;
                }
                continue;
            }
            let most = READ_PER_TURN.min(room);
            let mut left = most;
            if self.conns.contains_key(&conn) {
                *at = *at + around.costs.calls(READING);
            }
            while left > 0 {
                let Some(end) = self.conns.get(&conn).copied() else { break };
                match around.net.read(around.schedule, end, left) {
                    Read::Bytes(bytes) => {
                        left = left.saturating_sub(bytes.len());
                        self.read_bytes(around, at, conn, &bytes);
                    }
                    Read::Eof => {
                        around.net.close(around.schedule, end);
                        self.conns.remove(&conn);
                        self.lane.handle_eof(self.now(*at), conn);
                    }
                    Read::Nothing => break,
                }
            }
            room = room.saturating_sub(most - left);
            if left == 0 {
                self.readable.insert(conn);
            }
        }
    }

    fn read_bytes(&mut self, around: &mut Around<'_>, at: &mut Tick, conn: ConnId, bytes: &[u8]) {
        if self.phantoms.greets(conn) {
            around.watch.greeting(*at, self.number, bytes);
        }
        *at = *at + around.costs.socket(bytes.len());
        self.lane.handle_bytes(self.now(*at), conn, bytes);
        *at = *at + around.costs.work();
    }

    /// All that the lane has to say. Cryptography is still to be counted.
    pub(super) fn drain_lane(&mut self, around: &mut Around<'_>, at: &mut Tick, events: &mut Vec<LaneEvent>) -> Option<Tick> {
        for count in 0.. {
            assert!(count < MAX_OUTPUTS, "the lane's outputs never end");
            match self.lane.poll_output() {
                LaneOutput::Dial { conn, remote } => {
                    around.trace.add(*at, self.number, ("dial", conn.0), 0);
                    *at = *at + around.costs.calls(DIALING);
                    let allowed = around.tamper.dials(self.now(*at));
                    if let Some(end) = around.net.dial(around.schedule, *at, (self.number, self.life), conn, remote, allowed) {
                        self.conns.insert(conn, end);
                    }
                }
                LaneOutput::Close { conn } => {
                    around.trace.add(*at, self.number, ("close", conn.0), 0);
                    *at = *at + around.costs.calls(CLOSING);
                    if let Some(end) = self.conns.remove(&conn) {
                        around.net.close(around.schedule, end);
                    }
                    self.readable.remove(&conn);
                    self.writable.remove(&conn);
                    self.phantoms.closed(conn);
                }
                LaneOutput::Writable { conn } if self.phantoms.holds(conn) => self.write_to_phantom(around, *at, conn),
                LaneOutput::Writable { conn } => self.write(around, at, conn),
                LaneOutput::Event(event) => events.push(event),
                LaneOutput::Timeout(due) => return due,
            }
        }
        None
    }

    fn write_all(&mut self, around: &mut Around<'_>, at: &mut Tick) {
        for conn in std::mem::take(&mut self.writable) {
            self.write(around, at, conn);
            *at = *at + around.costs.work();
        }
    }

    /// Gives the connection what it has room for.
    fn write(&mut self, around: &mut Around<'_>, at: &mut Tick, conn: ConnId) {
        let Some(end) = self.conns.get(&conn).copied() else { return };
        loop {
            let now = self.now(*at);
            let room = around.net.room(end);
            let mut bytes = Vec::new();
            if room > 0 {
                self.lane.write_into(now, conn, &mut bytes, room);
            }
            if bytes.is_empty() {
                return;
            }
            around.trace.add(*at, self.number, ("sent", conn.0), bytes.len());
            *at = *at + around.costs.calls(WRITING) + around.costs.socket(bytes.len());
            let bytes = around.tamper.sent(now, bytes.into());
            around.watch.link(*at, self.number, &bytes);
            around.net.write(around.schedule, *at, end, bytes);
        }
    }

    fn hand_events(&mut self, around: &mut Around<'_>, at: Tick, events: Vec<LaneEvent>) {
        if events.is_empty() {
            return;
        }
        let events = around.tamper.events(self.now(at), events);
        let arrives = self.lane_thread.hand_over(&mut self.rng, at);
        around.schedule.add(arrives, Happening::ToEngine { router: self.number, life: self.life, events });
    }
}
