//! What the latency of a server is asked to be.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Histogram;

/// The longest time that a limit may name, in nanoseconds: one hour. A [`Histogram`] counts longer durations as one
/// hour in its percentiles, so a limit above would be kept by everything.
const LONGEST: f64 = 3_600_000_000_000.0;

/// What the latency of a server is asked to be: limits that all have to be kept, written as `p99<10ms` or
/// `p50<1ms,p99.9<20ms,mean<2ms,max<1s`.
///
/// A limit names a figure (a percentile above 0 and below 100 with as many decimals as it needs, `mean` or `max`) and
/// the longest time that it may come to: a number, decimals allowed, with the unit `us`, `ms` or `s`, from a nanosecond
/// to an hour. `<` and `<=` mean the same: a figure that equals its limit keeps it. Spaces around the parts are left
/// out. The text is also how an objective is stored.
///
/// ```
/// let objective: loadgen::Objective = "p50 <= 1000us, p99.9 < 20ms".parse()?;
/// assert_eq!(objective.to_string(), "p50<1ms,p99.9<20ms");
/// let mut latency = loadgen::Histogram::new();
/// latency.record(700_000);
/// assert!(objective.is_met(&latency));
/// # Ok::<_, loadgen::ObjectiveError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Objective {
    /// At least one, each of another figure, in the order in which they were written.
    limits: Vec<Limit>,
}

/// One figure and the longest time that it may come to; its text is `p99<10ms`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// What is measured.
    pub figure: Figure,
    /// What it may come to at most, in nanoseconds.
    pub at_most_ns: u64,
}

/// One figure of a distribution; its text is `p99.9`, `mean` or `max`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Figure {
    /// The duration that so many per cent of all do not exceed.
    Percentile(f64),
    /// The arithmetic mean.
    Mean,
    /// The longest duration.
    Maximum,
}

/// Why a text is no objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// Nothing where a limit should be.
    #[error("a limit is missing; write one or more with commas between them, as p99<10ms or p50<1ms,max<1s")]
    Missing,
    /// Not a figure, a sign and a time.
    #[error("\"{0}\" does not say what has to stay below what; write a figure, < and a time, as p99<10ms")]
    Malformed(String),
    /// A figure that does not exist.
    #[error("there is no figure \"{0}\"; write mean, max or a percentile between p0 and p100, as p99.9<10ms")]
    Figure(String),
    /// Not a number in front of the unit.
    #[error("\"{0}\" is not a time; write a number and a unit, as p99<10ms or p99<2.5ms")]
    Time(String),
    /// A number without one of the units.
    #[error("the time \"{0}\" does not have one of the units us, ms and s; write p99<10ms")]
    Unit(String),
    /// A time that no limit can be.
    #[error("the time \"{0}\" is not between a nanosecond and an hour; write one that is, as p99<10ms")]
    Bounds(String),
    /// Two limits of one figure.
    #[error("there are two limits of {0}; write only the lower one, as p99<10ms")]
    Twice(String),
}

impl Objective {
    /// The limits, in the order in which they were written; at least one.
    #[must_use]
    pub fn limits(&self) -> &[Limit] {
        &self.limits
    }

    /// What was measured of each limit's figure, in nanoseconds, in the order of the limits; `None` for an empty
    /// histogram.
    #[must_use]
    pub fn figures(&self, latency: &Histogram) -> Vec<(Limit, Option<u64>)> {
        self.limits.iter().map(|&limit| (limit, limit.figure.of(latency))).collect()
    }

    /// Whether all limits are kept. Nothing keeps a limit where nothing was measured: an empty histogram does not meet
    /// any objective.
    ///
    /// Requests that were never answered are in no histogram of answers. Whoever judges a server by its answers alone
    /// lets it win by not answering; [`Outcome::latency_with_timeouts`](crate::Outcome::latency_with_timeouts) holds
    /// the ones that were given up as well.
    #[must_use]
    pub fn is_met(&self, latency: &Histogram) -> bool {
        self.figures(latency).iter().all(|(limit, measured)| measured.is_some_and(|ns| ns <= limit.at_most_ns))
    }
}

impl Figure {
    /// This figure of `latency` in nanoseconds, the mean rounded; `None` when that is empty.
    #[must_use]
    pub fn of(&self, latency: &Histogram) -> Option<u64> {
        match self {
            Self::Percentile(percent) => latency.percentile(*percent),
            Self::Mean => latency.mean().map(|mean| mean.round() as u64),
            Self::Maximum => latency.maximum(),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(percent) => write!(formatter, "p{percent}"),
            Self::Mean => formatter.write_str("mean"),
            Self::Maximum => formatter.write_str("max"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.at_most_ns as f64;
        let (number, unit) = match self.at_most_ns {
            0..1_000_000 => (ns / 1e3, "us"),
            1_000_000..1_000_000_000 => (ns / 1e6, "ms"),
            _ => (ns / 1e9, "s"),
        };
        write!(formatter, "{}<{number}{unit}", self.figure)
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, limit) in self.limits.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(formatter, "{comma}{limit}")?;
        }
        Ok(())
    }
}

impl From<Objective> for String {
    fn from(objective: Objective) -> Self {
        objective.to_string()
    }
}

impl TryFrom<String> for Objective {
    type Error = ObjectiveError;

    fn try_from(text: String) -> Result<Self, ObjectiveError> {
        text.parse()
    }
}

impl FromStr for Objective {
    type Err = ObjectiveError;

    fn from_str(text: &str) -> Result<Self, ObjectiveError> {
        let mut limits: Vec<Limit> = Vec::new();
        for part in text.split(',') {
            let limit = limit(part.trim())?;
            if limits.iter().any(|other| other.figure == limit.figure) {
                return Err(ObjectiveError::Twice(limit.figure.to_string()));
            }
            limits.push(limit);
        }
        Ok(Self { limits })
    }
}

fn limit(text: &str) -> Result<Limit, ObjectiveError> {
    if text.is_empty() {
        return Err(ObjectiveError::Missing);
    }
    let malformed = || ObjectiveError::Malformed(text.to_owned());
    let (name, time) = text.split_once('<').ok_or_else(malformed)?;
    let (name, time) = (name.trim(), time.strip_prefix('=').unwrap_or(time).trim());
    if name.is_empty() || time.is_empty() {
        return Err(malformed());
    }
    Ok(Limit { figure: figure(name)?, at_most_ns: nanoseconds(time)? })
}

fn figure(name: &str) -> Result<Figure, ObjectiveError> {
    match name {
        "mean" => Some(Figure::Mean),
        "max" => Some(Figure::Maximum),
        _ => name
            .strip_prefix('p')
            .and_then(decimal)
            .filter(|&percent| percent > 0.0 && percent < 100.0)
            .map(Figure::Percentile),
    }
    .ok_or_else(|| ObjectiveError::Figure(name.to_owned()))
}

fn nanoseconds(time: &str) -> Result<u64, ObjectiveError> {
    let end = time.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(time.len());
    let (number, unit) = time.split_at(end);
    let number = decimal(number).ok_or_else(|| ObjectiveError::Time(time.to_owned()))?;
    let factor = match unit.trim_start() {
        "us" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        _ => return Err(ObjectiveError::Unit(time.to_owned())),
    };
    let nanoseconds = (number * factor).round();
    if (1.0..=LONGEST).contains(&nanoseconds) {
        Ok(nanoseconds as u64)
    } else {
        Err(ObjectiveError::Bounds(time.to_owned()))
    }
}

/// A number of digits and at most one point between them: no sign, no exponent and no infinity, which the standard
/// library would read.
fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(fraction) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn objective(text: &str) -> Objective {
        text.parse().unwrap()
    }

    fn of(values: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::new();
        values.into_iter().for_each(|value| histogram.record(value));
        histogram
    }

    #[test]
    fn one_objective_has_one_text() {
        for (written, text) in [
            ("p99<10ms", "p99<10ms"),
            (" p50 < 1ms , p99.9<=20 ms,mean<2ms, max<1s ", "p50<1ms,p99.9<20ms,mean<2ms,max<1s"),
            ("p099.90<=0.5us", "p99.9<0.5us"),
            ("max<1000us", "max<1ms"),
            ("max<0.9999ms", "max<999.9us"),
            ("mean<1500ms", "mean<1.5s"),
            ("mean<0.000001s", "mean<1us"),
            ("p0.001<3600s", "p0.001<3600s"),
            ("p99.999<1.234567ms", "p99.999<1.234567ms"),
        ] {
            assert_eq!(objective(written).to_string(), text);
            assert_eq!(objective(text), objective(written));
        }
        assert_eq!(
            objective("p99<10ms").limits(),
            [Limit { figure: Figure::Percentile(99.0), at_most_ns: 10_000_000 }]
        );
    }

    #[test]
    fn what_is_wrong_is_said_together_with_the_right_form() {
        use ObjectiveError::{Bounds, Figure, Malformed, Missing, Time, Twice, Unit};
        for (text, expected) in [
            ("", Missing),
            ("p99<1ms,", Missing),
            (",p99<1ms", Missing),
            ("p99", Malformed("p99".into())),
            ("p99>1ms", Malformed("p99>1ms".into())),
            ("p99<", Malformed("p99<".into())),
            ("<=1ms", Malformed("<=1ms".into())),
            ("p0<1ms", Figure("p0".into())),
            ("p100<1ms", Figure("p100".into())),
            ("p<1ms", Figure("p".into())),
            ("p9e1<1ms", Figure("p9e1".into())),
            ("p+9<1ms", Figure("p+9".into())),
            ("p99.<1ms", Figure("p99.".into())),
            ("pinf<1ms", Figure("pinf".into())),
            ("99<1ms", Figure("99".into())),
            ("median<1ms", Figure("median".into())),
            ("p99<10", Unit("10".into())),
            ("p99<10m", Unit("10m".into())),
            ("p99<10ns", Unit("10ns".into())),
            ("p99<1ms<2ms", Unit("1ms<2ms".into())),
            ("p99<ms", Time("ms".into())),
            ("p99<-1ms", Time("-1ms".into())),
            ("p99<<1ms", Time("<1ms".into())),
            ("p99<1.2.3ms", Time("1.2.3ms".into())),
            ("p99<.5ms", Time(".5ms".into())),
            ("p99<0ms", Bounds("0ms".into())),
            ("p99<0.0001us", Bounds("0.0001us".into())),
            ("p99<3601s", Bounds("3601s".into())),
            ("p99<1ms,p99.0<2ms", Twice("p99".into())),
        ] {
            let error = text.parse::<Objective>().unwrap_err();
            assert_eq!(error, expected, "{text:?}");
            let sentence = error.to_string();
            assert!(sentence.contains("p99<10ms") || sentence.contains("p99.9<10ms"), "{sentence}");
        }
        let too_long = format!("p99<{}s", "9".repeat(400));
        assert!(matches!(too_long.parse::<Objective>(), Err(Bounds(_))));
    }

    #[test]
    fn every_limit_has_to_be_kept() {
        let latency = of((1..=1000).map(|step| step * 10_000));
        assert!(objective("p50<5.01ms,p99<10ms,mean<5.005ms,max<10ms").is_met(&latency));
        for missed in ["p50<4.9ms,max<1s", "p99<20ms,mean<5.004ms", "max<9.999999ms", "p99.9<9ms"] {
            assert!(!objective(missed).is_met(&latency), "{missed}");
        }
    }

    #[test]
    fn a_figure_that_equals_its_limit_keeps_it() {
        let latency = of([2_000_000]);
        assert!(objective("p99<2ms,mean<2ms,max<2ms").is_met(&latency));
        assert!(objective("p99<=2ms").is_met(&latency));
        assert!(!objective("max<1.999999ms").is_met(&latency));
    }

    #[test]
    fn nothing_measured_meets_nothing() {
        let objective = objective("p99<1s,max<3600s");
        assert!(!objective.is_met(&Histogram::new()));
        assert!(objective.figures(&Histogram::new()).iter().all(|(_, measured)| measured.is_none()));
    }

    #[test]
    fn figures_can_be_printed_beside_their_limits() {
        let figures = objective("max<1s,mean<2ms").figures(&of([8_210_000, 1_000_001]));
        let lines: Vec<String> = figures
            .iter()
            .map(|(limit, measured)| format!("{} {:?} {limit}", limit.figure, measured.unwrap()))
            .collect();
        assert_eq!(lines, ["max 8210000 max<1s", "mean 4605001 mean<2ms"]);
    }

    #[test]
    fn it_is_stored_as_its_text() {
        let stored = serde_json::to_string(&objective("p99 <= 10ms")).unwrap();
        assert_eq!(stored, "\"p99<10ms\"");
        assert_eq!(serde_json::from_str::<Objective>(&stored).unwrap(), objective("p99<10ms"));
        let error = serde_json::from_str::<Objective>("\"p99<10\"").unwrap_err().to_string();
        assert!(error.contains("one of the units us, ms and s"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_comes_back_the_same(hundredths in 1u32..10_000, at_most_ns in 1u64..=3_600_000_000_000) {
            let limit = Limit { figure: Figure::Percentile(f64::from(hundredths) / 100.0), at_most_ns };
            let text = Objective { limits: vec![limit] }.to_string();
            prop_assert_eq!(objective(&text), Objective { limits: vec![limit] }, "{}", text);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[p0-9.<=,a-z µ-]{0,24}") {
            if let Ok(read) = text.parse::<Objective>() {
                prop_assert_eq!(objective(&read.to_string()), read);
            }
        }
    }
}
