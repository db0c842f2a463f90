//! Watches what tests log. Nothing that is logged, at any level, may hold an address, a hash, a destination, a host name
//! or payload: whoever reads a log, or is sent one, would learn who talked to whom.
//!
//! - [`watch_process`]: all events and spans of all threads, for tests whose routers have threads of their own.
//! - [`watch_thread`]: those of this thread, for tests that run in one.
//! - [`Watch::check_text`]: the log of another process.
//!
//! Leaks are found by their form ([`Kind`]), and by what a test forbids because it knows it ([`Watch::forbid`],
//! [`Watch::forbid_hash`]). A [`Watch`] fails its test when it is dropped after a leak.

mod forms;
mod layer;
mod scan;

pub use forms::{of_bytes, of_hash};
pub use scan::{Kind, Leak, Rules};

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Level};
use tracing_subscriber::layer::SubscriberExt;

use layer::Listener;

/// Leaks kept for the message; all are counted by the first.
const MAX_LEAKS: usize = 100;

/// What a listener has heard.
#[derive(Debug, Default)]
struct Heard {
    rules: Rules,
    leaks: Vec<Leak>,
    targets: BTreeSet<(&'static str, Level)>,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Heard>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        // A test that failed meanwhile doesn't make the rest unreadable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, line: &str) {
        let mut heard = self.lock();
        if heard.leaks.len() < MAX_LEAKS {
            let found = heard.rules.scan(line);
            heard.leaks.extend(found);
        }
    }
}

/// A watch over logs. When it is dropped, it fails the test if anything leaked since it was made.
#[must_use = "the watch ends when this is dropped"]
#[derive(Debug)]
pub struct Watch {
    shared: Shared,
    /// Leaks before this watch, of other tests of the process: they fail there.
    before: usize,
    _here: Option<DefaultGuard>,
}

/// Watches all threads of this process, from the first call on until it ends. Tests of one process share what is
/// forbidden, and a leak fails each test that runs at the time.
pub fn watch_process() -> Watch {
    static PROCESS: OnceLock<Shared> = OnceLock::new();
    let shared = PROCESS.get_or_init(|| {
        let shared = Shared::default();
        let layers = tracing_subscriber::registry().with(Listener::new(shared.clone()));
        if tracing::subscriber::set_global_default(layers).is_err() {
            shared.lock().leaks.push(Leak::unwatched());
        }
        shared
    });
    let before = shared.lock().leaks.len();
    Watch { shared: shared.clone(), before, _here: None }
}

/// Watches this thread until the watch is dropped.
pub fn watch_thread() -> Watch {
    let shared = Shared::default();
    let layers = tracing_subscriber::registry().with(Listener::new(shared.clone()));
    let here = tracing::dispatcher::set_default(&Dispatch::new(layers));
    Watch { shared, before: 0, _here: Some(here) }
}

impl Watch {
    /// A watch over texts only.
    pub fn of_texts() -> Self {
        Self { shared: Shared::default(), before: 0, _here: None }
    }

    /// From now on this text is a leak wherever it shows: a marker in a payload, a name, a port with its colon.
    pub fn forbid(&self, what: &'static str, text: &str) {
        self.shared.lock().rules.forbid(what, text);
    }

    /// From now on this hash, or its beginning, is a leak in every form in which it might be printed.
    pub fn forbid_hash(&self, what: &'static str, hash: &[u8; 32]) {
        for form in of_hash(hash) {
            self.forbid(what, &form);
        }
    }

    /// From now on these bytes of payload are a leak as text, numbers or digits.
    pub fn forbid_bytes(&self, what: &'static str, bytes: &[u8]) {
        for form in of_bytes(bytes) {
            self.forbid(what, &form);
        }
    }

    /// This address is our own configuration: whoever set it may read it.
    pub fn allow(&self, address: &str) {
        self.shared.lock().rules.allow(address);
    }

    /// Looks through the log of another process.
    pub fn check_text(&self, log: &str) {
        for line in log.lines() {
            self.shared.check(line);
        }
    }

    /// Whether anything was logged at this level by a target that begins so: a watch over silence proves nothing.
    #[must_use]
    pub fn heard(&self, target: &str, level: Level) -> bool {
        self.shared.lock().targets.iter().any(|(heard, at)| *at == level && heard.starts_with(target))
    }

    /// Fails the test if anything has leaked since this watch was made.
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn check(&mut self) {
        let leaks = self.take();
        if !leaks.is_empty() {
            let lines: Vec<String> = leaks.iter().map(Leak::to_string).collect();
            panic!("the log names what it must not:\n{}", lines.join("\n"));
        }
    }

    /// Takes the leaks since this watch was made. It no longer fails the test by them.
    #[must_use]
    pub fn take(&mut self) -> Vec<Leak> {
        let leaks: Vec<Leak> = self.shared.lock().leaks.iter().skip(self.before).cloned().collect();
        self.before += leaks.len();
        leaks
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}
