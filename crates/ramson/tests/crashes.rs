//! The built program is killed, its disk fills up or may only be read, its files are torn: it always starts again, with
//! its keys, and says in plain words what it has lost.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a helper that cannot help ends the test")]
#![allow(dead_code, reason = "the helpers serve other tests too")]

#[path = "crashes/load.rs"]
mod load;
#[path = "program/namespace.rs"]
mod namespace;
#[path = "program/running.rs"]
mod running;
#[path = "network/testnet.rs"]
mod testnet;

#[path = "crashes/a_folder_that_may_only_be_read_is_used.rs"]
mod a_folder_that_may_only_be_read_is_used;
#[path = "crashes/a_full_disk_is_waited_out.rs"]
mod a_full_disk_is_waited_out;
#[path = "crashes/a_killed_router_starts_again.rs"]
mod a_killed_router_starts_again;
#[path = "crashes/torn_files_are_told_of.rs"]
mod torn_files_are_told_of;
