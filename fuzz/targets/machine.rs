//! See `properties::machine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::machine::check(data));
