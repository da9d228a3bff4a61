//! Latency percentiles: a line from the median to the maximum for each measurement.

use loadgen::TOO_FEW;

use crate::ranking::Table;
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Fill, Frame, Shape, sheet};
use super::rows::{Lines, MARGIN, WIDTH, fill};

/// The percentiles between the median and the maximum that get a small mark.
const BETWEEN: [f64; 2] = [90.0, 99.0];

pub(super) fn draw(table: &Table<'_>, frame: &Frame) -> Result<String, DrawingError> {
    let lines = Lines::of(table);
    let ends = || {
        table.rows.iter().filter_map(|row| {
            let latency = row.latency();
            Some((latency.shown_percentile(50.0)? as f64, latency.maximum()? as f64))
        })
    };
    let lowest = ends().map(|(median, _)| median).fold(f64::INFINITY, f64::min);
    let highest = ends().map(|(_, maximum)| maximum).fold(0.0, f64::max);
    let axis = Axis::logarithmic(lowest, highest, 0.06, lines.left, WIDTH - MARGIN - 10);
    sheet(lines.size(), frame, |canvas| {
        lines.grid(canvas, &axis, |value| unit(value as u64))?;
        lines.names(canvas)?;
        for line in &lines.lines {
            let latency = line.row.latency();
            let at = |percent| latency.shown_percentile(percent).map(|value| axis.pixel(value as f64));
            let (Some(median), Some(maximum)) = (at(50.0), at(100.0)) else {
                lines.nothing(canvas, line)?;
                continue;
            };
            let (colour, fill) = (line.look.colour, fill(line.row));
            canvas.line(vec![(median, line.y), (maximum, line.y)], colour, 2)?;
            for x in BETWEEN.into_iter().filter_map(at) {
                canvas.line(vec![(x, line.y - 5), (x, line.y + 5)], colour, 2)?;
            }
            canvas.line(vec![(maximum, line.y - 7), (maximum, line.y + 7)], colour, 1)?;
            let middle = if fill == Fill::Hollow { Fill::Hollow } else { Fill::Solid };
            canvas.mark((median, line.y), Shape::Circle, 5, colour, middle)?;
            let value = |percent| latency.shown_percentile(percent).map_or_else(|| TOO_FEW.to_owned(), words::duration);
            let hint = format!(
                "{}: p50 {}, p90 {}, p99 {}, maximum {}, {}",
                line.row.measurement.name(),
                value(50.0),
                value(90.0),
                value(99.0),
                value(100.0),
                line.row.label()
            );
            canvas.hint((median - 8, line.y - 10), (maximum + 4, line.y + 10), &hint);
        }
        Ok(())
    })
}

/// A round duration without needless decimals: `500 µs`, `2 ms`.
fn unit(nanoseconds: u64) -> String {
    let text = words::duration(nanoseconds);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}
