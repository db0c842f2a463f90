//! Files of the data folder: private from birth, replaced in one step, durable before use.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt as _;
use zeroize::Zeroizing;

use crate::error::StartError;

/// No key file is longer.
const MAX_SECRET_FILE: u64 = 64 * 1024;

/// The data folder, held by one process at a time.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    /// Locked until dropped.
    _lock: File,
}

impl DataDir {
    /// Makes the folder with mode 0700 if it is missing, and locks it.
    pub fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StartError::File { action, path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(failed("make the folder", path))?;
        std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("protect", path))?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StartError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &lock_path)(source)),
        }
    }

    /// The path of a file in the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Reads a whole secret file; `None` if there is none.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StartError> {
    let failed = |source| StartError::File { action: "read", path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    file.take(MAX_SECRET_FILE).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}

/// Writes a secret file with mode 0600: whole and durable, or not at all.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    let write = || {
        let mut file = AtomicWriteFile::options().mode(0o600).preserve_mode(false).open(path)?;
        file.write_all(bytes)?;
        file.commit()
    };
    write().map_err(|source| StartError::File { action: "write", path: path.to_owned(), source })
}
