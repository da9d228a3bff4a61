//! Raw request targets against a document root on the disk and its model in memory: see `properties::path_resolution`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::path_resolution::check(data));
