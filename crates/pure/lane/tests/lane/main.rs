//! Lanes in one virtual network: byte pipes with arbitrary segmentation, own time, one seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod fairness;
mod faults;
mod limits;
mod network;
mod random;
mod relaying;
mod sessions;
mod simultaneous;
