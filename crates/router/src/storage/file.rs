//! The redb file: opened whole, or moved aside.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ramson_engine::Snapshot;
use redb::Database;
use redb::backends::FileBackend;

use super::records::{OpenError, check, classify, open_copy, read_all};

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

/// What a file holds that can't be opened for writing.
pub(super) fn read_copy(path: &Path) -> Option<Snapshot> {
    let bytes = std::fs::read(path).ok().filter(|bytes| !bytes.is_empty())?;
    read_all(&open_copy(&bytes).ok()?).ok()
}
