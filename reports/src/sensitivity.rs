//! What a table would have shown: the smallest difference between servers that its rounds and their noise let through.

use crate::ranking::{Row, Table, compare};
use crate::statistics::{median, weight};
use crate::words;

/// What a table of servers would have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sensitivity {
    /// The difference from the best server that four of five runs like this one would have shown (a power of 80 %), after
    /// all corrections, as a share: 0.08 for 8 %. The median of the servers.
    pub smallest: f64,
    /// Pairs of servers that are corrected for.
    pub pairs: usize,
}

/// What a table would have shown; none where fewer than two servers are ranked, or without intervals.
#[must_use]
pub fn of(table: &Table<'_>) -> Option<Sensitivity> {
    let servers = table.best_of_each_server();
    let (best, others) = servers.split_first()?;
    let pairs = servers.len() * (servers.len() - 1) / 2;
    let smallest = |other: &&Row<'_>| {
        let comparisons = (pairs as f64 * weight(table.chosen_from(other), table.chosen_from(best))).ceil() as usize;
        compare(other, best)?.smallest_detectable(comparisons)
    };
    let smallest: Vec<f64> = others.iter().filter_map(smallest).filter(|share| share.is_finite()).collect();
    Some(Sensitivity { smallest: median(&smallest)?, pairs })
}

impl Sensitivity {
    /// The same in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let difference = if self.smallest < 1.0 {
            format!("a difference of {}", words::percent(self.smallest))
        } else {
            format!("a factor of {}", words::ratio(1.0 + self.smallest))
        };
        format!(
            "With these rounds and this noise, {difference} from the best server is found in four of five runs like this one \
             (80 % power, corrected for {} and for taking each server by its best row); a smaller one is found less often.",
            if self.pairs == 1 { "one pair of servers".to_owned() } else { format!("{} pairs of servers", self.pairs) },
        )
    }
}
