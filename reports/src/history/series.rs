//! Figures of one measurement from run to run.

use std::collections::HashMap;

use crate::environment::InterruptAccounting;
use crate::statistics::{Course, FEWEST_FIGURES, Family};

use super::file::History;
use super::line::{Entry, Line, Machine};
use super::measure::Measure;

/// The figures of one measurement on one machine, in the order of time.
#[derive(Clone, Debug)]
pub struct Series<'history> {
    /// The machine, as the first of its runs saw it.
    pub machine: &'history Machine,
    /// The measurement, as the newest run has it.
    pub entry: &'history Entry,
    /// Which of its figures.
    pub measure: Measure,
    /// The runs that have one; those in which it was not valid are not among them.
    pub points: Vec<Point<'history>>,
    /// Its levels and steps; none of a series that is shorter than [`FEWEST_FIGURES`].
    pub course: Course,
}

/// A figure of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'history> {
    /// The run.
    pub line: &'history Line,
    /// The figure.
    pub value: f64,
}

impl Series<'_> {
    /// The measurement and its load: `epoll, 4 workers (wrk)`.
    #[must_use]
    pub fn measurement(&self) -> String {
        format!("{} ({})", self.entry.name, self.entry.workload)
    }

    /// What it is a series of: `epoll, 4 workers (wrk): capacity`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}: {}", self.measurement(), self.measure.name())
    }

    /// Whether it is long enough to be looked at.
    #[must_use]
    pub fn is_judged(&self) -> bool {
        self.points.len() >= FEWEST_FIGURES
    }

    /// Its figures alone.
    #[must_use]
    pub fn figures(&self) -> Vec<f64> {
        self.points.iter().map(|point| point.value).collect()
    }
}

/// The machines of a history, in the order in which they first ran.
#[must_use]
pub fn machines(history: &History) -> Vec<&Machine> {
    let mut machines: Vec<&Machine> = Vec::new();
    for line in &history.lines {
        if !machines.iter().any(|known| known.is_like(&line.machine)) {
            machines.push(&line.machine);
        }
    }
    machines
}

/// All series of a history in the order in which they first occur, with the steps that are to be told of all of them
/// together.
#[must_use]
pub fn series(history: &History) -> Vec<Series<'_>> {
    let machines = machines(history);
    let mut all: Vec<Series<'_>> = Vec::new();
    type Key<'a> = (usize, &'a str, &'a str, &'a str, Measure, Option<InterruptAccounting>);
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    let mut accounting: Vec<Option<InterruptAccounting>> = machines.iter().map(|of| first_known(history, of)).collect();
    for line in &history.lines {
        let Some(machine) = machines.iter().position(|known| known.is_like(&line.machine)) else { continue };
        // Where a run does not tell, it is taken to be as it was before.
        accounting[machine] = known(line).or(accounting[machine]);
        for entry in line.measurements.iter().filter(|entry| !entry.is_twin) {
            for measure in Measure::ALL {
                let Some(figure) = measure.of(entry) else { continue };
                // Parts may ask the same of the same server, and a run has only one figure in a series.
                // Kernels that count interrupts elsewhere measure another CPU time.
                let accounting = accounting[machine].filter(|_| measure == Measure::ServerCpu);
                let key =
                    (machine, &*entry.part, &*entry.workload_hash, &*entry.configuration_hash, measure, accounting);
                let place = *places.entry(key).or_insert_with(|| {
                    let (machine, points) = (machines[machine], Vec::new());
                    all.push(Series { machine, entry, measure, points, course: Course::default() });
                    all.len() - 1
                });
                let series = &mut all[place];
                series.entry = entry;
                if series.points.last().is_none_or(|last| last.line.id != line.id) {
                    series.points.push(Point { line, value: figure.value });
                }
            }
        }
    }
    let family = family(&all);
    for series in all.iter_mut().filter(|series| series.is_judged()) {
        series.course = Course::of(&series.figures(), &family);
    }
    all
}

/// Where the kernel of a run counts interrupts, if that was found out.
fn known(line: &Line) -> Option<InterruptAccounting> {
    line.interrupt_accounting.filter(|accounting| *accounting != InterruptAccounting::Unknown)
}

fn first_known(history: &History, machine: &Machine) -> Option<InterruptAccounting> {
    history.lines.iter().filter(|line| machine.is_like(&line.machine)).find_map(known)
}

/// The series that are looked at, together.
#[must_use]
pub fn family(all: &[Series<'_>]) -> Family {
    let judged = all.iter().filter(|series| series.is_judged());
    Family::of(&judged.map(Series::figures).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{history, noisy};
    use super::*;

    use crate::validity::Standing;

    #[test]
    fn only_valid_figures_are_in_a_series() {
        let mut history = history(20, |run| noisy(run, 1_000.0));
        for (line, standing) in history.lines.iter_mut().zip([Standing::TooNoisy, Standing::Invalid, Standing::AtLeast])
        {
            line.measurements[0].standing = standing;
            line.measurements[0].capacity.as_mut().unwrap().value = 7.0;
        }
        for line in &mut history.lines {
            let mut twin = line.measurements[0].clone();
            twin.server_cpu_microseconds = twin.capacity;
            line.measurements[0].server_cpu_microseconds = twin.capacity;
            twin.is_twin = true;
            line.measurements.push(twin);
        }
        let all = series(&history);
        let lengths: Vec<(Measure, usize)> = all.iter().map(|series| (series.measure, series.points.len())).collect();
        // The CPU time of a measurement whose generator was the limit counts.
        assert_eq!(lengths, [(Measure::ServerCpu, 18), (Measure::Capacity, 17)]);
        assert!(all[1].figures().iter().all(|value| *value > 900.0));
    }

    #[test]
    fn cpu_times_with_and_without_interrupts_are_not_in_one_series() {
        let mut history = history(20, |_| 1_000.0);
        for (run, line) in history.lines.iter_mut().enumerate() {
            line.measurements[0].server_cpu_microseconds = line.measurements[0].capacity;
            line.interrupt_accounting = match run {
                0..4 => None,
                4..9 => Some(InterruptAccounting::CountedToTasks),
                9 => Some(InterruptAccounting::Unknown),
                _ => Some(InterruptAccounting::CountedApart),
            };
        }
        let all = series(&history);
        let lengths: Vec<(Measure, usize)> = all.iter().map(|series| (series.measure, series.points.len())).collect();
        assert_eq!(lengths, [(Measure::Capacity, 20), (Measure::ServerCpu, 10), (Measure::ServerCpu, 10)]);
    }

    #[test]
    fn other_loads_and_configurations_are_other_series() {
        let mut history = history(16, |_| 1_000.0);
        for (run, line) in history.lines.iter_mut().enumerate() {
            let entry = &mut line.measurements[0];
            match run % 4 {
                1 => entry.workload_hash.push('x'),
                2 => entry.configuration_hash.push('x'),
                3 => entry.part.push('x'),
                _ => {}
            }
        }
        let all = series(&history);
        assert_eq!(all.iter().map(|series| series.points.len()).collect::<Vec<_>>(), [4; 4]);
        assert!(all.iter().all(|series| !series.is_judged() && series.course.levels.is_empty()));
    }
}
