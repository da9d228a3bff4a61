//! The figure by which measurements are ranked over that of one of them, with its interval.

use crate::ranking::{Row, Table, compare};
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Fill, Frame, sheet};
use super::data::{ChartData, number};
use super::palette::{FAINT_INK, INK};
use super::rows::{Lines, MARGIN, WIDTH, letters};

/// Room for the words behind the longest interval, in pixels.
const VALUE: i32 = 150;

/// The row that the others are compared with: the best one of the chosen server, or the best of all where none is chosen
/// or the chosen one is not ranked.
pub(super) fn base<'table, 'run>(table: &'table Table<'run>, server: Option<&str>) -> Option<&'table Row<'run>> {
    let ranked = table.ranked();
    let of_server = |name: &str| ranked.iter().copied().find(|row| row.measurement.server.name == name);
    server.and_then(of_server).or_else(|| ranked.first().copied())
}

/// Everything that the chart draws.
pub(super) fn data(table: &Table<'_>, base: &Row<'_>) -> ChartData {
    let over = format!("{} over that of {}", table.merit().name(), base.measurement.name());
    let columns = ["measurement", "standing", over.as_str(), "95 % from", "95 % to", "rounds"].map(str::to_owned);
    let rows = table.rows.iter().map(|row| {
        let ratio = compare(row, base).filter(|_| row.is_rankable());
        let interval = ratio.and_then(|ratio| ratio.interval);
        vec![
            row.measurement.name(),
            row.label(),
            number(ratio.map(|ratio| ratio.ratio)),
            number(interval.map(|(low, _)| low)),
            number(interval.map(|(_, high)| high)),
            ratio.map_or_else(String::new, |ratio| ratio.rounds.to_string()),
        ]
    });
    ChartData { columns: columns.to_vec(), rows: rows.collect() }
}

pub(super) fn draw(table: &Table<'_>, base: &Row<'_>, frame: &Frame) -> Result<String, DrawingError> {
    let lines = Lines::of(table);
    let ratio = |row: &Row<'_>| compare(row, base).filter(|_| row.is_rankable());
    let ratios: Vec<_> = table.rows.iter().filter_map(ratio).collect();
    let ends = || {
        let with_interval = ratios.iter().flat_map(|ratio| {
            let (low, high) = ratio.interval.unwrap_or((ratio.ratio, ratio.ratio));
            // Two rounds that differ can give an interval from nothing to anything; the points stay to be seen.
            [low.max(ratio.ratio / 4.0), high.min(ratio.ratio * 4.0)]
        });
        with_interval.chain([1.0])
    };
    let (lowest, highest) = (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
    let axis = Axis::logarithmic(lowest, highest, 0.05, lines.left, WIDTH - MARGIN - VALUE);
    sheet(lines.size(), frame, |canvas| {
        lines.grid(canvas, &axis, words::ratio)?;
        lines.names(canvas)?;
        let one = axis.pixel(1.0);
        canvas.line(vec![(one, 26), (one, lines.height - MARGIN)], INK, 2)?;
        for line in &lines.lines {
            let Some(ratio) = ratio(line.row) else {
                lines.nothing(canvas, line)?;
                let hint = format!("{}: {}", line.row.measurement.name(), line.row.label());
                canvas.hint((lines.left, line.y - 10), (lines.left + 120, line.y + 10), &hint);
                continue;
            };
            let x = axis.pixel(ratio.ratio);
            let (mut words, mut behind) = (words::ratio(ratio.ratio), x);
            if std::ptr::eq(line.row, base) {
                "1, by definition".clone_into(&mut words);
            } else if let Some((low, high)) = ratio.interval {
                let (from, to) = (axis.pixel(low), axis.pixel(high));
                canvas.line(vec![(from, line.y), (to, line.y)], line.look.colour, 2)?;
                for end in [from, to] {
                    canvas.line(vec![(end, line.y - 5), (end, line.y + 5)], line.look.colour, 2)?;
                }
                behind = behind.max(to);
                words = format!("{words} ({} to {})", words::ratio(low), words::ratio(high));
            }
            canvas.mark((x, line.y), line.look.shape, 5, line.look.colour, Fill::Solid)?;
            canvas.text(&words, (WIDTH - MARGIN - VALUE + 10, line.y), letters(Anchor::Left, FAINT_INK))?;
            let hint = format!("{}: {words} times {}", line.row.measurement.name(), base.measurement.name());
            canvas.hint((lines.left, line.y - 10), (behind + 10, line.y + 10), &hint);
        }
        Ok(())
    })
}
