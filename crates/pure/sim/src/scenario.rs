//! What is to be simulated.
