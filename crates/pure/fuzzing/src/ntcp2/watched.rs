//! A session under observation: what its owner relies on is asserted after each call.

use std::time::Duration;

use bytes::Bytes;
use ramson_transport::ntcp2::{
    CONTROL_LIMIT_BYTES, CloseReason, Context, Event, OWN_LIMIT_BYTES, ReplayCache, Session, TRANSIT_LIMIT_BYTES,
};
use ramson_wire::{I2npMessage, Now, RouterHash, Tick};

/// What stands between a session and its owner. The sound one changes nothing; tests plant faults here.
pub trait Border {
    /// An event on its way out.
    fn event(&mut self, event: Event) -> Option<Event> {
        Some(event)
    }

    /// When to call again.
    fn deadline(&mut self, deadline: Option<Tick>) -> Option<Tick> {
        deadline
    }

    /// Whether first messages are remembered.
    fn remembers(&self) -> bool {
        true
    }
}

/// Nothing is changed.
pub struct Sound;

impl Border for Sound {}

/// See the module.
pub struct Watched<'a, B> {
    session: Session,
    border: &'a mut B,
    replay: &'a mut ReplayCache,
    router_info: Bytes,
    /// The time.
    pub now: Now,
    /// What it wrote and nobody took yet.
    pub written: Vec<u8>,
    /// Who it says the peer is.
    pub established: Option<RouterHash>,
    /// Why it ended.
    pub closed: Option<CloseReason>,
    /// Messages that came out.
    pub messages: Vec<I2npMessage>,
}

impl<'a, B: Border> Watched<'a, B> {
    /// Watches a session from its start.
    pub fn new(now: Now, session: Session, router_info: &Bytes, replay: &'a mut ReplayCache, border: &'a mut B) -> Self {
        let router_info = router_info.clone();
        let (written, messages) = (Vec::new(), Vec::new());
        let mut watched = Self { session, border, replay, router_info, now, written, established: None, closed: None, messages };
        watched.settle();
        watched
    }

    /// Bytes come.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if !self.border.remembers() {
            *self.replay = ReplayCache::new();
        }
        let mut context = Context { replay: self.replay, router_info: &self.router_info };
        self.session.handle_bytes(self.now, bytes, &mut context);
        self.settle();
    }

    /// Bytes come in pieces of this length.
    pub fn pieces(&mut self, bytes: &[u8], len: usize) {
        bytes.chunks(len.max(1)).for_each(|piece| self.bytes(piece));
    }

    /// The stream ends.
    pub fn eof(&mut self) {
        self.session.handle_eof(self.now);
        self.settle();
        assert!(self.closed.is_some(), "nothing comes any more, and the session goes on");
    }

    /// Something else is done with the session.
    pub fn call(&mut self, call: impl FnOnce(&mut Session, Now)) {
        call(&mut self.session, self.now);
        self.settle();
    }

    /// Time passes, with what is due in it.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now.tick + time;
        for calls in 0.. {
            assert!(calls < 20, "the session is due again and again");
            let Some(due) = self.border.deadline(self.session.deadline()).filter(|due| *due <= end) else {
                break;
            };
            self.go(due);
            self.session.handle_timeout(self.now);
            self.settle();
        }
        self.go(end);
        let overdue = self.session.deadline().is_some_and(|due| due < end);
        assert!(!overdue, "what was due wasn't done");
    }

    fn go(&mut self, to: Tick) {
        let passed = to.saturating_since(self.now.tick);
        self.now = Now { tick: self.now.tick.max(to), date: self.now.date + passed };
    }

    fn settle(&mut self) {
        for rounds in 0.. {
            assert!(rounds < 1000, "it never stops to write");
            self.events();
            if !self.session.wants_write() {
                break;
            }
            let before = self.written.len();
            self.session.write_into(self.now, &mut self.written, before + 4000);
            let wrote = self.written.len() - before;
            self.events();
            assert!(wrote <= 4000 + 65_537 + 100, "{wrote} bytes at once");
            assert!(wrote > 0 || self.closed.is_some() || !self.session.wants_write(), "it wants to write and doesn't");
        }
        let queued = self.session.queued();
        assert!(queued.control.bytes <= CONTROL_LIMIT_BYTES + 70_000, "control queue");
        assert!(queued.own.bytes <= OWN_LIMIT_BYTES, "own queue");
        assert!(queued.transit.bytes <= TRANSIT_LIMIT_BYTES, "transit queue");
        assert_eq!(self.session.deadline().is_none(), self.closed.is_some(), "a living session has a deadline");
    }

    fn events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            let Some(event) = self.border.event(event) else { continue };
            assert!(self.closed.is_none(), "an event after the end");
            match event {
                Event::Established { peer, clock_skew_secs, .. } => {
                    assert!(self.established.replace(peer).is_none(), "established twice");
                    assert!(clock_skew_secs.abs() <= 60, "clocks too far apart");
                }
                Event::Message(message) => {
                    assert!(self.established.is_some(), "a message of nobody");
                    self.messages.push(message);
                }
                Event::RouterInfo { info, .. } => {
                    assert!(self.established.is_some(), "a RouterInfo of nobody");
                    let parsed = ramson_wire::Unverified::<ramson_wire::RouterInfo>::parse(info.bytes().clone());
                    assert!(parsed.is_ok_and(|parsed| parsed.verify().is_ok()), "a RouterInfo that isn't signed");
                }
                Event::Closed(reason) => self.closed = Some(reason),
                _ => {}
            }
        }
    }
}
