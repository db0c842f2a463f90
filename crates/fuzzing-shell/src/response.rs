//! Heads of responses, and whole answers on their way to who asked.

use ramson_proxy::fuzz::{Body, End, Exchanged, Question, Response, carry, exchange};

use crate::piece;
use crate::request::{check_read, fits, no_hop_by_hop};
use crate::strict::{Head, chunks};

/// What the target aims at. Functions, so that a test can put a fault in one of them.
pub struct Parts {
    /// Makes a response fit for the browser.
    pub towards_browser: fn(&mut Response),
    /// Makes a local server's response fit for strangers.
    pub from_server: fn(&mut Response),
    /// Carries a request and its answer.
    pub exchange: fn(Question<'_>, &[u8], usize) -> Exchanged,
}

/// As they are.
pub const PARTS: Parts = Parts { towards_browser: Response::towards_browser, from_server: Response::from_server, exchange };

/// The request that is answered.
const ASKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a.i2p\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
/// Its body, and something behind it that is for nobody.
const REST: &[u8] = b"bodyGET /second HTTP/1.1\r\n\r\n";

/// Target: answers. The first byte says what was asked, the second in what pieces the answer comes.
pub fn response(data: &[u8]) {
    response_with(data, &PARTS);
}

/// The target with some parts replaced.
pub fn response_with(data: &[u8], parts: &Parts) {
    let [flags, choice, data @ ..] = data else { return };
    let piece = piece(*choice, data.len());
    check_head(data, piece, parts);
    let question = Question {
        head: ASKED,
        rest: REST,
        body: Body::Length(4),
        head_only: flags & 1 != 0,
        upgrade: flags & 2 != 0,
        by_browser: flags & 4 != 0,
    };
    check_answer(data, &question, &(parts.exchange)(question, data, piece), parts);
}

fn check_head(data: &[u8], piece: usize, parts: &Parts) {
    let read = Response::read(data, piece);
    let at_once = Response::read(data, usize::MAX);
    assert_eq!(read.as_ref().map(|read| &read.head), at_once.as_ref().map(|read| &read.head), "pieces make a difference");
    let Some(read) = read else { return };
    let written = read.head.to_bytes();
    check_read(&read, data, &written);
    if fits(&written) {
        let again = Response::read(&written, usize::MAX).expect("what was written can be read");
        assert_eq!(again.head, read.head, "another response comes back");
    }
    let original = Head::of(&written);
    for (filter, of_server) in [(parts.towards_browser, false), (parts.from_server, true)] {
        let mut sent = read.head.clone();
        filter(&mut sent);
        let sent = sent.to_bytes();
        let head = Head::of(&sent);
        assert_eq!(head.start, original.start);
        if read.head.status() != 101 {
            assert_eq!(head.all("connection"), [b"close"]);
            assert!(head.all("upgrade").is_empty());
            no_hop_by_hop(&head, &original);
        }
        for (name, _) in &head.fields {
            let tells = ["server", "date", "x-powered-by", "x-runtime", "via"].contains(&name.as_str());
            assert!(!(of_server && tells), "{name} tells about the server");
            assert!(!name.starts_with("proxy-"), "{name} goes beyond its connection");
        }
    }
}

/// Follows an answer through the exchange: what it should have become, by its parts.
fn check_answer(data: &[u8], question: &Question<'_>, exchanged: &Exchanged, parts: &Parts) {
    let Exchanged { end, got, sent } = exchanged;
    let whole = [ASKED, b"body"].concat();
    let (mut rest, mut expected) = (data, Vec::new());
    let last = loop {
        let Some(read) = Response::read(rest, usize::MAX) else { break None };
        rest = &rest[read.taken - read.beyond.len()..];
        if !(100..200).contains(&read.head.status()) || read.head.status() == 101 {
            break Some(read.head);
        }
        let head = read.head.to_bytes();
        expected.extend_from_slice(Head::of(&head).start.as_bytes());
        expected.extend_from_slice(b"\r\n\r\n");
    };
    let Some(mut last) = last else {
        assert_eq!((*end, got), (End::NoAnswer, &expected));
        return;
    };
    let body = last.body(question.head_only);
    let filter = if question.by_browser { parts.towards_browser } else { parts.from_server };
    filter(&mut last);
    expected.extend_from_slice(&last.to_bytes());
    let passed = got.strip_prefix(expected.as_slice()).expect("heads pass, and only they");
    if question.upgrade && last.status() == 101 {
        assert_eq!((*end, passed), (End::Whole, rest), "the other protocol's bytes");
        assert_eq!(*sent, [ASKED, REST].concat());
        return;
    }
    let all = if question.upgrade { ASKED } else { &whole };
    assert!(sent.is_empty() || sent == all, "something behind the request is sent on");
    match body {
        None => assert_eq!((*end, passed), (End::Whole, rest)),
        Some(Body::Length(length)) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            assert_eq!(passed, &rest[..length.min(rest.len())]);
            assert_eq!(*end, if length <= rest.len() { End::Whole } else { End::Broken });
        }
        Some(Body::Chunked) => {
            let carried = carry(Body::Chunked, rest, usize::MAX);
            assert_eq!(passed, carried.written);
            assert_eq!(*end, if carried.whole { End::Whole } else { End::Broken });
            assert_eq!(chunks(passed).finished, carried.whole);
        }
    }
}
