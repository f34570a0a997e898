#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shipway_dist::fuzzing::proof(bytes));
