//! Who carried more than whom: the measurements of a run, judged, ranked and compared.

use loadgen::Histogram;

use crate::figures::{Figures, RoundFigures};
use crate::merit::Merit;
use crate::record::{Arrival, Measurement, Part, Run, Workload};
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
    merit: Merit,
}

/// What is known of who is the best server of a table, each in its best configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Fewer than two servers are ranked, so there is nothing to decide.
    Alone,
    /// There are too few rounds that two servers share for anything to be decided.
    TooFewRounds,
    /// No significant difference between the servers: all are in the first group.
    Undecided,
    /// The first group has several servers, between the first of which and the others there is no significant difference, and
    /// others are behind them.
    Several,
    /// One server alone is in the first group.
    One,
}

/// The name of the server that gives a fixed answer: what loopback TCP and the client allow, and no rival of anybody.
pub const LIMIT: &str = "limit";

/// One measurement, judged.
#[derive(Clone, Debug)]
pub struct Row<'run> {
    /// The record.
    pub measurement: &'run Measurement,
    /// What it came to.
    pub figures: Figures,
    /// What may be said of it.
    pub validity: Validity,
    /// By what the rows of its table are ranked.
    pub merit: Merit,
    /// Its place, from 1; none if it is not ranked. The first row shares its place with a row that beats it in the rounds in
    /// which both count, where excluded rounds leave no row that no other beats.
    pub rank: Option<usize>,
    /// Its figure over the best one's; none if it is not ranked.
    pub to_best: Option<Ratio>,
    /// The group of its server, which is judged by its best row: 1 for the best and all that cannot be told apart from it,
    /// Holm-corrected; none for its other rows, where it is not ranked, and where it has too few rounds.
    pub group: Option<usize>,
    /// How many rows stand before it; none if it is not ranked.
    before: Option<usize>,
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
                None => {
                    let merit = Merit::of(measurement);
                    tables.push((hash, Table { part, workload: &measurement.workload, rows: vec![row], merit }));
                }
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

/// How many times the figure of the second row the first one has, by which the first one's table is ranked: the geometric mean
/// of the ratios of the rounds in which both count.
///
/// Where they do not share enough rounds for an interval, and have others beside, it is the ratio of their figures, from 0 pairs:
/// a ratio of one round beside figures of several could contradict them.
#[must_use]
pub fn compare(first: &Row<'_>, second: &Row<'_>) -> Option<Ratio> {
    compare_by(first.merit, first, second)
}

/// The same by another figure.
#[must_use]
pub fn compare_by(merit: Merit, first: &Row<'_>, second: &Row<'_>) -> Option<Ratio> {
    let other = &second.figures.rounds;
    let pair = |round: &RoundFigures| {
        let partner = other.iter().find(|partner| partner.index == round.index)?;
        Some((merit.of_round(round)?, merit.of_round(partner)?))
    };
    let pairs: Vec<(f64, f64)> = first.figures.rounds.iter().filter_map(pair).collect();
    let has_others = [first, second].iter().any(|row| row.figures.counted_rounds() > pairs.len());
    if pairs.len() < 2 && has_others {
        let apart = paired_ratio(&[(merit.ranked(&first.figures)?, merit.ranked(&second.figures)?)])?;
        return Some(Ratio { rounds: 0, ..apart });
    }
    paired_ratio(&pairs)
}

impl<'run> Table<'run> {
    /// By what its rows are ranked.
    #[must_use]
    pub fn merit(&self) -> Merit {
        self.merit
    }

    /// Whether its rows are ranked at all: not where each server was offered a share of its own capacity, which is another load
    /// for each.
    #[must_use]
    pub fn is_ranked(&self) -> bool {
        !matches!(self.workload.arrival, Arrival::OpenShare { .. })
    }

    /// The rows that are ranked, the best first.
    #[must_use]
    pub fn ranked(&self) -> Vec<&Row<'run>> {
        let mut ranked: Vec<&Row<'run>> = self.rows.iter().filter(|row| row.rank.is_some()).collect();
        ranked.sort_by_key(|row| row.before);
        ranked
    }

    /// The best ranked row of each server, the best first. They are configurations that differ in the server and its workers
    /// only: all write an access log or none does, and all have the same flags of the suite. Of several such settings it is the
    /// one that most servers were measured with; of equals, the one without the log.
    #[must_use]
    pub fn best_of_each_server(&self) -> Vec<&Row<'run>> {
        let ranked = self.ranked();
        let best_with = |setting: (bool, &[String])| {
            let mut best: Vec<&Row<'run>> = Vec::new();
            for row in ranked.iter().copied().filter(|row| row.setting() == setting) {
                if !best.iter().any(|better| better.measurement.server.name == row.measurement.server.name) {
                    best.push(row);
                }
            }
            best
        };
        let choices = ranked.iter().map(|row| best_with(row.setting()));
        // Of equals, min_by_key takes the first, which holds the best row.
        choices
            .min_by_key(|best| (std::cmp::Reverse(best.len()), best.iter().any(|row| row.setting().0)))
            .unwrap_or_default()
    }

    /// Of how many rows a server's best one was chosen: those that are ranked with the same setting. The more there are, the
    /// better is the best of them by luck.
    #[must_use]
    pub fn chosen_from(&self, best: &Row<'_>) -> usize {
        let name = &best.measurement.server.name;
        let is_rival = |row: &&&Row<'_>| row.measurement.server.name == *name && row.setting() == best.setting();
        self.ranked().iter().filter(is_rival).count()
    }

    /// What is known of who is the best server.
    #[must_use]
    pub fn decision(&self) -> Decision {
        let groups: Vec<Option<usize>> = self.best_of_each_server().iter().map(|row| row.group).collect();
        let in_first = groups.iter().filter(|group| **group == Some(1)).count();
        match groups.len() {
            0 | 1 => Decision::Alone,
            _ if groups.iter().flatten().count() < 2 || groups[0].is_none() => Decision::TooFewRounds,
            _ if groups.iter().flatten().all(|group| *group == 1) => Decision::Undecided,
            _ if in_first > 1 => Decision::Several,
            _ => Decision::One,
        }
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
        // Where the generator limits a contestant, its requests per second are a lower bound, and nobody's can be compared with
        // them: a server would be ranked for being slow enough.
        let is_limited = |row: &Row<'_>| row.is_contestant() && row.standing() == Standing::AtLeast;
        if self.rows.iter().any(is_limited) {
            self.merit = Merit::Cost;
        }
        for row in &mut self.rows {
            row.merit = self.merit;
        }
        if !self.is_ranked() {
            return;
        }
        let order = self.order();
        let Some(best) = order.first().map(|place| self.rows[*place].clone()) else {
            return;
        };
        for (before, place) in order.into_iter().enumerate() {
            let row = &mut self.rows[place];
            row.to_best = compare(row, &best);
            let beats = row.to_best.is_some_and(|ratio| self.merit.is_better(ratio.ratio));
            row.rank = Some(if beats { 1 } else { before + 1 });
            row.before = Some(before);
        }
        // A server for each contestant, at its best: rows of one server are no rivals, and each further pair would make it
        // harder to tell any two apart. They stand in the order of their ranks, so that the first row leads the first group.
        let merit = self.merit;
        let rounds = |row: &Row<'_>| -> Vec<Option<f64>> {
            let last = row.figures.rounds.iter().map(|round| round.index as usize + 1).max().unwrap_or(0);
            let mut by_index = vec![None; last];
            for round in &row.figures.rounds {
                by_index[round.index as usize] = merit.of_round(round);
            }
            by_index
        };
        let best: Vec<&Row<'_>> = self.best_of_each_server();
        let chosen_from: Vec<usize> = best.iter().map(|row| self.chosen_from(row)).collect();
        let order: Vec<Option<usize>> = best.iter().map(|row| row.before).collect();
        let contestants: Vec<Vec<Option<f64>>> = best.into_iter().map(rounds).collect();
        let best_first: Vec<usize> = (0..contestants.len()).collect();
        let places: Vec<Place> = groups_in_order(&contestants, merit.better(), &best_first, &chosen_from);
        for row in &mut self.rows {
            let place = order.iter().position(|before| before.is_some() && *before == row.before);
            row.group = place.and_then(|place| places[place].group());
        }
    }

    /// The rows that are ranked, by their place, the best first.
    ///
    /// Where all of them have the same rounds, the order of their geometric means is also that of their ratios. Where rounds are
    /// excluded, two rows may share only some, and a ratio of those says more than two means of different minutes: so the first
    /// is a row that no other beats in the rounds that they share, and the others follow by their ratios to it. Where each is
    /// beaten by another, the one with the best mean is the first, and those that beat it follow at once.
    fn order(&self) -> Vec<usize> {
        let merit = self.merit;
        let is_ranked = |row: &Row<'_>| match row.standing() {
            Standing::Ranked => row.is_contestant(),
            Standing::AtLeast => row.is_contestant() && merit == Merit::Cost,
            Standing::TooNoisy | Standing::Invalid | Standing::Pending => false,
        };
        let goodness = |value: f64| match merit.better() {
            Better::Higher => value,
            Better::Lower => -value,
        };
        let mean = |place: usize| merit.ranked(&self.rows[place].figures);
        let mut order: Vec<(usize, f64)> = (0..self.rows.len())
            .filter(|place| is_ranked(&self.rows[*place]))
            .filter_map(|place| Some((place, goodness(mean(place)?))))
            .collect();
        // Stable, here and below: of equals, the one with the better mean stays before the other.
        order.sort_by(|first, second| second.1.total_cmp(&first.1));
        let Some(best_mean) = order.first().map(|(place, _)| *place) else { return Vec::new() };
        let by_ratio_to = |leader: usize| {
            let ratio = |place: usize| match compare(&self.rows[place], &self.rows[leader]) {
                _ if place == leader => goodness(1.0),
                Some(ratio) => goodness(ratio.ratio),
                None => f64::NEG_INFINITY,
            };
            let mut ratios: Vec<(usize, f64)> = order.iter().map(|(place, _)| (*place, ratio(*place))).collect();
            ratios.sort_by(|first, second| second.1.total_cmp(&first.1));
            ratios.into_iter().map(|(place, _)| place).collect::<Vec<usize>>()
        };
        let mut leaders = Vec::new();
        let mut leader = best_mean;
        while !leaders.contains(&leader) {
            leaders.push(leader);
            let ordered = by_ratio_to(leader);
            if ordered[0] == leader {
                return ordered;
            }
            leader = ordered[0];
        }
        let mut ordered = by_ratio_to(best_mean);
        ordered.retain(|place| *place != best_mean);
        ordered.insert(0, best_mean);
        ordered
    }
}

impl<'run> Row<'run> {
    fn of(measurement: &'run Measurement) -> Self {
        let figures = Figures::of(measurement);
        let validity = Validity::of(measurement, &figures);
        Self {
            measurement,
            figures,
            validity,
            merit: Merit::of(measurement),
            rank: None,
            to_best: None,
            group: None,
            before: None,
        }
    }

    /// What sets it apart from other configurations beside its server and its workers: whether it writes an access log, and the
    /// suite's flags.
    fn setting(&self) -> (bool, &[String]) {
        (self.measurement.configuration.access_log, &self.measurement.configuration.flags)
    }

    /// Whether it takes part in the ranking: an A/A control and the null server are only shown.
    #[must_use]
    pub fn is_contestant(&self) -> bool {
        !self.measurement.is_twin && self.measurement.server.name != LIMIT
    }

    /// The latencies of the rounds that count, or of all where none does.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        &self.figures.latency
    }

    /// The latency that 99 % of the responses did not exceed, in nanoseconds. In an open loop it is what is ranked, so it is the
    /// geometric mean of the rounds; in a closed one it is that of all responses together.
    #[must_use]
    pub fn p99(&self) -> Option<u64> {
        match self.merit {
            Merit::Latency => Merit::Latency.of_row(&self.figures).map(|nanoseconds| nanoseconds.round() as u64),
            Merit::Capacity | Merit::Cost => self.figures.latency.shown_percentile(99.0),
        }
    }

    /// CPU time of the server per complete response, in microseconds. Where it is what is ranked, it is the geometric mean of the
    /// rounds; else that of all responses together.
    #[must_use]
    pub fn server_cpu_microseconds(&self) -> Option<f64> {
        match self.merit {
            Merit::Cost => Merit::Cost.of_row(&self.figures),
            Merit::Capacity | Merit::Latency => self.figures.server_cpu_microseconds(),
        }
    }

    /// Where it stands in a few words: its [standing](Standing::label), or how often it kept up with the load that it was
    /// offered.
    #[must_use]
    pub fn label(&self) -> String {
        match self.validity.kept() {
            Some((kept, of)) => format!("kept in {kept} of {of}"),
            None => self.standing().label().to_owned(),
        }
    }

    /// Whether it is the first of its table, to which the others are compared.
    #[must_use]
    pub fn is_first(&self) -> bool {
        self.before == Some(0)
    }

    /// Whether nothing speaks against it, or it is ranked by its cost though the generator was its limit.
    #[must_use]
    pub fn is_rankable(&self) -> bool {
        self.standing() == Standing::Ranked || self.rank.is_some()
    }

    /// Where the measurement stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.validity.standing()
    }
}
