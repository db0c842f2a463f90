//! The driver of the engine: one thread parked on its mailbox and its next deadline.

use std::collections::BTreeMap;
use std::sync::Arc;

use ramson_engine::{
    CloseReason, Command, DestinationConfig, Engine, Event, IdentityId, Output, Progress, Record, RequestId, Status, StreamId,
    StreamRings,
};
use ramson_lane::LaneEvent;
use ramson_wire::{Destination, DestinationKeys, Tick};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::lane_thread::{LaneHandle, ToLane};
use crate::mailbox::{CloseOnDrop, Mailbox};
use crate::storage::StorageHandle;

/// What other threads tell the engine's thread.
pub(crate) enum ToEngine {
    /// One turn of the lane.
    Lane(Vec<LaneEvent>),
    /// A plain command without an answer.
    Command(Command),
    /// Brings up a destination; streams of peers go to `incoming`.
    Open {
        id: IdentityId,
        name: String,
        keys: Box<DestinationKeys>,
        config: DestinationConfig,
        incoming: mpsc::Sender<IncomingStream>,
        ready: watch::Sender<bool>,
    },
    /// Asks for a destination.
    Lookup { id: IdentityId, hash: ramson_wire::DestinationHash, answer: oneshot::Sender<Option<Box<Destination>>> },
    /// Asks for the status.
    Status { answer: oneshot::Sender<Box<Status>> },
    /// End the thread.
    Stop,
}

impl ToEngine {
    /// Answers in the place of an engine that is gone. Most letters hold the way to who waits, and dropping that tells.
    pub(crate) fn refuse(self) {
        if let Self::Command(Command::Connect { rings, .. }) = self {
            rings.set_closed(CloseReason::Shutdown);
        }
    }
}

/// A stream that a peer opened.
pub(crate) struct IncomingStream {
    pub(crate) stream: StreamId,
    pub(crate) from: Box<Destination>,
    pub(crate) from_port: u16,
    pub(crate) to_port: u16,
    pub(crate) rings: Arc<StreamRings>,
}

/// The engine and the ways its events go.
pub(crate) struct EngineThread {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) mailbox: Arc<Mailbox<ToEngine>>,
    pub(crate) lane: LaneHandle,
    pub(crate) storage: StorageHandle,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) routes: Routes,
}

/// Who waits for what.
#[derive(Default)]
pub(crate) struct Routes {
    next_request: u64,
    destinations: BTreeMap<IdentityId, DestinationRoute>,
    lookups: BTreeMap<RequestId, Lookup>,
    statuses: BTreeMap<RequestId, oneshot::Sender<Box<Status>>>,
}

struct Lookup {
    asker: IdentityId,
    answer: oneshot::Sender<Option<Box<Destination>>>,
}

struct DestinationRoute {
    incoming: mpsc::Sender<IncomingStream>,
    ready: watch::Sender<bool>,
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
                    self.close_destinations(&mut commands, &mut records);
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

    /// Ends every stream, so that peers and the holders of handles learn of it.
    fn close_destinations(&mut self, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) {
        for id in std::mem::take(&mut self.routes.destinations).into_keys() {
            self.engine.handle_command(self.clock.now(), Command::CloseDestination { id });
            self.drain(commands, records);
        }
    }

    fn pass_on(&mut self, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) {
        self.lane.send_all(commands);
        self.storage.send_all(records);
    }

    /// Feeds one letter. False when the thread is to end.
    fn handle(&mut self, letter: ToEngine, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) -> bool {
        let command = match letter {
            ToEngine::Lane(events) => {
                let now = self.clock.now();
                for event in events {
                    self.engine.handle_lane(now, event);
                    self.drain(commands, records);
                }
                return true;
            }
            ToEngine::Command(command) => {
                if let Command::CloseDestination { id } = &command {
                    self.routes.forget(*id);
                }
                command
            }
            ToEngine::Open { id, name, keys, config, incoming, ready } => {
                self.routes.destinations.insert(id, DestinationRoute { incoming, ready });
                Command::OpenDestination { id, name, keys, config }
            }
            ToEngine::Lookup { id, hash, answer } => {
                let request = self.routes.request();
                self.routes.lookups.insert(request, Lookup { asker: id, answer });
                Command::LookupDestination { id, request, hash }
            }
            ToEngine::Status { answer } => {
                let request = self.routes.request();
                self.routes.statuses.insert(request, answer);
                Command::Status { request }
            }
            ToEngine::Stop => return false,
        };
        self.engine.handle_command(self.clock.now(), command);
        self.drain(commands, records);
        true
    }

    fn drain(&mut self, commands: &mut Vec<ToLane>, records: &mut Vec<Record>) -> Option<Tick> {
        loop {
            match self.engine.poll_output() {
                Output::Lane(command) => commands.push(ToLane::Command(command)),
                Output::Store(record) => records.push(record),
                Output::Event(Event::Progress(progress)) => {
                    self.progress.send_replace(progress);
                }
                Output::Event(event) => {
                    if let Some((id, stream)) = self.routes.deliver(event) {
                        self.engine.handle_command(self.clock.now(), Command::StreamDirty { id, stream });
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

impl Routes {
    /// A destination closes: nobody gets its streams, and its look-ups have no answer.
    fn forget(&mut self, id: IdentityId) {
        self.destinations.remove(&id);
        self.lookups.retain(|_, lookup| lookup.asker != id);
    }

    fn request(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }

    /// Hands an event to its waiter. Waiters that went away are no error: their question is just forgotten.
    /// Returns the stream that nobody took and that was reset, of which the engine must be told.
    fn deliver(&mut self, event: Event) -> Option<(IdentityId, StreamId)> {
        match event {
            Event::DestinationReady { id } => {
                if let Some(route) = self.destinations.get(&id) {
                    route.ready.send_replace(true);
                }
            }
            Event::Incoming { id, stream, from, from_port, to_port, rings } => {
                let incoming = IncomingStream { stream, from, from_port, to_port, rings };
                let refused = match self.destinations.get(&id) {
                    Some(route) => route.incoming.try_send(incoming).err().map(|error| match error {
                        mpsc::error::TrySendError::Full(incoming) | mpsc::error::TrySendError::Closed(incoming) => incoming,
                    }),
                    None => Some(incoming),
                };
                if let Some(incoming) = refused {
                    incoming.rings.reset();
                    return Some((id, stream));
                }
            }
            Event::LookupResult { request, destination } => {
                if let Some(lookup) = self.lookups.remove(&request) {
                    let _ = lookup.answer.send(destination);
                }
            }
            Event::Status { request, status } => {
                if let Some(answer) = self.statuses.remove(&request) {
                    let _ = answer.send(status);
                }
            }
            // The rings of the stream tell its handle.
            Event::StreamConnected { .. } | Event::StreamClosed { .. } | Event::Progress(_) => {}
        }
        None
    }
}
