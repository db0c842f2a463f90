//! Files of the data folder: private from birth, replaced in one step, durable before use.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
        if !path.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the folder", path))?;
            sync_parent(path);
        }
        let mode = std::fs::metadata(path).map_err(failed("read", path))?.permissions().mode();
        if mode & 0o077 != 0 {
            if !is_ours(path).map_err(failed("read", path))? {
                return Err(StartError::NotOurs { path: path.to_owned() });
            }
            std::fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(failed("protect", path))?;
        }
        let lock_path = path.join("lock");
        let lock = open_lock(&lock_path).map_err(failed("open", &lock_path))?;
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

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StartError + use<> {
    let path = path.to_owned();
    move |source| StartError::File { action, path, source }
}

/// A new folder is durable when the one that holds it is, and the keys in it with it. One that can't be opened, as it
/// may be another user's, is left to the system.
fn sync_parent(path: &Path) {
    let parent = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
    if let Some(Err(error)) = parent.map(|parent| File::open(parent).and_then(|parent| parent.sync_all())) {
        tracing::debug!(%error, "the folder that holds the data folder cannot be synced");
    }
}

/// A folder that can't be written to, as a disk becomes by itself that reports errors, still holds the keys of a router
/// and its lock.
fn open_lock(path: &Path) -> io::Result<File> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.or_else(|error| File::open(path).map_err(|_| error))
}

/// Whether nothing but a router's files tells what the folder is for. A home folder, given by mistake, must not be
/// closed to others.
fn is_ours(path: &Path) -> io::Result<bool> {
    let mut empty = true;
    for entry in std::fs::read_dir(path)? {
        let name = entry?.file_name();
        if ["ramson.toml", "router.keys", "hosts.txt", "lock"].iter().any(|ours| name == *ours)
            || Path::new(&name).extension().is_some_and(|extension| extension == "keys")
        {
            return Ok(true);
        }
        empty = false;
    }
    Ok(empty)
}

/// Reads a whole secret file; `None` if there is none.
pub(crate) fn read_secret(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, StartError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    file.take(MAX_SECRET_FILE).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

/// Writes a secret file with mode 0600: whole and durable, or not at all. Until it is whole it has another name, always
/// the same: what a killed router left there is gone when the next one writes its keys.
pub(crate) fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    write_durably(path, &new, bytes).map_err(|error| {
        // A full disk took a part of it.
        let _ = std::fs::remove_file(&new);
        failed("write", path)(error)
    })
}

fn write_durably(path: &Path, new: &Path, bytes: &[u8]) -> io::Result<()> {
    match std::fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(new, path)?;
    // The name is durable when the folder is.
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::watched_folder;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_written_whole_and_replaces_what_was_never_finished() {
        let folder = watched_folder();
        let (path, new) = (folder.path().join("web.keys"), folder.path().join("web.keys.new"));
        std::fs::write(&new, "half").unwrap();
        std::fs::set_permissions(&new, Permissions::from_mode(0o644)).unwrap();
        write_secret(&path, b"whole").unwrap();
        assert_eq!(read_secret(&path).unwrap().unwrap().as_slice(), b"whole");
        assert_eq!(mode(&path), 0o600);
        assert!(!new.exists());
        // Where it can't get its name, nothing stays.
        let taken = folder.path().join("taken.keys");
        std::fs::create_dir(&taken).unwrap();
        assert!(matches!(write_secret(&taken, b"whole"), Err(StartError::File { action: "write", .. })));
        assert!(!folder.path().join("taken.keys.new").exists());
    }

    #[test]
    fn a_folder_of_other_things_is_not_closed_to_others() {
        let folder = watched_folder();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::write(folder.path().join("letter.txt"), "").unwrap();
        assert!(matches!(DataDir::open(folder.path()), Err(StartError::NotOurs { .. })));
        assert_eq!(mode(folder.path()), 0o755);
        std::fs::write(folder.path().join("ramson.toml"), "").unwrap();
        DataDir::open(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
    }
}
