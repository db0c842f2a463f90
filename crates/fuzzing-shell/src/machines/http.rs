//! What may pass of a request and of its answer, by the parts that have targets of their own.

use ramson_proxy::fuzz::{Request, Response, carry};

/// A request on its way.
pub struct Forward {
    /// The most that may reach who answers.
    pub bytes: Vec<u8>,
    /// Of that, the head.
    pub head: usize,
    /// The answer has no body.
    pub head_only: bool,
    /// It asks for another protocol.
    pub upgrade: bool,
}

/// What of these bytes may pass. Nothing, if they begin with no request or the rewriting refuses it.
pub fn forward(asked: &[u8], rewrite: impl FnOnce(&mut Request) -> bool) -> Option<Forward> {
    let mut request = Request::read(asked, usize::MAX)?;
    let rest = &asked[request.taken - request.beyond.len()..];
    let (upgrade, body) = (request.head.wants_upgrade(), request.head.body()?);
    let head_only = request.head.to_bytes().starts_with(b"HEAD ");
    rewrite(&mut request.head).then_some(())?;
    let mut bytes = request.head.to_bytes();
    let head = bytes.len();
    if upgrade {
        bytes.extend_from_slice(rest);
    } else {
        bytes.extend(carry(body, rest, usize::MAX).written);
    }
    Some(Forward { bytes, head, head_only, upgrade })
}

/// An answer on its way.
pub struct Answer {
    /// The most that may reach who asked.
    pub bytes: Vec<u8>,
    /// Of that, heads before the final one: a refusal may follow them.
    pub interim: usize,
    /// All of it is there.
    pub whole: bool,
}

/// What of these bytes may pass; `ended` if no more follow.
pub fn answer(mut said: &[u8], ended: bool, request: &Forward, rewrite: fn(&mut Response)) -> Answer {
    let mut answer = Answer { bytes: Vec::new(), interim: 0, whole: false };
    while let Some(mut read) = Response::read(said, usize::MAX) {
        said = &said[read.taken - read.beyond.len()..];
        let status = read.head.status();
        if (100..200).contains(&status) && status != 101 {
            let head = read.head.to_bytes();
            let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
            answer.bytes.extend([line, b"\r\n\r\n"].concat());
            answer.interim = answer.bytes.len();
            continue;
        }
        let body = read.head.body(request.head_only).filter(|_| !(request.upgrade && status == 101));
        rewrite(&mut read.head);
        answer.bytes.extend(read.head.to_bytes());
        match body {
            Some(body) => {
                let carried = carry(body, said, usize::MAX);
                answer.bytes.extend(carried.written);
                answer.whole = carried.whole;
            }
            None => {
                answer.bytes.extend_from_slice(said);
                answer.whole = ended;
            }
        }
        break;
    }
    answer
}

/// Puts a field into a head that marks it.
pub fn marked(head: &str, number: usize) -> Vec<u8> {
    head.replacen("\r\n\r\n", &format!("\r\nX-Mark: {number}\r\n\r\n"), 1).into_bytes()
}
