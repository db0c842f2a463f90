//! Connections whose end means something: a plain close says that all has come, a reset that it hasn't.

use std::ops::{Deref, DerefMut};

use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;

use crate::stream::Stream;

/// Bytes both ways.
pub trait Connection: AsyncRead + AsyncWrite + Send + Sync + Unpin {
    /// Makes the coming close a reset.
    fn abort(&self);
}

/// A connection of a local program, or to one.
pub trait Socket: Connection + 'static {}

impl Connection for TcpStream {
    fn abort(&self) {
        // A socket that can't be set is closed already.
        let _ = self.set_zero_linger();
    }
}

impl Socket for TcpStream {}

impl Connection for Stream {
    fn abort(&self) {
        self.reset();
    }
}

impl<C: Connection> Connection for BufReader<C> {
    fn abort(&self) {
        self.get_ref().abort();
    }
}

/// A connection that is aborted when it is dropped before [`Unfinished::finish`]: by an error, or by the end of its task, as
/// when the program stops. A plain close would make a part look like the whole.
pub struct Unfinished<C: Connection> {
    connection: C,
    finished: bool,
}

impl<C: Connection> Unfinished<C> {
    /// One that has yet to end well.
    pub fn new(connection: C) -> Self {
        Self { connection, finished: false }
    }

    /// All that was to come has come.
    pub fn finish(&mut self) {
        self.finished = true;
    }
}

impl<C: Connection> Drop for Unfinished<C> {
    fn drop(&mut self) {
        if !self.finished {
            self.connection.abort();
        }
    }
}

impl<C: Connection> Deref for Unfinished<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.connection
    }
}

impl<C: Connection> DerefMut for Unfinished<C> {
    fn deref_mut(&mut self) -> &mut C {
        &mut self.connection
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn what_a_reader_sees(finished: bool) -> io::Result<usize> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut reader = TcpStream::connect(listener.local_addr()?).await?;
        let mut connection = Unfinished::new(listener.accept().await?.0);
        let writing = tokio::spawn(async move {
            connection.write_all(b"part").await.unwrap();
            if finished {
                connection.finish();
            } else {
                std::future::pending().await
            }
        });
        let mut part = [0; 4];
        reader.read_exact(&mut part).await?;
        writing.abort();
        reader.read(&mut part).await
    }

    #[tokio::test]
    async fn a_task_that_is_cancelled_leaves_no_plain_close() {
        assert_eq!(what_a_reader_sees(false).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(what_a_reader_sees(true).await.unwrap(), 0);
    }
}
