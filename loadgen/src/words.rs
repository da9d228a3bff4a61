//! Figures as a sentence wants them: about three significant digits, with their units.

/// A whole number with a comma every three digits: `61,234`.
pub(crate) fn count(number: u64) -> String {
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

/// A number that need not be whole: `61,234`, `99.5`, `0.25`.
pub(crate) fn figure(number: f64) -> String {
    if number >= 99.95 { count(number.round() as u64) } else { significant(number) }
}

/// A number and its noun: `1 window`, `1,000 windows`.
pub(crate) fn plural(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", count(number))
}

/// `1 response was`, `12 responses were`.
pub(crate) fn were(number: u64, noun: &str) -> String {
    format!("{} {}", plural(number, noun), if number == 1 { "was" } else { "were" })
}

/// `Every response had`, `1 of 200 responses had`.
pub(crate) fn part(number: u64, all: u64, noun: &str) -> String {
    if number >= all { format!("Every {noun}") } else { format!("{} of {}", count(number), plural(all, noun)) }
}

/// A share from 0 to 1 in per cent: `97 %`, `4.2 %`, `0.31 %`.
pub(crate) fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    let text = match hundredths {
        size if size >= 9.95 => format!("{hundredths:.0}"),
        size if size >= 0.995 => format!("{hundredths:.1}"),
        _ => format!("{hundredths:.2}"),
    };
    format!("{} %", without_zeros(&text))
}

/// A duration of so many nanoseconds in the unit that suits it: `870 ns`, `1.63 ms`, `2 s`.
pub(crate) fn duration(nanoseconds: u64) -> String {
    let exact = nanoseconds as f64;
    match nanoseconds {
        0..1_000 => format!("{nanoseconds} ns"),
        1_000..999_500 => format!("{} µs", significant(exact / 1e3)),
        999_500..999_500_000 => format!("{} ms", significant(exact / 1e6)),
        _ => format!("{} s", significant(exact / 1e9)),
    }
}

/// Three significant digits of a number from 1 on, two decimals below; zeros that say nothing are left out.
fn significant(number: f64) -> String {
    let text = if number >= 99.95 {
        format!("{number:.0}")
    } else if number >= 9.995 {
        format!("{number:.1}")
    } else {
        format!("{number:.2}")
    };
    without_zeros(&text).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_and_keep_three_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.25, 9.996, 63.04, 99.99, 61_234.4].map(figure), ["0", "0.25", "10", "63", "100", "61,234"]);
    }

    #[test]
    fn durations_take_the_unit_that_suits() {
        let texts = [0, 870, 45_600, 999_499, 999_500, 1_630_000, 100_000_000, 2_000_000_000, 90_500_000_000];
        let expected = ["0 ns", "870 ns", "45.6 µs", "999 µs", "1 ms", "1.63 ms", "100 ms", "2 s", "90.5 s"];
        assert_eq!(texts.map(duration), expected);
    }

    #[test]
    fn shares_are_told_in_per_cent() {
        assert_eq!(
            [0.0, 0.0031, 0.042, 0.05, 0.973, 1.0].map(percent),
            ["0 %", "0.31 %", "4.2 %", "5 %", "97 %", "100 %"]
        );
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([plural(1, "window"), plural(0, "window")], ["1 window", "0 windows"]);
        assert_eq!([were(1, "window"), were(2_000, "window")], ["1 window was", "2,000 windows were"]);
        assert_eq!([part(2, 2, "body"), part(1, 200, "response")], ["Every body", "1 of 200 responses"]);
    }
}
