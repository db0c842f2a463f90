//! The bridge: a listener, and the sessions that its connections share by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ramson_router::{Destination, DestinationConfig, Listener, Names, Router, accept};
use ramson_wire::DestinationHash;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::connection::Connection;
use super::reply::Outcome;

/// Client connections at once.
const MAX_CONNECTIONS: usize = 4096;
/// Sessions at once.
const MAX_SESSIONS: usize = 128;

/// The SAM bridge of a router.
pub struct SamServer {
    shared: Arc<Shared>,
    max_connections: usize,
}

/// What all connections see.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) names: Arc<Names>,
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
    max_sessions: usize,
    /// For look-ups on connections without a session; made when first needed.
    lookups: tokio::sync::OnceCell<Destination>,
}

/// A client's destination. Lives as long as the connection that made it.
pub(crate) struct Session {
    pub(crate) destination: Destination,
    ended: watch::Sender<bool>,
}

impl SamServer {
    /// A bridge to `router`.
    #[must_use]
    pub fn new(router: Router, names: Arc<Names>) -> Self {
        Self::with_limits(router, names, MAX_CONNECTIONS, MAX_SESSIONS)
    }

    pub(super) fn with_limits(router: Router, names: Arc<Names>, max_connections: usize, max_sessions: usize) -> Self {
        let lookups = tokio::sync::OnceCell::new();
        let shared = Shared { router, names, sessions: Mutex::default(), max_sessions, lookups };
        Self { shared: Arc::new(shared), max_connections }
    }

    /// Serves clients until dropped.
    pub async fn serve(self, listener: impl Listener) {
        let slots = Arc::new(Semaphore::new(self.max_connections));
        let mut tasks = JoinSet::new();
        loop {
            let socket = accept(|| listener.accept()).await;
            while tasks.try_join_next().is_some() {}
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                continue;
            };
            let shared = Arc::clone(&self.shared);
            tasks.spawn(async move {
                if let Err(error) = Connection::new(shared, socket).serve().await {
                    tracing::debug!(%error, "a SAM connection ended");
                }
                drop(slot);
            });
        }
    }
}

impl Shared {
    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions().get(id).cloned()
    }

    /// Enters a session under its name; the guard takes it out again and ends its streams.
    pub(crate) fn open_session(
        self: &Arc<Self>,
        id: &str,
        hash: DestinationHash,
        open: impl FnOnce(&Router) -> Destination,
    ) -> Result<SessionGuard, Outcome> {
        let mut sessions = self.sessions();
        if sessions.contains_key(id) {
            return Err(Outcome::DuplicatedId);
        }
        if sessions.values().any(|session| session.destination.address().hash() == hash) {
            return Err(Outcome::DuplicatedDest);
        }
        if sessions.len() >= self.max_sessions {
            return Err(Outcome::error("too many sessions"));
        }
        let session = Arc::new(Session { destination: open(&self.router), ended: watch::Sender::new(false) });
        sessions.insert(id.to_owned(), Arc::clone(&session));
        Ok(SessionGuard { shared: Arc::clone(self), id: id.to_owned(), session })
    }

    /// A destination for look-ups of connections that have none.
    pub(crate) async fn lookup_destination(&self) -> Result<Destination, Outcome> {
        let destination = self.lookups.get_or_try_init(|| async {
            let keys = ramson_router::new_destination().map_err(|error| Outcome::error(error.to_string()))?;
            Ok(self.router.open("sam-lookups", keys, DestinationConfig::default()))
        });
        destination.await.cloned()
    }
}

impl Session {
    /// Returns when the session's own connection has closed.
    pub(crate) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives in `self`, so waiting can't fail.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// Holds a session open.
pub(crate) struct SessionGuard {
    shared: Arc<Shared>,
    id: String,
    pub(crate) session: Arc<Session>,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        self.shared.sessions().remove(&self.id);
        self.session.ended.send_replace(true);
    }
}

#[cfg(test)]
mod tests {
    use ramson_router::driver::Desk;
    use ramson_wire::RouterHash;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tracing::Level;

    use super::*;

    #[tokio::test]
    async fn a_broken_connection_is_told_of_without_what_it_said() {
        let leaks = ramson_leaks::watch_process();
        let (_desk, router) = Desk::new(RouterHash([1; 32]), Default::default(), || ());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        leaks.forbid("a port", &format!(":{}", client.local_addr().unwrap().port()));
        leaks.forbid("a client's word", "marker");
        let serving = tokio::spawn(SamServer::new(router, Arc::default()).serve(listener));
        client.write_all(b"HELLO VERSION\nPING marker\n").await.unwrap();
        let mut answer = [0; 64];
        assert_ne!(client.read(&mut answer).await.unwrap(), 0);
        client.write_all(b"PING mark").await.unwrap();
        client.set_zero_linger().unwrap();
        drop(client);
        let told = async {
            while !leaks.heard("ramson_api::sam::server", Level::DEBUG) {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), told).await.unwrap();
        serving.abort();
    }
}
