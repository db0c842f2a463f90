//! What the built program sends, seen from below: every packet of a network namespace is recorded, to wherever it goes.

mod loopback;
mod recorder;

mod only_to_peers_that_it_was_given;
