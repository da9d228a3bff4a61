//! A figure against what a part varies: a line for each configuration, from all tables of the part.

use std::cmp::Ordering;

use crate::figures::RoundFigures;
use crate::ranking::{Row, Table};
use crate::record::{Arrival, Company, Varies, Workload};
use crate::words;

use super::DrawingError;
use super::axis::Axis;
use super::canvas::{Anchor, Fill, Frame, sheet, width};
use super::data::{ChartData, number};
use super::palette::{FAINT_INK, GRID, INK};
use super::rows::{LETTERS, Look, MARGIN, WIDTH, excluded_hint, fill, letters, shortened};

/// Height of the part with the lines, in pixels.
const PLOT: i32 = 330;
/// Room for the values on the left, in pixels.
const VALUES: i32 = 76;
/// Height of a line of the legend, in pixels.
const LEGEND: i32 = 22;

/// The 95 % interval of a row's value, given that and the values of its rounds.
type IntervalOf = fn(&Row<'_>, f64, &[f64]) -> Option<(f64, f64)>;

/// What is drawn upwards.
#[derive(Clone, Copy)]
pub(super) struct Figure {
    /// The name of its chart: `rate`.
    pub(super) name: &'static str,
    /// What it is, with its unit.
    pub(super) title: &'static str,
    /// Its value in a row.
    pub(super) of: fn(&Row<'_>) -> Option<f64>,
    /// The same in one of its rounds; nothing where it is one figure for all of them.
    pub(super) round: fn(&Row<'_>, &RoundFigures) -> Option<f64>,
    /// The 95 % interval of its value in a row, from the same estimator, by its rounds; none where it has none.
    pub(super) interval: IntervalOf,
    /// Whether equal factors are apart equally.
    pub(super) is_logarithmic: bool,
}

/// The name of the figure that a delay sets a ceiling to.
pub(super) const RATE_NAME: &str = "rate";

impl Figure {
    /// Its value in each round that a row's figures come from.
    fn used(&self, row: &Row<'_>) -> Vec<f64> {
        row.figures.used().filter_map(|round| (self.round)(row, round)).collect()
    }

    /// Its value in each round that they leave out.
    fn left_out(&self, row: &Row<'_>) -> Vec<f64> {
        row.figures.left_out().filter_map(|round| (self.round)(row, round)).collect()
    }
}

/// How the stops of the axis below lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Across {
    /// Evenly apart, because they are no numbers or one of them is 0 beside powers of ten.
    Stops,
    /// From 0 on, equal differences apart equally.
    Even,
    /// Equal factors apart equally.
    Logarithmic,
}

/// How what a part varies lies on the axis below.
pub(super) fn across(varies: Varies) -> Across {
    match varies {
        Varies::OfferedLoad => Across::Even,
        Varies::Connections | Varies::Pipeline => Across::Logarithmic,
        _ => Across::Stops,
    }
}

/// One point.
struct Point<'table, 'run> {
    row: &'table Row<'run>,
    place: f64,
    label: String,
    value: f64,
}

/// What the part varies, in words for the axis; none where the charts of one table show it.
pub(super) fn axis_words(varies: Varies) -> Option<&'static str> {
    match varies {
        Varies::Workers | Varies::Interpreter => None,
        Varies::Delay => Some("delay of every answer"),
        Varies::OfferedLoad => Some("offered load"),
        Varies::Connections => Some("active connections"),
        Varies::IdleConnections => Some("idle connections"),
        Varies::Files => Some("length of the answer"),
        Varies::Company => Some("who else is connected"),
        Varies::Pipeline => Some("requests under way on one connection"),
    }
}

/// The place of a workload in the order of what is varied, and its label.
fn place(varies: Varies, workload: &Workload) -> (f64, String) {
    let count = |number: u32| (f64::from(number), words::count(number.into()));
    match varies {
        Varies::Workers | Varies::Interpreter | Varies::Connections => count(workload.connections),
        Varies::IdleConnections => count(workload.idle_connections),
        Varies::Pipeline => count(workload.pipeline),
        Varies::Delay => {
            let delay = workload.delay_seconds.unwrap_or(0.0);
            (delay, format!("{}, {}", words::seconds(delay), words::plural(workload.connections.into(), "connection")))
        }
        Varies::OfferedLoad => match workload.arrival {
            Arrival::OpenShare { share } => (share, words::percent(share)),
            Arrival::Open { rate } => (rate, format!("{}/s", words::figure(rate))),
            Arrival::Closed => (f64::MAX, "closed loop".to_owned()),
        },
        Varies::Files => {
            let length = workload.expected_length.unwrap_or(0) as f64;
            let length = workload.mix.map_or(length, |mix| mix.mean_length);
            let kind = if workload.mix.is_some() { " mix" } else { "" };
            let cold = if workload.cold_files { " cold" } else { "" };
            (length, format!("{}{kind}{cold}", words::bytes(length.max(0.0) as u64)))
        }
        Varies::Company => match workload.company {
            None => (0.0, "nobody".to_owned()),
            Some(Company::SlowReaders { connections, .. }) => {
                (1e10 + f64::from(connections), format!("{connections} slow readers"))
            }
            Some(Company::SlowHeads { connections }) => {
                (2e10 + f64::from(connections), format!("{connections} slow heads"))
            }
        },
    }
}

fn points<'table, 'run>(tables: &[&'table Table<'run>], figure: Figure) -> Vec<Point<'table, 'run>> {
    let rows = tables.iter().flat_map(|table| table.rows.iter().map(|row| (table.part.varies, row)));
    rows.filter(|(_, row)| !row.measurement.is_twin)
        .filter_map(|(varies, row)| {
            let value = (figure.of)(row).filter(|value| value.is_finite() && *value >= 0.0)?;
            let (place, label) = place(varies, &row.measurement.workload);
            Some(Point { row, place, label, value })
        })
        .collect()
}

/// The most answers per second that the delay allows: those that wait at a time, over how long each waits.
pub(super) fn ceiling(row: &Row<'_>) -> Option<f64> {
    let measurement = row.measurement;
    let delay = measurement.workload.delay_seconds.filter(|delay| *delay > 0.0)?;
    let connections = measurement.workload.connections;
    // An event loop waits for all its connections at a time, a blocking worker for one.
    let at_a_time = match (measurement.server.name.as_str(), measurement.configuration.workers) {
        ("thread-per-connection" | "epoll" | "async", _) | (_, None) => connections,
        (_, Some(workers)) => connections.min(workers),
    };
    Some(f64::from(at_a_time) / delay)
}

/// The axis below as a column of data: a plain number with its unit in the heading, where it is one.
struct AxisOfData {
    heading: &'static str,
    cell: fn(&Point<'_, '_>) -> String,
}

fn axis_of_data(tables: &[&Table<'_>]) -> AxisOfData {
    let place: fn(&Point<'_, '_>) -> String = |point| number(Some(point.place));
    let label: fn(&Point<'_, '_>) -> String = |point| point.label.clone();
    let is_share = tables.iter().any(|table| matches!(table.workload.arrival, Arrival::OpenShare { .. }));
    let (heading, cell) = match tables.first().map(|table| table.part.varies) {
        Some(Varies::OfferedLoad) if is_share => ("offered share of the own capacity, 1 for all of it", place),
        Some(Varies::OfferedLoad) => ("offered requests per second", place),
        Some(Varies::Connections | Varies::Workers | Varies::Interpreter) => ("connections", place),
        Some(Varies::IdleConnections) => ("idle connections", place),
        Some(Varies::Pipeline) => ("requests under way on one connection", place),
        Some(Varies::Delay) => ("delay in s", place),
        Some(Varies::Files) => ("length of the answer", label),
        Some(Varies::Company) | None => ("who else is connected", label),
    };
    AxisOfData { heading, cell }
}

/// Everything that the chart draws.
pub(super) fn data(tables: &[&Table<'_>], figure: Figure) -> ChartData {
    let axis = axis_of_data(tables);
    let columns =
        ["measurement", axis.heading, figure.title, "95 % from", "95 % to", "standing", "rounds", "excluded rounds"];
    let rows = points(tables, figure).into_iter().map(|point| {
        let standing = point.row.label();
        let list = |rounds: &[f64]| rounds.iter().map(|value| number(Some(*value))).collect::<Vec<String>>().join(" ");
        let rounds = figure.used(point.row);
        let interval = (figure.interval)(point.row, point.value, &rounds);
        vec![
            point.row.measurement.name(),
            (axis.cell)(&point),
            number(Some(point.value)),
            number(interval.map(|(low, _)| low)),
            number(interval.map(|(_, high)| high)),
            standing,
            list(&rounds),
            list(&figure.left_out(point.row)),
        ]
    });
    ChartData { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
}

/// Draws the chart of the tables of one part.
pub(super) fn draw(tables: &[&Table<'_>], axis: &str, figure: Figure, frame: &Frame) -> Result<String, DrawingError> {
    let points = points(tables, figure);
    let mut stops: Vec<(f64, &str)> = points.iter().map(|point| (point.place, point.label.as_str())).collect();
    stops
        .sort_by(|first, second| first.0.partial_cmp(&second.0).unwrap_or(Ordering::Equal).then(first.1.cmp(second.1)));
    stops.dedup();
    let mut names: Vec<String> = Vec::new();
    let mut servers: Vec<&str> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows).filter(|row| !row.measurement.is_twin) {
        let (name, server) = (row.measurement.name(), row.measurement.server.name.as_str());
        if !names.contains(&name) {
            names.push(name);
        }
        if !servers.contains(&server) {
            servers.push(server);
        }
    }
    let top = MARGIN + LEGEND * ((names.len() as i32 + 1) / 2) + 10;
    let bottom = top + PLOT;
    let (left, right) = (MARGIN + VALUES, WIDTH - MARGIN);
    let has_ceiling = figure.name == RATE_NAME;
    let ceiling = |row| ceiling(row).filter(|_| has_ceiling);
    let all = || {
        let rounds = |row| figure.used(row).into_iter().chain(figure.left_out(row));
        points.iter().flat_map(move |point| rounds(point.row).chain([point.value]))
    };
    let ceilings = points.iter().filter_map(|point| ceiling(point.row));
    let highest = all().chain(ceilings).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let lowest = all().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let scale = if figure.is_logarithmic {
        Axis::logarithmic(lowest, highest, 0.06, bottom, top)
    } else {
        Axis::from_zero(highest, bottom, top)
    };
    let step = f64::from(right - left) / stops.len().max(1) as f64;
    let across = tables.first().map_or(Across::Stops, |table| across(table.part.varies));
    let ends = (stops.first().map_or(1.0, |stop| stop.0), stops.last().map_or(1.0, |stop| stop.0));
    let x_at = |stop: usize, place: f64| match across {
        Across::Stops => left + (step * (stop as f64 + 0.5)) as i32,
        Across::Even => Axis::from_zero(ends.1, left, right).pixel(place),
        Across::Logarithmic => Axis::logarithmic(ends.0, ends.1, 0.06, left, right).pixel(place),
    };
    let x_of = |point: &Point<'_, '_>| {
        let stop = stops.iter().position(|stop| stop.1 == point.label).unwrap_or(0);
        x_at(stop, point.place)
    };
    sheet((WIDTH.unsigned_abs(), (bottom + 58).unsigned_abs()), frame, |canvas| {
        for tick in scale.ticks(6) {
            let y = scale.pixel(tick);
            canvas.line(vec![(left, y), (right, y)], GRID, 1)?;
            let value = if tick == 0.0 { "0".to_owned() } else { words::figure(tick) };
            canvas.text(&value, (left - 8, y), letters(Anchor::Right, FAINT_INK))?;
        }
        let mut free_from = i32::MIN;
        for (stop, (place, label)) in stops.iter().enumerate() {
            let x = x_at(stop, *place);
            let half = width(label, LETTERS) / 2;
            canvas.line(vec![(x, bottom), (x, bottom + 5)], FAINT_INK, 1)?;
            if x - half > free_from && x + half < WIDTH {
                canvas.text(label, (x, bottom + 17), letters(Anchor::Middle, FAINT_INK))?;
                free_from = x + half + 4;
            }
        }
        canvas.text(axis, ((left + right) / 2, bottom + 40), letters(Anchor::Middle, FAINT_INK))?;
        if points.is_empty() {
            canvas.text(
                "Nothing to draw yet",
                ((left + right) / 2, top + PLOT / 2),
                letters(Anchor::Middle, FAINT_INK),
            )?;
        }
        for (entry, name) in names.iter().enumerate() {
            let mut line: Vec<&Point<'_, '_>> =
                points.iter().filter(|point| point.row.measurement.name() == *name).collect();
            line.sort_by_key(|point| x_of(point));
            let server = tables.iter().flat_map(|table| &table.rows).find(|row| row.measurement.name() == *name);
            let Some(server) = server.map(|row| row.measurement.server.name.as_str()) else {
                continue;
            };
            let look = Look::of(server, &servers);
            let (x, y) = (MARGIN + (entry as i32 % 2) * (WIDTH / 2), MARGIN + 8 + (entry as i32 / 2) * LEGEND);
            canvas.mark((x + 11, y), look.shape, 5, look.colour, Fill::Solid)?;
            canvas.text(&shortened(name, 44), (x + 29, y), letters(Anchor::Left, INK))?;
            let way: Vec<(i32, i32)> = line.iter().map(|point| (x_of(point), scale.pixel(point.value))).collect();
            if way.len() > 1 {
                canvas.line(way.clone(), look.colour, 2)?;
            }
            // Beside each other, where many stand at one stop.
            let aside = (entry as i32 - names.len() as i32 / 2).clamp(-5, 5) * 4;
            for (point, (x, y)) in line.iter().zip(way) {
                let rounds = figure.used(point.row);
                for (rounds, ink) in [(&rounds, Fill::Pale(0.45)), (&figure.left_out(point.row), Fill::Hollow)] {
                    for round in rounds {
                        canvas.mark((x + aside, scale.pixel(*round)), look.shape, 2, look.colour, ink)?;
                    }
                }
                let mut value = words::figure(point.value);
                if let Some((low, high)) = (figure.interval)(point.row, point.value, &rounds) {
                    let (from, to) = (scale.pixel(low), scale.pixel(high));
                    canvas.line(vec![(x + aside, from), (x + aside, to)], look.colour, 1)?;
                    for end in [from, to] {
                        canvas.line(vec![(x + aside - 3, end), (x + aside + 3, end)], look.colour, 1)?;
                    }
                    value.push_str(&format!(" (95 % interval {} to {})", words::figure(low), words::figure(high)));
                }
                canvas.mark((x, y), look.shape, 5, look.colour, fill(point.row))?;
                if let Some(y) = ceiling(point.row).map(|most| scale.pixel(most)) {
                    canvas.line(vec![(x - 14, y), (x + 14, y)], look.colour, 2)?;
                    canvas.hint((x - 14, y - 5), (x + 14, y + 5), &format!("{name}: the most that the delay allows"));
                }
                let hint =
                    format!("{name}, {}: {value}, {}{}", point.label, point.row.label(), excluded_hint(point.row));
                canvas.hint((x - 9, y - 9), (x + 9, y + 9), &hint);
            }
        }
        Ok(())
    })
}
