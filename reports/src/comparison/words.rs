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
        let titles = judged.iter().filter(|one| one.verdict == verdict);
        titles.map(|one| format!("{}{}", one.contest.head.name(), short(one))).collect()
    };
    let (head, base) = (comparison.head.title(), comparison.base.title());
    if judged.is_empty() {
        return format!("Between {base} and {head} there was nothing to measure.");
    }
    let so_far = if comparison.finished_at.is_some() { "" } else { "So far, " };
    match overall(judged) {
        Verdict::Failed => {
            format!("{so_far}{head} does not answer as it should: {}.", words::list(&of(Verdict::Failed)))
        }
        Verdict::Slower => format!("{so_far}{head} is slower than {base}: {}.", words::list(&of(Verdict::Slower))),
        Verdict::Undecided => format!(
            "{so_far}whether {head} is slower than {base} is undecided for {} of {}.",
            of(Verdict::Undecided).len(),
            words::plural(judged.len() as u64, "comparison"),
        ),
        Verdict::Faster => format!("{so_far}{head} is faster than {base}: {}.", words::list(&of(Verdict::Faster))),
        Verdict::NoDifference => {
            let seen = judged.iter().flat_map(|one| &one.figures).filter(|one| one.figure != Figure::Latency);
            let worst = seen.filter_map(|one| one.decision.detectable).fold(0.0, f64::max);
            format!(
                "{so_far}no difference was seen between {base} and {head}; one of {} would have been.",
                words::percent(worst),
            )
        }
    }
}

/// The difference of a contest in a few words: `, 6.2 % slower`; nothing where there is none.
fn short(judged: &Judged<'_>) -> String {
    let deciding = judged.figures.iter().find(|one| one.decision.verdict == judged.verdict);
    match (judged.verdict, deciding) {
        (Verdict::Slower | Verdict::Faster, Some(one)) => format!(", {}", change(one)),
        _ => String::new(),
    }
}

/// A contest in one sentence: `6.2 % slower (95 % interval 4.1 to 8.0 %), by requests per CPU-second`.
#[must_use]
pub fn sentence(judged: &Judged<'_>) -> String {
    match judged.verdict {
        Verdict::Failed => judged.failures.join(" "),
        Verdict::Slower | Verdict::Faster => {
            let of_verdict = judged.figures.iter().filter(|one| one.decision.verdict == judged.verdict);
            let parts: Vec<String> =
                of_verdict.map(|one| format!("{}, by {}", change(one), one.figure.name())).collect();
            parts.join("; ")
        }
        Verdict::NoDifference => {
            let worst = judged.figures.iter().filter_map(|one| one.decision.detectable).fold(0.0, f64::max);
            format!("no difference; one of {} would have been seen", words::percent(worst))
        }
        Verdict::Undecided if !judged.failures.is_empty() => format!("not compared. {}", judged.failures.join(" ")),
        Verdict::Undecided => {
            let open = judged.figures.iter().find(|one| one.decision.verdict == Verdict::Undecided);
            format!("undecided{}", open.map(|one| format!(", {}", why(one, judged))).unwrap_or_default())
        }
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
            format!("because only {} of {} of turns could be used", quiet, words::plural(judged.pairs as u64, "pair"),)
        }
    }
}

/// The change of a figure in words, with its interval: `6.2 % slower (95 % interval 4.1 to 8.0 %)`.
#[must_use]
pub fn change(figure: &JudgedFigure) -> String {
    let Some(shift) = &figure.decision.shift else { return "not measured".to_owned() };
    let slowdown = figure.figure.slowdown(shift.ratio());
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
        "{} of turns, each with a fresh start of both servers, which answer at the same time on the same CPUs. Of two equal \
         commits at most 1 comparison in 100 says of anything that it differs ({} tested together).",
        words::plural(pairs as u64, "pair"),
        words::plural(tests as u64, "figure"),
    )];
    if !judged.is_empty() {
        sentences.push(
            "The values of base and head are the medians of their turns; the change is that of the pairs, which is more certain."
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
                "Noise floor of {}: one and the same program is {} from itself in one pair of turns ({} of twins{with}), and no \
                 verdict goes below that for as many pairs as it has.",
                figure.name(),
                words::percent(floor.one_pair()),
                words::plural(floor.pairs as u64, "pair"),
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
        "Noise floor of {}: not known yet; {} of turns of one program are too few for one.",
        figure.name(),
        words::plural(noise.pairs as u64, "pair"),
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
            "The load generator was the limit, so requests per CPU-second tell nothing and CPU time decides."
                .to_owned(),
        );
    }
    remarks.extend(judged.noise.clone());
    match judged.contest.causes.as_deref() {
        Some([]) => remarks.push("Counters see no difference for each request.".to_owned()),
        Some(causes) => remarks.push(format!("For each request: {}.", causes.join(", "))),
        None => {}
    }
    remarks
}
