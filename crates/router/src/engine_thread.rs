//! The driver of the engine: one thread parked on its mailbox and its next deadline.

use std::sync::Arc;

use ramson_engine::{Command, Engine, Event, Output, Record};
use ramson_lane::LaneEvent;
use ramson_wire::Tick;

use crate::clock::Clock;
use crate::lane_thread::{LaneHandle, ToLane};
use crate::mailbox::{CloseOnDrop, Mailbox};
use crate::routes::{Meaning, Routes, ToEngine};
use crate::storage::StorageHandle;

/// The engine and the ways its events go. Dropping it, whether it ran or not, stops the threads that serve it.
pub(crate) struct EngineThread {
    engine: Engine,
    clock: Clock,
    mailbox: Arc<Mailbox<ToEngine>>,
    lane: LaneHandle,
    storage: StorageHandle,
    routes: Routes,
    /// For the lane, at the end of a turn.
    commands: Vec<ToLane>,
    /// For the disk, likewise.
    records: Vec<Record>,
}

impl EngineThread {
    pub(crate) fn new(
        engine: Engine,
        clock: Clock,
        mailbox: Arc<Mailbox<ToEngine>>,
        lane: LaneHandle,
        storage: StorageHandle,
        routes: Routes,
    ) -> Self {
        Self { engine, clock, mailbox, lane, storage, routes, commands: Vec::new(), records: Vec::new() }
    }

    /// Runs until told to stop, then ends the streams.
    pub(crate) fn run(mut self) {
        let mailbox = Arc::clone(&self.mailbox);
        // Even if the engine panics: nobody waits for it any more, and, as `self` goes next, nothing outlives it.
        let _closing = CloseOnDrop { mailbox: &mailbox, refuse: ToEngine::refuse };
        self.work();
    }

    fn work(&mut self) {
        let mut letters = Vec::new();
        let mut deadline = self.drain();
        self.pass_on();
        loop {
            self.mailbox.wait(&mut letters, deadline.map(|deadline| self.clock.until(deadline)));
            for letter in letters.drain(..) {
                match self.routes.read(letter) {
                    Meaning::Lane(events) => self.lane_events(events),
                    Meaning::Command(command) => self.command(command),
                    Meaning::Stop => return self.end(),
                }
                self.pass_on();
            }
            self.engine.handle_timeout(self.clock.now());
            deadline = self.drain();
            self.pass_on();
        }
    }

    fn lane_events(&mut self, events: Vec<LaneEvent>) {
        let now = self.clock.now();
        for event in events {
            self.engine.handle_lane(now, event);
            self.drain();
        }
    }

    fn command(&mut self, command: Command) {
        self.engine.handle_command(self.clock.now(), command);
        self.drain();
    }

    /// Peers learn that their streams end, and what was learned is saved.
    fn end(&mut self) {
        for command in self.routes.close_all() {
            self.command(command);
        }
        self.engine.flush(self.clock.now());
        self.drain();
        self.pass_on();
    }

    fn drain(&mut self) -> Option<Tick> {
        loop {
            match self.engine.poll_output() {
                Output::Lane(command) => self.commands.push(ToLane::Command(command)),
                Output::Store(record) => self.records.push(record),
                Output::Event(Event::ReseedWanted) => self.storage.reseed(),
                Output::Event(event) => {
                    if let Some(command) = self.routes.deliver(event) {
                        self.engine.handle_command(self.clock.now(), command);
                    }
                }
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn pass_on(&mut self) {
        self.lane.send_all(&mut self.commands);
        self.storage.send_all(&mut self.records);
    }
}

impl Drop for EngineThread {
    fn drop(&mut self) {
        self.lane.send_all(&mut vec![ToLane::Stop]);
        self.storage.stop();
    }
}
