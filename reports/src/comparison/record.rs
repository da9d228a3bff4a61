//! The record of a comparison, as it is stored: the raw rounds of both sides, and nothing derived from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::figure::Figure;
use crate::environment::Environment;
use crate::record::{Measurement, NoiseBefore};
use crate::store::{StoreError, parse, write_whole};
use crate::timestamp::Timestamp;

/// The version of the stored record that this library writes and reads.
pub const FORMAT: u32 = 1;

/// The record's file in a comparison's folder.
pub const FILE: &str = "comparison.json";

/// Two commits of the same servers, compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this record's form, [`FORMAT`] when written by this library.
    pub format: u32,
    /// The comparison's name, which is also its folder's: `20260301T123005Z-compare`.
    pub id: String,
    /// When the first turn began.
    pub started_at: Timestamp,
    /// When the last turn ended; absent for a comparison that was interrupted.
    pub finished_at: Option<Timestamp>,
    /// The command that repeats this, word by word, its seed included.
    pub command: Vec<String>,
    /// The seed of the coins and orders.
    pub seed: u64,
    /// How long the turns were to take at most, in seconds.
    pub budget_seconds: f64,
    /// The slowdown that is let pass, as a share, and the difference that turns are taken until it would be seen.
    pub max_slowdown: f64,
    /// Machine, limits and the bench that drove both sides.
    pub environment: Environment,
    /// What there was before.
    pub base: Side,
    /// What changed it.
    pub head: Side,
    /// What comparisons before this one, on the same machine, have shown of its noise.
    pub noise_before: BTreeMap<Figure, NoiseBefore>,
    /// Every server under every load that both sides have.
    pub contests: Vec<Contest>,
    /// Servers whose programs are the same on both sides: their comparison was done by that.
    #[serde(default)]
    pub identical: Vec<String>,
    /// What was not compared and why, a sentence each.
    pub left_out: Vec<String>,
}

/// The name by which the load generator takes part.
pub const GENERATOR: &str = "loadgen";

/// One of the two commits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// As it was asked for: a branch, a tag, a hash.
    pub name: String,
    /// The full hash.
    pub commit: String,
    /// The compiler that built it, as `rustc --version` has it, where one did and is known.
    pub compiler: Option<String>,
}

/// One program under one load, as base and head have it.
///
/// Rounds of the same index are a pair: they were taken at the same time, on the same CPUs, each under the load of clients of
/// its own. A round's position says in which order the two were started, which a coin decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contest {
    /// What is compared.
    pub subject: Subject,
    /// The base's turns.
    pub base: Measurement,
    /// The head's turns.
    pub head: Measurement,
    /// The base beside itself, two entries with turns in pairs, which show how far one program is from itself; empty where
    /// it had none.
    #[serde(default)]
    pub twins: Vec<Measurement>,
    /// What counters that noise cannot move say of the change, a phrase each (`+1.00 epoll_ctl`); absent where they were not
    /// asked, empty where they saw no difference.
    #[serde(default)]
    pub causes: Option<Vec<String>>,
}

/// What a contest compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Two builds of a server, under the load of one generator.
    Server,
    /// Two builds of the load generator, against one server that does nothing.
    Generator,
}

impl Side {
    /// The name as it was asked for and the first letters of the hash: `main (0bed6af12)`.
    #[must_use]
    pub fn title(&self) -> String {
        let short = self.commit.get(..9).unwrap_or(&self.commit);
        if self.commit.starts_with(&self.name) { short.to_owned() } else { format!("{} ({short})", self.name) }
    }
}

impl Comparison {
    /// Whether every server was left out, so that it says nothing of any. That the load generator is the same says nothing of
    /// them.
    #[must_use]
    pub fn has_compared_nothing(&self) -> bool {
        let is_generator_alone = self.identical.iter().all(|name| name == GENERATOR) && !self.left_out.is_empty();
        self.contests.is_empty() && (self.identical.is_empty() || is_generator_alone)
    }

    /// What was not measured and why, a sentence each.
    pub(crate) fn not_measured(&self) -> impl Iterator<Item = String> {
        let identical = self.identical.iter().map(|name| format!("{name}: identical programs, nothing to measure."));
        identical.chain(self.left_out.iter().cloned())
    }

    /// Writes the record into a folder, whole or not at all.
    ///
    /// # Errors
    /// [`StoreError::File`] if it cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, StoreError> {
        let path = folder.join(FILE);
        let mut text = serde_json::to_vec(self).map_err(|source| StoreError::Broken { path: path.clone(), source })?;
        text.push(b'\n');
        write_whole(&path, &text)?;
        Ok(path)
    }

    /// Reads a record by its path or that of its folder.
    ///
    /// # Errors
    /// [`StoreError`], each saying what to do.
    pub fn load(path: &Path) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Versioned {
            format: u64,
        }
        let path = if path.is_dir() { path.join(FILE) } else { path.to_path_buf() };
        let text = fs::read(&path).map_err(|_| StoreError::Missing { path: path.clone() })?;
        let broken = |source| StoreError::Broken { path: path.clone(), source };
        let version: Versioned = serde_json::from_slice(&text).map_err(broken)?;
        if version.format != u64::from(FORMAT) {
            return Err(StoreError::Format { path, found: version.format });
        }
        parse(&path, &text)
    }
}
