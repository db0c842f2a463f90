//! Bodies, carried by their framing.

use ramson_proxy::fuzz::{Body, Carried, Request, carry};

use crate::piece;
use crate::strict::chunks;

/// Target: bodies. The first byte says how one ends, or that a request's head tells; the second in what pieces it comes.
pub fn body(data: &[u8]) {
    body_with(data, carry);
}

/// The target with another carrier.
pub fn body_with(data: &[u8], carry: impl Fn(Body, &[u8], usize) -> Carried) {
    let [kind, choice, data @ ..] = data else { return };
    let piece = piece(*choice, data.len());
    let (body, data) = match kind % 3 {
        0 => (Body::Chunked, data),
        1 => {
            let [high, low, data @ ..] = data else { return };
            (Body::Length(u64::from(u16::from_be_bytes([*high, *low]))), data)
        }
        _ => {
            let Some(read) = Request::read(data, piece) else { return };
            let Some(body) = read.head.body() else { return };
            (body, &data[read.taken - read.beyond.len()..])
        }
    };
    let carried = carry(body, data, piece);
    assert!(!carried.whole || data.ends_with(&carried.left), "what is behind a body is another's");
    let used = &data[..data.len() - carried.left.len()];
    match body {
        Body::Length(length) => {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            assert_eq!(carried.whole, length <= data.len());
            assert_eq!(carried.written, &data[..length.min(data.len())]);
            assert!(!carried.whole || used.len() == length, "more is taken than a body has");
        }
        Body::Chunked => {
            assert!(carried.written.len() <= 2 * data.len() + 5);
            let sent = chunks(&carried.written);
            assert_eq!(sent.finished, carried.whole);
            if carried.whole {
                assert_eq!(Some(sent.body), lenient(used), "other bytes than came");
            }
        }
    }
}

/// The bytes of a body in chunks, by what the standard allows: short ends of lines, words beside a size, trailers. Nothing
/// if anything is left behind them.
fn lenient(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = line(&mut bytes)?;
        let size = line.split(';').next()?.trim_ascii();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = &bytes[size..];
        line_is_empty(&mut bytes)?;
    }
    while line_is_empty(&mut bytes).is_none() {
        line(&mut bytes)?;
    }
    bytes.is_empty().then_some(body)
}

fn line(bytes: &mut &[u8]) -> Option<String> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = String::from_utf8_lossy(&bytes[..end]).into_owned();
    *bytes = &bytes[end + 1..];
    Some(line)
}

/// Takes a line away if nothing is in it.
fn line_is_empty(bytes: &mut &[u8]) -> Option<()> {
    let mut rest = *bytes;
    line(&mut rest).filter(|line| line.trim_ascii().is_empty())?;
    *bytes = rest;
    Some(())
}
