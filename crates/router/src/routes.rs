//! What the handles of a router tell its driver, and how the engine's answers find back to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ramson_engine::{
    CloseReason, Command, DestinationConfig, Event, IdentityId, Progress, RequestId, Status, StreamId, StreamRings,
};
use ramson_lane::LaneEvent;
use ramson_wire::{Destination, DestinationHash, DestinationKeys};
use tokio::sync::{oneshot, watch};

use crate::ports::{Datagram, Ports};

/// What other threads tell the engine's driver.
pub(crate) enum ToEngine {
    /// One turn of the lane.
    Lane(Vec<LaneEvent>),
    /// A plain command without an answer.
    Command(Command),
    /// Brings up a destination; what peers send goes to the listeners at `ports`.
    Open {
        id: IdentityId,
        name: String,
        keys: Box<DestinationKeys>,
        config: DestinationConfig,
        ports: Ports,
        ready: watch::Sender<bool>,
    },
    /// Asks for a destination.
    Lookup { id: IdentityId, hash: DestinationHash, answer: oneshot::Sender<Option<Box<Destination>>> },
    /// Asks for the status.
    Status { answer: oneshot::Sender<Box<Status>> },
    /// End the router.
    Stop,
}

impl ToEngine {
    /// What it holds, in kilobytes and messages.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Lane(events) => events.iter().map(LaneEvent::weight).sum(),
            _ => 1,
        }
    }

    /// Answers in the place of an engine that is gone. Most letters hold the way to who waits, and dropping that tells.
    pub(crate) fn refuse(self) {
        if let Self::Command(Command::Connect { rings, .. }) = self {
            rings.set_closed(CloseReason::Shutdown);
        }
    }
}

/// What a letter means to the engine.
pub(crate) enum Meaning {
    /// Its lane has news.
    Lane(Vec<LaneEvent>),
    /// A handle has a wish.
    Command(Command),
    /// It ends.
    Stop,
}

/// A stream that a peer opened.
pub(crate) struct IncomingStream {
    pub(crate) stream: StreamId,
    pub(crate) from: Box<Destination>,
    pub(crate) from_port: u16,
    pub(crate) to_port: u16,
    pub(crate) rings: Arc<StreamRings>,
}

/// Who waits for what. When it is dropped, nobody waits any more.
pub(crate) struct Routes {
    progress: watch::Sender<Progress>,
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
    ports: Ports,
    ready: watch::Sender<bool>,
}

impl Routes {
    pub(crate) fn new(progress: watch::Sender<Progress>) -> Self {
        Self { progress, next_request: 0, destinations: BTreeMap::new(), lookups: BTreeMap::new(), statuses: BTreeMap::new() }
    }

    /// Notes who waits for the answer to a letter.
    pub(crate) fn read(&mut self, letter: ToEngine) -> Meaning {
        Meaning::Command(match letter {
            ToEngine::Lane(events) => return Meaning::Lane(events),
            ToEngine::Command(command) => {
                if let Command::CloseDestination { id } = &command {
                    self.forget(*id);
                }
                command
            }
            ToEngine::Open { id, name, keys, config, ports, ready } => {
                self.destinations.insert(id, DestinationRoute { ports, ready });
                Command::OpenDestination { id, name, keys, config }
            }
            ToEngine::Lookup { id, hash, answer } => {
                let request = self.request();
                self.lookups.insert(request, Lookup { asker: id, answer });
                Command::LookupDestination { id, request, hash }
            }
            ToEngine::Status { answer } => {
                let request = self.request();
                self.statuses.insert(request, answer);
                Command::Status { request }
            }
            ToEngine::Stop => return Meaning::Stop,
        })
    }

    /// Ends every stream, so that peers and the holders of handles learn of it.
    pub(crate) fn close_all(&mut self) -> impl Iterator<Item = Command> + use<> {
        std::mem::take(&mut self.destinations).into_keys().map(|id| Command::CloseDestination { id })
    }

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
    /// Returns what the engine must be told then: that a stream which nobody took was reset.
    pub(crate) fn deliver(&mut self, event: Event) -> Option<Command> {
        match event {
            Event::DestinationReady { id } => {
                if let Some(route) = self.destinations.get(&id) {
                    route.ready.send_replace(true);
                }
            }
            Event::Incoming { id, stream, from, from_port, to_port, rings } => {
                let incoming = IncomingStream { stream, from, from_port, to_port, rings };
                let refused = match self.destinations.get(&id) {
                    Some(route) => route.ports.give_stream(incoming),
                    None => Some(incoming),
                };
                if let Some(incoming) = refused {
                    incoming.rings.reset();
                    return Some(Command::StreamDirty { id, stream });
                }
            }
            Event::Datagram { id, protocol, from, from_port, to_port, payload } => {
                if let Some(route) = self.destinations.get(&id) {
                    route.ports.give_datagram(protocol, Datagram { from, from_port, to_port, payload });
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
            Event::Progress(progress) => {
                self.progress.send_replace(progress);
            }
            // The rings of the stream tell its handle.
            Event::StreamConnected { .. } | Event::StreamClosed { .. } => {}
            // Its driver's affair.
            Event::ReseedWanted => {}
        }
        None
    }
}
