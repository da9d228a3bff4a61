//! The paths that requests ask for, and in which order.

use serde::{Deserialize, Serialize};

use crate::seed::{self, Purpose};

/// The paths that requests ask for; the URL's alone if there are none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Paths {
    /// Each begins with a slash.
    #[serde(default)]
    pub list: Vec<String>,
    /// In which order.
    #[serde(default)]
    pub order: Order,
}

/// In which order the paths of a list are asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// One after the other, over and over, each thread beginning at another place of the list.
    #[default]
    InTurn,
    /// By chance, each as often as its weight says; as many weights as paths, all finite, none negative, not all 0.
    Weighted(Vec<f64>),
    /// By chance, the path at place `k` of the list as often as `1 / k` to this power says (Zipf's law); 0 or more.
    Zipf(f64),
}

/// A list of paths that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathsError {
    /// There is no path in it.
    #[error("there is no path in it: write one a line, with its weight behind it where they are not to come in turn")]
    Empty,
    /// A weight is not a number.
    #[error("{weight:?} in line {line} is not a weight: write a number that is not below 0")]
    Weight {
        /// The number of the line, from 1.
        line: usize,
        /// What stands behind the path.
        weight: String,
    },
    /// Some paths have weights and others have none.
    #[error(
        "line {line} is the first that differs from those before in having a weight or none: write one for all or none"
    )]
    Mixed {
        /// The number of the line, from 1.
        line: usize,
    },
}

impl Paths {
    /// Reads a list of paths: one a line, with its weight behind a space if they are to be asked for by chance. Empty lines
    /// and those that begin with `#` are passed over.
    ///
    /// # Errors
    ///
    /// When there is no path, a weight is not a number, or not all paths have one or none.
    pub fn parse(text: &str) -> Result<Self, PathsError> {
        let (mut list, mut weights) = (Vec::new(), Vec::new());
        for (number, line) in (1..).zip(text.lines()) {
            let line_text = line.trim();
            if line_text.is_empty() || line_text.starts_with('#') {
                continue;
            }
            let (path, weight) = line_text.split_once(char::is_whitespace).unwrap_or((line_text, ""));
            if !weight.is_empty() {
                let weight = weight.trim();
                let read = weight.parse().ok().filter(|weight: &f64| weight.is_finite() && *weight >= 0.0);
                weights.push(read.ok_or_else(|| PathsError::Weight { line: number, weight: weight.to_owned() })?);
            }
            list.push(path.to_owned());
            if !weights.is_empty() && weights.len() != list.len() {
                return Err(PathsError::Mixed { line: number });
            }
        }
        let order = if weights.is_empty() { Order::InTurn } else { Order::Weighted(weights) };
        if list.is_empty() { Err(PathsError::Empty) } else { Ok(Self { list, order }) }
    }
}

impl Order {
    /// What is wrong with this order for so many paths.
    pub(crate) fn complaint(&self, paths: usize) -> Option<&'static str> {
        match self {
            Self::InTurn => None,
            Self::Weighted(weights) if weights.len() != paths => Some("there have to be as many weights as paths"),
            Self::Weighted(weights) if !weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0) => {
                Some("a weight has to be a number and not below 0")
            }
            Self::Weighted(weights) if weights.iter().sum::<f64>() <= 0.0 => {
                Some("at least one weight has to be above 0")
            }
            Self::Zipf(exponent) if !exponent.is_finite() || *exponent < 0.0 => {
                Some("the exponent of Zipf's law has to be a number and not below 0")
            }
            Self::Weighted(_) | Self::Zipf(_) => None,
        }
    }
}

/// Chooses paths one by one, as the order says.
#[derive(Debug)]
pub(crate) struct Chooser {
    paths: usize,
    /// The last one chosen, for going on with in turn.
    last: usize,
    /// Walker's alias method (Vose, IEEE TSE 17(9), 1991): a path and the chance to keep it, else its alias.
    table: Vec<(f64, usize)>,
    chance: fastrand::Rng,
}

impl Chooser {
    /// For a list of so many paths, which is not empty; threads of the same run begin at different places.
    pub(crate) fn new(order: &Order, paths: usize, seed: u64, thread: usize) -> Self {
        let table = match order {
            _ if paths == 1 => Vec::new(),
            Order::InTurn => Vec::new(),
            Order::Weighted(weights) => alias_table(weights),
            Order::Zipf(exponent) => {
                let weights: Vec<f64> = (1..=paths).map(|rank| (rank as f64).powf(-exponent)).collect();
                alias_table(&weights)
            }
        };
        let last = (thread * 31 + paths - 1) % paths;
        Self { paths, last, table, chance: seed::of_thread(seed, Purpose::Paths, thread) }
    }

    /// The place in the list of the next path.
    #[inline]
    pub(crate) fn next(&mut self) -> usize {
        if self.paths == 1 {
            return 0;
        }
        if self.table.is_empty() {
            self.last = if self.last + 1 == self.paths { 0 } else { self.last + 1 };
            return self.last;
        }
        let place = self.chance.usize(..self.paths);
        let (keep, alias) = self.table[place];
        if self.chance.f64() < keep { place } else { alias }
    }
}

/// The table for weights that are not all 0.
fn alias_table(weights: &[f64]) -> Vec<(f64, usize)> {
    let mean = weights.iter().sum::<f64>() / weights.len() as f64;
    let mut table: Vec<(f64, usize)> = weights.iter().enumerate().map(|(place, w)| (w / mean, place)).collect();
    let (mut poor, mut rich): (Vec<usize>, Vec<usize>) = (0..table.len()).partition(|&place| table[place].0 < 1.0);
    // Each poor place is filled up to 1 by a rich one, which may become poor by that.
    while let (Some(&receiver), Some(&giver)) = (poor.last(), rich.last()) {
        poor.pop();
        table[receiver].1 = giver;
        table[giver].0 -= 1.0 - table[receiver].0;
        if table[giver].0 < 1.0 {
            rich.pop();
            poor.push(giver);
        }
    }
    // What is left differs from 1 by rounding alone.
    poor.into_iter().chain(rich).for_each(|place| table[place].0 = 1.0);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(order: &Order, paths: usize) -> Vec<f64> {
        let mut chooser = Chooser::new(order, paths, 7, 0);
        let draws = 200_000;
        let mut counts = vec![0u32; paths];
        (0..draws).for_each(|_| counts[chooser.next()] += 1);
        counts.into_iter().map(|count| f64::from(count) / f64::from(draws)).collect()
    }

    fn assert_close(shares: &[f64], expected: &[f64]) {
        let close = shares.iter().zip(expected).all(|(share, expected)| (share - expected).abs() < 0.006);
        assert!(close && shares.len() == expected.len(), "{shares:?}, expected {expected:?}");
    }

    #[test]
    fn a_list_is_read_with_or_without_weights() {
        let in_turn = Paths::parse("/a\n\n# no path\n  /b?c=d  \n").unwrap();
        assert_eq!(in_turn, Paths { list: vec!["/a".into(), "/b?c=d".into()], order: Order::InTurn });
        let weighted = Paths::parse("/a 3\r\n/b\t0.5\n").unwrap();
        assert_eq!(weighted.order, Order::Weighted(vec![3.0, 0.5]));
        assert_eq!(Paths::parse("# nothing\n"), Err(PathsError::Empty));
        assert_eq!(Paths::parse("/a 1\n/b x"), Err(PathsError::Weight { line: 2, weight: "x".into() }));
        assert_eq!(Paths::parse("/a -1"), Err(PathsError::Weight { line: 1, weight: "-1".into() }));
        assert_eq!(Paths::parse("/a 1\n\n/b"), Err(PathsError::Mixed { line: 3 }));
        assert_eq!(Paths::parse("/a\n/b 1"), Err(PathsError::Mixed { line: 2 }));
    }

    #[test]
    fn in_turn_is_a_circle() {
        let mut chooser = Chooser::new(&Order::InTurn, 3, 0, 0);
        let chosen: Vec<usize> = (0..7).map(|_| chooser.next()).collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(Chooser::new(&Order::InTurn, 1, 0, 5).next(), 0);
    }

    #[test]
    fn weights_are_kept() {
        assert_close(&shares(&Order::Weighted(vec![1.0, 2.0, 0.0, 5.0]), 4), &[0.125, 0.25, 0.0, 0.625]);
        assert_close(&shares(&Order::Weighted(vec![3.0, 3.0]), 2), &[0.5, 0.5]);
    }

    #[test]
    fn zipfs_law_is_kept() {
        let harmonic: f64 = (1..=5).map(|rank| 1.0 / f64::from(rank)).sum();
        let expected: Vec<f64> = (1..=5).map(|rank| 1.0 / f64::from(rank) / harmonic).collect();
        assert_close(&shares(&Order::Zipf(1.0), 5), &expected);
        assert_close(&shares(&Order::Zipf(0.0), 4), &[0.25; 4]);
    }

    #[test]
    fn the_same_seed_chooses_the_same() {
        let draw = |seed, thread| {
            let mut chooser = Chooser::new(&Order::Zipf(1.0), 100, seed, thread);
            (0..50).map(|_| chooser.next()).collect::<Vec<_>>()
        };
        assert_eq!(draw(1, 0), draw(1, 0));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_ne!(draw(1, 0), draw(1, 1));
    }

    #[test]
    fn orders_that_cannot_be_followed_are_complained_of() {
        for order in [
            Order::Weighted(vec![1.0]),
            Order::Weighted(vec![1.0, -1.0]),
            Order::Weighted(vec![f64::NAN, 1.0]),
            Order::Weighted(vec![0.0, 0.0]),
            Order::Zipf(-0.5),
            Order::Zipf(f64::INFINITY),
        ] {
            assert!(order.complaint(2).is_some(), "{order:?}");
        }
        assert_eq!(Order::Weighted(vec![1.0, 0.0]).complaint(2), None);
        assert_eq!(Order::Zipf(0.9).complaint(2), None);
    }
}
