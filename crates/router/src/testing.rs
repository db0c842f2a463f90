//! What tests need of the world.

use ramson_leaks::{Watched, watch_process};
use tempfile::TempDir;

/// A folder of the test's own. What is logged while it stands names nobody: those who write to it have threads.
pub(crate) fn watched_folder() -> Watched<TempDir> {
    watch_process().over(tempfile::tempdir().unwrap())
}
