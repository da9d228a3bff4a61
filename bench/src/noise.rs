//! The noise of this machine as runs before have shown it: how far servers that were entered twice were from themselves. One
//! run has too few such pairs for a noise floor.

use std::fs;
use std::path::{Path, PathBuf};

use reports::record::NoiseBefore;
use reports::statistics::TwinNoise;
use reports::{Environment, Run, Store, certainty, ranking};

/// The newest so many runs are looked at: older ones tell of the machine as it was.
const RUNS: usize = 10;
/// Among the newest so many, for reading one takes a tenth of a second.
const LOOKED_AT: usize = 20;

/// The noise in the newest finished runs below `runs` that were made on this machine with the same CPUs; none if they hold no
/// server that was entered twice.
#[must_use]
pub fn before(runs: &Path, environment: &Environment) -> Option<NoiseBefore> {
    let mut folders: Vec<PathBuf> = fs::read_dir(runs).ok()?.flatten().map(|entry| entry.path()).collect();
    // `latest` is one of the others once more. Their names begin with the time.
    folders.retain(|folder| !folder.is_symlink());
    folders.sort();
    // One of another version, or broken, tells nothing that this one could read.
    let stored = folders.iter().rev().take(LOOKED_AT).filter_map(|folder| Store::open(folder).ok()?.load().ok());
    let like_this = stored.filter(|run| run.is_finished() && is_same_machine(&run.environment, environment));
    let of_each: Vec<TwinNoise> = like_this
        .take(RUNS)
        .map(|run: Run| certainty::twin_noise(&ranking::tables(&run)))
        .filter(|noise| noise.pairs > 0)
        .collect();
    let mut noise = TwinNoise::default();
    of_each.iter().for_each(|one| noise.add(one));
    (noise.pairs > 0).then(|| NoiseBefore {
        runs: u32::try_from(of_each.len()).unwrap_or(u32::MAX),
        pairs: noise.pairs as u64,
        squares: noise.squares,
    })
}

fn is_same_machine(then: &Environment, now: &Environment) -> bool {
    let of = |environment: &Environment| {
        let Environment { cpu_model, cpus, client_cpus, server_cpus, memory_bytes, hypervisor, .. } =
            environment.clone();
        (cpu_model, cpus, client_cpus, server_cpus, memory_bytes, hypervisor)
    };
    of(then) == of(now)
}
