//! What the fuzz targets check: one module for each target, one function in it that takes the fuzzer's bytes and panics
//! if a property does not hold. `targets/` hands them to libFuzzer; the tests here hand them the seeds.
#![forbid(unsafe_code)]

pub mod conditions;
pub mod machine;
pub mod path_resolution;
pub mod request;
mod responses;
pub mod target;
mod tree;
mod words;
