//! What uses the routers: a site that serves pages, and a visitor that fetches and checks them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ramson_crypto::rng::SeededRng;
use ramson_crypto::{Rng, sha256};
use ramson_engine::{Command, IdentityId, Status, StreamId, StreamRings};
use ramson_wire::{DestinationHash, Tick};

/// How long a visitor waits for the whole page.
const PATIENCE: Duration = Duration::from_secs(60);
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// A page that came, or didn't.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) started: Tick,
    pub(crate) ended: Tick,
    /// What went wrong.
    pub(crate) failure: Option<String>,
}

/// The services of one router.
#[derive(Default)]
pub(crate) struct Services {
    serving: BTreeMap<StreamId, Serving>,
    fetching: BTreeMap<StreamId, Fetching>,
    streams: u64,
    pub(crate) visits: Vec<Visit>,
    pub(crate) status: Option<Box<Status>>,
}

struct Serving {
    id: IdentityId,
    rings: Arc<StreamRings>,
    request: Vec<u8>,
    answer: Vec<u8>,
    sent: usize,
}

struct Fetching {
    id: IdentityId,
    rings: Arc<StreamRings>,
    started: Tick,
    request: Vec<u8>,
    sent: usize,
    expected: Vec<u8>,
    came: Vec<u8>,
}

/// The page of a number: a head and as many bytes as asked for.
fn page(number: u64, size: usize) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    let head = answer.len();
    answer.resize(head + size, 0);
    SeededRng::new(sha256(&number.to_be_bytes())).fill_bytes(&mut answer[head..]);
    answer
}

impl Services {
    /// Whether anything is under way.
    pub(crate) fn busy(&self) -> bool {
        !self.fetching.is_empty()
    }

    /// A peer opened a stream to a site.
    pub(crate) fn accept(&mut self, id: IdentityId, stream: StreamId, rings: Arc<StreamRings>) {
        self.serving.insert(stream, Serving { id, rings, request: Vec::new(), answer: Vec::new(), sent: 0 });
    }

    /// Begins to fetch a page.
    pub(crate) fn fetch(&mut self, now: Tick, id: IdentityId, to: DestinationHash, number: u64, size: usize) -> Command {
        self.streams += 1;
        let stream = StreamId(self.streams);
        let rings = Arc::new(StreamRings::new());
        let request = format!("GET /{number}/{size} HTTP/1.1\r\nHost: site.i2p\r\n\r\n").into_bytes();
        let mut fetching = Fetching {
            id,
            rings: Arc::clone(&rings),
            started: now,
            request,
            sent: 0,
            expected: page(number, size),
            came: Vec::new(),
        };
        // What is written before the connect rides in the first packet.
        send(&fetching.rings, &fetching.request, &mut fetching.sent).expect("a new stream takes bytes");
        self.fetching.insert(stream, fetching);
        Command::Connect { id, stream, to, from_port: 0, to_port: 80, rings }
    }

    /// Reads and writes what is possible; returns what the engine has to be told.
    pub(crate) fn poll(&mut self, now: Tick) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut tell = |id, stream, rings: &StreamRings| {
            if rings.take_notify() {
                commands.push(Command::StreamDirty { id, stream });
            }
        };
        self.serving.retain(|stream, serving| {
            let done = serving.step().unwrap_or(true);
            if done {
                serving.rings.shutdown();
                serving.rings.detach();
            }
            tell(serving.id, *stream, &serving.rings);
            !done
        });
        let visits = &mut self.visits;
        self.fetching.retain(|stream, fetching| {
            let failure = match fetching.step() {
                _ if now.saturating_since(fetching.started) > PATIENCE => Some(fetching.too_late()),
                Ok(false) => {
                    tell(fetching.id, *stream, &fetching.rings);
                    return true;
                }
                Ok(true) if fetching.came == fetching.expected => None,
                Ok(true) => Some(format!("{} bytes of another page", fetching.came.len())),
                Err(failure) => Some(failure),
            };
            visits.push(Visit { started: fetching.started, ended: now, failure });
            fetching.rings.shutdown();
            fetching.rings.detach();
            tell(fetching.id, *stream, &fetching.rings);
            false
        });
        commands
    }
}

impl Serving {
    /// True at the end.
    fn step(&mut self) -> Result<bool, String> {
        if self.answer.is_empty() {
            receive(&self.rings, &mut self.request)?;
            if !self.request.ends_with(END_OF_HEAD) {
                return Ok(false);
            }
            let text = String::from_utf8_lossy(&self.request).into_owned();
            let mut parts = text.split(['/', ' ']).skip(2);
            let number = parts.next().and_then(|part| part.parse().ok()).ok_or("no number")?;
            let size = parts.next().and_then(|part| part.parse().ok()).ok_or("no size")?;
            self.answer = page(number, size);
        }
        send(&self.rings, &self.answer, &mut self.sent)?;
        Ok(self.sent == self.answer.len())
    }
}

impl Fetching {
    fn step(&mut self) -> Result<bool, String> {
        send(&self.rings, &self.request, &mut self.sent)?;
        receive(&self.rings, &mut self.came)
    }

    fn too_late(&self) -> String {
        self.rings.reset();
        format!("{:?} with {} of {} bytes when patience ended", self.rings.status(), self.came.len(), self.expected.len())
    }
}

fn send(rings: &StreamRings, bytes: &[u8], sent: &mut usize) -> Result<(), String> {
    while *sent < bytes.len() {
        match rings.try_write(&bytes[*sent..]) {
            Poll::Ready(Ok(count)) => *sent += count,
            Poll::Ready(Err(reason)) => return Err(format!("writing: {reason}")),
            Poll::Pending => break,
        }
    }
    Ok(())
}

/// True at the end of the peer's data.
fn receive(rings: &StreamRings, into: &mut Vec<u8>) -> Result<bool, String> {
    let mut buffer = [0; 4096];
    loop {
        match rings.try_read(&mut buffer) {
            Poll::Ready(Ok(0)) => return Ok(true),
            Poll::Ready(Ok(count)) => into.extend_from_slice(&buffer[..count]),
            Poll::Ready(Err(reason)) => return Err(format!("reading: {reason}")),
            Poll::Pending => return Ok(false),
        }
    }
}
