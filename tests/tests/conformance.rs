//! Every model is held to every rule: a test for each group of rules and each model.

use std::process::Command;
use std::time::Duration;

use harness::conformance::{Subject, furnish, groups};
use harness::{Finished, Model, PATIENCE, Root, Server, finish, tool};

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

/// The suite is for anybody's server: it gets to its end, has a line for each rule, and leaves the server alive. How many
/// rules that server keeps is its own affair; most, if the suite is sound.
fn tries_another_server(subject: Subject, program: &str) {
    if tool(program).is_none() {
        return;
    }
    let groups = groups();
    let rules: usize = groups.iter().map(|group| group.cases.len()).sum();
    let tally = subject.hold_to(&groups, &furnish(Root::new()), Duration::from_secs(3));
    let tally = tally.unwrap_or_else(|why| panic!("{subject}: {why}"));
    assert_eq!(tally.rules(), rules);
    assert!(tally.passed() > rules / 2, "{}", tally.table(true));
    assert!(tally.failed() > 0, "{subject} makes the same choices as we do, which nobody expected");
    assert_eq!(tally.table(false).lines().filter(|line| line.contains(" passed  ")).count(), tally.passed());
    assert!(tally.software.as_deref().is_some_and(|name| name.starts_with(program)), "{:?}", tally.software);
}

#[test]
fn tries_nginx() {
    tries_another_server(Subject::Nginx, "nginx");
}

#[test]
fn tries_lighttpd() {
    tries_another_server(Subject::Lighttpd, "lighttpd");
}

fn command(arguments: &[&str]) -> Finished {
    finish(Command::new(env!("CARGO_BIN_EXE_conformance")).args(arguments), PATIENCE * 6)
}

#[test]
fn the_command_tries_whatever_listens() {
    let place = Root::new();
    let law = place.outside().join("law");
    let written = command(&["--write-site", law.to_str().expect("a name in ASCII")]).succeeded();
    assert!(written.stdout.contains("law/root"), "{written:?}");
    let server = Server::of(Model::Epoll).root_at(law.join("root")).start();
    let told = command(&["--address", &server.address().to_string()]).succeeded().stdout;
    let rules: usize = groups().iter().map(|group| group.cases.len()).sum();
    let says = |line: &str, mark: &str| line.chars().skip(15).collect::<String>().starts_with(mark);
    let lines = |mark: &str| told.lines().filter(|line| says(line, mark)).count();
    assert_eq!(lines("passed") + lines("left out"), rules, "{told}");
    assert!(lines("left out") > 0 && lines("left out") < rules / 10, "{told}");

    // The same server over another root breaks rules.
    let server = Server::of(Model::Epoll).start();
    let finished = command(&["--address", &server.address().to_string(), "--failed"]);
    assert_eq!(finished.code(), 1, "{finished:?}");
    assert!(finished.stdout.contains("FAILED"), "{finished:?}");
}

#[test]
fn the_command_says_what_it_cannot_do() {
    for (arguments, why) in [
        (&["--server", "nobody"][..], "no server is called nobody"),
        // Nobody may listen on the first port without being asked for it.
        (&["--address", "127.0.0.1:1"], "does not run"),
        (&["--workers", "0"], "serves nobody"),
        (&["--write-site", "/"], "cannot make"),
        (&["--no-such-flag"], "--no-such-flag"),
    ] {
        let finished = command(arguments);
        assert_eq!(finished.code(), 2, "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(why), "{arguments:?}: {finished:?}");
    }
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
