//! Two commits of servers, side by side: did the change make anything slower?
//!
//! - [`record`]: what is stored, raw rounds of both sides in pairs;
//! - [`figure`]: by which figures the sides are compared;
//! - [`decision`]: the verdict, with the rate of false alarms bounded over everything that is compared;
//! - [`judgement`]: what may be said of a record;
//! - [`waiting`]: signs of a wait that a closed loop hides;
//! - [`resampling`]: how often it is wrong, with recorded rounds;
//! - [`runs`]: two runs that were made at different times;
//! - [`words`](mod@words): how it is said; [`markdown`] for a pull request, [`text`] for a terminal.

pub mod decision;
pub mod figure;
pub mod judgement;
pub mod markdown;
pub mod record;
pub mod resampling;
pub mod runs;
pub mod text;
pub mod waiting;
pub mod words;

pub use decision::{Decision, Verdict, Why};
pub use figure::Figure;
pub use judgement::{Judged, JudgedFigure, judge};
pub use record::{Comparison, Contest, Side};
