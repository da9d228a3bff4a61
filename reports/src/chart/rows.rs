//! What the charts with one line for each measurement have in common.

use crate::ranking::{Row, Table};
use crate::validity::Standing;
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Canvas, Fill, Lettering, SHAPES, Shape, width};
use super::palette::{Colour, FAINT_INK, GRID, INK, SERIES_COLOURS, series};

/// Width of every chart, in pixels.
pub(super) const WIDTH: i32 = 760;
/// Free space at the edges, in pixels.
pub(super) const MARGIN: i32 = 14;
/// Height of the letters, in pixels.
pub(super) const LETTERS: f64 = 13.0;
/// Height of one measurement's line, in pixels.
const ROW: i32 = 24;
/// Space between one server's lines and the next one's, in pixels.
const GAP: i32 = 10;
/// Space above the lines, for the axis, in pixels.
const HEAD: i32 = 34;

/// The lines of a chart, one for each measurement, grouped by server.
pub(super) struct Lines<'table, 'run> {
    /// The lines, from the top.
    pub(super) lines: Vec<Line<'table, 'run>>,
    /// Where the labels end and the drawing starts, in pixels from the left.
    pub(super) left: i32,
    /// The height of the sheet, in pixels.
    pub(super) height: i32,
}

/// One measurement's line.
pub(super) struct Line<'table, 'run> {
    /// The measurement.
    pub(super) row: &'table Row<'run>,
    /// Its colour and mark.
    pub(super) look: Look,
    /// The middle of the line, in pixels from the top.
    pub(super) y: i32,
}

/// How a server is told from the others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// By its colour.
    pub(super) colour: Colour,
    /// And by the shape of its marks.
    pub(super) shape: Shape,
}

/// Servers with a look of their own in every run, by colour and shape; the grey is for those that are not ours.
const FIXED: [(&str, usize, Shape); 11] = [
    ("thread-per-connection", 0, Shape::Circle),
    ("thread-pool", 1, Shape::Square),
    ("epoll", 2, Shape::Triangle),
    ("async", 3, Shape::Diamond),
    ("nginx", 5, Shape::Wedge),
    ("lighttpd", 5, Shape::Square),
    ("static-web-server", 5, Shape::Triangle),
    ("limit", 5, Shape::Diamond),
    ("python-threads", 4, Shape::Circle),
    ("python-processes", 4, Shape::Square),
    ("python-free-threaded", 4, Shape::Triangle),
];

impl Look {
    /// The look of a server among these: known ones always have the same one, others take what is left in their order.
    pub(super) fn of(server: &str, servers: &[&str]) -> Self {
        let known = |name: &str| FIXED.into_iter().find(|(fixed, ..)| *fixed == name);
        if let Some((_, colour, shape)) = known(server) {
            return Self { colour: series(colour), shape };
        }
        let others = servers.iter().filter(|name| known(name).is_none());
        let place = others.take_while(|name| **name != server).count();
        let free: Vec<(usize, Shape)> = (0..SERIES_COLOURS * SHAPES.len())
            .map(|number| (number % SERIES_COLOURS, SHAPES[(number + 1 + number / SERIES_COLOURS) % SHAPES.len()]))
            .filter(|(colour, shape)| !FIXED.iter().any(|(_, taken, of)| taken == colour && of == shape))
            .collect();
        let (colour, shape) = free[place % free.len()];
        Self { colour: series(colour), shape }
    }
}

/// What a mark at a row's rate says when it is pointed at.
pub(super) fn rate_hint(row: &Row<'_>) -> String {
    let rate = row.figures.requests_per_second().map_or_else(|| "no".to_owned(), words::figure);
    format!("{}: {rate} requests per second, {}", row.measurement.name(), row.label())
}

/// What is said of the rounds that a row's figures leave out: `, 1 round excluded (other processes)`.
pub(super) fn excluded_hint(row: &Row<'_>) -> String {
    let mut causes: Vec<String> = Vec::new();
    for cause in row.figures.left_out().filter_map(|round| round.exclusion).map(|cause| cause.label().to_owned()) {
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    match row.figures.left_out().count() {
        0 => String::new(),
        count => format!(", {} excluded ({})", words::plural(count as u64, "round"), words::list(&causes)),
    }
}

/// Ink for a row that may be ranked or compared by its cost, an outline for one that may not.
pub(super) fn fill(row: &Row<'_>) -> Fill {
    match row.standing() {
        Standing::Ranked | Standing::AtLeast => Fill::Solid,
        Standing::TooNoisy | Standing::Invalid | Standing::Pending => Fill::Hollow,
    }
}

/// Plain letters with this end at their point.
pub(super) fn letters(anchor: Anchor, colour: Colour) -> Lettering {
    Lettering { size: LETTERS, colour, anchor, bold: false }
}

impl<'table, 'run> Lines<'table, 'run> {
    /// A line for each measurement of the table.
    pub(super) fn of(table: &'table Table<'run>) -> Self {
        let mut lines = Vec::with_capacity(table.rows.len());
        let mut y = HEAD + ROW / 2;
        let servers = table.servers();
        for server in servers.iter().copied() {
            for row in table.rows.iter().filter(|row| row.measurement.server.name == server) {
                lines.push(Line { row, look: Look::of(server, &servers), y });
                y += ROW;
            }
            y += GAP;
        }
        let longest = lines.iter().map(|line| width(&line.row.measurement.name(), LETTERS)).max().unwrap_or(0);
        let left = MARGIN + longest.clamp(90, WIDTH / 3) + 10;
        Self { lines, left, height: y - ROW / 2 + MARGIN }
    }

    /// The size of the sheet, in pixels.
    pub(super) fn size(&self) -> (u32, u32) {
        (WIDTH.unsigned_abs(), self.height.max(HEAD + ROW).unsigned_abs())
    }

    /// Draws the names, to the left of the lines.
    pub(super) fn names(&self, canvas: &Canvas<'_>) -> Result<(), DrawingError> {
        let room = ((self.left - MARGIN - 10) as f64 / (LETTERS * 0.56)) as usize + 1;
        for line in &self.lines {
            let name = shortened(&line.row.measurement.name(), room);
            let colour = if fill(line.row) == Fill::Hollow { FAINT_INK } else { INK };
            canvas.text(&name, (self.left - 10, line.y), letters(Anchor::Right, colour))?;
        }
        if self.lines.is_empty() {
            canvas.text("Nothing to draw yet", (WIDTH / 2, HEAD), letters(Anchor::Middle, FAINT_INK))?;
        }
        Ok(())
    }

    /// Draws lines to read values by, with their values above.
    pub(super) fn grid(
        &self,
        canvas: &Canvas<'_>,
        axis: &Axis,
        label: impl Fn(f64) -> String,
    ) -> Result<(), DrawingError> {
        if self.lines.is_empty() {
            return Ok(());
        }
        for tick in axis.ticks(7) {
            let x = axis.pixel(tick);
            canvas.line(vec![(x, HEAD - 8), (x, self.height - MARGIN)], GRID, 1)?;
            canvas.text(&label(tick), (x, HEAD / 2), letters(Anchor::Middle, FAINT_INK))?;
        }
        Ok(())
    }

    /// Says at the end of a line that there is nothing to draw on it.
    pub(super) fn nothing(&self, canvas: &Canvas<'_>, line: &Line<'_, '_>) -> Result<(), DrawingError> {
        let text = words::sentence(&line.row.label());
        canvas.text(&text, (self.left + 4, line.y), letters(Anchor::Left, FAINT_INK))
    }
}

/// The text, cut to so many letters.
pub(super) fn shortened(text: &str, letters: usize) -> String {
    if text.chars().count() <= letters {
        return text.to_owned();
    }
    let kept: String = text.chars().take(letters.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
