//! Requests per second of every measurement, with the interval of their mean and a point for each round.

use crate::ranking::{LIMIT, Row, Table};
use crate::statistics::{half_width, paired_ratio};
use crate::validity::Standing;
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Fill, Frame, Shape, sheet};
use super::palette::{FAINT_INK, INK};
use super::rows::{Lines, MARGIN, WIDTH, excluded_hint, letters, rate_hint};
use super::trend::ceiling;

/// Half the height of a bar, in pixels.
const HALF: i32 = 7;
/// Room for the words behind the longest bar, in pixels.
const VALUE: i32 = 132;
/// Room for the label of its line, in pixels.
const LABEL: i32 = 20;

/// The 95 % interval of a row's rate, which is the mean of the rates of its rounds, by Student's t; none of one round. It
/// never leaves out the rate itself, nor goes below nothing.
pub(super) fn interval_of_mean(rate: f64, rounds: &[f64]) -> Option<(f64, f64)> {
    let mean = rounds.iter().sum::<f64>() / rounds.len() as f64;
    let squares: f64 = rounds.iter().map(|round| (round - mean).powi(2)).sum();
    let degrees = rounds.len().checked_sub(1).filter(|degrees| *degrees > 0)?;
    let reach = half_width((squares / degrees as f64 / rounds.len() as f64).sqrt(), rounds.len())?;
    Some(((rate - reach).max(0.0), rate + reach))
}

/// The 95 % interval of a figure that is the geometric mean of those of its rounds; none of one round.
pub(super) fn interval_of_geometric_mean(rounds: &[f64]) -> Option<(f64, f64)> {
    let pairs: Vec<(f64, f64)> = rounds.iter().map(|round| (*round, 1.0)).collect();
    paired_ratio(&pairs)?.interval
}

pub(super) fn draw(table: &Table<'_>, frame: &Frame) -> Result<String, DrawingError> {
    let lines = Lines::of(table);
    let rates = |row: &Row<'_>| -> Vec<f64> {
        row.figures.rounds.iter().map(|round| round.requests_per_second).chain(ceiling(row)).collect()
    };
    let highest = table.rows.iter().flat_map(rates).filter(|rate| rate.is_finite()).fold(0.0, f64::max);
    let axis = Axis::from_zero(highest, lines.left, WIDTH - MARGIN - VALUE);
    let limit = table.rows.iter().find(|row| row.measurement.server.name == LIMIT);
    let (width, height) = lines.size();
    // The label of the limit stands below the rows.
    sheet((width, height + LABEL.unsigned_abs()), frame, |canvas| {
        lines.grid(canvas, &axis, |value| words::count(value as u64))?;
        lines.names(canvas)?;
        for line in &lines.lines {
            let Some(rate) = line.row.figures.requests_per_second() else {
                lines.nothing(canvas, line)?;
                continue;
            };
            let (start, end) = (axis.pixel(0.0), axis.pixel(rate));
            let (top, bottom) = (line.y - HALF, line.y + HALF);
            let standing = line.row.standing();
            if standing == Standing::Ranked {
                canvas.rectangle((start, top), (end, bottom), line.look.colour, Fill::Pale(0.45))?;
            } else {
                canvas.hatched((start, top), (end, bottom), line.look.colour)?;
            }
            let rates: Vec<f64> = line.row.figures.used().map(|round| round.requests_per_second).collect();
            let mut behind = end;
            let interval = interval_of_mean(rate, &rates);
            let mut hint = rate_hint(line.row);
            if let Some((low, high)) = interval {
                let (from, to) = (axis.pixel(low), axis.pixel(high));
                canvas.line(vec![(from, line.y), (to, line.y)], INK, 2)?;
                for x in [from, to] {
                    canvas.line(vec![(x, line.y - 5), (x, line.y + 5)], INK, 2)?;
                }
                behind = behind.max(to);
                hint.push_str(&format!(", 95 % interval {} to {}", words::figure(low), words::figure(high)));
            }
            for rate in &rates {
                let x = axis.pixel(*rate);
                canvas.mark((x, line.y), Shape::Circle, 3, INK, Fill::Pale(0.6))?;
                behind = behind.max(x);
            }
            for round in line.row.figures.left_out() {
                let x = axis.pixel(round.requests_per_second);
                canvas.mark((x, line.y), Shape::Circle, 3, INK, Fill::Hollow)?;
                behind = behind.max(x);
            }
            hint.push_str(&excluded_hint(line.row));
            let words = match standing {
                Standing::Ranked => words::figure(rate),
                _ => format!("{}, {}", words::figure(rate), line.row.label()),
            };
            if let Some(most) = ceiling(line.row) {
                let x = axis.pixel(most);
                canvas.line(vec![(x, top - 3), (x, bottom + 3)], line.look.colour, 3)?;
                let hint = format!("{}: the most that the delay allows", line.row.measurement.name());
                canvas.hint((x - 4, top - 3), (x + 4, bottom + 3), &hint);
            }
            // Side by side, and free of the line that crosses all rows.
            canvas.text(&words, (WIDTH - MARGIN - VALUE + 8, line.y), letters(Anchor::Left, FAINT_INK))?;
            canvas.hint((start, top - 3), (behind + 8, bottom + 3), &hint);
        }
        if let Some(rate) = limit.and_then(|row| row.figures.requests_per_second()) {
            let x = axis.pixel(rate);
            canvas.line(vec![(x, 26), (x, lines.height - MARGIN)], INK, 2)?;
            let label = (x, lines.height + LABEL / 2 - MARGIN / 2);
            canvas.text("limit: a server that does nothing", label, letters(Anchor::Middle, INK))?;
        }
        Ok(())
    })
}
