//! What uses the routers: sites that serve pages of any size, and visitors that fetch and check them.

mod body;
mod page;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ramson_engine::{Command, DestinationConfig, Event, IdentityId, StreamId, StreamRings};
use ramson_wire::{DestinationHash, DestinationKeys, Tick};

use crate::node::User;
use crate::tamper::Tamper;
use body::{Checked, Sent};
use page::{Ask, Page};

/// A request's head is shorter.
const MAX_REQUEST: usize = 1_024;
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// The local destination that fetches.
    pub id: IdentityId,
    /// From where.
    pub to: DestinationHash,
    /// Told with the result. No other wish of the run has it: what is sent depends on it.
    pub tag: u64,
    /// Bytes of the page.
    pub size: u64,
    /// Bytes that are sent with the request.
    pub upload: u64,
    /// How long the visitor waits for all of it.
    pub patience: Duration,
}

/// A page that came, or didn't.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Of the wish.
    pub tag: u64,
    /// Asked for.
    pub started: Tick,
    /// The end.
    pub ended: Tick,
    /// Bytes asked for.
    pub size: u64,
    /// What went wrong.
    pub failure: Option<Failure>,
}

/// Why a page didn't come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The stream ended, or time did.
    Lost(String),
    /// Other bytes came than were sent, or the end of the stream before all of them. Nothing excuses that.
    Altered(String),
}

/// The applications of one router. They outlive its crashes: what was open is opened again.
#[derive(Default)]
pub struct Load {
    /// To be opened again when the router starts again.
    kept: BTreeMap<IdentityId, (Box<DestinationKeys>, DestinationConfig)>,
    wishes: Vec<Wish>,
    commands: Vec<Command>,
    serving: BTreeMap<StreamId, Serving>,
    fetching: BTreeMap<StreamId, Fetching>,
    streams: u64,
    fetched: Vec<Fetched>,
    delivered: u64,
}

struct Serving {
    id: IdentityId,
    rings: Arc<StreamRings>,
    request: Vec<u8>,
    /// What comes with the request, and what it asks for; once that is known.
    answer: Option<(Ask, Checked, Sent)>,
}

struct Fetching {
    wish: Wish,
    rings: Arc<StreamRings>,
    started: Tick,
    /// The request, then what is sent with it.
    sent: Sent,
    page: Checked,
}

impl Load {
    /// Opens a destination.
    pub fn open(&mut self, id: IdentityId, keys: DestinationKeys, config: DestinationConfig) {
        self.kept.insert(id, (Box::new(keys), config.clone()));
        self.commands.extend(self.command_to_open(id));
    }

    fn command_to_open(&self, id: IdentityId) -> Option<Command> {
        let (keys, config) = self.kept.get(&id)?;
        let keys = Box::new(DestinationKeys::from_bytes(&keys.to_bytes()).ok()?);
        Some(Command::OpenDestination { id, name: "load".to_owned(), keys, config: config.clone() })
    }

    /// Closes a destination.
    pub fn close(&mut self, id: IdentityId) {
        if self.kept.remove(&id).is_some() {
            self.commands.push(Command::CloseDestination { id });
        }
    }

    /// Fetches a page at the next poll.
    pub fn fetch(&mut self, wish: Wish) {
        self.wishes.push(wish);
    }

    /// What was fetched since the last call.
    pub fn take_fetched(&mut self) -> Vec<Fetched> {
        std::mem::take(&mut self.fetched)
    }

    /// Bytes of pages that arrived.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Streams under way.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.serving.len() + self.fetching.len()
    }

    fn begin(&mut self, now: Tick, wish: Wish) {
        self.streams += 1;
        let stream = StreamId(self.streams);
        let rings = Arc::new(StreamRings::new());
        let ask = Ask { number: wish.tag, size: wish.size, upload: wish.upload };
        let mut sent = Sent::new(ask.to_bytes(), ask.uploaded());
        // What is written before the connect rides in the first packet. A stream that is new takes it.
        let _ = sent.step(&rings);
        let fetching =
            Fetching { wish, rings: Arc::clone(&rings), started: now, sent, page: Checked::new(Page::new(wish.tag, wish.size)) };
        self.fetching.insert(stream, fetching);
        self.commands.push(Command::Connect { id: wish.id, stream, to: wish.to, from_port: 0, to_port: 80, rings });
    }

    fn serve(&mut self, now: Tick, tamper: &mut dyn Tamper) {
        let Self { commands, serving, fetched, .. } = self;
        serving.retain(|stream, serving| {
            let end = serving.step(tamper);
            end_if(end.is_some(), serving.id, *stream, &serving.rings, commands);
            if let Some(Some((ask, what))) = &end {
                let failure = Some(Failure::Altered(format!("sent with a request: {what}")));
                fetched.push(Fetched { tag: ask.number, started: now, ended: now, size: ask.size, failure });
            }
            end.is_none()
        });
    }

    fn receive(&mut self, now: Tick, tamper: &mut dyn Tamper) {
        let Self { commands, fetching, fetched, delivered, .. } = self;
        fetching.retain(|stream, fetching| {
            let end = match fetching.step(delivered, tamper) {
                None if now.saturating_since(fetching.started) > fetching.wish.patience => Some(Some(fetching.too_late())),
                end => end,
            };
            end_if(end.is_some(), fetching.wish.id, *stream, &fetching.rings, commands);
            let Some(failure) = end else { return true };
            let Fetching { started, wish: Wish { tag, size, .. }, .. } = *fetching;
            fetched.push(Fetched { tag, started, ended: now, size, failure });
            false
        });
    }
}

/// Lets go of a stream at its end, and has the engine look at it if it must.
fn end_if(done: bool, id: IdentityId, stream: StreamId, rings: &StreamRings, commands: &mut Vec<Command>) {
    if done {
        rings.shutdown();
        rings.detach();
    }
    if rings.take_notify() {
        commands.push(Command::StreamDirty { id, stream });
    }
}

impl User for Load {
    fn started(&mut self, now: Tick) -> Vec<Command> {
        self.commands.clear();
        self.serving.clear();
        for (_, fetching) in std::mem::take(&mut self.fetching) {
            let Fetching { started, wish: Wish { tag, size, .. }, .. } = fetching;
            let failure = Some(Failure::Lost("the visitor's own router was down".to_owned()));
            self.fetched.push(Fetched { tag, started, ended: now, size, failure });
        }
        self.kept.keys().filter_map(|id| self.command_to_open(*id)).collect()
    }

    fn handle_event(&mut self, _now: Tick, event: Event) {
        if let Event::Incoming { id, stream, rings, .. } = event {
            self.serving.insert(stream, Serving { id, rings, request: Vec::new(), answer: None });
        }
    }

    fn poll(&mut self, now: Tick, tamper: &mut dyn Tamper) -> Vec<Command> {
        for wish in std::mem::take(&mut self.wishes) {
            self.begin(now, wish);
        }
        self.serve(now, tamper);
        self.receive(now, tamper);
        std::mem::take(&mut self.commands)
    }

    fn deadline(&self) -> Option<Tick> {
        self.fetching.values().map(|fetching| fetching.started + fetching.wish.patience + Duration::from_nanos(1)).min()
    }
}

impl Serving {
    /// At the end: nothing, or what was asked for and how what came with it was altered.
    fn step(&mut self, tamper: &mut dyn Tamper) -> Option<Option<(Ask, String)>> {
        if self.answer.is_none() {
            let mut buffer = [0; MAX_REQUEST];
            let came = match self.rings.try_read(&mut buffer) {
                Poll::Ready(Ok(count)) if count > 0 && self.request.len() < MAX_REQUEST => buffer.get(..count)?,
                Poll::Ready(_) => return Some(None),
                Poll::Pending => return None,
            };
            let mut came = came.to_vec();
            tamper.read(&mut came);
            self.request.append(&mut came);
            let end = self.request.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD)?;
            let body = self.request.split_off(end + END_OF_HEAD.len());
            let Some(ask) = Ask::from_bytes(&self.request) else { return Some(None) };
            let mut uploaded = Checked::new(ask.uploaded());
            if !uploaded.take(&body) {
                return Some(Some((ask, uploaded.altered())));
            }
            let page = Sent::new(Vec::new(), Page::new(ask.number, ask.size));
            self.answer = Some((ask, uploaded, page));
        }
        let (ask, uploaded, page) = self.answer.as_mut()?;
        while uploaded.left() > 0 {
            match uploaded.step(&self.rings, tamper) {
                Poll::Ready(Ok(0)) => return Some(Some((*ask, format!("ended with {} bytes to come", uploaded.left())))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(Failure::Altered(what))) => return Some(Some((*ask, what))),
                Poll::Ready(Err(Failure::Lost(_))) => return Some(None),
                Poll::Pending => return None,
            }
        }
        match page.step(&self.rings) {
            Poll::Ready(_) => Some(None),
            Poll::Pending => None,
        }
    }
}

impl Fetching {
    /// At the end: what went wrong, or nothing.
    fn step(&mut self, delivered: &mut u64, tamper: &mut dyn Tamper) -> Option<Option<Failure>> {
        if let Poll::Ready(Err(reason)) = self.sent.step(&self.rings) {
            return Some(Some(Failure::Lost(format!("writing: {reason}"))));
        }
        loop {
            match self.page.step(&self.rings, tamper) {
                Poll::Ready(Ok(0)) if self.page.left() == 0 => return Some(None),
                Poll::Ready(Ok(0)) => {
                    return Some(Some(Failure::Altered(format!("ended with {} bytes to come", self.page.left()))));
                }
                Poll::Ready(Ok(count)) => *delivered += count,
                Poll::Ready(Err(failure)) => return Some(Some(failure)),
                Poll::Pending => return None,
            }
        }
    }

    fn too_late(&self) -> Failure {
        self.rings.reset();
        Failure::Lost(format!("{:?} with {} of {} bytes to come", self.rings.status(), self.page.left(), self.wish.size))
    }
}
