//! Networks of complete routers on a virtual network, in virtual time, in one thread, from one seed.
//!
//! The routers are the production [`ramson_lane::Lane`] and [`ramson_engine::Engine`]; what is virtual is all that a driver gives them:
//! connections, clock, entropy, disk, and the time that work takes.

pub mod expect;
pub mod measure;
pub mod report;
pub mod scenario;
mod show;
