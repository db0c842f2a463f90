//! The data plane as one machine: every transport session, the choice of addresses, and the relay
//! table with its batches. It owns the command and event types that the engine speaks.
//!
//! Pure: bytes, connections and time are given by a driver, which stays dull: read, feed, drain, write.
//! A driver's turn is: feed all that its sockets have, call [`Lane::end_turn`], drain
//! [`Lane::poll_output`] until [`LaneOutput::Timeout`], write.
//!
//! | module | holds |
//! |---|---|
//! | `interface` | commands, events, outputs, statistics |
//! | `lane` | the machine: connections, peers, dialing, limits |
//! | `relay` | the table of transit tunnels and a turn's batch |
//! | [`tunnel_data`] | fragments in, fragments out: shared with the engine's own tunnels |
//! | [`bucket`] | rates in bytes: shared with the engine's applications |
//! | [`filter`] | duplicate tunnel messages |

pub mod bucket;
pub mod filter;
pub mod tunnel_data;

mod address;
mod i2np;
mod interface;
mod lane;
mod limits;
mod relay;
mod timers;

pub use interface::{ConnId, DropReason, Fault, LaneCommand, LaneConfig, LaneEvent, LaneOutput, LaneStats, Relay, RelayRole};
pub use lane::Lane;
pub use ramson_transport::ntcp2::{Class, LocalIdentity};
