//! The charts, as SVG that reads well on light and on dark ground.

mod axis;
mod canvas;
mod capacity;
mod cost;
mod data;
mod frame;
pub mod history;
mod latency;
mod palette;
mod ratio;
mod rows;
mod throughput;
mod timeline;
mod trend;

use std::io;

use crate::decision;
use crate::merit::Merit;
use crate::ranking::{Row, Table};
use crate::record::{Arrival, Run, Varies};

use canvas::{Frame, escaped};
pub use data::ChartData;

/// One chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its file's name without the ending, unique in the run: `wrk-throughput`.
    pub name: String,
    /// The suite that asks the question that it helps to answer.
    pub part: String,
    /// What it shows, in a line.
    pub title: String,
    /// How to read it, in a sentence or two.
    pub caption: String,
    /// What a reader who does not see it should know: what it shows, and the figure of every measurement.
    pub description: String,
    /// Whether it is for those who want to know more: no answer to the question of its part by itself.
    pub is_further: bool,
    /// Everything that is drawn, for a table or a file.
    pub data: ChartData,
    /// The drawing, an `svg` element without a style of its own: on a page, add [`style`] once.
    svg: String,
}

/// A chart could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart of {chart}: {reason}; report this with the run's results.json")]
pub struct ChartError {
    /// What it was to show.
    chart: &'static str,
    /// What the drawing library said.
    reason: String,
}

/// What the drawing library says when it cannot draw.
type DrawingError = plotters::drawing::DrawingAreaErrorKind<io::Error>;

impl Chart {
    /// The `svg` element, to stand in a page that has the rules of [`style`].
    #[must_use]
    pub fn inline(&self) -> &str {
        &self.svg
    }

    /// The chart as a file of its own, with its rules for dark ground inside.
    #[must_use]
    pub fn standalone(&self) -> String {
        behind_first_tag(&self.svg, &format!("<style>{}</style>\n", style()))
    }
}

/// The rules that exchange the charts' colours on dark ground.
#[must_use]
pub fn style() -> String {
    palette::dark_rules()
}

/// How a chart is made from a table.
struct Kind {
    name: &'static str,
    title: &'static str,
    caption: &'static str,
    draw: fn(&Table<'_>, &Frame) -> Result<String, DrawingError>,
    data: fn(&Table<'_>) -> ChartData,
}

/// The charts of a table, the one that matters most first.
const KINDS: [Kind; 5] = [
    Kind {
        name: "capacity",
        title: "Requests per second",
        caption: "A bar for each measurement over the rounds that count, a point for each of them, and the 95 % interval of their \
                  mean; hollow points are rounds that are excluded and enter nothing. Hatched bars are not ranked; the words behind them say why. Where answers wait, a line across a bar is the \
                  most that the delay allows.",
        draw: capacity::draw,
        data: data::rates,
    },
    Kind {
        name: "throughput",
        title: "Requests per second against workers",
        caption: "A line for each server, without its access log, over the rounds that count; each of them is a pale point, and \
                  a hollow point is a round that is excluded. A server without a worker count is a dashed line across. Short bars are measurements with the access log on. \
                  Hollow marks may not be ranked.",
        draw: throughput::draw,
        data: data::rates,
    },
    Kind {
        name: "cost",
        title: "Server CPU time per request, in µs",
        caption: "Microseconds of CPU time of the server's processes for each response: the strong part in the program, the \
                  pale part in the kernel. Points are the rounds, hollow ones those that are excluded. This figure holds even where the load generator was the \
                  limit. Hollow bars may not be ranked.",
        draw: cost::draw,
        data: data::costs,
    },
    Kind {
        name: "latency",
        title: "Latency percentiles",
        caption: "From the median over 90 % and 99 % to the maximum of all responses of the rounds that count; the axis is logarithmic. \
                  In a closed loop latency is mostly connections / throughput. Hollow marks may not be ranked.",
        draw: latency::draw,
        data: data::latencies,
    },
    Kind {
        name: "timeline",
        title: "Requests per second over time",
        caption: "A strip for each measurement, its rounds side by side, each strip from 0 to its own highest value. Windows \
                  with too much steal, and rounds that are excluded, have a tinted ground.",
        draw: timeline::draw,
        data: data::rates,
    },
];

/// Those of them that a page may fold away.
const FURTHER: [&str; 2] = ["latency", "timeline"];

/// Draws all charts of a run, in the order of its parts; the first one is the one that matters most. Charts of a part's
/// second workload have its number behind their names.
///
/// Ratios are to the best row of the server `relative_to`, or where that is not ranked to the best row of all.
///
/// # Errors
/// [`ChartError`] if the drawing library refuses.
pub fn draw(run: &Run, tables: &[Table<'_>], relative_to: Option<&str>) -> Result<Vec<Chart>, ChartError> {
    let mut charts: Vec<Chart> = Vec::new();
    for (place, table) in tables.iter().enumerate() {
        let before = tables[..place].iter().filter(|other| other.part.suite == table.part.suite).count();
        let of_part: Vec<&Table<'_>> = tables.iter().filter(|other| other.part.suite == table.part.suite).collect();
        // One chart shows all workloads of such a part; a single one is no line.
        if let Some(axis) = trend::axis_words(table.part.varies).filter(|_| of_part.len() > 1) {
            for figure in figures(table.part.varies).iter().filter(|_| before == 0) {
                // A single load is no line.
                for (suffix, axis, tables) in loads(axis, &of_part).into_iter().filter(|(.., of)| of.len() > 1) {
                    charts.extend(trend(run, &tables, axis, suffix, *figure)?);
                }
            }
            continue;
        }
        let suffix = if before > 0 { format!("-{}", before + 1) } else { String::new() };
        let name = |charts: &[Chart], kind: &str| {
            let mut name = format!("{}-{kind}{suffix}", plain(&table.part.suite));
            // Suites whose names differ in what a file's name does not hold.
            while charts.iter().any(|chart| chart.name == name) {
                name.push('x');
            }
            name
        };
        let is_plain = of_part.len() == 1 && trend::axis_words(table.part.varies).is_none();
        let apart = Some(decision::apart(table)).filter(|apart| !is_plain && !apart.is_empty());
        let apart = apart.map(|apart| format!(" ({apart})")).unwrap_or_default();
        // What is ranked comes first.
        let mut kinds: Vec<&Kind> = KINDS.iter().collect();
        kinds.sort_by_key(|kind| table.merit() != Merit::Cost || kind.name != "cost");
        for (place, kind) in kinds.into_iter().enumerate() {
            charts.push(kind.chart(run, table, name(&charts, kind.name), &apart)?);
            if place == 0
                && let Some(base) = ratio::base(table, relative_to)
            {
                charts.push(ratio(run, table, base, name(&charts, "ratio"), &apart)?);
            }
        }
    }
    Ok(charts)
}

/// The chart of every row over one of them.
fn ratio(run: &Run, table: &Table<'_>, base: &Row<'_>, name: String, apart: &str) -> Result<Chart, ChartError> {
    let name_of_base = base.measurement.name();
    let title = match table.merit() {
        Merit::Capacity => format!("Requests per CPU-second over those of {name_of_base}{apart}"),
        Merit::Latency => format!("p99 over that of {name_of_base}{apart}"),
        Merit::Cost => format!("Server CPU time per request over that of {name_of_base}{apart}"),
    };
    let caption = "The mean ratio of the rounds, taken within each round, and its 95 % interval; the axis is logarithmic. An \
                   interval that reaches the line at 1 shows no difference. Rows without a mark are not ranked.";
    let frame = Frame { title: title.clone(), notes: frame::notes(run, &[table]) };
    let svg =
        ratio::draw(table, base, &frame).map_err(|error| ChartError { chart: "ratios", reason: error.to_string() })?;
    Ok(finish(table, name, title, caption, ratio::data(table, base), &svg))
}

/// Requests per second, beside what a part varies.
const RATE: trend::Figure = trend::Figure {
    name: trend::RATE_NAME,
    title: "Requests per second",
    of: |row| row.figures.requests_per_second(),
    round: |_, round| Some(round.requests_per_second),
    interval: |_, rate, rounds| capacity::interval_of_mean(rate, rounds),
    is_logarithmic: false,
};

/// The same where it spans many powers of ten.
const RATE_OF_FILES: trend::Figure = trend::Figure { is_logarithmic: true, ..RATE };

/// Bytes per second, which is what large files come to.
const BYTES: trend::Figure = trend::Figure {
    name: "bytes",
    title: "Bytes received, in MB/s",
    of: |row| Some(row.figures.bytes_per_response()? * row.figures.requests_per_second()? / 1e6),
    round: |row, round| Some(row.figures.bytes_per_response()? * round.requests_per_second / 1e6),
    interval: |_, rate, rounds| capacity::interval_of_mean(rate, rounds),
    is_logarithmic: true,
};

/// Memory beside the connections that a part varies.
const MEMORY: trend::Figure = trend::Figure {
    name: "memory",
    title: "Most resident memory of the server, in MiB",
    of: |row| row.figures.peak_resident_bytes.map(|bytes| bytes as f64 / 1_048_576.0),
    round: |_, _| None,
    interval: |_, _, _| None,
    is_logarithmic: true,
};

/// The slowest hundredth, in milliseconds.
const SLOWEST: trend::Figure = trend::Figure {
    name: "p99",
    title: "Latency that 99 % did not exceed, in ms",
    of: |row| row.p99().map(|nanoseconds| nanoseconds as f64 / 1e6),
    round: |_, round| round.p99_nanoseconds.map(|nanoseconds| nanoseconds as f64 / 1e6),
    // In a closed loop the figure is that of all responses together, which no interval of the rounds' figures belongs to.
    interval: |row, _, rounds| {
        let is_mean_of_rounds = row.measurement.workload.arrival.is_open();
        capacity::interval_of_geometric_mean(rounds).filter(|_| is_mean_of_rounds)
    },
    is_logarithmic: true,
};

/// The median, in milliseconds.
const MEDIAN: trend::Figure = trend::Figure {
    name: "p50",
    title: "Median latency, in ms",
    of: |row| row.latency().shown_percentile(50.0).map(|nanoseconds| nanoseconds as f64 / 1e6),
    round: |_, _| None,
    interval: |_, _, _| None,
    is_logarithmic: true,
};

/// The figures that answer the question of a part, the one that matters most first.
fn figures(varies: Varies) -> &'static [trend::Figure] {
    match varies {
        Varies::OfferedLoad => &[SLOWEST, MEDIAN],
        Varies::Connections | Varies::IdleConnections => &[RATE, MEMORY],
        Varies::Company => &[SLOWEST, RATE],
        Varies::Files => &[RATE_OF_FILES, BYTES],
        _ => &[RATE],
    }
}

/// Tables that share an axis, with its words and the end of their charts' names: a share of the own capacity is another
/// axis than a rate, and a closed loop, which only shows the capacity, is on neither.
fn loads<'a, 'run>(axis: &'a str, tables: &[&'a Table<'run>]) -> Vec<(&'a str, &'a str, Vec<&'a Table<'run>>)> {
    let is_of = |wanted: fn(Arrival) -> bool| -> Vec<&'a Table<'run>> {
        tables.iter().copied().filter(|table| wanted(table.workload.arrival)).collect()
    };
    if tables.iter().any(|table| table.part.varies != Varies::OfferedLoad) {
        return vec![("", axis, tables.to_vec())];
    }
    vec![
        ("", "offered share of the own capacity", is_of(|arrival| matches!(arrival, Arrival::OpenShare { .. }))),
        ("-absolute", "offered requests per second", is_of(|arrival| matches!(arrival, Arrival::Open { .. }))),
    ]
}

/// The chart of one figure against what a part varies.
fn trend(
    run: &Run,
    tables: &[&Table<'_>],
    axis: &str,
    suffix: &str,
    figure: trend::Figure,
) -> Result<Option<Chart>, ChartError> {
    let Some(table) = tables.first() else {
        return Ok(None);
    };
    let title = format!("{} against {axis}", figure.title);
    let frame = Frame { title: title.clone(), notes: frame::notes(run, tables) };
    let svg = trend::draw(tables, axis, figure, &frame)
        .map_err(|error| ChartError { chart: figure.name, reason: error.to_string() })?;
    let across = match trend::across(table.part.varies) {
        trend::Across::Stops => "the stops of the axis below are evenly apart",
        trend::Across::Even => "both ways along the axis below, equal distances are equal differences",
        trend::Across::Logarithmic => "the axis below is logarithmic",
    };
    let caption = format!(
        "A line for each configuration, a pale point for each round that counts, a hollow one for each that is excluded, and the \
         95 % interval of the mean of those that count; {across}. Large hollow marks may not be ranked."
    );
    let name = format!("{}-{}{suffix}", plain(&table.part.suite), figure.name);
    Ok(Some(finish(table, name, title, &caption, trend::data(tables, figure), &svg)))
}

/// Puts the words of a chart into its drawing.
fn finish(table: &Table<'_>, name: String, title: String, caption: &str, data: ChartData, svg: &str) -> Chart {
    let description = format!("{caption} {}", data.sentence());
    let svg = svg.replacen("<svg ", &format!("<svg role=\"img\" aria-labelledby=\"{name}-title {name}-text\" "), 1);
    let (heading, text) = (escaped(&title), escaped(&description));
    let head = format!("<title id=\"{name}-title\">{heading}</title>\n<desc id=\"{name}-text\">{text}</desc>\n");
    let svg = behind_first_tag(&svg, &head);
    Chart {
        name,
        part: table.part.suite.clone(),
        title,
        caption: caption.to_owned(),
        description,
        is_further: false,
        data,
        svg,
    }
}

impl Kind {
    fn chart(&self, run: &Run, table: &Table<'_>, name: String, apart: &str) -> Result<Chart, ChartError> {
        let title = format!("{}{apart}", self.title);
        let frame = Frame { title: title.clone(), notes: frame::notes(run, &[table]) };
        let svg =
            (self.draw)(table, &frame).map_err(|error| ChartError { chart: self.name, reason: error.to_string() })?;
        let chart = finish(table, name, title, self.caption, (self.data)(table), &svg);
        Ok(Chart { is_further: FURTHER.contains(&self.name), ..chart })
    }
}

/// The element with something more at its start.
fn behind_first_tag(svg: &str, more: &str) -> String {
    match svg.find('>') {
        Some(end) => format!("{}\n{more}{}", &svg[..=end], svg[end + 1..].trim_start()),
        None => svg.to_owned(),
    }
}

/// A name of which only letters, digits and dashes are left.
fn plain(name: &str) -> String {
    name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect()
}
