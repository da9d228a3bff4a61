//! Student's distribution for whole degrees of freedom.
//!
//! Own code, because with whole degrees of freedom the distribution is a finite sum of powers of a cosine (Abramowitz
//! and Stegun, Handbook of Mathematical Functions, 1964, 26.7.3 and 26.7.4): a dozen lines, and no library to follow.

use std::f64::consts::FRAC_2_PI;

/// How likely a variable of Student's distribution is at least as far from zero as `t`, on either side: 0 to 1. Without
/// degrees of freedom nothing is known, and it is 1.
pub(super) fn tail(t: f64, degrees: usize) -> f64 {
    if degrees == 0 || t.is_nan() {
        return 1.0;
    }
    let angle = (t.abs() / (degrees as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let odd = degrees % 2 == 1;
    // The sums of odd and of even degrees differ in their first term alone.
    let (first, start) = if odd { (cosine, 3) } else { (1.0, 2) };
    let mut term = first;
    let mut sum = if degrees == 1 { 0.0 } else { first };
    for power in (start..=degrees.saturating_sub(2)).step_by(2) {
        term *= cosine * cosine * (power - 1) as f64 / power as f64;
        sum += term;
    }
    let within = if odd { FRAC_2_PI * (angle + sine * sum) } else { sine * sum };
    // Rounding may carry a far tail below zero.
    (1.0 - within).clamp(0.0, 1.0)
}

/// The distance from zero that is reached on either side with this probability, which is above 0 and at most 1: the
/// inverse of [`tail`]. It is infinite without degrees of freedom, and for probabilities that a float cannot tell from 0.
pub(super) fn quantile(probability: f64, degrees: usize) -> f64 {
    let mut above = 1.0;
    while tail(above, degrees) > probability {
        above *= 2.0;
        if above > 1e18 {
            return f64::INFINITY;
        }
    }
    let mut below = 0.0;
    // Each step wins a bit; a float has 53.
    for _ in 0..64 {
        let middle = f64::midpoint(below, above);
        if tail(middle, degrees) > probability {
            below = middle;
        } else {
            above = middle;
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantiles_are_those_of_the_printed_tables() {
        let table = [
            (1, 0.05, 12.7062),
            (2, 0.05, 4.3027),
            (3, 0.05, 3.1824),
            (4, 0.05, 2.7764),
            (5, 0.05, 2.5706),
            (8, 0.05, 2.3060),
            (9, 0.05, 2.2622),
            (19, 0.05, 2.0930),
            (120, 0.05, 1.9799),
            (4, 0.001, 8.6103),
            (2, 0.001, 31.5991),
            (9, 0.4, 0.8834),
        ];
        for (degrees, probability, expected) in table {
            let found = quantile(probability, degrees);
            assert!((found - expected).abs() < 1e-4, "{found} for {degrees} degrees at {probability}");
        }
    }

    #[test]
    fn the_tails_are_known_where_they_have_a_short_formula() {
        // With one degree it is Cauchy's distribution, with two it is 1 - t / sqrt(2 + t^2).
        for t in [0.0_f64, 0.3, 1.0, 4.0, 50.0] {
            assert!((tail(t, 1) - (1.0 - FRAC_2_PI * t.atan())).abs() < 1e-14);
            assert!((tail(-t, 2) - (1.0 - t / (2.0 + t * t).sqrt())).abs() < 1e-14);
        }
    }

    #[test]
    fn the_ends_are_answered_too() {
        assert_eq!(tail(0.0, 5), 1.0);
        assert_eq!(tail(f64::INFINITY, 5), 0.0);
        assert_eq!(tail(3.0, 0), 1.0);
        assert_eq!(tail(f64::NAN, 3), 1.0);
        assert_eq!(quantile(0.05, 0), f64::INFINITY);
        assert!(quantile(1.0, 3).abs() < 1e-9);
        assert!(tail(1e6, 40) >= 0.0);
    }
}
