//! How many times as much one thing did as another, where rounds are no pairs: the two were measured at different times.

use super::moments::Moments;
use super::ratio::is_usable;
use super::student;

/// The ratio of two geometric means of figures that are not paired, with unequal spreads (Welch, The Generalization of
/// Student's Problem when Several Different Population Variances are Involved, Biometrika 34, 1947).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unpaired {
    /// The natural logarithm of the ratio of the first to the second.
    pub log: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Degrees of freedom, rounded down, at least 1.
    pub degrees: usize,
}

impl Unpaired {
    /// Of the figures of both; those that are not positive numbers are left out. None with fewer than two of either.
    #[must_use]
    pub fn of(first: &[f64], second: &[f64]) -> Option<Self> {
        let logs = |figures: &[f64]| -> Vec<f64> {
            figures.iter().copied().filter(|figure| is_usable(*figure)).map(f64::ln).collect()
        };
        let (first, second) = (logs(first), logs(second));
        if first.len() < 2 || second.len() < 2 {
            return None;
        }
        let (of_first, of_second) = (Moments::of(&first)?, Moments::of(&second)?);
        let squares = [of_first, of_second].map(|moments| moments.standard_error.powi(2));
        let sum = squares[0] + squares[1];
        let spread = squares[0].powi(2) / (first.len() - 1) as f64 + squares[1].powi(2) / (second.len() - 1) as f64;
        // Without any spread the fewest degrees that the formula can give.
        let fewest = (first.len().min(second.len()) - 1) as f64;
        let degrees = if spread > 0.0 { sum * sum / spread } else { fewest };
        Some(Self {
            log: of_first.mean - of_second.mean,
            standard_error: sum.sqrt(),
            degrees: (degrees.floor() as usize).max(1),
        })
    }

    /// The ratio.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.log.exp()
    }

    /// The ratio's interval that misses the truth so often.
    #[must_use]
    pub fn interval(&self, error: f64) -> (f64, f64) {
        let reach = student::quantile(error, self.degrees) * self.standard_error;
        ((self.log - reach).exp(), (self.log + reach).exp())
    }

    /// How likely two whose true ratio is at most this far from 1, as a logarithm, are at least so far apart.
    #[must_use]
    pub fn p_value_beyond(&self, drift: f64) -> f64 {
        let beyond = self.log.abs() - drift.abs();
        if beyond <= 0.0 {
            return 1.0;
        }
        if self.standard_error == 0.0 { 0.0 } else { student::tail(beyond / self.standard_error, self.degrees) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_textbook_case_is_met() {
        // Logs 1, 2, 3 and 2, 4, 6, 8: means 2 and 5, squared standard errors 1/3 and 5/3, so 2^2 / (1/18 + 25/27) = 4.075.
        let exp = |logs: &[f64]| logs.iter().map(|log| log.exp()).collect::<Vec<_>>();
        let found = Unpaired::of(&exp(&[1.0, 2.0, 3.0]), &exp(&[2.0, 4.0, 6.0, 8.0, f64::NAN])).unwrap();
        assert!((found.log + 3.0).abs() < 1e-9 && (found.standard_error - 2.0_f64.sqrt()).abs() < 1e-9);
        assert_eq!(found.degrees, 4);
        // Student's quantile with four degrees is 2.7764.
        let (low, high) = found.interval(0.05);
        assert!((low.ln() + 3.0 + 2.7764 * 2.0_f64.sqrt()).abs() < 1e-3 && high > 1.0);
        let p = found.p_value_beyond(0.0);
        assert!((p - student::tail(3.0 / 2.0_f64.sqrt(), 4)).abs() < 1e-12);
        assert!(found.p_value_beyond(1.0) > p);
        assert_eq!(found.p_value_beyond(3.5), 1.0);
    }

    #[test]
    fn few_rounds_tell_nothing_and_equal_ones_leave_no_doubt() {
        assert_eq!(Unpaired::of(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(Unpaired::of(&[1.0, 0.0], &[1.0, 2.0]), None);
        let equal = Unpaired::of(&[2.0, 2.0], &[1.0, 1.0, 1.0]).unwrap();
        assert_eq!((equal.standard_error, equal.p_value_beyond(0.1), equal.degrees), (0.0, 0.0, 1));
    }
}
