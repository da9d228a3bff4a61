//! The charts, as SVG that reads well on light and on dark ground.

mod axis;
mod canvas;
mod cost;
mod latency;
mod palette;
mod rows;
mod throughput;
mod timeline;

use std::io;

use crate::ranking::Table;

/// One chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Its file's name without the ending: `throughput`.
    pub name: String,
    /// What it shows, in a line.
    pub title: String,
    /// How to read it, in a sentence or two.
    pub caption: String,
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
        let style = format!("<style>{}</style>\n", style());
        match self.svg.find('>') {
            Some(end) => format!("{}\n{style}{}", &self.svg[..=end], self.svg[end + 1..].trim_start()),
            None => self.svg.clone(),
        }
    }
}

/// The rules that exchange the charts' colours on dark ground.
#[must_use]
pub fn style() -> String {
    palette::dark_rules()
}

/// Draws the four charts of one table. Their names get `suffix` behind them.
///
/// # Errors
/// [`ChartError`] if the drawing library refuses.
pub fn draw(table: &Table<'_>, suffix: &str) -> Result<Vec<Chart>, ChartError> {
    type Draw = fn(&Table<'_>) -> Result<String, DrawingError>;
    let charts: [(&'static str, &str, &str, Draw); 4] = [
        (
            "throughput",
            "Requests per second against workers",
            "A line for each server, without its access log, over all rounds; each round is a pale point. A server without a \
             worker count is a dashed line across. Short bars are measurements with the access log on. Hollow marks may \
             not be ranked.",
            throughput::draw,
        ),
        (
            "cost",
            "Server CPU time per request",
            "Microseconds of CPU time of the server's processes for each response: the strong part in the program, the pale \
             part in the kernel. Points are the rounds. This figure holds even where the load generator was the limit. Hollow \
             bars may not be ranked.",
            cost::draw,
        ),
        (
            "latency",
            "Latency percentiles",
            "From the median over 90 % and 99 % to the maximum of all responses of all rounds; the axis is logarithmic. In a \
             closed loop latency is mostly connections / throughput. Hollow marks may not be ranked.",
            latency::draw,
        ),
        (
            "timeline",
            "Requests per second over time",
            "A strip for each measurement, its rounds side by side, each strip from 0 to its own highest value. Windows \
             set aside for the steal in them have a tinted ground.",
            timeline::draw,
        ),
    ];
    charts
        .into_iter()
        .map(|(name, title, caption, draw)| {
            let svg = draw(table).map_err(|error| ChartError { chart: name, reason: error.to_string() })?;
            let label = title.replace(['"', '<', '>', '&'], " ");
            Ok(Chart {
                name: format!("{name}{suffix}"),
                title: title.to_owned(),
                caption: caption.to_owned(),
                svg: svg.replacen("<svg ", &format!("<svg role=\"img\" aria-label=\"{label}\" "), 1),
            })
        })
        .collect()
}
