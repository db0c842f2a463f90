//! Lanes in one virtual network: byte pipes with arbitrary segmentation, own time, one seed.

mod limits;
mod network;
mod relaying;
mod sessions;
