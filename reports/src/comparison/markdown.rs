//! A comparison as Markdown, for the summary of a job and the comment on a pull request.

use std::fmt::Write as _;

use super::decision::Verdict;
use super::judgement::{JudgedFigure, judge, overall};
use super::record::Comparison;
use super::words;
use crate::markdown::escaped;
use crate::statistics::Shift;
use crate::words::{cpus, sentence};

/// Writes the report. Its first line is a comment that names the verdict, for programs.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let judged = judge(comparison);
    let verdict = if comparison.has_compared_nothing() { Verdict::Failed } else { overall(&judged) };
    let mut out = format!("<!-- verdict: {} -->\n", verdict.label());
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    line(format!("## {}\n", escaped(&words::answer(comparison, &judged))));
    if comparison.finished_at.is_none() {
        line("**Not finished**: what was measured until then is judged here.\n".to_owned());
    }
    if !judged.is_empty() {
        line("| | verdict | figure | base | head | change | pairs |".to_owned());
        line("|---|---|---|--:|--:|---|--:|".to_owned());
    }
    for one in &judged {
        let mut name = escaped(&words::title(one.contest));
        let mut verdict = format!("**{}**", one.verdict.label());
        if one.figures.is_empty() {
            line(format!("| {name} | {verdict} | | | | | {} |", one.pairs));
        }
        // The figure that decides, which is in the headline, comes first.
        let decides = |figure: &&JudgedFigure| one.deciding().is_some_and(|deciding| std::ptr::eq(deciding, *figure));
        let (first, others): (Vec<_>, Vec<_>) = one.figures.iter().partition(decides);
        for figure in first.into_iter().chain(others) {
            line(format!("| {name} | {verdict} | {} |", cells(figure)));
            (name, verdict) = (String::new(), String::new());
        }
    }
    let mut list = String::new();
    for one in &judged {
        let remarks = words::remarks(one);
        let told = [sentence(&words::sentence(one))].into_iter().chain(remarks);
        let _ = writeln!(
            list,
            "- {}: {}",
            escaped(&words::title(one.contest)),
            escaped(&told.collect::<Vec<_>>().join(" "))
        );
    }
    for sentence in comparison.not_measured() {
        let _ = writeln!(list, "- {}", escaped(&sentence));
    }
    if !list.is_empty() {
        line(format!("\n{list}"));
    }
    line("<details><summary>How sure this is, and how to repeat it</summary>\n".to_owned());
    for sentence in words::certainty(comparison, &judged) {
        line(format!("- {}", escaped(&sentence)));
    }
    let environment = &comparison.environment;
    line(format!(
        "- {}{}, {}; server on CPU {}, client on CPU {}; {}.",
        escaped(&environment.cpu_model),
        if environment.hypervisor { " (virtual machine)" } else { "" },
        escaped(&environment.kernel),
        cpus(&environment.server_cpus),
        cpus(&environment.client_cpus),
        comparison.started_at.for_reader(),
    ));
    for (side, what) in [(&comparison.base, "base"), (&comparison.head, "head")] {
        let compiler = side.compiler.as_ref().map(|compiler| format!(", built by {compiler}")).unwrap_or_default();
        line(format!("- {what}: {} is `{}`{}", escaped(&side.title()), side.commit, escaped(&compiler)));
    }
    line(format!("- `{}`\n", comparison.command.join(" ").replace('`', "'")));
    line("</details>".to_owned());
    out
}

fn cells(figure: &JudgedFigure) -> String {
    let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure.figure.text(value));
    [
        figure.figure.name().to_owned(),
        value(figure.base),
        value(figure.head),
        format!("{} ({})", words::change(figure), figure.decision.verdict.label()),
        figure.decision.shift.as_ref().map_or(0, Shift::pairs).to_string(),
    ]
    .map(|cell| escaped(&cell))
    .join(" | ")
}
