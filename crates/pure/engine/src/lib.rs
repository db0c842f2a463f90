//! Everything that decides: netDb, tunnels, garlic sessions, destinations and streams as one machine, [`Engine`].
//!
//! The engine is driven like every machine here: [`Engine::handle_lane`] takes what the lane tells, [`Engine::handle_command`] what the
//! services wish, [`Engine::handle_timeout`] the time; after each call [`Engine::poll_output`] is drained until [`Output::Timeout`].

mod destination;
mod engine;
mod fingerprint;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod identity;
mod interface;
mod netdb;
mod newcomers;
mod own_router;
mod profile;
mod session;
mod status;
mod streaming;
mod tunnel;

pub use engine::{Engine, EngineConfig, EngineLimits};
pub use identity::{IdentityId, Owner};
pub use interface::{Command, DestinationConfig, Event, Output, Progress, Record, RequestId, Snapshot, Table};
pub use own_router::{OwnRouterError, RouterSecrets};
pub use session::{Peeked, PeekedKind};
pub use status::{BuildCounts, DestinationStatus, LookupCounts, Status, Traffic, TransitCounts, TransitStatus, TunnelCounts};
pub use streaming::{Access, CloseReason, OpenLimits, StreamId, StreamRings, StreamRules, StreamStatus};
