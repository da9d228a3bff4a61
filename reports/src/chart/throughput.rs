//! Requests per second against workers: a line for each server.

use crate::ranking::{Row, Table};
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Fill, Frame, sheet, width};
use super::palette::{FAINT_INK, GRID, INK};
use super::rows::{LETTERS, Look, MARGIN, WIDTH, fill, letters, rate_hint, shortened};

/// Height of the part with the lines, in pixels.
const PLOT: i32 = 330;
/// Room for the values on the left, in pixels.
const VALUES: i32 = 62;
/// Height of a line of the legend, in pixels.
const LEGEND: i32 = 24;

/// The scales of the chart.
struct Plane {
    workers: Axis,
    rate: Axis,
    left: i32,
    right: i32,
    bottom: i32,
}

pub(super) fn draw(table: &Table<'_>, frame: &Frame) -> Result<String, DrawingError> {
    let servers = table.servers();
    let legend = legend(&servers);
    let top = MARGIN + LEGEND * (legend.last().map_or(0, |entry| entry.line) + 1) + 10;
    let bottom = top + PLOT;
    let (left, right) = (MARGIN + VALUES, WIDTH - MARGIN - 10);
    let counts = worker_counts(table);
    let plane = Plane {
        workers: Axis::logarithmic(
            counts.first().copied().unwrap_or(1.0),
            counts.last().copied().unwrap_or(1.0),
            0.08,
            left,
            right,
        ),
        rate: Axis::from_zero(table.rows.iter().flat_map(rates).fold(0.0, f64::max), bottom, top),
        left,
        right,
        bottom,
    };
    let height = bottom + 56;
    sheet((WIDTH.unsigned_abs(), height.unsigned_abs()), frame, |canvas| {
        for entry in &legend {
            let (x, y) = (MARGIN + entry.x, MARGIN + 8 + entry.line * LEGEND);
            canvas.line(vec![(x, y), (x + 22, y)], entry.look.colour, 2)?;
            canvas.mark((x + 11, y), entry.look.shape, 5, entry.look.colour, Fill::Solid)?;
            canvas.text(&entry.name, (x + 29, y), letters(Anchor::Left, INK))?;
        }
        plane.frame(canvas, &counts)?;
        if table.rows.iter().all(|row| row.figures.rounds.is_empty()) {
            let middle = ((left + right) / 2, top + PLOT / 2);
            canvas.text("Nothing to draw yet", middle, letters(Anchor::Middle, FAINT_INK))?;
        }
        for server in &servers {
            let rows: Vec<&Row<'_>> = table.rows.iter().filter(|row| row.measurement.server.name == *server).collect();
            plane.server(canvas, &rows, Look::of(server, &servers))?;
        }
        Ok(())
    })
}

impl Plane {
    fn frame(&self, canvas: &Canvas<'_>, counts: &[f64]) -> Result<(), DrawingError> {
        for tick in self.rate.ticks(6) {
            let y = self.rate.pixel(tick);
            canvas.line(vec![(self.left, y), (self.right, y)], GRID, 1)?;
            canvas.text(&words::count(tick as u64), (self.left - 8, y), letters(Anchor::Right, FAINT_INK))?;
        }
        let mut free_from = i32::MIN;
        for count in counts {
            let x = self.workers.pixel(*count);
            let text = words::count(*count as u64);
            let half = width(&text, LETTERS) / 2;
            canvas.line(vec![(x, self.bottom), (x, self.bottom + 5)], FAINT_INK, 1)?;
            if x - half > free_from {
                canvas.text(&text, (x, self.bottom + 17), letters(Anchor::Middle, FAINT_INK))?;
                free_from = x + half + 4;
            }
        }
        let below = ((self.left + self.right) / 2, self.bottom + 40);
        canvas.text("workers (logarithmic)", below, letters(Anchor::Middle, FAINT_INK))
    }

    fn server(&self, canvas: &Canvas<'_>, rows: &[&Row<'_>], look: Look) -> Result<(), DrawingError> {
        let quiet = || rows.iter().filter(|row| !row.measurement.configuration.access_log);
        let mut line: Vec<(i32, i32, &Row<'_>)> = quiet().filter_map(|row| self.place(row)).collect();
        line.sort_by_key(|(x, ..)| *x);
        if line.len() > 1 {
            canvas.line(line.iter().map(|(x, y, _)| (*x, *y)).collect(), look.colour, 2)?;
        }
        for row in rows {
            match self.place(row) {
                Some((x, y, _)) if row.measurement.configuration.access_log => self.bar(canvas, (x, y), row, look)?,
                Some((x, y, _)) => {
                    self.rounds(canvas, x, row, look)?;
                    canvas.mark((x, y), look.shape, 5, look.colour, fill(row))?;
                    canvas.hint((x - 9, y - 9), (x + 9, y + 9), &rate_hint(row));
                }
                None => self.across(canvas, row, look)?,
            }
        }
        Ok(())
    }

    /// Where a row with a worker count and a rate lies.
    fn place<'table, 'run>(&self, row: &'table Row<'run>) -> Option<(i32, i32, &'table Row<'run>)> {
        let workers = f64::from(row.measurement.configuration.workers?);
        let rate = row.figures.requests_per_second()?;
        Some((self.workers.pixel(workers), self.rate.pixel(rate), row))
    }

    fn rounds(&self, canvas: &Canvas<'_>, x: i32, row: &Row<'_>, look: Look) -> Result<(), DrawingError> {
        let used = row.figures.used().map(|round| (round, Fill::Pale(0.45)));
        for (round, ink) in used.chain(row.figures.left_out().map(|round| (round, Fill::Hollow))) {
            let y = self.rate.pixel(round.requests_per_second);
            canvas.mark((x, y), look.shape, 3, look.colour, ink)?;
        }
        Ok(())
    }

    /// A measurement with the access log on.
    fn bar(&self, canvas: &Canvas<'_>, (x, y): (i32, i32), row: &Row<'_>, look: Look) -> Result<(), DrawingError> {
        canvas.rectangle((x - 9, y - 2), (x + 9, y + 2), look.colour, fill(row))?;
        canvas.hint((x - 9, y - 5), (x + 9, y + 5), &rate_hint(row));
        Ok(())
    }

    /// A server without a worker count: a dashed line across, short bars at its ends if it writes a log.
    fn across(&self, canvas: &Canvas<'_>, row: &Row<'_>, look: Look) -> Result<(), DrawingError> {
        let Some(rate) = row.figures.requests_per_second() else {
            return Ok(());
        };
        let y = self.rate.pixel(rate);
        if row.measurement.configuration.access_log {
            for x in [self.left + 12, self.right - 12] {
                self.bar(canvas, (x, y), row, look)?;
            }
            return Ok(());
        }
        canvas.dashes((self.left, y), self.right, look.colour, 9)?;
        for x in [self.left + 12, self.right - 12] {
            self.rounds(canvas, x, row, look)?;
            canvas.mark((x, y), look.shape, 5, look.colour, fill(row))?;
            canvas.hint((x - 9, y - 9), (x + 9, y + 9), &rate_hint(row));
        }
        Ok(())
    }
}

/// One server in the legend.
struct Entry {
    name: String,
    look: Look,
    x: i32,
    line: i32,
}

/// Puts the servers' names beside each other in as many lines as it takes.
fn legend(servers: &[&str]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(servers.len());
    let (mut x, mut line) = (0, 0);
    for server in servers {
        let name = shortened(server, 40);
        let room = 29 + width(&name, LETTERS) + 18;
        if x > 0 && x + room > WIDTH - 2 * MARGIN {
            (x, line) = (0, line + 1);
        }
        entries.push(Entry { name, look: Look::of(server, servers), x, line });
        x += room;
    }
    entries
}

/// The worker counts that occur, ascending.
fn worker_counts(table: &Table<'_>) -> Vec<f64> {
    let mut counts: Vec<u32> = table.rows.iter().filter_map(|row| row.measurement.configuration.workers).collect();
    counts.sort_unstable();
    counts.dedup();
    counts.into_iter().map(f64::from).collect()
}

/// The row's rate and those of its rounds.
fn rates(row: &Row<'_>) -> Vec<f64> {
    let rounds = row.figures.rounds.iter().map(|round| round.requests_per_second);
    rounds.chain(row.figures.requests_per_second()).collect()
}
