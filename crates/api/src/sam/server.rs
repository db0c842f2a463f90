//! The bridge: a listener, and the sessions that its connections share by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ramson_router::{Destination, DestinationConfig, Names, Router, accept};
use ramson_wire::DestinationHash;
use tokio::net::TcpListener;
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
}

/// What all connections see.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) names: Arc<Names>,
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
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
        let shared = Shared { router, names, sessions: Mutex::default(), lookups: tokio::sync::OnceCell::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Serves clients until dropped.
    pub async fn serve(self, listener: TcpListener) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut tasks = JoinSet::new();
        loop {
            let (socket, _) = accept(|| listener.accept()).await;
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
        if sessions.len() >= MAX_SESSIONS {
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
