//! One request and its answer between two connections.

use std::io::{self, Cursor};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::body::Framing;
use crate::head::{HeadError, ResponseHead, read_response};

/// A request that is ready to be sent on.
pub(crate) struct Request {
    /// Its rewritten head.
    pub(crate) head: Vec<u8>,
    /// What was read of the body together with the head.
    pub(crate) beyond: Vec<u8>,
    pub(crate) framing: Framing,
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
    let (asker_read, mut asker_write) = tokio::io::split(asker);
    let (mut answerer_read, mut answerer_write) = tokio::io::split(answerer);
    let mut body = BufReader::new(Cursor::new(request.beyond).chain(asker_read));
    let up = async {
        answerer_write.write_all(&request.head).await?;
        request.framing.copy(&mut body, &mut answerer_write).await?;
        answerer_write.flush().await
    };
    let down = async {
        let (_, beyond) = answer_head(&mut answerer_read, &mut asker_write, rewrite).await?;
        asker_write.write_all(&beyond).await?;
        tokio::io::copy(&mut answerer_read, &mut asker_write).await?;
        asker_write.shutdown().await?;
        Ok(())
    };
    let (mut up, mut down) = (std::pin::pin!(up), std::pin::pin!(down));
    tokio::select! {
        result = &mut down => result,
        // A failed upload may be the answerer refusing the rest: its answer tells. A client that is gone is
        // noticed when the answer is written.
        _ = &mut up => down.await,
    }
}

async fn upgrade<A, B>(asker: &mut A, answerer: &mut B, request: Request, rewrite: fn(&mut ResponseHead)) -> Result<(), RelayError>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    answerer.write_all(&request.head).await.map_err(|error| RelayError::NoAnswer(error.into()))?;
    let (status, beyond) = answer_head(answerer, asker, rewrite).await?;
    asker.write_all(&beyond).await?;
    if status == 101 {
        answerer.write_all(&request.beyond).await?;
        tokio::io::copy_bidirectional(asker, answerer).await?;
    } else {
        tokio::io::copy(answerer, asker).await?;
        asker.shutdown().await?;
    }
    Ok(())
}

/// Passes on heads until the final one. Returns its status and what was read beyond it.
async fn answer_head(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    rewrite: fn(&mut ResponseHead),
) -> Result<(u16, Vec<u8>), RelayError> {
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
        return Ok((head.status, rest));
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
        let (result, sent) = tokio::join!(exchange(&mut asker, &mut answerer, request, |_| ()), sent);
        result.unwrap();
        drop(asker);
        let mut got = Vec::new();
        asker_far.read_to_end(&mut got).await.unwrap();
        (sent, got)
    }

    fn get(upgrade: bool) -> Request {
        Request { head: b"GET / HTTP/1.1\r\n\r\n".to_vec(), beyond: b"smuggled".to_vec(), framing: Framing::Length(0), upgrade }
    }

    #[tokio::test]
    async fn interim_answers_pass_and_nothing_beyond_the_request_does() {
        let (sent, got) = ask(get(false), b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody").await;
        assert_eq!(sent, b"GET / HTTP/1.1\r\n\r\n");
        assert_eq!(got, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody");
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
