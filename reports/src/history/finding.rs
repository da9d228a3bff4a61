//! The steps of a history in words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::record::ServerKind;
use crate::statistics::{FEWEST_FIGURES, Level, Step, median, smallest_step};
use crate::words;

use super::file::History;
use super::line::{Line, Machine};
use super::measure::Measure;
use super::series::{Point, Series, machines};

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

/// What the history shows, for a terminal: the steps, or that there are none and how large one would have been seen. It ends
/// with a line feed.
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
        for finding in group {
            let _ = writeln!(out, "- {}", finding.sentence());
        }
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
    format!("No step in {in_series} ({}).{short}", would_have_been_found(&judged))
}

/// How large a step would have been found.
fn would_have_been_found(judged: &[&Series<'_>]) -> String {
    let mut smallest: Vec<f64> =
        judged.iter().map(|series| smallest_step(&series.figures(), judged.len()).unwrap_or(f64::INFINITY)).collect();
    smallest.sort_by(f64::total_cmp);
    let typical = median(&smallest).unwrap_or(f64::INFINITY);
    let worst = smallest.last().copied().unwrap_or(f64::INFINITY);
    if !typical.is_finite() {
        return "with so few runs in most of them, none could have been found".to_owned();
    }
    let rest = match worst {
        worst if !worst.is_finite() => ", and none in the shortest".to_owned(),
        worst if worst > 1.2 * typical => format!(", one of {} in the noisiest", words::percent(worst)),
        _ => String::new(),
    };
    format!(
        "a step of about {} would mostly have been found in the middle one of them{rest}, with a quarter of its runs on one \
         side",
        words::percent(typical),
    )
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
        let (verb, code) = if names.len() == 1 { ("is", "it is") } else { ("are", "they are") };
        sentences.push(format!(
            "{} moved, too, though {code} not built from these commits: look at the machine before the code{}.",
            words::list(&names),
            if verb == "are" { ", which is what they share" } else { "" },
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

    /// Which figure, from what to what, by how much, and how sure.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { series, step, before, after } = self;
        let measure = series.measure;
        let share = |ratio: f64| (ratio - 1.0).abs();
        let (low, high) = step.interval;
        let (least, most) = (share(low).min(share(high)), share(low).max(share(high)));
        format!(
            "{} from {} to {}{}, {} {} (95 % interval {} to {}; {} runs before, {} after). {}{}",
            series.name(),
            measure.value(before.mean),
            measure.value(after.mean),
            measure.unit_in_words(),
            words::percent(share(step.ratio)),
            measure.change(step.ratio),
            words::percent(least),
            words::percent(most),
            before.end - before.first,
            after.end - after.first,
            sure(step.p_value),
            self.other_places(),
        )
    }

    /// Where else the step may be.
    fn other_places(&self) -> String {
        let (first, last) = self.step.places;
        let named = |place: usize| self.point(place).map(|point| point.line.source());
        match (named(first.saturating_sub(1)), named(last)) {
            (Some(from), Some(to)) if first < last => format!(" Its place is somewhere between {from} and {to}."),
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

/// How seldom chance alone shows such a step.
fn sure(p_value: f64) -> String {
    if p_value < 0.000_1 {
        return "By chance alone, fewer than 1 of 10,000 histories like this show one.".to_owned();
    }
    let of = (1.0 / p_value).floor().max(1.0);
    format!("By chance alone, about 1 of {} histories like this shows one.", words::count(of as u64))
}

/// A machine's number among those of a history, from 1; none where there is only one.
#[must_use]
pub fn machine_number(history: &History, machine: &Machine) -> Option<usize> {
    let machines = machines(history);
    let place = machines.iter().position(|known| known.is_like(machine))?;
    (machines.len() > 1).then_some(place + 1)
}

/// The series that a chart shows first: those with steps, the newest step first, then the others in their order, capacity and
/// latency before the rest.
#[must_use]
pub fn in_order_of_interest<'a, 'history>(all: &'a [Series<'history>]) -> Vec<&'a Series<'history>> {
    let mut shown: Vec<&Series<'history>> = Vec::new();
    for finding in findings(all) {
        if !shown.iter().any(|known| std::ptr::eq(*known, finding.series)) {
            shown.push(finding.series);
        }
    }
    let rest = |main: bool| {
        all.iter().filter(move |series| {
            series.course.steps.is_empty() && matches!(series.measure, Measure::Capacity | Measure::Latency) == main
        })
    };
    shown.extend(rest(true).chain(rest(false)));
    shown
}
