//! Requests per second over time: a strip for each measurement, its rounds side by side.

use loadgen::Outcome;

use crate::figures::RoundFigures;
use crate::ranking::Table;
use crate::record::Placement;
use crate::steal::is_quiet;
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Fill, Frame, Point, sheet};
use super::palette::{FAINT_INK, GRID, SET_ASIDE};
use super::rows::{Lines, MARGIN, WIDTH, letters};

/// Half the height of a strip, in pixels.
const HALF: i32 = 10;
/// Room for the highest value to the right, in pixels.
const VALUE: i32 = 70;
/// Space between two rounds, in pixels.
const BETWEEN: i32 = 10;

pub(super) fn draw(table: &Table<'_>, frame: &Frame) -> Result<String, DrawingError> {
    let lines = Lines::of(table);
    let right = WIDTH - MARGIN - VALUE;
    sheet(lines.size(), frame, |canvas| {
        lines.names(canvas)?;
        if !lines.lines.is_empty() {
            canvas.text("highest", (WIDTH - MARGIN, 17), letters(Anchor::Right, FAINT_INK))?;
        }
        for line in &lines.lines {
            let outcomes = line.row.measurement.rounds.iter().filter_map(|round| round.outcome.as_ref());
            let rounds: Vec<(&Outcome, &RoundFigures)> = outcomes.zip(&line.row.figures.rounds).collect();
            let rates = rounds
                .iter()
                .flat_map(|(outcome, _)| outcome.windows.iter().map(loadgen::Window::responses_per_second));
            let highest = rates.fold(0.0, f64::max);
            if rounds.is_empty() || highest == 0.0 {
                lines.nothing(canvas, line)?;
                continue;
            }
            let scale = Axis::from_zero(highest, line.y + HALF, line.y - HALF);
            let count = i32::try_from(rounds.len()).unwrap_or(i32::MAX);
            let width = ((right - lines.left - BETWEEN * (count - 1)) / count).max(1);
            for (place, (outcome, figures)) in (0..).zip(&rounds) {
                let left = lines.left + place * (width + BETWEEN);
                let strip = Strip { left, width, top: line.y - HALF, bottom: line.y + HALF };
                strip.ground(canvas, outcome, &line.row.measurement.placement, figures.counts())?;
                canvas.line(strip.curve(outcome, &scale), line.look.colour, 2)?;
                let rate = words::figure(outcome.responses_per_second());
                let excluded = figures.exclusion.map(|why| format!(", excluded: {}", why.label())).unwrap_or_default();
                let name = line.row.measurement.name();
                let hint = format!("{name}, round {}: {rate} requests per second{excluded}", place + 1);
                canvas.hint((left, strip.top), (left + width, strip.bottom), &hint);
            }
            canvas.text(&words::figure(highest), (WIDTH - MARGIN, line.y), letters(Anchor::Right, FAINT_INK))?;
        }
        Ok(())
    })
}

/// The place of one round, in pixels.
struct Strip {
    left: i32,
    width: i32,
    top: i32,
    bottom: i32,
}

impl Strip {
    /// Draws the line of zero and the ground of the windows that are excluded, or of the whole round where it does not count.
    fn ground(
        &self,
        canvas: &Canvas<'_>,
        outcome: &Outcome,
        placement: &Placement,
        counts: bool,
    ) -> Result<(), DrawingError> {
        if !counts {
            canvas.rectangle((self.left, self.top), (self.left + self.width, self.bottom), SET_ASIDE, Fill::Solid)?;
        }
        for window in outcome.windows.iter().filter(|window| !is_quiet(window, placement)) {
            let end = window.offset_ns.saturating_add(window.length_ns);
            let corners = [(self.x(window.offset_ns, outcome), self.top), (self.x(end, outcome), self.bottom)];
            canvas.rectangle(corners[0], corners[1], SET_ASIDE, Fill::Solid)?;
        }
        canvas.line(vec![(self.left, self.bottom), (self.left + self.width, self.bottom)], GRID, 1)
    }

    /// The rate in each window, as steps.
    fn curve(&self, outcome: &Outcome, scale: &Axis) -> Vec<Point> {
        outcome
            .windows
            .iter()
            .flat_map(|window| {
                let y = scale.pixel(window.responses_per_second());
                let end = window.offset_ns.saturating_add(window.length_ns);
                [(self.x(window.offset_ns, outcome), y), (self.x(end, outcome), y)]
            })
            .collect()
    }

    fn x(&self, offset_ns: u64, outcome: &Outcome) -> i32 {
        let share = offset_ns as f64 / outcome.elapsed_ns.max(1) as f64;
        self.left + (share.clamp(0.0, 1.0) * f64::from(self.width)).round() as i32
    }
}
