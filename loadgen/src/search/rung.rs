//! Rates that people can type again.

/// Rungs between a rate and ten times it.
const PER_DECADE: u16 = 900;

/// A rate of three significant digits, from 1 to 1,000,000,000 requests per second: 1, 1.01, …, 9.99, 10, 10.1, ….
///
/// As there are only so many of them in a row, two rates are the same, next to each other or have others between them,
/// and a search that moves by at least one cannot go round in circles as it might between numbers that print alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rung(u16);

impl Rung {
    /// One request per second.
    pub(super) const LOWEST: Self = Self(0);
    /// One request per nanosecond.
    pub(super) const HIGHEST: Self = Self(9 * PER_DECADE);

    /// The one nearest to `rate`; the lowest for what is not a number.
    pub(super) fn nearest(rate: f64) -> Self {
        Self::round(rate, f64::round)
    }

    fn round(rate: f64, round: fn(f64) -> f64) -> Self {
        // `max` and `min`, unlike `clamp`, make a number of what is none.
        let rate = rate.max(Self::LOWEST.rate()).min(Self::HIGHEST.rate());
        let decade = rate.log10().floor();
        let digits = round(rate / 10f64.powf(decade) * 100.0);
        // Digits that were rounded up to 1000 lead on to the next decade by themselves.
        let place = decade * f64::from(PER_DECADE) + (digits - 100.0);
        Self((place.max(0.0) as u16).min(Self::HIGHEST.0))
    }

    /// Requests per second.
    pub(super) fn rate(self) -> f64 {
        let (decade, digits) = (self.0 / PER_DECADE, 100 + self.0 % PER_DECADE);
        // A product and a quotient of whole numbers are as near to the three digits as a number can be.
        f64::from(digits) * 10f64.powi(i32::from(decade)) / 100.0
    }

    /// The highest one that is not above `factor` times this rate, but at least the next one; none above the highest.
    pub(super) fn above(self, factor: f64) -> Option<Self> {
        let next = (self < Self::HIGHEST).then_some(Self(self.0 + 1))?;
        Some(Self::round(self.rate() * factor, f64::floor).max(next))
    }

    /// The lowest one that is not below this rate divided by `factor`, but at least the next one; none below the
    /// lowest.
    pub(super) fn below(self, factor: f64) -> Option<Self> {
        let next = self.0.checked_sub(1).map(Self)?;
        Some(Self::round(self.rate() / factor, f64::ceil).min(next))
    }

    /// The one nearest to the geometric mean of the two that lies between them; none if they are next to each other.
    pub(super) fn between(self, higher: Self) -> Option<Self> {
        let (first, last) = (self.0.checked_add(1)?, higher.0.checked_sub(1)?);
        let middle = Self::nearest((self.rate() * higher.rate()).sqrt());
        (first <= last).then(|| Self(middle.0.clamp(first, last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Rung> {
        (Rung::LOWEST.0..=Rung::HIGHEST.0).map(Rung)
    }

    #[test]
    fn every_rate_is_written_with_three_digits_and_found_again() {
        let mut last = 0.0;
        for rung in all() {
            let rate = rung.rate();
            assert!(rate > last);
            last = rate;
            assert_eq!(Rung::nearest(rate), rung, "{rate}");
            let text = rate.to_string();
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            assert!(digits.trim_end_matches('0').len() <= 3, "{text}");
        }
        assert_eq!((Rung::LOWEST.rate(), Rung::HIGHEST.rate()), (1.0, 1e9));
    }

    #[test]
    fn any_number_has_a_nearest_one() {
        for (number, rate) in [
            (52_345.0, 52_300.0),
            (999.6, 1000.0),
            (1.004, 1.0),
            (0.001, 1.0),
            (-7.0, 1.0),
            (f64::NAN, 1.0),
            (f64::NEG_INFINITY, 1.0),
            (f64::INFINITY, 1e9),
            (f64::MIN_POSITIVE, 1.0),
        ] {
            assert_eq!(Rung::nearest(number).rate(), rate, "{number}");
        }
    }

    #[test]
    fn a_step_leads_on_and_never_beyond_its_factor() {
        for rung in all() {
            for factor in [1.0, 1.02, 2.0, 8.0] {
                if let Some(above) = rung.above(factor) {
                    assert!(above > rung);
                    assert!(above.0 == rung.0 + 1 || above.rate() <= rung.rate() * factor);
                }
                if let Some(below) = rung.below(factor) {
                    assert!(below < rung);
                    assert!(below.0 + 1 == rung.0 || below.rate() >= rung.rate() / factor);
                }
            }
        }
        assert_eq!((Rung::HIGHEST.above(2.0), Rung::LOWEST.below(2.0)), (None, None));
        assert_eq!(Rung::nearest(1000.0).below(2.0).map(Rung::rate), Some(500.0));
        assert_eq!(Rung::nearest(1000.0).above(8.0).map(Rung::rate), Some(8000.0));
    }

    #[test]
    fn there_is_one_between_any_two_that_are_not_next_to_each_other() {
        for rung in all() {
            for distance in [2, 3, 10, 900, 4000] {
                let higher = Rung(rung.0 + distance);
                if higher <= Rung::HIGHEST {
                    assert!(rung.between(higher).is_some_and(|between| rung < between && between < higher));
                }
            }
            assert_eq!(rung.between(Rung(rung.0 + 1)), None);
            assert_eq!(rung.between(rung), None);
        }
        assert_eq!(Rung::nearest(100.0).between(Rung::nearest(10_000.0)).map(Rung::rate), Some(1000.0));
    }
}
