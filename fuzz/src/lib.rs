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

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    /// Hands every seed of a target to its check, whole and cut off everywhere.
    fn replay(target: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        let mut seeds = 0;
        for seed in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = seed.expect("a seed").path();
            println!("{}", path.display());
            let data = fs::read(path).expect("a readable seed");
            for end in 0..=data.len() {
                check(&data[..end]);
            }
            seeds += 1;
        }
        assert!(seeds > 0);
    }

    #[test]
    fn conditions() {
        replay("conditions", conditions::check);
    }

    #[test]
    fn machine() {
        replay("machine", machine::check);
    }

    #[test]
    fn path_resolution() {
        replay("path_resolution", path_resolution::check);
    }

    #[test]
    fn request() {
        replay("request", request::check);
    }

    #[test]
    fn target() {
        replay("target", target::check);
    }
}
