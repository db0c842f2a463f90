//! Bytes both ways between two connections.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes under way in each direction.
const BUFFER: usize = 16 * 1024;
/// After one side has closed, how long the other may be silent. A program that closed its socket altogether looks
/// like one that only finished writing, and a peer may never close.
const HALF_CLOSED_IDLE: Duration = Duration::from_secs(300);

/// Copies both ways until both sides have closed. The end of one direction is passed on at once: the far side may
/// wait for it. (i2pd takes it for the end of both and forgets what it still had to send.)
///
/// An error leaves both sides as they are: reset them, so that their peers don't take a part for the whole.
pub async fn copy_both<A, B>(a: &mut A, b: &mut B) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let moved = AtomicU64::new(0);
    let (mut read_a, mut write_a) = tokio::io::split(a);
    let (mut read_b, mut write_b) = tokio::io::split(b);
    let mut there = pin!(copy_one_way(&mut read_a, &mut write_b, &moved));
    let mut back = pin!(copy_one_way(&mut read_b, &mut write_a, &moved));
    tokio::select! {
        result = &mut there => {
            result?;
            while_moving(back, &moved, HALF_CLOSED_IDLE).await?
        }
        result = &mut back => {
            result?;
            while_moving(there, &moved, HALF_CLOSED_IDLE).await?
        }
    }
}

async fn copy_one_way<R, W>(from: &mut R, to: &mut W, moved: &AtomicU64) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits for `work`, as long as `moved` changes at least once in every `idle`.
pub async fn while_moving<T>(work: impl Future<Output = T>, moved: &AtomicU64, idle: Duration) -> io::Result<T> {
    let mut work = pin!(work);
    loop {
        let before = moved.load(Ordering::Relaxed);
        match tokio::time::timeout(idle, &mut work).await {
            Ok(done) => return Ok(done),
            Err(_) if moved.load(Ordering::Relaxed) == before => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn an_answer_comes_after_the_asker_has_closed_its_side() {
        let (mut asker, mut near) = duplex(64);
        let (mut far, mut answerer) = duplex(64);
        let copying = tokio::spawn(async move { copy_both(&mut near, &mut far).await });
        asker.write_all(b"question").await.unwrap();
        asker.shutdown().await.unwrap();
        let mut question = Vec::new();
        answerer.read_to_end(&mut question).await.unwrap();
        answerer.write_all(b"answer").await.unwrap();
        drop(answerer);
        let mut answer = Vec::new();
        asker.read_to_end(&mut answer).await.unwrap();
        assert_eq!((question, answer), (b"question".to_vec(), b"answer".to_vec()));
        copying.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_never_closes_is_not_waited_for_without_end() {
        let (asker, mut near) = duplex(64);
        let (mut far, _answerer) = duplex(64);
        drop(asker);
        let error = copy_both(&mut near, &mut far).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
