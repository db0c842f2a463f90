//! The shell around the pure machines: threads, sockets and disk below, and above them the async API that every
//! service and every embedding program uses.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::{path::Path, sync::Arc};
//! use ramson_router::{DataDir, DestinationConfig, Names, Router, RouterConfig, new_destination};
//!
//! let data_dir = Arc::new(DataDir::open(Path::new("data"))?);
//! let router = Router::start(RouterConfig::default(), data_dir)?;
//! let local = router.open("example", new_destination()?, DestinationConfig::default());
//! local.ready().await?;
//! let site = Names::default().resolve("7tbay5p4kzeekxvyvbf6v7eauazemsnnl2aoyqhg5jzpr5eke7tq.b32.i2p")?;
//! let stream = local.connect(site.hash(), 0, 80).await?;
//! # Ok(())
//! # }
//! ```

mod clock;
mod connection;
mod copying;
mod destination;
pub mod driver;
mod engine_thread;
mod entropy;
mod error;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzz;
mod keys;
mod lane_thread;
mod limits;
mod listening;
mod mailbox;
mod names;
mod ports;
mod reseed;
mod router;
mod routes;
mod storage;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(feature = "benching")]
#[doc(hidden)]
pub mod turns;

pub use connection::{Connection, Socket, Unfinished};
pub use copying::{copy_both, while_moving};
pub use destination::{Accepted, Destination};
pub use error::{Closed, ListenError, StartError};
pub use files::DataDir;
pub use keys::{load_or_create_destination, new_destination};
pub use limits::Limits;
pub use listening::{Listener, Server, accept};
pub use names::{NameError, Names, Target};
pub use ports::{Datagram, DatagramListener, PortListener};
pub use ramson_engine::{
    Access, BuildCounts, CloseReason, DestinationConfig, DestinationStatus, LookupCounts, OpenLimits, Progress, Status,
    StreamRules, Traffic, TransitCounts, TransitStatus, TunnelCounts,
};
pub use router::{MAIN_NET_ID, Router, RouterConfig};
pub use stream::Stream;
