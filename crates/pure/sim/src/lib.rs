//! Networks of complete routers on a virtual network, in virtual time, in one thread, from one seed.
//!
//! The routers are the production [`ramson_lane::Lane`] and [`ramson_engine::Engine`]; what is virtual is all that a driver gives them:
//! connections, clock, entropy, disk, and the time that work takes.
//!
//! | module | holds |
//! |---|---|
//! | [`scenario`] | what is to be simulated |
//! | [`run`] | a scenario coming to pass |
//! | [`world`] | the routers and their time |
//! | `net` | lines and TCP between them |
//! | `node` | a router's two threads |
//! | [`cpu`] | what work costs |
//! | [`disk`] | what is left after a crash |
//! | [`load`] | applications |
//! | [`tamper`] | routers that aren't what they should be |
//! | [`oracle`] | what must never be |
//! | `watch` | the oracles' eyes |
//! | [`measure`] | what was found out |
//! | [`expect`] | whether it is good enough |
//! | [`report`] | both of them, told |

pub mod cpu;
pub mod disk;
pub mod expect;
pub mod load;
pub mod measure;
mod net;
mod node;
pub mod oracle;
pub mod report;
pub mod run;
pub mod scenario;
mod schedule;
mod show;
pub mod tamper;
mod trace;
mod watch;
pub mod world;

pub use net::LinkConfig;
pub use node::User;
pub use ramson_engine::IdentityId;
