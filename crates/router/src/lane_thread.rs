//! The driver of the lane: one thread around a readiness loop. It reads, feeds, drains and writes;
//! every decision about the protocol is the lane's.
//!
//! One turn: wait; accept; read what is ready, bounded per socket; hand over commands; let the lane transform
//! the turn's batch; write each socket that has something; send the turn's events to the engine in one batch.

mod sockets;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use ramson_lane::{ConnId, Lane, LaneCommand, LaneEvent, LaneOutput};
use ramson_wire::Tick;

use crate::clock::Clock;
use crate::mailbox::{CloseOnDrop, Mailbox};
use crate::routes::ToEngine;
use sockets::{Socket, connect, flush, is_of_one_connection};

/// Bytes read from one socket in one turn, so that none starves the others.
const READ_PER_TURN: usize = 64 * 1024;
/// Bytes read from all sockets in one turn, so that what waits to be sent, and the engine, don't wait for long.
const READ_OF_ALL_PER_TURN: usize = 1024 * 1024;
/// Sealed bytes that wait for a socket: what is behind them stays unsealed and can still be reordered.
const UNSENT_TAIL: usize = 64 * 1024;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// What may wait for the engine before the lane stops reading: some milliseconds of its work, in messages and kilobytes.
const ENGINE_BACKLOG: usize = 4096;
/// How soon a paused lane looks whether the engine caught up.
const PAUSE: Duration = Duration::from_millis(2);
/// How long no connection is taken after the system refused one, as when descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// How long a socket that the lane is done with may take to send its last bytes.
const LINGER: Duration = Duration::from_secs(2);

const WAKER: Token = Token(0);
const FIRST_LISTENER: usize = 1;
const FIRST_CONN: usize = 64;

/// What other threads tell the lane's thread.
#[derive(Debug)]
pub(crate) enum ToLane {
    /// For the lane.
    Command(LaneCommand),
    /// End the thread.
    Stop,
}

/// The sending end towards the lane.
#[derive(Clone)]
pub(crate) struct LaneHandle {
    mailbox: Arc<Mailbox<ToLane>>,
    waker: Arc<Waker>,
}

impl LaneHandle {
    /// Sends a batch with one wake-up.
    pub(crate) fn send_all(&self, batch: &mut Vec<ToLane>) {
        if self.mailbox.send_all(batch)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the lane's thread cannot be woken");
        }
    }
}

/// The readiness loop and all sockets.
pub(crate) struct LaneThread {
    lane: Lane,
    clock: Clock,
    poll: Poll,
    /// A wake-up sent with the last handle is lost if the waker goes with it.
    _waker: Arc<Waker>,
    mailbox: Arc<Mailbox<ToLane>>,
    engine: Arc<Mailbox<ToEngine>>,
    listeners: Vec<TcpListener>,
    binds: Vec<IpAddr>,
    sockets: BTreeMap<ConnId, Socket>,
    /// Listeners with waiting connections: readiness is told once, accepting is bounded.
    acceptable: BTreeSet<usize>,
    /// No connection is taken until then.
    accept_paused: Option<Tick>,
    /// Sockets that the lane is done with, by the time at which they are closed in any case.
    lingering: VecDeque<(Tick, ConnId)>,
    /// Sockets with unread bytes: readiness is told once, reading is bounded.
    readable: BTreeSet<ConnId>,
    /// Where reading goes on, if it didn't come to all of them.
    read_from: ConnId,
    /// Sockets for which the lane has bytes.
    dirty: BTreeSet<ConnId>,
    events: Vec<LaneEvent>,
    deadline: Option<Tick>,
    buffer: Vec<u8>,
}

impl LaneThread {
    pub(crate) fn new(
        lane: Lane,
        clock: Clock,
        mut listeners: Vec<TcpListener>,
        binds: Vec<IpAddr>,
        engine: Arc<Mailbox<ToEngine>>,
    ) -> io::Result<(Self, LaneHandle)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        for (index, listener) in listeners.iter_mut().enumerate() {
            poll.registry().register(listener, Token(FIRST_LISTENER + index), Interest::READABLE)?;
        }
        let mailbox = Arc::new(Mailbox::new());
        let handle = LaneHandle { mailbox: Arc::clone(&mailbox), waker: Arc::clone(&waker) };
        let thread = Self {
            lane,
            clock,
            poll,
            _waker: waker,
            mailbox,
            engine,
            listeners,
            binds,
            sockets: BTreeMap::new(),
            acceptable: BTreeSet::new(),
            accept_paused: None,
            lingering: VecDeque::new(),
            readable: BTreeSet::new(),
            read_from: ConnId(0),
            dirty: BTreeSet::new(),
            events: Vec::new(),
            deadline: None,
            buffer: vec![0; READ_PER_TURN],
        };
        Ok((thread, handle))
    }

    /// Runs until told to stop. The engine ends with it.
    pub(crate) fn run(self) {
        let (mailbox, engine) = (Arc::clone(&self.mailbox), Arc::clone(&self.engine));
        let _stopping = StopEngine(engine);
        let _closing = CloseOnDrop { mailbox: &mailbox, refuse: drop };
        self.work();
    }

    fn work(mut self) {
        let mut ready = Events::with_capacity(1024);
        let mut letters = Vec::new();
        self.drain();
        loop {
            let engine_is_behind = self.engine.weight() > ENGINE_BACKLOG;
            let wait = self.wait_limit(engine_is_behind);
            match self.poll.poll(&mut ready, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "the lane's readiness loop failed");
                    return;
                }
            }
            self.note_readiness(&ready);
            self.accept_all();
            if !engine_is_behind {
                self.read();
            }
            self.mailbox.take(&mut letters);
            let mut stop = false;
            for letter in letters.drain(..) {
                match letter {
                    ToLane::Command(command) => self.lane.handle_command(self.clock.now(), command),
                    ToLane::Stop => stop = true,
                }
            }
            let now = self.clock.now();
            self.lane.handle_timeout(now);
            self.lane.end_turn(now);
            self.drain();
            self.write();
            self.drain();
            if stop {
                return;
            }
            self.end_lingering(now.tick);
            if !self.events.is_empty() {
                let batch = std::mem::take(&mut self.events);
                self.engine.send(ToEngine::Lane(batch));
            }
        }
    }

    fn wait_limit(&self, engine_is_behind: bool) -> Option<Duration> {
        if engine_is_behind {
            return Some(PAUSE);
        }
        let accepting = !self.acceptable.is_empty() && self.accept_paused.is_none();
        let reads = (!self.readable.is_empty()).then(|| self.lane.read_room(self.clock.now()) > 0);
        // What the last drain made dirty waits for no event.
        if accepting || reads == Some(true) || !self.dirty.is_empty() {
            return Some(Duration::ZERO);
        }
        let lingering = self.lingering.front().map(|(until, _)| *until);
        let read_again = reads.map(|_| self.lane.read_again_at());
        let deadline = [self.deadline, lingering, self.accept_paused, read_again].into_iter().flatten().min();
        deadline.map(|deadline| self.clock.until(deadline))
    }

    fn note_readiness(&mut self, ready: &Events) {
        for event in ready {
            let Token(token) = event.token();
            if event.token() == WAKER {
                continue;
            }
            if token < FIRST_CONN {
                self.acceptable.insert(token - FIRST_LISTENER);
                continue;
            }
            let conn = conn_of(token);
            if event.is_writable() {
                self.note_writable(conn);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.readable.insert(conn);
            }
        }
    }

    fn note_writable(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else {
            return;
        };
        socket.writable = true;
        self.dirty.insert(conn);
        if !socket.connecting {
            return;
        }
        let now = self.clock.now();
        match socket.stream.take_error() {
            Ok(None) if socket.stream.peer_addr().is_ok() => {
                socket.connecting = false;
                self.lane.handle_connected(now, conn);
            }
            Ok(None) => socket.writable = false,
            Ok(Some(_)) | Err(_) => {
                self.forget(conn);
                self.lane.handle_connect_failed(now, conn);
            }
        }
    }

    fn accept_all(&mut self) {
        if self.accept_paused.is_some_and(|until| until > self.clock.now().tick) {
            return;
        }
        self.accept_paused = None;
        for listener in std::mem::take(&mut self.acceptable) {
            self.accept(listener);
        }
    }

    fn accept(&mut self, index: usize) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get(index) else {
                return;
            };
            match listener.accept() {
                Ok((stream, remote)) => {
                    if let Some(conn) = self.lane.handle_incoming(self.clock.now(), remote) {
                        self.adopt(conn, stream, false);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_one_connection(&error) => {}
                // Out of descriptors or memory: trying again at once would only burn time.
                Err(error) => {
                    tracing::debug!(%error, "no connection can be accepted");
                    self.accept_paused = Some(self.clock.now().tick + ACCEPT_PAUSE);
                    break;
                }
            }
        }
        self.acceptable.insert(index);
    }

    fn adopt(&mut self, conn: ConnId, mut stream: TcpStream, connecting: bool) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, token_of(conn), interest);
        match registered.and_then(|()| Socket::new(stream, connecting)) {
            Ok(socket) => drop(self.sockets.insert(conn, socket)),
            Err(error) => {
                tracing::debug!(%error, "a socket cannot be used");
                if connecting {
                    self.lane.handle_connect_failed(self.clock.now(), conn);
                } else {
                    self.lane.handle_eof(self.clock.now(), conn);
                }
            }
        }
    }

    /// Reads from each socket once, as far as a turn and the lane's rate allow, and goes on next time where that ended.
    fn read(&mut self) {
        let ready = std::mem::take(&mut self.readable);
        let mut room = self.lane.read_room(self.clock.now()).min(READ_OF_ALL_PER_TURN);
        let from = std::mem::replace(&mut self.read_from, ConnId(0));
        for conn in ready.range(from..).chain(ready.range(..from)).copied() {
            if room == 0 {
                if self.readable.insert(conn) && self.read_from == ConnId(0) {
                    self.read_from = conn;
                }
                continue;
            }
            let Some(socket) = self.sockets.get_mut(&conn) else {
                continue;
            };
            if socket.connecting {
                self.note_writable(conn);
                continue;
            }
            let most = READ_PER_TURN.min(room);
            match socket.read(self.buffer.get_mut(..most).unwrap_or_default()) {
                Ok(None) => {}
                Ok(Some(0)) | Err(_) => {
                    self.forget(conn);
                    self.lane.handle_eof(self.clock.now(), conn);
                }
                Ok(Some(count)) => {
                    room = room.saturating_sub(count);
                    self.readable.insert(conn);
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    self.lane.handle_bytes(self.clock.now(), conn, bytes);
                }
            }
        }
    }

    fn drain(&mut self) {
        loop {
            match self.lane.poll_output() {
                LaneOutput::Dial { conn, remote } => self.dial(conn, remote),
                LaneOutput::Close { conn } => self.close(conn),
                LaneOutput::Writable { conn } => self.take_writable(conn),
                LaneOutput::Event(event) => self.events.push(event),
                LaneOutput::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    /// The lane is done with a connection: it goes when its last bytes are out, or soon in any case.
    fn close(&mut self, conn: ConnId) {
        let Some(socket) = self.sockets.get_mut(&conn) else {
            return;
        };
        if socket.connecting || socket.tail.is_empty() {
            self.forget(conn);
            return;
        }
        socket.closing = true;
        self.dirty.insert(conn);
        self.lingering.push_back((self.clock.now().tick + LINGER, conn));
    }

    fn end_lingering(&mut self, now: Tick) {
        while let Some((until, conn)) = self.lingering.front().copied()
            && until <= now
        {
            self.lingering.pop_front();
            self.forget(conn);
        }
    }

    /// Takes the bytes now: the lane may be done with the connection before the socket has room.
    fn take_writable(&mut self, conn: ConnId) {
        self.dirty.insert(conn);
        if let Some(socket) = self.sockets.get_mut(&conn)
            && socket.tail.is_empty()
        {
            self.lane.write_into(self.clock.now(), conn, &mut socket.tail, UNSENT_TAIL);
        }
    }

    fn dial(&mut self, conn: ConnId, remote: SocketAddr) {
        match connect(&self.binds, remote) {
            Ok(stream) => self.adopt(conn, stream, true),
            Err(error) => {
                tracing::debug!(%error, "dialing failed");
                self.lane.handle_connect_failed(self.clock.now(), conn);
            }
        }
    }

    fn write(&mut self) {
        for conn in std::mem::take(&mut self.dirty) {
            let Some(socket) = self.sockets.get_mut(&conn) else {
                continue;
            };
            if !socket.writable || socket.connecting {
                continue;
            }
            match flush(&self.clock, &mut self.lane, conn, socket) {
                Ok(()) if socket.closing && socket.tail.is_empty() => self.forget(conn),
                Ok(()) => {}
                Err(_) => {
                    self.forget(conn);
                    self.lane.handle_eof(self.clock.now(), conn);
                }
            }
        }
    }

    fn forget(&mut self, conn: ConnId) {
        if let Some(mut socket) = self.sockets.remove(&conn) {
            // Closing the descriptor deregisters it too; an error here changes nothing.
            let _ = self.poll.registry().deregister(&mut socket.stream);
        }
        self.readable.remove(&conn);
        self.dirty.remove(&conn);
    }
}

/// Ends the engine when the lane's thread ends.
struct StopEngine(Arc<Mailbox<ToEngine>>);

impl Drop for StopEngine {
    fn drop(&mut self) {
        self.0.send(ToEngine::Stop);
    }
}

/// Connection ids start at 0 and are never reused; tokens leave room for the waker and the listeners.
fn token_of(conn: ConnId) -> Token {
    Token(usize::try_from(conn.0).unwrap_or(usize::MAX).saturating_add(FIRST_CONN))
}

fn conn_of(token: usize) -> ConnId {
    ConnId(u64::try_from(token - FIRST_CONN).unwrap_or(u64::MAX))
}
