//! A run in the forms of services that keep a history of their own.

use serde::Serialize;
use std::collections::BTreeMap;

use crate::statistics::half_width;

use super::line::{Figure, Line};
use super::measure::Measure;

/// A figure in Bencher Metric Format (<https://bencher.dev/docs/reference/bencher-metric-format>).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Metric {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// A figure as github-action-benchmark takes it (<https://github.com/benchmark-action/github-action-benchmark>).
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Benchmark {
    name: String,
    unit: &'static str,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// The valid figures of a run in Bencher Metric Format, as JSON with a line feed at its end: benchmarks are named like
/// `wrk / epoll, 4 workers`, and measures by [`Measure::slug`]. Lower and upper values are the 95 % interval over the
/// rounds.
///
/// # Errors
/// When a figure cannot be written as JSON, which a finite one always can.
pub fn bencher(line: &Line) -> serde_json::Result<String> {
    let mut benchmarks: BTreeMap<String, BTreeMap<&str, Metric>> = BTreeMap::new();
    for (name, measure, figure) in figures(line) {
        let interval = interval(&figure);
        let metric = Metric {
            value: figure.value,
            lower_value: interval.map(|(low, _)| low),
            upper_value: interval.map(|(_, high)| high),
        };
        benchmarks.entry(name).or_default().insert(measure.slug(), metric);
    }
    Ok(serde_json::to_string_pretty(&benchmarks)? + "\n")
}

/// The valid figures of a run of which more is better, or those of which less is, as `customBiggerIsBetter` and
/// `customSmallerIsBetter` of github-action-benchmark take them: JSON with a line feed at its end.
///
/// # Errors
/// When a figure cannot be written as JSON, which a finite one always can.
pub fn github_action_benchmark(line: &Line, more_is_better: bool) -> serde_json::Result<String> {
    let of = |(name, measure, figure): (String, Measure, Figure)| Benchmark {
        name: format!("{name}: {}", measure.name()),
        unit: measure.unit(),
        value: figure.value,
        range: interval(&figure).map(|(low, high)| format!("± {:.3}", (high - low) / 2.0)),
        extra: format!(
            "run {}\n{}\n{}{}",
            line.id,
            line.source(),
            line.machine.describe(),
            line.rustc.as_ref().map(|rustc| format!("\n{rustc}")).unwrap_or_default(),
        ),
    };
    let all: Vec<Benchmark> =
        figures(line).filter(|(_, measure, _)| measure.more_is_better() == more_is_better).map(of).collect();
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// The figures that may be compared with those of other runs.
fn figures(line: &Line) -> impl Iterator<Item = (String, Measure, Figure)> {
    let entries = line.measurements.iter().filter(|entry| !entry.is_twin);
    entries.flat_map(|entry| {
        let name = format!("{} / {}", entry.workload, entry.name);
        Measure::ALL.into_iter().filter_map(move |measure| Some((name.clone(), measure, measure.of(entry)?)))
    })
}

/// The 95 % interval of a figure by its rounds.
fn interval(figure: &Figure) -> Option<(f64, f64)> {
    let reach = half_width(figure.standard_error?, figure.rounds)?;
    Some((figure.value * (-reach).exp(), figure.value * reach.exp()))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::line;
    use super::*;

    use serde_json::Value;

    #[test]
    fn bencher_gets_a_value_and_its_interval() {
        let mut line = line(1, 1_000.0);
        line.measurements[0].system_calls = Some(2.25);
        let found: Value = serde_json::from_str(&bencher(&line).unwrap()).unwrap();
        let measures = &found["wrk / epoll, 1 worker"];
        assert_eq!(measures["capacity"]["value"], 1_000.0);
        // Student's quantile with four degrees of freedom is 2.7764.
        let low = measures["capacity"]["lower_value"].as_f64().unwrap();
        assert!((low - 1_000.0 * (-0.027_764_f64).exp()).abs() < 0.01, "{low}");
        assert_eq!(measures["system-calls"], serde_json::json!({ "value": 2.25 }));
    }

    #[test]
    fn github_action_benchmark_gets_each_direction_by_itself() {
        let mut line = line(1, 1_000.0);
        line.measurements[0].system_calls = Some(2.25);
        let read =
            |bigger| -> Value { serde_json::from_str(&github_action_benchmark(&line, bigger).unwrap()).unwrap() };
        let bigger = read(true);
        assert_eq!(bigger.as_array().unwrap().len(), 1);
        assert_eq!(bigger[0]["name"], "wrk / epoll, 1 worker: capacity");
        assert_eq!(bigger[0]["unit"], "responses/CPU-s");
        assert_eq!(bigger[0]["range"], "± 27.768");
        assert!(bigger[0]["extra"].as_str().unwrap().starts_with("run run-1\nc1\n"));
        let smaller = read(false);
        assert_eq!(smaller[0]["value"], 2.25);
        assert_eq!(smaller[0].get("range"), None);
    }

    #[test]
    fn what_is_not_valid_is_not_exported() {
        let mut line = line(1, 1_000.0);
        line.measurements[0].standing = crate::validity::Standing::TooNoisy;
        assert_eq!(bencher(&line).unwrap(), "{}\n");
        assert_eq!(github_action_benchmark(&line, true).unwrap(), "[]\n");
    }
}
