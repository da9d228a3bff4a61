//! Every model is held to every rule: a test for each group of rules and each model.

use harness::conformance::{Subject, furnish, groups};
use harness::{Model, PATIENCE, Root};

/// One test for each group under each model, and a list of the groups that are tested.
macro_rules! groups {
    ($($test:ident = $name:literal),+ $(,)?) => {
        harness::under_every_model!($($test),+);

        $(fn $test(model: Model) { keeps(model, $name); })+

        const TESTED: &[&str] = &[$($name),+];
    };
}

groups!(
    methods = "methods",
    versions = "versions",
    hosts_and_targets = "hosts and targets",
    grammar = "grammar",
    limits = "limits",
    small_limits = "small limits",
    bodies = "bodies",
    connections = "connections",
    one_request_a_connection = "one request a connection",
    paths = "paths",
    redirects = "redirects",
    places = "places",
    hidden_names = "hidden names",
    responses = "responses",
    preconditions = "preconditions",
    dates_of_preconditions = "dates of preconditions",
    order_of_preconditions = "order of preconditions",
    ranges = "ranges",
    range_sets = "range sets",
    if_range = "If-Range",
    errors = "errors",
    deadlines = "deadlines",
);

#[test]
fn no_group_is_forgotten() {
    let names: Vec<&str> = groups().iter().map(|group| group.name).collect();
    assert_eq!(names, TESTED);
}

/// Tries the group with one worker, who has to do everything, and with several.
#[track_caller]
fn keeps(model: Model, name: &str) {
    let mut groups = groups();
    groups.retain(|group| group.name == name);
    let root = furnish(Root::new());
    let workers: &[u32] = if model.has_workers() { &[1, 4] } else { &[4] };
    for workers in workers {
        let subject = Subject::Ours(model, *workers);
        let tally = subject.hold_to(&groups, &root, PATIENCE).unwrap_or_else(|why| panic!("{subject}: {why}"));
        assert!(tally.failed() == 0 && tally.passed() == tally.rules(), "{name}:\n{}", tally.table(true));
    }
}
