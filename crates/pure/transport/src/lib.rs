//! NTCP2 sessions as pure machines.
