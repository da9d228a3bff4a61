//! The values of options, as people write them.

use std::path::PathBuf;
use std::thread::available_parallelism;

use loadgen::{ExpectedBody, ExpectedLength};

/// Threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// As many as there are CPUs for them, and not more than connections.
    Auto,
    Number(usize),
}

/// A list of CPU numbers. (A bare `Vec` would mean to clap that the option may be given several times.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CpuList(pub(crate) Vec<usize>);

/// The body length to expect; nothing if any will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LengthWish(pub(crate) Option<ExpectedLength>);

/// A whole number and the text behind it.
fn split(text: &str) -> Result<(u64, String), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number = digits.parse().map_err(|_| "it has to begin with a whole number".to_owned())?;
    Ok((number, unit.to_ascii_lowercase()))
}

fn si_factor(unit: &str) -> Result<u64, String> {
    match unit {
        "" => Ok(1),
        "k" => Ok(1_000),
        "m" => Ok(1_000_000),
        "g" => Ok(1_000_000_000),
        _ => Err(format!("there is no unit {unit:?}, only k, M and G")),
    }
}

/// A whole number that may be 0, with an SI unit.
fn whole(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    number.checked_mul(si_factor(&unit)?).ok_or_else(|| "it is too large".to_owned())
}

/// A whole number of at least 1, with an SI unit.
pub(crate) fn number(text: &str) -> Result<u64, String> {
    match whole(text)? {
        0 => Err("it has to be at least 1".to_owned()),
        number => Ok(number),
    }
}

/// A number of things of at least 1, with an SI unit.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    usize::try_from(number(text)?).map_err(|_| "it is too large".to_owned())
}

/// A number of things that may be 0, with an SI unit.
pub(crate) fn count_or_none(text: &str) -> Result<usize, String> {
    usize::try_from(whole(text)?).map_err(|_| "it is too large".to_owned())
}

pub(crate) fn threads(text: &str) -> Result<Threads, String> {
    if text == "auto" { Ok(Threads::Auto) } else { count(text).map(Threads::Number) }
}

/// A number of workers, or one for each CPU that this process may use.
pub(crate) fn workers(text: &str) -> Result<usize, String> {
    if text == "auto" { Ok(available_parallelism().map_or(1, usize::from)) } else { count(text) }
}

/// Milliseconds; a number alone means seconds, as with wrk.
pub(crate) fn time(text: &str) -> Result<u64, String> {
    let time = units::duration_or_seconds(text).map_err(|error| error.to_string())?;
    let milliseconds = time.as_millis() as u64;
    if time.subsec_nanos() % 1_000_000 == 0 {
        Ok(milliseconds)
    } else {
        Err("it has to be a whole number of milliseconds".to_owned())
    }
}

/// Requests per second: a number above 0, which may have decimals and an SI unit.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let number: f64 = digits.parse().map_err(|_| "it has to begin with a number".to_owned())?;
    let rate = number * si_factor(&unit.to_ascii_lowercase())? as f64;
    if rate > 0.0 { Ok(rate) } else { Err("it has to be above 0".to_owned()) }
}

/// The rates at the beginning and at the end.
pub(crate) fn ramp(text: &str) -> Result<(f64, f64), String> {
    let (first, last) = text.split_once(':').ok_or("it has to look like 100:5k")?;
    Ok((rate(first)?, rate(last)?))
}

/// A share, as a number between 0 and 1 or in per cent.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (digits, whole) = text.strip_suffix('%').map_or((text, 1.0), |digits| (digits, 100.0));
    let share = digits.parse::<f64>().map(|share| share / whole);
    share
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "it has to lie between 0 and 1, or 0% and 100%".into())
}

/// The exponent of Zipf's law.
pub(crate) fn exponent(text: &str) -> Result<f64, String> {
    let exponent = text.parse::<f64>().ok().filter(|exponent| exponent.is_finite() && *exponent >= 0.0);
    exponent.ok_or_else(|| "it has to be a number that is not below 0".to_owned())
}

pub(crate) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) => Ok((name.to_owned(), value.trim().to_owned())),
        None => Err("it has to look like \"Name: value\"".to_owned()),
    }
}

pub(crate) fn expected_length(text: &str) -> Result<LengthWish, String> {
    match text {
        "any" => Ok(LengthWish(None)),
        "first" => Ok(LengthWish(Some(ExpectedLength::LikeFirst))),
        _ => match text.parse() {
            Ok(length) => Ok(LengthWish(Some(ExpectedLength::Exactly(length)))),
            Err(_) => Err("it is neither a number nor \"first\" nor \"any\"".to_owned()),
        },
    }
}

pub(crate) fn expected_body(text: &str) -> Result<ExpectedBody, String> {
    Ok(if text == "first" { ExpectedBody::LikeFirst } else { ExpectedBody::File(PathBuf::from(text)) })
}

pub(crate) fn cpus(text: &str) -> Result<CpuList, String> {
    let mut list = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last && last < 4096 => list.extend(first..=last),
            _ => return Err(format!("{part:?} is neither a CPU number nor a range of them")),
        }
    }
    Ok(CpuList(list))
}

/// Milliseconds since 1970 from seconds, which may have decimals.
pub(crate) fn moment(text: &str) -> Result<u64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..1e11).contains(seconds));
    seconds
        .map(|seconds| (seconds * 1000.0) as u64)
        .ok_or_else(|| "it has to be seconds since 1970, as date +%s tells".into())
}

pub(crate) fn script(_: &str) -> Result<String, String> {
    Err("Lua scripts are not supported; use wrk where the requests have to be scripted".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_si_units() {
        assert_eq!((number("7"), number("2k"), number("3M")), (Ok(7), Ok(2_000), Ok(3_000_000)));
        assert_eq!((count("1K"), count_or_none("0")), (Ok(1_000), Ok(0)));
        assert!([number("0"), number(""), number("x"), number("1x"), number("-1")].iter().all(Result::is_err));
        assert!(number("99999999999999999999").is_err() && number("99999999999G").is_err());
    }

    #[test]
    fn rates_have_decimals_too() {
        assert_eq!((rate("0.5"), rate("1.5k"), rate("20000")), (Ok(0.5), Ok(1500.0), Ok(20_000.0)));
        assert_eq!(ramp("100:5k"), Ok((100.0, 5000.0)));
        assert!([rate("0"), rate("-1"), rate("k"), rate("1e3"), rate("1.2.3")].iter().all(Result::is_err));
        assert!(ramp("100").is_err() && ramp("1:2:3").is_err());
    }

    #[test]
    fn times_without_a_unit_are_seconds() {
        assert_eq!(
            (time("2"), time("500ms"), time("2m"), time("1h")),
            (Ok(2_000), Ok(500), Ok(120_000), Ok(3_600_000))
        );
        assert_eq!((time("1.5s"), time("1m30s"), time("1.5")), (Ok(1_500), Ok(90_000), Ok(1_500)));
        assert!(time("2x").is_err() && time("10us").is_err() && time("1.0005s").is_err());
    }

    #[test]
    fn shares_may_be_in_per_cent() {
        assert_eq!((share("0.25"), share("10%"), share("100%")), (Ok(0.25), Ok(0.1), Ok(1.0)));
        assert!(share("1.5").is_err() && share("-1%").is_err() && share("x").is_err());
    }

    #[test]
    fn a_moment_is_in_seconds() {
        assert_eq!(moment("1764110000.5"), Ok(1_764_110_000_500));
        assert!(moment("tomorrow").is_err() && moment("-1").is_err());
    }
}
