//! A door for the fuzz targets: parsers and filters of heads, and what carries bodies, over bytes in memory. Behind the
//! feature `fuzzing`.
#![allow(clippy::expect_used, reason = "part of a harness, which fails by a panic")]

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use ramson_router::{NameError, Names};
use ramson_wire::Destination;
use tokio::io::{AsyncRead, AsyncWrite, BufReader, ReadBuf};

use crate::body::Framing;
use crate::head::{HeadError, RequestHead, ResponseHead, read_request, read_response};
use crate::headers;
use crate::relay::{self, RelayError};
use crate::url::Url;

/// The longest head.
pub const MAX_HEAD: usize = crate::head::MAX_HEAD;
/// The longest line of one, its end left out.
pub const MAX_LINE: usize = crate::head::MAX_LINE;
/// Most fields of one.
pub const MAX_FIELDS: usize = crate::head::MAX_FIELDS;

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// After so many bytes.
    Length(u64),
    /// After a chunk without bytes.
    Chunked,
}

/// A read head, and how many bytes were taken from the reader for it.
#[derive(Debug)]
pub struct Read<H> {
    /// The head.
    pub head: H,
    /// What was read beyond it.
    pub beyond: Vec<u8>,
    /// Bytes taken.
    pub taken: usize,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request(RequestHead);

/// The head of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response(ResponseHead);

impl Request {
    /// Reads one that comes in pieces of so many bytes.
    #[must_use]
    pub fn read(data: &[u8], piece: usize) -> Option<Read<Self>> {
        let mut pipe = Pipe::new(data, piece);
        let (head, beyond) = block_on(read_request(&mut pipe)).ok()?;
        Some(Read { head: Self(head), beyond, taken: pipe.taken })
    }

    /// As it is sent on.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// How its body ends, if that is clear.
    #[must_use]
    pub fn body(&self) -> Option<Body> {
        Framing::of(&self.0.fields).ok().map(Body::from)
    }

    /// It asks for another protocol.
    #[must_use]
    pub fn wants_upgrade(&self) -> bool {
        headers::wants_upgrade(&self.0.fields)
    }

    /// Made fit for the site that it names, if that can be the name of one. Gives the Host and the path.
    pub fn towards_site(&mut self) -> Option<(String, String)> {
        let url = Url::of(&self.0).ok()?;
        // Names that an address book would have to know count as known.
        let found = Names::default().resolve(&url.host);
        found.map(drop).or_else(|error| if error == NameError::Unknown { Ok(()) } else { Err(error) }).ok()?;
        headers::towards_site(&mut self.0, &url.authority, &url.path);
        Some((url.authority, url.path))
    }

    /// Made fit for a local server.
    pub fn towards_server(&mut self, from: &Destination) {
        headers::towards_server(&mut self.0, from);
    }
}

impl Response {
    /// Reads one that comes in pieces of so many bytes.
    #[must_use]
    pub fn read(data: &[u8], piece: usize) -> Option<Read<Self>> {
        let mut pipe = Pipe::new(data, piece);
        let (head, beyond) = block_on(read_response(&mut pipe)).ok()?;
        Some(Read { head: Self(head), beyond, taken: pipe.taken })
    }

    /// As it is sent on.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Number of the status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// How its body ends; nothing: with the connection.
    #[must_use]
    pub fn body(&self, head_only: bool) -> Option<Body> {
        relay::answer_framing(&self.0, head_only).map(Body::from)
    }

    /// Made fit for the browser.
    pub fn towards_browser(&mut self) {
        headers::towards_browser(&mut self.0);
    }

    /// A local server's, made fit for strangers.
    pub fn from_server(&mut self) {
        headers::from_server(&mut self.0);
    }
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked,
        }
    }
}

impl From<Body> for Framing {
    fn from(body: Body) -> Self {
        match body {
            Body::Length(length) => Self::Length(length),
            Body::Chunked => Self::Chunked,
        }
    }
}

/// A body that was carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// To its end.
    pub whole: bool,
    /// What was written.
    pub written: Vec<u8>,
    /// What was left for others, if it is whole.
    pub left: Vec<u8>,
}

/// Carries one body.
#[must_use]
pub fn carry(body: Body, data: &[u8], piece: usize) -> Carried {
    let mut written = Vec::new();
    let mut from = BufReader::new(Pipe::new(data, piece));
    let whole = block_on(Framing::from(body).copy(&mut from, &mut written)).is_ok();
    let mut left = from.buffer().to_vec();
    left.extend_from_slice(from.get_ref().data);
    Carried { whole, written, left }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Well.
    Whole,
    /// No final answer came.
    NoAnswer,
    /// In the midst of the answer.
    Broken,
}

/// An exchange that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchanged {
    /// How it ended.
    pub end: End,
    /// What reached the asker.
    pub got: Vec<u8>,
    /// What reached the answerer.
    pub sent: Vec<u8>,
}

/// What is asked in an exchange.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The head, as it is sent on.
    pub head: &'a [u8],
    /// What follows it.
    pub rest: &'a [u8],
    /// How its body ends.
    pub body: Body,
    /// The answer has no body.
    pub head_only: bool,
    /// It asks for another protocol.
    pub upgrade: bool,
    /// By a browser, not by a stranger of a local server.
    pub by_browser: bool,
}

/// Carries a request and its answer.
#[must_use]
pub fn exchange(question: Question<'_>, answer: &[u8], piece: usize) -> Exchanged {
    let (beyond, later) = question.rest.split_at(question.rest.len() / 2);
    let (mut asker, mut answerer) = (Pipe::new(later, piece), Pipe::new(answer, piece));
    let request = relay::Request {
        head: question.head.to_vec(),
        beyond: beyond.to_vec(),
        framing: question.body.into(),
        head_only: question.head_only,
        upgrade: question.upgrade,
    };
    let rewrite = if question.by_browser { headers::towards_browser } else { headers::from_server };
    let end = match block_on(relay::exchange(&mut asker, &mut answerer, request, rewrite)) {
        Ok(()) => End::Whole,
        Err(RelayError::NoAnswer(HeadError::Io(_)) | RelayError::Broken) => End::Broken,
        Err(RelayError::NoAnswer(_)) => End::NoAnswer,
    };
    Exchanged { end, got: asker.written, sent: answerer.written }
}

/// Bytes that come in pieces, and those written.
struct Pipe<'a> {
    data: &'a [u8],
    piece: usize,
    taken: usize,
    written: Vec<u8>,
}

impl<'a> Pipe<'a> {
    fn new(data: &'a [u8], piece: usize) -> Self {
        Self { data, piece: piece.max(1), taken: 0, written: Vec::new() }
    }
}

impl AsyncRead for Pipe<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let len = self.piece.min(buf.remaining()).min(self.data.len());
        let (piece, rest) = self.data.split_at(len);
        buf.put_slice(piece);
        self.data = rest;
        self.taken += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without sockets");
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    if tokio::runtime::Handle::try_current().is_err() {
        return RUNTIME.with(|runtime| runtime.block_on(work));
    }
    // Within a harness that has a runtime of its own.
    let mut work = pin!(tokio::task::unconstrained(work));
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("bytes in memory never wait"),
    }
}
