#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ramson_fuzzing_shell::run("sam_connections", data));
