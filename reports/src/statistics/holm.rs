//! Holm's correction for many comparisons.

/// Raises the p-values of one family of comparisons, so that calling those below 0.05 different calls any equal pair
/// different in at most 5 % of the families, however the comparisons depend on each other (Holm, A Simple Sequentially
/// Rejective Multiple Test Procedure, Scandinavian Journal of Statistics 6, 1979). The corrected values, at most 1, are
/// in the order of those given; a value that is not a number counts as 1.
#[must_use]
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let known = |index: &usize| if p_values[*index].is_nan() { 1.0 } else { p_values[*index] };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|first, second| known(first).total_cmp(&known(second)));
    let mut corrected = vec![1.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (place, index) in order.iter().enumerate() {
        // The smallest is judged among all, the next among the rest, and none passes where a smaller one has failed.
        let left = (p_values.len() - place) as f64;
        largest = largest.max((left * known(index)).min(1.0));
        corrected[*index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_is_judged_among_all_and_none_passes_after_a_failure() {
        // Sorted: 4 * 0.005, 3 * 0.01, 2 * 0.03, 1 * 0.04 raised to the one before.
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (found, expected) in found.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
    }

    #[test]
    fn one_comparison_needs_no_correction_and_none_exceeds_one() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
        assert_eq!(holm(&[0.04]), [0.04]);
        assert_eq!(holm(&[0.7, 0.8, f64::NAN]), [1.0, 1.0, 1.0]);
    }
}
