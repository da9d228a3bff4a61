//! Where a series breaks most, and how likely a flat one breaks as much.
//!
//! The sum of the first so many deviations from the mean tells how far the two sides of a split are apart (Page,
//! Continuous Inspection Schemes, Biometrika 41, 1954). It is measured in the noise between neighbours, which a step
//! hardly touches: measured in the spread of the whole series, a rise and a fall would hide each other.
//!
//! How large the largest distance of a flat series gets is learnt from the series itself: what is left of it when the
//! step is taken out is shuffled (Antoch and Hušková, Permutation tests in change point analysis, Statistics &
//! Probability Letters 53, 2001).

use fastrand::Rng;

use super::student;

/// Each side of a split has at least so many figures. With three, heavy-tailed noise showed more steps, and no more
/// true ones were found.
pub(super) const SHORTEST: usize = 4;
/// So many figures on either side of a split are compared by themselves, too, so that a fall soon after a rise is seen
/// (moving sums; Eichinger and Kirch, A MOSUM procedure for the estimation of multiple random change points, Bernoulli
/// 24, 2018).
const NEAR: [usize; 3] = [5, 10, 20];
/// How often a series is shuffled.
const SHUFFLES: usize = 999;
/// So many shuffles that break as much as the series itself are enough to know that it is flat (Besag and Clifford,
/// Sequential Monte Carlo p-values, Biometrika 78, 1991). Beyond as many of the largest ones the tail is extrapolated.
const ENOUGH: usize = 10;
/// A series is shuffled the same way each time, so that a report made twice says the same.
const SEED: u64 = 0x57e9;

/// The mean distance of two normal figures over their standard deviation is two over the root of pi.
pub(super) const NEIGHBOURS: f64 = 0.886_226_925_452_758;

/// The split of some figures whose sides are farthest apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Split {
    /// Figures before it.
    pub(super) place: usize,
    /// The distance of the means of its sides in their standard errors, without its sign.
    pub(super) distance: f64,
}

/// What is needed again and again for figures of one length.
#[derive(Debug)]
pub(super) struct Scan {
    /// By the number of figures before a split: what turns a sum of deviations into a distance; 0 where a side is too
    /// short.
    weights: Vec<f64>,
}

impl Scan {
    /// For so many figures.
    pub(super) fn of(count: usize) -> Self {
        let weight = |before: usize| {
            let after = count - before;
            if before < SHORTEST || after < SHORTEST {
                return 0.0;
            }
            (count as f64 / (before as f64 * after as f64)).sqrt()
        };
        Self { weights: (0..count).map(weight).collect() }
    }

    /// The farthest split of as many figures as it was made for; none where both sides cannot be long enough, or
    /// without any noise.
    pub(super) fn split(&self, figures: &[f64]) -> Option<Split> {
        let mean = figures.iter().sum::<f64>() / figures.len() as f64;
        let (mut place, mut farthest, mut sum) = (0, 0.0, 0.0);
        for (before, (figure, weight)) in figures.iter().zip(&self.weights).enumerate() {
            let distance = sum * weight;
            let distance = distance * distance;
            if distance > farthest {
                (place, farthest) = (before, distance);
            }
            sum += figure - mean;
        }
        for near in NEAR.iter().filter(|near| 2 * **near <= figures.len()) {
            let mut sum: f64 = figures[*near..2 * near].iter().zip(figures).map(|(after, before)| after - before).sum();
            let weight = 1.0 / (2.0 * *near as f64);
            for before in *near..=figures.len() - near {
                let distance = sum * sum * weight;
                if distance > farthest {
                    (place, farthest) = (before, distance);
                }
                if before < figures.len() - near {
                    sum += figures[before + near] - 2.0 * figures[before] + figures[before - near];
                }
            }
        }
        let noise = noise(figures);
        (place > 0 && noise > 0.0).then(|| Split { place, distance: farthest.sqrt() / noise })
    }

    /// The distance of the sides of this split, in standard errors.
    pub(super) fn distance(&self, figures: &[f64], place: usize) -> f64 {
        let mean = figures.iter().sum::<f64>() / figures.len() as f64;
        let sum: f64 = figures[..place].iter().map(|figure| figure - mean).sum();
        (sum * self.weights[place] / noise(figures)).abs()
    }

    /// How likely flat figures with the noise of these break as much as they do at this split, 0 to 1.
    pub(super) fn p_value(&self, figures: &[f64], split: &Split) -> f64 {
        match self.shuffled(figures, split.place, split.distance) {
            Ok(tail) => tail.probability(split.distance),
            Err(probability) => probability,
        }
    }

    /// The distance that flat figures with the noise of these reach so rarely.
    pub(super) fn critical(&self, figures: &[f64], place: usize, probability: f64) -> f64 {
        self.shuffled(figures, place, f64::INFINITY).map_or(f64::INFINITY, |tail| tail.distance(probability))
    }

    /// The tail of the distances that shuffles reach, or the probability of this distance if it is no rare one.
    fn shuffled(&self, figures: &[f64], place: usize, distance: f64) -> Result<Tail, f64> {
        let mut random = Rng::with_seed(SEED);
        let (before, after) = figures.split_at(place);
        let mut rest: Vec<f64> = Vec::with_capacity(figures.len());
        for side in [before, after] {
            let mean = side.iter().sum::<f64>() / side.len() as f64;
            rest.extend(side.iter().map(|figure| figure - mean));
        }
        let mut reached = Vec::with_capacity(SHUFFLES);
        let mut beyond = 0;
        for shuffle in 1..=SHUFFLES {
            random.shuffle(&mut rest);
            let found = self.split(&rest).map_or(0.0, |split| split.distance);
            beyond += usize::from(found >= distance);
            if beyond == ENOUGH {
                return Err(ENOUGH as f64 / shuffle as f64);
            }
            reached.push(found);
        }
        reached.sort_by(|first, second| second.total_cmp(first));
        Ok(Tail { from: reached[ENOUGH - 1], degrees: figures.len() * 2 / 3 })
    }
}

/// The rare distances: beyond those that were seen, they thin out as Student's distribution does.
#[derive(Clone, Copy, Debug)]
struct Tail {
    /// The distance that [`ENOUGH`] of all shuffles reached.
    from: f64,
    /// Degrees of freedom: two for three figures, because the distances of neighbours overlap.
    degrees: usize,
}

impl Tail {
    const PROBABILITY: f64 = ENOUGH as f64 / (SHUFFLES + 1) as f64;

    fn probability(self, distance: f64) -> f64 {
        Self::PROBABILITY * student::tail(distance, self.degrees) / student::tail(self.from, self.degrees)
    }

    fn distance(self, probability: f64) -> f64 {
        student::quantile(probability * student::tail(self.from, self.degrees) / Self::PROBABILITY, self.degrees)
    }
}

/// The standard deviation of figures about their levels, from the distances of neighbours; 0 of fewer than two.
pub(super) fn noise(figures: &[f64]) -> f64 {
    let sum: f64 = figures.windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum();
    NEIGHBOURS * sum / figures.len().saturating_sub(1).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_farthest_split_is_where_the_sides_differ_most() {
        let figures = [1.0, 1.1, 0.9, 1.0, 1.1, 2.0, 2.1, 1.9, 2.0, 2.1];
        let scan = Scan::of(figures.len());
        let split = scan.split(&figures).unwrap();
        assert_eq!(split.place, 5);
        // The sides are 1 apart, with a standard error of 0.63 times the noise.
        assert!((split.distance - 1.0 / (0.4_f64.sqrt() * noise(&figures))).abs() < 1e-9, "{split:?}");
        assert!((split.distance - scan.distance(&figures, 5)).abs() < 1e-9);
        assert!(scan.distance(&figures, 4) < split.distance);
    }

    #[test]
    fn a_fall_soon_after_a_rise_is_seen_between_its_neighbours() {
        let mut figures = vec![0.0; 60];
        for (place, figure) in figures.iter_mut().enumerate() {
            *figure = f64::from(place as u32 * 7 % 5) / 10.0 + if (30..35).contains(&place) { 2.0 } else { 0.0 };
        }
        let split = Scan::of(60).split(&figures).unwrap();
        assert!([30, 35].contains(&split.place), "{split:?}");
    }

    #[test]
    fn too_few_figures_and_equal_ones_have_no_split() {
        assert_eq!(Scan::of(7).split(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), None);
        assert_eq!(Scan::of(20).split(&[3.0; 20]), None);
        assert_eq!(Scan::of(0).split(&[]), None);
    }
}
