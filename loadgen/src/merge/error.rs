//! Why outcomes cannot be added up.

use crate::FORMAT;

/// Why outcomes cannot be added up. Positions are those in the slice, from 0; the messages count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// There is no outcome.
    #[error("there is no outcome to merge: give at least one")]
    Nothing,
    /// An outcome is in a stored form that this version may misread.
    #[error(
        "outcome {} has format {format} and this version adds up format {FORMAT} only: merge it with the version that \
         wrote it",
        position + 1
    )]
    Format {
        /// The position of the outcome.
        position: usize,
        /// The version of its form.
        format: u32,
    },
    /// The plans of two outcomes measure different things.
    #[error(
        "outcomes {} and {} measured different things, for their plans differ in `{field}`: merge runs of generators \
         that were given the same",
        first + 1,
        second + 1
    )]
    Plans {
        /// The position of the one outcome.
        first: usize,
        /// The position of the other.
        second: usize,
        /// The name of the field of [`Plan`](crate::Plan) that decides what is measured and is not the same.
        field: &'static str,
    },
    /// Two runs did not overlap in time.
    #[error(
        "outcomes {} and {} did not measure at the same time, so the server never met both: start the generators \
         together, on machines whose clocks agree",
        first + 1,
        second + 1
    )]
    Apart {
        /// The position of the outcome whose run had ended.
        first: usize,
        /// The position of the one whose run began only then.
        second: usize,
    },
}
