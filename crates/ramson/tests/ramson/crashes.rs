//! The built program is killed, its disk fills up or may only be read, its files are torn: it always starts again, with
//! its keys, and says in plain words what it has lost.

mod load;

mod a_folder_that_may_only_be_read_is_used;
mod a_full_disk_is_waited_out;
mod a_killed_router_starts_again;
mod torn_files_are_told_of;
