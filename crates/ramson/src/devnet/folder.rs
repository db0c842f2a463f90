//! The folder of a devnet: `net.json`, which is there whole or not at all, and a lock.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const NET_JSON: &str = "net.json";
const UNFINISHED: &str = "net.json.new";

/// Held by one process at a time, until dropped.
pub(crate) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes it if it is missing, and takes away what an earlier run left.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.with_context(|| format!("cannot make the folder {}; give another --dir", path.display()))?;
        let lock_path = path.join("lock");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&lock_path);
        let lock = opened.with_context(|| format!("cannot open {}; give another --dir", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another ramson runs on {}; stop it or give another --dir", path.display()),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}; give another --dir", lock_path.display()));
            }
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        folder.clear();
        Ok(folder)
    }

    /// The file that tells of the network.
    pub(crate) fn net_json(&self) -> PathBuf {
        self.path.join(NET_JSON)
    }

    /// Writes `net.json` in one step.
    pub(crate) fn write(&self, text: &[u8]) -> anyhow::Result<()> {
        let unfinished = self.path.join(UNFINISHED);
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, self.net_json()))
            .with_context(|| format!("cannot write {}", self.net_json().display()))
    }

    /// Takes `net.json` away: nobody listens on its ports any more.
    pub(crate) fn clear(&self) {
        // What isn't there needs no removing.
        let _ = fs::remove_file(self.path.join(UNFINISHED));
        let _ = fs::remove_file(self.net_json());
    }
}
