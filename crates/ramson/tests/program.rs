//! What the built program does, as its user sees it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper that cannot help ends the test")]

#[path = "program/running.rs"]
mod running;

#[path = "program/a_broken_key_file_is_refused_and_left_alone.rs"]
mod a_broken_key_file_is_refused_and_left_alone;
#[path = "program/a_data_folder_serves_one_router_at_a_time.rs"]
mod a_data_folder_serves_one_router_at_a_time;
#[path = "program/a_leak_in_its_log_fails_a_test.rs"]
mod a_leak_in_its_log_fails_a_test;
#[path = "program/a_mistake_in_the_settings_is_named.rs"]
mod a_mistake_in_the_settings_is_named;
#[path = "program/a_port_in_use_is_named.rs"]
mod a_port_in_use_is_named;
#[path = "program/a_reseed_that_cannot_be_read_is_named.rs"]
mod a_reseed_that_cannot_be_read_is_named;
#[path = "program/a_signal_ends_the_router_cleanly.rs"]
mod a_signal_ends_the_router_cleanly;
#[cfg(feature = "sim")]
#[path = "program/a_simulation_tells_how_good_it_was.rs"]
mod a_simulation_tells_how_good_it_was;
#[path = "program/hostile_bytes_do_not_disturb_the_router.rs"]
mod hostile_bytes_do_not_disturb_the_router;
#[path = "program/identities_outlive_a_kill.rs"]
mod identities_outlive_a_kill;
#[path = "program/listening_beyond_this_machine_is_warned_of.rs"]
mod listening_beyond_this_machine_is_warned_of;
#[path = "program/running_out_of_descriptors_is_survived.rs"]
mod running_out_of_descriptors_is_survived;
#[path = "program/status_has_its_documented_shape.rs"]
mod status_has_its_documented_shape;
#[path = "program/the_demo_fetches_its_page.rs"]
mod the_demo_fetches_its_page;
#[path = "program/the_proxy_explains_what_it_refuses.rs"]
mod the_proxy_explains_what_it_refuses;
#[path = "program/what_is_written_is_private.rs"]
mod what_is_written_is_private;
