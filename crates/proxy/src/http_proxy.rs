//! The HTTP proxy: a browser's requests, each over a stream of its own to the destination that its host names.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ramson_router::{Destination, Listener, NameError, Names, Socket, Unfinished, accept};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::body::Framing;
use crate::head::{HeadError, read_request};
use crate::headers;
use crate::pages::Problem;
use crate::relay::{RelayError, Request, exchange};
use crate::url::Url;

/// Browser connections served at once.
const MAX_CONNECTIONS: usize = 256;
/// How long a request waits for tunnels before the browser is told.
const READY_TIME: Duration = Duration::from_secs(60);
/// How long a refused request is still read, so that the browser sees the page and not a reset.
const DRAIN_TIME: Duration = Duration::from_millis(500);

/// An HTTP proxy with a destination of its own.
pub struct HttpProxy {
    destination: Destination,
    names: Arc<Names>,
    patience: Duration,
    max_connections: usize,
}

impl HttpProxy {
    /// A proxy that connects from `destination`, which nothing else should use.
    #[must_use]
    pub fn new(destination: Destination, names: Arc<Names>) -> Self {
        Self { destination, names, patience: READY_TIME, max_connections: MAX_CONNECTIONS }
    }

    /// Sets how long a request waits for tunnels before the browser is told; a minute otherwise.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Sets how many browser connections are served at once.
    #[cfg(feature = "fuzzing")]
    #[must_use]
    #[doc(hidden)]
    pub fn with_max_connections(self, max_connections: usize) -> Self {
        Self { max_connections, ..self }
    }

    /// Serves browsers until dropped.
    pub async fn serve(self, listener: impl Listener) {
        let slots = Arc::new(Semaphore::new(self.max_connections));
        let proxy = Arc::new(self);
        let mut tasks = JoinSet::new();
        loop {
            let mut browser = accept(|| listener.accept()).await;
            while tasks.try_join_next().is_some() {}
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                // Told without a task: one that waits would be one more connection held. Best effort.
                let page = Problem::Busy.response();
                let once = std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut browser).poll_write(cx, &page)));
                let _ = once.await;
                continue;
            };
            let proxy = Arc::clone(&proxy);
            let mut browser = Unfinished::new(browser);
            tasks.spawn(async move {
                if let Err(problem) = proxy.serve_browser(&mut browser).await {
                    refuse(&mut *browser, problem).await;
                    browser.finish();
                }
                drop(slot);
            });
        }
    }

    /// Serves one request. An error is to be told to the browser.
    async fn serve_browser(&self, browser: &mut Unfinished<impl Socket>) -> Result<(), Problem> {
        let (mut head, beyond) = match read_request(&mut **browser).await {
            Ok(read) => read,
            Err(HeadError::Closed | HeadError::Io(_)) => {
                browser.finish();
                return Ok(());
            }
            Err(HeadError::Slow) => return Err(Problem::Slow),
            Err(HeadError::TooLarge) => return Err(Problem::TooLarge),
            Err(HeadError::Malformed) => return Err(Problem::BadRequest),
        };
        let url = Url::of(&head)?;
        let framing = Framing::of(&head.fields).map_err(|_| Problem::BadRequest)?;
        let upgrade = headers::wants_upgrade(&head.fields);
        if upgrade && framing != Framing::Length(0) {
            return Err(Problem::BadRequest);
        }
        let target = self.names.resolve(&url.host).map_err(|error| match error {
            NameError::Malformed => Problem::Clearnet,
            NameError::Unknown => Problem::UnknownName,
            NameError::UnsupportedAddress => Problem::UnsupportedAddress,
        })?;
        let ready = tokio::time::timeout(self.patience, self.destination.ready()).await;
        if !matches!(ready, Ok(Ok(()))) {
            return Err(Problem::NotReady);
        }
        headers::towards_site(&mut head, &url.authority, &url.path);
        let head_only = head.method == "HEAD";
        let request = Request { head: head.to_bytes(), beyond, framing, head_only, upgrade };
        let mut site = Unfinished::new(self.destination.open_stream(target.hash(), 0, url.port));
        match exchange(&mut **browser, &mut *site, request, headers::towards_browser).await {
            Ok(()) => {
                browser.finish();
                site.finish();
                Ok(())
            }
            Err(RelayError::Broken) => Ok(()),
            Err(RelayError::NoAnswer(error)) => Err(problem_of(&error)),
        }
    }
}

fn problem_of(error: &HeadError) -> Problem {
    match error {
        HeadError::Io(error) => match error.kind() {
            io::ErrorKind::TimedOut => Problem::Timeout,
            io::ErrorKind::HostUnreachable => Problem::NotFound,
            io::ErrorKind::QuotaExceeded => Problem::Busy,
            _ => Problem::Reset,
        },
        HeadError::Closed => Problem::Reset,
        HeadError::Slow => Problem::Timeout,
        HeadError::TooLarge | HeadError::Malformed => Problem::BadAnswer,
    }
}

async fn refuse(browser: &mut impl Socket, problem: Problem) {
    let told = async {
        browser.write_all(&problem.response()).await?;
        browser.shutdown().await?;
        tokio::io::copy(&mut browser.take(1 << 20), &mut tokio::io::sink()).await
    };
    // The browser may be gone; there is nobody else to tell.
    let _ = tokio::time::timeout(DRAIN_TIME, told).await;
}
