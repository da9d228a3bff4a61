//! How sure a run is: its noise floor, its rounds, what was excluded, and how close its generator came to be the limit.

use crate::figures::RoundFigures;
use crate::ranking::{LIMIT, Row, Table, compare};
use crate::record::Run;
use crate::round_exclusion::RoundExclusion;
use crate::statistics::{PAIRS_NEEDED, SIGNIFICANCE, TwinNoise};
use crate::summary::{evidence, is_first_entry_of};
use crate::validity::{GENERATOR_BUSY, Standing};
use crate::words;

/// Words of the field, as this report uses them.
pub const GLOSSARY: [(&str, &str); 10] = [
    (
        "capacity",
        "answers per second of CPU time that the server could have had, in quiet windows: by it rows are ranked",
    ),
    (
        "closed loop",
        "each connection asks again when its answer has come; shows capacity, and no latency that a user feels",
    ),
    (
        "open loop",
        "requests are sent by the clock, whatever the server does, and timed from when they should have been sent",
    ),
    (
        "round",
        "one pass over all measurements in random order; each server is started for its turn and stopped after it",
    ),
    ("quiet window", "half a second in which at most 5 % of the CPUs' time was stolen by other virtual machines"),
    ("95 % interval", "of a hundred runs like this, about 95 give one that holds the true ratio"),
    ("group", "servers that this run cannot tell apart, after Holm's correction for the number of comparisons"),
    ("A/A control", "one server measured twice in each round: how far it is from itself shows what noise does"),
    (
        "p99",
        "the latency that 99 % of the answers did not exceed: in a closed loop over all rounds together, in an open loop the \
         geometric mean of the rounds",
    ),
    ("limit", "a server that parses nothing and always gives the same answer: what loopback and the client allow"),
];

/// What is known of how sure the run is, a sentence or two each.
#[must_use]
pub fn sentences(run: &Run, tables: &[Table<'_>]) -> Vec<String> {
    let rows: Vec<&Row<'_>> = tables.iter().flat_map(|table| &table.rows).filter(|row| is_measured(row)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let mut sentences = vec![rounds(run)];
    sentences.extend(error_rates(tables));
    sentences.extend(noise_floor(run, tables));
    sentences.push(excluded(&rows));
    sentences.extend(additional(run));
    sentences.extend(ceiling(run, &rows));
    sentences
}

fn is_measured(row: &Row<'_>) -> bool {
    !row.figures.rounds.is_empty()
}

fn rounds(run: &Run) -> String {
    let method = match run.rounds_done() {
        0 | 1 => "One round has no interval, and nothing is grouped by it.",
        2..10 => {
            "A 95 % interval comes from Student's t on the log ratios of the rounds, and is that of its comparison alone."
        }
        _ => "A 95 % interval comes from a bootstrap of the rounds, and is that of its comparison alone.",
    };
    format!("{}. {method}", words::sentence(&crate::summary::progress(run)))
}

/// How often groups put equals apart: in each table for itself, so more often in a run of many.
fn error_rates(tables: &[Table<'_>]) -> Option<String> {
    let has_groups = |table: &&Table<'_>| table.rows.iter().filter(|row| row.group.is_some()).count() > 1;
    let count = tables.iter().filter(has_groups).count();
    let rate = "Groups are corrected within each table, for all pairs of its servers (Holm) and for taking each server by the \
                best of its rows: of servers that are equal, one is put below another in at most 1 of 20 such tables";
    match count {
        0 => None,
        1 => Some(format!("{rate}.")),
        _ => Some(format!(
            "{rate}. They are not corrected for the number of tables: in the {count} of this run, at most {} such errors are \
             to be expected where all servers are equal.",
            words::figure(count as f64 * SIGNIFICANCE),
        )),
    }
}

/// How far A/A controls differed from what they repeat, over all closed loops together. (A p99 is noisier than what
/// closed loops are ranked by, so pairs of it would say nothing of these.)
#[must_use]
pub fn twin_noise(tables: &[Table<'_>]) -> TwinNoise {
    let mut noise = TwinNoise::default();
    for (table, twin, first) in twins(tables).into_iter().filter(|(table, ..)| !table.workload.arrival.is_open()) {
        let merit = table.merit();
        let pair = |round: &RoundFigures| {
            let partner = first.figures.rounds.iter().find(|other| other.index == round.index)?;
            Some((merit.of_round(round)?, merit.of_round(partner)?))
        };
        noise.add(&TwinNoise::of(&twin.figures.rounds.iter().filter_map(pair).collect::<Vec<_>>()));
    }
    noise
}

/// Each A/A control: its table, itself and what it repeats.
fn twins<'a, 'run>(tables: &'a [Table<'run>]) -> Vec<(&'a Table<'run>, &'a Row<'run>, &'a Row<'run>)> {
    let of_table =
        |table: &'a Table<'run>| {
            table.rows.iter().filter(|row| row.measurement.is_twin).filter_map(move |twin| {
                Some((table, twin, table.rows.iter().find(|row| is_first_entry_of(row, twin))?))
            })
        };
    tables.iter().flat_map(of_table).collect()
}

/// What the A/A pairs of this run and of those before it come to; with too few of them, what each A/A control shows.
fn noise_floor(run: &Run, tables: &[Table<'_>]) -> Option<String> {
    let mut noise = twin_noise(tables);
    let mut source = String::new();
    if let Some(before) = run.noise_before {
        noise.add(&TwinNoise { squares: before.squares, pairs: usize::try_from(before.pairs).unwrap_or(usize::MAX) });
        source =
            format!(" (of this run and of {} before it on this machine)", words::plural(before.runs.into(), "run"));
    }
    let pairs = words::plural(noise.pairs as u64, "A/A pair");
    if let Some(floor) = noise.floor() {
        return Some(format!(
            "Noise floor: in {pairs}{source}, which are two trials of one and the same server in one round, the two differed by \
             {} (root mean square), so by up to {} in 19 of 20 cases. What a single pair shows below that is noise.",
            words::percent(floor.standard_deviation.exp_m1()),
            words::percent(floor.one_pair()),
        ));
    }
    let control = |(table, twin, first): (&Table<'_>, &Row<'_>, &Row<'_>)| {
        let ratio = compare(twin, first)?;
        let (load, name) = (crate::decision::load(table), first.measurement.phrase());
        Some(format!("{name} ({load}) {} times itself ({})", words::ratio(ratio.ratio), evidence(ratio)))
    };
    let controls: Vec<String> = twins(tables).into_iter().filter_map(control).collect();
    (!controls.is_empty()).then(|| {
        format!(
            "Noise floor: there {} {pairs}{source}, too few for one: it takes {PAIRS_NEEDED}. The A/A {} of this run: {}.",
            if noise.pairs == 1 { "is" } else { "are" },
            if controls.len() == 1 { "control" } else { "controls" },
            words::list(&controls),
        )
    })
}

/// The windows and the rounds that noise took.
fn excluded(rows: &[&Row<'_>]) -> String {
    let windows: u64 = rows.iter().map(|row| row.figures.quiet.windows).sum();
    let stolen: u64 = rows.iter().map(|row| row.figures.quiet.set_aside).sum();
    let rounds: usize = rows.iter().map(|row| row.figures.rounds.len()).sum();
    let windows = match stolen {
        0 => "No window had too much steal".to_owned(),
        _ => format!("{} of {} had too much steal", words::count(stolen), words::plural(windows, "window")),
    };
    let of = |why: RoundExclusion| -> usize { rows.iter().map(|row| row.figures.excluded_for(why)).sum() };
    let causes: Vec<String> = RoundExclusion::ALL
        .into_iter()
        .filter(|why| of(*why) > 0)
        .map(|why| format!("{} for {}", of(why), why.label()))
        .collect();
    let rounds = words::plural(rounds as u64, "trial");
    match causes.len() {
        0 => format!("{windows}, and none of {rounds} is excluded from the figures."),
        _ => format!("{windows}. Of {rounds}, these are excluded from all figures: {}.", words::list(&causes)),
    }
}

/// Trials of additional rounds.
fn additional(run: &Run) -> Option<String> {
    let is_additional = |index: u32| index >= run.rounds_planned;
    let trials: usize =
        run.measurements.iter().map(|one| one.rounds.iter().filter(|round| is_additional(round.index)).count()).sum();
    (trials > 0).then(|| {
        format!(
            "{} taken in additional rounds: of rows with excluded rounds, and of the other rows of their tables beside them, so that \
             there are pairs. Whether a trial is repeated depends on steal, other processes, quotas and a late load generator alone: it \
             is repeated for its noise and never for its result.",
            if trials == 1 { "One trial was".to_owned() } else { format!("{trials} trials were") },
        )
    })
}

/// How far the generator was from being the limit.
fn ceiling(run: &Run, rows: &[&Row<'_>]) -> Option<String> {
    // Measured once before the run, and, where the limit takes part, in every round; either may have met a bad moment.
    let before = run.environment.generator_ceiling.as_ref().map(|ceiling| ceiling.requests_per_second);
    let of_limit = |row: &&&Row<'_>| row.measurement.server.name == LIMIT;
    let in_rounds = rows.iter().filter(of_limit).filter_map(|row| row.figures.requests_per_second());
    let reached = in_rounds.chain(before).reduce(f64::max)?;
    let busiest = rows
        .iter()
        .filter(|row| row.measurement.server.name != LIMIT)
        .filter_map(|row| Some((row, row.figures.generator_utilisation?)))
        .max_by(|first, second| first.1.total_cmp(&second.1));
    let limited = rows.iter().filter(|row| row.standing() == Standing::AtLeast).count();
    let busiest = busiest.map(|(row, share)| {
        format!(" It was busiest with {}, at {} of a CPU.", row.measurement.phrase(), words::percent(share))
    });
    let limited = match limited {
        0 => format!(
            " It was nowhere the limit (at {} of a CPU while the server had time left).",
            words::percent(GENERATOR_BUSY)
        ),
        _ => format!(" In {} it was the limit, and the figure is a lower bound.", words::plural(limited as u64, "row")),
    };
    Some(format!(
        "The load generator reaches {} requests per second here against a server that does nothing.{}{limited}",
        words::figure(reached),
        busiest.unwrap_or_default(),
    ))
}
