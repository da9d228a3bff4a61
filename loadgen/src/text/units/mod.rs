//! Figures with units as wrk prints them, and its columns.

mod extended;

pub(super) use extended::Extended;

/// A ladder of units, each so many times the one before.
struct Ladder {
    factor: f64,
    base: &'static str,
    steps: &'static [&'static str],
}

/// The letters that wrk knows behind these are never reached: minutes are the largest unit of time in its text.
const MICROSECONDS: Ladder = Ladder { factor: 1000.0, base: "us", steps: &["ms"] };
const SECONDS: Ladder = Ladder { factor: 60.0, base: "s", steps: &["m"] };
const BINARY: Ladder = Ladder { factor: 1024.0, base: "", steps: &["K", "M", "G", "T"] };
const METRIC: Ladder = Ladder { factor: 1000.0, base: "", steps: &["k", "M", "G", "T"] };

impl Ladder {
    /// Climbs as soon as 0.85 of the next unit is reached.
    fn format(&self, amount: Extended, decimals: usize) -> String {
        let (mut amount, mut unit) = (amount, self.base);
        for step in self.steps {
            if amount < Extended::from(self.factor * 0.85) {
                break;
            }
            amount = amount / self.factor.into();
            unit = step;
        }
        amount.to_decimals(decimals) + unit
    }
}

/// Microseconds: `us` and `ms`, from a second on `s` and `m`.
pub(super) fn microseconds(amount: impl Into<Extended>) -> String {
    let (amount, second) = (amount.into(), Extended::from(1e6));
    if amount >= second { SECONDS.format(amount / second, 2) } else { MICROSECONDS.format(amount, 2) }
}

/// Whole seconds or minutes.
pub(super) fn seconds(amount: impl Into<Extended>) -> String {
    SECONDS.format(amount.into(), 0)
}

/// Bytes by 1024, without the B.
pub(super) fn binary(amount: impl Into<Extended>) -> String {
    BINARY.format(amount.into(), 2)
}

/// Anything by 1000.
pub(super) fn metric(amount: impl Into<Extended>) -> String {
    METRIC.format(amount.into(), 2)
}

/// A figure in a column of this width. The letters of its unit eat the two spaces behind the digits, so that digits
/// stand below digits; what is too long is cut off.
pub(super) fn column(text: &str, width: usize) -> String {
    let letters = text.chars().rev().take(2).filter(char::is_ascii_alphabetic).count();
    let pad = 2 - letters;
    let width = width - pad;
    format!("{text:>width$.width$}{:pad$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_is_taken_at_085_of_the_next_unit() {
        for (amount, text) in [
            (0.0, "0.00us"),
            (0.5, "0.50us"),
            (849.0, "849.00us"),
            (849.999, "850.00us"),
            (850.0, "0.85ms"),
            (855.0, "0.86ms"),
            (885.0, "0.88ms"),
            (994_995.0, "994.99ms"),
            (999_999.0, "1000.00ms"),
            (1e6, "1.00s"),
            (50.99e6, "50.99s"),
            (51e6, "0.85m"),
            (60.3e6, "1.00m"),
            (60.9e6, "1.01m"),
            (7200e6, "120.00m"),
        ] {
            assert_eq!(microseconds(amount), text);
        }
        for (amount, text) in [(1.0, "1s"), (50.0, "50s"), (51.0, "1m"), (90.0, "2m"), (150.0, "2m"), (7200.0, "120m")]
        {
            assert_eq!(seconds(amount), text);
        }
        for (amount, text) in [
            (0.0, "0.00"),
            (849.99, "849.99"),
            (850.0, "0.85k"),
            (850e3, "0.85M"),
            (850e6, "0.85G"),
            (850e9, "0.85T"),
            (850e12, "850.00T"),
        ] {
            assert_eq!(metric(amount), text);
        }
        for (amount, text) in [
            (870.0, "870.00"),
            (870.4, "0.85K"),
            (870.4 * 1024.0, "0.85M"),
            (1024f64.powi(3), "1.00G"),
            (1024f64.powi(4), "1.00T"),
            (1024f64.powi(5), "1024.00T"),
        ] {
            assert_eq!(binary(amount), text);
        }
    }

    #[test]
    fn letters_eat_the_padding() {
        assert_eq!(column("0.00", 8), "  0.00  ");
        assert_eq!(column("56.20k", 8), " 56.20k ");
        assert_eq!(column("635.91us", 8), "635.91us");
        assert_eq!(column("1.66s", 9), "   1.66s ");
        assert_eq!(column("1000.00ms", 8), "1000.00m");
    }
}
