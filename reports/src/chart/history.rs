//! Figures from run to run: a small chart for each series, with its levels and steps.

use crate::history::finding::{in_order_of_interest, machine_number};
use crate::history::{History, Measure, Series};
use crate::words;

use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Fill, Frame, Lettering, escaped, sheet};
use super::palette::{FAINT_INK, GRID, INK};
use super::rows::{Look, MARGIN, WIDTH, shortened};
use super::{ChartError, DrawingError, behind_first_tag, style};

/// The most series in a picture.
const SHOWN: usize = 12;
/// Height of a small chart with its heading, in pixels.
const PANEL: i32 = 158;
/// Room for its heading, in pixels.
const HEADING: i32 = 40;
/// Room for values on its left, in pixels.
const VALUES: i32 = 62;
/// Space between two of them, in pixels.
const GAP: i32 = 22;
/// Height of the letters, in pixels.
const SMALL: f64 = 11.0;

/// Draws a history as a file of its own: the series with steps first, at most twelve.
///
/// # Errors
/// [`ChartError`] if the drawing library refuses.
pub fn draw(history: &History, all: &[Series<'_>]) -> Result<String, ChartError> {
    let order = in_order_of_interest(all);
    let shown: Vec<&Series<'_>> = order.iter().take(SHOWN).copied().collect();
    let title = "Figures from run to run";
    let frame = Frame { title: title.to_owned(), notes: notes(history, all, shown.len()) };
    let rows = (shown.len() as i32 + 1) / 2;
    let size = (WIDTH.unsigned_abs(), (rows.max(1) * PANEL + MARGIN).unsigned_abs());
    let mut servers: Vec<&str> = Vec::new();
    for series in &shown {
        if !servers.contains(&series.entry.server.as_str()) {
            servers.push(&series.entry.server);
        }
    }
    let svg = sheet(size, &frame, |canvas| {
        if shown.is_empty() {
            let plain = Lettering { size: SMALL, colour: FAINT_INK, anchor: Anchor::Middle, bold: false };
            canvas.text("Nothing to draw yet", (WIDTH / 2, PANEL / 2), plain)?;
        }
        for (place, series) in (0..).zip(&shown) {
            let wide = (WIDTH - 2 * MARGIN - GAP) / 2;
            let left = MARGIN + (place % 2) * (wide + GAP);
            let at = Panel { left: left + VALUES, right: left + wide, top: (place / 2) * PANEL };
            panel(
                canvas,
                &at,
                series,
                Look::of(&series.entry.server, &servers),
                machine_number(history, series.machine),
            )?;
        }
        Ok(())
    })
    .map_err(|error| ChartError { chart: "history", reason: error.to_string() })?;
    let names: Vec<String> = shown.iter().map(|series| description(series)).collect();
    let head = format!(
        "<title id=\"history-title\">{}</title>\n<desc id=\"history-text\">{}</desc>\n<style>{}</style>\n",
        escaped(title),
        escaped(&names.join(" ")),
        style(),
    );
    let svg = svg.replacen("<svg ", "<svg role=\"img\" aria-labelledby=\"history-title history-text\" ", 1);
    Ok(behind_first_tag(&svg, &head))
}

/// What is drawn, how to read it, and what is left out.
fn notes(history: &History, all: &[Series<'_>], shown: usize) -> Vec<String> {
    let mut notes = vec![
        "A point for each run in the order of time, a line for each level, a dashed line at each step. Values are on the left; \
         each chart has its own scale, which is logarithmic and does not begin at 0."
            .to_owned(),
    ];
    if let (Some(first), Some(last)) = (history.lines.first(), history.lines.last()) {
        notes.push(format!(
            "{} from {} ({}) to {} ({}); {}.",
            words::plural(history.lines.len() as u64, "run"),
            first.source(),
            first.started_at.for_reader(),
            last.source(),
            last.started_at.for_reader(),
            last.machine.describe(),
        ));
    }
    let left_out: Vec<&Series<'_>> = in_order_of_interest(all).into_iter().skip(shown).collect();
    let with_steps = left_out.iter().filter(|series| !series.course.steps.is_empty()).count();
    if !left_out.is_empty() {
        let (number, steps) = (words::count(left_out.len() as u64), words::count(with_steps as u64));
        notes.push(format!("Left out: {number} further series, {steps} of them with steps."));
    }
    notes
}

/// A series in a sentence, for those who do not see it.
fn description(series: &Series<'_>) -> String {
    let measure = series.measure;
    let levels: Vec<String> = series
        .course
        .levels
        .iter()
        .map(|level| format!("{} in {} runs", measure.value(level.mean), level.end - level.first))
        .collect();
    format!(
        "{}: {}.",
        series.name(),
        if levels.is_empty() { "no levels yet".to_owned() } else { levels.join(", then ") }
    )
}

/// Where a small chart lies, in pixels.
struct Panel {
    left: i32,
    right: i32,
    top: i32,
}

fn panel(
    canvas: &Canvas<'_>,
    at: &Panel,
    series: &Series<'_>,
    look: Look,
    machine: Option<usize>,
) -> Result<(), DrawingError> {
    let plain = |anchor, colour| Lettering { size: SMALL, colour, anchor, bold: false };
    let (top, bottom) = (at.top + HEADING, at.top + PANEL - 26);
    let measure = series.measure;
    let heading = series.measurement();
    let strong = Lettering { bold: true, ..plain(Anchor::Left, INK) };
    canvas.text(&shortened(&heading, 54), (at.left - VALUES, at.top + 10), strong)?;
    let unit = if measure == Measure::Latency { String::new() } else { format!(" in{}", measure.unit_in_words()) };
    let machine = machine.map(|number| format!(", machine {number}")).unwrap_or_default();
    let figure = format!("{}{unit}{machine}", measure.name());
    canvas.text(&shortened(&figure, 56), (at.left - VALUES, at.top + 26), plain(Anchor::Left, FAINT_INK))?;
    let values = || series.points.iter().map(|point| point.value);
    let (lowest, highest) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let axis = Axis::between(lowest, highest, bottom, top);
    let last = series.points.len().saturating_sub(1).max(1);
    let x = |place: f64| at.left + (place / last as f64 * f64::from(at.right - at.left)) as i32;
    for value in [lowest, highest] {
        let y = axis.pixel(value);
        canvas.line(vec![(at.left, y), (at.right, y)], GRID, 1)?;
        canvas.text(&measure.value(value), (at.left - 6, y), plain(Anchor::Right, FAINT_INK))?;
    }
    for (place, point) in series.points.iter().enumerate() {
        let at = (x(place as f64), axis.pixel(point.value));
        canvas.mark(at, look.shape, 2, look.colour, Fill::Pale(0.55))?;
        let hint = format!(
            "{}, {}: {}{}",
            point.line.source(),
            point.line.started_at.for_reader(),
            measure.value(point.value),
            measure.unit_in_words(),
        );
        canvas.hint((at.0 - 4, at.1 - 5), (at.0 + 4, at.1 + 5), &hint);
    }
    for level in &series.course.levels {
        let y = axis.pixel(level.mean);
        let ends = (x(level.first as f64), x(level.end.saturating_sub(1) as f64));
        canvas.line(vec![(ends.0, y), (ends.1, y)], INK, 2)?;
    }
    for step in &series.course.steps {
        let x = x(step.place as f64 - 0.5);
        let mut y = top - 4;
        while y < bottom {
            canvas.line(vec![(x, y), (x, (y + 4).min(bottom))], INK, 1)?;
            y += 8;
        }
        let text = format!("{} {}", words::percent((step.ratio - 1.0).abs()), measure.change(step.ratio));
        let anchor = if x > (at.left + at.right) / 2 { Anchor::Right } else { Anchor::Left };
        let aside = if anchor == Anchor::Right { -4 } else { 4 };
        canvas.text(&text, (x + aside, bottom + 8), plain(anchor, INK))?;
    }
    Ok(())
}
