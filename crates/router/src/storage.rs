//! Losable state on disk: known routers, in one redb file, written in batches by a thread of its own.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ramson_engine::Record;
use ramson_wire::RouterHash;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::error::StartError;
use crate::files::DataDir;
use crate::mailbox::Mailbox;

const ROUTERS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("routers");
/// A commit costs at least one fsync; what the last batch held is losable.
const BATCH_EVERY: Duration = Duration::from_secs(30);

enum Letter {
    Record(Record),
    Stop,
}

/// The sending end towards the disk.
#[derive(Clone)]
pub(crate) struct StorageHandle {
    mailbox: Arc<Mailbox<Letter>>,
}

impl StorageHandle {
    pub(crate) fn send_all(&self, records: &mut Vec<Record>) {
        let mut letters = records.drain(..).map(Letter::Record).collect();
        self.mailbox.send_all(&mut letters);
    }

    /// Asks the thread to write what it has and end.
    pub(crate) fn stop(&self) {
        self.mailbox.send(Letter::Stop);
    }
}

/// Opens the file and reads what it holds. A damaged file is moved aside: nothing in it is worth refusing to start.
pub(crate) fn open(path: &Path) -> Result<(Vec<(RouterHash, Bytes)>, Database), StartError> {
    let failed = |problem: &dyn std::fmt::Display| StartError::Database { path: path.to_owned(), problem: problem.to_string() };
    let database = match open_file(path) {
        Ok(database) => database,
        Err(OpenError::Damaged(error)) => {
            let aside = path.with_extension("redb.damaged");
            tracing::warn!(%error, "the database of known routers was damaged: it was moved aside, a new one is made");
            std::fs::rename(path, &aside).map_err(|error| failed(&error))?;
            open_file(path).map_err(|error| failed(&error))?
        }
        Err(error) => return Err(failed(&error)),
    };
    let routers = read_all(&database).map_err(|error| failed(&error))?;
    Ok((routers, database))
}

/// Starts the writer, which keeps the folder until it has ended.
pub(crate) fn start(database: Database, data_dir: Arc<DataDir>) -> Result<(StorageHandle, JoinHandle<()>), StartError> {
    let mailbox = Arc::new(Mailbox::new());
    let handle = StorageHandle { mailbox: Arc::clone(&mailbox) };
    let thread = std::thread::Builder::new()
        .name("ramson-storage".into())
        .spawn(move || {
            run(&database, &mailbox);
            drop(database);
            drop(data_dir);
        })
        .map_err(|source| StartError::Thread { name: "storage", source })?;
    Ok((handle, thread))
}

#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error("{0}")]
    Damaged(redb::DatabaseError),
    #[error("{0}")]
    Database(redb::DatabaseError),
    #[error("{0}")]
    File(std::io::Error),
}

fn open_file(path: &Path) -> Result<Database, OpenError> {
    use std::os::unix::fs::OpenOptionsExt;
    // Made here rather than by redb so that it is private from birth.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(OpenError::File)?;
    let opened = redb::backends::FileBackend::new(file).and_then(|backend| redb::Builder::new().create_with_backend(backend));
    opened.map_err(|error| match error {
        redb::DatabaseError::Storage(redb::StorageError::Corrupted(_)) | redb::DatabaseError::UpgradeRequired(_) => {
            OpenError::Damaged(error)
        }
        redb::DatabaseError::Storage(redb::StorageError::Io(ref io)) if is_content(io) => OpenError::Damaged(error),
        error => OpenError::Database(error),
    })
}

fn is_content(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof)
}

fn read_all(database: &Database) -> Result<Vec<(RouterHash, Bytes)>, redb::Error> {
    let read = database.begin_read()?;
    let table = match read.open_table(ROUTERS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut routers = Vec::new();
    for entry in table.iter()? {
        let (key, value) = entry?;
        routers.push((RouterHash(*key.value()), Bytes::copy_from_slice(value.value())));
    }
    Ok(routers)
}

fn run(database: &Database, mailbox: &Mailbox<Letter>) {
    let mut letters = Vec::new();
    let mut batch = Vec::new();
    let mut due: Option<Instant> = None;
    loop {
        mailbox.wait(&mut letters, due.map(|due| due.saturating_duration_since(Instant::now())));
        let mut stop = false;
        for letter in letters.drain(..) {
            match letter {
                Letter::Record(record) => batch.push(record),
                Letter::Stop => stop = true,
            }
        }
        if due.is_none() && !batch.is_empty() {
            due = Some(Instant::now() + BATCH_EVERY);
        }
        if stop || due.is_some_and(|due| due <= Instant::now()) {
            if let Err(error) = write(database, &batch) {
                tracing::warn!(%error, "known routers could not be saved");
            }
            batch.clear();
            due = None;
        }
        if stop {
            return;
        }
    }
}

fn write(database: &Database, batch: &[Record]) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ROUTERS)?;
        for record in batch {
            match record {
                Record::Router { hash, bytes } => table.insert(&hash.0, &bytes[..])?,
                Record::RouterGone { hash } => table.remove(&hash.0)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routers_outlive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = Arc::new(DataDir::open(folder.path()).unwrap());
        let path = data_dir.file("netdb.redb");
        let (routers, database) = open(&path).unwrap();
        assert!(routers.is_empty());
        let (handle, thread) = start(database, data_dir).unwrap();
        let kept = Record::Router { hash: RouterHash([1; 32]), bytes: Bytes::from_static(b"info") };
        let gone = Record::Router { hash: RouterHash([2; 32]), bytes: Bytes::from_static(b"gone") };
        handle.send_all(&mut vec![kept, gone, Record::RouterGone { hash: RouterHash([2; 32]) }]);
        handle.stop();
        thread.join().unwrap();
        let (routers, _) = open(&path).unwrap();
        assert_eq!(routers, [(RouterHash([1; 32]), Bytes::from_static(b"info"))]);
    }

    #[test]
    fn a_damaged_file_is_moved_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("netdb.redb");
        std::fs::write(&path, vec![0x55; 10_000]).unwrap();
        let (routers, _) = open(&path).unwrap();
        assert!(routers.is_empty());
        assert!(path.with_extension("redb.damaged").exists());
    }
}
