//! Server CPU time per request: a bar for each measurement.

use crate::ranking::{Row, Table};
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Fill, Frame, Shape, sheet};
use super::palette::{FAINT_INK, INK};
use super::rows::{Lines, MARGIN, WIDTH, excluded_hint, fill, letters};

/// Half the height of a bar, in pixels.
const HALF: i32 = 7;
/// Room for the value behind the longest bar, in pixels.
const VALUE: i32 = 58;

pub(super) fn draw(table: &Table<'_>, frame: &Frame) -> Result<String, DrawingError> {
    let lines = Lines::of(table);
    let highest = table.rows.iter().flat_map(costs).fold(0.0, f64::max);
    let axis = Axis::from_zero(highest, lines.left, WIDTH - MARGIN - VALUE);
    sheet(lines.size(), frame, |canvas| {
        lines.grid(canvas, &axis, |value| format!("{} µs", short(value)))?;
        lines.names(canvas)?;
        for line in &lines.lines {
            let figures = &line.row.figures;
            let Some(cost) = line.row.server_cpu_microseconds() else {
                lines.nothing(canvas, line)?;
                continue;
            };
            let user = figures.server_user_microseconds().unwrap_or(0.0).min(cost).max(0.0);
            let (top, bottom) = (line.y - HALF, line.y + HALF);
            let (start, middle, end) = (axis.pixel(0.0), axis.pixel(user), axis.pixel(cost));
            if fill(line.row) == Fill::Hollow {
                canvas.rectangle((start, top), (end, bottom), line.look.colour, Fill::Hollow)?;
            } else {
                canvas.rectangle((start, top), (middle, bottom), line.look.colour, Fill::Solid)?;
                canvas.rectangle((middle, top), (end, bottom), line.look.colour, Fill::Pale(0.45))?;
            }
            let mut behind = end;
            let used = figures.used().map(|round| (round, Fill::Pale(0.6)));
            for (round, ink) in used.chain(figures.left_out().map(|round| (round, Fill::Hollow))) {
                let Some(cost) = round.server_cpu_microseconds else { continue };
                canvas.mark((axis.pixel(cost), line.y), Shape::Circle, 2, INK, ink)?;
                behind = behind.max(axis.pixel(cost));
            }
            let value = words::figure(cost);
            let hint = format!(
                "{}: {value} µs per request, {}{}",
                line.row.measurement.name(),
                line.row.label(),
                excluded_hint(line.row)
            );
            canvas.hint((start, top - 3), (behind + 8, bottom + 3), &hint);
            canvas.text(&value, (behind + 8, line.y), letters(Anchor::Left, FAINT_INK))?;
        }
        Ok(())
    })
}

/// The row's cost and those of its rounds.
fn costs(row: &Row<'_>) -> Vec<f64> {
    let rounds = row.figures.rounds.iter().filter_map(|round| round.server_cpu_microseconds);
    rounds.chain(row.server_cpu_microseconds()).collect()
}

/// A round value without needless decimals.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
