//! Durations and sizes as people type them.

use std::time::Duration;

/// `10s`, `250ms`, `2m`, `1h`, `500us`; a bare number means seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds: f64 = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("'{unit}' is no unit of time; us, ms, s, m and h are")),
    };
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no duration such as 250ms, 10s or 2m"))?;
    // A year is longer than anything waits, and short enough to be added to any instant.
    const YEAR: f64 = 365.0 * 24.0 * 3600.0;
    match Duration::try_from_secs_f64(number * seconds) {
        Ok(duration) if number * seconds <= YEAR => Ok(duration),
        _ => Err(format!("'{text}' is longer than a year")),
    }
}

/// `4096`, `8K`, `64M`, `1G`, in steps of 1024; `KiB` and `kB` mean the same as `K` here.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(format!("'{unit}' is no unit of size; K, M and G are")),
    };
    let number: u64 = number.parse().map_err(|_| format!("'{text}' is no size such as 4096, 8K or 64M"))?;
    number.checked_mul(factor).ok_or_else(|| format!("'{text}' is too large"))
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in
            [("10s", 10_000), ("3", 3000), ("250ms", 250), ("0.5s", 500), ("2m", 120_000), ("0", 0)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "-1s", "1d", "1e9", "99999999999h", "1.2.3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in
            [("0", 0), ("4096", 4096), ("8K", 8192), ("8KiB", 8192), ("1kb", 1024), ("2M", 2 << 20), ("1G", 1 << 30)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "K", "-1", "1.5K", "1T", "99999999999G"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
