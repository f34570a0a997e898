#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| shipway_index::fuzzing::export_rows(bytes));
