//! The noise of this machine as runs before have shown it: how far A/A controls differed from what they repeat. One
//! run has too few such pairs for a noise floor.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use reports::comparison::{Comparison, Figure, judgement};
use reports::record::NoiseBefore;
use reports::statistics::TwinNoise;
use reports::{Environment, Run, Store, certainty, ranking};

/// The newest so many runs are looked at: older ones tell of the machine as it was.
const RUNS: usize = 10;
/// Among the newest so many, for reading one takes a tenth of a second.
const LOOKED_AT: usize = 20;

/// The noise in the newest finished runs below `runs` that were made on this machine with the same CPUs; none if they hold no
/// A/A control.
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

/// The same in the newest finished comparisons of commits below `comparisons`, by figure: how far programs were from
/// themselves in two turns in a row.
#[must_use]
pub fn of_comparisons(comparisons: &Path, environment: &Environment) -> BTreeMap<Figure, NoiseBefore> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(comparisons).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    folders.retain(|folder| !folder.is_symlink());
    folders.sort();
    let stored = folders.iter().rev().take(LOOKED_AT).filter_map(|folder| Comparison::load(folder).ok());
    let like_this = stored.filter(|one| one.finished_at.is_some() && is_same_machine(&one.environment, environment));
    let mut noise: BTreeMap<Figure, NoiseBefore> = BTreeMap::new();
    for comparison in like_this.take(RUNS) {
        for (figure, own) in judgement::own_noise(&comparison) {
            let before = noise.entry(figure).or_insert(NoiseBefore { runs: 0, pairs: 0, squares: 0.0 });
            before.runs += 1;
            before.pairs += own.pairs as u64;
            before.squares += own.squares;
        }
    }
    noise
}

fn is_same_machine(then: &Environment, now: &Environment) -> bool {
    let of = |environment: &Environment| {
        let Environment { cpu_model, cpus, client_cpus, server_cpus, memory_bytes, hypervisor, .. } =
            environment.clone();
        (cpu_model, cpus, client_cpus, server_cpus, memory_bytes, hypervisor)
    };
    of(then) == of(now)
}
