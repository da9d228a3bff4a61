//! The noise floor: how far an A/A control differs from what it repeats.

use super::SIGNIFICANCE;
use super::ratio::log_ratios;
use super::student;

/// Fewer pairs of twins tell no noise floor. With 20 the standard deviation is known to about a third (by the
/// chi-square distribution the true one is 0.77 to 1.44 times the one found, in 95 % of the cases); with the 3 of one
/// short run it is anything from 0.6 to 3.7 times.
pub const PAIRS_NEEDED: usize = 20;

/// What pairs of twins have shown so far. Add the pairs of all workloads and of all stored runs that are to count; what
/// is gathered apart is put together with [`add`](Self::add).
///
/// The truth is known, since a server is as fast as itself: so squares are taken about a ratio of 1, not about the mean
/// of a run, and every pair is a degree of freedom. What sets the twins apart for a whole run is noise, too.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TwinNoise {
    /// The sum of the squared log ratios.
    pub squares: f64,
    /// Pairs that it comes from, which are its degrees of freedom.
    pub pairs: usize,
}

impl TwinNoise {
    /// The noise in these pairs, one a round: the figures of the two twins. Pairs in which a figure is not a positive
    /// number are left out.
    #[must_use]
    pub fn of(pairs: &[(f64, f64)]) -> Self {
        let logs = log_ratios(pairs);
        Self { squares: logs.iter().map(|log| log * log).sum(), pairs: logs.len() }
    }

    /// Counts the pairs of another workload or run in.
    pub fn add(&mut self, other: &Self) {
        self.squares += other.squares;
        self.pairs += other.pairs;
    }

    /// The noise floor; none from fewer than [`PAIRS_NEEDED`] pairs.
    #[must_use]
    pub fn floor(&self) -> Option<NoiseFloor> {
        (self.pairs >= PAIRS_NEEDED)
            .then(|| NoiseFloor { standard_deviation: (self.squares / self.pairs as f64).sqrt(), pairs: self.pairs })
    }
}

/// How far two turns of one server are apart in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseFloor {
    /// The standard deviation of the log ratio of one pair; as a share it is nearly the same, 0.03 for 3 %.
    pub standard_deviation: f64,
    /// Pairs that it comes from.
    pub pairs: usize,
}

impl NoiseFloor {
    /// The difference that two turns of one server stay below in 19 of 20 rounds, as a share: 0.07 for "in one round, one
    /// and the same server differs from itself by up to 7 %". What one pair shows below it is noise.
    #[must_use]
    pub fn one_pair(&self) -> f64 {
        self.mean_of(1)
    }

    /// The same for the geometric mean of so many rounds; the floor of a comparison of that many. Infinite for none.
    #[must_use]
    pub fn mean_of(&self, rounds: usize) -> f64 {
        let quantile = student::quantile(SIGNIFICANCE, self.pairs);
        (quantile * self.standard_deviation / (rounds as f64).sqrt()).exp_m1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many pairs, each this far apart, to either side in turn.
    fn pairs(count: i32, log: f64) -> Vec<(f64, f64)> {
        (0..count).map(|index| (500.0 * (log * f64::from(1 - 2 * (index % 2))).exp(), 500.0)).collect()
    }

    #[test]
    fn squares_and_pairs_are_pooled_over_runs() {
        // 3 pairs of 0.04 and 21 of 0.02: (3 * 0.0016 + 21 * 0.0004) / 24 = 0.00055.
        let mut noise = TwinNoise::of(&pairs(3, 0.04));
        assert_eq!(noise.floor(), None);
        noise.add(&TwinNoise::of(&pairs(21, 0.02)));
        let floor = noise.floor().unwrap();
        assert_eq!(floor.pairs, 24);
        assert!((floor.standard_deviation - 0.000_55_f64.sqrt()).abs() < 1e-9);
        // Student's quantile with 24 degrees of freedom is 2.0639.
        assert!((floor.one_pair() - (2.063_9 * 0.000_55_f64.sqrt()).exp_m1()).abs() < 1e-5);
        assert!((floor.mean_of(4) - (2.063_9 * 0.000_55_f64.sqrt() / 2.0).exp_m1()).abs() < 1e-5);
    }

    #[test]
    fn a_lasting_difference_of_the_twins_is_noise_too() {
        let noise = TwinNoise::of(&vec![(515.0, 500.0); PAIRS_NEEDED]);
        assert!((noise.floor().unwrap().standard_deviation - 1.03_f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn few_pairs_and_pairs_without_a_ratio_tell_nothing() {
        assert_eq!(TwinNoise::default().floor(), None);
        assert_eq!(TwinNoise::of(&pairs(PAIRS_NEEDED as i32 - 1, 0.02)).floor(), None);
        assert_eq!(TwinNoise::of(&[(0.0, 1.0), (f64::NAN, 1.0)]), TwinNoise::default());
    }
}
