//! Who carried more than whom: the measurements of a run, judged, ranked and compared.

use crate::figures::Figures;
use crate::record::{Measurement, Part, Run, Workload};
use crate::statistics::{Ratio, paired_ratio};
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
    /// Its capacity over the best one's; none if it is not ranked.
    pub to_best: Option<Ratio>,
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

/// How many times the capacity of the second row the first one has, by their rounds in pairs.
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
            Some((round.capacity()?, partner.capacity()?))
        })
        .collect();
    paired_ratio(&pairs).or_else(|| {
        let pooled = paired_ratio(&[(first.figures.capacity()?, second.figures.capacity()?)])?;
        Some(Ratio { rounds: 0, ..pooled })
    })
}

impl<'run> Table<'run> {
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
        let mut order: Vec<(usize, f64)> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| row.validity.standing() == Standing::Ranked)
            .filter_map(|(place, row)| Some((place, row.figures.capacity()?)))
            .collect();
        order.sort_by(|(_, first), (_, second)| second.total_cmp(first));
        let Some(best) = order.first().map(|(place, _)| self.rows[*place].clone()) else {
            return;
        };
        for (rank, (place, _)) in (1..).zip(order) {
            let row = &mut self.rows[place];
            row.rank = Some(rank);
            row.to_best = compare(row, &best);
        }
    }
}

impl<'run> Row<'run> {
    fn of(measurement: &'run Measurement) -> Self {
        let figures = Figures::of(measurement);
        let validity = Validity::of(measurement, &figures);
        Self { measurement, figures, validity, rank: None, to_best: None }
    }

    /// Where the measurement stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.validity.standing()
    }
}
