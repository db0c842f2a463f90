//! The redb file: opened whole, or moved aside.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ramson_engine::Record;
use ramson_wire::RouterHash;
use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, StorageError, TableDefinition};

const ROUTERS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("routers");

#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("{0}")]
    Damaged(DatabaseError),
    #[error("{0}")]
    Database(DatabaseError),
    #[error("{0}")]
    File(io::Error),
}

/// Opens or makes the file. A damaged one is moved aside: nothing in it is worth refusing to start.
pub(super) fn open(path: &Path) -> Result<Database, OpenError> {
    match open_file(path) {
        Err(OpenError::Damaged(error)) => {
            let aside = aside(path);
            std::fs::rename(path, &aside).map_err(OpenError::File)?;
            tracing::warn!(
                "the database of known routers {} is damaged ({error}): it was moved to {} and a new one begun; \
                 the moved file can be deleted, no keys are in it",
                path.display(),
                aside.display()
            );
            open_file(path)
        }
        opened => opened,
    }
}

/// Where a damaged file goes. The one before is replaced.
fn aside(path: &Path) -> PathBuf {
    path.with_extension("redb.damaged")
}

fn open_file(path: &Path) -> Result<Database, OpenError> {
    let len = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(OpenError::File(error)),
    };
    if len > 0 {
        return open_as(path, OpenOptions::new().read(true).write(true));
    }
    // Made under another name: a half-made file, of a router that was killed in its first second, isn't a damaged one.
    let new = path.with_extension("redb.new");
    let database = open_as(&new, OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600))?;
    std::fs::rename(&new, path).map_err(OpenError::File)?;
    Ok(database)
}

/// By us rather than by redb, so that a new file is private from birth.
fn open_as(path: &Path, options: &OpenOptions) -> Result<Database, OpenError> {
    let file = options.open(path).map_err(OpenError::File)?;
    FileBackend::new(file).map_err(classify).and_then(check)
}

/// A database of which every page is what was written. Otherwise redb believes what was closed in order, looks only at
/// those pages that it comes by, and panics on what is none.
fn check(backend: impl StorageBackend) -> Result<Database, OpenError> {
    redb::Builder::new().set_check_integrity_on_open(true).create_with_backend(backend).map_err(classify)
}

fn classify(error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => OpenError::Damaged(error),
        DatabaseError::Storage(StorageError::Io(ref io)) if is_content(io) => OpenError::Damaged(error),
        error => OpenError::Database(error),
    }
}

fn is_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// What a file holds that can't be opened for writing.
pub(super) fn read_copy(path: &Path) -> Option<Vec<(RouterHash, Bytes)>> {
    read_bytes(&std::fs::read(path).ok()?)
}

/// What a file of these bytes holds.
pub(crate) fn read_bytes(bytes: &[u8]) -> Option<Vec<(RouterHash, Bytes)>> {
    if bytes.is_empty() {
        return None;
    }
    let copy = InMemoryBackend::new();
    copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, bytes)).ok()?;
    read_all(&check(copy).ok()?).ok()
}

pub(super) fn read_all(database: &Database) -> Result<Vec<(RouterHash, Bytes)>, redb::Error> {
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

pub(crate) fn write<'a>(database: &Database, batch: impl Iterator<Item = &'a Record>) -> Result<(), redb::Error> {
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
