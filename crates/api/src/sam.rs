//! SAM 3.0 to 3.3, streams. Source: SAM V3 Specification.
//!
//! Supported: HELLO, DEST GENERATE, SESSION CREATE STYLE=STREAM, STREAM CONNECT, STREAM ACCEPT, NAMING LOOKUP,
//! PING, QUIT. Whatever else is asked gets an `I2P_ERROR` answer and a closed connection.

mod ahead;
mod connection;
#[cfg(feature = "fuzzing")]
pub mod fuzz;
mod line;
mod options;
mod reply;
mod server;

pub use server::SamServer;
