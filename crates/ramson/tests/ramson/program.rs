//! What the built program does, as its user sees it.

mod a_broken_key_file_is_refused_and_left_alone;
mod a_data_folder_serves_one_router_at_a_time;
mod a_leak_in_its_log_fails_a_test;
mod a_mistake_in_the_settings_is_named;
mod a_port_in_use_is_named;
mod a_reseed_that_cannot_be_read_is_named;
mod a_signal_ends_the_router_cleanly;
#[cfg(feature = "sim")]
mod a_simulation_tells_how_good_it_was;
mod hostile_bytes_do_not_disturb_the_router;
mod identities_outlive_a_kill;
mod its_router_info_lies_in_the_data_folder;
mod listening_beyond_this_machine_is_warned_of;
mod running_out_of_descriptors_is_survived;
mod status_has_its_documented_shape;
mod the_demo_fetches_its_page;
mod the_proxy_explains_what_it_refuses;
mod what_is_written_is_private;
