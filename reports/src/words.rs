//! Figures as a reader wants them: three significant digits or so, with their units.

/// A whole number with a comma every three digits: `61,234`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A figure to about three significant digits, from 100 on as a whole number: `61,234`, `12.3`, `1.23`, `0.0123`.
#[must_use]
pub fn figure(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        "–".to_owned()
    } else if size >= 99.95 {
        let sign = if number < 0.0 { "-" } else { "" };
        // The cast saturates, and a figure past 18 digits is nothing that a machine answers in a second.
        format!("{sign}{}", count(size.round() as u64))
    } else if size >= 9.995 {
        format!("{number:.1}")
    } else if size >= 0.095 || size == 0.0 {
        format!("{number:.2}")
    } else {
        // Leading zeros say nothing: count the digits from the first that does.
        let decimals = (-size.log10().floor()).clamp(1.0, 8.0) as usize + 2;
        format!("{number:.decimals$}")
    }
}

/// A duration of so many nanoseconds in the unit that suits it: `870 ns`, `1.63 ms`, `12.0 s`.
#[must_use]
pub fn duration(nanoseconds: u64) -> String {
    let exact = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..999_500 => format!("{} µs", significant(exact / 1e3)),
        999_500..999_500_000 => format!("{} ms", significant(exact / 1e6)),
        _ => format!("{} s", significant(exact / 1e9)),
    }
}

/// Seconds without needless digits, small ones in milliseconds: `10 s`, `0.5 s`, `10 ms`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    let (number, unit) = if seconds > 0.0 && seconds < 0.1 { (seconds * 1e3, "ms") } else { (seconds, "s") };
    let text = format!("{number:.2}");
    let short = text.trim_end_matches('0').trim_end_matches('.');
    format!("{short} {unit}")
}

/// A number of bytes: `612 bytes`, `3.21 MiB`.
#[must_use]
pub fn bytes(number: u64) -> String {
    let exact = number as f64;
    match number {
        0..1_024 => format!("{number} bytes"),
        1_024..1_048_576 => format!("{} KiB", significant(exact / 1_024.0)),
        1_048_576..1_073_741_824 => format!("{} MiB", significant(exact / 1_048_576.0)),
        _ => format!("{} GiB", significant(exact / 1_073_741_824.0)),
    }
}

/// A share from 0 to 1 in per cent: `97 %`, `4.2 %`, `0.31 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    let text = match hundredths.abs() {
        size if size >= 9.95 || size == 0.0 => format!("{hundredths:.0}"),
        size if size >= 0.995 => format!("{hundredths:.1}"),
        _ => format!("{hundredths:.2}"),
    };
    format!("{} %", text.strip_suffix(".0").unwrap_or(&text))
}

/// A ratio with two decimals, or with what it takes below a tenth: `1.18`, `0.034`. What lies past a thousand to one is
/// no figure any more: `over 1,000`, `under 0.001`.
#[must_use]
pub fn ratio(ratio: f64) -> String {
    match ratio.abs() {
        size if size > 1_000.0 => "over 1,000".to_owned(),
        size if size >= 99.95 => format!("{ratio:.0}"),
        size if size >= 0.1 => format!("{ratio:.2}"),
        size if size >= 0.001 => format!("{ratio:.3}"),
        _ => "under 0.001".to_owned(),
    }
}

/// The same of a ratio that is not 1, with as many decimals as it takes to say so: `0.997`, never `1.00`.
#[must_use]
pub fn ratio_apart(apart: f64) -> String {
    let texts = [ratio(apart), format!("{apart:.3}"), format!("{apart:.4}")];
    let is_one = |text: &&String| text.trim_end_matches('0') == "1.";
    texts.iter().find(|text| !is_one(text)).unwrap_or(&texts[0]).clone()
}

/// A number and its noun: `1 worker`, `1,000 workers`.
#[must_use]
pub fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// A list in a sentence: `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}

/// CPU numbers as the kernel writes them: `0-2,5`.
#[must_use]
pub fn cpus(numbers: &[usize]) -> String {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let stretches = sorted.chunk_by(|before, after| before + 1 == *after);
    let texts: Vec<String> = stretches
        .map(|stretch| match stretch {
            [first, .., last] => format!("{first}-{last}"),
            single => single.iter().map(ToString::to_string).collect(),
        })
        .collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(",") }
}

/// The same sentence with its first letter large.
#[must_use]
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Three significant digits of a number from 1 to 1,000.
fn significant(number: f64) -> String {
    if number >= 99.95 {
        format!("{number:.0}")
    } else if number >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    }
}

/// What there is to choose from, as the end of a sentence: `there are a and b`, `there is a`, `there is none`.
#[must_use]
pub fn there_are(names: &[String]) -> String {
    match names {
        [] => "there is none".to_owned(),
        [one] => format!("there is {one}"),
        several => format!("there are {}", list(several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let texts = [0, 7, 999, 1_000, 61_234, 1_000_000].map(count);
        assert_eq!(texts, ["0", "7", "999", "1,000", "61,234", "1,000,000"]);
    }

    #[test]
    fn figures_keep_about_three_digits() {
        let texts = [0.0, 0.012_34, 0.5, 1.234, 9.999, 12.34, 99.99, 61_234.4, -1_234.0].map(figure);
        assert_eq!(texts, ["0.00", "0.0123", "0.50", "1.23", "10.0", "12.3", "100", "61,234", "-1,234"]);
        assert_eq!(figure(f64::NAN), "–");
        assert_eq!(figure(1e-300), "0.0000000000");
    }

    #[test]
    fn durations_take_the_unit_that_suits() {
        let texts = [870, 1_000, 45_600, 999_499, 999_500, 1_630_000, 12_000_000_000].map(duration);
        assert_eq!(texts, ["870 ns", "1.00 µs", "45.6 µs", "999 µs", "1.00 ms", "1.63 ms", "12.0 s"]);
    }

    #[test]
    fn units_of_the_others() {
        assert_eq!(seconds(10.0), "10 s");
        assert_eq!([seconds(0.5), seconds(0.01), seconds(0.0)], ["0.5 s", "10 ms", "0 s"]);
        assert_eq!(bytes(612), "612 bytes");
        assert_eq!(bytes(3 << 20), "3.00 MiB");
        assert_eq!(percent(0.973), "97 %");
        assert_eq!(percent(0.0031), "0.31 %");
        assert_eq!(percent(0.05), "5 %");
        assert_eq!(percent(0.042), "4.2 %");
        let ratios = [1.179, 0.0341, 123.4, 1e9, 1e-9].map(ratio);
        assert_eq!(ratios, ["1.18", "0.034", "123", "over 1,000", "under 0.001"]);
        assert_eq!([0.8, 0.996, 1.002, 0.9998, 1.0].map(ratio_apart), ["0.80", "0.996", "1.002", "0.9998", "1.00"]);
        assert_eq!(plural(1, "worker"), "1 worker");
        assert_eq!(plural(0, "worker"), "0 workers");
    }

    #[test]
    fn lists_are_sentences_and_cpus_are_ranges() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(list(&names), "a, b and c");
        assert_eq!(list(&names[..2]), "a and b");
        assert_eq!(list(&[]), "");
        assert_eq!(there_are(&names), "there are a, b and c");
        assert_eq!([there_are(&names[..1]), there_are(&[])], ["there is a", "there is none"]);
        assert_eq!(cpus(&[5, 1, 0, 2]), "0-2,5");
        assert_eq!(cpus(&[]), "none");
        assert_eq!(sentence("every answer"), "Every answer");
    }
}
