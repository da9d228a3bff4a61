//! Mean and spread of a few figures.

/// Logarithms of ratios that differ by less than this differ by rounding alone: no counter holds twelve digits.
const ROUNDING: f64 = 1e-12;

/// What a few figures come to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Moments {
    /// Their arithmetic mean.
    pub(super) mean: f64,
    /// Their standard deviation, with n - 1 degrees of freedom; 0 for one figure and for equal ones.
    pub(super) standard_deviation: f64,
    /// The standard error of the mean; 0 likewise.
    pub(super) standard_error: f64,
}

impl Moments {
    /// Of these figures; none of no figures.
    pub(super) fn of(figures: &[f64]) -> Option<Self> {
        if figures.is_empty() {
            return None;
        }
        let count = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / count;
        let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
        let standard_deviation = (squares / (count - 1.0).max(1.0)).sqrt();
        if standard_deviation < ROUNDING {
            let mean = if mean.abs() < ROUNDING { 0.0 } else { mean };
            return Some(Self { mean, standard_deviation: 0.0, standard_error: 0.0 });
        }
        Some(Self { mean, standard_deviation, standard_error: standard_deviation / count.sqrt() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_has_one_degree_of_freedom_less() {
        let moments = Moments::of(&[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((moments.mean, moments.standard_deviation), (2.0, 1.0));
        assert!((moments.standard_error - 3.0_f64.sqrt().recip()).abs() < 1e-15);
    }

    #[test]
    fn rounding_is_no_spread() {
        assert_eq!(Moments::of(&[0.3, 0.1 + 0.2, 0.3]).unwrap().standard_error, 0.0);
        assert_eq!(Moments::of(&[2e-16, 2e-16]).unwrap().mean, 0.0);
        assert_eq!(Moments::of(&[0.7]).unwrap(), Moments { mean: 0.7, standard_deviation: 0.0, standard_error: 0.0 });
        assert_eq!(Moments::of(&[]), None);
    }
}
