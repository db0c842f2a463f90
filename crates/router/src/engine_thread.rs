//! The driver of the engine: one thread parked on its mailbox and its next deadline.

use std::sync::Arc;

use ramson_engine::{Command, Engine, Output, Record};
use ramson_wire::Tick;

use crate::clock::Clock;
use crate::lane_thread::{LaneHandle, ToLane};
use crate::mailbox::{CloseOnDrop, Mailbox};
use crate::routes::{Meaning, Routes, ToEngine};
use crate::storage::StorageHandle;

/// The engine and the ways its events go.
pub(crate) struct EngineThread {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) mailbox: Arc<Mailbox<ToEngine>>,
    pub(crate) lane: LaneHandle,
    pub(crate) storage: StorageHandle,
    pub(crate) routes: Routes,
}

impl EngineThread {
    /// Runs until told to stop, then ends the streams and stops the threads that serve it.
    pub(crate) fn run(self) {
        let (mailbox, lane, storage) = (Arc::clone(&self.mailbox), self.lane.clone(), self.storage.clone());
        // In this order even if the engine panics: nobody waits for it any more, and nothing outlives it.
        let _stopping = StopOthers { lane, storage };
        let _closing = CloseOnDrop { mailbox: &mailbox, refuse: ToEngine::refuse };
        self.work();
    }

    fn work(mut self) {
        let mut letters = Vec::new();
        let mut commands = Vec::new();
        let mut records = Vec::new();
        let mut deadline = self.drain(&mut commands, &mut records);
        self.pass_on(&mut commands, &mut records);
        loop {
            self.mailbox.wait(&mut letters, deadline.map(|deadline| self.clock.until(deadline)));
            for letter in letters.drain(..) {
                if !self.handle(letter, &mut commands, &mut records) {
                    for command in self.routes.close_all() {
                        self.command(command, &mut commands, &mut records);
                    }
                    self.engine.flush(self.clock.now());
                    self.drain(&mut commands, &mut records);
                    self.pass_on(&mut commands, &mut records);
                    return;
                }
                self.pass_on(&mut commands, &mut records);
            }
            self.engine.handle_timeout(self.clock.now());
            deadline = self.drain(&mut commands, &mut records);
            self.pass_on(&mut commands, &mut records);
        }
    }

    fn pass_on(&mut self, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) {
        self.lane.send_all(commands);
        self.storage.send_all(records);
    }

    /// Feeds one letter. False when the thread is to end.
    fn handle(&mut self, letter: ToEngine, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) -> bool {
        match self.routes.read(letter) {
            Meaning::Lane(events) => {
                let now = self.clock.now();
                for event in events {
                    self.engine.handle_lane(now, event);
                    self.drain(commands, records);
                }
            }
            Meaning::Command(command) => self.command(command, commands, records),
            Meaning::Stop => return false,
        }
        true
    }

    fn command(&mut self, command: Command, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) {
        self.engine.handle_command(self.clock.now(), command);
        self.drain(commands, records);
    }

    fn drain(&mut self, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) -> Option<Tick> {
        loop {
            match self.engine.poll_output() {
                Output::Lane(command) => commands.push(ToLane::Command(command)),
                Output::Store(record) => records.push(record),
                Output::Event(event) => {
                    if let Some(command) = self.routes.deliver(event) {
                        self.engine.handle_command(self.clock.now(), command);
                    }
                }
                Output::Timeout(deadline) => return deadline,
            }
        }
    }
}

/// Stops lane and storage when the engine's thread ends.
struct StopOthers {
    lane: LaneHandle,
    storage: StorageHandle,
}

impl Drop for StopOthers {
    fn drop(&mut self) {
        self.lane.send_all(&mut vec![ToLane::Stop]);
        self.storage.stop();
    }
}
