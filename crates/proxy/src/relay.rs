//! One request and its answer between two connections.

use std::io::{self, Cursor};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ramson_router::{copy_both, while_moving};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::body::Framing;
use crate::head::{HeadError, ResponseHead, read_response};

/// How long an asker that has closed its side is still served without a byte to give it.
const GONE_AFTER: Duration = Duration::from_secs(60);
/// After the answer, how long what the asker still sends is read: closing over unread bytes would take the end of the
/// answer from it.
const DRAIN_TIME: Duration = Duration::from_secs(3);
/// How much of it.
const DRAIN_BYTES: u64 = 1 << 20;

/// Bytes of another protocol that are kept until the answer agrees to it.
const MAX_AHEAD: usize = 64 * 1024;

/// A request that is ready to be sent on.
pub(crate) struct Request {
    /// Its rewritten head.
    pub(crate) head: Vec<u8>,
    /// What was read of the body together with the head.
    pub(crate) beyond: Vec<u8>,
    pub(crate) framing: Framing,
    /// The answer to it has no body, whatever its head says.
    pub(crate) head_only: bool,
    /// It asks for another protocol: if the answer agrees, bytes flow freely both ways.
    pub(crate) upgrade: bool,
}

/// An exchange that failed.
#[derive(Debug)]
pub(crate) enum RelayError {
    /// Nothing of an answer has reached the asker: it can still be told why.
    NoAnswer(HeadError),
    /// In the middle of the answer, or the asker went away.
    Broken,
}

impl From<io::Error> for RelayError {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

/// Sends `request` to the answerer and its answer, with the head rewritten, to the asker.
///
/// The answerer's stream is not half-closed after the request: i2pd would drop the answer.
pub(crate) async fn exchange<A, B>(
    asker: &mut A,
    answerer: &mut B,
    request: Request,
    rewrite: fn(&mut ResponseHead),
) -> Result<(), RelayError>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    if request.upgrade {
        return upgrade(asker, answerer, request, rewrite).await;
    }
    let (asker_read, asker_write) = tokio::io::split(asker);
    let (mut answerer_read, mut answerer_write) = tokio::io::split(answerer);
    let moved = AtomicU64::new(0);
    let mut asker_write = Counted { inner: asker_write, moved: &moved };
    let mut body = BufReader::new(Cursor::new(request.beyond).chain(asker_read));
    {
        let up = async {
            let sent = async {
                answerer_write.write_all(&request.head).await?;
                request.framing.copy(&mut body, &mut answerer_write).await?;
                answerer_write.flush().await
            };
            // A failed upload may be the answerer refusing the rest: its answer tells.
            let _ = sent.await;
            asker_end(&mut body).await
        };
        let down = async {
            let answer = answer_head(&mut answerer_read, &mut asker_write, rewrite).await?;
            pass_body(answer, &mut answerer_read, &mut asker_write, request.head_only).await
        };
        while_asked(down, up, &moved).await?;
    }
    // Whether the asker is slow or gone makes no difference any more.
    let _ = tokio::time::timeout(DRAIN_TIME, tokio::io::copy_buf(&mut body.take(DRAIN_BYTES), &mut tokio::io::sink())).await;
    Ok(())
}

/// Passes on what follows the final head.
async fn pass_body(
    answer: Answer,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    head_only: bool,
) -> Result<(), RelayError> {
    let mut body = BufReader::new(Cursor::new(answer.beyond).chain(from));
    match answer_framing(&answer.head, head_only) {
        Some(framing) => framing.copy(&mut body, to).await?,
        None => drop(tokio::io::copy_buf(&mut body, to).await?),
    }
    to.shutdown().await?;
    Ok(())
}

/// Lets `down` go on while the asker stays, and for a while after it has closed.
async fn while_asked<T>(
    down: impl Future<Output = Result<T, RelayError>>,
    asker: impl Future<Output = AskerEnd>,
    moved: &AtomicU64,
) -> Result<T, RelayError> {
    let mut down = pin!(down);
    tokio::select! {
        result = &mut down => result,
        end = asker => match end {
            AskerEnd::Closed => while_moving(down, moved, GONE_AFTER).await.unwrap_or(Err(RelayError::Broken)),
            AskerEnd::Broken => Err(RelayError::Broken),
        },
    }
}

/// How an asker shows that it sends nothing more.
enum AskerEnd {
    /// It may still read.
    Closed,
    Broken,
}

/// Reads over what comes behind a request, which is for nobody, until the end.
async fn asker_end(from: &mut (impl AsyncBufRead + Unpin)) -> AskerEnd {
    match tokio::io::copy_buf(&mut from.take(DRAIN_BYTES), &mut tokio::io::sink()).await {
        Ok(DRAIN_BYTES) => std::future::pending().await,
        Ok(_) => AskerEnd::Closed,
        Err(_) => AskerEnd::Broken,
    }
}

/// How the body of an answer ends; `None`: with the connection (RFC 9112, "Message Body Length").
pub(crate) fn answer_framing(head: &ResponseHead, head_only: bool) -> Option<Framing> {
    if head_only || matches!(head.status, 204 | 304) {
        return Some(Framing::Length(0));
    }
    let framed = head.fields.get("content-length").is_some() || head.fields.get("transfer-encoding").is_some();
    if framed { Framing::of(&head.fields).ok() } else { None }
}

/// A writer that counts.
struct Counted<'a, W> {
    inner: W,
    moved: &'a AtomicU64,
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Counted<'_, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, data);
        if written.is_ready() {
            self.moved.fetch_add(1, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

async fn upgrade<A, B>(
    asker: &mut A,
    answerer: &mut B,
    request: Request,
    rewrite: fn(&mut ResponseHead),
) -> Result<(), RelayError>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    answerer.write_all(&request.head).await.map_err(|error| RelayError::NoAnswer(error.into()))?;
    let moved = AtomicU64::new(0);
    let Request { mut beyond, head_only, .. } = request;
    {
        let (mut asker_read, asker_write) = tokio::io::split(&mut *asker);
        let mut asker_write = Counted { inner: asker_write, moved: &moved };
        let down = answer_head(answerer, &mut asker_write, rewrite);
        let answer = while_asked(down, read_ahead(&mut asker_read, &mut beyond), &moved).await?;
        if answer.head.status != 101 {
            let down = pass_body(answer, answerer, &mut asker_write, head_only);
            return while_asked(down, asker_end(&mut BufReader::new(asker_read)), &moved).await;
        }
        asker_write.write_all(&answer.beyond).await?;
    }
    answerer.write_all(&beyond).await?;
    copy_both(asker, answerer).await?;
    Ok(())
}

/// Keeps what an asker says before its turn, within a limit, until it has closed.
async fn read_ahead(from: &mut (impl AsyncRead + Unpin), into: &mut Vec<u8>) -> AskerEnd {
    while into.len() < MAX_AHEAD {
        match from.read_buf(into).await {
            Ok(0) => return AskerEnd::Closed,
            Ok(_) => {}
            Err(_) => return AskerEnd::Broken,
        }
    }
    std::future::pending().await
}

/// The head of the final answer, and what was read beyond it.
struct Answer {
    head: ResponseHead,
    beyond: Vec<u8>,
}

/// Passes on heads until the final one.
async fn answer_head(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    rewrite: fn(&mut ResponseHead),
) -> Result<Answer, RelayError> {
    let mut beyond = Vec::new();
    loop {
        let mut source = Cursor::new(std::mem::take(&mut beyond)).chain(&mut *from);
        let (mut head, mut rest) = read_response(&mut source).await.map_err(RelayError::NoAnswer)?;
        let (unread, _) = source.into_inner();
        let position = usize::try_from(unread.position()).unwrap_or(usize::MAX);
        rest.extend_from_slice(unread.get_ref().get(position..).unwrap_or_default());
        let interim = (100..200).contains(&head.status) && head.status != 101;
        if interim {
            to.write_all(format!("HTTP/1.1 {} {}\r\n\r\n", head.status, head.reason).as_bytes()).await?;
            beyond = rest;
            continue;
        }
        rewrite(&mut head);
        to.write_all(&head.to_bytes()).await?;
        return Ok(Answer { head, beyond: rest });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    async fn ask(request: Request, answer: &'static [u8]) -> (Vec<u8>, Vec<u8>) {
        let (mut asker, mut asker_far) = duplex(1 << 16);
        let (mut answerer, mut answerer_far) = duplex(1 << 16);
        answerer_far.write_all(answer).await.unwrap();
        let sent = async {
            let mut sent = vec![0; 1024];
            let count = answerer_far.read(&mut sent).await.unwrap();
            sent.truncate(count);
            answerer_far.shutdown().await.unwrap();
            sent
        };
        let asking = async {
            let mut got = Vec::new();
            asker_far.read_to_end(&mut got).await.unwrap();
            drop(asker_far);
            got
        };
        let (result, sent, got) = tokio::join!(exchange(&mut asker, &mut answerer, request, |_| ()), sent, asking);
        result.unwrap();
        (sent, got)
    }

    fn get(upgrade: bool) -> Request {
        Request {
            head: b"GET / HTTP/1.1\r\n\r\n".to_vec(),
            beyond: b"smuggled".to_vec(),
            framing: Framing::Length(0),
            head_only: false,
            upgrade,
        }
    }

    #[tokio::test]
    async fn interim_answers_pass_and_nothing_beyond_the_request_does() {
        let (sent, got) = ask(get(false), b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody").await;
        assert_eq!(sent, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(got, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody");
    }

    /// What reaches the asker while the answerer keeps the connection open.
    async fn answer_of_an_open_connection(head_only: bool, answer: &'static [u8]) -> Vec<u8> {
        let (mut asker, mut asker_far) = duplex(1 << 16);
        let (mut answerer, mut answerer_far) = duplex(1 << 16);
        answerer_far.write_all(answer).await.unwrap();
        let asking = async {
            let mut got = Vec::new();
            asker_far.read_to_end(&mut got).await.unwrap();
            drop(asker_far);
            got
        };
        let request = Request { head_only, ..get(false) };
        let (result, got) = tokio::join!(exchange(&mut asker, &mut answerer, request, |_| ()), asking);
        result.unwrap();
        got
    }

    #[tokio::test]
    async fn an_answer_ends_where_its_framing_says() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody";
        assert_eq!(answer_of_an_open_connection(false, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1").await, whole);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        assert_eq!(answer_of_an_open_connection(false, chunked).await, chunked);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(answer_of_an_open_connection(true, head).await, head);
        let unchanged = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n";
        assert_eq!(answer_of_an_open_connection(false, unchanged).await, unchanged);
    }

    #[tokio::test]
    async fn an_answer_cut_short_is_no_answer() {
        let (mut asker, _asker_far) = duplex(1024);
        let (mut answerer, mut answerer_far) = duplex(1024);
        answerer_far.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart").await.unwrap();
        answerer_far.shutdown().await.unwrap();
        let result = exchange(&mut asker, &mut answerer, get(false), |_| ()).await;
        assert!(matches!(result, Err(RelayError::Broken)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_that_left_is_not_served_without_end() {
        let (mut asker, asker_far) = duplex(1024);
        let (mut answerer, _answerer_far) = duplex(1024);
        drop(asker_far);
        let result = exchange(&mut asker, &mut answerer, get(false), |_| ()).await;
        assert!(matches!(result, Err(RelayError::Broken)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_asker_that_left_gets_no_other_protocol() {
        for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n\r\npart"] {
            let (mut asker, asker_far) = duplex(1024);
            let (mut answerer, mut answerer_far) = duplex(1024);
            answerer_far.write_all(answer).await.unwrap();
            drop(asker_far);
            let request = Request { upgrade: true, ..get(false) };
            let result = exchange(&mut asker, &mut answerer, request, |_| ()).await;
            assert!(matches!(result, Err(RelayError::Broken)));
        }
    }

    #[tokio::test]
    async fn a_closed_answerer_is_reported_before_anything_is_written() {
        let (mut asker, _far) = duplex(1024);
        let (mut answerer, far) = duplex(1024);
        drop(far);
        let result = exchange(&mut asker, &mut answerer, get(false), |_| ()).await;
        assert!(matches!(result, Err(RelayError::NoAnswer(_))));
    }
}
