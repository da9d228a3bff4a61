//! Who cannot be told apart from the best.

use super::SIGNIFICANCE;
use super::holm::holm;
use super::moments::Moments;
use super::ratio::{DRAWN_PAIRS, Ratio, is_usable, ratio_of_pairs};

/// Which figure is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The higher, as with requests per second.
    Higher,
    /// The lower, as with latencies and costs.
    Lower,
}

/// Two contestants, compared within the rounds that they have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// The other one, by its index.
    pub with: usize,
    /// This one's figure over the other one's, with the interval of this comparison alone.
    pub ratio: Ratio,
    /// The p-value of the ratio, corrected for all comparisons that were made together. Below 0.05 the two are told apart.
    pub corrected_p_value: f64,
    /// As how many comparisons this one counts at the strictest: the number of pairs times its [`weight`].
    pub comparisons: usize,
}

impl Comparison {
    /// Whether the two can be told apart, with all the comparisons in mind.
    #[must_use]
    pub fn is_distinct(&self) -> bool {
        self.corrected_p_value < SIGNIFICANCE
    }

    /// The smallest difference that would have been seen, as a share: see [`Ratio::smallest_detectable`].
    #[must_use]
    pub fn smallest_detectable(&self) -> Option<f64> {
        self.ratio.smallest_detectable(self.comparisons)
    }
}

/// Where a contestant belongs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// In a group of contestants that cannot be told apart from its leader.
    Group {
        /// Groups are counted from 1, the best.
        number: usize,
        /// How it compares with the leader of its group; none for the leader.
        to_leader: Option<Comparison>,
        /// How it compares with the leader of the group above, from which it was told apart; none in the first group.
        to_leader_above: Option<Comparison>,
    },
    /// Nowhere: it has too few rounds to be told apart from anybody.
    Undecided {
        /// Rounds in which it could be compared: fewer than two, of its own or together with a leader.
        rounds: usize,
    },
}

impl Place {
    /// The number of its group; none if undecided.
    #[must_use]
    pub fn group(&self) -> Option<usize> {
        match self {
            Self::Group { number, .. } => Some(*number),
            Self::Undecided { .. } => None,
        }
    }
}

/// Puts contestants into groups, by the figures that each has per round. The index of a figure is its round, so that
/// figures of the same index are compared; rounds without a positive figure are left out. The places are in the order of
/// the contestants.
///
/// The best contestant, by the geometric mean of its rounds, leads the first group. Whoever cannot be told apart from it
/// belongs to it, and so does one that beats it in the rounds that they have in common. The best of the rest leads the
/// next group, and so on. Two members of one group may well be told apart from each other, though not from its leader.
///
/// Leaders are chosen by looking at the figures, so every pair might have been compared: [`holm`] corrects over all
/// pairs. Of equals, any is put below another in at most 5 % of the runs, however many there are. (Correcting over the
/// comparisons with the leader alone does not keep that promise: the best of many equals is best by luck.) Where a
/// contestant is itself the best of several rows, see [`groups_in_order`].
///
/// Two rounds are the least with which contestants can be told apart; one with fewer, of its own or in common with a
/// leader that it has to be compared with, is [`Place::Undecided`] and leads nobody.
#[must_use]
pub fn groups(contestants: &[Vec<Option<f64>>], better: Better) -> Vec<Place> {
    groups_in_order(contestants, better, &[], &[])
}

/// The same, with leaders chosen in a given order, the best first, instead of by the geometric mean. Contestants that the
/// order leaves out follow in the order of their geometric means.
///
/// `chosen_from` has, for each contestant, the number of rows of which it is the best one by these same figures; 1 where it
/// ends. The best of several rows is better by luck than one that was not chosen, so the p-value of a pair counts as often
/// as its [`weight`] says.
#[must_use]
pub fn groups_in_order(
    contestants: &[Vec<Option<f64>>],
    better: Better,
    best_first: &[usize],
    chosen_from: &[usize],
) -> Vec<Place> {
    groups_drawn(contestants, better, best_first, chosen_from, DRAWN_PAIRS)
}

/// As how many comparisons a pair of contestants counts that were chosen from so many rows each: the root of the larger
/// number.
///
/// Of two equal servers, one of them taken by the best of its rows, the other one would be put below it more often than in
/// 5 % of the runs: in 7 % with four rows and in 13 % with ten, in nine rounds of simulated runs. At stricter levels it is
/// up to 1.8 times as often as at that level with four rows, and 3.5 times with ten. (It could be no more than the mean of
/// the two numbers of rows, which is too strict for rows that share their rounds with those of the other server.)
#[must_use]
pub fn weight(first_rows: usize, second_rows: usize) -> f64 {
    (first_rows.max(second_rows).max(1) as f64).sqrt()
}

/// The same, with the number of pairs of draws that each bootstrap makes.
pub(super) fn groups_drawn(
    contestants: &[Vec<Option<f64>>],
    better: Better,
    best_first: &[usize],
    chosen_from: &[usize],
    drawn_pairs: usize,
) -> Vec<Place> {
    let pairs = Pairs::of(contestants, chosen_from, drawn_pairs);
    let mut places: Vec<Option<Place>> = contestants
        .iter()
        .map(|rounds| usable(rounds).count())
        .map(|rounds| (rounds < 2).then_some(Place::Undecided { rounds }))
        .collect();
    let mut left = order(contestants, better, best_first);
    left.retain(|index| places[*index].is_none());
    let mut above: Vec<Option<Comparison>> = vec![None; contestants.len()];
    let mut number = 0;
    while let Some((leader, others)) = left.split_first() {
        let leader = *leader;
        number += 1;
        places[leader] = Some(Place::Group { number, to_leader: None, to_leader_above: above[leader] });
        let mut rest = Vec::new();
        for other in others.iter().copied() {
            let Some(comparison) = pairs.compare(other, leader) else {
                let rounds = common(&contestants[other], &contestants[leader]).len();
                places[other] = Some(Place::Undecided { rounds });
                continue;
            };
            let is_worse = match better {
                Better::Higher => comparison.ratio.ratio < 1.0,
                Better::Lower => comparison.ratio.ratio > 1.0,
            };
            if comparison.is_distinct() && is_worse {
                above[other] = Some(comparison);
                rest.push(other);
            } else {
                places[other] =
                    Some(Place::Group { number, to_leader: Some(comparison), to_leader_above: above[other] });
            }
        }
        left = rest;
    }
    places.into_iter().map(|place| place.unwrap_or(Place::Undecided { rounds: 0 })).collect()
}

/// The contestants from best to worst: first those of the given order, then by geometric mean.
fn order(contestants: &[Vec<Option<f64>>], better: Better, best_first: &[usize]) -> Vec<usize> {
    let goodness: Vec<f64> = contestants
        .iter()
        .map(|rounds| {
            let logs: Vec<f64> = usable(rounds).map(f64::ln).collect();
            let mean = Moments::of(&logs).map_or(f64::NEG_INFINITY, |moments| moments.mean);
            if better == Better::Lower { -mean } else { mean }
        })
        .collect();
    let mut by_mean: Vec<usize> = (0..contestants.len()).collect();
    by_mean.sort_by(|first, second| goodness[*second].total_cmp(&goodness[*first]));
    let mut order: Vec<usize> = Vec::with_capacity(contestants.len());
    for index in best_first.iter().copied().chain(by_mean) {
        if index < contestants.len() && !order.contains(&index) {
            order.push(index);
        }
    }
    order
}

/// The figures of the rounds that have a usable one.
fn usable(rounds: &[Option<f64>]) -> impl Iterator<Item = f64> {
    rounds.iter().copied().flatten().filter(|figure| is_usable(*figure))
}

/// The figures of the rounds that both have.
fn common(first: &[Option<f64>], second: &[Option<f64>]) -> Vec<(f64, f64)> {
    let pairs = first.iter().zip(second).filter_map(|(first, second)| Some(((*first)?, (*second)?)));
    pairs.filter(|(first, second)| is_usable(*first) && is_usable(*second)).collect()
}

/// Every pair of contestants that can be compared at all.
struct Pairs {
    /// In the order of the second one.
    all: Vec<Pair>,
}

struct Pair {
    first: usize,
    /// It is larger than the first.
    second: usize,
    /// Of the first to the second.
    ratio: Ratio,
    corrected_p_value: f64,
    /// For the rows that the two were chosen from.
    weight: f64,
}

impl Pairs {
    fn of(contestants: &[Vec<Option<f64>>], chosen_from: &[usize], drawn_pairs: usize) -> Self {
        let rows = |index: usize| chosen_from.get(index).copied().unwrap_or(1);
        let mut all = Vec::new();
        let mut p_values = Vec::new();
        for (second, figures) in contestants.iter().enumerate() {
            for (first, other) in contestants[..second].iter().enumerate() {
                let ratio = ratio_of_pairs(&common(other, figures), drawn_pairs);
                if let Some((ratio, p_value)) = ratio.and_then(|ratio| Some((ratio, ratio.p_value?))) {
                    let weight = weight(rows(first), rows(second));
                    all.push(Pair { first, second, ratio, corrected_p_value: 1.0, weight });
                    p_values.push((weight * p_value).min(1.0));
                }
            }
        }
        for (pair, corrected) in all.iter_mut().zip(holm(&p_values)) {
            pair.corrected_p_value = corrected;
        }
        Self { all }
    }

    /// How one contestant compares with another; none with fewer than two rounds in common.
    fn compare(&self, one: usize, with: usize) -> Option<Comparison> {
        let sought = (one.min(with), one.max(with));
        let pair = self.all.iter().find(|pair| (pair.first, pair.second) == sought)?;
        let ratio = if one < with { pair.ratio } else { pair.ratio.turned_around() };
        let comparisons = (self.all.len() as f64 * pair.weight).ceil() as usize;
        Some(Comparison { with, ratio, corrected_p_value: pair.corrected_p_value, comparisons })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Figures around a level, with a little noise that differs from one contestant to the next.
    fn around(level: f64, shape: [f64; 5]) -> Vec<Option<f64>> {
        shape.iter().map(|part| Some(level * (1.0 + part / 100.0))).collect()
    }

    fn numbers(places: &[Place]) -> Vec<Option<usize>> {
        places.iter().map(Place::group).collect()
    }

    const FIRST: [f64; 5] = [0.3, -0.2, 0.4, -0.5, 0.1];
    const SECOND: [f64; 5] = [-0.4, 0.3, 0.1, 0.2, -0.1];
    const THIRD: [f64; 5] = [0.1, 0.5, -0.3, -0.2, 0.0];

    #[test]
    fn the_best_of_the_rest_leads_the_next_group() {
        let contestants = [
            around(80.0, FIRST),
            around(100.0, SECOND),
            around(100.1, THIRD),
            around(80.1, SECOND),
            around(50.0, THIRD),
        ];
        let places = groups(&contestants, Better::Higher);
        assert_eq!(numbers(&places), [Some(2), Some(1), Some(1), Some(2), Some(3)]);
        // The leader of the second group was told apart from that of the first.
        let Place::Group { to_leader: None, to_leader_above: Some(above), .. } = places[3] else {
            panic!("{:?}", places[3]);
        };
        assert_eq!((above.with, above.comparisons), (2, 10));
        assert!(above.ratio.ratio < 0.82 && above.is_distinct());
        let Place::Group { to_leader: Some(to_leader), to_leader_above: None, .. } = places[1] else {
            panic!("{:?}", places[1]);
        };
        assert_eq!(to_leader.with, 2);
        assert!((to_leader.ratio.ratio - 0.999).abs() < 1e-3 && !to_leader.is_distinct());
        assert!(to_leader.smallest_detectable() > to_leader.ratio.smallest_detectable(1));
    }

    #[test]
    fn the_lowest_leads_where_lower_is_better() {
        let contestants = [around(80.0, FIRST), around(100.0, SECOND), around(80.1, SECOND)];
        assert_eq!(numbers(&groups(&contestants, Better::Lower)), [Some(1), Some(2), Some(1)]);
        assert_eq!(numbers(&groups(&contestants, Better::Higher)), [Some(2), Some(1), Some(2)]);
    }

    #[test]
    fn a_pair_counts_more_often_if_it_had_rows_to_choose_from() {
        let contestants = [around(80.0, FIRST), around(100.0, SECOND)];
        let to_above = |chosen_from: &[usize]| match groups_in_order(&contestants, Better::Higher, &[], chosen_from)[0]
        {
            Place::Group { to_leader_above: Some(comparison), .. } => comparison,
            place => panic!("{place:?}"),
        };
        let (alone, chosen) = (to_above(&[]), to_above(&[1, 4]));
        assert_eq!((alone.comparisons, chosen.comparisons), (1, 2));
        assert!((chosen.corrected_p_value / alone.corrected_p_value - 2.0).abs() < 1e-9);
        assert_eq!(chosen.ratio, alone.ratio);
    }

    #[test]
    fn one_round_decides_nothing() {
        let one = vec![Some(100.0)];
        let undecided = Place::Undecided { rounds: 1 };
        assert_eq!(groups(&[one, vec![Some(10.0)]], Better::Higher), [undecided, undecided]);
        // Beside others with enough rounds, the one without them still belongs nowhere, however good it looks.
        let mut short = vec![None; 5];
        short[1] = Some(900.0);
        let places = groups(&[around(100.0, FIRST), short, around(50.0, SECOND), vec![]], Better::Higher);
        assert_eq!(numbers(&places), [Some(1), None, Some(2), None]);
        assert_eq!(places[3], Place::Undecided { rounds: 0 });
        assert_eq!(groups(&[], Better::Higher), []);
    }

    #[test]
    fn rounds_are_compared_by_their_index() {
        // Two of the rounds are in common, but neither contestant has only two.
        let first = vec![Some(100.0), Some(110.0), Some(90.0), None, Some(f64::NAN)];
        let second = vec![None, Some(50.0), Some(50.0), Some(50.0), Some(50.0)];
        let places = groups(&[first.clone(), second], Better::Higher);
        let Place::Group { to_leader: Some(comparison), .. } = places[1] else {
            panic!("{:?}", places[1]);
        };
        assert_eq!(comparison.ratio.rounds, 2);
        // With a single one in common there is no comparison.
        let apart = vec![None, None, Some(50.0), Some(50.0), Some(50.0)];
        assert_eq!(groups(&[first, apart], Better::Higher)[1], Place::Undecided { rounds: 1 });
    }

    #[test]
    fn a_given_order_chooses_the_leaders_and_nobody_is_put_below_whom_it_beat() {
        let contestants = [around(100.0, FIRST), around(100.4, SECOND), around(140.0, THIRD)];
        let places = groups_in_order(&contestants, Better::Higher, &[1, 7, 1], &[]);
        assert_eq!(numbers(&places), [Some(1), Some(1), Some(1)]);
        let Place::Group { to_leader: Some(comparison), .. } = places[2] else {
            panic!("{:?}", places[2]);
        };
        assert!(comparison.with == 1 && comparison.is_distinct() && comparison.ratio.ratio > 1.3);
    }
}
