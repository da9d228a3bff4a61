//! The streams of chance of a run, all derived from its one seed with [`stream`].
//!
//! Each round has its own arrivals and paths. Within a round, all servers under one load have the same ones on purpose (common
//! random numbers): what the arrivals do to all of them is no difference between them.

pub use loadgen::seed::stream;

/// The seed of arrivals, paths and samples in a round, of all servers of a suite under the workload with this digest.
#[must_use]
pub fn of_load(run: u64, round: u32, suite: &str, workload_hash: &str) -> u64 {
    stream(run, &[u64::from(round), of_text(suite), of_text(workload_hash)])
}

/// A number that stands for a text.
fn of_text(text: &str) -> u64 {
    let bytes: Vec<u64> = text.bytes().map(u64::from).collect();
    stream(0, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::collections::BTreeSet;

    #[test]
    fn rounds_suites_and_loads_have_streams_of_their_own() {
        let mut seen = BTreeSet::new();
        for run in [0, 1, 7] {
            for round in 0..10 {
                for suite in ["wrk", "latency"] {
                    for hash in ["a", "b", "ab"] {
                        assert!(seen.insert(of_load(run, round, suite, hash)), "{run}, {round}, {suite}, {hash}");
                    }
                }
            }
        }
        assert_eq!(of_load(7, 3, "latency", "a"), of_load(7, 3, "latency", "a"), "all servers share it");
    }
}
