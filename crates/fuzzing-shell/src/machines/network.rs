//! The harness in the place of an engine: takes what the handles of a router say and answers as the operations want.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ramson_engine::fuzz::EngineSide;
use ramson_engine::{CloseReason, IdentityId, RequestId, StreamId, StreamRings};
use ramson_router::Router;
use ramson_router::driver::{Command, Desk, Event};
use ramson_wire::{Destination, DestinationHash, RouterHash};

use super::Border;

/// How the engine may end a stream.
pub const REASONS: [CloseReason; 8] = [
    CloseReason::Reset,
    CloseReason::TimedOut,
    CloseReason::ConnectTimeout,
    CloseReason::Unreachable,
    CloseReason::Limit,
    CloseReason::Aborted,
    CloseReason::Finished,
    CloseReason::Shutdown,
];
/// Names of streams that peers opened.
const INCOMING: u64 = 1 << 63;

/// A destination that was opened.
pub struct Identity {
    /// Its label.
    pub name: String,
    /// What it is to others.
    pub destination: Destination,
    /// Peers may open streams to it.
    accept: bool,
    /// It wasn't closed.
    pub open: bool,
    /// It was told that it is ready.
    pub ready: bool,
}

/// A stream as the engine sees it.
pub struct Line {
    /// Its name.
    pub id: StreamId,
    /// Whose.
    pub identity: IdentityId,
    /// The other side.
    pub peer: DestinationHash,
    /// Ports: own, the other side's.
    pub ports: (u16, u16),
    /// A peer opened it.
    pub incoming: bool,
    side: EngineSide,
    /// It was answered.
    pub connected: bool,
    /// Bytes that the peer sent.
    pub delivered: Vec<u8>,
    /// The peer's end came behind them.
    pub ended: bool,
    /// The engine's end of it.
    pub closed: Option<CloseReason>,
    /// Bytes for the peer.
    pub taken: Vec<u8>,
    /// No more bytes will follow them: the peer sees their end.
    pub finished: bool,
    /// Its handle broke it.
    pub broken: bool,
    /// Its handle is gone.
    pub detached: bool,
    /// The peer takes nothing for now.
    pub held: bool,
}

/// A question for a destination.
pub struct Question {
    request: RequestId,
    /// What is sought.
    pub hash: DestinationHash,
}

/// Everything behind the handles.
pub struct Network {
    desk: Option<Desk>,
    /// The router whose handles the machine has.
    pub router: Router,
    /// By their names.
    pub identities: BTreeMap<IdentityId, Identity>,
    /// In their order.
    pub lines: Vec<Line>,
    /// Without an answer so far.
    pub questions: Vec<Question>,
    /// Commands wait.
    pub stalled: bool,
    /// The router was stopped.
    pub stopped: bool,
}

impl Default for Network {
    fn default() -> Self {
        let (desk, router) = Desk::new(RouterHash([7; 32]), Bytes::from_static(b"info"), || ());
        Self {
            desk: Some(desk),
            router,
            identities: BTreeMap::new(),
            lines: Vec::new(),
            questions: Vec::new(),
            stalled: false,
            stopped: false,
        }
    }
}

impl Network {
    /// Takes what the handles say, and what is to be sent. Returns whether there was anything.
    pub fn pump(&mut self, border: &mut impl Border) -> bool {
        if self.stalled {
            return false;
        }
        let commands = self.desk.as_mut().map(Desk::take_commands).unwrap_or_default();
        let mut moved = !commands.is_empty();
        for command in commands {
            if border.tells(&command) {
                self.handle(command, border);
            }
        }
        if self.stopped {
            self.desk = None;
        }
        for line in self.lines.iter_mut().filter(|line| !line.held && line.closed.is_none()) {
            moved |= line.take(border);
        }
        moved
    }

    fn handle(&mut self, command: Command, border: &mut impl Border) {
        match command {
            Command::OpenDestination { id, name, keys, config } => {
                let (destination, accept) = (keys.destination().clone(), config.accept);
                let identity = Identity { name, destination, accept, open: true, ready: false };
                assert!(self.identities.insert(id, identity).is_none(), "a name twice");
            }
            Command::CloseDestination { id } => {
                let identity = self.identities.get_mut(&id).expect("a destination that was opened");
                assert!(std::mem::take(&mut identity.open) || self.stopped, "closed twice");
                for line in self.lines.iter_mut().filter(|line| line.identity == id) {
                    line.close(CloseReason::Shutdown);
                }
            }
            Command::Connect { id, stream, to, from_port, to_port, rings } => {
                assert!(self.identities.get(&id).is_some_and(|identity| identity.open), "a stream of nobody");
                self.lines.push(Line::new(stream, id, to, (from_port, to_port), rings));
            }
            Command::StreamDirty { id, stream } => {
                let line = self.lines.iter_mut().find(|line| line.id == stream).expect("a stream that is known");
                assert_eq!(line.identity, id, "a stream of another destination");
                line.look(border);
            }
            Command::LookupDestination { request, hash, .. } => self.questions.push(Question { request, hash }),
            Command::Status { .. } | Command::LimitTunnels { .. } | Command::Reseed { .. } => {}
        }
    }

    fn tell(&mut self, event: Event) {
        if let Some(desk) = &mut self.desk {
            desk.handle_event(event);
        }
    }

    /// The open destination at this place.
    pub fn open_at(&self, which: u8) -> Option<IdentityId> {
        let mut open = self.identities.iter().filter(|(_, identity)| identity.open);
        let count = open.clone().count();
        open.nth(usize::from(which).checked_rem(count)?).map(|(id, _)| *id)
    }

    /// The line at this place that the engine hasn't ended.
    pub fn live_at(&mut self, which: u8) -> Option<&mut Line> {
        let live: Vec<usize> = (0..self.lines.len()).filter(|at| self.lines[*at].closed.is_none()).collect();
        let at = usize::from(which).checked_rem(live.len())?;
        self.lines.get_mut(live[at])
    }

    /// The peer of a stream sends bytes, which know the stream's place.
    pub fn deliver(&mut self, which: u8, bytes: impl FnOnce(usize) -> Vec<u8>) {
        let live: Vec<usize> = (0..self.lines.len()).filter(|at| self.lines[*at].closed.is_none()).collect();
        if let Some(number) = usize::from(which).checked_rem(live.len()).map(|at| live[at]) {
            self.lines[number].deliver(&bytes(number));
        }
    }

    /// A destination has tunnels.
    pub fn ready(&mut self, which: u8) {
        let Some(id) = self.open_at(which) else { return };
        self.identities.get_mut(&id).unwrap().ready = true;
        self.tell(Event::DestinationReady { id });
    }

    /// The peer answers the stream that was opened.
    pub fn connected(&mut self, which: u8) {
        let Some(line) = self.live_at(which).filter(|line| !line.connected) else { return };
        line.connected = true;
        line.side.set_open();
        let (id, stream) = (line.identity, line.id);
        self.tell(Event::StreamConnected { id, stream });
    }

    /// A peer opens a stream. Gives its place.
    pub fn incoming(&mut self, which: u8, from: &Destination, ports: (u16, u16)) -> Option<usize> {
        let id = self.open_at(which).filter(|id| self.identities[id].accept)?;
        let rings = Arc::new(StreamRings::new());
        let number = self.lines.len();
        let stream = StreamId(INCOMING + number as u64);
        let mut line = Line::new(stream, id, from.hash(), ports, Arc::clone(&rings));
        (line.incoming, line.connected) = (true, true);
        line.side.set_open();
        self.lines.push(line);
        let (from, (from_port, to_port)) = (Box::new(from.clone()), ports);
        self.tell(Event::Incoming { id, stream, from, from_port, to_port, rings });
        Some(number)
    }

    /// The engine ends a stream.
    pub fn close(&mut self, which: u8, how: u8) {
        let reason = REASONS[usize::from(how) % REASONS.len()];
        let Some(line) = self.live_at(which) else { return };
        line.close(reason);
        let (id, stream) = (line.identity, line.id);
        self.tell(Event::StreamClosed { id, stream, reason });
    }

    /// Answers a question.
    pub fn answer(&mut self, which: u8, destination: Option<Destination>) {
        let Some(at) = usize::from(which).checked_rem(self.questions.len()) else { return };
        let question = self.questions.remove(at);
        let destination = destination.filter(|destination| destination.hash() == question.hash).map(Box::new);
        self.tell(Event::LookupResult { request: question.request, destination });
    }

    /// What an engine does by itself after a while: it gives up what nobody answers.
    pub fn give_up(&mut self) {
        for line in self.lines.iter_mut().filter(|line| !line.connected) {
            line.close(CloseReason::ConnectTimeout);
        }
        while !self.questions.is_empty() {
            self.answer(0, None);
        }
    }

    /// Stops the router.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.router.shutdown();
    }

    /// Nothing is left of any stream, and of no destination but those of this name.
    pub fn check_empty(&self, kept: &str) {
        for line in &self.lines {
            let of = &self.identities[&line.identity];
            let gone = line.detached || line.closed.is_some() || self.stopped;
            assert!(gone, "a stream of {} whose handle never went, to a peer: {}", of.name, !line.incoming);
            assert_eq!(Arc::strong_count(&line.side.0), 1, "somebody holds the rings of a stream");
        }
        let left = self.identities.values().find(|identity| identity.open && identity.name != kept);
        assert!(left.is_none() || self.stopped, "a destination stays open: {}", left.map_or("", |left| &left.name));
    }
}

impl Line {
    fn new(id: StreamId, identity: IdentityId, peer: DestinationHash, ports: (u16, u16), rings: Arc<StreamRings>) -> Self {
        Self {
            id,
            identity,
            peer,
            ports,
            incoming: false,
            side: EngineSide(rings),
            connected: false,
            delivered: Vec::new(),
            ended: false,
            closed: None,
            taken: Vec::new(),
            finished: false,
            broken: false,
            detached: false,
            held: false,
        }
    }

    /// Looks at what the handle did.
    fn look(&mut self, border: &mut impl Border) {
        let news = self.side.pull();
        self.detached |= news.detached;
        if self.closed.is_some() {
            return;
        }
        let unread = news.detached && news.unread > 0;
        if news.reset || unread {
            self.broken = true;
            self.close(CloseReason::Aborted);
            return;
        }
        if news.shutdown || news.detached {
            // What is in the ring belongs to what was finished.
            self.take(border);
            self.finished = true;
        }
        if self.detached {
            self.close(CloseReason::Finished);
        }
    }

    fn take(&mut self, border: &mut impl Border) -> bool {
        let mut bytes = Vec::new();
        self.side.take(usize::MAX, &mut bytes);
        let moved = !bytes.is_empty();
        self.taken.extend(border.to_peer(bytes));
        moved
    }

    /// The engine is done with it.
    pub fn close(&mut self, reason: CloseReason) {
        if self.closed.is_none() {
            self.closed = Some(reason);
            self.side.set_closed(reason);
        }
    }

    /// The peer sends bytes. It waits where they don't fit.
    pub fn deliver(&mut self, bytes: &[u8]) {
        if self.closed.is_none() && !self.ended && self.connected && self.side.deliver(bytes) {
            self.delivered.extend_from_slice(bytes);
        }
    }

    /// The peer sends no more.
    pub fn end(&mut self) {
        if self.closed.is_none() && self.connected {
            self.ended = true;
            self.side.set_end_of_data();
        }
    }
}
