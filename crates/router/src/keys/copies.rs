//! Key files and the copies beside them.

use std::path::{Path, PathBuf};

use crate::error::StartError;
use crate::files::{read_secret, write_secret};

/// Reads keys from their file, or from its copy if the file is broken: then it is set right, and what it was is kept beside it.
pub(super) fn load<K>(path: &Path, decode: impl Fn(&[u8]) -> Result<K, &'static str>) -> Result<Option<K>, StartError> {
    let Some(bytes) = read_secret(path)? else { return Ok(None) };
    let problem = match decode(&bytes) {
        Ok(keys) => {
            keep_copy(path, &bytes);
            return Ok(Some(keys));
        }
        Err(problem) => problem,
    };
    let copy = read_secret(&beside(path, "copy")).ok().flatten();
    let Some((keys, copy)) = copy.and_then(|copy| Some((decode(&copy).ok()?, copy))) else {
        return Err(StartError::BrokenKeys { path: path.to_owned(), problem });
    };
    let broken = beside(path, "broken");
    match write_secret(&broken, &bytes).and_then(|()| write_secret(path, &copy)) {
        Ok(()) => tracing::warn!(
            "the key file {} was broken: {problem}. Its copy is in its place now, and what it was in {}",
            path.display(),
            broken.display()
        ),
        Err(error) => tracing::warn!("the key file {} is broken: {problem}. Its copy is used. {error}", path.display()),
    }
    Ok(Some(keys))
}

/// Writes fresh keys. A copy is of keys whose file somebody took away: it may be the last one.
pub(super) fn create(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    let copy = beside(path, "copy");
    if copy.exists() {
        let old = beside(path, "old");
        let kept = std::fs::rename(&copy, &old);
        kept.map_err(|source| StartError::File { action: "rename", path: copy, source })?;
        tracing::warn!("the key file {} is gone: new keys are made. Those it had are in {}", path.display(), old.display());
    }
    write_secret(path, bytes)?;
    keep_copy(path, bytes);
    Ok(())
}

/// A router runs without a copy too, on a full disk or one that can only be read.
fn keep_copy(path: &Path, bytes: &[u8]) {
    let copy = beside(path, "copy");
    let there = read_secret(&copy).ok().flatten().is_some_and(|there| *there == bytes);
    if !there && let Err(error) = write_secret(&copy, bytes) {
        tracing::debug!(%error, "a key file has no copy");
    }
}

pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
