//! A comparison in sentences.

use super::decision::{Verdict, Why};
use super::figure::Figure;
use super::judgement::{Judged, JudgedFigure, noise, overall};
use super::record::{Comparison, Contest, Subject};
use crate::statistics::{Shift, TwinNoise};
use crate::{summary, words};

/// How often an interval that is shown may miss the truth.
const SHOWN_ERROR: f64 = 0.05;

impl Verdict {
    /// The verdict in a word or two.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::NoDifference => "no difference",
            Self::Faster => "faster",
            Self::Undecided => "undecided",
            Self::Slower => "slower",
            Self::Failed => "failed",
        }
    }
}

/// What a contest is about: `epoll, 1 worker: a new connection for each request`.
#[must_use]
pub fn title(contest: &Contest) -> String {
    let name = contest.head.name();
    if contest.subject == Subject::Generator {
        return format!("{name}: {}", words::plural(contest.head.workload.connections.into(), "connection"));
    }
    let workload = &contest.head.workload;
    let mut apart = vec![words::plural(workload.connections.into(), "connection")];
    apart.extend(Some(summary::load(workload)).filter(|load| !load.is_empty()));
    if !workload.keep_alive {
        apart.push("a new one for each request".to_owned());
    }
    format!("{name}: {}", apart.join(", "))
}

/// The whole comparison in one sentence.
#[must_use]
pub fn answer(comparison: &Comparison, judged: &[Judged<'_>]) -> String {
    let of = |verdict: Verdict| -> Vec<String> {
        let mut titles: Vec<&Judged<'_>> = judged.iter().filter(|one| one.verdict == verdict).collect();
        // The one by which it is judged whether a slowdown is let pass comes first.
        titles.sort_by(|one, other| slowdown(other).total_cmp(&slowdown(one)));
        titles.into_iter().map(|one| format!("{}{}", one.contest.head.name(), short(one))).collect()
    };
    let (head, base) = (comparison.head.title(), comparison.base.title());
    if comparison.has_compared_nothing() {
        return format!(
            "Nothing was compared between {base} and {head}: everything was left out, for the reasons below."
        );
    }
    if judged.is_empty() {
        return format!("Between {base} and {head} there was nothing to measure.");
    }
    let so_far = if comparison.finished_at.is_some() { "" } else { "So far, " };
    match overall(judged) {
        Verdict::Failed => {
            format!("{so_far}{head} does not answer as it should: {}.", words::list(&of(Verdict::Failed)))
        }
        Verdict::Slower => format!(
            "{so_far}{head} is slower than {base}: {}. {}",
            words::list(&of(Verdict::Slower)),
            let_pass(comparison, judged),
        ),
        Verdict::Undecided => format!(
            "{so_far}whether {head} is slower than {base} is undecided for {} of {}.",
            of(Verdict::Undecided).len(),
            words::plural(judged.len() as u64, "comparison"),
        ),
        Verdict::Faster => format!("{so_far}{head} is faster than {base}: {}.", words::list(&of(Verdict::Faster))),
        Verdict::NoDifference => {
            format!("{so_far}no difference was seen between {base} and {head}; {}.", would_have_been(judged.iter()))
        }
    }
}

/// Whether the slowdown of the headline is let pass.
fn let_pass(comparison: &Comparison, judged: &[Judged<'_>]) -> String {
    let allowed = words::percent(comparison.max_slowdown);
    match judged.iter().any(|one| one.is_too_slow(comparison.max_slowdown)) {
        true => format!("That is more than the {allowed} that are let pass."),
        false => format!("That is no more than the {allowed} that are let pass."),
    }
}

fn slowdown(judged: &Judged<'_>) -> f64 {
    judged.deciding().map_or(f64::NEG_INFINITY, JudgedFigure::slowdown)
}

/// Which differences would have been seen: `one of 3.1 % would have been`; in latency by itself, where only larger ones are
/// seen.
fn would_have_been<'a>(judged: impl Iterator<Item = &'a Judged<'a>>) -> String {
    let figures: Vec<&JudgedFigure> = judged.flat_map(|one| &one.figures).collect();
    let worst = |is_latency: bool| {
        let of_kind = figures.iter().filter(|one| one.figure.is_latency() == is_latency);
        of_kind.filter_map(|one| one.decision.detectable).reduce(f64::max).map(words::percent)
    };
    match (worst(false), worst(true)) {
        (Some(rest), Some(latency)) => format!("one of {rest} would have been, and one of {latency} in latency"),
        (Some(only), None) | (None, Some(only)) => format!("one of {only} would have been"),
        (None, None) => "nothing was measured".to_owned(),
    }
}

/// The difference of a contest in a few words, by the figure that decides: `, 6.2 % slower by server CPU per request`; nothing
/// where there is none.
fn short(judged: &Judged<'_>) -> String {
    match (judged.verdict, judged.deciding()) {
        (Verdict::Slower | Verdict::Faster, Some(one)) => format!(", {} by {}", change(one), one.figure.name()),
        _ => String::new(),
    }
}

/// A contest in one sentence, the figure that decides first: `6.2 % slower (95 % interval 4.1 to 8.0 %) by requests per
/// CPU-second; 5.9 % slower (95 % interval 4.0 to 7.5 %) by server CPU per request`.
#[must_use]
pub fn sentence(judged: &Judged<'_>) -> String {
    match judged.verdict {
        Verdict::Failed => judged.failures.join(" "),
        Verdict::Slower | Verdict::Faster => {
            let mut of_verdict: Vec<&JudgedFigure> =
                judged.figures.iter().filter(|one| one.decision.verdict == judged.verdict).collect();
            of_verdict.sort_by(|one, other| other.slowdown().total_cmp(&one.slowdown()));
            let parts: Vec<String> =
                of_verdict.iter().map(|one| format!("{} by {}", change(one), one.figure.name())).collect();
            parts.join("; ")
        }
        Verdict::NoDifference => {
            format!(
                "no difference; {}",
                would_have_been([judged].into_iter()).replace("would have been", "would have been seen")
            )
        }
        Verdict::Undecided if !judged.failures.is_empty() => format!("not compared. {}", judged.failures.join(" ")),
        Verdict::Undecided => match judged.deciding() {
            Some(one) => format!("undecided, {}", why(one, judged)),
            None => {
                "undecided, because the head left CPU time idle, which the base used: compare them under a fixed load, \
                         too (`offered` in the suite)"
                    .to_owned()
            }
        },
    }
}

fn why(figure: &JudgedFigure, judged: &Judged<'_>) -> String {
    let quiet = figure.decision.shift.as_ref().map_or(0, Shift::pairs);
    match figure.decision.why {
        Some(Why::BelowNoise { floor }) => format!(
            "because a difference was seen ({}) that is within the {} by which a program differs from itself here",
            change(figure),
            words::percent(floor),
        ),
        Some(Why::TooWide) => match figure.decision.detectable {
            Some(detectable) => format!(
                "because only a difference of {} or more would have been seen in {}",
                words::percent(detectable),
                figure.figure.name(),
            ),
            None => format!(
                "because {} are too few to compare so much at a time",
                words::plural(quiet as u64, "quiet pair")
            ),
        },
        _ => {
            format!("because only {quiet} of {} could be used", words::plural(judged.pairs as u64, "paired trial"))
        }
    }
}

/// The change of a figure in words, with its interval: `6.2 % slower (95 % interval 4.1 to 8.0 %)`.
#[must_use]
pub fn change(figure: &JudgedFigure) -> String {
    let Some(shift) = &figure.decision.shift else { return "not measured".to_owned() };
    let slowdown = figure.figure.slowdown(shift.ratio());
    // Per cents of a latency that grows without bound tell a reader nothing.
    if slowdown > 9.0 {
        let interval = shift
            .interval(SHOWN_ERROR)
            .map(|(low, high)| format!(" (95 % interval {} to {})", words::ratio(low), words::ratio(high)));
        return format!("{} times as slow{}", words::ratio(shift.ratio()), interval.unwrap_or_default());
    }
    let direction = if slowdown >= 0.0 { "slower" } else { "faster" };
    let sign = if slowdown >= 0.0 { 1.0 } else { -1.0 };
    let interval = shift.interval(SHOWN_ERROR).map(|(low, high)| {
        let mut ends = [figure.figure.slowdown(low) * sign, figure.figure.slowdown(high) * sign];
        ends.sort_by(f64::total_cmp);
        format!(" (95 % interval {} to {})", percent_number(ends[0]), words::percent(ends[1]))
    });
    format!("{} {direction}{}", words::percent(slowdown.abs()), interval.unwrap_or_default())
}

/// A share in per cent without its sign, for the lower end of a range.
fn percent_number(share: f64) -> String {
    words::percent(share).trim_end_matches(" %").to_owned()
}

/// How sure all of it is, a sentence each.
#[must_use]
pub fn certainty(comparison: &Comparison, judged: &[Judged<'_>]) -> Vec<String> {
    let tests = judged.iter().map(|one| one.figures.len()).sum::<usize>();
    let pairs: usize = judged.iter().map(|one| one.pairs).sum();
    let mut sentences = vec![format!(
        "{}, each with a fresh start of both servers, which answer at the same time on the same CPUs. The tests are corrected \
         so that of two equal programs at most 1 comparison in 100 says of anything that it differs ({} tested together).",
        words::plural(pairs as u64, "paired trial"),
        words::plural(tests as u64, "figure"),
    )];
    if !judged.is_empty() {
        sentences.push(
            "The values of the base are the medians of its trials; those of the head are the base's, changed as the pairs show."
                .to_owned(),
        );
    }
    let is_compared = |figure: &Figure| comparison.contests.iter().any(|contest| Figure::of(contest).contains(figure));
    for (figure, noise) in noise(comparison).into_iter().filter(|(figure, _)| is_compared(figure)) {
        let before = comparison.noise_before.get(&figure).map_or(0, |before| before.runs);
        let with = if before > 0 {
            format!(", those of {} on this machine among them", words::plural(before.into(), "earlier comparison"))
        } else {
            String::new()
        };
        sentences.push(match noise.floor() {
            Some(floor) => format!(
                "Noise floor of {}: one and the same program is {} from itself in one paired trial ({}{with}), and no verdict goes \
                 below that for as many pairs as it has.",
                figure.name(),
                words::percent(floor.one_pair()),
                words::plural(floor.pairs as u64, "A/A control"),
            ),
            None => too_few(figure, &noise),
        });
    }
    if let (Some(base), Some(head)) = (&comparison.base.compiler, &comparison.head.compiler)
        && base != head
    {
        sentences.push(format!(
            "Base and head were built by different compilers, {base} and {head}: a difference may come from there."
        ));
    }
    sentences
}

fn too_few(figure: Figure, noise: &TwinNoise) -> String {
    format!(
        "Noise floor of {}: not known yet; {} are too few for one.",
        figure.name(),
        words::plural(noise.pairs as u64, "A/A control"),
    )
}

/// What is to be said of a contest beside its figures: failures, noise, limits, causes.
#[must_use]
pub fn remarks(judged: &Judged<'_>) -> Vec<String> {
    let mut remarks = Vec::new();
    if judged.verdict != Verdict::Failed && judged.verdict != Verdict::Undecided {
        remarks.extend(judged.failures.iter().cloned());
    }
    if judged.is_generator_the_limit {
        remarks.push(
            "The load generators of both sides together were the limit, so requests per CPU-second tell nothing and CPU time \
             decides."
                .to_owned(),
        );
    }
    remarks.extend(judged.idled.map(|idled| idled.sentence()));
    remarks.extend(judged.kept.filter(|kept| !kept.is_always()).map(|kept| kept.sentence()));
    remarks.extend(judged.noise.clone());
    match judged.contest.causes.as_deref() {
        Some([]) => remarks.push("Counters see no difference for each request.".to_owned()),
        Some(causes) => remarks.push(format!("For each request: {}.", causes.join(", "))),
        None => {}
    }
    remarks
}
