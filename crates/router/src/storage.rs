//! Losable state on disk: known routers, what was seen of them, and who stands next to us in tunnels; in one redb file, written in batches by a thread of its own.
//!
//! Nothing here keeps a router from running. A damaged file is moved aside. While the disk is full, read-only or gone,
//! what should be written waits in memory, and is tried again every few seconds.

mod file;
pub(crate) mod records;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ramson_engine::{Record, Snapshot};
use redb::Database;

use crate::files::DataDir;
use crate::mailbox::Mailbox;
use crate::reseed::Reseeder;
use writer::{Pace, Writer};

enum Letter {
    Record(Record),
    /// The engine needs more routers.
    Reseed,
    Stop,
}

/// Why nothing can be saved now, for those who ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    pub(crate) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what it was before.
    fn set(&self, now: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

/// The sending end towards the disk.
#[derive(Clone)]
pub(crate) struct StorageHandle {
    mailbox: Arc<Mailbox<Letter>>,
    trouble: Trouble,
}

impl StorageHandle {
    pub(crate) fn send_all(&self, records: &mut Vec<Record>) {
        let mut letters = records.drain(..).map(Letter::Record).collect();
        self.mailbox.send_all(&mut letters);
    }

    /// Has the thread read the reseed again, besides.
    pub(crate) fn reseed(&self) {
        self.mailbox.send(Letter::Reseed);
    }

    /// Asks the thread to write what it has and end.
    pub(crate) fn stop(&self) {
        self.mailbox.send(Letter::Stop);
    }

    pub(crate) fn trouble(&self) -> &Trouble {
        &self.trouble
    }
}

/// The state as it was found.
pub(crate) struct Stored {
    pub(crate) found: Snapshot,
    path: PathBuf,
    database: Result<Database, String>,
}

/// Opens the file and reads what it holds.
pub(crate) fn open(path: &Path) -> Stored {
    let stored = |found, database| Stored { found, path: path.to_owned(), database };
    match file::open(path) {
        Ok(database) => match records::read_all(&database) {
            Ok(found) => stored(found, Ok(database)),
            // It was whole when it was opened.
            Err(error) => stored(Snapshot::default(), Err(error.to_string())),
        },
        Err(error) => stored(file::read_copy(path).unwrap_or_default(), Err(error.to_string())),
    }
}

/// Writes what the engine learns, and reads the reseed when that isn't enough. It keeps the folder until it has ended.
pub(crate) struct StorageThread {
    writer: Writer,
    mailbox: Arc<Mailbox<Letter>>,
    reseeder: Reseeder,
    /// Last, so that no other process finds the folder free and the file in use.
    _data_dir: Arc<DataDir>,
}

impl StorageThread {
    pub(crate) fn new(stored: Stored, data_dir: Arc<DataDir>, reseeder: Reseeder) -> (Self, StorageHandle) {
        let handle = StorageHandle { mailbox: Arc::new(Mailbox::new()), trouble: Trouble::default() };
        let writer = Writer::new(stored, handle.trouble.clone(), Pace::default());
        (Self { writer, mailbox: Arc::clone(&handle.mailbox), reseeder, _data_dir: data_dir }, handle)
    }

    /// Runs until told to stop.
    pub(crate) fn run(mut self) {
        self.writer.run(&self.mailbox, || self.reseeder.reseed());
    }
}

#[cfg(test)]
mod tests;
