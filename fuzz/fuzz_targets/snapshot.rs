#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ramson_fuzzing::run("snapshot", data));
