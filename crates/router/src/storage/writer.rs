//! Writes in batches, and waits out a disk that takes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ramson_engine::{Record, Table};
use redb::Database;

use super::{Letter, Stored, Trouble, file, records};
use crate::mailbox::Mailbox;

/// What waits to be written: twice as many routers as are known at one time. What comes beyond is not saved.
const MAX_WAITING: usize = 20_000;

/// How often the disk is written to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// A first start saves soon what it has learned: the reseed may be gone when the next one comes.
    pub(super) first: Duration,
    /// A commit costs at least one fsync; what the last batch held is losable.
    pub(super) batch: Duration,
    /// After a failure.
    pub(super) retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), batch: Duration::from_secs(30), retry: Duration::from_secs(5) }
    }
}

/// The only one that writes state.
pub(super) struct Writer {
    path: PathBuf,
    /// Closed while it can't be written to: after a failed write, redb refuses all others.
    database: Option<Database>,
    /// The last that is to be written under each key.
    waiting: BTreeMap<(Table, [u8; 32]), Record>,
    trouble: Trouble,
    pace: Pace,
    last_write: Option<Instant>,
    due: Option<Instant>,
}

impl Writer {
    pub(super) fn new(stored: Stored, trouble: Trouble, pace: Pace) -> Self {
        let Stored { path, database, .. } = stored;
        let mut writer = Self { path, database: None, waiting: BTreeMap::new(), trouble, pace, last_write: None, due: None };
        match database {
            Ok(database) => writer.database = Some(database),
            Err(problem) => writer.failed(&problem),
        }
        writer
    }

    pub(super) fn run(&mut self, mailbox: &Mailbox<Letter>, reseed: impl Fn()) {
        let mut letters = Vec::new();
        loop {
            mailbox.wait(&mut letters, self.due.map(|due| due.saturating_duration_since(Instant::now())));
            let mut stop = false;
            for letter in letters.drain(..) {
                match letter {
                    Letter::Record(record) => self.add(record),
                    Letter::Reseed => reseed(),
                    Letter::Stop => stop = true,
                }
            }
            if stop || self.due.is_some_and(|due| due <= Instant::now()) {
                self.write();
            }
            if stop {
                return;
            }
        }
    }

    pub(super) fn add(&mut self, record: Record) {
        let key = record.key();
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(&key) {
            return;
        }
        self.waiting.insert(key, record);
        if self.due.is_none() {
            let soon = Instant::now() + self.pace.first;
            self.due = Some(self.last_write.map_or(soon, |last| soon.max(last + self.pace.batch)));
        }
    }

    pub(super) fn write(&mut self) {
        self.due = None;
        match self.try_write() {
            Ok(()) => {
                self.waiting.clear();
                self.last_write = Some(Instant::now());
                if self.trouble.set(None).is_some() {
                    tracing::info!("known routers are saved again");
                }
            }
            Err(problem) => self.failed(&problem),
        }
    }

    fn try_write(&mut self) -> Result<(), String> {
        let database = match self.database.take() {
            Some(database) => database,
            None => file::open(&self.path).map_err(|error| error.to_string())?,
        };
        // Nothing that is written is missing later, even if it stops here: redb changes over to a batch in one step.
        records::write(&database, self.waiting.values()).map_err(|error| error.to_string())?;
        self.database = Some(database);
        Ok(())
    }

    /// Says so once, and tries again later.
    fn failed(&mut self, problem: &str) {
        self.due = Some(Instant::now() + self.pace.retry);
        let told = format!("known routers cannot be saved in {}: {problem}", self.path.display());
        if self.trouble.set(Some(told.clone())).is_none() {
            tracing::warn!(
                "{told}; the router goes on, and tries again every {} s: make room there, or make it writable",
                self.pace.retry.as_secs()
            );
        }
    }
}
