//! Two commits of servers, side by side: did the change make anything slower?
//!
//! - [`record`]: what is stored, raw rounds of both sides in pairs;
//! - [`figure`]: by which figures the sides are compared;
//! - [`judgement`]: what may be said, with the rate of false alarms bounded over everything that is compared;
//! - [`words`](mod@words): how it is said; [`markdown`] for a pull request, [`text`] for a terminal.

pub mod figure;
pub mod judgement;
pub mod markdown;
pub mod record;
pub mod text;
pub mod words;

pub use figure::Figure;
pub use judgement::{Judged, JudgedFigure, Verdict, Why, judge};
pub use record::{Comparison, Contest, Side};
