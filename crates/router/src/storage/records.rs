//! What the redb file holds, and whether it is whole.

use std::io;

use bytes::Bytes;
use ramson_engine::{Record, Snapshot, Table};
use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, StorageBackend, StorageError, TableDefinition};

fn definition(table: Table) -> TableDefinition<'static, &'static [u8; 32], &'static [u8]> {
    TableDefinition::new(match table {
        Table::Routers => "routers",
        Table::Profiles => "profiles",
        Table::Nearest => "nearest",
    })
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("{0}")]
    Damaged(DatabaseError),
    #[error("{0}")]
    Database(DatabaseError),
    #[error("{0}")]
    File(io::Error),
}

/// A database of which every page is what was written. Otherwise redb believes what was closed in order, looks only at
/// those pages that it comes by, and panics on what is none.
pub(super) fn check(backend: impl StorageBackend) -> Result<Database, OpenError> {
    redb::Builder::new().set_check_integrity_on_open(true).create_with_backend(backend).map_err(classify)
}

pub(super) fn classify(error: DatabaseError) -> OpenError {
    match error {
        DatabaseError::Storage(StorageError::Corrupted(_)) | DatabaseError::UpgradeRequired(_) => OpenError::Damaged(error),
        DatabaseError::Storage(StorageError::Io(ref io)) if is_content(io) => OpenError::Damaged(error),
        error => OpenError::Database(error),
    }
}

fn is_content(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Opens a copy of a file, which stays as it is.
pub(crate) fn open_copy(bytes: &[u8]) -> Result<Database, OpenError> {
    let copy = InMemoryBackend::new();
    copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, bytes)).map_err(OpenError::File)?;
    check(copy)
}

pub(crate) fn read_all(database: &Database) -> Result<Snapshot, redb::Error> {
    let read = database.begin_read()?;
    let mut found = Snapshot::default();
    for name in Table::ALL {
        let table = match read.open_table(definition(name)) {
            Ok(table) => table,
            Err(redb::TableError::TableDoesNotExist(_)) => continue,
            Err(error) => return Err(error.into()),
        };
        for entry in table.iter()? {
            let (key, value) = entry?;
            found.add(name, *key.value(), Bytes::copy_from_slice(value.value()));
        }
    }
    Ok(found)
}

pub(crate) fn write<'a>(database: &Database, batch: impl Iterator<Item = &'a Record> + Clone) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    for name in Table::ALL {
        let of_table = || batch.clone().map(|record| (record.key(), record)).filter(|((table, _), _)| *table == name);
        if of_table().next().is_none() {
            continue;
        }
        let mut table = transaction.open_table(definition(name))?;
        for ((_, key), record) in of_table() {
            match record.value() {
                Some(value) => table.insert(&key, &value[..])?,
                None => table.remove(&key)?,
            };
        }
    }
    transaction.commit()?;
    Ok(())
}
