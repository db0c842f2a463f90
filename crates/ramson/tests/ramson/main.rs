//! The built program, and networks of complete routers in this process, as their users see them. One test program for all:
//! most of these tests wait, so they go side by side.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that cannot help ends the test")]

mod support;

mod crashes;
#[cfg(feature = "sim")]
mod devnet;
mod network;
mod packets;
mod program;
