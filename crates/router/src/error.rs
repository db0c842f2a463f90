//! Why a router does not start: what was wrong, where, and how to mend it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A start that failed. Nothing on disk was overwritten.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system gave no randomness.
    #[error("the operating system gives no random numbers: {source}")]
    Entropy {
        /// Its answer.
        source: getrandom::Error,
    },
    /// A file or folder of the data folder.
    #[error("cannot {action} {}: {source}; mend that, or give another --data-dir", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A key file that isn't whole. It is left as it is.
    #[error(
        "the key file {} is broken: {problem}; restore it from a backup, or move it away to start with new keys",
        path.display()
    )]
    BrokenKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The data folder is one of other things, and open to other users.
    #[error(
        "the folder {} holds other things and is open to other users; give a folder of ramson's own as --data-dir, \
         or close this one with chmod 700",
        path.display()
    )]
    NotOurs {
        /// The folder.
        path: PathBuf,
    },
    /// The data folder is in use.
    #[error("another ramson runs on the data folder {}; stop it or give another --data-dir", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The transport port.
    #[error("cannot listen on {address} for other routers: {source}; give another --port or --bind")]
    Listen {
        /// What was tried.
        address: SocketAddr,
        /// The system's answer.
        source: io::Error,
    },
    /// A reseed folder or file.
    #[error("cannot read routers from {}: {problem}; give another --reseed DIR|FILE.zip, or none", path.display())]
    Reseed {
        /// Folder or zip file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Our own RouterInfo.
    #[error(transparent)]
    OwnRouter(#[from] ramson_engine::OwnRouterError),
    /// A setting that contradicts another.
    #[error("{0}")]
    Setting(&'static str),
    /// A thread, or what it waits on.
    #[error("cannot start the {name} thread: {source}; raise the limits of processes and open files, see ulimit -u and -n")]
    Thread {
        /// Which.
        name: &'static str,
        /// The system's answer.
        source: io::Error,
    },
}

/// The router has stopped, or the destination was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the router has stopped, or the destination is closed")]
pub struct Closed;

/// A listener that can't be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Somebody listens there.
    #[error("the port is taken")]
    Taken,
    /// See [`Closed`].
    #[error(transparent)]
    Closed(#[from] Closed),
}
