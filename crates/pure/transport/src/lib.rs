//! NTCP2 sessions as pure machines.
//!
//! A session is fed with bytes, time and randomness, and gives back bytes, events and one deadline. It knows
//! no socket, no clock and no other session: who may connect, how many, and to whom messages go is decided by
//! the lane that owns the sessions.
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod ntcp2;
