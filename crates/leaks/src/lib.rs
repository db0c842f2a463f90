//! Watches what tests log. Nothing that is logged, at any level, may hold an address, a hash, a destination, a host name
//! or payload: whoever reads a log, or is sent one, would learn who talked to whom.
//!
//! - [`watch_process`]: all events and spans of all threads, for tests whose routers have threads of their own.
//! - [`watch_thread`]: those of this thread, for tests that run in one.
//! - [`Watch::check_text`]: the log of another process.
//!
//! Leaks are found by their form ([`Kind`]), and by what a test forbids because it knows it ([`Watch::forbid`],
//! [`Watch::forbid_hash`]). A [`Watch`] fails its test when it is dropped after a leak. Most tests hold one without
//! knowing: what they build their machines by has it as its last field, so that it hears how the others end.
//!
//! Lines of all targets are looked at, not only of our own: a dependency that names a peer does as much harm. Those that
//! log by the crate `log` are heard only in the log of the program itself.

mod forms;
mod layer;
mod scan;

pub use forms::{of_bytes, of_hash};
pub use scan::{Kind, Leak, Rules};

use std::collections::BTreeSet;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tracing::Level;

use layer::Listener;

/// Leaks kept for the message; all are counted by the first.
const MAX_LEAKS: usize = 100;

/// What the watches of one thread, or of the process, have in common while there are any.
#[derive(Debug, Default)]
struct Heard {
    watches: usize,
    rules: Rules,
    leaks: Vec<Leak>,
    targets: BTreeSet<(&'static str, Level)>,
}

#[derive(Clone, Debug, Default)]
struct Shared(Arc<Mutex<Heard>>);

thread_local! {
    static THREAD: Shared = Shared::default();
}

fn process() -> &'static Shared {
    static PROCESS: OnceLock<Shared> = OnceLock::new();
    PROCESS.get_or_init(Shared::default)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        // A test that failed meanwhile doesn't make the rest unreadable.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_watched(&self) -> bool {
        self.lock().watches > 0
    }

    fn check(&self, line: &str) {
        let mut heard = self.lock();
        if heard.leaks.len() < MAX_LEAKS {
            let found = heard.rules.scan(line);
            heard.leaks.extend(found);
        }
    }

    fn watch(&self) -> Watch {
        let mut heard = self.lock();
        heard.watches += 1;
        let before = heard.leaks.len();
        drop(heard);
        Watch { shared: self.clone(), before }
    }

    /// [`Self::watch`], over what this process logs.
    fn watch_logs(&self) -> Watch {
        static LISTENS: OnceLock<bool> = OnceLock::new();
        let watch = self.watch();
        if !LISTENS.get_or_init(|| tracing::subscriber::set_global_default(Listener).is_ok()) {
            self.lock().leaks.push(Leak::unwatched());
        }
        watch
    }
}

/// A watch over logs. When it is dropped, it fails the test if anything leaked since it was made.
#[must_use = "the watch ends when this is dropped"]
#[derive(Debug)]
pub struct Watch {
    shared: Shared,
    /// Leaks before this watch, of other tests of the process: they fail there.
    before: usize,
}

/// Watches all threads of this process that aren't watched for themselves. Watches of one time share what they hear and
/// what is forbidden, and a leak fails each test that runs then.
pub fn watch_process() -> Watch {
    process().watch_logs()
}

/// Watches this thread. Its watches of one time share what they hear and what is forbidden. There may be many, and they
/// may end in any order: one subscriber serves them all, so none takes the place of another, as scoped subscribers would.
pub fn watch_thread() -> Watch {
    THREAD.with(Shared::watch_logs)
}

impl Watch {
    /// A watch over texts only.
    pub fn of_texts() -> Self {
        Shared::default().watch()
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
    pub fn check(&mut self) {
        fail_if_any(&self.take());
    }

    /// Lasts as long as the value, and a little longer.
    pub fn over<T>(self, value: T) -> Watched<T> {
        Watched { value, watch: self }
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
        let leaks = self.take();
        let mut heard = self.shared.lock();
        heard.watches -= 1;
        if heard.watches == 0 {
            *heard = Heard::default();
        }
        drop(heard);
        if !std::thread::panicking() {
            fail_if_any(&leaks);
        }
    }
}

#[expect(clippy::panic, reason = "this is how a test fails")]
fn fail_if_any(leaks: &[Leak]) {
    if !leaks.is_empty() {
        let lines: Vec<String> = leaks.iter().map(Leak::to_string).collect();
        panic!("the log names what it must not:\n{}", lines.join("\n"));
    }
}

/// A value whose whole life is watched, for helpers that give tests a machine and nothing around it.
#[derive(Debug)]
pub struct Watched<T> {
    value: T,
    watch: Watch,
}

impl<T> Watched<T> {
    /// The watch over it.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Ends the value, watched to the last.
    pub fn end<R>(self, end: impl FnOnce(T) -> R) -> R {
        end(self.value)
    }
}

impl<T> Deref for Watched<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Watched<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
