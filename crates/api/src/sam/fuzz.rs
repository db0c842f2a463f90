//! A door for the fuzz targets: lines and options without a connection, and a bridge with small limits. Behind the feature
//! `fuzzing`.

use std::sync::Arc;

use ramson_router::{DestinationConfig, Names, Router};

use super::line::Line;
use super::options;
use super::reply::{self, Outcome};
use super::server::SamServer;

/// The longest line.
pub const MAX_LINE: u64 = super::connection::MAX_LINE;

/// A bridge with so many connections and sessions at most.
#[must_use]
pub fn server(router: Router, names: Arc<Names>, max_connections: usize, max_sessions: usize) -> SamServer {
    SamServer::with_limits(router, names, max_connections, max_sessions)
}

/// A line that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// First word.
    pub command: String,
    /// Second word.
    pub action: String,
    /// Keys with their values.
    pub keys: Vec<(String, String)>,
}

/// What a line asks for, or the answer that refuses it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Tunnels of the session.
    pub tunnels: Result<DestinationConfig, String>,
    /// The type of signature can be made.
    pub signature_type: Result<(), String>,
    /// `FROM_PORT`.
    pub port: Result<u16, String>,
    /// The version to be spoken, and whether it knows ports.
    pub version: Result<(String, bool), String>,
}

/// Reads a line.
#[must_use]
pub fn line(text: &str) -> Option<Parsed> {
    let Line { command, action, keys } = Line::parse(text).ok()?;
    Some(Parsed { command, action, keys: keys.into_iter().collect() })
}

/// Reads a line and what its keys ask for.
#[must_use]
pub fn asked(text: &str) -> Option<Asked> {
    let line = Line::parse(text).ok()?;
    let said = |outcome: Outcome| outcome.text();
    Some(Asked {
        tunnels: options::tunnels(&line).map_err(said),
        signature_type: options::signature_type(&line).map_err(said),
        port: options::port(&line, "FROM_PORT").map_err(said),
        version: options::version(&line).map(|version| (version.to_string(), version.has_ports())).map_err(said),
    })
}

/// The answer that says in these words what went wrong.
#[must_use]
pub fn error(message: &str) -> String {
    Outcome::error(message).text()
}

/// The answers to a look-up of `name`: with a destination, and without.
#[must_use]
pub fn naming_replies(name: &str, destination: &str) -> [String; 2] {
    [reply::naming(name, Ok(destination)), reply::naming(name, Err(&Outcome::InvalidKey))]
}
