//! The steps of a history in words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::record::ServerKind;
use crate::statistics::{FEWEST_FIGURES, Family, Level, Step, median, smallest_step};
use crate::words;

use super::file::History;
use super::line::{Line, Machine};
use super::measure::Measure;
use super::series::{Point, Series, family, machines};

/// A step of a series.
#[derive(Clone, Copy, Debug)]
pub struct Finding<'a, 'history> {
    /// The series.
    pub series: &'a Series<'history>,
    /// The step.
    pub step: &'a Step,
    /// The level before it.
    pub before: &'a Level,
    /// The level after it.
    pub after: &'a Level,
}

/// All steps, the newest first, and of one place the largest first.
#[must_use]
pub fn findings<'a, 'history>(all: &'a [Series<'history>]) -> Vec<Finding<'a, 'history>> {
    let mut findings: Vec<Finding<'a, 'history>> = all
        .iter()
        .flat_map(|series| {
            let levels = series.course.levels.windows(2);
            series.course.steps.iter().zip(levels).map(move |(step, pair)| Finding {
                series,
                step,
                before: &pair[0],
                after: &pair[1],
            })
        })
        .collect();
    findings.sort_by(|first, second| {
        let size = |finding: &Finding<'_, '_>| finding.step.ratio.ln().abs();
        let moment = |finding: &Finding<'_, '_>| (finding.first_after().started_at, finding.last_before().started_at);
        moment(second).cmp(&moment(first)).then(size(second).total_cmp(&size(first)))
    });
    findings
}

/// What the history shows, for a terminal: the steps, or that there are none and how large one would have been seen. It
/// ends with a line feed.
#[must_use]
pub fn text(history: &History, all: &[Series<'_>]) -> String {
    let mut out = String::new();
    let findings = findings(all);
    let _ = writeln!(out, "{}", summary(history, all, &findings));
    out.push_str(&several_machines(history));
    for group in findings.chunk_by(Finding::has_place_of) {
        let Some(first) = group.first() else { continue };
        let (before, after) = (first.last_before(), first.first_after());
        let _ = writeln!(
            out,
            "\nBetween {} ({}) and {} ({}):",
            before.source(),
            before.started_at.for_reader(),
            after.source(),
            after.started_at.for_reader(),
        );
        for sentence in sentences(group) {
            let _ = writeln!(out, "- {sentence}");
        }
        let _ = writeln!(out, "  {}", sure(group));
        for sentence in circumstances(group) {
            let _ = writeln!(out, "  {sentence}");
        }
    }
    out
}

/// How many steps in how many series.
fn summary(history: &History, all: &[Series<'_>], findings: &[Finding<'_, '_>]) -> String {
    let judged: Vec<&Series<'_>> = all.iter().filter(|series| series.is_judged()).collect();
    let runs = words::plural(history.lines.len() as u64, "run");
    if judged.is_empty() {
        return format!("{runs} so far: steps are looked for in series of at least {FEWEST_FIGURES} runs.");
    }
    let lengths = || judged.iter().map(|series| series.points.len());
    let (fewest, most) = (lengths().min().unwrap_or(0), lengths().max().unwrap_or(0));
    let lengths = if fewest == most { most.to_string() } else { format!("{fewest} to {most}") };
    let number = judged.len() as u64;
    let in_series = format!("{number} series of {lengths} runs");
    let short = all.len() - judged.len();
    let short = if short > 0 { format!(" {short} shorter series were not looked at.") } else { String::new() };
    if !findings.is_empty() {
        let steps = words::plural(findings.len() as u64, "step");
        return format!("{} in {in_series}, the newest first.{short}", words::sentence(&steps));
    }
    format!("No step in {in_series} ({}).{short}", would_have_been_found(&judged, &family(all)))
}

/// How large a step would have been found. Counters that never moved say nothing about that.
fn would_have_been_found(judged: &[&Series<'_>], family: &Family) -> String {
    let mut smallest: Vec<f64> = judged
        .iter()
        .map(|series| smallest_step(&series.figures(), family).unwrap_or(f64::INFINITY))
        .filter(|share| *share > 0.0)
        .collect();
    smallest.sort_by(f64::total_cmp);
    let (Some(typical), Some(worst)) = (median(&smallest), smallest.last().copied()) else {
        return "they did not move at all".to_owned();
    };
    // Twice as much is no step that one needs a history for.
    if typical > 1.0 {
        return "with so few runs, hardly any step would have been found".to_owned();
    }
    let rest = match worst {
        worst if worst > 1.0 => ", and hardly any in the noisiest".to_owned(),
        worst if worst > 1.2 * typical => format!(", one of {} in the noisiest", words::percent(worst)),
        _ => String::new(),
    };
    let typical = words::percent(typical);
    format!("a step of about {typical} a quarter of the runs ago would mostly have been found in a typical one{rest}")
}

/// That runs of different machines are kept apart.
fn several_machines(history: &History) -> String {
    let machines = machines(history);
    if machines.len() < 2 {
        return String::new();
    }
    let mut out = format!("\nThe runs are of {} machines, which are not compared with each other:\n", machines.len());
    for machine in machines {
        let runs: Vec<&Line> = history.lines.iter().filter(|line| machine.is_like(&line.machine)).collect();
        let times = runs.first().zip(runs.last()).map_or_else(String::new, |(first, last)| {
            format!(", {} to {}", first.started_at.for_reader(), last.started_at.for_reader())
        });
        let _ = writeln!(out, "- {}: {}{times}", machine.describe(), words::plural(runs.len() as u64, "run"));
    }
    out
}

/// The steps of one place, a sentence for each measurement.
fn sentences(group: &[Finding<'_, '_>]) -> Vec<String> {
    let mut by_measurement: Vec<(String, Vec<&Finding<'_, '_>>)> = Vec::new();
    for finding in group {
        let name = finding.series.measurement();
        match by_measurement.iter_mut().find(|(known, _)| *known == name) {
            Some((_, findings)) => findings.push(finding),
            None => by_measurement.push((name, vec![finding])),
        }
    }
    let sentence = |(name, mut findings): (String, Vec<&Finding<'_, '_>>)| {
        findings.sort_by_key(|finding| finding.series.measure);
        let clauses: Vec<String> = findings.into_iter().map(Finding::clause).collect();
        format!("{name}: {}.", clauses.join("; "))
    };
    by_measurement.into_iter().map(sentence).collect()
}

/// How seldom chance alone shows a step like the least sure of these.
fn sure(group: &[Finding<'_, '_>]) -> String {
    let p_value = group.iter().map(|finding| finding.step.p_value).fold(0.0, f64::max);
    let these = if group.len() == 1 { "it" } else { "one like these" };
    if p_value < 0.000_1 {
        return format!("By chance alone, fewer than 1 of 10,000 such histories show {these}.");
    }
    let of = (1.0 / p_value).floor().max(1.0);
    format!("By chance alone, about 1 of {} such histories shows {these}.", words::count(of as u64))
}

/// What else changed where these steps are.
fn circumstances(group: &[Finding<'_, '_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    for finding in group {
        sentences.extend(finding.other_changes());
    }
    let outside: BTreeSet<&str> = group
        .iter()
        .map(|finding| finding.series.entry)
        .filter(|entry| entry.kind == ServerKind::Reference)
        .map(|entry| entry.server.as_str())
        .collect();
    if !outside.is_empty() {
        let names: Vec<String> = outside.into_iter().map(str::to_owned).collect();
        let are = if names.len() == 1 { "it is" } else { "they are" };
        sentences.push(format!(
            "{} moved there, though {are} not built from these commits: look at the machine before the code.",
            words::list(&names),
        ));
    }
    let mut known = BTreeSet::new();
    sentences.retain(|sentence| known.insert(sentence.clone()));
    sentences
}

impl<'history> Finding<'_, 'history> {
    fn point(&self, place: usize) -> Option<&Point<'history>> {
        self.series.points.get(place)
    }

    /// The last run before the step.
    #[must_use]
    pub fn last_before(&self) -> &'history Line {
        self.series.points[self.step.place.saturating_sub(1)].line
    }

    /// The first run after the step.
    #[must_use]
    pub fn first_after(&self) -> &'history Line {
        self.series.points[self.step.place].line
    }

    fn has_place_of(&self, other: &Self) -> bool {
        self.last_before().id == other.last_before().id && self.first_after().id == other.first_after().id
    }

    /// Which figure, from what to what, and by how much; without the name of the measurement.
    #[must_use]
    pub fn clause(&self) -> String {
        let Self { series, step, before, after } = self;
        let measure = series.measure;
        let share = |ratio: f64| (ratio - 1.0).abs();
        let (low, high) = step.interval;
        let most = share(low).max(share(high));
        let least = if (low..=high).contains(&1.0) { 0.0 } else { share(low).min(share(high)) };
        format!(
            "{} from {} to {}{}, {} {} (95 % interval {} to {}, {} and {} runs){}",
            measure.name(),
            measure.value(before.mean),
            measure.value(after.mean),
            measure.unit_in_words(),
            words::percent(share(step.ratio)),
            measure.change(step.ratio),
            words::percent(least),
            words::percent(most),
            before.end - before.first,
            after.end - after.first,
            self.other_places(),
        )
    }

    /// Where else the step may be.
    fn other_places(&self) -> String {
        let (first, last) = self.step.places;
        let named = |place: usize| self.point(place).map(|point| point.line.source());
        match (named(first.saturating_sub(1)), named(last)) {
            (Some(from), Some(to)) if first < last => format!(", somewhere between {from} and {to}"),
            _ => String::new(),
        }
    }

    /// What all runs of the level before share and none of the level after has.
    fn other_changes(&self) -> Vec<String> {
        let runs = |level: &Level| self.series.points[level.first..level.end].iter().map(|point| point.line);
        let changed = |what: &str, of: fn(&'history Line) -> &'history str| {
            let before: BTreeSet<&str> = runs(self.before).map(of).collect();
            let after: BTreeSet<&str> = runs(self.after).map(of).collect();
            before.is_disjoint(&after).then(|| {
                format!("The {what} changed there, too: from {} to {}.", of(self.last_before()), of(self.first_after()))
            })
        };
        [
            changed("compiler", |line| line.rustc.as_deref().unwrap_or("an unknown one")),
            changed("kernel", |line| &line.kernel),
            changed("bench", |line| &line.tool_version),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// A machine's number among those of a history, from 1; none where there is only one.
#[must_use]
pub fn machine_number(history: &History, machine: &Machine) -> Option<usize> {
    let machines = machines(history);
    let place = machines.iter().position(|known| known.is_like(machine))?;
    (machines.len() > 1).then_some(place + 1)
}

/// The series in the order in which a chart shows them: of each place the one with the largest step first, then the
/// second largest of each; a second figure of a measurement comes later, and series without steps come last.
#[must_use]
pub fn in_order_of_interest<'a, 'history>(all: &'a [Series<'history>]) -> Vec<&'a Series<'history>> {
    let findings = findings(all);
    let mut stepped: Vec<(usize, usize, &Series<'history>)> = Vec::new();
    let mut further: Vec<&Series<'history>> = Vec::new();
    for (place, group) in findings.chunk_by(Finding::has_place_of).enumerate() {
        let mut measurements: Vec<String> = Vec::new();
        for finding in group {
            let name = finding.series.measurement();
            if measurements.contains(&name) {
                further.push(finding.series);
            } else {
                stepped.push((measurements.len(), place, finding.series));
                measurements.push(name);
            }
        }
    }
    stepped.sort_by_key(|(size, place, _)| (*size, *place));
    let is_main = |series: &&Series<'_>| matches!(series.measure, Measure::Capacity | Measure::Latency);
    let (main, rest): (Vec<_>, Vec<_>) = all.iter().partition(is_main);
    let mut shown: Vec<&Series<'history>> = Vec::with_capacity(all.len());
    for series in stepped.into_iter().map(|(_, _, series)| series).chain(further).chain(main).chain(rest) {
        if !shown.iter().any(|known| std::ptr::eq(*known, series)) {
            shown.push(series);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{history, noisy};
    use super::super::series;
    use super::*;

    #[test]
    fn a_step_is_said_in_words_with_what_else_changed() {
        let mut history = history(30, |run| noisy(run, 100_000.0) * if run < 18 { 1.0 } else { 0.9 });
        for line in &mut history.lines[18..] {
            line.kernel = "Linux 7.0".to_owned();
        }
        let text = text(&history, &series(&history));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("1 step in 1 series of 30 runs, the newest first."), "{text}");
        assert_eq!(lines[2], "Between c17 (2026-01-18 12:00 UTC) and c18 with changes (2026-01-19 12:00 UTC):");
        assert!(lines[3].starts_with("- epoll, 1 worker (wrk): capacity from 100,046 to 89,815 "), "{text}");
        assert!(lines[3].contains(" responses per CPU-second, 10 % slower (95 % interval "), "{text}");
        assert!(lines[3].ends_with(", 18 and 12 runs)."), "{text}");
        assert_eq!(lines[4], "  By chance alone, fewer than 1 of 10,000 such histories show it.");
        assert_eq!(lines[5], "  The kernel changed there, too: from Linux 6.8 to Linux 7.0.");
        assert_eq!(lines.len(), 6, "{text}");
    }

    #[test]
    fn what_moves_without_the_code_points_to_the_machine() {
        let mut history = history(30, |run| noisy(run, 100_000.0) * if run < 18 { 1.0 } else { 1.1 });
        for line in &mut history.lines {
            line.measurements[0].kind = ServerKind::Reference;
        }
        let text = text(&history, &series(&history));
        assert!(text.contains("9.7 % faster"), "{text}");
        assert!(text.contains("epoll moved there, though it is not built from these commits"), "{text}");
    }

    #[test]
    fn without_a_step_it_says_what_would_have_been_seen() {
        let history = history(40, |run| noisy(run, 100_000.0));
        let text = text(&history, &series(&history));
        assert!(text.starts_with("No step in 1 series of 40 runs (a step of about 2.5 %"), "{text}");
        let short = super::super::fixture::history(7, |run| noisy(run, 100_000.0));
        assert!(super::text(&short, &series(&short)).starts_with("7 runs so far: "));
    }

    #[test]
    fn machines_are_kept_apart() {
        let mut history = history(40, |run| if run < 20 { 100_000.0 } else { 50_000.0 });
        for line in &mut history.lines[20..] {
            line.machine.cpus = 8;
            // A kernel keeps a little more for itself.
            line.machine.memory_bytes -= 1 << 20;
        }
        let all = series(&history);
        assert_eq!(all.iter().map(|series| series.points.len()).collect::<Vec<_>>(), [20, 20]);
        let text = text(&history, &all);
        assert!(text.starts_with("No step in 2 series of 20 runs"), "{text}");
        assert!(text.contains("2 machines, which are not compared with each other"), "{text}");
        assert_eq!(machine_number(&history, &history.lines[30].machine), Some(2));
    }
}
