//! One turn of the engine's thread: the whole mailbox, then what is due, then the users' streams.

use std::time::Duration;

use ramson_crypto::rng;
use ramson_engine::{Command, Event, Output};
use ramson_lane::{LaneCommand, LaneEvent};
use ramson_wire::Tick;

use super::{Around, Letter, Life, MAX_OUTPUTS, Node, User, WAKING};
use crate::cpu;
use crate::trace;
use crate::world::Happening;

/// A reseed takes a time between these.
const RESEED_MILLIS: (u64, u64) = (500, 5_000);

impl<U: User> Node<U> {
    /// Takes the letters that wait, each at the moment at which the work on those before it is done.
    pub(crate) fn engine_turn(&mut self, around: &mut Around<'_>) {
        let begin = around.schedule.now();
        if !self.engine_thread.begins(begin) || self.running != Life::Whole {
            return;
        }
        cpu::forget_work();
        let mut at = begin + around.costs.engine_turn();
        let (mut repeated, mut came) = (Vec::new(), 0);
        for letter in std::mem::take(&mut self.to_engine) {
            came += if let Letter::Lane(events) = &letter { events.len() } else { 1 };
            match letter {
                Letter::Repeated(event) => repeated.push(event),
                Letter::Stop => return self.stop_engine(around, begin, at),
                letter => self.handle_letter(around, &mut at, letter),
            }
        }
        self.engine.handle_timeout(self.now(at));
        let mut commands = Vec::new();
        let due = self.drain_engine(around, at, &mut commands);
        at = at + around.costs.work();
        self.hand_commands(around, &mut at, commands);
        let wishes = self.user.poll(at, around.tamper);
        around.watch.wishes(at, self.number, &wishes);
        for command in around.tamper.wishes(self.now(at), wishes) {
            self.command_later(around, at, command);
        }
        let due = self.judge_repeated(around, at, repeated).unwrap_or(due);
        self.look_at_bounds(around, at, came);
        self.engine_thread.busy_until = at;
        self.engine_thread.spent += at.saturating_since(begin);
        for due in [due, self.user.deadline()].into_iter().flatten() {
            self.wake_engine(around.schedule, due);
        }
    }

    /// As the production thread at a clean stop: peers learn that their streams end, and what was learned is saved.
    fn stop_engine(&mut self, around: &mut Around<'_>, begin: Tick, mut at: Tick) {
        let mut commands = Vec::new();
        for id in std::mem::take(&mut self.opened) {
            self.engine.handle_command(self.now(at), Command::CloseDestination { id });
            self.drain_engine(around, at, &mut commands);
            at = at + around.costs.work();
        }
        self.engine.flush(self.now(at));
        self.drain_engine(around, at, &mut commands);
        self.hand_commands(around, &mut at, commands);
        self.running = Life::EngineStopped;
        self.engine_thread.spent += at.saturating_since(begin);
        let arrives = self.engine_thread.hand_over(&mut self.rng, at);
        around.schedule.add(arrives, Happening::StopLane { router: self.number, life: self.life });
    }

    /// A wish of the users, which takes its way to the engine's mailbox.
    pub(crate) fn command_later(&mut self, around: &mut Around<'_>, at: Tick, command: Command) {
        let arrives = self.users.hand_over(&mut self.rng, at);
        around.schedule.add(arrives, Happening::Command { router: self.number, life: self.life, command });
    }

    fn handle_letter(&mut self, around: &mut Around<'_>, at: &mut Tick, letter: Letter) {
        let mut commands = Vec::new();
        match letter {
            Letter::Lane(events) => {
                for event in events {
                    let (what, size) = trace::of_lane_event(&event);
                    around.trace.add(*at, self.number, what, size);
                    around.watch.event(self.now(*at), self.number, &event);
                    self.show_observer(around, *at, &event);
                    self.show_peer(around, *at, &event);
                    *at = *at + around.costs.engine_message();
                    let others = self.others(around, &event);
                    self.handle_event_and_besides(around, *at, event);
                    if others.is_some() {
                        // In production it waits for the end of the turn.
                        self.engine.open_waiting(self.now(*at));
                    }
                    self.drain_engine(around, *at, &mut commands);
                    *at = *at + around.costs.work();
                    self.compare_others(around, *at, others);
                }
            }
            Letter::Command(command) => {
                *at = *at + around.costs.engine_message();
                match &command {
                    Command::OpenDestination { id, .. } => drop(self.opened.insert(*id)),
                    Command::CloseDestination { id } => drop(self.opened.remove(id)),
                    _ => {}
                }
                self.engine.handle_command(self.now(*at), command);
                self.drain_engine(around, *at, &mut commands);
                *at = *at + around.costs.work();
            }
            Letter::Repeated(_) | Letter::Stop => {}
        }
        self.hand_commands(around, at, commands);
    }

    fn handle_event_and_besides(&mut self, around: &mut Around<'_>, at: Tick, event: LaneEvent) {
        let now = self.now(at);
        let besides = around.tamper.besides(now, &event);
        for event in around.tamper.takes_besides(now, &event).into_iter().chain([event]) {
            self.engine.handle_lane(now, event);
        }
        for command in besides {
            self.engine.handle_command(now, command);
        }
    }

    pub(super) fn drain_engine(&mut self, around: &mut Around<'_>, at: Tick, commands: &mut Vec<LaneCommand>) -> Option<Tick> {
        for count in 0.. {
            assert!(count < MAX_OUTPUTS, "the engine's outputs never end");
            let output = self.engine.poll_output();
            if let Output::Timeout(due) = output {
                return due;
            }
            let (what, size) = trace::of_engine_output(&output);
            around.trace.add(at, self.number, what, size);
            match output {
                Output::Lane(command) => commands.push(command),
                Output::Store(record) => {
                    if let Some(due) = around.disk.store(at, record) {
                        around.schedule.add(due, Happening::Flush { router: self.number, life: self.life });
                    }
                }
                Output::Event(Event::ReseedWanted) => {
                    let wait = Duration::from_millis(rng::between(&mut self.rng, RESEED_MILLIS.0, RESEED_MILLIS.1));
                    around.schedule.add(at + wait, Happening::Reseed { router: self.number, life: self.life });
                }
                Output::Event(event) => self.handle_event(at, event),
                Output::Timeout(_) => {}
            }
        }
        None
    }

    fn handle_event(&mut self, at: Tick, event: Event) {
        match &event {
            Event::Progress(progress) => self.progress = Some(*progress),
            Event::DestinationReady { id } => {
                self.ready.insert(*id);
            }
            _ => {}
        }
        self.user.handle_event(at, event);
    }

    pub(super) fn hand_commands(&mut self, around: &mut Around<'_>, at: &mut Tick, commands: Vec<LaneCommand>) {
        let commands = around.tamper.commands(self.now(*at), commands);
        if commands.is_empty() {
            return;
        }
        let now = self.now(*at);
        around.watch.commands(now, self.number, &commands, &|| self.engine.status(now).routers);
        *at = *at + around.costs.calls(WAKING);
        let arrives = self.engine_thread.hand_over(&mut self.rng, *at);
        around.schedule.add(arrives, Happening::ToLane { router: self.number, life: self.life, commands });
    }
}
