//! What is said of an outcome.

use loadgen::Outcome;
use loadgen::text::beyond;
use loadgen::validity::{Complaint, complaints};

/// Sees to it that an outcome is complained of in this way, and that the text for people names the number in these
/// words.
#[track_caller]
pub(crate) fn assert_told(outcome: &Outcome, is_meant: impl Fn(&Complaint) -> bool, words: &str) {
    let complaints = complaints(outcome);
    assert!(complaints.iter().any(is_meant), "{complaints:#?}\n{outcome:#?}");
    let text = beyond(outcome);
    assert!(text.contains(words), "{words:?} is missing: {text}");
    assert!(!text.contains("\n  valid "), "{text}");
    for complaint in complaints {
        assert!(text.contains(&format!("\n  NOT VALID       {complaint}\n")), "{complaint}{text}");
    }
}

/// Sees to it that nothing is said against the server. What is said of the machine is left out: it may be a busy one.
#[track_caller]
pub(crate) fn assert_nothing_told(outcome: &Outcome) {
    let mut complaints = complaints(outcome);
    complaints.retain(|complaint| !is_of_the_machine(complaint));
    assert_eq!(complaints, [], "{outcome:#?}");
}

/// Whether the generator says itself that it was kept from its work.
pub(crate) fn is_disturbed(outcome: &Outcome) -> bool {
    complaints(outcome).iter().any(is_of_the_machine)
}

/// Whether another program's work on the same machine may be the reason.
fn is_of_the_machine(complaint: &Complaint) -> bool {
    use Complaint::{Crowded, HalvesDiffer, Late, LittlesLaw, TooNoisy};
    matches!(complaint, TooNoisy { .. } | Crowded { .. } | Late { .. } | HalvesDiffer { .. } | LittlesLaw { .. })
}
