//! A comparison for a terminal.

use std::fmt::Write as _;

use super::judgement::{Judged, JudgedFigure, judge};
use super::record::Comparison;
use super::words;

/// The answer, every contest with its figures, and what was left out. It ends with a line feed.
#[must_use]
pub fn render(comparison: &Comparison) -> String {
    let judged = judge(comparison);
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(out, "{}", words::answer(comparison, &judged));
    for one in &judged {
        contest(&mut out, one);
    }
    for sentence in comparison.not_measured() {
        let _ = writeln!(out, "\n{sentence}");
    }
    out
}

fn contest(out: &mut String, judged: &Judged<'_>) {
    let _ = writeln!(out, "\n{}\n  {}", words::title(judged.contest), words::sentence(judged));
    for figure in &judged.figures {
        let _ = writeln!(out, "  {}", line(figure));
    }
    for remark in words::remarks(judged) {
        let _ = writeln!(out, "  {remark}");
    }
}

fn line(figure: &JudgedFigure) -> String {
    let value = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| figure.figure.text(value));
    format!(
        "{:<26} {:>10} -> {:>10}   {}, {} pairs",
        figure.figure.name(),
        value(figure.base),
        value(figure.head),
        words::change(figure),
        figure.decision.shift.as_ref().map_or(0, crate::statistics::Shift::pairs),
    )
}
