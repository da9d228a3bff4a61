//! Who carried more than whom: the measurements of a run, judged, ranked and compared.

use loadgen::Histogram;

use crate::figures::{Figures, RoundFigures};
use crate::record::{Measurement, Part, Run, Workload};
use crate::statistics::{Better, Place, Ratio, groups_in_order, paired_ratio};
use crate::validity::{Standing, Validity};

/// The measurements of one part of a run that did the same work, in the suite's order. Only such are compared.
#[derive(Clone, Debug)]
pub struct Table<'run> {
    /// The question that it helps to answer.
    pub part: &'run Part,
    /// What the client did.
    pub workload: &'run Workload,
    /// One row for each measurement.
    pub rows: Vec<Row<'run>>,
}

/// The name of the server that gives a fixed answer: what loopback TCP and the client allow, and no rival of anybody.
pub const LIMIT: &str = "limit";

/// By what the rows of a table are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merit {
    /// By what they carry, in a closed loop: the more the better.
    Capacity,
    /// By how long 99 % of their answers take at most under a load that is the same for all, in an open loop: the less
    /// the better.
    Latency,
}

/// One measurement, judged.
#[derive(Clone, Debug)]
pub struct Row<'run> {
    /// The record.
    pub measurement: &'run Measurement,
    /// What it came to.
    pub figures: Figures,
    /// What may be said of it.
    pub validity: Validity,
    /// Its place by capacity, from 1; none if it is not ranked.
    pub rank: Option<usize>,
    /// Its figure over the best one's; none if it is not ranked.
    pub to_best: Option<Ratio>,
    /// The group of its server, which is judged by its best row: 1 for the best and all that cannot be told apart from it,
    /// Holm-corrected; none for its other rows, where it is not ranked, and where it has too few rounds.
    pub group: Option<usize>,
}

/// Judges every measurement of a run, and ranks those of the same workload among each other.
#[must_use]
pub fn tables(run: &Run) -> Vec<Table<'_>> {
    let mut tables: Vec<(&str, Table<'_>)> = Vec::new();
    for part in &run.parts {
        for measurement in run.measurements.iter().filter(|measurement| measurement.part == part.suite) {
            let hash = measurement.workload_hash.as_str();
            let row = Row::of(measurement);
            match tables.iter_mut().find(|(of, table)| *of == hash && table.part.suite == part.suite) {
                Some((_, table)) => table.rows.push(row),
                None => tables.push((hash, Table { part, workload: &measurement.workload, rows: vec![row] })),
            }
        }
    }
    tables
        .into_iter()
        .map(|(_, mut table)| {
            table.rank();
            table
        })
        .collect()
}

/// How many times the figure of the second row the first one has, by their rounds in pairs: their capacity, or in an open
/// loop the latency that 99 % of their answers did not exceed.
///
/// Where no round of both was quiet enough, but all rounds together are, it is the ratio of these, from 0 pairs.
#[must_use]
pub fn compare(first: &Row<'_>, second: &Row<'_>) -> Option<Ratio> {
    let other = &second.figures.rounds;
    let pairs: Vec<(f64, f64)> = first
        .figures
        .rounds
        .iter()
        .filter_map(|round| {
            let partner = other.iter().find(|partner| partner.index == round.index)?;
            let merit = Merit::of(first.measurement);
            Some((merit.of_round(round)?, merit.of_round(partner)?))
        })
        .collect();
    paired_ratio(&pairs).or_else(|| {
        if Merit::of(first.measurement) == Merit::Latency {
            return None;
        }
        let pooled = paired_ratio(&[(first.figures.capacity()?, second.figures.capacity()?)])?;
        Some(Ratio { rounds: 0, ..pooled })
    })
}

impl Merit {
    /// By what a measurement is ranked.
    #[must_use]
    pub fn of(measurement: &Measurement) -> Self {
        if measurement.workload.arrival.is_open() { Self::Latency } else { Self::Capacity }
    }

    /// The figure of one round, if it was quiet enough to have one.
    #[must_use]
    pub fn of_round(self, round: &RoundFigures) -> Option<f64> {
        match self {
            Self::Capacity => round.capacity(),
            Self::Latency => round.quiet_p99(),
        }
    }

    fn of_all(self, figures: &Figures) -> Option<f64> {
        match self {
            Self::Capacity => figures.capacity(),
            Self::Latency => figures.quiet_latency.percentile(99.0).map(|nanoseconds| nanoseconds as f64),
        }
    }

    fn better(self) -> Better {
        match self {
            Self::Capacity => Better::Higher,
            Self::Latency => Better::Lower,
        }
    }
}

impl<'run> Table<'run> {
    /// By what its rows are ranked.
    #[must_use]
    pub fn merit(&self) -> Merit {
        if self.workload.arrival.is_open() { Merit::Latency } else { Merit::Capacity }
    }

    /// The rows that are ranked, the best first.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Row<'run>> {
        let mut ranked: Vec<&Row<'run>> = self.rows.iter().filter(|row| row.rank.is_some()).collect();
        ranked.sort_by_key(|row| row.rank);
        ranked
    }

    /// The best ranked row of each server, the best first.
    #[must_use]
    pub fn best_of_each_server(&self) -> Vec<&Row<'run>> {
        let mut best: Vec<&Row<'run>> = Vec::new();
        for row in self.ranked() {
            if !best.iter().any(|better| better.measurement.server.name == row.measurement.server.name) {
                best.push(row);
            }
        }
        best
    }

    /// The names of the servers, in the suite's order.
    #[must_use]
    pub fn servers(&self) -> Vec<&'run str> {
        let mut names: Vec<&'run str> = Vec::new();
        for row in &self.rows {
            if !names.contains(&row.measurement.server.name.as_str()) {
                names.push(&row.measurement.server.name);
            }
        }
        names
    }

    fn rank(&mut self) {
        let merit = self.merit();
        let mut order: Vec<(usize, f64)> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.validity.standing() == Standing::Ranked && row.is_contestant())
            .filter_map(|(place, row)| Some((place, merit.of_all(&row.figures)?)))
            .collect();
        order.sort_by(|(_, first), (_, second)| match merit {
            Merit::Capacity => second.total_cmp(first),
            Merit::Latency => first.total_cmp(second),
        });
        let Some(best) = order.first().map(|(place, _)| self.rows[*place].clone()) else {
            return;
        };
        let rounds = |row: &Row<'_>| -> Vec<Option<f64>> {
            let last = row.figures.rounds.iter().map(|round| round.index as usize + 1).max().unwrap_or(0);
            let mut by_index = vec![None; last];
            for round in &row.figures.rounds {
                by_index[round.index as usize] = merit.of_round(round);
            }
            by_index
        };
        for (rank, (place, _)) in (1..).zip(&order) {
            let row = &mut self.rows[*place];
            row.rank = Some(rank);
            row.to_best = compare(row, &best);
        }
        // A server for each contestant, at its best: rows of one server are no rivals, and each further pair would make it
        // harder to tell any two apart. They stand in the order of their ranks, so that the first row leads the first group.
        let mut servers: Vec<usize> = Vec::new();
        for (place, _) in order {
            let name = &self.rows[place].measurement.server.name;
            if !servers.iter().any(|other| self.rows[*other].measurement.server.name == *name) {
                servers.push(place);
            }
        }
        let contestants: Vec<Vec<Option<f64>>> = servers.iter().map(|place| rounds(&self.rows[*place])).collect();
        let best_first: Vec<usize> = (0..contestants.len()).collect();
        let places: Vec<Place> = groups_in_order(&contestants, merit.better(), &best_first);
        for (place, group) in servers.into_iter().zip(places) {
            self.rows[place].group = group.group();
        }
    }
}

impl<'run> Row<'run> {
    fn of(measurement: &'run Measurement) -> Self {
        let figures = Figures::of(measurement);
        let validity = Validity::of(measurement, &figures);
        Self { measurement, figures, validity, rank: None, to_best: None, group: None }
    }

    /// Whether it takes part in the ranking: a server entered twice and the limit of all servers are only shown.
    #[must_use]
    pub fn is_contestant(&self) -> bool {
        !self.measurement.is_twin && self.measurement.server.name != LIMIT
    }

    /// The latencies to be shown. In an open loop they are what is ranked, so they are those of the quiet rounds, if there
    /// are any: what a noisy minute does to a percentile is not the server's.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        let quiet = &self.figures.quiet_latency;
        let is_ranked_by_it = Merit::of(self.measurement) == Merit::Latency;
        if is_ranked_by_it && !quiet.is_empty() { quiet } else { &self.figures.latency }
    }

    /// Where the measurement stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.validity.standing()
    }
}
