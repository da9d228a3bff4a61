//! Numbers in stored records, which somebody else may have written.
//!
//! Types say which fields a record has. That a time is not negative, and that no count is larger than any run could make it,
//! they do not say; so a record is looked at as JSON before it is read.

use serde_json::Value;

/// No count, time or rate of a record is larger: 10^18 nanoseconds are 30 years.
const LARGEST: f64 = 1e18;
/// No round of a run and no place in one has a higher number.
const LARGEST_INDEX: f64 = 1e6;
/// Fields whose numbers may be the largest there are: one is drawn by chance, the other is the largest where there is no limit.
const UNBOUNDED: [&str; 2] = ["seed", "descriptors"];
/// Fields that say at which place something is.
const PLACES: [&str; 2] = ["index", "position"];

/// A number that no run can have led to.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field} is {value}, and {why}")]
pub struct ImpossibleNumber {
    /// Where it stands: `measurements[3].rounds[0].server.cpu_seconds`.
    pub field: String,
    /// What stands there.
    pub value: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Checks every number of a record, however deep it stands.
///
/// # Errors
/// The first one that is below 0, larger than 10^18, or the number of a round beyond a million.
pub fn check(record: &Value) -> Result<(), ImpossibleNumber> {
    walk(record, &mut Vec::new())
}

/// One step on the way to a field.
enum Step<'a> {
    Name(&'a str),
    Place(usize),
}

fn walk<'a>(value: &'a Value, path: &mut Vec<Step<'a>>) -> Result<(), ImpossibleNumber> {
    match value {
        Value::Number(number) => {
            let name = path.iter().rev().find_map(|step| if let Step::Name(name) = step { Some(*name) } else { None });
            let is_in = |names: &[&str]| name.is_some_and(|name| names.contains(&name));
            let value = number.as_f64().unwrap_or(f64::INFINITY);
            let why = if value < 0.0 {
                "it cannot be below 0"
            } else if is_in(&PLACES) && value > LARGEST_INDEX {
                "no run has so many"
            } else if value > LARGEST && !is_in(&UNBOUNDED) {
                "no run can lead to so much"
            } else {
                return Ok(());
            };
            Err(ImpossibleNumber { field: written(path), value: number.to_string(), why })
        }
        Value::Array(values) => values.iter().enumerate().try_for_each(|(place, value)| {
            path.push(Step::Place(place));
            walk(value, path)?;
            path.pop();
            Ok(())
        }),
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            path.push(Step::Name(name));
            walk(value, path)?;
            path.pop();
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

fn written(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Name(name) if text.is_empty() => text.push_str(name),
            Step::Name(name) => text.extend([".", name]),
            Step::Place(place) => text.push_str(&format!("[{place}]")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_run_can_lead_to_is_told_with_its_field() {
        let record = |index: u64, cpu: f64, count: f64| json!({ "seed": u64::MAX, "rounds": [{}, { "index": index, "server": { "cpu_seconds": cpu }, "count": count }] });
        assert_eq!(check(&record(4, 0.0, 1e17)), Ok(()));
        let told = |record: &Value| check(record).unwrap_err().to_string();
        assert_eq!(told(&record(4_294_967_295, 0.0, 0.0)), "rounds[1].index is 4294967295, and no run has so many");
        assert_eq!(told(&record(0, -1.5, 0.0)), "rounds[1].server.cpu_seconds is -1.5, and it cannot be below 0");
        assert_eq!(told(&record(0, 0.0, 1e300)), "rounds[1].count is 1e+300, and no run can lead to so much");
    }
}
