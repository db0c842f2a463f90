#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ramson_fuzzing_shell::run("http_proxy", data));
